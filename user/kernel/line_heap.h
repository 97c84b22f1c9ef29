/* SPDX-License-Identifier: BSD-2-Clause */
/* What waits in the delay line, the next one due on top: in the order of release time, ticket, arrival. Pure. */
#ifndef SHEARPIN_LINE_HEAP_H
#define SHEARPIN_LINE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct line_frame;

struct line_due {
	uint64_t release_ns;
	uint64_t ticket;
	uint64_t arrival; /* given by line_heap_push() */
	struct line_frame *frame;
};

struct line_heap {
	struct line_due *items;
	size_t n, room;
	uint64_t arrivals;
};

/* 0 or -ENOMEM. Memory grows to the most that ever waited. */
int line_heap_push(struct line_heap *heap, uint64_t release_ns, uint64_t ticket, struct line_frame *frame);

/* The next one; NULL: none waits. */
static inline const struct line_due *line_heap_top(const struct line_heap *heap)
{
	return heap->n ? &heap->items[0] : NULL;
}

/* Take the next one, of which there must be one. */
struct line_frame *line_heap_pop(struct line_heap *heap);

/* The frames are the caller's. */
void line_heap_free(struct line_heap *heap);

#endif
