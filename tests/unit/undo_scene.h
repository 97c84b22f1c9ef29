/* SPDX-License-Identifier: BSD-2-Clause */
/* Undo journals in a directory of the test's own, and a kind of change that is a number. */
#ifndef TESTS_UNDO_SCENE_H
#define TESTS_UNDO_SCENE_H

#include "unit/run_dir.h"

#include <errno.h>
#include <stdbool.h>

#include <jansson.h>

#include "drill/undo.h"
#include "drill/undo_replay.h"

#define SOON "{\"undo\":1,\"run\":\"/runs/a\",\"pid\":77,\"boot_id\":\"another\"}\n"

/* How many journals a directory has; the name of one. */
static inline size_t journals(const struct run_dir *dir, char name[300])
{
	DIR *list = opendir(dir->path);
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(list);
	while ((entry = readdir(list))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, 300, "%s", entry->d_name);
		n++;
	}
	closedir(list);
	return n;
}

/* What the kind was asked to take back, in order. */
struct taken {
	int values[8];
	bool this_boot[8];
	size_t n;
	int refuses; /* this value fails */
};

static inline enum undo_result take(void *arg, const json_t *data, bool this_boot, char *ret_reason,
				    size_t size)
{
	struct taken *t = arg;
	int value = json_integer_value(json_object_get(data, "value"));

	assert_true(t->n < 8);
	t->this_boot[t->n] = this_boot;
	t->values[t->n++] = value;
	snprintf(ret_reason, size, "%d it is", value);
	return value == t->refuses ? UNDO_FAILED : value % 2 ? UNDO_TAKEN_BACK : UNDO_NOT_NEEDED;
}

/* What was told, a line each. */
static inline void note(void *arg, const struct undone *undone)
{
	static const char *const results[] = {"taken back", "not needed", "failed", "forgotten"};
	char *text = arg;

	snprintf(text + strlen(text), 1024 - strlen(text), "%s %d %s %s %s: %s\n", undone->run ?: "-",
		 (int)undone->pid, undone->kind ?: "-", undone->data ?: "-", results[undone->result],
		 undone->reason);
}

static inline void replay_or(bool forget, const struct run_dir *dir, struct taken *taken, char told[1024])
{
	const struct undo_kind kinds[] = {{"other", NULL, NULL}, {"number", take, taken}};

	told[0] = '\0';
	assert_int_equal(undo_replay(dir->path, kinds, 2, forget, note, told), 0);
}

static inline void replay(const struct run_dir *dir, struct taken *taken, char told[1024])
{
	replay_or(false, dir, taken, told);
}

static inline struct undo *begin(const struct run_dir *dir)
{
	struct undo *undo;

	assert_int_equal(undo_open(dir->path, &undo), 0);
	assert_int_equal(undo_begin(undo, "/runs/mine"), 0);
	return undo;
}

static inline unsigned arm(struct undo *undo, const char *data)
{
	unsigned id = 0;

	assert_int_equal(undo_arm(undo, "number", data, &id), 0);
	return id;
}

static inline void put(const struct run_dir *dir, const char *name, const char *text, size_t len)
{
	put_file(dir->fd, name, text, len);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

#endif
