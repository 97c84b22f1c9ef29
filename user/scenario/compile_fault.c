/* SPDX-License-Identifier: BSD-2-Clause */
/* Model -> plan: a fault, and its text. */
#include "base/json.h"
#include "scenario/model.h"

static uint64_t or_default(const struct value *v, uint64_t fallback)
{
	return v->node ? v->n : fallback;
}

static void add_word(struct json *j, const char *key, const struct value *v)
{
	if (v->node)
		json_string(j, key, v->node->text);
}

static void add_loss(struct json *j, const struct model_fault *f)
{
	const struct model_gemodel *g = &f->gemodel;

	add_word(j, "loss", &f->loss);
	if (f->loss_every.node) {
		json_object(j, "loss");
		json_u64(j, "every", f->loss_every.n);
		json_end_object(j);
	}
	if (g->node) {
		json_object(j, "loss");
		json_object(j, "gemodel");
		add_word(j, "p", &g->p);
		add_word(j, "r", &g->r);
		add_word(j, "bad", &g->bad);
		add_word(j, "good", &g->good);
		json_end_object(j);
		json_end_object(j);
	}
	add_word(j, "loss_correlation", &f->loss_correlation);
}

static void add_reorder(struct json *j, const struct model_reorder *o)
{
	add_word(j, "reorder", &o->jitter);
	if (!o->by.node && !o->gap.node) {
		add_word(j, "reorder", &o->percent);
		return;
	}
	json_object(j, "reorder");
	add_word(j, "percent", &o->percent);
	add_word(j, "by", &o->by);
	if (o->gap.node)
		json_u64(j, "gap", o->gap.n);
	json_end_object(j);
}

/* The fault as the log and the report show it: its keys in the order of docs/scenario.md. */
static char *fault_text(const struct model_fault *f)
{
	struct buf out = {0};
	struct json j;

	json_begin(&j, &out);
	json_object(&j, NULL);
	if (f->drop.node)
		json_bool(&j, "drop", true);
	add_loss(&j, f);
	add_word(&j, "reset", &f->reset);
	add_word(&j, "refuse", &f->refuse);
	add_word(&j, "delay", &f->delay);
	add_word(&j, "jitter", &f->jitter);
	add_word(&j, "distribution", &f->distribution);
	add_word(&j, "jitter_correlation", &f->jitter_correlation);
	add_word(&j, "rate", &f->rate);
	add_word(&j, "burst", &f->burst);
	add_word(&j, "duplicate", &f->duplicate);
	add_word(&j, "duplicate_correlation", &f->duplicate_correlation);
	add_word(&j, "corrupt", &f->corrupt);
	add_word(&j, "corrupt_correlation", &f->corrupt_correlation);
	add_word(&j, "checksum", &f->checksum);
	add_reorder(&j, &f->reorder);
	add_word(&j, "reorder_correlation", &f->reorder_correlation);
	add_meaning(&j, f);
	add_word(&j, "percent", &f->percent);
	add_word(&j, "loss_as", &f->loss_as);
	json_end_object(&j);
	return buf_take(&out);
}

static void compile_loss(const struct model_fault *m, struct plan_fault *f)
{
	const struct model_gemodel *g = &m->gemodel;

	f->drop_below = m->drop.node ? or_default(&m->percent, PLAN_ALWAYS) : m->loss.n;
	f->drop_every = m->loss_every.n;
	f->loss_local = m->loss_as.n == MODEL_LOSS_LOCAL;
	f->loss_correlation = m->loss_correlation.n;
	f->gemodel = g->node;
	if (!g->node)
		return;
	f->ge_p = g->p.n;
	f->ge_r = g->r.n;
	f->ge_bad = or_default(&g->bad, PLAN_ALWAYS);
	f->ge_good = g->good.n;
}

static void compile_hold(const struct model_fault *m, struct plan_fault *f)
{
	if (m->delay.node) /* beside a meaning, `percent` is not allowed */
		f->delay_below = or_default(&m->percent, PLAN_ALWAYS);
	f->delay_ns = m->delay.n;
	f->jitter_ns = m->jitter.n;
	f->delay_correlation = m->jitter_correlation.n;
	f->distribution = m->distribution.n;
	f->rate = m->rate.n;
	f->burst = m->burst.n;
}

static void compile_bend(const struct model_fault *m, struct plan_fault *f)
{
	f->duplicate_below = m->duplicate.n;
	f->duplicate_correlation = m->duplicate_correlation.n;
	f->corrupt_below = m->corrupt.n;
	f->corrupt_correlation = m->corrupt_correlation.n;
	f->corrupt_valid = m->checksum.n == MODEL_CHECKSUM_VALID;
	f->reorder_below = m->reorder.percent.n;
	f->reorder_correlation = m->reorder_correlation.n;
	f->reorder_by_ns = m->reorder.by.n;
	f->reorder_gap = m->reorder.gap.n;
	f->reorder_jitter = m->reorder.jitter.n;
}

bool compile_fault(const struct model_fault *m, struct plan_fault *f)
{
	compile_loss(m, f);
	compile_hold(m, f);
	compile_bend(m, f);
	f->reset_ends = m->reset.n;
	f->refuse = m->refuse.n;
	f->flow_below = f->reset_ends || f->refuse ? or_default(&m->percent, PLAN_ALWAYS) : 0;
	f->text = fault_text(m);
	return f->text && compile_meaning(m, f);
}
