/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/word_value.h"

#include <string.h>

struct reading {
	struct arena *arena;
	struct errors *errors;
	const char *word; /* the whole, for messages */
	const char *s;
};

static void skip_spaces(struct reading *x)
{
	x->s += strspn(x->s, " ");
}

static struct node *malformed(struct reading *x)
{
	errors_add(x->errors, 0, 0, x->word, "the braces are not of the form {KEY: VALUE, KEY: VALUE}");
	return NULL;
}

static bool add(struct reading *x, struct node *map, const char *key, size_t key_len, struct node *value)
{
	char *name = arena_text(x->arena, key, key_len), quoted[QUOTED_SIZE];

	if (!name || !value)
		return false;
	if (node_get(map, name)) {
		errors_add(x->errors, 0, 0, x->word, "`%s` is given twice", quote_value(name, quoted));
		return false;
	}
	node_add(x->arena, map, name, value);
	return true;
}

static struct node *scalar(struct reading *x, const char *text, size_t len)
{
	char *copy;

	while (len && text[len - 1] == ' ')
		len--;
	copy = arena_text(x->arena, text, len);
	return copy ? node_scalar(x->arena, x->word, copy) : NULL;
}

/* What stands for a letter behind a backslash in double quotation marks; 0: nothing does. */
static char escaped(char letter)
{
	return letter == 'n' ? '\n' : letter == 't' ? '\t' : letter == '"' || letter == '\\' ? letter : 0;
}

/* "slow down\n", or 'it''s'; x->s is at the opening mark. NULL: it has no end, or an escape that is none. */
static struct node *quoted(struct reading *x)
{
	char mark = *x->s++, *text = arena_text(x->arena, x->s, strlen(x->s)), *out = text;
	struct node *n;

	if (!text)
		return NULL;
	for (; *x->s && (*x->s != mark || (mark == '\'' && x->s[1] == mark)); x->s++) {
		if (*x->s == mark) { /* one of two that stand for one */
			*out++ = *++x->s;
		} else if (*x->s == '\\' && mark == '"') {
			*out = escaped(*++x->s);
			if (!*out++)
				return malformed(x);
		} else {
			*out++ = *x->s;
		}
	}
	*out = '\0';
	if (!*x->s++)
		return malformed(x);
	n = node_scalar(x->arena, x->word, text);
	if (n)
		n->plain = false;
	return n;
}

/* From behind the opening brace to behind the closing one. */
static struct node *read_braces(struct reading *x, unsigned depth)
{
	struct node *map = node_new(x->arena, NODE_MAP, x->word);

	for (skip_spaces(x); map && *x->s != '}'; skip_spaces(x)) {
		const char *key = x->s;
		size_t key_len = strcspn(key, " :,{}"), len;
		struct node *value;

		x->s += key_len;
		skip_spaces(x);
		if (!key_len || *x->s++ != ':')
			return malformed(x);
		skip_spaces(x);
		if (*x->s == '{') {
			x->s++;
			value = depth ? read_braces(x, depth - 1) : malformed(x);
		} else if (*x->s == '"' || *x->s == '\'') {
			value = quoted(x);
		} else {
			len = strcspn(x->s, ",{}");
			value = scalar(x, x->s, len);
			x->s += len;
		}
		if (!add(x, map, key, key_len, value))
			return NULL;
		skip_spaces(x);
		if (*x->s == ',')
			x->s++;
		else if (*x->s != '}')
			return malformed(x);
	}
	x->s++;
	return map;
}

/* p=1%,r=10%; a colon does as well. */
static struct node *read_pairs(struct reading *x)
{
	struct node *map = node_new(x->arena, NODE_MAP, x->word);
	char quoted[QUOTED_SIZE];

	for (; map; x->s++) {
		size_t len = strcspn(x->s, ","), name = strcspn(x->s, ":=,");
		char *pair = arena_text(x->arena, x->s, len);

		if (!pair)
			return NULL;
		if (!name || name == len) {
			errors_add(x->errors, 0, 0, x->word, "%s is not of the form KEY=VALUE",
				   quote_value(pair, quoted));
			return NULL;
		}
		if (!add(x, map, x->s, name, scalar(x, x->s + name + 1, len - name - 1)))
			return NULL;
		x->s += len;
		if (!*x->s)
			break;
	}
	return map;
}

/* Letters, and then a colon or an equals sign. */
static size_t name_len(const char *value)
{
	size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyz_");

	return len && (value[len] == ':' || value[len] == '=') ? len : 0;
}

struct node *word_value(struct arena *a, struct errors *errors, const char *word, const char *key,
			const char *value)
{
	struct reading x = {.arena = a, .errors = errors, .word = word, .s = value};
	bool mapping = !strcmp(key, "loss") || !strcmp(key, "reorder");
	struct node *n, *inner;
	size_t len = mapping ? name_len(value) : 0;

	if (*value == '{') {
		x.s++;
		n = read_braces(&x, TREE_DEPTH);
		return n && *x.s ? malformed(&x) : n;
	}
	if (!strcmp(key, "names") || !strcmp(key, "paths"))
		return node_split(a, word, value);
	if (!len)
		return node_scalar(a, word, value);
	if (value[len] == '=' || !strchr(value, '='))
		return read_pairs(&x);
	x.s += len + 1;
	n = node_new(a, NODE_MAP, word);
	inner = read_pairs(&x);
	return n && add(&x, n, value, len, inner) ? n : NULL;
}
