/* SPDX-License-Identifier: BSD-2-Clause */
/* The undo journal: what is in it at every moment, and what is taken back of it by those who find it. */
#include "unit/undo_scene.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define DAMAGED "it is damaged; what a line of it says is not known, so nothing was taken back"

static void has_lines_before_the_call_returns(void **state)
{
	const struct run_dir *dir = *state;
	char name[300], boot_id[UNDO_BOOT_ID_SIZE], expected[512];
	struct undo *undo = begin(dir);
	char *text;

	assert_int_equal(arm(undo, "{\"value\":5}"), 1);
	assert_int_equal(arm(undo, "{\"value\":6}"), 2);
	assert_int_equal(undo_done(undo, 1), 0);
	assert_int_equal(undo_boot_id(boot_id), 0);
	assert_int_equal(journals(dir, name), 1);
	text = get_file(dir->fd, name, NULL);
	snprintf(expected, sizeof(expected),
		 "{\"undo\":1,\"run\":\"/runs/mine\",\"pid\":%d,\"boot_id\":\"%s\"}\n"
		 "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":5}}\n"
		 "{\"arm\":2,\"kind\":\"number\",\"data\":{\"value\":6}}\n"
		 "{\"done\":1}\n",
		 getpid(), boot_id);
	assert_string_equal(text, expected);
	free(text);
	undo_close(undo);
	assert_int_equal(journals(dir, name), 1); /* 2 is still to be taken back */
}

static void goes_when_all_is_done(void **state)
{
	const struct run_dir *dir = *state;
	struct undo *undo = begin(dir);
	char name[300];

	assert_int_equal(undo_done(undo, arm(undo, "{}")), 0);
	assert_int_equal(journals(dir, name), 1);
	undo_close(undo);
	assert_int_equal(journals(dir, name), 0);
	undo_close(begin(dir)); /* nothing was armed */
	assert_int_equal(journals(dir, name), 0);
	undo_close(NULL);
}

static void is_of_one_process_at_a_time(void **state)
{
	const struct run_dir *dir = *state;
	struct undo *undo = begin(dir), *second;
	struct taken taken = {0};
	char told[1024], name[300];

	arm(undo, "{\"value\":1}");
	assert_int_equal(undo_open(dir->path, &second), -EBUSY);
	replay(dir, &taken, told);
	assert_string_equal(told, ""); /* its owner lives */
	assert_int_equal(taken.n, 0);
	assert_int_equal(journals(dir, name), 1);
	undo_close(undo);
}

/* A process that arms and is killed. */
static void die_armed(const struct run_dir *dir)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		struct undo *undo = begin(dir);

		arm(undo, "{\"value\":1}");
		arm(undo, "{\"value\":2}");
		undo_done(undo, 2);
		arm(undo, "{\"value\":3}");
		arm(undo, "{\"value\":4}");
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void is_taken_back_last_first(void **state)
{
	const struct run_dir *dir = *state;
	struct taken taken = {0};
	char told[1024], name[300];

	die_armed(dir);
	replay(dir, &taken, told);
	assert_int_equal(taken.n, 3);
	assert_int_equal(taken.values[0], 4);
	assert_int_equal(taken.values[1], 3);
	assert_int_equal(taken.values[2], 1);
	assert_true(taken.this_boot[0] && taken.this_boot[2]);
	assert_non_null(strstr(told, "/runs/mine "));
	assert_non_null(strstr(told, " number {\"value\":4} not needed: 4 it is\n"));
	assert_non_null(strstr(told, " number {\"value\":3} taken back: 3 it is\n"));
	assert_int_equal(journals(dir, name), 0);
	replay(dir, &taken, told);
	assert_int_equal(taken.n, 3);
}

static void keeps_what_could_not_be_taken_back(void **state)
{
	const struct run_dir *dir = *state;
	struct taken taken = {.refuses = 3};
	char told[1024], name[300];

	die_armed(dir);
	replay(dir, &taken, told);
	assert_int_equal(taken.n, 3);
	assert_non_null(strstr(told, " {\"value\":3} failed: 3 it is\n"));
	assert_int_equal(journals(dir, name), 1);
	taken = (struct taken){0};
	replay(dir, &taken, told);
	assert_int_equal(taken.n, 1);
	assert_int_equal(taken.values[0], 3);
	assert_int_equal(journals(dir, name), 0);
}

static void tells_another_boot(void **state)
{
	static const char text[] = SOON "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":1}}\n";
	struct taken taken = {0};
	char told[1024];

	put(*state, "run-a.jsonl", text, strlen(text));
	replay(*state, &taken, told);
	assert_int_equal(taken.n, 1);
	assert_false(taken.this_boot[0]);
	assert_string_equal(told, "/runs/a 77 number {\"value\":1} taken back: 1 it is\n");
}

static void leaves_out_half_a_line(void **state)
{
	static const char text[] = SOON "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":1}}\n"
					"{\"arm\":2,\"kind\":\"number\",\"data\":{\"val";
	static const char zeros[] = SOON "{\"arm\":1,\"kind\":\"number\",\"data\":{\"value\":1}}\n\0\0\0\0";
	struct taken taken = {.refuses = 1};
	char told[1024], name[300];

	put(*state, "run-a.jsonl", text, strlen(text));
	put(*state, "run-b.jsonl", zeros, sizeof(zeros) - 1);
	replay(*state, &taken, told);
	assert_int_equal(taken.n, 2);
	taken = (struct taken){0};
	replay(*state, &taken, told); /* what was marked stands behind whole lines */
	assert_int_equal(taken.n, 2);
	assert_int_equal(journals(*state, name), 0);
}

static void does_not_touch_what_it_does_not_know(void **state)
{
	static const char newer[] = "{\"undo\":2,\"run\":\"/runs/a\",\"pid\":77,\"boot_id\":\"another\"}\n";
	static const char kind[] = SOON "{\"arm\":1,\"kind\":\"moon\",\"data\":{}}\n";
	static const char ids[] = SOON "{\"arm\":99999999999,\"kind\":\"number\",\"data\":{}}\n";
	static const char done[] = SOON "{\"done\":1}\n";
	static const struct {
		const char *text, *told;
	} cases[] = {
		{newer, "- 0 - - failed: another version of shearpin has written it\n"},
		{"rubbish\n", "- 0 - - failed: it is no undo journal\n"},
		{ids, "/runs/a 77 - - failed: " DAMAGED "\n"},
		{done, "/runs/a 77 - - failed: " DAMAGED "\n"},
		{kind, "/runs/a 77 moon {} failed: this version knows no change of that kind\n"},
	};
	struct taken taken = {0};
	char told[1024], name[300];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(*state, "run-a.jsonl", cases[i].text, strlen(cases[i].text));
		replay(*state, &taken, told);
		assert_string_equal(told, cases[i].told);
		assert_int_equal(journals(*state, name), 1);
	}
	put(*state, "run-a.jsonl", "", 0); /* killed before it wrote a word */
	replay(*state, &taken, told);
	assert_string_equal(told, "");
	assert_int_equal(journals(*state, name), 0);
	put(*state, "notes.txt", "rubbish", 7);
	replay(*state, &taken, told);
	assert_string_equal(told, "");
	assert_int_equal(journals(*state, name), 1);
}

/* A guard holds the journal of a dead run; that of a live one is nobody's business. */
static void waits_for_who_takes_back(void **state)
{
	const struct run_dir *dir = *state;
	char text[200], path[200];
	pid_t dead = fork();
	int fd;

	if (!dead)
		_exit(0);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	assert_int_equal(undo_await(dir->path, 0), 0);
	for (int i = 0; i < 2; i++) {
		int len = snprintf(text, sizeof(text),
				   "{\"undo\":1,\"run\":\"/r\",\"pid\":%d,\"boot_id\":\"b\"}\n",
				   i ? getpid() : dead);

		put(dir, "run-a.jsonl", text, len);
		assert_int_equal(undo_await(dir->path, 0), 0);
		snprintf(path, sizeof(path), "%s/run-a.jsonl", dir->path);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(flock(fd, LOCK_EX), 0);
		assert_int_equal(undo_await(dir->path, 0), i ? 0 : -EBUSY);
		close(fd);
	}
	assert_int_equal(undo_await("/no/such/directory", 0), 0);
}

static void makes_its_directory(void **state)
{
	const struct run_dir *dir = *state;
	char path[128], told[1024] = "";
	struct undo *undo;

	snprintf(path, sizeof(path), "%s/a/b", dir->path);
	assert_int_equal(undo_replay(path, NULL, 0, false, note, told), 0);
	assert_int_equal(undo_open(path, &undo), 0);
	undo_close(undo);
	assert_int_equal(rmdir(path), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	put(dir, "file", "", 0);
	snprintf(path, sizeof(path), "%s/file/b", dir->path);
	assert_int_equal(undo_open(path, &undo), -ENOTDIR);
	assert_int_equal(undo_replay(path, NULL, 0, false, note, told), -ENOTDIR);
}

/* A disk that is full in the middle of a line: the change is not made, and what was armed before can be marked. */
static void survives_a_full_disk(void **state)
{
	const struct run_dir *dir = *state;
	struct rlimit before, limit;
	char name[300];
	struct undo *undo = begin(dir);
	struct stat st;
	unsigned id = arm(undo, "{\"value\":1}"), second = 0;

	assert_int_equal(journals(dir, name), 1);
	assert_int_equal(fstatat(dir->fd, name, &st, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = st.st_size + 20;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(undo_arm(undo, "number", "{\"value\":2}", &second), -EFBIG);
	assert_int_equal(undo_done(undo, id), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	undo_close(undo);
	assert_int_equal(journals(dir, name), 0);
}

static unsigned arm_again(struct undo *undo, unsigned id, const char *data)
{
	assert_int_equal(undo_arm_again(undo, "number", data, id), 0);
	return id;
}

/* The newer data count, and it is one change. */
static void may_be_armed_again(void **state)
{
	const struct run_dir *dir = *state;
	struct undo *undo = begin(dir);
	struct taken taken = {0};
	char told[1024], name[300];
	unsigned id = arm(undo, "{\"value\":1}");

	assert_int_equal(undo_done(undo, arm_again(undo, arm(undo, "{\"value\":2}"), "{\"value\":3}")), 0);
	assert_int_equal(arm_again(undo, id, "{\"value\":5}"), id);
	undo_close(undo); /* as a run that dies: it is not done */
	assert_int_equal(journals(dir, name), 1);
	replay(dir, &taken, told);
	assert_int_equal(taken.n, 1);
	assert_non_null(strstr(told, "{\"value\":5} taken back"));
	assert_int_equal(journals(dir, name), 0);
}

static bool has_folder(const struct run_dir *dir)
{
	const struct dirent *entry;
	bool found = false;
	DIR *list = opendir(dir->path);

	assert_non_null(list);
	while ((entry = readdir(list)))
		found |= strstr(entry->d_name, ".d") != NULL;
	closedir(list);
	return found;
}

static void put_copy(struct undo *undo)
{
	const char *folder, *again;
	struct stat st;
	int fd;

	assert_int_equal(undo_folder(undo, &folder), 0);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(undo_folder(undo, &again), 0);
	assert_string_equal(folder, again);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(fd, "1", "copy", 4);
	close(fd);
}

static void has_a_folder_that_goes_with_it(void **state)
{
	const struct run_dir *dir = *state;
	struct undo *undo = begin(dir);
	struct taken taken = {.refuses = 1};
	char told[1024];
	unsigned id = arm(undo, "{\"value\":1}");

	assert_false(has_folder(dir));
	put_copy(undo);
	assert_int_equal(undo_done(undo, id), 0);
	undo_close(undo);
	assert_false(has_folder(dir));
	undo = begin(dir);
	(void)arm(undo, "{\"value\":1}");
	put_copy(undo);
	undo_close(undo);
	assert_true(has_folder(dir));
	replay(dir, &taken, told); /* which takes nothing back */
	assert_true(has_folder(dir));
	taken = (struct taken){0};
	replay(dir, &taken, told);
	assert_int_equal(taken.n, 1);
	assert_false(has_folder(dir));
}

/* While the run lives and writes: half a line stays, and so does the lock. */
static void gives_one_change(void **state)
{
	const struct run_dir *dir = *state;
	struct undo *undo = begin(dir);
	struct taken taken = {0};
	const struct undo_kind kind = {"number", take, &taken};
	enum undo_result result = UNDO_FAILED;
	unsigned first = arm(undo, "{\"value\":1}"), second = arm(undo, "{\"value\":3}");
	int fd = open(undo_path(undo), O_WRONLY | O_APPEND | O_CLOEXEC);
	struct stat before, after;

	assert_int_equal(undo_done(undo, first), 0);
	assert_int_equal(write(fd, "{\"arm\":3,\"ki", 13), 13);
	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(undo_replay_one(undo_path(undo), first, &kind, 1, &result), -ENOENT);
	assert_int_equal(undo_replay_one(undo_path(undo), 3, &kind, 1, &result), -ENOENT);
	assert_int_equal(undo_replay_one(undo_path(undo), 0, &kind, 1, &result), -ENOENT);
	assert_int_equal(taken.n, 0);
	assert_int_equal(undo_replay_one(undo_path(undo), second, &kind, 1, &result), 0);
	assert_int_equal(result, UNDO_TAKEN_BACK);
	assert_int_equal(taken.n, 1);
	assert_true(taken.this_boot[0]);
	assert_int_equal(undo_replay_one(undo_path(undo), second, NULL, 0, &result), -ENOTSUP);
	assert_int_equal(undo_replay_one("/nowhere/run-a.jsonl", second, &kind, 1, &result), -ENOENT);
	assert_int_equal(fstat(fd, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	close(fd);
	undo_close(undo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(has_lines_before_the_call_returns),
		IN_DIR(goes_when_all_is_done),
		IN_DIR(is_of_one_process_at_a_time),
		IN_DIR(is_taken_back_last_first),
		IN_DIR(keeps_what_could_not_be_taken_back),
		IN_DIR(tells_another_boot),
		IN_DIR(leaves_out_half_a_line),
		IN_DIR(does_not_touch_what_it_does_not_know),
		IN_DIR(waits_for_who_takes_back),
		IN_DIR(makes_its_directory),
		IN_DIR(survives_a_full_disk),
		IN_DIR(may_be_armed_again),
		IN_DIR(has_a_folder_that_goes_with_it),
		IN_DIR(gives_one_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
