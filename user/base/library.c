/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int library_load(const char *soname, const char *const *names, size_t n, void *ret_calls)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL), *call;

	if (!library)
		return -ELIBACC;
	for (size_t i = 0; i < n; i++)
		if (!dlsym(library, names[i])) {
			dlclose(library);
			return -ELIBACC;
		}
	for (size_t i = 0; i < n; i++) {
		call = dlsym(library, names[i]);
		memcpy((char *)ret_calls + i * sizeof(call), &call, sizeof(call));
	}
	return 0;
}
