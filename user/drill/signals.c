/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_open(struct signals *s)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
	sigset_t set;
	int err;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		sigaddset(&set, ending[i]);
	/* A full file system or a closed pipe is an error to be reported, not a reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	s->fd = -1;
	if (sigprocmask(SIG_BLOCK, &set, &s->before))
		return -errno;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd >= 0)
		return 0;
	err = -errno;
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	return err;
}

bool signals_read(const struct signals *s, char *ret_reason, size_t size)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGTERM && info.ssi_pid)
		snprintf(ret_reason, size, "interrupted by SIGTERM from process %u", info.ssi_pid);
	else
		snprintf(ret_reason, size, "interrupted by SIG%s", sigabbrev_np(info.ssi_signo));
	return true;
}

void signals_close(struct signals *s)
{
	struct signalfd_siginfo info;

	if (s->fd < 0)
		return;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info))
		;
	close(s->fd);
	s->fd = -1;
	sigprocmask(SIG_SETMASK, &s->before, NULL);
}
