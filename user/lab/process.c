/* SPDX-License-Identifier: BSD-2-Clause */
#include "lab/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Both ways the channel carries single ints; the end of file in the parent means that the child called exec(). */
static int put(int channel, int value)
{
	return send(channel, &value, sizeof(value), MSG_NOSIGNAL) == sizeof(value) ? 0 : -errno;
}

static int get(int channel, int at_end)
{
	int value;
	ssize_t n;

	do
		n = recv(channel, &value, sizeof(value), 0);
	while (n < 0 && errno == EINTR);
	if (n == sizeof(value))
		return value;
	return n < 0 ? -errno : at_end;
}

static _Noreturn void child(int channel, pid_t parent, int (*body)(void *arg), void *arg)
{
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	setsid();
	r = unshare(CLONE_NEWNET) ? -errno : 0;
	if (!put(channel, r) && !r && get(channel, -EPIPE) == 0)
		put(channel, body(arg));
	_exit(1);
}

static int open_netns(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int lab_process_start(struct lab_process *p, int (*body)(void *arg), void *arg)
{
	pid_t parent = getpid();
	int pair[2], r;

	*p = (struct lab_process)LAB_NO_PROCESS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	p->pid = fork();
	if (!p->pid) {
		close(pair[0]);
		child(pair[1], parent, body, arg);
	}
	r = p->pid < 0 ? -errno : 0;
	close(pair[1]);
	p->channel = pair[0];
	if (r)
		p->pid = 0;
	else
		r = get(p->channel, -EPIPE);
	if (!r) {
		p->netns = open_netns(p->pid);
		r = p->netns < 0 ? p->netns : 0;
	}
	if (r)
		lab_process_end(p);
	return r;
}

int lab_process_go(struct lab_process *p, bool execs)
{
	int r = put(p->channel, 0);

	return r || !execs ? r : get(p->channel, 0);
}

bool lab_process_alive(const struct lab_process *p)
{
	siginfo_t info = {0};

	return p->pid && !waitid(P_PID, p->pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

static void close_handle(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void lab_process_end(struct lab_process *p)
{
	if (p->pid) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	p->pid = 0;
	close_handle(&p->channel);
	close_handle(&p->netns);
}
