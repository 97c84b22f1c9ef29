/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: how health is seen. */
#include "scenario/values.h"

static const struct field probe_fields[] = {
	{"rising", read_in_a_row, offsetof(struct model_probe, rising), false},
	{"falling", read_in_a_row, offsetof(struct model_probe, falling), false},
	PROBE_KEYS,
};

static void read_probe(struct reader *r, const struct node *n, struct model_probe *p)
{
	p->name = (struct text){n->key->text, n->key};
	read_name(r, n->key, &p->name);
	if (!read_map(r, n, "a probe", FIELDS(probe_fields), p))
		p->kind = NO_PROBE_KIND;
	read_probe_keys(r, n, p);
	if (n->kind == NODE_MAP && !names_probe_kind(n))
		mistake(r->errors, n,
			"a probe needs one of `tcp`, `http`, `log`, `json`, `exec`, `file`, `process`, "
			"`stream` and `prometheus`");
}

void read_probes(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a mapping of names to probes";
	struct model *m = into;
	const struct node *child = n->first;

	m->probes = read_items(r, n, NODE_MAP, MOST_PROBES, sizeof(*m->probes), expected, &m->n_probes);
	for (size_t i = 0; m->probes && i < m->n_probes; i++, child = child->next)
		read_probe(r, child, &m->probes[i]);
}
