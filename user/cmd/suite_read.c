/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/suite.h"
#include "evidence/read.h"
#include "slo/get.h"

#define MOST_SCENARIOS 4096

static bool copy(const json_t *object, const char *key, char **ret)
{
	const char *text = get_string(object, key);

	*ret = text ? strdup(text) : NULL;
	return *ret;
}

/* It is a folder in the suite's own. */
static bool is_plain(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

static uint64_t read_time(const json_t *object, const char *key)
{
	uint64_t ns = get_u64(object, key);

	return ns == NO_NS ? 0 : ns;
}

static bool read_entry(const json_t *json, struct suite_entry *e)
{
	e->status = json_integer_value(json_object_get(json, "exit"));
	e->started_ts_ns = read_time(json, "started_ts_ns");
	e->ended_ts_ns = read_time(json, "ended_ts_ns");
	copy(json, "reason", &e->reason);
	return copy(json, "name", &e->name) && copy(json, "file", &e->file) &&
	       copy(json, "run", &e->directory) && is_plain(e->directory) &&
	       copy(json, "outcome", &e->outcome);
}

static bool read_all(const json_t *json, struct suite *suite)
{
	const json_t *list = json_object_get(json, "scenarios");
	size_t n = json_array_size(list);

	if (get_u64(json, "version") != 1 || !json_is_array(list) || n > MOST_SCENARIOS)
		return false;
	suite->entries = calloc(n + 1, sizeof(*suite->entries));
	suite->keep_going = get_true(json, "keep_going");
	if (!suite->entries || !copy(json, "name", &suite->name) || !copy(json, "source", &suite->source))
		return false;
	for (; suite->n < n; suite->n++) {
		if (read_entry(json_array_get(list, suite->n), &suite->entries[suite->n]))
			continue;
		suite->n++; /* what it has is freed with the others */
		return false;
	}
	return true;
}

int suite_read(int dirfd, struct suite **ret)
{
	struct suite *suite;
	json_t *json;
	int fd = read_open(dirfd, "suite.json");

	if (fd < 0)
		return fd;
	suite = calloc(1, sizeof(*suite));
	json = suite ? json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL) : NULL;
	close(fd);
	if (suite && read_all(json, suite)) {
		json_decref(json);
		*ret = suite;
		return 0;
	}
	json_decref(json);
	if (!suite)
		return -ENOMEM;
	suite_free(suite);
	return -EBADMSG;
}

bool suite_is_directory(const char *path)
{
	int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dirfd < 0 ? -1 : read_open(dirfd, "suite.json");

	if (dirfd >= 0)
		close(dirfd);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
