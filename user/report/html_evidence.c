/* SPDX-License-Identifier: BSD-2-Clause */
/* What report.html says of the host and of the evidence it rests on. */
#include <inttypes.h>

#include "report/html.h"

static void host(const struct results *r, struct buf *out)
{
	html_section(out, "host", "Host and software");
	buf_puts(out, "<dl class=\"facts\">\n");
	html_item(out, "Kernel", r->kernel);
	html_item(out, "Attachment", r->attach);
	html_item(out, "shearpin", r->version);
	for (size_t i = 0; i < r->n_facts; i++)
		html_item(out, r->facts[i].key, r->facts[i].value);
	buf_puts(out, "<div class=\"wide\"><dt>Command</dt><dd><code>");
	html_text(out, r->command);
	buf_puts(out, "</code></dd></div>\n</dl>\n");
	html_section_end(out);
}

static void counts(struct buf *out, const char *heading, const struct result_count *items, size_t n,
		   const char *columns)
{
	if (!n)
		return;
	buf_puts(out, "<div>");
	html_table(out, heading, columns);
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, "<tr>");
		html_row_head(out, items[i].name);
		html_cell_count(out, items[i].count);
		buf_puts(out, "</tr>\n");
	}
	html_table_end(out);
	buf_puts(out, "</div>\n");
}

static void list(struct buf *out, const char *heading, const char *class, const char **items, size_t n)
{
	if (!n)
		return;
	buf_printf(out, "<h3%s>%s</h3>\n<ul>\n", class, heading);
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, "<li>");
		html_text(out, items[i]);
		buf_puts(out, "</li>\n");
	}
	buf_puts(out, "</ul>\n");
}

void html_evidence(const struct results *r, struct buf *out)
{
	host(r, out);
	html_section(out, "evidence", "Logs and Evidence");
	list(out, "Incomplete", " class=\"warn\"", r->incomplete, r->n_incomplete);
	list(out, "Notes", "", r->notes, r->n_notes);
	buf_puts(out, "<dl class=\"facts\">\n");
	html_item(out, "Run directory", r->run);
	html_item_count(out, "Kernel records lost", r->lost);
	if (r->observed)
		html_item_count(out, "Connections given up for others", r->evicted);
	html_item_count(out, "Packets captured", r->captured);
	html_item_count(out, "Packets missing in the capture", r->capture_lost);
	html_item_count(out, "Passed by rule: fragments", r->fragments);
	html_item_count(out, "Passed by rule: unparsable", r->unparsable);
	html_item_count(out, "Passed by rule: shearpin's own", r->own);
	buf_puts(out, "<div class=\"wide\"><dt>SHA-256 of the last line of events.jsonl</dt><dd><code>");
	html_text(out, r->head);
	buf_puts(out, "</code></dd></div>\n</dl>\n<div class=\"pair\">\n");
	counts(out, "Files", r->files, r->n_files, "File|>Bytes");
	counts(out, "Events by type", r->events, r->n_events, "Event|>Number");
	buf_puts(out, "</div>\n<p class=\"fine\">Each line of events.jsonl holds the SHA-256 of the line "
		      "before it, so that "
		      "none can be changed unseen: <code>shearpin verify</code> checks that.</p>\n");
	html_section_end(out);
}
