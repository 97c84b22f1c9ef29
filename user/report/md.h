/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of Markdown. Text is escaped so that it reads as it is, in a table cell, too; NULL becomes '-'. */
#ifndef SHEARPIN_MD_H
#define SHEARPIN_MD_H

#include <stdint.h>

#include "base/buf.h"

void md_text(struct buf *out, const char *text);
/* "- Label: text" */
void md_item(struct buf *out, const char *label, const char *text);
/* Nanoseconds as seconds or milliseconds with three digits; NO_NS is '-'. */
void md_seconds(struct buf *out, uint64_t ns);
void md_millis(struct buf *out, int64_t ns);
/* CLOCK_REALTIME, or '-'. */
void md_utc(struct buf *out, uint64_t real_ns);
/* " #17", the number of an event; nothing for NO_NS. */
void md_seq(struct buf *out, uint64_t seq);
/* The head of a table, and the line below it; columns are separated by '|'. */
void md_table(struct buf *out, const char *columns);

#endif
