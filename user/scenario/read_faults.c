/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what a fault does. */
#include <ctype.h>
#include <string.h>

#include "scenario/values.h"

void read_true(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_bool(r, n, &value);
	if (value.node && !value.n)
		mistake(r->errors, n, "false is no fault, expected `%s: true`, or no `%s` at all",
			n->key->text, n->key->text);
	else
		*(struct value *)into = value;
}

static const struct field gemodel_fields[] = {
	{"p", read_share, offsetof(struct model_gemodel, p), true},
	{"r", read_share_or_none, offsetof(struct model_gemodel, r), true},
	{"bad", read_share_or_none, offsetof(struct model_gemodel, bad), false},
	{"good", read_share_or_none, offsetof(struct model_gemodel, good), false},
};

static void read_gemodel(struct reader *r, const struct node *n, void *into)
{
	struct model_gemodel *gemodel = into;

	if (read_map(r, n, "a gemodel", FIELDS(gemodel_fields), gemodel))
		gemodel->node = n;
}

static const struct field loss_fields[] = {
	{"every", read_count, offsetof(struct model_fault, loss_every), false},
	{"gemodel", read_gemodel, offsetof(struct model_fault, gemodel), false},
};

/* `5%`, {every: 10} or {gemodel: {p: 1%, r: 10%}} */
static void read_loss(struct reader *r, const struct node *n, void *into)
{
	struct model_fault *fault = into;

	if (n->kind != NODE_MAP) {
		read_share(r, n, &fault->loss);
		return;
	}
	if (!n->count)
		mistake(r->errors, n,
			"`loss` is an empty mapping, expected a percentage, {every: 10} or {gemodel: {p: "
			"1%%, "
			"r: 10%%}}");
	if (given(n, "every") && given(n, "gemodel"))
		mistake(r->errors, node_get(n, "gemodel")->key,
			"`gemodel` beside `every`, expected the one or the other");
	read_map(r, n, "a loss", FIELDS(loss_fields), fault);
}

static void read_reset(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"both", "local", "remote"};
	static const uint8_t ends[] = {PLAN_END_LOCAL | PLAN_END_REMOTE, PLAN_END_LOCAL, PLAN_END_REMOTE};

	read_choice(r, n, words, ends, 3, into);
}

static void read_refuse(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"tcp-reset", "icmp-port", "icmp-host", "icmp-admin"};
	static const uint8_t answers[] = {PLAN_REFUSE_TCP_RESET, PLAN_REFUSE_ICMP_PORT, PLAN_REFUSE_ICMP_HOST,
					  PLAN_REFUSE_ICMP_ADMIN};

	read_choice(r, n, words, answers, 4, into);
}

static void read_loss_as(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"wire", "local"};
	static const uint8_t values[] = {MODEL_LOSS_WIRE, MODEL_LOSS_LOCAL};

	read_choice(r, n, words, values, 2, into);
}

static void read_distribution(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"uniform", "normal", "pareto", "paretonormal"};
	static const uint8_t values[] = {PLAN_UNIFORM, PLAN_NORMAL, PLAN_PARETO, PLAN_PARETONORMAL};

	read_choice(r, n, words, values, 4, into);
}

static void read_checksum(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"wrong", "valid"};
	static const uint8_t values[] = {MODEL_CHECKSUM_WRONG, MODEL_CHECKSUM_VALID};

	read_choice(r, n, words, values, 2, into);
}

static const struct field reorder_fields[] = {
	{"percent", read_share, offsetof(struct model_reorder, percent), true},
	{"by", read_positive_duration, offsetof(struct model_reorder, by), false},
	{"gap", read_count, offsetof(struct model_reorder, gap), false},
};

/* `25%`, `jitter`, or {percent: 25%, by: 3ms, gap: 5} */
static void read_reorder(struct reader *r, const struct node *n, void *into)
{
	struct model_reorder *reorder = into;

	if (n->kind == NODE_SCALAR && !n->bad && !strcmp(n->text, "jitter"))
		reorder->jitter = (struct value){1, n};
	else if (n->kind == NODE_MAP)
		read_map(r, n, "a reorder", FIELDS(reorder_fields), reorder);
	else if (n->kind == NODE_SCALAR && !n->bad && isalpha((unsigned char)n->text[0]))
		wrong_value(r, n, "reordering", "a percentage, `jitter`, or such as {percent: 25%, by: 3ms}");
	else
		read_share(r, n, &reorder->percent);
	reorder->node = n;
}

#define FAULT(key, read) #key, read, offsetof(struct model_fault, key), false

static const struct field fault_fields[] = {
	{FAULT(drop, read_true)},
	{"loss", read_loss, 0, false},
	{FAULT(loss_correlation, read_correlation)},
	{FAULT(reset, read_reset)},
	{FAULT(refuse, read_refuse)},
	{FAULT(delay, read_positive_duration)},
	{FAULT(jitter, read_positive_duration)},
	{FAULT(distribution, read_distribution)},
	{FAULT(jitter_correlation, read_correlation)},
	{FAULT(rate, read_rate)},
	{FAULT(burst, read_size)},
	{FAULT(duplicate, read_share)},
	{FAULT(duplicate_correlation, read_correlation)},
	{FAULT(corrupt, read_share)},
	{FAULT(corrupt_correlation, read_correlation)},
	{FAULT(checksum, read_checksum)},
	{FAULT(reorder, read_reorder)},
	{FAULT(reorder_correlation, read_correlation)},
	{FAULT(percent, read_share)},
	{FAULT(loss_as, read_loss_as)},
	{FAULT(dns, read_dns)},
	{FAULT(names, read_query_names)},
	{FAULT(http, read_status)},
	{FAULT(paths, read_paths)},
	{FAULT(retry_after, read_retry_after)},
	{FAULT(ntp, read_ntp)},
	{FAULT(stall, read_true)},
	{FAULT(limit, read_limit)},
	{FAULT(then, read_then)},
	{FAULT(mtu, read_mtu)},
	{FAULT(icmp, read_bool)},
	{FAULT(slow_close, read_slow_close)},
	{FAULT(half_open, read_true)},
	{FAULT(rate_limit, read_rate_limit)},
	{FAULT(disconnects, read_disconnects)},
	{FAULT(answer, read_answer)},
};

void read_fault(struct reader *r, const struct node *n, void *into)
{
	struct model_fault *fault = into;

	if (n->kind == NODE_MAP && !n->count)
		mistake(r->errors, n,
			n->origin ? "no fault is given, expected such as reset=both"
				  : "`fault` is an empty mapping, expected such as {reset: both}");
	if (read_map(r, n, "a fault", FIELDS(fault_fields), fault))
		fault->node = n;
}
