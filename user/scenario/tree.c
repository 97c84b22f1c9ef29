/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/tree.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 16384

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	max_align_t data[];
};

static struct arena_chunk *add_chunk(struct arena *a, size_t size)
{
	struct arena_chunk *chunk;

	if (size < CHUNK)
		size = CHUNK;
	chunk = calloc(1, sizeof(*chunk) + size);
	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->next = a->chunks;
	a->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *chunk = a->chunks;
	void *memory;

	if (size > SIZE_MAX / 2)
		goto fail;
	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!chunk || chunk->size - chunk->used < size)
		chunk = add_chunk(a, size);
	if (!chunk)
		goto fail;
	memory = (char *)chunk->data + chunk->used;
	chunk->used += size;
	return memory;
fail:
	a->failed = true;
	return NULL;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		a->failed = true;
		return NULL;
	}
	return arena_alloc(a, total);
}

char *arena_text(struct arena *a, const char *text, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
}

struct node *node_new(struct arena *a, enum node_kind kind, const char *origin)
{
	struct node *n = arena_alloc(a, sizeof(*n));

	if (!n)
		return NULL;
	n->kind = kind;
	n->origin = origin;
	n->text = "";
	return n;
}

struct node *node_scalar(struct arena *a, const char *origin, const char *text)
{
	struct node *n = node_new(a, NODE_SCALAR, origin);
	char *copy = arena_text(a, text, strlen(text));

	if (!n || !copy)
		return NULL;
	n->text = copy;
	n->plain = true;
	return n;
}

void node_add(struct arena *a, struct node *parent, const char *key, struct node *child)
{
	if (!parent || !child)
		return;
	if (key) {
		child->key = node_scalar(a, child->origin, key);
		if (!child->key)
			return;
	}
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->count++;
}

struct node *node_split(struct arena *a, const char *origin, const char *text)
{
	struct node *list;

	if (!strchr(text, ','))
		return node_scalar(a, origin, text);
	list = node_new(a, NODE_LIST, origin);
	for (;;) {
		size_t len = strcspn(text, ",");
		char *item = arena_text(a, text, len);

		node_add(a, list, NULL, item ? node_scalar(a, origin, item) : NULL);
		if (!text[len])
			return list;
		text += len + 1;
	}
}

/* The tree is at most TREE_DEPTH deep. */
struct node *node_copy(struct arena *a, const struct node *n)
{
	struct node *copy = arena_alloc(a, sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *n;
	copy->first = copy->last = copy->next = NULL;
	copy->count = 0;
	for (const struct node *child = n->first; child && !a->failed; child = child->next)
		node_add(a, copy, NULL, node_copy(a, child));
	return copy;
}

struct node *node_get(const struct node *map, const char *key)
{
	if (map->kind != NODE_MAP)
		return NULL;
	for (struct node *n = map->first; n; n = n->next)
		if (!strcmp(n->key->text, key))
			return n;
	return NULL;
}

bool node_is_empty(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->plain &&
	       (!*n->text || !strcmp(n->text, "~") || !strcmp(n->text, "null"));
}

void mistake(struct errors *e, const struct node *at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	errors_vadd(e, at->line, at->col, at->origin, format, args);
	va_end(args);
}
