/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes of programs, files and processes. */
#include "unit/work_dir.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/timeutil.h"
#include "unit/one_probe.h"

#define HOUR_NS (3600 * NS_PER_S)

static int leave(void **state)
{
	one_probe_stop();
	unlink("file");
	return work_dir_leave(state);
}

static void put(const char *text)
{
	write_text("file", "we", "%s", text);
}

/* ---- programs ---- */

static void start_exec(const char *line, struct plan_probe probe)
{
	static char *argv[4];

	argv[0] = (char *)"sh";
	argv[1] = (char *)"-c";
	argv[2] = (char *)line;
	probe.kind = PROBE_EXEC;
	probe.command = (struct plan_command){.argv = argv, .n = 3};
	one_probe_start(&probe);
}

static void test_exec(void **state)
{
	(void)state;
	put("3");
	start_exec("echo first; echo second >&2; exit $(cat file)", (struct plan_probe){.expect_status = 3});
	one_probe_expect(true, "", "first");
	assert_true(one_probe_last()->value == 3);
	assert_true(one_probe_last()->latency_ns != PROBE_NO_LATENCY);
	put("0");
	one_probe_expect(false, "status 0", "first");
	assert_true(one_probe_last()->has_value && one_probe_last()->value == 0);
	assert_true(one_probe_last()->changed);
}

static void test_exec_output(void **state)
{
	(void)state;
	put("PONG\n");
	start_exec("echo +; cat file", (struct plan_probe){.expect_output = (char *)"^PONG$"});
	one_probe_expect(true, "", "+");
	put("PONGS\n");
	one_probe_expect(false, "it did not say what it should", "+");
}

static void test_exec_killed(void **state)
{
	(void)state;
	start_exec("kill -KILL $$", (struct plan_probe){});
	one_probe_expect(false, "status 137", "");
}

static void test_exec_timeout(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkfifo("file", 0600), 0);
	start_exec("read x < file", (struct plan_probe){.timeout_ns = HOUR_NS});
	assert_int_equal(one_probe_step(), 0);
	assert_int_equal(one_probe_at(0), 0);
	assert_int_equal(one_probe_at(2 * HOUR_NS), 1);
	assert_string_equal(one_probe_last()->error, "timeout");
	assert_false(one_probe_last()->has_value);
	assert_true(one_probe_last()->latency_ns != PROBE_NO_LATENCY);
	/* The next one has begun, and comes to the end of its line. */
	fd = open("file", O_WRONLY | O_CLOEXEC);
	close(fd);
	assert_string_equal(one_probe_wait()->error, "status 1");
}

static void test_exec_no_program(void **state)
{
	static char *argv[] = {(char *)"no-such-program-here", NULL};
	struct plan_probe probe = {.kind = PROBE_EXEC, .command = {.argv = argv, .n = 1}};

	(void)state;
	one_probe_start(&probe);
	one_probe_expect(false, "there is no such program", "");
	argv[0] = (char *)"/etc/passwd";
	one_probe_expect(false, "it is no program that may be run", "");
}

/* ---- files ---- */

static void start_file(struct plan_probe probe)
{
	probe.kind = PROBE_FILE;
	probe.path = (char *)"file";
	one_probe_start(&probe);
}

static void test_file_exists(void **state)
{
	(void)state;
	start_file((struct plan_probe){});
	one_probe_expect(false, "it is not there", "");
	put("");
	one_probe_expect(true, "", "");
	unlink("file");
	assert_int_equal(symlink("nowhere", "file"), 0);
	one_probe_expect(false, "it is not there", "");
}

static void test_file_absent(void **state)
{
	(void)state;
	start_file((struct plan_probe){.absent = true});
	one_probe_expect(true, "", "");
	put("");
	one_probe_expect(false, "it is there", "");
	unlink("file");
	assert_int_equal(symlink("file", "file"), 0);
	one_probe_expect(false, "it can't be read: Too many levels of symbolic links", "");
}

static void test_file_fresh(void **state)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    {.tv_sec = clock_real_ns() / NS_PER_S - 24 * 3600}};

	(void)state;
	start_file((struct plan_probe){.fresh_ns = HOUR_NS});
	put("");
	one_probe_expect(true, "", "");
	assert_int_equal(utimensat(AT_FDCWD, "file", times, 0), 0);
	assert_false(one_probe_next()->good);
	assert_int_equal(strncmp(one_probe_last()->error, "it is 24h", 9), 0);
}

static void test_file_contains(void **state)
{
	(void)state;
	start_file((struct plan_probe){.expect_output = (char *)"^status: (ok|idle)$"});
	put("pid: 1\nstatus: idle\n");
	one_probe_expect(true, "", "");
	put("pid: 1\nstatus: idler\n");
	one_probe_expect(false, "it does not contain what it should", "");
	put("");
	one_probe_expect(false, "it does not contain what it should", "");
	unlink("file");
	assert_int_equal(mkfifo("file", 0600), 0);
	one_probe_expect(false, "it is no regular file", "");
}

/* It is looked for in the first MiB, which need not be all. */
static void test_large_file(void **state)
{
	int fd;

	(void)state;
	put("status: ok\n");
	assert_int_equal(truncate("file", 3 << 20), 0);
	start_file((struct plan_probe){.expect_output = (char *)"^status: ok$"});
	one_probe_expect(true, "", "");
	put("");
	fd = open("file", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "status: ok\n", 11, 2 << 20), 11);
	close(fd);
	one_probe_expect(false, "it does not contain what it should", "");
}

/* ---- processes ---- */

static pid_t start_process(void)
{
	pid_t pid = fork();
	char text[32];

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	snprintf(text, sizeof(text), "%d\n", pid);
	put(text);
	return pid;
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void check_process(bool healthy, const char *error, pid_t pid, const char *more)
{
	char detail[64];

	snprintf(detail, sizeof(detail), "pid %d%s", pid, more);
	one_probe_expect(healthy, error, pid ? detail : "");
	assert_int_equal(one_probe_last()->has_value, pid != 0);
	assert_true(one_probe_last()->value == pid);
}

static void test_process(void **state)
{
	struct plan_probe probe = {.kind = PROBE_PROCESS, .process = {.pidfile = (char *)"file"}};
	pid_t pid;

	(void)state;
	one_probe_start(&probe);
	check_process(false, "its pidfile is not there", 0, "");
	put("soon\n");
	check_process(false, "there is no pid in its pidfile", 0, "");
	pid = start_process();
	check_process(true, "", pid, "");
	end_process(pid);
	check_process(false, "the process of its pidfile is not there", 0, "");
	pid = start_process();
	check_process(true, "", pid, ", restarted 1 time");
	check_process(true, "", pid, ", restarted 1 time");
	end_process(pid);
	pid = start_process();
	check_process(true, "", pid, ", restarted 2 times");
	probes_start(one_probe(), 0, clock_mono_ns()); /* it begins anew */
	check_process(true, "", pid, "");
	end_process(pid);
}

static void test_restarts_fail(void **state)
{
	struct plan_probe probe = {
		.kind = PROBE_PROCESS, .process = {.pidfile = (char *)"file"}, .restarts_fail = true};
	pid_t pid = start_process();

	(void)state;
	one_probe_start(&probe);
	check_process(true, "", pid, "");
	end_process(pid);
	pid = start_process();
	check_process(false, "it was started again", pid, ", restarted 1 time");
	check_process(true, "", pid, ", restarted 1 time");
	end_process(pid);
}

static void test_pid(void **state)
{
	pid_t pid = start_process();
	struct plan_probe probe = {.kind = PROBE_PROCESS, .process = {.pid = pid}};

	(void)state;
	one_probe_start(&probe);
	check_process(true, "", pid, "");
	end_process(pid);
	check_process(false, "there is no such process", 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exec, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_exec_output, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_exec_killed, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_exec_timeout, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_exec_no_program, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_file_exists, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_file_absent, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_file_fresh, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_file_contains, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_large_file, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_process, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_restarts_fail, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_pid, work_dir_enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
