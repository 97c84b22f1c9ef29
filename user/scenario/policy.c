/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/policy.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/timeutil.h"
#include "scenario/text.h"
#include "scenario/values.h"

#define LONGEST_PATTERN 64
#define PLACE_SIZE (2 * QUOTED_SIZE)

/* ---- reading ---- */

/* fnmatch() takes a bracket that never closes for a plain character: then it would match nothing that is meant. */
static bool is_pattern(const char *s)
{
	bool open = false;

	if (!*s || strlen(s) > LONGEST_PATTERN)
		return false;
	for (; *s; s++) {
		if (!isgraph((unsigned char)*s) || strchr("/:\\", *s))
			return false;
		open = *s == '[' || (open && *s != ']');
	}
	return !open;
}

static bool is_peer(const char *s)
{
	struct prefix address;
	uint16_t port;

	return !parse_peer(s, &address, &port);
}

static void read_patterns(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_INTERFACES, "the name of an interface or a pattern",
		   "1 to 64 characters without spaces, `/`, `:` and `\\`, a `]` for every `[`", is_pattern);
}

static void read_peers(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_ITEMS, "an address to protect", "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT",
		   is_peer);
}

static void read_prefixes(struct reader *r, const struct node *n, void *into)
{
	const struct node *item = n->kind == NODE_SCALAR ? n : n->first;
	struct policy_prefixes *list = into;
	size_t count;

	list->items = read_items(r, n, NODE_SCALAR, MOST_ITEMS, sizeof(*list->items),
				 "a prefix or a list of them", &count);
	list->nodes = arena_array(r->arena, count, sizeof(*list->nodes));
	list->node = n;
	if (!list->items || !list->nodes)
		return;
	for (size_t i = 0; i < count; i++, item = item->next) {
		list->nodes[list->count] = item;
		list->count += read_prefix(r, item, &list->items[list->count]);
	}
}

static const struct field policy_fields[] = {
	{"version", read_version, offsetof(struct policy, version), true},
	{"interfaces", read_patterns, offsetof(struct policy, interfaces), false},
	{"allow", read_prefixes, offsetof(struct policy, allow), false},
	{"forbid", read_prefixes, offsetof(struct policy, forbid), false},
	{"longest_window", read_positive_duration, offsetof(struct policy, longest_window), false},
	{"protect", read_peers, offsetof(struct policy, protect), false},
};

static int read_policy(struct policy *p, const char *text, size_t len, struct errors *errors)
{
	struct reader r = {.arena = &p->arena, .errors = errors};
	struct node *root;
	int err;

	p->path = arena_text(&p->arena, errors->file, strlen(errors->file));
	if (len > SCENARIO_MAX_BYTES) {
		errors_add(errors, 0, 0, NULL, "larger than %d bytes, expected a policy", SCENARIO_MAX_BYTES);
		return -EFBIG;
	}
	err = yaml_read(text, len, &p->arena, errors, &root);
	if (!err && root)
		read_map(&r, root, "a policy", FIELDS(policy_fields), p);
	if (err || p->arena.failed || errors->failed)
		return -ENOMEM;
	return errors->count ? -EINVAL : 0;
}

int policy_parse(const char *name, const char *text, size_t len, struct policy **ret_policy,
		 struct scenario_errors *ret_errors)
{
	struct errors errors = {.file = name, .noun = "policy"};
	struct policy *p = calloc(1, sizeof(*p));
	int err, err_text;

	*ret_policy = NULL;
	*ret_errors = (struct scenario_errors){0};
	if (!p)
		return -ENOMEM;
	err = read_policy(p, text, len, &errors);
	err_text = errors_take(&errors, ret_errors);
	if (err || err_text) {
		policy_free(p);
		return err_text ? err_text : err;
	}
	*ret_policy = p;
	return 0;
}

int policy_load(const char *path, struct policy **ret_policy, struct scenario_errors *ret_errors)
{
	struct errors errors = {.file = path};
	char *text = NULL;
	size_t len = 0;
	int err, err_text;

	*ret_policy = NULL;
	*ret_errors = (struct scenario_errors){0};
	err = text_read(path, SCENARIO_MAX_BYTES, &text, &len);
	if (!err) {
		err = policy_parse(path, text, len, ret_policy, ret_errors);
		free(text);
		return err;
	}
	errors_add(&errors, 0, 0, NULL, "cannot be read: %s", strerror(-err));
	err_text = errors_take(&errors, ret_errors);
	return err_text ? err_text : err;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	arena_free(&policy->arena);
	free(policy);
}

/* ---- checking ---- */

struct check {
	const struct policy *policy;
	const struct plan *plan;
	char *reason;
	size_t size;
};

static int broken(const struct check *c, const struct node *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int broken(const struct check *c, const struct node *rule, const char *format, ...)
{
	va_list args;
	int len = snprintf(c->reason, c->size, "%s:%u: ", c->policy->path, (rule->key ?: rule)->line);

	if (len < 0 || (size_t)len >= c->size)
		return -EPERM;
	va_start(args, format);
	vsnprintf(c->reason + len, c->size - len, format, args);
	va_end(args);
	return -EPERM;
}

/* "target front (line 12 of the scenario)"; what the command line made has no line. */
static const char *place(const struct check *c, const char *what, const char *name, unsigned line, char *text)
{
	char quoted[QUOTED_SIZE];
	int len = snprintf(text, PLACE_SIZE, "%s %s", what, quote_value(name, quoted));

	if (c->plan->source && line)
		snprintf(text + len, PLACE_SIZE - len, " (line %u of the scenario)", line);
	return text;
}

static const char *place_target(const struct check *c, const struct plan_target *t, char *text)
{
	return place(c, "target", t->name, t->line, text);
}

static bool is_allowed_interface(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->interfaces.count; i++)
		if (!fnmatch(p->interfaces.items[i].s, name, 0))
			return true;
	return false;
}

static int check_interfaces(const struct check *c)
{
	const struct policy *p = c->policy;
	char where[PLACE_SIZE];

	if (!p->interfaces.node)
		return 0;
	for (size_t i = 0; i < c->plan->n_targets; i++) {
		const struct plan_target *t = &c->plan->targets[i];

		for (size_t k = 0; k < t->n_interfaces; k++)
			if (!is_allowed_interface(p, t->interfaces[k]))
				return broken(c, p->interfaces.node,
					      "%s acts on %s, which is not among the `interfaces`",
					      place_target(c, t, where), t->interfaces[k]);
	}
	for (size_t i = 0; i < c->plan->n_interfaces; i++)
		if (!is_allowed_interface(p, c->plan->interfaces[i]))
			return broken(c, p->interfaces.node,
				      "the run acts on %s, which is not among the `interfaces`",
				      c->plan->interfaces[i]);
	for (size_t i = 0; i < c->plan->n_steps; i++) {
		const struct plan_step *s = &c->plan->steps[i];

		if (s->kind == STEP_LINK && !is_allowed_interface(p, s->link))
			return broken(c, p->interfaces.node,
				      "%s sets %s down, which is not among the `interfaces`",
				      place(c, "step", s->name, s->line, where), s->link);
	}
	return 0;
}

static bool share_bits(const struct prefix *a, const struct prefix *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (a->family != b->family || memcmp(a->addr, b->addr, bytes) != 0)
		return false;
	return !rest || !((a->addr[bytes] ^ b->addr[bytes]) >> (8 - rest));
}

static bool is_within(const struct prefix *inner, const struct prefix *outer)
{
	return outer->len <= inner->len && share_bits(inner, outer, outer->len);
}

static bool overlap(const struct prefix *a, const struct prefix *b)
{
	return share_bits(a, b, a->len < b->len ? a->len : b->len);
}

static bool is_within_any(const struct prefix *inner, const struct policy_prefixes *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_within(inner, &list->items[i]))
			return true;
	return false;
}

static int check_remote(const struct check *c, const struct plan_target *t, const struct prefix *remote)
{
	const struct policy *p = c->policy;
	char where[PLACE_SIZE], text[64], forbidden[64];

	format_prefix(remote, text, sizeof(text));
	if (p->allow.node && !is_within_any(remote, &p->allow))
		return broken(c, p->allow.node, "%s: %s is not within any prefix of `allow`",
			      place_target(c, t, where), text);
	for (size_t i = 0; i < p->forbid.count; i++) {
		if (!overlap(remote, &p->forbid.items[i]))
			continue;
		format_prefix(&p->forbid.items[i], forbidden, sizeof(forbidden));
		return broken(c, p->forbid.nodes[i], "%s: %s overlaps the forbidden %s",
			      place_target(c, t, where), text, forbidden);
	}
	return 0;
}

/* A target that names no address is about every address. */
static int check_target(const struct check *c, const struct plan_target *t)
{
	const struct policy *p = c->policy;
	char where[PLACE_SIZE], forbidden[64];
	int err = 0;

	for (size_t i = 0; !err && i < t->n_remotes; i++)
		err = check_remote(c, t, &t->remotes[i]);
	if (t->n_remotes || err)
		return err;
	if (p->allow.node)
		return broken(c, p->allow.node,
			      "%s names no remote address, so it covers every one; it must name some within "
			      "`allow`",
			      place_target(c, t, where));
	if (!p->forbid.count)
		return 0;
	format_prefix(&p->forbid.items[0], forbidden, sizeof(forbidden));
	return broken(c, p->forbid.nodes[0],
		      "%s names no remote address, so it covers every one, the forbidden %s too",
		      place_target(c, t, where), forbidden);
}

/* Windows of a step without a gap between them are one. */
static int check_window(const struct check *c, const struct plan_step *s)
{
	const struct value *longest = &c->policy->longest_window;
	const struct plan_window *w = &s->window;
	bool joined = w->times > 1 && w->every_ns <= w->for_ns;
	uint64_t length = joined ? plan_closes(w, w->times - 1) - w->at_ns : w->for_ns;
	char where[PLACE_SIZE], text[32], limit[32];

	if (!longest->node || (length <= longest->n && !s->until_end))
		return 0;
	format_duration_exact(length, text, sizeof(text));
	format_duration_exact(longest->n, limit, sizeof(limit));
	place(c, "step", s->name, s->line, where);
	if (s->until_end)
		return broken(c, longest->node, "%s stays until the run ends, the longest window is %s",
			      where, limit);
	if (joined)
		return broken(c, longest->node,
			      "%s: %u windows without a gap between them last %s, the longest is %s", where,
			      w->times, text, limit);
	return broken(c, longest->node, "%s: a window of %s, the longest is %s", where, text, limit);
}

int policy_check(const struct policy *policy, const struct plan *plan, char *ret_reason, size_t size)
{
	const struct check c = {policy, plan, ret_reason, size};
	int err = check_interfaces(&c);

	for (size_t i = 0; !err && i < plan->n_targets; i++) {
		const struct plan_target *t = &plan->targets[i];

		if (!plan_target_is_spare(plan, i) || t->n_remotes)
			err = check_target(&c, t);
	}
	for (size_t i = 0; !err && i < plan->n_steps; i++)
		err = check_window(&c, &plan->steps[i]);
	return err;
}
