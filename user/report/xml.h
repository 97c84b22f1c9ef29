/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming XML 1.0 writer onto a buffer, indented. Names are the caller's and not escaped; text is UTF-8, and what
 * XML 1.0 (section 2.2) has no place for becomes U+FFFD. In attributes line ends and tabs are written as references, so that
 * they survive. Nesting deeper than XML_DEPTH or closing more than was opened sets the buffer's `failed`.
 */
#ifndef SHEARPIN_XML_H
#define SHEARPIN_XML_H

#include <stdint.h>

#include "base/buf.h"

#define XML_DEPTH 8

struct xml {
	struct buf *out;
	const char *open[XML_DEPTH];
	int depth;
	bool in_tag; /* attributes may follow */
	bool text;   /* the element has text, and no indentation */
};

void xml_begin(struct xml *x, struct buf *out); /* with the declaration */
void xml_open(struct xml *x, const char *name);
void xml_attr(struct xml *x, const char *name, const char *value); /* NULL: as if empty */
void xml_attr_u64(struct xml *x, const char *name, uint64_t value);
void xml_attr_seconds(struct xml *x, const char *name, uint64_t ns); /* "12.346" */
void xml_text(struct xml *x, const char *text);
void xml_close(struct xml *x);

#endif
