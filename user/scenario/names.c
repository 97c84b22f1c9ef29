/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/names.h"

#include <ctype.h>
#include <string.h>

#define LONGEST_LABEL 63
#define LONGEST_NAME 253
#define LONGEST_CGROUP 4095

static const char *label_fault(const char *label, size_t len)
{
	if (!len)
		return "has an empty label";
	if (len > LONGEST_LABEL)
		return "has a label of more than 63 characters";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)label[i] >= 0x80)
			return "has a character that DNS does not carry; write it in its xn-- form";
		if (label[i] == '*')
			return "has a `*` that is not the whole first label";
		if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
			return "has a character other than letters, digits, `-`, `_` and `.`";
	}
	return NULL;
}

const char *name_fault(const char *name, bool wildcard)
{
	size_t len = strlen(name);

	if (len > 1 && name[len - 1] == '.')
		len--;
	if (wildcard && len == 1 && *name == '*')
		return "is every name, for which `names` is left out";
	if (!wildcard && *name == '*')
		return "is no single name";
	if (len > LONGEST_NAME)
		return "is longer than 253 characters";
	if (wildcard && !strncmp(name, "*.", 2) && len > 2) {
		name += 2;
		len -= 2;
	}
	for (;;) {
		const char *dot = memchr(name, '.', len);
		size_t label = dot ? (size_t)(dot - name) : len;
		const char *fault = label_fault(name, label);

		if (fault || !dot)
			return fault;
		name += label + 1;
		len -= label + 1;
	}
}

const char *cgroup_fault(const char *path)
{
	if (*path != '/')
		return "does not start with `/`";
	if (!path[1])
		return "is the root, which holds every process";
	if (strlen(path) > LONGEST_CGROUP)
		return "is longer than 4095 characters";
	while (*path) {
		size_t len = strcspn(++path, "/");

		if (!len)
			return "has an empty component";
		if ((len == 1 && *path == '.') || (len == 2 && !strncmp(path, "..", 2)))
			return "has a component `.` or `..`";
		path += len;
	}
	return NULL;
}
