/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that was told to stop and has not done so yet: it must not stand still behind the end. */
#include "unit/run_dir.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "drill/leftovers.h"
#include "drill/process_find.h"
#include "drill/undo_kinds.h"
#include "drill/undo_signal.h"

/* It waits for its child where only a deadly signal wakes it, until the child is gone. */
static pid_t start_waiting(pid_t *ret_child)
{
	pid_t pid;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		pid_t child = vfork();

		if (!child) {
			pid_t self = getpid();

			alarm(60); /* of a test that fails nothing stays */
			if (write(ends[1], &self, sizeof(self)) != sizeof(self))
				_exit(1);
			for (;;)
				pause();
		}
		_exit(0);
	}
	assert_true(pid > 0);
	close(ends[1]);
	assert_int_equal(read(ends[0], ret_child, sizeof(*ret_child)), sizeof(*ret_child));
	close(ends[0]);
	return pid;
}

static enum undo_result take_back(pid_t pid, char why[200])
{
	struct process_found found;
	char data[200];

	assert_int_equal(process_look(pid, &found), 0);
	snprintf(data, sizeof(data), "{\"pid\":%d,\"start_ticks\":%llu,\"comm\":\"x\"}", pid,
		 (unsigned long long)found.start_ticks);
	why[0] = '\0';
	return leftovers_take_data(UNDO_SIGNAL, data, why, 200);
}

static void does_not_stop_later(void **state)
{
	pid_t child, pid = start_waiting(&child);
	char why[200];
	int status;

	(void)state;
	assert_false(undo_signal_is_stopped(pid));
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_true(undo_signal_is_stopped(pid));
	assert_int_equal(take_back(pid, why), UNDO_TAKEN_BACK);
	assert_false(undo_signal_is_stopped(pid));
	assert_int_equal(take_back(pid, why), UNDO_NOT_NEEDED);
	assert_string_equal(why, "the process runs already");
	kill(child, SIGKILL);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The name stands before the state. */
static void goes_on_whatever_it_is_called(void **state)
{
	static const char *const names[] = {"x) S 1 (y", "two\nlines"};
	char why[200];
	pid_t pid;
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			alarm(60);
			prctl(PR_SET_NAME, names[i]);
			raise(SIGSTOP);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		assert_true(WIFSTOPPED(status));
		assert_true(undo_signal_is_stopped(pid));
		assert_int_equal(take_back(pid, why), UNDO_TAKEN_BACK);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_not_stop_later),
		cmocka_unit_test(goes_on_whatever_it_is_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
