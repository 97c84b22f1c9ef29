/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/output.h"
#include "cmd/suite.h"

static void put_time(struct json *j, const char *key, uint64_t ns)
{
	if (ns)
		json_u64(j, key, ns);
	else
		json_null(j, key);
}

static void put_entry(struct json *j, const struct suite_entry *e)
{
	json_object(j, NULL);
	json_string(j, "name", e->name);
	json_string(j, "file", e->file);
	json_string(j, "run", e->directory);
	json_string(j, "outcome", e->outcome);
	json_string(j, "reason", e->reason);
	json_i64(j, "exit", e->status);
	put_time(j, "started_ts_ns", e->started_ts_ns);
	put_time(j, "ended_ts_ns", e->ended_ts_ns);
	json_end_object(j);
}

/* Whoever reads it meanwhile has the old one or the new one, whole. */
static int replace(int dirfd, const struct buf *text)
{
	int err = output_file(dirfd, "suite.json.new", text);

	if (!err && renameat(dirfd, "suite.json.new", dirfd, "suite.json"))
		err = -errno;
	if (err)
		unlinkat(dirfd, "suite.json.new", 0);
	return err;
}

int suite_write(int dirfd, const struct suite *suite)
{
	struct buf text = {0};
	struct json j;
	int err;

	json_begin(&j, &text);
	json_object(&j, NULL);
	json_u64(&j, "version", 1);
	json_string(&j, "name", suite->name);
	json_string(&j, "source", suite->source);
	json_bool(&j, "keep_going", suite->keep_going);
	json_array(&j, "scenarios");
	for (size_t i = 0; i < suite->n; i++)
		put_entry(&j, &suite->entries[i]);
	json_end_array(&j);
	json_end_object(&j);
	buf_puts(&text, "\n");
	err = text.failed ? -ENOMEM : replace(dirfd, &text);
	buf_free(&text);
	return err;
}

void suite_free(struct suite *suite)
{
	if (!suite)
		return;
	for (size_t i = 0; i < suite->n; i++) {
		free(suite->entries[i].file);
		free(suite->entries[i].name);
		free(suite->entries[i].directory);
		free(suite->entries[i].outcome);
		free(suite->entries[i].reason);
	}
	free(suite->entries);
	free(suite->name);
	free(suite->source);
	free(suite);
}
