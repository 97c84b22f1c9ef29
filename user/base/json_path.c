/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json_path.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

static bool is_plain(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && !strchr(".[]\"", c);
}

/* A dot is followed by something; so a part that has been read must not be followed by a lone one. */
static int end_part(const char **path, const char *s, int part)
{
	*path = s;
	if (*s == '.' && !s[1]) {
		(*path)++;
		return -EINVAL;
	}
	return !*s || *s == '.' || *s == '[' ? part : -EINVAL;
}

static int plain_name(const char **path, const char *s, char *ret_name, size_t size)
{
	size_t len = 0;

	while (is_plain(s[len]))
		len++;
	*path = s;
	if (!len)
		return -EINVAL;
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(ret_name, s, len);
	ret_name[len] = 0;
	return end_part(path, s + len, JSON_PATH_KEY);
}

static int quoted_name(const char **path, const char *s, char *ret_name, size_t size)
{
	size_t len = 0;

	*path = s;
	for (s++; *s != '"'; s++) {
		bool escaped = *s == '\\';

		s += escaped;
		if (!*s || (escaped && *s != '"' && *s != '\\')) {
			*path = s;
			return -EINVAL;
		}
		if (len + 1 >= size)
			return -ENAMETOOLONG;
		ret_name[len++] = *s;
	}
	ret_name[len] = 0;
	return end_part(path, s + 1, JSON_PATH_KEY);
}

static int read_index(const char **path, const char *s, long *ret_index)
{
	bool negative = s[1] == '-';
	long value = 0;

	s += 1 + negative;
	*path = s;
	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++) {
		if (value > (INT_MAX - 9) / 10)
			return -EINVAL;
		value = value * 10 + (*s - '0');
	}
	if (*s != ']') {
		*path = s;
		return -EINVAL;
	}
	*ret_index = negative ? -value : value;
	return end_part(path, s + 1, JSON_PATH_INDEX);
}

int json_path_next(const char **path, char *ret_name, size_t size, long *ret_index)
{
	const char *s = *path;

	if (!*s)
		return JSON_PATH_END;
	if (*s == '.') {
		s++;
		if (!*s) {
			*path = s;
			return JSON_PATH_END;
		}
		if (*s == '"')
			return quoted_name(path, s, ret_name, size);
		if (*s != '[')
			return plain_name(path, s, ret_name, size);
	}
	if (*s == '[')
		return read_index(path, s, ret_index);
	return -EINVAL;
}

int json_path_check(const char *path, size_t *ret_at)
{
	char name[JSON_PATH_NAME];
	const char *s = path;
	long index;
	int part = *s ? JSON_PATH_KEY : -EINVAL;

	while (part > 0)
		part = json_path_next(&s, name, sizeof(name), &index);
	if (part)
		*ret_at = s - path;
	return part;
}
