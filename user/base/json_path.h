/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way to a value in a JSON document, as jq(1) writes it: `.a.b[0]."odd key"`, `.[2].x`, `.list[-1]` (the last one);
 * `.` alone is the document. A name without quotation marks has no space, control character, `.`, `[`, `]` or `"` in it;
 * between them `\"` and `\\` stand for `"` and `\`.
 */
#ifndef SHEARPIN_JSON_PATH_H
#define SHEARPIN_JSON_PATH_H

#include <stddef.h>

#define JSON_PATH_NAME 256 /* room for the longest name */

enum {
	JSON_PATH_END,
	JSON_PATH_KEY,   /* ret_name */
	JSON_PATH_INDEX, /* ret_index; below 0 it counts from the end */
};

/*
 * The next part of the path, which *path is moved behind; at first *path is the whole one. One of the above, or -EINVAL, or
 * -ENAMETOOLONG for a name that does not fit: then *path is at what is wrong.
 */
int json_path_next(const char **path, char *ret_name, size_t size, long *ret_index);

/* 0 or an error as above, with where in the path it is. */
int json_path_check(const char *path, size_t *ret_at);

#endif
