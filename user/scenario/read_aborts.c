/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what ends a run early. */
#include <string.h>

#include "scenario/values.h"

#define SLO(member) offsetof(struct model_abort, slo.member)
#define LIMIT(key) SLO(limits[key])

static const struct field abort_fields[] = {
	{"unhealthy_for", read_positive_duration, offsetof(struct model_abort, unhealthy_for), false},
	{"file", read_path, offsetof(struct model_abort, file), false},
	{"prometheus", pass_key, 0, false},
	{"probe_p95", read_probe_p95, offsetof(struct model_abort, slo), false},
	{"probe_p99", read_probe_p99, offsetof(struct model_abort, slo), false},
	{"availability", read_share, LIMIT(SLO_AVAILABILITY), false},
	{"attempts_per_s", read_count_or_none, LIMIT(SLO_ATTEMPTS_PER_S), false},
	{"recovery_max", read_positive_duration, LIMIT(SLO_RECOVERY_MAX), false},
	{"probe", read_name, SLO(probe), false},
	{"step", read_name, SLO(step), false},
	{"target", read_name, SLO(target), false},
	{"by", read_by, SLO(by), false},
	{"for", read_positive_duration, offsetof(struct model_abort, length), false},
	{"query", pass_key, 0, false},
	{"above", pass_key, 0, false},
	{"below", pass_key, 0, false},
	{"at_least", pass_key, 0, false},
	{"at_most", pass_key, 0, false},
	{"equals", pass_key, 0, false},
	{"every", pass_key, 0, false},
	{"timeout", pass_key, 0, false},
	{"headers", pass_key, 0, false},
	{"ca", pass_key, 0, false},
	{"insecure", pass_key, 0, false},
};

/* What an entry may be about, and the keys beside it. */
static const struct {
	const char *key;
	enum plan_abort_kind kind;
} subjects[] = {
	{"unhealthy_for", ABORT_PROBE}, {"file", ABORT_FILE},        {"prometheus", ABORT_PROMETHEUS},
	{"probe_p95", ABORT_SLO},       {"probe_p99", ABORT_SLO},    {"availability", ABORT_SLO},
	{"attempts_per_s", ABORT_SLO},  {"recovery_max", ABORT_SLO},
};
static const struct {
	const char *key;
	unsigned kinds;
} beside[] = {
	{"probe", 1 << ABORT_PROBE | 1 << ABORT_SLO},
	{"step", 1 << ABORT_SLO},
	{"target", 1 << ABORT_SLO},
	{"by", 1 << ABORT_SLO},
	{"for", 1 << ABORT_PROMETHEUS | 1 << ABORT_SLO},
};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* Its place in `subjects`, or COUNT(subjects): none, or too many, which is told. */
static size_t find_subject(struct reader *r, const struct node *n)
{
	size_t found = COUNT(subjects), others = 0;

	for (size_t i = 0; i < COUNT(subjects); i++) {
		if (!given(n, subjects[i].key))
			continue;
		if (found == COUNT(subjects)) {
			found = i;
			continue;
		}
		others++;
		mistake(r->errors, node_get(n, subjects[i].key)->key,
			"`%s` beside `%s`, expected one condition an entry", subjects[i].key,
			subjects[found].key);
	}
	if (found == COUNT(subjects) && knows_keys(n, FIELDS(abort_fields)))
		mistake(r->errors, n,
			"an entry without a condition, expected such as {probe: NAME, unhealthy_for: 120s}");
	return others ? COUNT(subjects) : found;
}

static void check_keys(struct reader *r, const struct node *n, size_t subject)
{
	enum plan_abort_kind kind = subjects[subject].kind;

	for (size_t i = 0; i < COUNT(beside); i++)
		if (given(n, beside[i].key) && !(beside[i].kinds & 1 << kind))
			mistake(r->errors, node_get(n, beside[i].key)->key, "`%s` does not go with `%s`",
				beside[i].key, subjects[subject].key);
	if (kind == ABORT_PROBE && !given(n, "probe"))
		mistake(r->errors, n, "`unhealthy_for` needs `probe` beside it");
}

/* Those of a query, which go with `prometheus` alone. */
static void check_query(struct reader *r, const struct node *n, size_t subject)
{
	static const char *const keys[] = {"query", "above",   "below",   "at_least", "at_most", "equals",
					   "every", "timeout", "headers", "ca",       "insecure"};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (given(n, keys[i]))
			mistake(r->errors, node_get(n, keys[i])->key,
				"`%s` goes with `prometheus`, not with `%s`", keys[i], subjects[subject].key);
}

static void read_abort(struct reader *r, const struct node *n, struct model_abort *a)
{
	static const char *const own[] = {"file", NULL};
	size_t subject;

	a->node = n;
	a->slo.node = n;
	a->kind = -1;
	if (!read_map(r, n, "a condition", FIELDS(abort_fields), a))
		return;
	subject = find_subject(r, n);
	if (subject == COUNT(subjects))
		return;
	a->kind = subjects[subject].kind;
	check_keys(r, n, subject);
	if (a->kind != ABORT_PROMETHEUS) {
		check_query(r, n, subject);
		return;
	}
	a->watch.watch = true;
	a->watch.own = own;
	read_probe_keys(r, n, &a->watch);
}

void read_aborts(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of conditions, such as [{probe: api, unhealthy_for: 120s}]";
	struct model *m = into;
	const struct node *child = n->first;

	m->aborts = read_items(r, n, NODE_LIST, MOST_ABORTS, sizeof(*m->aborts), expected, &m->n_aborts);
	for (size_t i = 0; m->aborts && i < m->n_aborts; i++, child = child->next)
		read_abort(r, child, &m->aborts[i]);
}
