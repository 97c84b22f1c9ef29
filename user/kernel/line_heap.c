/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/line_heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define FIRST_ROOM 4096
#define CHILDREN 4 /* of a node: half the levels of a binary heap, and siblings share cache lines */

static bool is_before(const struct line_due *a, const struct line_due *b)
{
	if (a->release_ns != b->release_ns)
		return a->release_ns < b->release_ns;
	if (a->ticket != b->ticket)
		return a->ticket < b->ticket;
	return a->arrival < b->arrival;
}

static int grow(struct line_heap *heap)
{
	size_t room = heap->room ? 2 * heap->room : FIRST_ROOM;
	struct line_due *items = realloc(heap->items, room * sizeof(*items));

	if (!items)
		return -ENOMEM;
	heap->items = items;
	heap->room = room;
	return 0;
}

int line_heap_push(struct line_heap *heap, uint64_t release_ns, uint64_t ticket, struct line_frame *frame)
{
	const struct line_due due = {release_ns, ticket, heap->arrivals, frame};
	size_t at = heap->n;

	if (heap->n == heap->room && grow(heap))
		return -ENOMEM;
	heap->arrivals++;
	heap->n++;
	while (at) {
		size_t parent = (at - 1) / CHILDREN;

		if (!is_before(&due, &heap->items[parent]))
			break;
		heap->items[at] = heap->items[parent];
		at = parent;
	}
	heap->items[at] = due;
	return 0;
}

static size_t first_child(const struct line_heap *heap, size_t at)
{
	size_t first = at * CHILDREN + 1, end = first + CHILDREN < heap->n ? first + CHILDREN : heap->n;
	size_t best = first;

	for (size_t child = first + 1; child < end; child++)
		if (is_before(&heap->items[child], &heap->items[best]))
			best = child;
	return best;
}

struct line_frame *line_heap_pop(struct line_heap *heap)
{
	struct line_frame *frame = heap->items[0].frame;
	struct line_due last = heap->items[--heap->n];
	size_t at = 0;

	while (at * CHILDREN + 1 < heap->n) {
		size_t child = first_child(heap, at);

		if (!is_before(&heap->items[child], &last))
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	heap->items[at] = last;
	return frame;
}

void line_heap_free(struct line_heap *heap)
{
	free(heap->items);
	*heap = (struct line_heap){0};
}
