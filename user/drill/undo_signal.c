/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that was stopped goes on. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <jansson.h>

#include "drill/process_find.h"
#include "drill/undo_kinds.h"
#include "drill/undo_signal.h"

/* A signal that it has not taken yet: it was not its turn, or it waits where no signal wakes it. */
static bool is_pending(pid_t pid)
{
	char path[64], line[256];
	unsigned long long set = 0, all = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "SigPnd: %llx", &set) == 1 || sscanf(line, "ShdPnd: %llx", &set) == 1)
			all |= set;
	fclose(file);
	return all >> (SIGSTOP - 1) & 1;
}

/* 'T' in proc(5). */
static bool is_stopped_thread(pid_t pid, const char *thread)
{
	char path[320], text[512], state = 0, *after;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, thread);
	file = fopen(path, "re");
	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	after = strrchr(text, ')');
	if (after)
		sscanf(after, ") %c", &state);
	fclose(file);
	return state == 'T';
}

/* First what is pending: what it takes meanwhile shows in the state of a thread. */
bool undo_signal_is_stopped(pid_t pid)
{
	bool stopped = is_pending(pid);
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = stopped ? NULL : opendir(path);
	while (dir && !stopped && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			stopped = is_stopped_thread(pid, entry->d_name);
	if (dir)
		closedir(dir);
	return stopped;
}

/* Its number may be another's by now: the descriptor holds the process, and the start time tells which it is. */
static int resume(pid_t pid, uint64_t start_ticks, bool *ret_stopped)
{
	struct process_found now;
	int fd = pidfd_open(pid, 0), err;

	if (fd < 0)
		return -errno;
	err = process_look(pid, &now);
	if (!err && now.start_ticks != start_ticks)
		err = -ESRCH;
	*ret_stopped = !err && undo_signal_is_stopped(pid);
	if (*ret_stopped && pidfd_send_signal(fd, SIGCONT, NULL, 0))
		err = -errno;
	close(fd);
	return err;
}

enum undo_result undo_signal(void *arg, const json_t *data, bool this_boot, char *ret_reason, size_t size)
{
	const json_t *pid = json_object_get(data, "pid"), *start = json_object_get(data, "start_ticks");
	bool stopped = false;
	int err;

	(void)arg;
	if (!json_is_integer(pid) || !json_is_integer(start)) {
		snprintf(ret_reason, size, "the journal does not say which process");
		return UNDO_FAILED;
	}
	err = this_boot ? resume(json_integer_value(pid), json_integer_value(start), &stopped) : -ESRCH;
	if (err && err != -ESRCH) {
		snprintf(ret_reason, size, "%s", strerror(-err));
		return UNDO_FAILED;
	}
	if (!stopped)
		snprintf(ret_reason, size, err ? "the process has ended" : "the process runs already");
	return stopped ? UNDO_TAKEN_BACK : UNDO_NOT_NEEDED;
}
