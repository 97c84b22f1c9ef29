/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps that change a file, and their taking back: cut short anywhere, one in another, after a boot, and beside others who write. */
#include "unit/run_dir.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "drill/change.h"
#include "drill/leftovers.h"
#include "drill/undo.h"
#include "drill/undo_kinds.h"

#define BIG (3 * 65536 + 17)

static const struct run_dir *at;
static char why[320];

static char *path_of(const char *name)
{
	static char paths[4][400];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", at->path, name);
	return path;
}

static char *make(size_t len)
{
	char *data = calloc(1, len + 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = "sheared pin\n"[i % 12];
	put_file(at->fd, "file", data, len);
	return data;
}

struct made {
	struct plan_step step;
	struct change change;
};

/* As far as the journal's first line; all but the change itself. */
static void prepare(struct made *m, unsigned number, struct plan_file file)
{
	m->step = (struct plan_step){.kind = STEP_FILE, .name = (char *)"step", .file = file};
	m->change = (struct change){.step = &m->step, .folder = at->path, .number = number};
	assert_int_equal(change_file.prepare(&m->change), 0);
}

static void make_change(struct made *m, unsigned number, struct plan_file file)
{
	prepare(m, number, file);
	assert_int_equal(change_file.apply(&m->change), 0);
}

static enum undo_result take_back(const struct made *m)
{
	why[0] = '\0';
	return leftovers_take_data(UNDO_FILE, m->change.undo.data, why, sizeof(why));
}

static void end(struct made *m)
{
	buf_free(&m->change.undo);
}

static void is(const char *expected, size_t len)
{
	size_t now_len;
	char *now = get_file(at->fd, "file", &now_len);

	assert_int_equal(now_len, len);
	assert_memory_equal(now, expected, len);
	free(now);
}

static struct plan_file replaced(const char *text)
{
	return (struct plan_file){.path = path_of("file"), .change = FILE_REPLACE, .text = (char *)text};
}

static struct plan_file removed(void)
{
	return (struct plan_file){.path = path_of("file"), .change = FILE_REMOVE};
}

static struct plan_file truncated(void)
{
	return (struct plan_file){.path = path_of("file"), .change = FILE_TRUNCATE};
}

/* Killed in the middle: it may write so much of a file, and not a byte more. */
static void die_taking_back(const struct made *m, rlim_t most)
{
	const struct rlimit limit = {most, most}, no_core = {0, 0};
	int status;
	pid_t pid = fork();

	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		setrlimit(RLIMIT_FSIZE, &limit);
		take_back(m);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGXFSZ);
}

static void is_whole_after_a_kill(void **state)
{
	struct made m;
	struct stat st;
	char *data;

	at = *state;
	data = make(BIG);
	make_change(&m, 1, truncated());
	die_taking_back(&m, 65536);
	assert_int_equal(stat(path_of("file"), &st), 0);
	assert_int_equal(st.st_size, 65536);
	assert_int_equal(take_back(&m), UNDO_TAKEN_BACK);
	is(data, BIG);
	assert_int_equal(take_back(&m), UNDO_NOT_NEEDED);
	put_file(at->fd, "file", "its owner's", 11);
	assert_int_equal(take_back(&m), UNDO_NOT_NEEDED); /* the mark has gone */
	is("its owner's", 11);
	end(&m);
	free(data);
}

static void leaves_no_draft(void **state)
{
	const struct dirent *entry;
	struct made m;
	char *data;
	DIR *dir;

	at = *state;
	data = make(BIG);
	make_change(&m, 1, removed());
	die_taking_back(&m, 65536);
	dir = opendir(at->path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_null(strstr(entry->d_name, "shearpin-"));
	closedir(dir);
	assert_int_equal(take_back(&m), UNDO_TAKEN_BACK);
	is(data, BIG);
	end(&m);
	free(data);
}

static void has_the_longest_name(void **state)
{
	char name[256];
	struct made m;
	struct stat st;
	struct plan_file file = {.change = FILE_REMOVE};

	at = *state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	put_file(at->fd, name, "here", 4);
	file.path = path_of(name);
	make_change(&m, 1, file);
	assert_int_equal(take_back(&m), UNDO_TAKEN_BACK);
	assert_int_equal(fstatat(at->fd, name, &st, 0), 0);
	end(&m);
}

/* The inner one makes it anew: another inode, but what the outer one has left. */
static void is_removed_within(void **state)
{
	struct made outer, inner;
	char *data;

	at = *state;
	data = make(100);
	make_change(&outer, 1, replaced("broken"));
	make_change(&inner, 2, removed());
	assert_int_equal(take_back(&inner), UNDO_TAKEN_BACK);
	is("broken", 6);
	assert_int_equal(take_back(&outer), UNDO_TAKEN_BACK);
	is(data, 100);
	end(&outer);
	end(&inner);
	free(data);
}

/* A new file with the same content, but of another time, is somebody's. */
static void is_anothers(void **state)
{
	const struct timespec later[] = {{2000000000, 0}, {2000000000, 0}};
	struct made m;

	at = *state;
	free(make(100));
	make_change(&m, 1, truncated());
	put_file(at->fd, "next", "", 0);
	assert_int_equal(utimensat(at->fd, "next", later, 0), 0);
	assert_int_equal(renameat(at->fd, "next", at->fd, "file"), 0);
	assert_int_equal(take_back(&m), UNDO_NOT_NEEDED);
	assert_string_equal(why, "written by somebody else meanwhile");
	is("", 0);
	end(&m);
}

/* What is in the journal of a dead run, with other numbers of devices. */
static char *of_other_devices(const struct made *m)
{
	static const char key[] = "\"device\":";
	const char *from = m->change.undo.data, *next;
	char *text = calloc(2, strlen(from) + 1);

	assert_non_null(text);
	while ((next = strstr(from, key))) {
		next += strlen(key);
		strncat(text, from, next - from);
		strcat(text, "4242");
		from = next + strspn(next, "0123456789");
	}
	return strcat(text, from);
}

static void note(void *arg, const struct undone *undone)
{
	*(enum undo_result *)arg = undone->result;
}

static enum undo_result clear(const char *boot_id, const char *data)
{
	enum undo_result result = UNDO_FAILED;
	char *text;
	int len = asprintf(&text,
			   "{\"undo\":1,\"run\":\"/r\",\"pid\":1,\"boot_id\":\"%s\"}\n"
			   "{\"arm\":1,\"kind\":\"file\",\"data\":%s}\n",
			   boot_id, data);

	assert_true(len > 0);
	put_file(at->fd, "run-a.jsonl", text, len);
	free(text);
	assert_int_equal(leftovers_take_back(at->path, note, &result), 0);
	return result;
}

static void has_another_device_after_a_boot(void **state)
{
	char boot_id[UNDO_BOOT_ID_SIZE], *data, *elsewhere;
	struct made m;
	int fd;

	at = *state;
	data = make(100);
	make_change(&m, 1, truncated());
	elsewhere = of_other_devices(&m);
	fd = open(path_of("file"), O_RDWR | O_CLOEXEC);
	assert_int_equal(futimens(fd, NULL), 0); /* of the same time it would be ours by that */
	close(fd);
	assert_int_equal(undo_boot_id(boot_id), 0);
	assert_int_equal(clear(boot_id, elsewhere), UNDO_NOT_NEEDED);
	assert_int_equal(clear("another", elsewhere), UNDO_TAKEN_BACK);
	is(data, 100);
	end(&m);
	free(elsewhere);
	free(data);
}

/* Killed before the change; by the time that somebody clears, its owner has gone on. */
static void was_only_announced(void **state)
{
	static const struct {
		enum plan_file_change change;
		const char *text;
	} cases[] = {
		{FILE_TRUNCATE, NULL}, {FILE_REPLACE, "broken"}, {FILE_APPEND, "x"}, {FILE_REMOVE, NULL}};
	struct made m;

	at = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put_file(at->fd, "file", "0123456789", 10);
		prepare(&m, i + 1,
			(struct plan_file){.path = path_of("file"),
					   .change = cases[i].change,
					   .text = (char *)cases[i].text});
		assert_int_equal(take_back(&m), UNDO_NOT_NEEDED);
		assert_string_equal(why, "the file is as it was");
		put_file(at->fd, "file", "0123456789 and more", 19);
		assert_int_equal(take_back(&m), UNDO_NOT_NEEDED);
		is("0123456789 and more", 19);
		end(&m);
	}
}

static void was_only_announced_anew(void **state)
{
	struct made m;

	at = *state;
	prepare(&m, 1, replaced("a long text"));
	put_file(at->fd, "file", "its own", 7);
	assert_int_equal(take_back(&m), UNDO_NOT_NEEDED);
	is("its own", 7);
	end(&m);
	assert_int_equal(unlink(path_of("file")), 0);
	prepare(&m, 2, replaced("a long text"));
	put_file(at->fd, "file", "a long text", 11); /* made, and not yet said so */
	assert_int_equal(take_back(&m), UNDO_TAKEN_BACK);
	assert_int_equal(access(path_of("file"), F_OK), -1);
	end(&m);
}

static void is_put_back_always(void **state)
{
	struct plan_file file;
	struct made m;
	char *data;

	at = *state;
	data = make(100);
	file = replaced("broken");
	file.always = true;
	make_change(&m, 1, file);
	assert_int_equal(truncate(path_of("file"), FILE_STATE_MOST + 1), 0);
	assert_int_equal(take_back(&m), UNDO_TAKEN_BACK);
	is(data, 100);
	end(&m);
	free(data);
}

/* A file of holes takes no more room than it did. */
static void has_holes(void **state)
{
	struct made m;
	struct stat st;

	at = *state;
	put_file(at->fd, "file", "begin", 5);
	assert_int_equal(truncate(path_of("file"), 8 * 1024 * 1024), 0);
	make_change(&m, 1, truncated());
	assert_int_equal(take_back(&m), UNDO_TAKEN_BACK);
	assert_int_equal(stat(path_of("file"), &st), 0);
	assert_int_equal(st.st_size, 8 * 1024 * 1024);
	assert_true(st.st_blocks * 512 < 1024 * 1024);
	end(&m);
}

static void has_quotes_and_lines(void **state)
{
	static const char name[] = "a \"file\"\n\\of\tmine";
	struct plan_file file = {.change = FILE_TRUNCATE};
	struct made m;
	char *now;

	at = *state;
	put_file(at->fd, name, "here", 4);
	file.path = path_of(name);
	make_change(&m, 1, file);
	assert_null(strchr(m.change.undo.data, '\n'));
	assert_int_equal(take_back(&m), UNDO_TAKEN_BACK);
	now = get_file(at->fd, name, NULL);
	assert_string_equal(now, "here");
	free(now);
	end(&m);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(is_whole_after_a_kill), IN_DIR(leaves_no_draft),
		IN_DIR(has_the_longest_name),  IN_DIR(is_removed_within),
		IN_DIR(is_anothers),           IN_DIR(has_another_device_after_a_boot),
		IN_DIR(was_only_announced),    IN_DIR(was_only_announced_anew),
		IN_DIR(is_put_back_always),    IN_DIR(has_holes),
		IN_DIR(has_quotes_and_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
