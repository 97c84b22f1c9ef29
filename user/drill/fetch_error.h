/* SPDX-License-Identifier: BSD-2-Clause */
/* libcurl's errors in the words of probes. */
#ifndef SHEARPIN_FETCH_ERROR_H
#define SHEARPIN_FETCH_ERROR_H

#include "drill/libcurl.h"

/* error: the number that the system gave (CURLINFO_OS_ERRNO(3)); 0: none. Static text. */
const char *fetch_error(CURLcode code, long error);

#endif
