/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process a plan means, with real ones: copies of sleep(1) under names of their own. */
#include "unit/work_dir.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "drill/process_find.h"

static char name[32]; /* of nobody else: 15 bytes, as many as comm holds */

static int enter(void **state)
{
	snprintf(name, sizeof(name), "find %08x", (unsigned)getpid());
	return work_dir_enter(state);
}

/* It waits to be ended, and has that comm and argv[0] from before the call returns. */
static pid_t start(const char *comm, const char *argv0)
{
	int ends[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		char path[64];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(path, sizeof(path), "./%s", comm);
		unlink(path);
		if (symlink("/bin/sleep", path))
			_exit(1);
		execl(path, argv0, "1000", NULL);
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0); /* exec() has closed it */
	close(ends[0]);
	unlink(comm);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void put(const char *path, const char *text)
{
	write_text(path, "we", "%s", text);
}

static int by_name(const char *wanted, struct process_found *ret)
{
	struct plan_process what = {.name = (char *)wanted};

	return process_find(&what, ret);
}

static int by_pidfile(const char *text, struct process_found *ret)
{
	struct plan_process what = {.pidfile = (char *)"pid"};

	put("pid", text);
	return process_find(&what, ret);
}

static void test_pid(void **state)
{
	struct plan_process what = {};
	struct process_found found, again;
	pid_t pid = start(name, "anything");

	(void)state;
	what.pid = pid;
	assert_int_equal(process_find(&what, &found), 0);
	assert_int_equal(found.pid, pid);
	assert_string_equal(found.comm, name);
	assert_int_equal(process_look(pid, &again), 0);
	assert_int_equal(found.start_ticks, again.start_ticks);
	assert_int_equal(process_look(getpid(), &again), 0);
	assert_true(again.start_ticks && again.start_ticks <= found.start_ticks);
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
	assert_int_equal(process_find(&what, &found), -ESRCH); /* a zombie */
	end(pid);
	assert_int_equal(process_find(&what, &found), -ESRCH);
	assert_int_equal(process_look(0, &found), -ESRCH);
	assert_int_equal(process_look(-1, &found), -ESRCH);
}

/* That it is stopped does not end it. */
static void test_stopped(void **state)
{
	struct process_found found;
	pid_t pid = start(name, "anything");

	(void)state;
	kill(pid, SIGSTOP);
	assert_int_equal(waitid(P_PID, pid, &(siginfo_t){0}, WSTOPPED | WNOWAIT), 0);
	assert_int_equal(process_look(pid, &found), 0);
	end(pid);
}

/* A comm with what else is in the line of stat. */
static void test_odd_comm(void **state)
{
	struct process_found found;
	pid_t pid = start(") R 1 (x) Z 2", "anything");

	(void)state;
	assert_int_equal(process_look(pid, &found), 0);
	assert_string_equal(found.comm, ") R 1 (x) Z 2");
	assert_int_equal(by_name(") R 1 (x) Z 2", &found), 0);
	assert_int_equal(found.pid, pid);
	end(pid);
}

static void test_pidfile(void **state)
{
	static const char *const wrong[] = {"",   "\n", "pid",        "12x",
					    "-5", "0",  "4194304000", "99999999999999999999"};
	struct plan_process missing = {.pidfile = (char *)"missing"}, fifo = {.pidfile = (char *)"fifo"};
	struct process_found found;
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "%d\n", getpid());
	assert_int_equal(by_pidfile(text, &found), 0);
	assert_int_equal(found.pid, getpid());
	snprintf(text, sizeof(text), " %d", getpid());
	assert_int_equal(by_pidfile(text, &found), 0);
	snprintf(text, sizeof(text), "%d\n/var/lib/postgresql\n", getpid());
	assert_int_equal(by_pidfile(text, &found), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (by_pidfile(wrong[i], &found) != -EBADMSG)
			fail_msg("'%s' is a pid", wrong[i]);
	unlink("pid");
	assert_int_equal(process_find(&missing, &found), -ENOENT);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(process_find(&fifo, &found), -ENOTSUP);
	unlink("fifo");
}

static void test_pidfile_of_the_dead(void **state)
{
	struct process_found found;
	pid_t pid = start(name, "anything");
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "%d", pid);
	assert_int_equal(by_pidfile(text, &found), 0);
	end(pid);
	assert_int_equal(by_pidfile(text, &found), -ESRCH);
	unlink("pid");
}

static void test_name(void **state)
{
	struct process_found found;
	char argv0[64], longer[64];
	pid_t first, second;

	(void)state;
	snprintf(argv0, sizeof(argv0), "/opt/bin/a longer %s", name);
	snprintf(longer, sizeof(longer), "a longer %s", name);
	assert_int_equal(by_name(name, &found), -ESRCH);
	first = start(name, argv0);
	assert_int_equal(by_name(name, &found), 0);
	assert_int_equal(found.pid, first);
	assert_int_equal(by_name(longer, &found), 0);
	assert_int_equal(found.pid, first);
	assert_int_equal(by_name(argv0, &found), -ESRCH);
	second = start(name, "another");
	assert_int_equal(by_name(name, &found), -EEXIST);
	assert_true(found.pid == first || found.pid == second);
	assert_int_equal(by_name(longer, &found), 0);
	end(first);
	assert_int_equal(by_name(name, &found), 0);
	assert_int_equal(found.pid, second);
	end(second);
}

/* Neither itself nor the kernel's own. */
static void test_not_by_name(void **state)
{
	struct process_found found;

	(void)state;
	prctl(PR_SET_NAME, name);
	assert_int_equal(by_name(name, &found), -ESRCH);
	if (!process_look(2, &found) && !strcmp(found.comm, "kthreadd"))
		assert_int_equal(by_name("kthreadd", &found), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pid),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_odd_comm),
		cmocka_unit_test(test_pidfile),
		cmocka_unit_test(test_pidfile_of_the_dead),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_not_by_name),
	};

	return cmocka_run_group_tests(tests, enter, work_dir_leave);
}
