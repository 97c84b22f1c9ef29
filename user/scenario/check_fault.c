/* SPDX-License-Identifier: BSD-2-Clause */
/* What fits together within a fault, and with its target. */
#include <netinet/in.h>

#include "base/timeutil.h"
#include "scenario/model.h"

/* p + r of a gemodel: beyond these, its state depends on packets too long ago to look back at. */
#define LEAST_STEPS 4294967ULL       /* 0.1 % of 2^32 */
#define MOST_STEPS_SUM 8585639625ULL /* 199.9 % */
/* The distributions with tails reach this many times the jitter. */
#define TAIL 4

static const char *const bends[] = {"delay", "rate", "duplicate", "corrupt", "reorder"};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* Keys that say more of another one. */
static void check_needs(struct reader *r, const struct node *n)
{
	static const struct {
		const char *key, *needs;
	} pairs[] = {
		{"loss_correlation", "loss"},
		{"jitter", "delay"},
		{"distribution", "jitter"},
		{"jitter_correlation", "jitter"},
		{"burst", "rate"},
		{"duplicate_correlation", "duplicate"},
		{"corrupt_correlation", "corrupt"},
		{"checksum", "corrupt"},
		{"reorder_correlation", "reorder"},
	};

	for (size_t i = 0; i < COUNT(pairs); i++)
		if (given(n, pairs[i].key) && !given(n, pairs[i].needs))
			mistake(r->errors, node_get(n, pairs[i].key)->key, "`%s` without `%s`", pairs[i].key,
				pairs[i].needs);
}

static void check_drop(struct reader *r, const struct node *n)
{
	if (!given(n, "drop"))
		return;
	if (given(n, "loss"))
		mistake(r->errors, node_get(n, "loss")->key,
			"`loss` beside `drop`, expected the one or the other");
	for (size_t i = 0; i < COUNT(bends); i++)
		if (given(n, bends[i]))
			mistake(r->errors, node_get(n, bends[i])->key,
				"`%s` beside `drop`: what is dropped does not arrive at all, expected "
				"`loss`, "
				"or no `drop`",
				bends[i]);
}

static void check_percent(struct reader *r, const struct node *n, const struct node *percent)
{
	static const char *const own[] = {"loss", "duplicate", "corrupt", "reorder"};

	if (!percent || meaning_key(n) || given(n, "drop") || given(n, "delay") || given(n, "reset") ||
	    given(n, "refuse"))
		return;
	for (size_t i = 0; i < COUNT(own); i++)
		if (given(n, own[i])) {
			mistake(r->errors, percent->key,
				"`percent` without `drop`, `delay`, `reset` or `refuse`, expected the "
				"percentage as the value of `%s`",
				own[i]);
			return;
		}
	mistake(r->errors, percent->key, "`percent` without `drop`, `delay`, `reset` or `refuse`");
}

static void check_loss(struct reader *r, const struct model_fault *f)
{
	const struct node *n = f->node, *loss = n ? node_get(n, "loss") : NULL;
	const struct model_gemodel *g = &f->gemodel;
	uint64_t steps = g->p.n + g->r.n;

	if (f->loss_as.node && !given(n, "drop") && !loss)
		mistake(r->errors, f->loss_as.node->key, "`loss_as` without `drop` or `loss`");
	if (loss && loss->kind == NODE_MAP && given(n, "loss_correlation"))
		mistake(r->errors, node_get(n, "loss_correlation")->key,
			"`loss_correlation` goes with a percentage as `loss`, not with `%s`",
			given(loss, "gemodel") ? "gemodel" : "every");
	if (!g->p.node || !g->r.node)
		return;
	if (steps < LEAST_STEPS || steps > MOST_STEPS_SUM)
		mistake(r->errors, g->node,
			"`p: %s` and `r: %s` are out of range, expected a sum of 0.1%% to 199.9%%",
			g->p.node->text, g->r.node->text);
	if (g->bad.node && !g->bad.n && !g->good.n)
		mistake(r->errors, g->bad.node, "nothing is lost, expected `bad` or `good` above 0%%");
}

static void check_reorder(struct reader *r, const struct model_fault *f)
{
	const struct model_reorder *o = &f->reorder;

	if (o->jitter.node && !given(f->node, "jitter"))
		mistake(r->errors, o->jitter.node, "`reorder: jitter` without `jitter`");
	if (o->jitter.node && given(f->node, "reorder_correlation"))
		mistake(r->errors, node_get(f->node, "reorder_correlation")->key,
			"`reorder_correlation` goes with a percentage, not with `reorder: jitter`");
	if (o->percent.node && !given(o->node, "by") && !given(f->node, "delay") && !given(f->node, "drop"))
		mistake(r->errors, o->node->key,
			"`reorder` without `delay`, expected one, or such as {percent: 25%%, by: 3ms}");
}

static void check_times(struct reader *r, const struct model_fault *f)
{
	const struct value *delay = &f->delay, *jitter = &f->jitter, *by = &f->reorder.by;
	unsigned times = f->distribution.n == PLAN_UNIFORM ? 1 : TAIL;
	uint64_t longest = delay->n + times * jitter->n + by->n;
	char text[32];

	if (delay->node && jitter->node && jitter->n > delay->n)
		mistake(r->errors, jitter->node,
			"`jitter: %s` is more than `delay: %s`, expected at most as much", jitter->node->text,
			delay->node->text);
	if (longest <= PLAN_HORIZON_NS)
		return;
	format_duration_exact(longest, text, sizeof(text));
	mistake(r->errors,
		delay->node ? delay->node
		: by->node  ? by->node
			    : jitter->node,
		"a packet would wait up to %s%s, expected 60s at most", text,
		jitter->node && times > 1 ? " (four times the jitter with this distribution)" : "");
}

void check_fault(struct reader *r, const struct model_fault *f)
{
	if (!f->node)
		return;
	check_drop(r, f->node);
	check_percent(r, f->node, f->percent.node);
	check_needs(r, f->node);
	check_loss(r, f);
	check_reorder(r, f);
	check_times(r, f);
	check_meaning(r, f);
}

/* What the fault asks of the target; told at the fault, since a target may serve several steps. */
void check_fit(struct reader *r, const struct model_fault *f, const struct model_target *t)
{
	bool tcp = t->proto.n == IPPROTO_TCP || t->proto.n == MODEL_PROTO_ANY;
	char text[QUOTED_SIZE];

	quote_value(t->name.s, text);
	if (f->reset.node && !tcp)
		mistake(r->errors, f->reset.node,
			"`reset` acts on TCP alone, expected `proto: tcp` or any in target %s", text);
	if (f->refuse.node && f->refuse.n == PLAN_REFUSE_TCP_RESET && !tcp)
		mistake(r->errors, f->refuse.node,
			"`refuse: tcp-reset` acts on TCP alone, expected `proto: tcp` or any in target %s",
			text);
	if (f->refuse.node && f->refuse.n != PLAN_REFUSE_TCP_RESET && t->proto.n == IPPROTO_ICMP)
		mistake(r->errors, f->refuse.node,
			"`refuse` acts on TCP and UDP, expected one of them in target %s", text);
	if (f->loss_as.node && f->loss_as.n == MODEL_LOSS_LOCAL && t->direction.n == PLAN_IN)
		mistake(r->errors, f->loss_as.node,
			"`loss_as: local` acts on what goes out, expected another `direction` in target %s",
			text);
	check_meaning_fit(r, f, t);
}
