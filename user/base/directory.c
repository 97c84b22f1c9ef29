/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/directory.h"

#include <string.h>

char *directory_name(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}
