/* SPDX-License-Identifier: BSD-2-Clause */
/* Who started whom, also where a process's name looks like what stands behind it. */
#include "unit/run_dir.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kernel/ancestors.h"

/* A process that waits to be killed, once it has its name. */
static pid_t start(const char *name)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void are_found_whatever_they_are_called(void **state)
{
	static const char *const names[] = {"plain", "a) S 1 (b", ") R 1", "new\nline", "("};
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		pid = start(names[i]);
		assert_int_equal(ancestors_parent(pid), getpid());
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(ancestors_parent(pid), 0);
	}
}

static void come_nearest_first(void **state)
{
	pid_t mine[ANCESTORS_MOST];
	size_t n = ancestors_find(mine);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(mine[0], getppid());
	for (size_t i = 1; i < n; i++)
		assert_int_equal(mine[i], ancestors_parent(mine[i - 1]));
	assert_true(n == ANCESTORS_MOST || !ancestors_parent(mine[n - 1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(are_found_whatever_they_are_called),
		cmocka_unit_test(come_nearest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
