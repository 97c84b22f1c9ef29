/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fuzzer asserts: a failure says where and what, and ends it. */
#ifndef SHEARPIN_FUZZ_CHECK_H
#define SHEARPIN_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#endif
