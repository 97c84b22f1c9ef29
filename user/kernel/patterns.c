/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/patterns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/vectors.h"

#define LONGEST_NAME 255 /* bytes, as in a message: with the lengths of the labels, and the root's */
#define LONGEST_LABEL 63
#define LENGTH_MARK 0x80 /* set in the length of a label, and in no byte of it */

/* A pattern of a fault. */
struct given {
	struct sp_pattern entry;
	size_t step;
	bool spares_base; /* it covers all that begins so, but for what ends there */
};

static size_t size_of(const struct sp_pattern *p)
{
	return p->len / 8;
}

static bool put(struct sp_pattern *p, uint8_t byte)
{
	if (size_of(p) == sizeof(p->bytes))
		return false;
	p->bytes[size_of(p)] = byte;
	p->len += 8;
	return true;
}

static uint8_t fold(unsigned char c)
{
	return c & LENGTH_MARK ? 0x7f : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool put_label(struct sp_pattern *p, const char *label, size_t len)
{
	if (!len || len > LONGEST_LABEL)
		return false;
	for (size_t i = len; i--;)
		if (!put(p, fold(label[i])))
			return false;
	return put(p, len | LENGTH_MARK) && size_of(p) < LONGEST_NAME;
}

/* The labels of name[0..len), from the last to the first. */
static bool put_labels(struct sp_pattern *p, const char *name, size_t len)
{
	while (len) {
		const char *dot = memrchr(name, '.', len);
		size_t from = dot ? dot + 1 - name : 0;

		if (!put_label(p, name + from, len - from) || from == 1)
			return false;
		len = from ? from - 1 : 0;
	}
	return true;
}

static int encode_name(const char *name, struct given *g)
{
	size_t len = strlen(name);

	if (!len)
		return -EINVAL;
	if (name[len - 1] == '.')
		len--;
	g->spares_base = len && name[0] == '*' && (len == 1 || name[1] == '.');
	if (g->spares_base) {
		size_t skip = len == 1 ? 1 : 2;

		if (len == 2)
			return -EINVAL;
		name += skip;
		len -= skip;
	}
	if (!put_labels(&g->entry, name, len) || (!g->spares_base && !put(&g->entry, SP_PATTERN_END)))
		return -EINVAL;
	return 0;
}

static int encode_path(const char *path, struct given *g)
{
	size_t len = strlen(path);
	bool is_prefix = len && path[len - 1] == '*';

	for (size_t i = 0; i < len - is_prefix; i++)
		if (!put(&g->entry, path[i]))
			return -EINVAL;
	return is_prefix || put(&g->entry, SP_PATTERN_END) ? 0 : -EINVAL;
}

static bool starts_with(const struct sp_pattern *p, const struct sp_pattern *start)
{
	return p->len >= start->len && !memcmp(p->bytes, start->bytes, size_of(start));
}

/* A whole name or path is covered only by itself as a pattern; no other begins with it. */
static bool covers(const struct given *g, const struct sp_pattern *entry)
{
	bool is_base = size_of(entry) == size_of(&g->entry) + 1 &&
		       entry->bytes[size_of(entry) - 1] == SP_PATTERN_END;

	return starts_with(entry, &g->entry) && !(g->spares_base && is_base);
}

static int encode_step(const struct plan *plan, size_t step, struct given *to)
{
	const struct plan_fault *f = &plan->steps[step].fault;

	for (size_t i = 0; i < f->n_patterns; i++) {
		struct given *g = &to[i];
		int err;

		*g = (struct given){.step = step};
		err = f->meaning == PLAN_MEANS_DNS ? encode_name(f->patterns[i], g)
						   : encode_path(f->patterns[i], g);
		if (err)
			return err;
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct sp_pattern *x = &((const struct pattern_rules *)a)->pattern;
	const struct sp_pattern *y = &((const struct pattern_rules *)b)->pattern;
	size_t common = x->len < y->len ? size_of(x) : size_of(y);
	int order = memcmp(x->bytes, y->bytes, common);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* What is to be found in the trie: the patterns, and the names that they spare. */
static size_t list_entries(const struct given *given, size_t n, struct pattern_rules *list)
{
	size_t n_list = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		list[n_list++].pattern = given[i].entry;
		if (!given[i].spares_base)
			continue;
		list[n_list].pattern = given[i].entry;
		put(&list[n_list++].pattern, SP_PATTERN_END);
	}
	qsort(list, n_list, sizeof(*list), compare_entries);
	for (size_t i = 0; i < n_list; i++)
		if (!kept || compare_entries(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	return kept;
}

static void add_rules(const struct plan *plan, const struct given *given, size_t n, struct pattern_rules *to)
{
	for (size_t i = 0; i < n; i++) {
		if (!covers(&given[i], &to->pattern))
			continue;
		for (size_t r = 0; r < plan->n_rules; r++)
			if (plan->rules[r].step == given[i].step)
				bits_set(&to->rules, r);
	}
}

int patterns_list(const struct plan *plan, struct pattern_rules **ret_list, size_t *ret_n)
{
	struct pattern_rules *list = NULL;
	struct given *given = NULL;
	size_t n = 0, done = 0;
	int err = -ENOMEM;

	for (size_t s = 0; s < plan->n_steps; s++)
		n += plan->steps[s].fault.n_patterns;
	given = calloc(n + 1, sizeof(*given));
	list = calloc(2 * n + 1, sizeof(*list));
	if (!given || !list)
		goto out;
	err = 0;
	for (size_t s = 0; s < plan->n_steps; s++) {
		err = encode_step(plan, s, given + done);
		if (err)
			goto out;
		done += plan->steps[s].fault.n_patterns;
	}
	*ret_n = list_entries(given, n, list);
	for (size_t i = 0; i < *ret_n; i++)
		add_rules(plan, given, n, &list[i]);
	*ret_list = list;
	list = NULL;
out:
	free(given);
	free(list);
	return err;
}
