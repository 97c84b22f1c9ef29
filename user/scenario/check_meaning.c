/* SPDX-License-Identifier: BSD-2-Clause */
/* What fits beside a meaning, and what it asks of its target. */
#include <netinet/in.h>

#include "scenario/model.h"

#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define LEAST_MTU_V6 1280 /* RFC 8200, 5 */

static const char *const keys[] = {"dns",        "http",      "ntp",        "stall",       "limit", "mtu",
				   "slow_close", "half_open", "rate_limit", "disconnects", "answer"};

const char *meaning_key(const struct node *fault)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (given(fault, keys[i]))
			return keys[i];
	return NULL;
}

/* ---- within the fault ---- */

static void check_one(struct reader *r, const struct node *n, const char *key)
{
	static const char *const ends[] = {"drop", "reset", "refuse"};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (given(n, keys[i]) && keys[i] != key)
			mistake(r->errors, node_get(n, keys[i])->key,
				"`%s` beside `%s`, expected a step for each", keys[i], key);
	for (size_t i = 0; i < COUNT(ends); i++)
		if (given(n, ends[i]))
			mistake(r->errors, node_get(n, ends[i])->key,
				"`%s` beside `%s`, expected the one or the other", ends[i], key);
}

static void check_alone(struct reader *r, const struct model_fault *f, const char *key)
{
	static const char *const others[] = {"loss", "delay", "rate", "duplicate", "corrupt", "reorder"};
	bool alone = given(f->node, "answer") || given(f->node, "slow_close");

	for (size_t i = 0; i < COUNT(others); i++)
		if (alone && given(f->node, others[i]))
			mistake(r->errors, node_get(f->node, others[i])->key,
				"`%s` beside `%s`, which stands alone; expected a step for each", others[i],
				key);
}

/* Keys that say more of a meaning. */
static void check_needs(struct reader *r, const struct node *n)
{
	static const struct {
		const char *key, *needs, * or ;
	} pairs[] = {
		{"names", "dns", NULL}, {"paths", "http", NULL},         {"retry_after", "http", NULL},
		{"icmp", "mtu", NULL},  {"then", "limit", "rate_limit"},
	};

	for (size_t i = 0; i < COUNT(pairs); i++) {
		if (!given(n, pairs[i].key) || given(n, pairs[i].needs))
			continue;
		if (!pairs[i].or)
			mistake(r->errors, node_get(n, pairs[i].key)->key, "`%s` without `%s`", pairs[i].key,
				pairs[i].needs);
		else if (!given(n, pairs[i].or))
			mistake(r->errors, node_get(n, pairs[i].key)->key, "`%s` without `%s` or `%s`",
				pairs[i].key, pairs[i].needs, pairs[i].or);
	}
}

static void check_then(struct reader *r, const struct model_fault *f)
{
	const struct value *then = &f->then;

	if (!then->node)
		return;
	if (given(f->node, "limit") && then->n == PLAN_THEN_REFUSE)
		mistake(r->errors, then->node,
			"`then: refuse` goes with `rate_limit`; expected reset, drop or fin with `limit`");
	if (given(f->node, "rate_limit") && !given(f->node, "limit") &&
	    (then->n == PLAN_THEN_DROP || then->n == PLAN_THEN_FIN))
		mistake(r->errors, then->node,
			"`then: %s` goes with `limit`; expected refuse or reset with `rate_limit`",
			then->node->text);
}

void check_meaning(struct reader *r, const struct model_fault *f)
{
	const char *key = meaning_key(f->node);

	check_needs(r, f->node);
	if (!key)
		return;
	check_one(r, f->node, key);
	check_alone(r, f, key);
	check_then(r, f);
	if (f->percent.node && given(f->node, "delay"))
		mistake(r->errors, f->percent.node->key,
			"`percent` could be that of `%s` or of `delay`, expected a step for each", key);
}

/* ---- and its target ---- */

static const struct node *meaning_at(const struct model_fault *f)
{
	const char *key = meaning_key(f->node);

	return key ? node_get(f->node, key) : NULL;
}

static bool is_any(const struct model_target *t, uint8_t proto)
{
	return t->proto.n == proto || t->proto.n == MODEL_PROTO_ANY;
}

static void check_proto(struct reader *r, const struct model_fault *f, const struct model_target *t)
{
	const struct node *at = meaning_at(f);
	bool dns = given(f->node, "dns"), ntp = given(f->node, "ntp");
	char text[QUOTED_SIZE];

	quote_value(t->name.s, text);
	if (given(f->node, "mtu"))
		return;
	if (dns && !is_any(t, IPPROTO_UDP) && !is_any(t, IPPROTO_TCP))
		mistake(r->errors, at, "`dns` acts on UDP and TCP, expected one of them or any in target %s",
			text);
	else if (ntp && !is_any(t, IPPROTO_UDP))
		mistake(r->errors, at, "`ntp` acts on UDP alone, expected `proto: udp` or any in target %s",
			text);
	else if (!dns && !ntp && !is_any(t, IPPROTO_TCP))
		mistake(r->errors, at, "`%s` acts on TCP alone, expected `proto: tcp` or any in target %s",
			at->key->text, text);
}

/* Is the target on the client's side of its connections, as far as its ports tell? */
static bool is_client(const struct model_target *t)
{
	return t->remote_ports.node && !t->local_ports.node;
}

static bool is_server(const struct model_target *t)
{
	return t->local_ports.node && !t->remote_ports.node;
}

/* Queries and connections go to the server, answers come from it: the target must have that direction. */
static void check_direction(struct reader *r, const struct model_fault *f, const struct model_target *t)
{
	static const struct {
		const char *key, *what;
		bool to_server;
	} seen[] = {
		{"dns", "no query", true},
		{"http", "no response", false},
		{"ntp", "no answer", false},
		{"rate_limit", "no new connection", true},
	};
	char text[QUOTED_SIZE];

	for (size_t i = 0; i < COUNT(seen); i++) {
		bool out = is_client(t) == seen[i].to_server;

		if (!given(f->node, seen[i].key) || !t->direction.node || t->direction.n == PLAN_BOTH ||
		    !(is_client(t) || is_server(t)) || t->direction.n == (out ? PLAN_OUT : PLAN_IN))
			continue;
		mistake(r->errors, node_get(f->node, seen[i].key),
			"`%s` sees %s in target %s with `direction: %s`, expected %s or both", seen[i].key,
			seen[i].what, quote_value(t->name.s, text), t->direction.node->text,
			out ? "out" : "in");
	}
	if (f->paths.node && t->direction.node && t->direction.n != PLAN_BOTH)
		mistake(r->errors, f->paths.node->key,
			"`paths` needs requests and responses, expected `direction: both` in target %s",
			quote_value(t->name.s, text));
}

static bool is_https(const struct port_range *p)
{
	return p->first == p->last && (p->first == 443 || p->first == 8443);
}

/* The first port of HTTPS; 0: there is none. *ret_all: there is no other port. */
static uint16_t https_port(const struct model_ports *ports, bool *ret_all)
{
	uint16_t found = 0;

	*ret_all = true;
	for (size_t i = 0; i < ports->count; i++) {
		if (!is_https(&ports->items[i]))
			*ret_all = false;
		else if (!found)
			found = ports->items[i].first;
	}
	return found;
}

static void check_https(struct reader *r, const struct model_fault *f, const struct model_target *t)
{
	bool all, local_all;
	uint16_t remote = https_port(&t->remote_ports, &all),
		 port = remote ? remote : https_port(&t->local_ports, &local_all);
	char text[QUOTED_SIZE];

	quote_value(t->name.s, text);
	if (f->http.node && port)
		mistake(r->errors, f->http.node,
			"`http` does not rewrite HTTPS, and target %s has port %u; expected `answer` for a "
			"status there, or `reset`, `refuse` or `stall`",
			text, port);
	if (f->answer.node && remote && all && !given(f->answer.node, "certificate"))
		mistake(r->errors, f->answer.node,
			"`answer` without `certificate` speaks plain HTTP, and target %s has port %u; "
			"expected "
			"`certificate` and `key`, or another port",
			text, remote);
}

static void check_answer(struct reader *r, const struct model_fault *f, const struct model_target *t)
{
	char text[QUOTED_SIZE];

	if (!f->answer.node)
		return;
	quote_value(t->name.s, text);
	if (t->direction.n == PLAN_IN)
		mistake(r->errors, f->answer.node,
			"`answer` takes connections that this host opens, expected `direction: out` or both "
			"in "
			"target %s",
			text);
	if (t->local_ports.node)
		mistake(r->errors, f->answer.node,
			"`answer` takes connections that this host opens, whose local port is not known yet; "
			"expected no `local_port` in target %s",
			text);
}

static void check_mtu(struct reader *r, const struct model_fault *f, const struct model_target *t)
{
	char text[QUOTED_SIZE];

	if (!f->mtu.node || f->mtu.n >= LEAST_MTU_V6)
		return;
	for (size_t i = 0; i < t->remotes.count; i++)
		if (t->remotes.items[i].family == AF_INET6) {
			mistake(r->errors, f->mtu.node,
				"an IPv6 path carries 1280 bytes at least, expected so much, or no IPv6 "
				"address in "
				"target %s",
				quote_value(t->name.s, text));
			return;
		}
}

void check_meaning_fit(struct reader *r, const struct model_fault *f, const struct model_target *t)
{
	if (!meaning_key(f->node))
		return;
	check_proto(r, f, t);
	check_direction(r, f, t);
	check_https(r, f, t);
	check_answer(r, f, t);
	check_mtu(r, f, t);
}
