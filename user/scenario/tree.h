/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scenario says, before anyone asks what it means: a tree of scalars, lists and mappings in which every node
 * knows its place. It comes from YAML (yaml_read()) or from the words of a command line (words.c), and is read in
 * the same way (read.c). An arena holds it all.
 */
#ifndef SHEARPIN_SCENARIO_TREE_H
#define SHEARPIN_SCENARIO_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "scenario/errors.h"

struct arena {
	struct arena_chunk *chunks;
	bool failed;
};

/* Zeroed; NULL, and `failed` is set, when there is no memory. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_text(struct arena *a, const char *text, size_t len);
void arena_free(struct arena *a);

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
};

struct node {
	enum node_kind kind;
	bool plain;  /* a scalar without quotation marks: true, null, 5 */
	bool bad;    /* its mistake is told already: no further words about it */
	bool hidden; /* a variable's value that is part of a header's: it may be a secret */
	unsigned line, col;
	const char *origin; /* "--for": the node comes from the command line; NULL: from the file */
	const char *text;   /* of a scalar; "" otherwise */
	struct node *key;   /* in a mapping: the scalar before the colon; NULL in a list */
	struct node *first, *last, *next;
	size_t count;
	/* Of a step, and of what is said of it, copied for a phase (phases_expand()): the phase's node, and the step's own. NULL otherwise. */
	const struct node *phase, *original;
};

struct node *node_scalar(struct arena *a, const char *origin, const char *text);
struct node *node_new(struct arena *a, enum node_kind kind, const char *origin);
/* Append to a list (key NULL) or mapping. Does nothing with NULL nodes: memory is checked once, in the arena. */
void node_add(struct arena *a, struct node *parent, const char *key, struct node *child);
/* Comma-separated text as a list; without a comma a scalar. */
struct node *node_split(struct arena *a, const char *origin, const char *text);
struct node *node_get(const struct node *map, const char *key);
/* With all that is in it; its key stays. NULL: no memory. */
struct node *node_copy(struct arena *a, const struct node *n);

/* Empty, `~` or `null`, without quotation marks. */
bool node_is_empty(const struct node *n);

void mistake(struct errors *e, const struct node *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Read a YAML text: one document, UTF-8, no anchors, aliases and tags (which also means: no text that grows when it is
 * read), TREE_DEPTH levels and TREE_NODES values at most, no key twice. *ret_root is a mapping, or NULL when mistakes
 * leave nothing to read. 0 or -ENOMEM; mistakes go to `errors` alone.
 */
#define TREE_DEPTH 16
#define TREE_NODES 50000
int yaml_read(const char *text, size_t len, struct arena *a, struct errors *errors, struct node **ret_root);

#endif
