/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define READ_AT_ONCE (4 * CHILD_OUTPUT) /* of a flood: the drill has other work */
#define TIMER_SLACK_NS 50000UL          /* the kernel's own; the drill's is finer, and would be inherited */
#define CAN_NOT_RUN 126
#define BY_SIGNAL 128

struct child {
	pid_t pid;
	int epoll_fd, pid_fd, output_fd, null_fd; /* -1: closed */
	bool ended;
	int status;
	struct buf output;
	struct child *next; /* killed, and not yet collected */
};

/* Killed children that had not ended when they were let go. The drill is one thread. */
static struct child *leaving;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void child_free(struct child *c)
{
	close_fd(&c->output_fd);
	close_fd(&c->pid_fd);
	close_fd(&c->null_fd);
	close_fd(&c->epoll_fd);
	buf_free(&c->output);
	free(c);
}

/* Has it ended? Then it is no zombie any more. */
static bool collect(struct child *c)
{
	siginfo_t info = {};

	if (c->ended)
		return true;
	if (waitid(P_PID, c->pid, &info, WEXITED | WNOHANG)) {
		c->status = CAN_NOT_RUN; /* somebody else has collected it */
		c->ended = true;
	} else if (info.si_pid) {
		c->status = info.si_code == CLD_EXITED ? info.si_status : BY_SIGNAL + info.si_status;
		c->ended = true;
	}
	return c->ended;
}

static void collect_leaving(void)
{
	struct child **at = &leaving, *c;

	while ((c = *at)) {
		if (collect(c)) {
			*at = c->next;
			child_free(c);
		} else {
			at = &c->next;
		}
	}
}

/* ---- the way to the program ---- */

static int is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	return S_ISREG(st.st_mode) && !access(path, X_OK) ? 0 : -EACCES;
}

static const char *path_of(const struct child_place *place)
{
	static const char key[] = "PATH=";

	if (!place)
		return getenv("PATH") ?: PATH_DEFAULT;
	for (char *const *entry = place->environment; *entry; entry++)
		if (!strncmp(*entry, key, strlen(key)))
			return *entry + strlen(key);
	return PATH_DEFAULT;
}

/* As execvp(3) looks for it; that it can't be run is known before there is a process. */
static int find_in_path(const char *name, const char *path, char **ret_path)
{
	int err = -ENOENT;

	for (;;) {
		int len = strchrnul(path, ':') - path, found;
		char *whole;

		if (asprintf(&whole, "%.*s%s%s", len, path, len ? "/" : "./", name) < 0)
			return -ENOMEM;
		found = is_program(whole);
		if (!found) {
			*ret_path = whole;
			return 0;
		}
		free(whole);
		if (found == -EACCES)
			err = found;
		if (!path[len])
			return err;
		path += len + 1;
	}
}

/* A path counts from the folder that the program is to run in (NULL: this process' own). */
static int find_program(const char *name, const char *path, const char *folder, char **ret_path)
{
	char *whole;
	int err;

	if (!*name)
		return -ENOENT;
	if (!strchr(name, '/'))
		return find_in_path(name, path, ret_path);
	if (asprintf(&whole, "%s%s%s", folder && *name != '/' ? folder : "",
		     folder && *name != '/' ? "/" : "", name) < 0)
		return -ENOMEM;
	err = is_program(whole);
	if (err)
		free(whole);
	else
		*ret_path = whole;
	return err;
}

/* ---- in the child, between fork() and exec(): what a handler may call, for the drill has threads ---- */

/* Also those that the C library keeps to itself, and that somebody may have had ignored: zeros are the kernel's SIG_DFL. */
static void reset_signals(void)
{
	static const uint64_t zeros[8];
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)syscall(SYS_rt_sigaction, i, zeros, NULL, NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void say(const char *text)
{
	ssize_t n = write(STDERR_FILENO, text, strlen(text));

	(void)n;
}

/* Until the program has ended, or the drill has: then its whole group goes, this process with it. */
static _Noreturn void keep_watch(int drill_fd, int program_fd, pid_t program)
{
	struct pollfd fds[] = {{.fd = drill_fd, .events = POLLIN}, {.fd = program_fd, .events = POLLIN}};

	prctl(PR_SET_NAME, "shearpin-watch");
	syscall(SYS_close_range, 0, drill_fd - 1, 0);
	if (program_fd > drill_fd + 1)
		syscall(SYS_close_range, drill_fd + 1, program_fd - 1, 0);
	syscall(SYS_close_range, program_fd + 1, ~0U, 0);
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (fds[0].revents)
		kill(-program, SIGKILL);
	_exit(0);
}

/* The kernel would end the program with the drill, but nothing that the program has started. The watch is no child of it. */
static bool leave_watch(pid_t parent)
{
	pid_t program = getpid(), between;
	int drill_fd, program_fd, status;

	if (parent == 1) /* with which the kernel ends all of its namespace */
		return true;
	drill_fd = pidfd_open(parent, 0);
	program_fd = pidfd_open(program, 0); /* the higher one */
	between = drill_fd < 0 || program_fd < 0 ? -1 : _Fork();
	if (!between) {
		pid_t watch = _Fork();

		if (!watch)
			keep_watch(drill_fd, program_fd, program);
		_exit(watch < 0);
	}
	while (between > 0 && waitpid(between, &status, 0) < 0 && errno == EINTR)
		;
	/* Ended by the kernel, the program could be gone before the drill is seen to be: then its group would be left. */
	return between > 0 && !status && getppid() == parent && !prctl(PR_SET_PDEATHSIG, 0UL);
}

static _Noreturn void become(const char *path, char **argv, const struct child_place *place, int null_fd,
			     int output_fd, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || setsid() < 0)
		_exit(CAN_NOT_RUN);
	if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
	    dup2(output_fd, STDERR_FILENO) < 0 || !leave_watch(parent))
		_exit(CAN_NOT_RUN);
	/* All of them close at exec(); this is for one that somebody else has opened without. */
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	reset_signals();
	if (!place || !chdir(place->folder))
		execve(path, argv, place ? place->environment : environ);
	say("it can't be run: ");
	say(strerrordesc_np(errno) ?: "unknown error");
	_exit(CAN_NOT_RUN);
}

/* ---- in the drill ---- */

static int watch(const struct child *c, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* ret_end: the child's end of its output. */
static int prepare(struct child *c, int *ret_end)
{
	int ends[2];

	c->pid_fd = c->output_fd = -1;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (c->epoll_fd < 0 || c->null_fd < 0 || pipe2(ends, O_CLOEXEC))
		return -errno;
	c->output_fd = ends[0];
	*ret_end = ends[1];
	if (fcntl(c->output_fd, F_SETFL, O_NONBLOCK))
		return -errno;
	return watch(c, c->output_fd);
}

static void kill_all(const struct child *c)
{
	kill(-c->pid, SIGKILL); /* not there yet if it has not come to setsid() */
	kill(c->pid, SIGKILL);
}

static int run(struct child *c, const char *path, char **argv, const struct child_place *place, int end)
{
	pid_t parent = getpid();
	int err;

	/* Inherited, SIG_IGN would let the kernel collect it, and its status be lost. */
	signal(SIGCHLD, SIG_DFL);
	c->pid = fork();
	if (!c->pid)
		become(path, argv, place, c->null_fd, end, parent);
	if (c->pid < 0)
		return -errno;
	c->pid_fd = pidfd_open(c->pid, 0);
	err = c->pid_fd < 0 ? -errno : watch(c, c->pid_fd);
	if (err) {
		kill_all(c);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return err;
}

int child_find(const struct plan_command *command)
{
	char *path = NULL;
	int err = find_program(command->argv[0], path_of(NULL), NULL, &path);

	free(path);
	return err;
}

int child_start_at(const struct plan_command *command, const struct child_place *place, struct child **ret)
{
	struct child *c;
	char *path;
	int end = -1,
	    err = find_program(command->argv[0], path_of(place), place ? place->folder : NULL, &path);

	collect_leaving();
	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	err = c ? prepare(c, &end) : -ENOMEM;
	if (!err)
		err = run(c, path, command->argv, place, end);
	close_fd(&end);
	free(path);
	if (err && c)
		child_free(c);
	else if (!err)
		*ret = c;
	return err;
}

int child_start(const struct plan_command *command, struct child **ret)
{
	return child_start_at(command, NULL, ret);
}

int child_fd(const struct child *child)
{
	return child->epoll_fd;
}

static void keep(struct child *c, const char *text, size_t len)
{
	size_t room = CHILD_OUTPUT - c->output.len;

	buf_add(&c->output, text, len < room ? len : room);
}

static void read_output(struct child *c)
{
	char text[16384];
	ssize_t n = 1;

	for (size_t sum = 0; c->output_fd >= 0 && sum < READ_AT_ONCE; sum += n) {
		n = read(c->output_fd, text, sizeof(text));
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0 && errno == EAGAIN)
			return;
		else if (n <= 0)
			close_fd(&c->output_fd);
		else
			keep(c, text, n);
	}
}

const char *child_output(const struct child *child, size_t *ret_len)
{
	*ret_len = child->output.len;
	return child->output.len ? child->output.data : "";
}

bool child_done(struct child *child, int *ret_status, const char **ret_output, size_t *ret_len)
{
	bool ended = collect(child);

	read_output(
		child); /* after the look at the process: what it wrote is in the pipe when it has ended */
	if (!ended)
		return false;
	*ret_status = child->status;
	*ret_output = child_output(child, ret_len);
	return true;
}

void child_end(struct child *child)
{
	if (!child)
		return;
	if (!child->ended)
		kill_all(child);
	child->next = leaving;
	leaving = child;
	collect_leaving();
}
