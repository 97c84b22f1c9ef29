/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared libraries that only some runs need, loaded when they do. libcurl and libmicrohttpd bring some thirty others with them,
 * whose memory a run that speaks no HTTP is spared.
 */
#ifndef SHEARPIN_LIBRARY_H
#define SHEARPIN_LIBRARY_H

#include <stddef.h>

/*
 * ret_calls: a struct of nothing but n pointers to functions, in the order of their names. It is all set or left alone; the
 * library stays loaded for good. 0; -ELIBACC: it can't be loaded, or lacks one of them.
 */
int library_load(const char *soname, const char *const *names, size_t n, void *ret_calls);

#endif
