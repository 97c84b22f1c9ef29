/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, up to U+10FFFF. */
#ifndef SHEARPIN_UTF8_H
#define SHEARPIN_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The length of the sequence at s; 0: there is none. The NUL at the end of the string stops one that is cut off. */
size_t utf8_len(const unsigned char *s);

#endif
