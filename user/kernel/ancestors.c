/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/ancestors.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

pid_t ancestors_parent(pid_t pid)
{
	char path[64], text[512], *after;
	pid_t parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* The name in brackets may hold anything, on some kernels the end of a line; what follows the last bracket does not. */
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	after = strrchr(text, ')');
	if (after && sscanf(after, ") %*c %d", &parent) != 1)
		parent = 0;
	fclose(file);
	return parent;
}

size_t ancestors_find(pid_t ret[ANCESTORS_MOST])
{
	size_t n = 0;

	for (pid_t pid = getppid(); pid > 0 && n < ANCESTORS_MOST; pid = ancestors_parent(pid))
		ret[n++] = pid;
	return n;
}
