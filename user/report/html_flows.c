/* SPDX-License-Identifier: BSD-2-Clause */
/* Recovery by Flow, and Reconnect Attempts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/html.h"
#include "slo/slo_words.h"

/* A row: a path in a window. */
struct row {
	const struct result_window *w;
	const struct result_flow *f;
	size_t order; /* in which the results have it */
};

static void path_row(const struct result_path *p, struct buf *out)
{
	buf_puts(out, "<tr");
	html_attribute(out, "data-path", p->name);
	buf_puts(out, ">");
	html_row_head(out, p->name);
	html_cell(out, p->target);
	buf_puts(out, "<td class=\"w\">");
	html_text(out, p->process);
	buf_puts(out, "</td>");
	html_cell_count(out, p->before);
	html_cell_count(out, p->attempts);
	html_cell_count(out, p->established);
	html_cell_count(out, p->refused);
	html_cell_count(out, p->reset);
	html_cell_count(out, p->closed);
	html_cell_count(out, p->open);
	html_cell_count(out, p->bytes_in);
	html_cell_count(out, p->bytes_out);
	html_cell_count(out, p->resent_in + p->resent_out);
	buf_puts(out, "</tr>\n");
}

static void paths(const struct results *r, struct buf *out)
{
	size_t shown = r->n_paths < HTML_MAX_ROWS ? r->n_paths : HTML_MAX_ROWS;

	buf_puts(out, "<h3>Paths, over the whole run</h3>\n");
	html_table(out, "Paths",
		   "Path|Target|Process|>There before|>Attempts|>Established|>Refused|>Reset|>Closed|>Open "
		   "at the end|"
		   ">Bytes in|>Bytes out|>Segments sent again");
	for (size_t i = 0; i < shown; i++)
		path_row(&r->paths[i], out);
	html_table_end(out);
	buf_puts(out,
		 "<p class=\"fine\">A path is all connections between a local address and a remote address "
		 "and "
		 "port (&gt;), or for connections that come in between a local address and port and a remote "
		 "address (&lt;). Bytes are payload.</p>\n");
	html_more_rows(out, shown, r->n_paths, "paths");
}

static size_t count_flows(const struct results *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_windows; i++)
		n += r->windows[i]->n_flows;
	return n;
}

/* What a reader of a shortened table must see comes first: not recovered, storms, then the slowest. */
static int by_weight(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	uint64_t slow_x = x->f->is_hit ? x->f->recovery_ns : 0, slow_y = y->f->is_hit ? y->f->recovery_ns : 0;

	if (x->f->storm != y->f->storm)
		return x->f->storm ? -1 : 1;
	if (slow_x != slow_y)
		return slow_x > slow_y ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int by_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* The rows that are shown, in the order of the windows; NULL: none, or no memory. */
static struct row *pick_rows(const struct results *r, size_t *ret_shown, size_t *ret_all)
{
	size_t all = count_flows(r), n = 0, i, k;
	struct row *rows = calloc(all ? all : 1, sizeof(*rows));

	for (i = 0; rows && i < r->n_windows; i++) {
		for (k = 0; k < r->windows[i]->n_flows; k++, n++)
			rows[n] = (struct row){r->windows[i], &r->windows[i]->flows[k], n};
	}
	if (rows && all > HTML_MAX_ROWS)
		qsort(rows, all, sizeof(*rows), by_weight);
	*ret_all = all;
	*ret_shown = all < HTML_MAX_ROWS ? all : HTML_MAX_ROWS;
	if (rows)
		qsort(rows, *ret_shown, sizeof(*rows), by_order);
	return rows;
}

static void notice_cell(const struct result_flow *f, struct buf *out)
{
	static const char *const words[] = {
		[NOTICE_NONE] = NULL,
		[NOTICE_RESET] = "reset",
		[NOTICE_REFUSED] = "refused",
		[NOTICE_CLOSED] = "closed by its owner",
		[NOTICE_ATTEMPT] = "new attempt",
	};

	html_cell(out, words[f->notice]);
}

static void recovery_cells(const struct result_flow *f, struct buf *out)
{
	if (f->is_hit && f->censored)
		buf_puts(out, "<td class=\"n bad\">never</td>");
	else
		html_cell_seconds(out, f->recovery_ns, f->recovered_seq);
	html_cell_seconds(out, f->recovery_after_inject_ns, NO_NS);
	html_cell(out, f->recovered_at == NO_NS ? NULL
		       : f->survived            ? "the same connection"
						: "a new connection");
}

static void recovery_row(const struct results *r, const struct row *row, struct buf *out)
{
	const struct result_flow *f = row->f;

	buf_puts(out, "<tr>");
	html_window_head(out, r, row->w);
	buf_puts(out, "<td class=\"w\">");
	html_text(out, r->paths[f->path].name);
	html_seq(out, f->is_hit ? f->hit_seq : NO_NS);
	buf_puts(out, "</td>");
	html_cell(out, r->paths[f->path].process);
	html_cell_seconds(out, f->detection_ns, f->noticed_seq);
	notice_cell(f, out);
	recovery_cells(f, out);
	html_cell_seconds(out, f->gap_ns, f->gap_seq);
	buf_puts(out, "</tr>\n");
}

static void recoveries(const struct results *r, const struct row *rows, size_t n, struct buf *out)
{
	html_table(out, "Recovery by flow",
		   "Window|Path|Process|>Detection (s)|Noticed by|>Recovery (s)|>Recovery after inject "
		   "(s)|Back on|"
		   ">Longest silence (s)");
	for (size_t i = 0; i < n; i++) {
		if (rows[i].f->is_hit)
			recovery_row(r, &rows[i], out);
	}
	html_table_end(out);
	buf_puts(out, "<p class=\"fine\">From the packets alone. Detection: from the opening to the first "
		      "sign that the "
		      "application took notice. Recovery: from the closing until there was payload in both "
		      "directions.</p>\n");
}

static void attempts_row(const struct results *r, const struct row *row, struct buf *out)
{
	const struct result_flow *f = row->f;
	struct buf words = {0};

	buf_puts(out, "<tr>");
	html_window_head(out, r, row->w);
	buf_puts(out, "<td class=\"w\">");
	html_text(out, r->paths[f->path].name);
	buf_puts(out, "</td><td class=\"n\">");
	html_count(out, f->attempts);
	html_seq(out, f->attempts ? f->attempts_seq : NO_NS);
	buf_puts(out, "</td>");
	html_cell_count(out, f->refused);
	slo_words_backoff(&words, &f->backoff);
	html_cell(out, words.data);
	html_cell_seconds(out, f->backoff.first_ns, NO_NS);
	html_cell_seconds(out, f->backoff.median_ns, NO_NS);
	html_cell_seconds(out, f->backoff.max_ns, NO_NS);
	html_cell_count(out, f->peak_per_s);
	buf_puts(out, f->storm ? "<td class=\"bad\">storm</td></tr>\n" : "<td>no</td></tr>\n");
	out->failed |= words.failed;
	buf_free(&words);
}

static void attempts(const struct results *r, const struct row *rows, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n && !rows[i].f->attempts; i++)
		;
	if (i == n)
		return;
	html_section(out, "attempts", "Reconnect Attempts");
	html_table(out, "Reconnect attempts",
		   "Window|Path|>Attempts|>Refused|Back-off|>First interval (s)|>Median (s)|>Longest (s)|"
		   ">Most in a second|Storm");
	for (; i < n; i++) {
		if (rows[i].f->attempts)
			attempts_row(r, &rows[i], out);
	}
	html_table_end(out);
	buf_puts(out, "<p class=\"fine\">New connections from the window's opening to the path's recovery, "
		      "by their first "
		      "SYN.</p>\n");
	html_section_end(out);
}

static void observer(const struct results *r, struct buf *out)
{
	if (!r->evicted || r->evicted == NO_NS)
		return;
	buf_puts(out, "<p><span class=\"warn\">");
	html_count(out, r->evicted);
	buf_puts(out,
		 "</span> connections were given up to make room for others: their figures end there.</p>\n");
}

void html_flows(const struct results *r, struct buf *out)
{
	size_t shown, all;
	struct row *rows;

	if (!r->observed || !r->n_paths)
		return;
	rows = pick_rows(r, &shown, &all);
	if (!rows) {
		out->failed = true;
		return;
	}
	html_section(out, "flows", "Recovery by Flow");
	observer(r, out);
	if (r->flow_recovery.samples)
		recoveries(r, rows, shown, out);
	else
		buf_puts(out, "<p>The fault hit no flow.</p>\n");
	if (shown < all)
		buf_puts(out, "<p class=\"fine\">Those that did not recover, storms and the slowest are "
			      "shown.</p>\n");
	html_more_rows(out, shown, all, "paths in windows");
	paths(r, out);
	html_section_end(out);
	attempts(r, rows, shown, out);
	free(rows);
}
