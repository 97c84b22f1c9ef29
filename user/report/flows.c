/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections Recovery by Flow and Reconnect Attempts: what the packets say, without any help of the application. */
#include <inttypes.h>
#include <string.h>

#include "report/md.h"
#include "report/sections.h"
#include "slo/slo_words.h"

#define MAX_ROWS 200 /* of a table; results.json has all */

static void path_row(const struct result_path *p, struct buf *out)
{
	const uint64_t counts[] = {
		p->before, p->attempts, p->established, p->refused,   p->reset,
		p->closed, p->open,     p->bytes_in,    p->bytes_out, p->resent_in + p->resent_out};

	buf_puts(out, "| ");
	md_text(out, p->name);
	buf_puts(out, " | ");
	md_text(out, p->target);
	buf_puts(out, " | ");
	md_text(out, p->process);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		buf_printf(out, " | %" PRIu64, counts[i]);
	buf_puts(out, " |\n");
}

static void more_rows(struct buf *out, size_t shown, size_t all, const char *what)
{
	if (all > shown)
		buf_printf(out, "\n%zu more %s are in results.json.\n", all - shown, what);
}

static void path_table(const struct results *r, struct buf *out)
{
	size_t shown = r->n_paths < MAX_ROWS ? r->n_paths : MAX_ROWS;

	md_table(out,
		 "Path|Target|Process|There before|Attempts|Established|Refused|Reset|Closed|Open at the end|"
		 "Bytes in|Bytes out|Segments sent again");
	for (size_t i = 0; i < shown; i++)
		path_row(&r->paths[i], out);
	more_rows(out, shown, r->n_paths, "paths");
	buf_puts(out, "\n");
}

static void put_event_time(struct buf *out, uint64_t ns, uint64_t seq)
{
	buf_puts(out, " | ");
	md_seconds(out, ns);
	md_seq(out, ns == NO_NS ? NO_NS : seq);
}

static void recovery_row(const struct results *r, const struct result_window *w, const struct result_flow *f,
			 struct buf *out)
{
	section_window(w, out);
	md_text(out, r->paths[f->path].name);
	md_seq(out, f->hit_seq);
	put_event_time(out, f->detection_ns, f->noticed_seq);
	buf_printf(out, " | %s", f->notice == NOTICE_NONE ? "-" : result_notice_name(f->notice));
	put_event_time(out, f->recovery_ns, f->recovered_seq);
	put_event_time(out, f->recovery_after_inject_ns, NO_NS);
	buf_printf(out, " | %s",
		   f->recovered_at == NO_NS ? "-"
		   : f->survived            ? "the same connection"
					    : "a new connection");
	put_event_time(out, f->gap_ns, f->gap_seq);
	buf_puts(out, " |\n");
}

static bool was_hit(const struct result_flow *f)
{
	return f->is_hit;
}

static bool had_attempts(const struct result_flow *f)
{
	return f->attempts;
}

static size_t count(const struct results *r, bool (*wanted)(const struct result_flow *f))
{
	size_t n = 0, i, k;

	for (i = 0; i < r->n_windows; i++) {
		for (k = 0; k < r->windows[i]->n_flows; k++)
			n += wanted(&r->windows[i]->flows[k]);
	}
	return n;
}

/* The flows that are wanted, window by window. */
static void flow_rows(const struct results *r, struct buf *out, bool (*wanted)(const struct result_flow *f),
		      void (*put)(const struct results *r, const struct result_window *w,
				  const struct result_flow *f, struct buf *out))
{
	const struct result_window *w;
	size_t shown = 0, i, k;

	for (i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		for (k = 0; k < w->n_flows && shown < MAX_ROWS; k++) {
			if (!wanted(&w->flows[k]))
				continue;
			put(r, w, &w->flows[k], out);
			shown++;
		}
	}
	more_rows(out, shown, count(r, wanted), "rows");
}

static void put_samples(struct buf *out, const char *label, const struct result_samples *s,
			const char *missing)
{
	buf_printf(out, "- %s (s): P50 ", label);
	md_seconds(out, s->p50_ns);
	buf_puts(out, ", P95 ");
	md_seconds(out, s->p95_ns);
	buf_puts(out, ", P99 ");
	md_seconds(out, s->p99_ns);
	buf_puts(out, ", max ");
	md_seconds(out, s->max_ns);
	buf_printf(out, " of %" PRIu64 ", %" PRIu64 " %s\n", s->samples, s->missing, missing);
}

void section_flows(const struct results *r, struct buf *out)
{
	if (!r->observed || !r->n_paths)
		return;
	buf_puts(out, "\n## Recovery by Flow\n\n"
		      "From the packets alone. A number behind a time is that of the event in events.jsonl "
		      "it rests on.\n\n");
	if (count(r, was_hit)) {
		put_samples(out, "Recovery", &r->flow_recovery, "not recovered");
		put_samples(out, "Detection", &r->flow_detection, "unnoticed");
		buf_puts(out, "\n");
	} else {
		buf_puts(out, "The fault hit no flow.\n\n");
	}
	path_table(r, out);
	if (!count(r, was_hit))
		return;
	md_table(out, "Window|Path|Detection (s)|Noticed by|Recovery (s)|Recovery after inject (s)|Back on|"
		      "Longest silence (s)");
	flow_rows(r, out, was_hit, recovery_row);
}

static void attempts_row(const struct results *r, const struct result_window *w, const struct result_flow *f,
			 struct buf *out)
{
	struct buf words = {0};

	section_window(w, out);
	md_text(out, r->paths[f->path].name);
	buf_printf(out, " | %" PRIu64, f->attempts);
	md_seq(out, f->attempts_seq);
	buf_printf(out, " | %" PRIu64 " | ", f->refused);
	slo_words_backoff(&words, &f->backoff);
	md_text(out, words.data);
	put_event_time(out, f->backoff.first_ns, NO_NS);
	put_event_time(out, f->backoff.median_ns, NO_NS);
	put_event_time(out, f->backoff.max_ns, NO_NS);
	buf_printf(out, " | %" PRIu64 " | %s |\n", f->peak_per_s, f->storm ? "storm" : "-");
	out->failed |= words.failed;
	buf_free(&words);
}

void section_attempts(const struct results *r, struct buf *out)
{
	if (!r->observed || !count(r, had_attempts))
		return;
	buf_printf(out,
		   "\n## Reconnect Attempts\n\n- Most attempts in a second, to one target: %" PRIu64 "\n\n",
		   r->peak_per_s);
	md_table(out, "Window|Path|Attempts|Refused|Back-off|First interval (s)|Median (s)|Longest (s)|"
		      "Most in a second|Storm");
	flow_rows(r, out, had_attempts, attempts_row);
}
