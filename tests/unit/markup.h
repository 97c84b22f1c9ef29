/* SPDX-License-Identifier: BSD-2-Clause */
/* HTML as the report has it. What is not so fails the test. */
#ifndef TESTS_MARKUP_H
#define TESTS_MARKUP_H

#include <stdint.h>

#include "base/buf.h"

/* The value of the attribute in the tag at `tag`, as text up to its quote. */
const char *attribute(const char *tag, const char *name);
uint64_t attribute_ns(const char *tag, const char *name);

/*
 * Every element is closed in its order, every value quoted. Tags and the names of their attributes go into ret_shape; NULL: they
 * are not wanted.
 */
void check_form(const char *text, struct buf *ret_shape);

#endif
