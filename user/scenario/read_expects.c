/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what a step expects, and what it waits for. */
#include <string.h>

#include "scenario/values.h"

#define MOST_LINES 1000000

static void read_state(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"healthy", "unhealthy"};
	static const uint8_t values[] = {true, false};

	read_choice(r, n, words, values, 2, into);
}

static void read_counter(struct reader *r, const struct node *n, void *into)
{
	static const char *const counters[] = {"matched", "passed",     "dropped", "reset",      "refused",
					       "delayed", "duplicated", "altered", "suppressed", "bytes",
					       "flows",   "untracked",  "failed",  "idle_reset"};
	int i = read_word(r, n, WORDS(counters));

	if (i >= 0)
		*(struct text *)into = (struct text){counters[i], n};
}

static void read_lines(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 1, MOST_LINES, into);
}

/* ---- what it is about ---- */

#define AT(member) offsetof(struct model_expect, member), false
#define DEADLINES                                                                                            \
	{"within", read_positive_duration, AT(within)},                                                      \
	{                                                                                                    \
		"by", read_positive_duration, AT(by)                                                         \
	}
#define HOWS                                                                                                 \
	DEADLINES, {"throughout", read_positive_duration, AT(throughout)},                                   \
		{"never", read_positive_duration, AT(never)},                                                \
	{                                                                                                    \
		"again", read_bool, AT(again)                                                                \
	}

static const struct field probe_fields[] = {
	{"probe", read_name, AT(probe)},
	{"equals", read_state, AT(healthy)},
	HOWS,
};

static const struct field counter_fields[] = {
	{"counter", read_counter, AT(counter)},
	{"step", read_reference, offsetof(struct model_expect, step), true},
	{"above", pass_key, 0, false},
	{"below", pass_key, 0, false},
	{"at_least", pass_key, 0, false},
	{"at_most", pass_key, 0, false},
	{"equals", pass_key, 0, false},
	DEADLINES,
};

static const struct field backoff_fields[] = {
	{"backoff", read_backoff, AT(slo.limits[SLO_BACKOFF])},
	{"factor", read_factor, AT(slo.factor)},
	{"cap", read_positive_duration, AT(slo.cap)},
	{"target", read_name, AT(slo.target)},
	{"step", read_reference, AT(slo.step)},
};

/* Beside one of JSON or of a query, `equals` is theirs. */
static const struct field value_fields[] = {
	HOWS,
	PROBE_KEYS,
};

static const struct field state_fields[] = {
	HOWS,
	{"count", read_lines, AT(count)},
	{"equals", read_state, AT(healthy)},
	PROBE_KEYS,
};

static const struct field wait_probe_fields[] = {
	{"probe", read_name, AT(probe)},
	{"healthy", read_bool, AT(healthy)},
	{"timeout", read_positive_duration, offsetof(struct model_expect, timeout), true},
};

static const struct field wait_fields[] = {
	{"healthy", read_bool, AT(healthy)},
	{"timeout", read_positive_duration, offsetof(struct model_expect, timeout), true},
	PROBE_KEYS,
};

/* ---- what goes together ---- */

static const struct node *key_of(const struct node *n, const char *key)
{
	const struct node *value = node_get(n, key);

	return value ? value->key : NULL;
}

static void check_how(struct reader *r, const struct node *n)
{
	static const char *const hows[] = {"within", "by", "throughout", "never"};
	const char *how = NULL;

	for (size_t i = 0; i < 4; i++) {
		if (!given(n, hows[i]))
			continue;
		if (how)
			mistake(r->errors, key_of(n, hows[i]),
				"`%s` beside `%s`, expected the one or the other", hows[i], how);
		else
			how = hows[i];
	}
	if (!how)
		mistake(r->errors, n,
			"an expectation needs its time: `within`, `by`, `throughout` or `never`");
	else if (given(n, "again") && strcmp(how, "within") != 0 && strcmp(how, "by") != 0)
		mistake(r->errors, key_of(n, "again"), "`again` goes with `within` or `by`, not with `%s`",
			how);
}

/* Lines have no state that lasts. */
static void check_lines(struct reader *r, const struct node *n)
{
	static const char *const states[] = {"throughout", "again", "equals", "healthy"};

	for (size_t i = 0; i < 4; i++)
		if (given(n, states[i]))
			mistake(r->errors, key_of(n, states[i]),
				"`%s` beside `log`, whose lines have no state that lasts", states[i]);
	if (given(n, "count") && given(n, "never"))
		mistake(r->errors, key_of(n, "count"), "`count` beside `never`, which means none");
}

static void read_watch(struct reader *r, const struct node *n, struct model_expect *e, const char *const *own)
{
	e->about = MODEL_WATCH;
	e->watch.watch = true;
	e->watch.own = own;
	read_probe_keys(r, n, &e->watch);
	if (given(n, "log"))
		check_lines(r, n);
	else if (given(n, "count"))
		mistake(r->errors, key_of(n, "count"), "`count` goes with `log` alone");
}

static void read_about_watch(struct reader *r, const struct node *n, struct model_expect *e)
{
	static const char *const own[] = {"equals", NULL};
	bool value = given(n, "json") || given(n, "prometheus");

	if (value ? read_map(r, n, "an expectation on a value", FIELDS(value_fields), e)
		  : read_map(r, n, "an expectation", FIELDS(state_fields), e))
		read_watch(r, n, e, value ? NULL : own);
}

static void read_about_counter(struct reader *r, const struct node *n, struct model_expect *e)
{
	e->about = MODEL_COUNTER;
	read_map(r, n, "an expectation on a counter", FIELDS(counter_fields), e);
	read_numbers(r, n, &e->compare);
}

void read_expect(struct reader *r, const struct node *n, void *into)
{
	struct model_expect *e = into;

	if (given(n, "backoff")) {
		e->about = MODEL_BACKOFF;
		e->slo.node = n;
		read_map(r, n, "an expectation on a back-off", FIELDS(backoff_fields), e);
	} else if (given(n, "counter")) {
		read_about_counter(r, n, e);
	} else if (given(n, "probe")) {
		e->about = MODEL_PROBE;
		read_map(r, n, "an expectation on a probe", FIELDS(probe_fields), e);
	} else {
		read_about_watch(r, n, e);
	}
	if (n->kind != NODE_MAP)
		return;
	e->node = n;
	if (e->about == MODEL_WATCH && !names_probe_kind(n))
		mistake(r->errors, n,
			"an expectation needs what it is about: `probe`, `counter`, `backoff`, `log`, "
			"`json`, `file`, `exec`, `process`, `http`, `tcp`, `stream` or `prometheus`");
	if (e->about != MODEL_BACKOFF)
		check_how(r, n);
}

void read_wait(struct reader *r, const struct node *n, void *into)
{
	static const char *const own[] = {"timeout", "healthy", NULL};
	struct model_expect *e = into;
	bool probe = given(n, "probe");

	if (!(probe ? read_map(r, n, "a wait for a probe", FIELDS(wait_probe_fields), e)
		    : read_map(r, n, "a wait", FIELDS(wait_fields), e)))
		return;
	e->node = n;
	e->about = MODEL_PROBE;
	if (probe)
		return;
	read_watch(r, n, e, own);
	if (!names_probe_kind(n))
		mistake(r->errors, n,
			"a wait needs what it is for: `probe`, `log`, `json`, `file`, `exec`, `process`, "
			"`http`, `tcp`, `stream` or `prometheus`");
}
