/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/html.h"

static const char dash[] = "\xe2\x80\x93";
static const char thin_space[] = "\xe2\x80\xaf";

/* Characters that turn the direction of the text behind them: U+202A to U+202E, U+2066 to U+2069. */
static bool turns_direction(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	return u[0] == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xaa && u[2] <= 0xae) ||
				(u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
}

static const char *entity(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	}
	return (unsigned char)c < 0x20 || c == 0x7f ? " " : NULL;
}

static void escape(struct buf *out, const char *text)
{
	const char *s, *word;

	for (s = text; *s; s++) {
		word = entity(*s);
		if (word) {
			buf_puts(out, word);
		} else if (turns_direction(s)) {
			buf_puts(out, " ");
			s += 2;
		} else {
			buf_add(out, s, 1);
		}
	}
}

void html_text(struct buf *out, const char *text)
{
	if (!text || !*text)
		buf_puts(out, dash);
	else
		escape(out, text);
}

void html_attribute(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, " %s=\"", name);
	escape(out, value ? value : "");
	buf_puts(out, "\"");
}

void html_ns_attribute(struct buf *out, const char *name, uint64_t ns)
{
	if (ns == NO_NS)
		buf_printf(out, " %s=\"\"", name);
	else
		buf_printf(out, " %s=\"%" PRIu64 "\"", name, ns);
}

void html_count(struct buf *out, uint64_t count)
{
	char digits[32];
	size_t len = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	if (count == NO_NS) {
		buf_puts(out, dash);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0 && len > 4)
			buf_puts(out, thin_space);
		buf_add(out, digits + i, 1);
	}
}

/* In units of a thousand such parts, with three digits behind the point. */
static void put_thousandths(struct buf *out, uint64_t ns, uint64_t thousandth_ns)
{
	uint64_t n;

	if (ns == NO_NS) {
		buf_puts(out, dash);
		return;
	}
	n = ns / thousandth_ns + (ns % thousandth_ns >= thousandth_ns / 2);
	buf_printf(out, "%" PRIu64 ".%03u", n / 1000, (unsigned)(n % 1000));
}

void html_seconds(struct buf *out, uint64_t ns)
{
	put_thousandths(out, ns, NS_PER_MS);
}

void html_millis(struct buf *out, uint64_t ns)
{
	put_thousandths(out, ns, NS_PER_US);
}

void html_percent(struct buf *out, double share)
{
	buf_printf(out, "%.4g%s%%", share * 100, thin_space);
}

void html_seq(struct buf *out, uint64_t seq)
{
	if (seq != NO_NS && seq)
		buf_printf(out, " <span class=\"seq\">#%" PRIu64 "</span>", seq);
}

void html_section(struct buf *out, const char *id, const char *heading)
{
	buf_printf(out, "<section id=\"%s\" aria-labelledby=\"%s-h\">\n<h2 id=\"%s-h\">", id, id, id);
	html_text(out, heading);
	buf_puts(out, "</h2>\n");
}

void html_section_end(struct buf *out)
{
	buf_puts(out, "</section>\n");
}

void html_table(struct buf *out, const char *label, const char *columns)
{
	const char *s = columns, *end;

	buf_puts(out, "<div class=\"scroll\" role=\"region\" tabindex=\"0\"");
	html_attribute(out, "aria-label", label);
	buf_puts(out, "><table><thead><tr>");
	for (; s; s = end ? end + 1 : NULL) {
		end = strchr(s, '|');
		buf_puts(out, *s == '>' ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">");
		s += *s == '>';
		buf_add(out, s, end ? (size_t)(end - s) : strlen(s));
		buf_puts(out, "</th>");
	}
	buf_puts(out, "</tr></thead><tbody>\n");
}

void html_table_end(struct buf *out)
{
	buf_puts(out, "</tbody></table></div>\n");
}

void html_row_head(struct buf *out, const char *text)
{
	buf_puts(out, "<th scope=\"row\">");
	html_text(out, text);
	buf_puts(out, "</th>");
}

void html_cell(struct buf *out, const char *text)
{
	buf_puts(out, "<td>");
	html_text(out, text);
	buf_puts(out, "</td>");
}

void html_cell_count(struct buf *out, uint64_t count)
{
	buf_puts(out, "<td class=\"n\">");
	html_count(out, count);
	buf_puts(out, "</td>");
}

void html_cell_seconds(struct buf *out, uint64_t ns, uint64_t seq)
{
	buf_puts(out, "<td class=\"n\">");
	html_seconds(out, ns);
	html_seq(out, ns == NO_NS ? NO_NS : seq);
	buf_puts(out, "</td>");
}

void html_cell_millis(struct buf *out, uint64_t ns)
{
	buf_puts(out, "<td class=\"n\">");
	html_millis(out, ns);
	buf_puts(out, "</td>");
}

void html_cell_time(struct buf *out, uint64_t ts_ns, uint64_t seq)
{
	char text[64] = "", *time;

	if (ts_ns != NO_NS)
		format_utc(ts_ns, text, sizeof(text));
	time = strchr(text, 'T');
	buf_puts(out, "<td class=\"when\">");
	if (time) {
		buf_printf(out, "%.*s<wbr>%s", (int)(time + 1 - text), text, time + 1);
		html_seq(out, seq);
	} else {
		html_text(out, NULL);
	}
	buf_puts(out, "</td>");
}

void html_cell_yes(struct buf *out, bool yes)
{
	buf_puts(out, yes ? "<td>yes</td>" : "<td class=\"bad\">no</td>");
}

void html_window_head(struct buf *out, const struct results *r, const struct result_window *w)
{
	size_t i;

	for (i = 0; i < r->n_windows && r->windows[i] != w; i++)
		;
	buf_puts(out, "<th scope=\"row\">");
	if (i < HTML_MAX_ROWS)
		buf_printf(out, "<a href=\"#window-%zu\">", i + 1);
	html_text(out, w->step);
	buf_printf(out, "%s#%u", "\xc2\xa0", w->instance);
	buf_puts(out, i < HTML_MAX_ROWS ? "</a></th>" : "</th>");
}

void html_more_rows(struct buf *out, uint64_t shown, uint64_t all, const char *what)
{
	if (all <= shown)
		return;
	buf_puts(out, "<p class=\"fine\">Shown are ");
	html_count(out, shown);
	buf_puts(out, " of ");
	html_count(out, all);
	buf_printf(out, " %s; results.json has all of them.</p>\n", what);
}

void html_item(struct buf *out, const char *label, const char *text)
{
	buf_puts(out, "<div><dt>");
	html_text(out, label);
	buf_puts(out, "</dt><dd>");
	html_text(out, text);
	buf_puts(out, "</dd></div>\n");
}

void html_item_count(struct buf *out, const char *label, uint64_t count)
{
	if (count == NO_NS)
		return;
	buf_puts(out, "<div><dt>");
	html_text(out, label);
	buf_puts(out, "</dt><dd>");
	html_count(out, count);
	buf_puts(out, "</dd></div>\n");
}

double html_place(const struct html_scale *s, uint64_t ns)
{
	if (ns <= s->from_ns || s->to_ns <= s->from_ns)
		return 0;
	if (ns >= s->to_ns)
		return 100;
	return 100.0 * (double)(ns - s->from_ns) / (double)(s->to_ns - s->from_ns);
}

uint64_t html_tick(uint64_t length_ns, unsigned most)
{
	static const unsigned factors[] = {1, 2, 5};

	for (uint64_t power = 1000; power < UINT64_MAX / 100; power *= 10) {
		for (size_t i = 0; i < sizeof(factors) / sizeof(*factors); i++) {
			if (length_ns / (factors[i] * power) <= most)
				return factors[i] * power;
		}
	}
	return length_ns;
}
