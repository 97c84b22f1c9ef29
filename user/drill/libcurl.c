/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/libcurl.h"

#include <stdbool.h>

#include "base/library.h"
#include "sonames.h"

#define LIBCURL_NAME(name) "curl_" #name,

struct libcurl curl;

int libcurl_load(void)
{
	static const char *const names[] = {LIBCURL_CALLS(LIBCURL_NAME)};
	static bool is_loaded;
	int err = is_loaded ? 0 : library_load(LIBCURL_SONAME, names, sizeof(names) / sizeof(*names), &curl);

	is_loaded = !err;
	return err;
}
