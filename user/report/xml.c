/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/xml.h"

#include <inttypes.h>
#include <string.h>

#include "base/timeutil.h"
#include "base/utf8.h"

void xml_begin(struct xml *x, struct buf *out)
{
	*x = (struct xml){.out = out};
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
}

/* U+FFFE and U+FFFF are no characters. */
static bool is_character(const unsigned char *s, size_t len)
{
	if (len == 1)
		return *s >= 0x20 || *s == '\t' || *s == '\n' || *s == '\r';
	return len && !(len == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe);
}

/* A carriage return as such would be read as a line end. */
static const char *reference(unsigned char c, bool attribute)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return attribute ? "&quot;" : NULL;
	case '\t':
		return attribute ? "&#9;" : NULL;
	case '\n':
		return attribute ? "&#10;" : NULL;
	case '\r':
		return "&#13;";
	default:
		return NULL;
	}
}

static void add_escaped(struct buf *out, const char *text, bool attribute)
{
	const unsigned char *s = (const unsigned char *)text;
	const char *other;
	size_t len;

	for (; *s; s += len ? len : 1) {
		len = utf8_len(s);
		other = reference(*s, attribute);
		if (other)
			buf_puts(out, other);
		else if (is_character(s, len))
			buf_add(out, s, len);
		else
			buf_puts(out, UTF8_REPLACEMENT);
	}
}

static void end_tag(struct xml *x)
{
	if (x->in_tag)
		buf_puts(x->out, ">");
	x->in_tag = false;
}

static void indent(struct xml *x)
{
	buf_printf(x->out, "\n%*s", 2 * x->depth, "");
}

void xml_open(struct xml *x, const char *name)
{
	if (x->depth >= XML_DEPTH) {
		x->out->failed = true;
		return;
	}
	end_tag(x);
	indent(x);
	buf_printf(x->out, "<%s", name);
	x->open[x->depth++] = name;
	x->in_tag = true;
	x->text = false;
}

void xml_attr(struct xml *x, const char *name, const char *value)
{
	buf_printf(x->out, " %s=\"", name);
	add_escaped(x->out, value ? value : "", true);
	buf_puts(x->out, "\"");
}

void xml_attr_u64(struct xml *x, const char *name, uint64_t value)
{
	buf_printf(x->out, " %s=\"%" PRIu64 "\"", name, value);
}

void xml_attr_seconds(struct xml *x, const char *name, uint64_t ns)
{
	uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2);

	buf_printf(x->out, " %s=\"%" PRIu64 ".%03u\"", name, ms / 1000, (unsigned)(ms % 1000));
}

void xml_text(struct xml *x, const char *text)
{
	end_tag(x);
	add_escaped(x->out, text, false);
	x->text = true;
}

void xml_close(struct xml *x)
{
	if (x->depth == 0) {
		x->out->failed = true;
		return;
	}
	x->depth--;
	if (x->in_tag) {
		buf_puts(x->out, "/>");
	} else {
		if (!x->text)
			indent(x);
		buf_printf(x->out, "</%s>", x->open[x->depth]);
	}
	x->in_tag = x->text = false;
	if (!x->depth)
		buf_puts(x->out, "\n");
}
