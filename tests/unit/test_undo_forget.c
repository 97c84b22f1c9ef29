/* SPDX-License-Identifier: BSD-2-Clause */
/* What nobody can take back is forgotten, and nothing else; and a host that has its troubles meanwhile. */
#include "unit/undo_scene.h"

#include <sys/file.h>
#include <sys/syscall.h>

/* A disk that has its troubles. */
static int pread_error; /* 0: none */
static size_t has_room; /* for so many bytes of the next write; 0: for all */

static const struct run_dir *sets_aside; /* whoever comes before us, run-a.jsonl; NULL: nobody does */

/* These three in place of libc's. */
ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
	if (!pread_error)
		return syscall(SYS_pread64, fd, buf, n, at);
	errno = pread_error;
	return -1;
}

ssize_t write(int fd, const void *buf, size_t n)
{
	size_t room = has_room ?: n;

	has_room = 0;
	return syscall(SYS_write, fd, buf, room < n ? room : n);
}

int flock(int fd, int operation)
{
	if (sets_aside)
		assert_int_equal(renameat(sets_aside->fd, "run-a.jsonl", sets_aside->fd, "run-a.forgotten"),
				 0);
	sets_aside = NULL;
	return syscall(SYS_flock, fd, operation);
}

static void has_file(const struct run_dir *dir, const char *name, const char *text)
{
	char *found = get_file(dir->fd, name, NULL);

	assert_string_equal(found, text);
	free(found);
}

/* Tried first; what is known of it stays, where nobody looks for it any more. */
static void forgets_what_fails(void **state)
{
	static const char armed[] = SOON "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":1}}\n"
					 "{\"arm\":2,\"kind\":\"number\",\"data\":{\"value\":2}}\n"
					 "{\"arm\":3,\"kind\":\"moon\",\"data\":{}}\n";
	const struct run_dir *dir = *state;
	struct taken taken = {.refuses = 2};
	char told[1024], name[300], expected[1024];

	put(dir, "run-a.jsonl", armed, strlen(armed));
	assert_int_equal(mkdirat(dir->fd, "run-a.d", 0700), 0);
	put(dir, "run-a.d/1", "copy", 4);
	for (int again = 0; again < 2; again++) {
		replay_or(true, dir, &taken, told);
		assert_string_equal(
			told,
			again ? ""
			      : "/runs/a 77 moon {} forgotten: this version knows no change of that kind\n"
				"/runs/a 77 number {\"value\":2} forgotten: 2 it is\n"
				"/runs/a 77 number {\"value\":1} taken back: 1 it is\n");
		assert_int_equal(taken.n, 2);
		snprintf(expected, sizeof(expected),
			 "%s{\"done\":3,\"forgotten\":true}\n{\"done\":2,\"forgotten\":true}\n{\"done\":1}\n",
			 armed);
		has_file(dir, "run-a.forgotten", expected);
		has_file(dir, "run-a.d/1", "copy");
		assert_int_equal(journals(dir, name), 2);
	}
	assert_int_equal(unlinkat(dir->fd, "run-a.d/1", 0), 0);
	assert_int_equal(unlinkat(dir->fd, "run-a.d", AT_REMOVEDIR), 0);
}

/* Killed when it had marked a change as forgotten: the copies don't go with those that are done. */
static void sets_aside_what_was_forgotten(void **state)
{
	static const char armed[] = SOON "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":1}}\n"
					 "{\"arm\":2,\"kind\":\"number\",\"data\":{\"value\":2}}\n"
					 "{\"done\":2,\"forgotten\":true}\n";
	struct taken taken = {.refuses = 1};
	char told[1024], name[300];

	put(*state, "run-a.jsonl", armed, strlen(armed));
	replay(*state, &taken, told);
	assert_string_equal(told, "/runs/a 77 number {\"value\":1} failed: 1 it is\n");
	assert_int_equal(journals(*state, name), 1);
	assert_string_equal(name, "run-a.jsonl");
	taken = (struct taken){0};
	replay(*state, &taken, told);
	assert_string_equal(told, "/runs/a 77 number {\"value\":1} taken back: 1 it is\n");
	assert_int_equal(journals(*state, name), 1);
	assert_string_equal(name, "run-a.forgotten");
}

static void forgets_what_it_can_not_read(void **state)
{
	struct taken taken = {0};
	char told[1024], name[300];

	put(*state, "run-a.jsonl", "rubbish\n", 8);
	put(*state, "run-a.forgotten", "an older one", 12);
	replay_or(true, *state, &taken, told);
	assert_string_equal(told, "- 0 - - failed: it is no undo journal\n");
	has_file(*state, "run-a.forgotten", "an older one");
	has_file(*state, "run-a.jsonl", "rubbish\n");
	assert_int_equal(unlinkat(((const struct run_dir *)*state)->fd, "run-a.forgotten", 0), 0);
	replay_or(true, *state, &taken, told);
	assert_string_equal(told, "- 0 - - forgotten: it is no undo journal\n");
	assert_int_equal(journals(*state, name), 1);
	has_file(*state, "run-a.forgotten", "rubbish\n");
}

/* The next time it may be read, and taken back. */
static void forgets_nothing_that_it_failed_to_read(void **state)
{
	static const char armed[] = SOON "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":1}}\n";
	struct taken taken = {0};
	char told[1024], name[300];

	put(*state, "run-a.jsonl", armed, strlen(armed));
	pread_error = EIO;
	replay_or(true, *state, &taken, told);
	pread_error = 0;
	assert_string_equal(told, "- 0 - - failed: Input/output error\n");
	assert_int_equal(journals(*state, name), 1);
	assert_string_equal(name, "run-a.jsonl");
	replay_or(true, *state, &taken, told);
	assert_string_equal(told, "/runs/a 77 number {\"value\":1} taken back: 1 it is\n");
	assert_int_equal(journals(*state, name), 0);
}

/* It was found under its name, and has another once it is locked. */
static void may_be_set_aside_by_another(void **state)
{
	struct taken taken = {0};
	char told[1024], name[300];

	put(*state, "run-a.jsonl", "rubbish\n", 8);
	sets_aside = *state;
	replay(*state, &taken, told);
	assert_string_equal(told, "");
	assert_null(sets_aside);
	assert_int_equal(journals(*state, name), 1);
	has_file(*state, "run-a.forgotten", "rubbish\n");
}

static void forgets_nothing_of_a_live_run_or_what_succeeds(void **state)
{
	const struct run_dir *dir = *state;
	struct undo *undo = begin(dir);
	struct taken taken = {.refuses = 1};
	char told[1024], name[300];

	arm(undo, "{\"value\":1}");
	replay_or(true, dir, &taken, told);
	assert_string_equal(told, "");
	undo_close(undo);
	taken = (struct taken){0};
	replay_or(true, dir, &taken, told);
	assert_int_equal(taken.n, 1);
	assert_int_equal(journals(dir, name), 0);
}

/* Of a line that has no room nothing is left: what follows does not stand behind half of one. */
static void marks_in_whole_lines(void **state)
{
	static const char armed[] = SOON "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":1}}\n"
					 "{\"arm\":2,\"kind\":\"number\",\"data\":{\"value\":2}}\n";
	struct taken taken = {0};
	char told[1024], name[300];

	put(*state, "run-a.jsonl", armed, strlen(armed));
	has_room = 4;
	replay(*state, &taken, told);
	assert_string_equal(told, "/runs/a 77 number {\"value\":2} not needed: 2 it is\n"
				  "/runs/a 77 number {\"value\":1} taken back: 1 it is\n");
	replay(*state, &taken, told);
	assert_string_equal(told, "/runs/a 77 number {\"value\":2} not needed: 2 it is\n");
	assert_int_equal(journals(*state, name), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(forgets_what_fails),           IN_DIR(sets_aside_what_was_forgotten),
		IN_DIR(forgets_what_it_can_not_read), IN_DIR(forgets_nothing_that_it_failed_to_read),
		IN_DIR(may_be_set_aside_by_another),  IN_DIR(forgets_nothing_of_a_live_run_or_what_succeeds),
		IN_DIR(marks_in_whole_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
