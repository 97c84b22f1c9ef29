/* SPDX-License-Identifier: BSD-2-Clause */
/* What fits together within a probe, and the target that it names. */
#include <netinet/in.h>
#include <stdint.h>

#include "scenario/model.h"
#include "scenario/url.h"

#define NOWHERE SIZE_MAX

bool probe_has_latency(int kind)
{
	return kind == PROBE_TCP || kind == PROBE_HTTP || kind == PROBE_EXEC || kind == PROBE_PROMETHEUS;
}

/* ---- targets as addresses ---- */

static bool is_single(const struct prefix *p)
{
	return p->len == (p->family == AF_INET ? 32 : 128);
}

static bool has_single(const struct model_remotes *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_single(&list->items[i]))
			return true;
	return false;
}

/* What keeps a target from being connected to; NULL: nothing, or what is told already. */
static const char *address_fault(const struct model_target *t)
{
	if (t->proto.node && t->proto.n != MODEL_PROTO_ANY && t->proto.n != IPPROTO_TCP)
		return "is not of TCP";
	if (!given(t->node, "remote_port"))
		return "has no `remote_port`";
	if (!given(t->node, "remote") && !given(t->node, "host"))
		return "has neither a `remote` nor a `host`";
	if (!given(t->node, "host") && t->remotes.count && !has_single(&t->remotes))
		return "has prefixes alone";
	return NULL;
}

void check_reach(struct reader *r, const struct text *name, const struct model_target *t)
{
	char text[QUOTED_SIZE];
	const char *fault = t->node->kind == NODE_MAP && !t->node->bad ? address_fault(t) : NULL;

	if (fault)
		mistake(r->errors, name->node, "target %s %s, expected one that can be connected to",
			quote_value(name->s, text), fault);
}

void check_address(struct reader *r, const struct model *m, struct model_address *a)
{
	const struct named targets = named_targets(m);

	a->target_index = NOWHERE;
	if (!a->target.s)
		return;
	a->target_index = find_name(r, &targets, &a->target);
	if (a->target_index == NOWHERE)
		return;
	/* The members of `any_of` are looked at where they stand. */
	if (!given(m->targets[a->target_index].node, "any_of"))
		check_reach(r, &a->target, &m->targets[a->target_index]);
}

/* ---- kinds ---- */

static const struct node *key_node(const struct model_probe *p, const char *key)
{
	return node_get(p->node, key)->key;
}

static void check_request(struct reader *r, const struct model_probe *p)
{
	static const char *const keys[] = {"ca", "insecure"};

	for (size_t i = 0; i < 2; i++)
		if (p->url.s && !url_is_https(p->url.s) && given(p->node, keys[i]))
			mistake(r->errors, key_node(p, keys[i]), "`%s` goes with https://", keys[i]);
	if (p->insecure.n && given(p->node, "ca"))
		mistake(r->errors, key_node(p, "insecure"),
			"`insecure` beside `ca`, expected the one or the other");
}

static void check_json(struct reader *r, const struct model_probe *p)
{
	if (p->compare.node && !given(p->node, "where"))
		mistake(r->errors, p->compare.node->key, "`%s` without `where`, which says what is compared",
			p->compare.node->key->text);
	if (given(p->node, "age_by") && !given(p->node, "fresh"))
		mistake(r->errors, key_node(p, "age_by"), "`age_by` without `fresh`");
}

static void check_file(struct reader *r, const struct model_probe *p)
{
	static const char *const keys[] = {"fresh", "contains"};

	for (size_t i = 0; i < 2; i++)
		if (p->exists.node && !p->exists.n && given(p->node, keys[i]))
			mistake(r->errors, key_node(p, keys[i]), "`%s` beside `exists: false`", keys[i]);
}

static void check_stream(struct reader *r, const struct model_probe *p)
{
	if (given(p->node, "number") && p->binary.n)
		mistake(r->errors, key_node(p, "binary"),
			"`binary` beside `number`, expected the one or the other");
	else if (!given(p->node, "number") && !p->binary.n && (p->binary.node || !given(p->node, "binary")))
		mistake(r->errors, p->node, "`stream` needs `number` or `binary`");
	if (!p->transport.node)
		return;
	if (p->transport.n == TRANSPORT_TCP && p->binary.n)
		mistake(r->errors, key_node(p, "binary"), "`binary` goes with udp:// and udp-listen://");
	if (p->transport.n == TRANSPORT_UDP_LISTEN && given(p->node, "subscribe"))
		mistake(r->errors, key_node(p, "subscribe"),
			"`subscribe` beside udp-listen://, which sends nothing");
}

void check_probe(struct reader *r, const struct model *m, struct model_probe *p)
{
	switch (p->kind) {
	case PROBE_TCP:
		check_address(r, m, &p->tcp);
		break;
	case PROBE_HTTP:
	case PROBE_PROMETHEUS:
		check_request(r, p);
		break;
	case PROBE_JSON:
		check_json(r, p);
		break;
	case PROBE_FILE:
		check_file(r, p);
		break;
	case PROBE_STREAM:
		check_stream(r, p);
		break;
	default:
		break;
	}
}
