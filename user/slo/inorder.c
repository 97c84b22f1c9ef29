/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/inorder.h"

#include <errno.h>
#include <stdlib.h>

struct inorder {
	void (*call)(void *arg, const struct moment *moment);
	void *arg;
	size_t n;
	uint16_t heap[INORDER_MOST]; /* indices; none is before its parent, (i - 1) / 2 */
	struct moment moments[INORDER_MOST];
};

int inorder_new(void (*call)(void *arg, const struct moment *moment), void *arg, struct inorder **ret)
{
	struct inorder *o = malloc(sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->call = call;
	o->arg = arg;
	o->n = 0;
	for (size_t i = 0; i < INORDER_MOST; i++)
		o->heap[i] = i;
	*ret = o;
	return 0;
}

void inorder_free(struct inorder *inorder)
{
	free(inorder);
}

static bool is_before(const struct inorder *o, size_t a, size_t b)
{
	const struct moment *x = &o->moments[o->heap[a]], *y = &o->moments[o->heap[b]];

	if (x->ns != y->ns)
		return x->ns < y->ns;
	if (x->kind != y->kind)
		return x->kind < y->kind;
	return x->seq < y->seq;
}

static void swap(struct inorder *o, size_t a, size_t b)
{
	uint16_t index = o->heap[a];

	o->heap[a] = o->heap[b];
	o->heap[b] = index;
}

static void take_first(struct inorder *o)
{
	size_t at = 0, child;

	o->call(o->arg, &o->moments[o->heap[0]]);
	swap(o, 0, --o->n);
	while ((child = 2 * at + 1) < o->n) {
		if (child + 1 < o->n && is_before(o, child + 1, child))
			child++;
		if (!is_before(o, child, at))
			return;
		swap(o, child, at);
		at = child;
	}
}

void inorder_put(struct inorder *inorder, const struct moment *moment)
{
	size_t at;

	if (inorder->n == INORDER_MOST)
		take_first(inorder);
	at = inorder->n++;
	inorder->moments[inorder->heap[at]] = *moment;
	for (; at && is_before(inorder, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(inorder, at, (at - 1) / 2);
}

void inorder_end(struct inorder *inorder)
{
	while (inorder->n)
		take_first(inorder);
}
