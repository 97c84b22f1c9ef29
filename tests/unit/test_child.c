/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that run beside the drill: what they say, how they end, what they are given, and that nothing of them is left. */
#include "unit/work_dir.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "drill/child.h"

#define SOON_MS 60000 /* what a machine under load may take */
#define WORDS 5

struct ended {
	int status;
	size_t len;
	char output[CHILD_OUTPUT + 1];
};

static int start(const char *const words[], struct child **ret)
{
	char *argv[WORDS] = {};
	struct plan_command command = {.argv = argv};

	for (; words[command.n]; command.n++)
		argv[command.n] = (char *)words[command.n];
	return child_start(&command, ret);
}

static void wait_for(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&one, 1, SOON_MS), 1);
}

static const struct ended *finish(struct child *child)
{
	static struct ended ended;
	const char *output;

	do
		wait_for(child_fd(child));
	while (!child_done(child, &ended.status, &output, &ended.len));
	assert_true(ended.len <= CHILD_OUTPUT);
	memcpy(ended.output, output, ended.len + 1);
	assert_int_equal(ended.output[ended.len], 0);
	child_end(child);
	return &ended;
}

#define RUN(...)                                                                                             \
	({                                                                                                   \
		struct child *started;                                                                       \
		assert_int_equal(start((const char *const[]){__VA_ARGS__, NULL}, &started), 0);              \
		finish(started);                                                                             \
	})

static void test_status_and_output(void **state)
{
	const struct ended *e = RUN("sh", "-c", "echo one; echo two >&2; exit 3");

	(void)state;
	assert_int_equal(e->status, 3);
	assert_string_equal(e->output, "one\ntwo\n");
	e = RUN("/bin/true");
	assert_int_equal(e->status, 0);
	assert_int_equal(e->len, 0);
	e = RUN("sh", "-c", "exit 255");
	assert_int_equal(e->status, 255);
	e = RUN("sh", "-c", "kill -TERM $$");
	assert_int_equal(e->status, 128 + SIGTERM);
	e = RUN("printf", "%s", "no $HOME; *");
	assert_string_equal(e->output, "no $HOME; *");
}

static void test_what_can_not_run(void **state)
{
	struct child *child;
	int fd;

	(void)state;
	assert_int_equal(start((const char *const[]){"no-such-program-here", NULL}, &child), -ENOENT);
	assert_int_equal(start((const char *const[]){"./no-such-program", NULL}, &child), -ENOENT);
	assert_int_equal(start((const char *const[]){"", NULL}, &child), -ENOENT);
	assert_int_equal(start((const char *const[]){"/etc", NULL}, &child), -EACCES);
	assert_int_equal(start((const char *const[]){"/etc/passwd", NULL}, &child), -EACCES);
	fd = open("nothing", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, "nothing that runs\n", 18), 18);
	close(fd);
	assert_int_equal(RUN("./nothing")->status, 126);
	assert_string_equal(RUN("./nothing")->output, "it can't be run: Exec format error");
	unlink("nothing");
}

/* PATH is looked through to the end; a directory and a file that may not be run are no programs. */
static void test_path(void **state)
{
	char *before = strdup(getenv("PATH")), path[8192];
	struct child *child;

	(void)state;
	assert_int_equal(mkdir("a", 0700), 0);
	assert_int_equal(mkdir("a/true", 0700), 0);
	snprintf(path, sizeof(path), "%s/a", work_dir);
	setenv("PATH", path, 1);
	assert_int_equal(start((const char *const[]){"true", NULL}, &child), -EACCES);
	snprintf(path, sizeof(path), "%s/a:/nonexistent:%s", work_dir, before);
	setenv("PATH", path, 1);
	assert_int_equal(RUN("true")->status, 0);
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(start((const char *const[]){"true", NULL}, &child), -ENOENT);
	unsetenv("PATH");
	assert_int_equal(RUN("true")->status, 0);
	setenv("PATH", before, 1);
	free(before);
	rmdir("a/true");
	rmdir("a");
}

/* Nothing that the drill has set for itself is passed on; its environment is. */
static void test_surroundings(void **state)
{
	const struct ended *e;
	sigset_t all, before;
	int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	char line[64];

	(void)state;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1UL);
	setenv("SHEARPIN_TEST", "as it is", 1);
	e = RUN("sh", "-c", "grep -E '^Sig(Blk|Ign)' /proc/self/status; cat; echo \"$SHEARPIN_TEST\"");
	assert_string_equal(e->output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nas it is\n");
	assert_string_equal(RUN("cat", "/proc/self/timerslack_ns")->output, "50000\n");
	snprintf(line, sizeof(line), "[ ! -e /proc/$$/fd/%d ]", leak);
	assert_int_equal(RUN("sh", "-c", line)->status, 0);
	/* a session of its own: the sixth field of stat is its leader */
	assert_int_equal(RUN("sh", "-c", "set -- $(cat /proc/$$/stat); [ $6 = $$ ]")->status, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	unsetenv("SHEARPIN_TEST");
	close(leak);
}

/* More than is kept, and more than a pipe holds: it is not held up. */
static void test_flood(void **state)
{
	const struct ended *e = RUN("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 7");

	(void)state;
	assert_int_equal(e->status, 7);
	assert_int_equal(e->len, CHILD_OUTPUT);
	assert_int_equal(strspn(e->output, "x"), CHILD_OUTPUT);
}

/* Its output is closed long before it ends: nobody turns in circles meanwhile. */
static void test_closed_output(void **state)
{
	const struct ended *e;
	struct child *child;
	struct pollfd one;
	const char *output;
	size_t len;
	int status;

	(void)state;
	assert_int_equal(mkfifo("go", 0600), 0);
	assert_int_equal(
		start((const char *const[]){"sh", "-c", "exec >&- 2>&-; read x < go; exit 5", NULL}, &child),
		0);
	one = (struct pollfd){.fd = child_fd(child), .events = POLLIN};
	assert_int_equal(poll(&one, 1, SOON_MS), 1); /* the end of its output */
	assert_false(child_done(child, &status, &output, &len));
	assert_int_equal(poll(&one, 1, 0), 0);
	one.fd = open("go", O_WRONLY | O_CLOEXEC);
	close(one.fd);
	e = finish(child);
	assert_int_equal(e->status, 5);
	unlink("go");
}

/* What it leaves behind has its output open, and is not waited for. */
static void test_left_behind(void **state)
{
	const struct ended *e;
	pid_t pid;

	(void)state;
	e = RUN("sh", "-c", "sleep 1000 & echo $!");
	assert_int_equal(e->status, 0);
	pid = atoi(e->output);
	assert_int_equal(kill(pid, 0), 0);
	kill(pid, SIGKILL);
}

/* A process that it has started, by what it says; ret_fd tells of its end. */
static pid_t read_pid(struct child *child, int *ret_fd)
{
	const char *output;
	size_t len;
	int status;

	do {
		wait_for(child_fd(child));
		assert_false(child_done(child, &status, &output, &len));
		output = child_output(child, &len);
	} while (!memchr(output, '\n', len));
	*ret_fd = pidfd_open(atoi(output), 0);
	assert_true(*ret_fd >= 0);
	return atoi(output);
}

static void test_end(void **state)
{
	struct child *child;
	int fd;

	(void)state;
	assert_int_equal(
		start((const char *const[]){"sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait", NULL},
		      &child),
		0);
	read_pid(child, &fd);
	child_end(child);
	wait_for(fd); /* the grandchild, too */
	close(fd);
	child_end(NULL);
	/* Whoever could not be collected at once is so at the next start. */
	RUN("true");
	while (waitpid(-1, NULL, WNOHANG) >= 0)
		RUN("true");
	assert_int_equal(errno, ECHILD);
}

/* What the program says is a process of it. */
static void owner_dies(const char *program)
{
	int pair[2], fd, status;
	struct child *child;
	pid_t owner, pid;

	assert_int_equal(pipe(pair), 0);
	owner = fork();
	if (!owner) {
		if (start((const char *const[]){"sh", "-c", program, NULL}, &child))
			_exit(1);
		pid = read_pid(child, &fd);
		_exit(write(pair[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	close(pair[1]);
	assert_int_equal(read(pair[0], &pid, sizeof(pid)), sizeof(pid));
	fd = pidfd_open(pid, 0);
	close(pair[0]);
	assert_int_equal(waitpid(owner, &status, 0), owner);
	assert_int_equal(status, 0);
	if (fd >= 0) {
		wait_for(fd);
		close(fd);
	}
}

/* The drill dies without a word: the program goes, and what it has started. */
static void test_owner_dies(void **state)
{
	(void)state;
	owner_dies("echo $$; exec sleep 1000");
	owner_dies("sleep 1000 & echo $!; wait");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_and_output),
		cmocka_unit_test(test_what_can_not_run),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_surroundings),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_closed_output),
		cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_owner_dies),
	};

	return cmocka_run_group_tests(tests, work_dir_enter, work_dir_leave);
}
