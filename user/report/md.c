/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/md.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "slo/results.h"

/* An underscore inside a word is no markup. */
static bool inside_word(const char *text, const char *at)
{
	return at > text && isalnum((unsigned char)at[-1]) && isalnum((unsigned char)at[1]);
}

void md_text(struct buf *out, const char *text)
{
	const char *s;

	if (!text || !*text) {
		buf_puts(out, "-");
		return;
	}
	for (s = text; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_puts(out, " ");
		else if (*s == '<')
			buf_puts(out, "&lt;");
		else if (*s == '&')
			buf_puts(out, "&amp;");
		else if (strchr("|\\`*[]", *s) || (*s == '_' && !inside_word(text, s)))
			buf_printf(out, "\\%c", *s);
		else
			buf_add(out, s, 1);
	}
}

void md_item(struct buf *out, const char *label, const char *text)
{
	buf_puts(out, "- ");
	md_text(out, label);
	buf_puts(out, ": ");
	md_text(out, text);
	buf_puts(out, "\n");
}

void md_seconds(struct buf *out, uint64_t ns)
{
	uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2);

	if (ns == NO_NS)
		buf_puts(out, "-");
	else
		buf_printf(out, "%" PRIu64 ".%03u", ms / 1000, (unsigned)(ms % 1000));
}

void md_millis(struct buf *out, int64_t ns)
{
	uint64_t us = ns < 0 ? -(uint64_t)ns / NS_PER_US : (uint64_t)ns / NS_PER_US;

	buf_printf(out, "%s%" PRIu64 ".%03u", ns < 0 ? "-" : "", us / 1000, (unsigned)(us % 1000));
}

void md_utc(struct buf *out, uint64_t real_ns)
{
	char text[64];

	if (real_ns == NO_NS) {
		buf_puts(out, "-");
		return;
	}
	format_utc(real_ns, text, sizeof(text));
	buf_puts(out, text);
}

void md_seq(struct buf *out, uint64_t seq)
{
	if (seq != NO_NS && seq)
		buf_printf(out, " #%" PRIu64, seq);
}

void md_table(struct buf *out, const char *columns)
{
	const char *s;

	buf_printf(out, "| ");
	for (s = columns; *s; s++) {
		if (*s == '|')
			buf_puts(out, " | ");
		else
			buf_add(out, s, 1);
	}
	buf_puts(out, " |\n|---|");
	for (s = columns; *s; s++) {
		if (*s == '|')
			buf_puts(out, "---|");
	}
	buf_puts(out, "\n");
}
