/* SPDX-License-Identifier: BSD-2-Clause */
/* YAML text -> tree, from libfyaml's events: what a scenario may not contain is refused as it comes by. */
#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/text.h"
#include "scenario/tree.h"

#define LONGEST_SCALAR 65536 /* bytes */

struct level {
	struct node *node;
	struct node *key; /* of a mapping: waits for its value */
};

struct builder {
	struct arena *arena;
	struct errors *errors;
	struct node *root;
	struct level levels[TREE_DEPTH];
	size_t depth, nodes, documents;
	struct node last; /* the last value with a place: an empty one has none */
	bool stop;        /* a mistake after which the rest says nothing */
};

static const char *noun_of(const struct builder *b)
{
	return b->errors->noun ?: "scenario";
}

/* What to write instead of an anchor or alias; only a scenario has variables. */
static const char *instead(const struct builder *b)
{
	return b->errors->noun ? "in quotation marks it is a text" : "use `vars` and $(name)";
}

static void place(struct node *n, struct fy_token *token)
{
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	if (!mark)
		return;
	n->line = mark->line + 1;
	n->col = mark->column + 1;
}

/* The token of an anchor or alias starts behind its sign, that of a quoted scalar behind the quotation mark. */
static void place_sign(struct node *n, struct fy_token *token)
{
	place(n, token);
	if (n->col > 1)
		n->col--;
}

/* Not so a list or mapping, `? [a, b] : c`, or what was refused already. */
static bool is_key(const struct node *n)
{
	return n->kind == NODE_SCALAR && !n->bad;
}

static void attach_value(struct level *top, struct node *n)
{
	struct node *key = top->key;

	top->key = NULL;
	if (!is_key(key))
		return;
	n->key = key;
	if (!n->line) {
		n->line = key->line;
		n->col = key->col;
	}
	if (top->node->last)
		top->node->last->next = n;
	else
		top->node->first = n;
	top->node->last = n;
	top->node->count++;
}

static void attach(struct builder *b, struct node *n)
{
	struct level *top = b->depth ? &b->levels[b->depth - 1] : NULL;

	if (!top) {
		b->root = n;
	} else if (top->node->kind == NODE_LIST) {
		node_add(b->arena, top->node, NULL, n);
	} else if (top->key) {
		attach_value(top, n);
	} else {
		top->key = n;
		if (!is_key(n) && !n->bad)
			mistake(b->errors, n, "a key must be a plain word, not a list or mapping");
	}
}

static struct node *new_node(struct builder *b, enum node_kind kind, struct fy_token *token)
{
	struct node *n = node_new(b->arena, kind, NULL);

	if (!n)
		return NULL;
	place(n, token);
	if (n->line)
		b->last = *n;
	if (++b->nodes > TREE_NODES) {
		mistake(b->errors, &b->last, "more than %d values, expected a %s", TREE_NODES, noun_of(b));
		b->stop = true;
	}
	return n;
}

static void refuse_extras(struct builder *b, struct node *n, struct fy_token *anchor, struct fy_token *tag)
{
	struct node at = *n;

	if (anchor) {
		place_sign(&at, anchor);
		mistake(b->errors, &at, "anchors (&) are not allowed; %s", instead(b));
	}
	if (tag) {
		place(&at, tag);
		mistake(b->errors, &at, "tags (!) are not allowed");
	}
	n->bad |= anchor || tag;
}

static bool is_quoted(struct fy_token *token)
{
	enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;

	return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

/* Asked before libfyaml makes a text of it, which takes many times the memory. */
static bool is_long(struct fy_token *token)
{
	const struct fy_mark *start = token ? fy_token_start_mark(token) : NULL;
	const struct fy_mark *end = token ? fy_token_end_mark(token) : NULL;

	return start && end && end->input_pos - start->input_pos > LONGEST_SCALAR;
}

static void on_scalar(struct builder *b, struct fy_token *token, struct fy_token *anchor,
		      struct fy_token *tag)
{
	struct node *n = new_node(b, NODE_SCALAR, token);
	const char *text = "";
	size_t len = 0;

	if (!n)
		return;
	n->plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
	if (is_quoted(token))
		place_sign(n, token);
	if (is_long(token)) {
		mistake(b->errors, n, "a value of more than %d bytes", LONGEST_SCALAR);
		n->bad = true;
	} else if (token) {
		text = fy_token_get_text(token, &len);
	}
	if (!text || memchr(text, '\0', len)) {
		mistake(b->errors, n, "a NUL character in a value");
		n->bad = true;
		len = 0;
	}
	n->text = arena_text(b->arena, len ? text : "", len);
	if (!n->text)
		return;
	refuse_extras(b, n, anchor, tag);
	attach(b, n);
}

static void on_alias(struct builder *b, struct fy_token *token)
{
	struct node *n = new_node(b, NODE_SCALAR, token);

	if (!n)
		return;
	place_sign(n, token);
	mistake(b->errors, n, "aliases (*) are not allowed; %s", instead(b));
	n->bad = true;
	attach(b, n);
}

static void on_open(struct builder *b, enum node_kind kind, struct fy_token *token, struct fy_token *anchor,
		    struct fy_token *tag)
{
	struct node *n = new_node(b, kind, token);

	if (!n)
		return;
	if (b->depth == TREE_DEPTH) {
		mistake(b->errors, n, "nested more than %d levels deep", TREE_DEPTH);
		b->stop = true;
		return;
	}
	refuse_extras(b, n, anchor, tag);
	attach(b, n);
	b->levels[b->depth++] = (struct level){.node = n};
}

static int by_key(const void *left, const void *right)
{
	const struct node *const *a = left, *const *b = right;
	int order = strcmp((*a)->key->text, (*b)->key->text);

	if (order)
		return order;
	if ((*a)->key->line != (*b)->key->line)
		return (*a)->key->line < (*b)->key->line ? -1 : 1;
	return (*a)->key->col < (*b)->key->col ? -1 : (*a)->key->col > (*b)->key->col;
}

static void find_duplicates(struct builder *b, const struct node *map)
{
	struct node **sorted = arena_array(b->arena, map->count, sizeof(*sorted));
	char text[QUOTED_SIZE];
	size_t n = 0;

	if (!sorted)
		return;
	for (struct node *child = map->first; child; child = child->next)
		sorted[n++] = child;
	qsort(sorted, n, sizeof(*sorted), by_key);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(sorted[i - 1]->key->text, sorted[i]->key->text) != 0)
			continue;
		sorted[i]->bad = true;
		mistake(b->errors, sorted[i]->key, "key `%s` stands here twice, first in line %u",
			quote_value(sorted[i]->key->text, text), sorted[i - 1]->key->line);
	}
}

static void on_close(struct builder *b)
{
	const struct node *n = b->levels[--b->depth].node;

	if (n && n->kind == NODE_MAP && n->count > 1)
		find_duplicates(b, n);
}

static void on_document(struct builder *b, const struct fy_event *event)
{
	struct node at = {.line = 1, .col = 1};

	if (++b->documents == 1)
		return;
	place(&at, event->document_start.document_start);
	mistake(b->errors, &at, "a second document, expected one %s a file", noun_of(b));
	b->stop = true;
}

static void on_event(struct builder *b, const struct fy_event *e)
{
	switch (e->type) {
	case FYET_DOCUMENT_START:
		on_document(b, e);
		break;
	case FYET_ALIAS:
		on_alias(b, e->alias.anchor);
		break;
	case FYET_SCALAR:
		on_scalar(b, e->scalar.value, e->scalar.anchor, e->scalar.tag);
		break;
	case FYET_SEQUENCE_START:
		on_open(b, NODE_LIST, e->sequence_start.sequence_start, e->sequence_start.anchor,
			e->sequence_start.tag);
		break;
	case FYET_MAPPING_START:
		on_open(b, NODE_MAP, e->mapping_start.mapping_start, e->mapping_start.anchor,
			e->mapping_start.tag);
		break;
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		on_close(b);
		break;
	default:
		break;
	}
}

/* libfyaml's first complaint; what follows it is seldom of use. */
static void tell_syntax_error(struct builder *b, struct fy_diag *diag)
{
	void *state = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(diag, &state);
	struct node at = {.line = 1, .col = 1};

	if (error && error->line > 0) {
		at.line = error->line; /* from 1, other than the marks of tokens */
		at.col = error->column;
	}
	mistake(b->errors, &at, "no YAML: %s", error && error->msg ? error->msg : "it cannot be parsed");
	b->stop = true;
}

static int parse_events(struct builder *b, const char *text, size_t len)
{
	const struct fy_diag_cfg diag_config = {.level = FYET_ERROR, .module_mask = ~0U};
	struct fy_parse_cfg config = {.flags = FYPCF_DEFAULT_PARSE | FYPCF_COLLECT_DIAG |
					       FYPCF_DEFAULT_VERSION_1_2};
	struct fy_parser *parser = NULL;
	struct fy_event *event;
	int err = -ENOMEM;

	config.diag = fy_diag_create(&diag_config);
	if (!config.diag)
		return err;
	fy_diag_set_collect_errors(config.diag, true);
	parser = fy_parser_create(&config);
	if (!parser || fy_parser_set_string(parser, text, len))
		goto out;
	while (!b->stop && !b->arena->failed && (event = fy_parser_parse(parser))) {
		on_event(b, event);
		fy_parser_event_free(parser, event);
	}
	if (fy_parser_get_stream_error(parser))
		tell_syntax_error(b, config.diag);
	err = b->arena->failed ? -ENOMEM : 0;
out:
	fy_parser_destroy(parser);
	fy_diag_destroy(config.diag);
	return err;
}

static bool is_scenario(struct builder *b)
{
	static const char *const what[] = {"a single value", "a list"};
	struct node start = {.line = 1, .col = 1};

	if (b->stop)
		return false;
	if (!b->root || node_is_empty(b->root))
		mistake(b->errors, &start,
			"the file is empty, expected a mapping that starts with `version: 1`");
	else if (b->root->kind != NODE_MAP && !b->root->bad)
		mistake(b->errors, b->root,
			"the file is %s, expected a mapping that starts with `version: 1`",
			what[b->root->kind]);
	return b->root && b->root->kind == NODE_MAP;
}

/*
 * libfyaml reads ahead to the end of a flow collection before it tells of its start. Brackets that no scenario can have
 * are therefore counted first: more open ones than this, whatever quotation marks stand around them.
 */
#define MOST_OPEN 1000

static bool has_too_many_brackets(const char *text, size_t len, struct errors *errors)
{
	struct node at = {.line = 1, .col = 1};
	size_t open = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '[' || text[i] == '{')
			open++;
		else if (open && (text[i] == ']' || text[i] == '}'))
			open--;
		else if (text[i] == '\n')
			at.line++;
		if (open > MOST_OPEN) {
			mistake(errors, &at, "nested more than %d levels deep", TREE_DEPTH);
			return true;
		}
	}
	return false;
}

int yaml_read(const char *text, size_t len, struct arena *a, struct errors *errors, struct node **ret_root)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct builder b = {.arena = a, .errors = errors};
	struct text_fault fault;
	int err;

	*ret_root = NULL;
	if (len >= 3 && !memcmp(text, mark, 3)) {
		text += 3;
		len -= 3;
	}
	if (check_text(text, len, &fault)) {
		errors_add(errors, fault.line, fault.col, NULL, "%s, expected plain UTF-8 text", fault.what);
		return 0;
	}
	if (has_too_many_brackets(text, len, errors))
		return 0;
	err = len ? parse_events(&b, text, len) : 0;
	if (!err && is_scenario(&b))
		*ret_root = b.root;
	return err;
}
