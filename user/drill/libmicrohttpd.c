/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/libmicrohttpd.h"

#include <stdbool.h>

#include "base/library.h"
#include "sonames.h"

#define LIBMICROHTTPD_NAME(name) "MHD_" #name,

struct libmicrohttpd mhd;

int libmicrohttpd_load(void)
{
	static const char *const names[] = {LIBMICROHTTPD_CALLS(LIBMICROHTTPD_NAME)};
	static bool is_loaded;
	int err = is_loaded ? 0
			    : library_load(LIBMICROHTTPD_SONAME, names, sizeof(names) / sizeof(*names), &mhd);

	is_loaded = !err;
	return err;
}
