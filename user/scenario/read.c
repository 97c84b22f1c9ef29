/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: the scenario's own keys, probes and objectives. */
#include <string.h>

#include "base/timeutil.h"
#include "scenario/text.h"
#include "scenario/values.h"

#define LEAST_PROBE_NS (10 * NS_PER_MS)

void read_version(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "1"))
		return;
	if (strcmp(n->text, "1") != 0)
		wrong_value(r, n, "known version", "1");
	else
		*(struct value *)into = (struct value){1, n};
}

/* It becomes part of a directory's name. */
static void read_scenario_name(struct reader *r, const struct node *n, void *into)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!is_scalar(r, n, "a name"))
		return;
	if (n->text[strspn(n->text, allowed)] || strlen(n->text) > NAME_SIZE || strchr(".-", n->text[0]))
		wrong_value(r, n, "name of a scenario",
			    "1 to 64 letters, digits, `.`, `_` and `-`, a letter, digit or `_` first");
	else
		*(struct text *)into = (struct text){n->text, n};
}

/* ---- probes ---- */

/* "host:port" or "[v6]:port": the host is copied, the port read. */
static bool split_address(struct reader *r, const char *s, struct model_address *into)
{
	const char *colon = strrchr(s, ':');
	struct port_range port;
	size_t len;

	if (!colon || parse_ports(colon + 1, &port) || port.first != port.last)
		return false;
	len = colon - s;
	if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	} else if (memchr(s, ':', len) || memchr(s, '[', len)) {
		return false;
	}
	into->host = arena_text(r->arena, s, len);
	into->port = port.first;
	return len && len < 254;
}

static void read_address(struct reader *r, const struct node *n, void *into)
{
	struct model_address address = {.node = n};

	if (!is_scalar(r, n, "\"host:port\""))
		return;
	if (split_address(r, n->text, &address))
		*(struct model_address *)into = address;
	else
		wrong_value(r, n, "address to probe", "\"host:port\" or \"[v6 address]:port\"");
}

static void read_probe_every(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_duration(r, n, &value);
	if (value.node && value.n < LEAST_PROBE_NS)
		mistake(r->errors, n, "%s is too short for a probe, expected 10ms or more", n->text);
	else
		*(struct value *)into = value;
}

static const struct field probe_fields[] = {
	{"tcp", read_address, offsetof(struct model_probe, tcp), true},
	{"every", read_probe_every, offsetof(struct model_probe, every), false},
	{"timeout", read_probe_every, offsetof(struct model_probe, timeout), false},
	{"http", NULL, 0, false},
	{"expect_status", NULL, 0, false},
	{"expect_body", NULL, 0, false},
	{"expect_output", NULL, 0, false},
	{"log", NULL, 0, false},
	{"healthy", NULL, 0, false},
	{"unhealthy", NULL, 0, false},
	{"json", NULL, 0, false},
	{"where", NULL, 0, false},
	{"equals", NULL, 0, false},
	{"exec", NULL, 0, false},
};

static void read_probes(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a mapping of names to probes";
	struct model *m = into;
	const struct node *child = n->first;

	m->probes = read_items(r, n, NODE_MAP, MOST_PROBES, sizeof(*m->probes), expected, &m->n_probes);
	for (size_t i = 0; m->probes && i < m->n_probes; i++, child = child->next) {
		m->probes[i].name = (struct text){child->key->text, child->key};
		read_name(r, child->key, &m->probes[i].name);
		read_map(r, child, "a probe", FIELDS(probe_fields), &m->probes[i]);
	}
}

/* ---- objectives ---- */

static void read_unrecovered(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_seed(r, n, &value);
	if (value.node && value.n > UINT32_MAX)
		mistake(r->errors, n, "%s is out of range, expected a number of windows", n->text);
	else
		*(struct value *)into = value;
}

#define LIMIT(key) offsetof(struct model_slo, limits[key])

static const struct field slo_fields[] = {
	{"recovery_p50", read_positive_duration, LIMIT(SLO_RECOVERY_P50), false},
	{"recovery_p95", read_positive_duration, LIMIT(SLO_RECOVERY_P95), false},
	{"recovery_p99", read_positive_duration, LIMIT(SLO_RECOVERY_P99), false},
	{"recovery_max", read_positive_duration, LIMIT(SLO_RECOVERY_MAX), false},
	{"detection_max", read_positive_duration, LIMIT(SLO_DETECTION_MAX), false},
	{"unrecovered", read_unrecovered, LIMIT(SLO_UNRECOVERED), false},
	{"step", read_name, offsetof(struct model_slo, step), false},
	{"probe", read_name, offsetof(struct model_slo, probe), false},
};

/* One objective an entry; `step` and `probe` stand beside it. */
static void check_slo_keys(struct reader *r, const struct node *n)
{
	const struct node *first = NULL;
	size_t unknown = 0;

	for (const struct node *child = n->first; child; child = child->next) {
		const char *key = child->key->text;

		if (!strcmp(key, "step") || !strcmp(key, "probe"))
			continue;
		if (strncmp(key, "recovery_", 9) && strcmp(key, "detection_max") &&
		    strcmp(key, "unrecovered")) {
			unknown++;
			continue;
		}
		if (first)
			mistake(r->errors, child->key, "`%s` beside `%s`, expected one objective an entry",
				key, first->key->text);
		first = child;
	}
	if (!first && !unknown)
		mistake(r->errors, n, "an entry without an objective, expected such as {recovery_p99: 10s}");
}

static void read_slos(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of objectives, such as [{recovery_p99: 10s}]";
	struct model *m = into;
	const struct node *child = n->first;

	m->slos = read_items(r, n, NODE_LIST, MOST_SLOS, sizeof(*m->slos), expected, &m->n_slos);
	for (size_t i = 0; m->slos && i < m->n_slos; i++, child = child->next) {
		m->slos[i].node = child;
		if (read_map(r, child, "an objective", FIELDS(slo_fields), &m->slos[i]))
			check_slo_keys(r, child);
	}
}

/* ---- the scenario ---- */

static void add_meta(struct reader *r, struct model *m, const struct node *n, const char *key)
{
	size_t i = 0;

	if (!is_scalar(r, n, "a single value"))
		return;
	while (i < m->n_meta && strcmp(m->meta[i].key, key) != 0)
		i++;
	if (i == m->n_meta)
		m->n_meta++;
	m->meta[i] = (struct model_meta){key, n->text};
}

static void read_meta(struct reader *r, const struct node *n, void *into)
{
	struct model *m = into;
	const struct node *child = n->first;
	size_t count;

	m->meta = read_items(r, n, NODE_MAP, MOST_META, sizeof(*m->meta), "a mapping of names to values",
			     &count);
	for (size_t i = 0; m->meta && i < count; i++, child = child->next)
		add_meta(r, m, child, child->key->text);
}

#define LIMITS(key) offsetof(struct model, limits.key)

static const struct field limit_fields[] = {
	{"packets", read_big_count, LIMITS(packets), false},
	{"flows", read_big_count, LIMITS(flows), false},
	{"duration", read_positive_duration, LIMITS(duration), false},
};

static void read_limits(struct reader *r, const struct node *n, void *into)
{
	read_map(r, n, "a set of limits", FIELDS(limit_fields), into);
}

/* vars_expand() has read them. */
static void read_vars(struct reader *r, const struct node *n, void *into)
{
	(void)r, (void)n, (void)into;
}

static const struct field scenario_fields[] = {
	{"version", read_version, offsetof(struct model, version), true},
	{"name", read_scenario_name, offsetof(struct model, name), true},
	{"description", read_plain_text, offsetof(struct model, description), false},
	{"seed", read_seed, offsetof(struct model, seed), false},
	{"interface", read_interfaces, offsetof(struct model, interfaces), false},
	{"meta", read_meta, 0, false},
	{"vars", read_vars, 0, false},
	{"targets", read_targets, 0, true},
	{"limits", read_limits, 0, false},
	{"probes", read_probes, 0, false},
	{"baseline", read_duration, offsetof(struct model, baseline), false},
	{"recovery", read_duration, offsetof(struct model, recovery), false},
	{"steps", read_steps, 0, true},
	{"slo", read_slos, 0, false},
	{"anything", read_bool, offsetof(struct model, anything), false},
	{"abort", NULL, 0, false},
	{"evidence", NULL, 0, false},
};

void read_scenario(struct reader *r, struct node *root, struct model *ret)
{
	ret->node = root;
	read_map(r, root, "a scenario", FIELDS(scenario_fields), ret);
}
