/* SPDX-License-Identifier: BSD-2-Clause */
/* Model -> plan: what a fault means, and its part of the fault's text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "scenario/model.h"

static uint64_t or_default(const struct value *v, uint64_t fallback)
{
	return v->node ? v->n : fallback;
}

/* ---- the text ---- */

static void add_word(struct json *j, const char *key, const struct node *n)
{
	if (n)
		json_string(j, key, n->text);
}

/* In one string, as on the command line. */
static void add_list(struct json *j, const char *key, const struct texts *list)
{
	struct buf text = {0};

	if (!list->node)
		return;
	for (size_t i = 0; i < list->count; i++)
		buf_printf(&text, "%s%s", i ? "," : "", list->items[i].s);
	json_string(j, key, text.failed ? "" : text.data);
	buf_free(&text);
}

/* The body only by its length: the text goes into every event of a window. */
static void add_answer(struct json *j, const struct model_answer *a)
{
	char length[32];

	if (!a->node || a->node->kind != NODE_MAP) {
		add_word(j, "answer", a->node);
		return;
	}
	json_object(j, "answer");
	add_word(j, "status", a->status.node);
	if (a->headers.count) {
		json_object(j, "headers");
		for (size_t i = 0; i < a->headers.count; i++)
			json_string(j, a->headers.items[i].name, a->headers.items[i].value);
		json_end_object(j);
	}
	if (a->body.node) {
		snprintf(length, sizeof(length), "%zu bytes", strlen(a->body.s));
		json_string(j, "body", length);
	}
	add_word(j, "certificate", a->certificate.node);
	add_word(j, "key", a->key.node);
	json_end_object(j);
}

void add_meaning(struct json *j, const struct model_fault *f)
{
	add_word(j, "dns", f->dns.node);
	add_list(j, "names", &f->names);
	add_word(j, "http", f->http.node);
	add_list(j, "paths", &f->paths);
	add_word(j, "retry_after", f->retry_after.node);
	add_word(j, "ntp", f->ntp.node);
	if (f->stall.node)
		json_bool(j, "stall", true);
	add_word(j, "limit", f->limit.node);
	add_word(j, "rate_limit", f->rate_limit.node);
	add_word(j, "then", f->then.node);
	add_word(j, "mtu", f->mtu.node);
	if (f->icmp.n)
		json_bool(j, "icmp", true);
	add_word(j, "slow_close", f->slow_close.node);
	if (f->half_open.node)
		json_bool(j, "half_open", true);
	add_word(j, "disconnects", f->disconnects.node);
	add_answer(j, &f->answer);
}

/* ---- the plan ---- */

static bool compile_answer(const struct model_answer *m, struct plan_fault *f)
{
	struct plan_answer *a;

	if (!m->node)
		return true;
	a = f->answer = calloc(1, sizeof(*a));
	if (!a)
		return false;
	a->status = m->status.n;
	return copy_headers(&m->headers, &a->headers, &a->n_headers) && copy_text(m->body.s, &a->body) &&
	       copy_text(m->certificate.s, &a->certificate) && copy_text(m->key.s, &a->key);
}

static bool compile_patterns(const struct texts *from, struct plan_fault *f)
{
	if (!from->count)
		return true;
	f->patterns = calloc(from->count, sizeof(*f->patterns));
	if (!f->patterns)
		return false;
	for (; f->n_patterns < from->count; f->n_patterns++)
		if (!copy_text(from->items[f->n_patterns].s, &f->patterns[f->n_patterns]))
			return false;
	return true;
}

static enum plan_meaning meaning_of(const struct model_fault *m)
{
	const struct {
		const struct node *node;
		enum plan_meaning meaning;
	} all[] = {
		{m->dns.node, PLAN_MEANS_DNS},
		{m->http.node, PLAN_MEANS_HTTP},
		{m->ntp.node, PLAN_MEANS_NTP},
		{m->stall.node, PLAN_MEANS_STALL},
		{m->limit.node, PLAN_MEANS_LIMIT},
		{m->mtu.node, PLAN_MEANS_MTU},
		{m->slow_close.node, PLAN_MEANS_SLOW_CLOSE},
		{m->half_open.node, PLAN_MEANS_HALF_OPEN},
		{m->rate_limit.node, PLAN_MEANS_RATE_LIMIT},
		{m->disconnects.node, PLAN_MEANS_DISCONNECTS},
		{m->answer.node, PLAN_MEANS_ANSWER},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].node)
			return all[i].meaning;
	return PLAN_MEANS_NOTHING;
}

static enum plan_then then_of(const struct model_fault *m)
{
	if (m->icmp.n)
		return PLAN_THEN_ICMP;
	if (m->limit.node)
		return or_default(&m->then, PLAN_THEN_RESET);
	if (m->rate_limit.node)
		return or_default(&m->then, PLAN_THEN_REFUSE);
	return PLAN_THEN_DROP;
}

/* `percent` is that of the messages which these three change, of the connections with all others. */
static void compile_shares(const struct model_fault *m, struct plan_fault *f)
{
	bool messages =
		f->meaning == PLAN_MEANS_DNS || f->meaning == PLAN_MEANS_HTTP || f->meaning == PLAN_MEANS_NTP;

	f->meaning_below = messages ? or_default(&m->percent, PLAN_ALWAYS) : PLAN_ALWAYS;
	f->flow_below = messages ? PLAN_ALWAYS : or_default(&m->percent, PLAN_ALWAYS);
}

bool compile_meaning(const struct model_fault *m, struct plan_fault *f)
{
	f->retry_after_s = -1;
	f->meaning = meaning_of(m);
	if (!f->meaning)
		return true;
	compile_shares(m, f);
	f->then = then_of(m);
	f->rcode = m->dns.n;
	f->amount = m->limit.n + m->mtu.n + m->rate_limit.n + m->disconnects.n; /* one of them is there */
	f->status = m->http.n;
	if (m->retry_after.node)
		f->retry_after_s = m->retry_after.n / NS_PER_S;
	f->ntp_from_ns = m->ntp.from_ns;
	f->ntp_to_ns = m->ntp.to_ns;
	f->ntp_over_ns = m->ntp.over_ns;
	if (m->slow_close.node) {
		f->delay_ns = m->slow_close.n;
		f->delay_below = PLAN_ALWAYS;
	}
	return compile_patterns(m->dns.node ? &m->names : &m->paths, f) && compile_answer(&m->answer, f);
}
