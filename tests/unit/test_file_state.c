/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are kept, changed and put back: bytes, owner, mode, times, attributes, and whose file it is by then. */
#include "unit/run_dir.h"

#include <errno.h>
#include <sys/xattr.h>

#include "drill/file_state.h"

#define BIG (3 * 65536 + 17)

static char *path_of(const struct run_dir *dir, const char *name)
{
	static char paths[4][128];
	static unsigned at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir->path, name);
	return path;
}

static bool has_xattrs(const struct run_dir *dir)
{
	return !setxattr(path_of(dir, "file"), "user.probe", "x", 1, 0) &&
	       !removexattr(path_of(dir, "file"), "user.probe");
}

/* 200 KB of words, with an owner, a mode and times of their own. */
static char *make(const struct run_dir *dir, size_t len)
{
	const struct timespec times[] = {{1000000001, 123456789}, {1000000002, 987654321}};
	char *data = calloc(1, len + 1);
	const char *path = path_of(dir, "file");

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = "sheared pin\n"[i % 12];
	put_file(dir->fd, "file", data, len);
	if (has_xattrs(dir)) {
		assert_int_equal(setxattr(path, "user.colour", "grey\0green", 10, 0), 0);
		assert_int_equal(setxattr(path, "user.empty", "", 0, 0), 0);
	}
	assert_int_equal(chown(path, 1234, 4321), 0);
	assert_int_equal(chmod(path, 06751), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	return data;
}

/* As get_file(), which leaves a trace in the access time. */
static char *look_into(const char *path, size_t size)
{
	int fd = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	char *data = calloc(1, size + 1);

	assert_true(fd >= 0);
	assert_non_null(data);
	assert_int_equal(read(fd, data, size), size);
	close(fd);
	return data;
}

static void is_as_made(const struct run_dir *dir, const char *data, size_t len, ino_t inode)
{
	const char *path = path_of(dir, "file");
	struct stat st;
	char value[16], *now;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode, S_IFREG | 06751);
	assert_int_equal(st.st_atim.tv_sec, 1000000001);
	assert_int_equal(st.st_atim.tv_nsec, 123456789);
	assert_int_equal(st.st_mtim.tv_sec, 1000000002);
	assert_int_equal(st.st_mtim.tv_nsec, 987654321);
	if (inode)
		assert_int_equal(st.st_ino, inode);
	if (has_xattrs(dir)) {
		assert_int_equal(listxattr(path, NULL, 0), sizeof("user.colour") + sizeof("user.empty"));
		assert_int_equal(getxattr(path, "user.colour", value, sizeof(value)), 10);
		assert_memory_equal(value, "grey\0green", 10);
		assert_int_equal(getxattr(path, "user.empty", value, sizeof(value)), 0);
	}
	assert_int_equal(st.st_size, len);
	now = look_into(path, len);
	assert_memory_equal(now, data, len);
	free(now);
}

static ino_t inode_of(const struct run_dir *dir)
{
	struct stat st;

	assert_int_equal(stat(path_of(dir, "file"), &st), 0);
	return st.st_ino;
}

static void spoil_rest(const struct run_dir *dir)
{
	const char *path = path_of(dir, "file");

	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chmod(path, 0600), 0);
	if (has_xattrs(dir)) {
		assert_int_equal(setxattr(path, "user.colour", "red", 3, 0), 0);
		assert_int_equal(removexattr(path, "user.empty"), 0);
		assert_int_equal(setxattr(path, "user.another", "x", 1, 0), 0);
	}
}

struct scene {
	struct run_dir *dir;
	char file[128], copy[128];
	struct file_state before, after;
	char *data;
	ino_t inode;
};

static void keep(struct scene *s, void **state, size_t len)
{
	*s = (struct scene){.dir = *state};
	strcpy(s->file, path_of(s->dir, "file"));
	strcpy(s->copy, path_of(s->dir, "1"));
	s->data = make(s->dir, len);
	s->inode = inode_of(s->dir);
	assert_int_equal(file_state_keep(s->file, s->copy, &s->before, NULL), 0);
	assert_true(s->before.exists);
	assert_int_equal(s->before.size, len);
	is_as_made(s->dir, s->data, len, s->inode); /* looking at it left no trace */
}

/* What it foresees is what is there. */
static void change(struct scene *s, const struct file_content *content)
{
	struct file_state foreseen = {}, now;

	assert_int_equal(file_content_state(content, s->before.exists ? s->copy : NULL, &foreseen, NULL), 0);
	assert_int_equal(file_content_write(s->file, content, &s->before, &s->after, NULL), 0);
	assert_int_equal(file_state_look(s->file, &now, NULL), 0);
	assert_string_equal(now.sha256, foreseen.sha256);
	assert_int_equal(now.size, foreseen.size);
	assert_int_equal(now.inode, s->after.inode);
}

static void restore_twice(struct scene *s, size_t len, ino_t inode)
{
	struct file_state now;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(file_state_restore(s->file, s->copy, &s->before), 0);
		is_as_made(s->dir, s->data, len, inode);
		assert_int_equal(file_state_look(s->file, &now, NULL), 0);
		assert_true(file_state_same(&now, &s->before));
	}
	free(s->data);
}

static void is_replaced(void **state)
{
	struct file_content content = {.text = "broken", .len = 6, .source = -1};
	struct scene s;
	char *now;
	size_t len;

	keep(&s, state, BIG);
	change(&s, &content);
	assert_int_equal(inode_of(s.dir), s.inode);
	now = get_file(s.dir->fd, "file", &len);
	assert_int_equal(len, 6);
	assert_string_equal(now, "broken");
	free(now);
	spoil_rest(s.dir);
	restore_twice(&s, BIG, s.inode);
}

static void is_replaced_from_a_file(void **state)
{
	struct file_content content = {.source = -1};
	struct scene s;
	char *now;
	size_t len;

	keep(&s, state, 100);
	put_file(s.dir->fd, "other", "the other one", 13);
	content.source = openat(s.dir->fd, "other", O_RDONLY | O_CLOEXEC);
	change(&s, &content);
	/* What it had become by the time that it was written counts. */
	put_file(s.dir->fd, "other", "one more", 8);
	s.after.sha256[0] = '\0';
	assert_int_equal(file_state_stat(s.file, &s.before), 0);
	assert_int_equal(file_content_write(s.file, &content, &s.before, &s.after, NULL), 0);
	assert_int_equal(s.after.size, 8);
	assert_int_equal(strlen(s.after.sha256), FILE_STATE_HEX);
	close(content.source);
	now = get_file(s.dir->fd, "file", &len);
	assert_string_equal(now, "one more");
	free(now);
	assert_int_equal(file_state_keep(s.file, s.copy, &s.before, NULL), 0);
	assert_string_equal(s.before.sha256, s.after.sha256);
	free(s.data);
}

static void is_truncated(void **state)
{
	static const uint64_t sizes[] = {0, 1, BIG - 1, BIG, BIG + 70000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct file_content content = {.keep = sizes[i], .text = "", .source = -1};
		struct scene s;

		keep(&s, state, BIG);
		change(&s, &content);
		assert_int_equal(inode_of(s.dir), s.inode);
		restore_twice(&s, BIG, s.inode);
	}
}

static void is_added_to(void **state)
{
	struct file_content content = {.keep_all = true, .garbage = 70001, .seed = 7, .source = -1};
	char *first, *second;
	struct scene s;
	size_t len;

	keep(&s, state, BIG);
	change(&s, &content);
	first = get_file(s.dir->fd, "file", &len);
	assert_int_equal(len, BIG + 70001);
	assert_memory_equal(first, s.data, BIG);
	restore_twice(&s, BIG, s.inode);
	/* The same seed gives the same garbage, another another. */
	keep(&s, state, BIG);
	change(&s, &content);
	second = get_file(s.dir->fd, "file", &len);
	assert_memory_equal(first, second, len);
	free(second);
	assert_int_equal(file_state_restore(s.file, s.copy, &s.before), 0);
	content.seed = 8;
	change(&s, &content);
	second = get_file(s.dir->fd, "file", &len);
	assert_memory_not_equal(first, second, len);
	free(first);
	free(second);
	restore_twice(&s, BIG, s.inode);
}

static void is_removed_and_made_anew(void **state)
{
	struct scene s;
	struct stat st;

	keep(&s, state, BIG);
	assert_int_equal(file_state_remove(s.file, &s.before), 0);
	assert_int_equal(stat(s.file, &st), -1);
	restore_twice(&s, BIG, 0);
}

static void was_not_there(void **state)
{
	struct file_content content = {.text = "new", .len = 3, .source = -1};
	struct scene s = {.dir = *state};
	struct stat st;

	strcpy(s.file, path_of(s.dir, "file"));
	strcpy(s.copy, path_of(s.dir, "1"));
	assert_int_equal(file_state_keep(s.file, s.copy, &s.before, NULL), 0);
	assert_false(s.before.exists);
	change(&s, &content);
	assert_int_equal(stat(s.file, &st), 0);
	assert_int_equal(st.st_size, 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(file_state_restore(s.file, s.copy, &s.before), 0);
		assert_int_equal(stat(s.file, &st), -1);
	}
}

/* Whoever is faster than the change has his file. */
static void is_another_by_now(void **state)
{
	struct file_content content = {.text = "broken", .len = 6, .source = -1};
	struct scene s;
	char *now;

	keep(&s, state, 100);
	put_file(s.dir->fd, "file", "written meanwhile", 17);
	assert_int_equal(file_content_write(s.file, &content, &s.before, &s.after, NULL), -ESTALE);
	assert_int_equal(file_state_remove(s.file, &s.before), -ESTALE);
	put_file(s.dir->fd, "next", "of another inode", 16);
	assert_int_equal(renameat(s.dir->fd, "next", s.dir->fd, "file"), 0);
	assert_int_equal(file_content_write(s.file, &content, &s.before, &s.after, NULL), -ESTALE);
	now = get_file(s.dir->fd, "file", NULL);
	assert_string_equal(now, "of another inode");
	free(now);
	assert_int_equal(unlink(s.file), 0);
	assert_int_equal(file_content_write(s.file, &content, &s.before, &s.after, NULL), -ESTALE);
	assert_int_equal(file_state_remove(s.file, &s.before), -ESTALE);
	s.before.exists = false;
	put_file(s.dir->fd, "file", "", 0);
	assert_int_equal(file_content_write(s.file, &content, &s.before, &s.after, NULL), -ESTALE);
	free(s.data);
}

static void is_no_regular_file(void **state)
{
	const struct run_dir *dir = *state;
	const char *path = path_of(dir, "thing"), *copy = path_of(dir, "1");
	struct file_state st;

	put_file(dir->fd, "real", "x", 1);
	assert_int_equal(symlinkat("real", dir->fd, "thing"), 0);
	assert_int_equal(file_state_keep(path, copy, &st, NULL), -ENOTSUP);
	assert_int_equal(file_state_look(path, &st, NULL), -ENOTSUP);
	assert_int_equal(file_state_stat(path, &st), -ENOTSUP);
	assert_int_equal(unlinkat(dir->fd, "thing", 0), 0);
	assert_int_equal(mkfifoat(dir->fd, "thing", 0600), 0); /* does not wait for a writer */
	assert_int_equal(file_state_keep(path, copy, &st, NULL), -ENOTSUP);
	assert_int_equal(file_state_restore(path, copy, &(struct file_state){}), -ENOTSUP);
	assert_int_equal(unlinkat(dir->fd, "thing", 0), 0);
	assert_int_equal(file_state_keep("/nowhere/at/all", copy, &st, NULL), 0);
	assert_false(st.exists);
	assert_int_equal(file_state_look("/dev/null/below", &st, NULL), -ENOTDIR);
}

static void keeps_holes_and_limits(void **state)
{
	struct scene s = {.dir = *state};
	struct stat st;
	int fd;

	strcpy(s.file, path_of(s.dir, "file"));
	strcpy(s.copy, path_of(s.dir, "1"));
	put_file(s.dir->fd, "file", "begin", 5);
	assert_int_equal(truncate(s.file, 8 << 20), 0);
	assert_int_equal(file_state_keep(s.file, s.copy, &s.before, NULL), 0);
	assert_int_equal(stat(s.copy, &st), 0);
	assert_int_equal(st.st_size, 8 << 20);
	assert_true(st.st_blocks * 512 < 1 << 20);
	fd = open(s.file, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "spoilt", 6, 4 << 20), 6);
	close(fd);
	assert_int_equal(file_state_restore(s.file, s.copy, &s.before), 0);
	assert_int_equal(file_state_look(s.file, &s.after, NULL), 0);
	assert_string_equal(s.after.sha256, s.before.sha256);
	assert_int_equal(truncate(s.file, FILE_STATE_MOST + 1), 0);
	assert_int_equal(file_state_keep(s.file, s.copy, &s.before, NULL), -EFBIG);
}

static void gives_up(void **state)
{
	atomic_bool cancelled = true;
	struct file_content content = {.text = "broken", .len = 6, .source = -1};
	struct scene s;

	keep(&s, state, 100);
	assert_int_equal(file_state_keep(s.file, s.copy, &s.after, &cancelled), -ECANCELED);
	assert_int_equal(file_state_look(s.file, &s.after, &cancelled), -ECANCELED);
	assert_int_equal(file_content_write(s.file, &content, &s.before, &s.after, &cancelled), -ECANCELED);
	is_as_made(s.dir, s.data, 100, s.inode);
	free(s.data);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(is_replaced),       IN_DIR(is_replaced_from_a_file),  IN_DIR(is_truncated),
		IN_DIR(is_added_to),       IN_DIR(is_removed_and_made_anew), IN_DIR(was_not_there),
		IN_DIR(is_another_by_now), IN_DIR(is_no_regular_file),       IN_DIR(keeps_holes_and_limits),
		IN_DIR(gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
