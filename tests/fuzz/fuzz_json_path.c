/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever a path into a JSON document is: it is read to its end, or the place of the mistake lies in it; the way written out
 * again, all names between quotation marks, is the same way.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_path.h"
#include "fuzz/check.h"

static void write_name(struct buf *out, const char *name)
{
	buf_puts(out, ".\"");
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			buf_puts(out, "\\");
		buf_add(out, name, 1);
	}
	buf_puts(out, "\"");
}

static void write_path(struct buf *out, const char *path)
{
	char name[JSON_PATH_NAME];
	const char *before;
	long index;
	int part;

	do {
		before = path;
		part = json_path_next(&path, name, sizeof(name), &index);
		CHECK(part >= JSON_PATH_END);
		CHECK(part == JSON_PATH_END || path > before);
		if (part == JSON_PATH_KEY)
			write_name(out, name);
		else if (part == JSON_PATH_INDEX)
			buf_printf(out, "[%ld]", index);
	} while (part);
	if (!out->len)
		buf_puts(out, ".");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = malloc(size + 1);
	struct buf once = {}, twice = {};
	size_t at = SIZE_MAX;
	int err;

	if (!path)
		return 0;
	memcpy(path, data, size);
	path[size] = '\0';
	err = json_path_check(path, &at);
	if (err) {
		CHECK(err == -EINVAL || err == -ENAMETOOLONG);
		CHECK(at <= strlen(path));
	} else {
		write_path(&once, path);
		CHECK(!json_path_check(once.data, &at));
		write_path(&twice, once.data);
		CHECK(!strcmp(once.data, twice.data));
	}
	buf_free(&once);
	buf_free(&twice);
	free(path);
	return 0;
}
