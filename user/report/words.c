/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/words.h"

#include <inttypes.h>
#include <string.h>

#include "base/timeutil.h"

#define MAX_NAMED 3 /* paths that a window's remarks name */

static const char *target_words(const struct results *r, const char *name)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		if (strcmp(r->targets[i].name, name) == 0)
			return r->targets[i].words;
	}
	return NULL;
}

static uint64_t planned_length(const struct results *r, const struct result_window *w)
{
	for (size_t i = 0; i < r->n_steps; i++) {
		if (strcmp(r->steps[i].name, w->step) == 0)
			return r->steps[i].for_ns;
	}
	return NO_NS;
}

void window_parameters(const struct results *r, const struct result_window *w, struct buf *out)
{
	uint64_t length = planned_length(r, w);
	const char *words;
	char text[32];

	buf_puts(out, w->words ? w->words : "-");
	if (w->stands) {
		buf_puts(out, length == NO_NS || !w->closed || w->closed_ns == w->opened_ns
				      ? ""
				      : ", to the run's end");
	} else if (length != NO_NS) {
		format_duration(length, text, sizeof(text));
		buf_printf(out, " for %s", text);
	}
	for (size_t i = 0; i < w->n_parts; i++) {
		words = target_words(r, w->parts[i].target);
		buf_printf(out, "%s%s", i ? "; " : " on ", w->parts[i].target);
		if (words)
			buf_printf(out, " (%s)", words);
	}
}

bool window_measured(const struct results *r, const struct result_window *w)
{
	if (w->shadow)
		return false;
	if (r->n_probes)
		return true;
	for (size_t i = 0; i < w->n_flows; i++) {
		if (w->flows[i].is_hit)
			return true;
	}
	return false;
}

/* (NO_NS is larger than any time.) */
uint64_t window_recovery(const struct results *r, const struct result_window *w)
{
	uint64_t slowest = 0;
	size_t i;

	if (!window_measured(r, w))
		return NO_NS;
	for (i = 0; i < r->n_probes; i++) {
		if (w->probes[i].recovery_ns > slowest)
			slowest = w->probes[i].recovery_ns;
	}
	for (i = 0; !r->n_probes && i < w->n_flows; i++) {
		if (w->flows[i].is_hit && w->flows[i].recovery_ns > slowest)
			slowest = w->flows[i].recovery_ns;
	}
	return slowest;
}

const struct result_samples *run_recovery(const struct results *r)
{
	return r->n_probes ? &r->recovery : &r->flow_recovery;
}

uint64_t run_unrecovered(const struct results *r)
{
	return r->n_probes ? r->unrecovered : r->flow_unrecovered;
}

struct remarks {
	struct buf *out;
	bool any;
};

static void remark(struct remarks *m, const char *subject, const char *text)
{
	buf_printf(m->out, "%s%s%s%s", m->any ? "; " : "", subject ? subject : "", subject ? " " : "", text);
	m->any = true;
}

static void remark_count(struct remarks *m, const char *target, uint64_t count, const char *text)
{
	if (!count)
		return;
	remark(m, target, "had ");
	buf_printf(m->out, "%" PRIu64 " %s", count, text);
}

static void probe_remarks(struct remarks *m, const struct results *r, const struct result_window *w)
{
	const struct result_probe *p;
	size_t i;

	for (i = 0; i < r->n_probes; i++) {
		p = &w->probes[i];
		if (p->already_down)
			remark(m, r->probes[i].name, "was unhealthy before the window opened");
		if (p->detection_ns == NO_NS)
			remark(m, r->probes[i].name, "noticed nothing");
		else if (!w->stands && w->closed_ns != NO_NS && p->unhealthy_at > w->closed_ns)
			remark(m, r->probes[i].name, "became unhealthy only after the window closed");
		if (p->censored)
			remark(m, r->probes[i].name, "was not seen to recover");
	}
}

static bool is_censored(const struct result_flow *f)
{
	return f->is_hit && f->censored;
}

static bool is_storm(const struct result_flow *f)
{
	return f->storm;
}

/* The first few paths are named, the others counted. */
static void flow_remark(struct remarks *m, const struct results *r, const struct result_window *w,
			bool (*concerned)(const struct result_flow *f), const char *text)
{
	uint64_t count = 0;

	for (size_t i = 0; i < w->n_flows; i++) {
		if (concerned(&w->flows[i]) && count++ < MAX_NAMED)
			remark(m, r->paths[w->flows[i].path].name, text);
	}
	if (count <= MAX_NAMED)
		return;
	remark(m, NULL, "the same of ");
	buf_printf(m->out, "%" PRIu64 " more", count - MAX_NAMED);
}

static const char *failed_words(const struct result_counters *n)
{
	return n->requests != NO_NS ? "connections that couldn't be taken"
	       : n->resumed != NO_NS
		       ? "packets that couldn't be rewritten, or senders that couldn't be told to go on"
		       : "packets that couldn't be rewritten";
}

static void part_remarks(struct remarks *m, const struct result_part *p)
{
	if (!p->closed)
		remark(m, p->target, "has no closing in the log");
	if (p->cut)
		remark(m, p->target, "was cut short");
	if (!p->counted)
		return;
	if (p->first_hit_ns == NO_NS && !p->n.idle_reset)
		remark(m, p->target, p->n.matched ? "had no packet that was hit" : "had no packet at all");
	if (p->outside)
		remark(m, p->target, "had a hit outside the window");
	if (!p->balanced)
		remark(m, p->target, "has counters that don't add up");
	remark_count(m, p->target, p->n.suppressed, "packets suppressed by the budget");
	remark_count(m, p->target, p->n.untracked, "packets of flows that found no room in the flow table");
	remark_count(m, p->target, p->n.failed, failed_words(&p->n));
	if (!p->receipt)
		return;
	remark_count(m, p->target, p->receipt->lost + p->receipt->full,
		     "packets lost by the delay line, apart from the fault");
	remark_count(m, p->target, p->receipt->stale, "packets passed undelayed");
}

void window_remarks(const struct results *r, const struct result_window *w, struct buf *out)
{
	struct remarks m = {out, false};

	if (w->shadow) {
		remark(&m, NULL, "a shadow: it counted, and touched nothing");
		return;
	}
	if (w->undo)
		remark(&m, NULL, w->undo);
	probe_remarks(&m, r, w);
	flow_remark(&m, r, w, is_censored, "was not seen to recover");
	flow_remark(&m, r, w, is_storm, "made a storm of attempts");
	for (size_t i = 0; i < w->n_parts; i++)
		part_remarks(&m, &w->parts[i]);
}

const char *meta_value(const struct results *r, const char *key)
{
	for (size_t i = 0; i < r->n_meta; i++) {
		if (strcmp(r->meta[i].key, key) == 0)
			return r->meta[i].value;
	}
	return NULL;
}

void meta_others(const struct results *r, const char *const *own, struct buf *out,
		 void (*put)(struct buf *out, const char *key, const char *value))
{
	const char *const *k;

	for (size_t i = 0; i < r->n_meta; i++) {
		for (k = own; *k && strcmp(r->meta[i].key, *k) != 0; k++)
			;
		if (!*k)
			put(out, r->meta[i].key, r->meta[i].value);
	}
}

static bool part_counted(const struct result_part *p, size_t counter)
{
	uint64_t value = result_counter(&p->n, counter);

	return p->counted && (result_counters[counter].special ? value != NO_NS : value != 0);
}

bool counter_counted(const struct results *r, size_t counter)
{
	size_t i, p;

	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->windows[i]->n_parts; p++) {
			if (part_counted(&r->windows[i]->parts[p], counter))
				return true;
		}
	}
	return false;
}

void counter_notes(const struct results *r, struct buf *out)
{
	static const struct {
		const char *name, *words;
	} notes[] = {
		{"resumed", " resumed counts senders that were told to go on."},
		{"requests", " requests counts requests that were answered."},
	};
	size_t i, k;

	for (i = 0; i < n_result_counters; i++) {
		for (k = 0; k < sizeof(notes) / sizeof(*notes); k++) {
			if (!strcmp(notes[k].name, result_counters[i].name) && counter_counted(r, i))
				buf_puts(out, notes[k].words);
		}
	}
}
