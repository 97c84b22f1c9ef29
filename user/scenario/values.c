/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/values.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/timeutil.h"

#define LONGEST_HOURS 168ULL
#define MOST_CORRELATION 4290672329ULL /* 99.9 % of 2^32 */
#define MOST_RATE 125000000000ULL      /* 1tbit, in bytes per second */
#define MOST_SIZE (1ULL << 30)

/* What n is, as a message says it. */
static const char *kind_name(const struct node *n, char *text, size_t size)
{
	char value[QUOTED_SIZE];

	if (node_is_empty(n))
		return "empty";
	if (n->kind == NODE_LIST)
		return "a list";
	if (n->kind == NODE_MAP)
		return "a mapping";
	snprintf(text, size, "the single value %s", quote_value(n->text, value));
	return text;
}

/* "`for` is a list, expected a duration"; in a list there is no key to name. */
static void wrong_kind(struct reader *r, const struct node *n, const char *expected)
{
	char key[QUOTED_SIZE], kind[QUOTED_SIZE + 20];

	if (n->bad)
		return;
	if (n->origin && node_is_empty(n))
		mistake(r->errors, n, "no value, expected %s", expected);
	else if (n->key)
		mistake(r->errors, n, "`%s` is %s, expected %s", quote_value(n->key->text, key),
			kind_name(n, kind, sizeof(kind)), expected);
	else
		mistake(r->errors, n, "this is %s, expected %s", kind_name(n, kind, sizeof(kind)), expected);
}

void wrong_value(struct reader *r, const struct node *n, const char *noun, const char *expected)
{
	char text[QUOTED_SIZE];

	mistake(r->errors, n, "%s is no %s, expected %s", quote_value(n->text, text), noun, expected);
}

static void unknown_key(struct reader *r, const struct node *key, const char *what,
			const struct field *fields, size_t n_fields)
{
	struct suggest s = {.word = key->text};
	char text[QUOTED_SIZE], noun[40];

	for (size_t i = 0; i < n_fields && !errors_full(r->errors); i++)
		if (fields[i].read)
			suggest_try(&s, fields[i].name);
	if (!strcmp(what, "a fault"))
		strcpy(noun, "fault");
	else
		snprintf(noun, sizeof(noun), "key of %s", what);
	quote_value(key->text, text);
	if (s.best)
		mistake(r->errors, key, "unknown %s `%s`, did you mean `%s`?", noun, text, s.best);
	else
		mistake(r->errors, key, "unknown %s `%s`", noun, text);
}

static const struct field *find_field(const struct field *fields, size_t n_fields, const char *name)
{
	for (size_t i = 0; i < n_fields; i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

bool knows_keys(const struct node *map, const struct field *fields, size_t n_fields)
{
	for (const struct node *child = map->first; child; child = child->next)
		if (!find_field(fields, n_fields, child->key->text))
			return false;
	return true;
}

/* Each child through its field; true, if a key of a later version was among them. */
static bool read_children(struct reader *r, const struct node *n, const char *what,
			  const struct field *fields, size_t n_fields, char *into)
{
	bool later = false;

	for (const struct node *child = n->first; child; child = child->next) {
		const struct field *f = find_field(fields, n_fields, child->key->text);

		if (!f) {
			unknown_key(r, child->key, what, fields, n_fields);
		} else if (!f->read) {
			mistake(r->errors, child->key, "`%s` is not available in this version", f->name);
			later = true;
		} else if (!child->bad) { /* so no key is read twice */
			f->read(r, child, into + f->offset);
		}
	}
	return later;
}

bool read_map(struct reader *r, const struct node *n, const char *what, const struct field *fields,
	      size_t n_fields, void *into)
{
	char expected[40];

	if (n->kind != NODE_MAP) {
		snprintf(expected, sizeof(expected), "a mapping: %s", what);
		wrong_kind(r, n, expected);
		return false;
	}
	if (read_children(r, n, what, fields, n_fields, into))
		return true;
	for (size_t i = 0; i < n_fields; i++)
		if (fields[i].required && !node_get(n, fields[i].name))
			mistake(r->errors, n, "%s needs `%s`", what, fields[i].name);
	return true;
}

void *read_items(struct reader *r, const struct node *n, enum node_kind kind, size_t most, size_t size,
		 const char *expected, size_t *ret_count)
{
	bool single = kind == NODE_SCALAR && n->kind == NODE_SCALAR && !node_is_empty(n);
	size_t count = single ? 1 : n->count;

	*ret_count = 0;
	if (n->bad || !(single || n->kind == (kind == NODE_SCALAR ? NODE_LIST : kind))) {
		wrong_kind(r, n, expected);
		return NULL;
	}
	if (!count)
		mistake(r->errors, n, "nothing in it, expected %s", expected);
	else if (count > most)
		mistake(r->errors, n, "%zu entries, expected %zu at most", count, most);
	if (!count || count > most)
		return NULL;
	*ret_count = count;
	return arena_array(r->arena, count, size);
}

bool is_scalar(struct reader *r, const struct node *n, const char *expected)
{
	if (n->bad)
		return false;
	if (n->kind == NODE_SCALAR && !node_is_empty(n))
		return true;
	wrong_kind(r, n, expected);
	return false;
}

/* "tcp, udp or icmp" */
static void list_words(const char *const *words, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
}

int read_word(struct reader *r, const struct node *n, const char *const *words, size_t n_words)
{
	struct suggest s = {.word = n->text};
	struct buf list = {0};
	char text[QUOTED_SIZE];
	int found = -1;

	list_words(words, n_words, &list);
	if (list.failed) {
		r->arena->failed = true;
		goto out;
	}
	if (!is_scalar(r, n, list.data))
		goto out;
	for (size_t i = 0; i < n_words && found < 0; i++) {
		suggest_try(&s, words[i]);
		if (!strcmp(words[i], n->text))
			found = i;
	}
	if (found >= 0)
		goto out;
	quote_value(n->text, text);
	if (s.best)
		mistake(r->errors, n, "%s is not known, expected %s; did you mean `%s`?", text, list.data,
			s.best);
	else
		mistake(r->errors, n, "%s is not known, expected %s", text, list.data);
out:
	buf_free(&list);
	return found;
}

void read_choice(struct reader *r, const struct node *n, const char *const *words, const uint8_t *values,
		 size_t count, struct value *into)
{
	int i = read_word(r, n, words, count);

	if (i >= 0)
		*into = (struct value){values[i], n};
}

static void read_time(struct reader *r, const struct node *n, struct value *into, bool positive)
{
	uint64_t ns = 0;
	int err;

	if (!is_scalar(r, n, "a duration such as 10s or 250ms"))
		return;
	err = parse_duration(n->text, &ns);
	if (err == -EINVAL)
		wrong_value(r, n, "duration",
			    "a number with a unit (us, ms, s, m, h), such as 250ms or 1m30s");
	else if (n->text[0] == '-')
		wrong_value(r, n, "duration", positive ? "more than 0s" : "0s or more");
	else if (err || ns > LONGEST_HOURS * 3600 * NS_PER_S)
		mistake(r->errors, n, "%.40s is too long, expected 168h at most", n->text);
	else if (positive && !ns)
		mistake(r->errors, n, "%.40s is too short, expected more than 0s", n->text);
	else
		*into = (struct value){ns, n};
}

void read_duration(struct reader *r, const struct node *n, void *into)
{
	read_time(r, n, into, false);
}

void read_positive_duration(struct reader *r, const struct node *n, void *into)
{
	read_time(r, n, into, true);
}

/* A threshold from `least` on; `range` says for people what is allowed. */
static void read_percent(struct reader *r, const struct node *n, uint64_t least, const char *range,
			 struct value *into)
{
	uint64_t below = 0;
	int err;

	if (!is_scalar(r, n, "a percentage such as 5%"))
		return;
	err = parse_percent(n->text, &below);
	if (err == -EINVAL)
		wrong_value(r, n, "percentage", "a number with a percent sign, such as 2.5%");
	else if (err || below < least)
		mistake(r->errors, n, "%.40s is out of range, expected %s", n->text, range);
	else
		*into = (struct value){below, n};
}

void read_share(struct reader *r, const struct node *n, void *into)
{
	read_percent(r, n, 1, "more than 0% and at most 100%", into);
}

void read_share_or_none(struct reader *r, const struct node *n, void *into)
{
	read_percent(r, n, 0, "0% to 100%", into);
}

void read_correlation(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_percent(r, n, 0, "0% to 100%", &value);
	if (value.node && value.n > MOST_CORRELATION && value.n < PLAN_ALWAYS)
		mistake(r->errors, n, "%.40s is out of range, expected 0%% to 99.9%%, or 100%%", n->text);
	else
		*(struct value *)into = value;
}

void read_rate(struct reader *r, const struct node *n, void *into)
{
	uint64_t bytes = 0;
	int err;

	if (!is_scalar(r, n, "a rate such as 1mbit"))
		return;
	err = parse_rate(n->text, &bytes);
	if (err == -EINVAL)
		wrong_value(r, n, "rate",
			    "a number with a unit (kbit, mbit, gbit, or kbps for bytes), such as 1mbit");
	else if (err || !bytes || bytes > MOST_RATE)
		mistake(r->errors, n, "%.40s is out of range, expected more than 0bit and at most 1tbit",
			n->text);
	else
		*(struct value *)into = (struct value){bytes, n};
}

void read_size_within(struct reader *r, const struct node *n, uint64_t most, const char *range,
		      struct value *into)
{
	uint64_t bytes = 0;
	int err;

	if (!is_scalar(r, n, "a size such as 64KB"))
		return;
	err = parse_size(n->text, &bytes);
	if (err == -EINVAL)
		wrong_value(r, n, "size", "a number with a unit (B, KB, MB, KiB, MiB), such as 64KB");
	else if (err || !bytes || bytes > most)
		mistake(r->errors, n, "%.40s is out of range, expected %s", n->text, range);
	else
		*into = (struct value){bytes, n};
}

void read_size(struct reader *r, const struct node *n, void *into)
{
	read_size_within(r, n, MOST_SIZE, "1B to 1GiB", into);
}

void read_within(struct reader *r, const struct node *n, uint64_t least, uint64_t most, struct value *into)
{
	char expected[80];
	uint64_t value;
	int err;

	snprintf(expected, sizeof(expected), "a whole number from %llu to %llu", (unsigned long long)least,
		 (unsigned long long)most);
	if (!is_scalar(r, n, expected))
		return;
	err = parse_u64(n->text, &value);
	if (err == -EINVAL)
		wrong_value(r, n, "number", expected);
	else if (err || value < least || value > most)
		mistake(r->errors, n, "%.40s is out of range, expected %s", n->text, expected);
	else
		*into = (struct value){value, n};
}

void read_count(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 1, UINT32_MAX, into);
}

void read_count_or_none(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 0, UINT32_MAX, into);
}

void read_big_count(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 1, INT64_MAX, into);
}

/* JSON readers take integers up to 2^63 - 1. */
void read_seed(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 0, INT64_MAX, into);
}

void read_bool(struct reader *r, const struct node *n, void *into)
{
	bool yes;

	if (!is_scalar(r, n, "true or false"))
		return;
	yes = !strcmp(n->text, "true");
	if (!yes && strcmp(n->text, "false") != 0)
		wrong_value(r, n, "truth value", "true or false");
	else
		*(struct value *)into = (struct value){yes, n};
}

void read_plain_text(struct reader *r, const struct node *n, void *into)
{
	if (is_scalar(r, n, "a text"))
		*(struct text *)into = (struct text){n->text, n};
}

bool is_printable(const char *text)
{
	for (const unsigned char *s = (const unsigned char *)text; *s; s++)
		if (iscntrl(*s) || (s[0] == 0xc2 && s[1] < 0xa0))
			return false;
	return true;
}

void read_name_within(struct reader *r, const struct node *n, size_t most, struct text *into)
{
	if (!is_scalar(r, n, "a name"))
		return;
	if (!is_printable(n->text) || !*n->text || isspace((unsigned char)*n->text) || strlen(n->text) > most)
		wrong_value(r, n, "name", "1 to 64 printable characters");
	else
		*into = (struct text){n->text, n};
}

void read_name(struct reader *r, const struct node *n, void *into)
{
	read_name_within(r, n, NAME_SIZE, into);
}

static bool is_interface(const char *s)
{
	size_t len = strlen(s);

	if (!len || len >= IF_NAMESIZE || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || *s == '/' || *s == ':')
			return false;
	return true;
}

void read_interface(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "the name of an interface"))
		return;
	if (is_interface(n->text))
		*(struct text *)into = (struct text){n->text, n};
	else
		wrong_value(r, n, "name of an interface", "1 to 15 characters without spaces, `/` and `:`");
}

static bool is_among(const struct texts *list, const char *s)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].s, s))
			return true;
	return false;
}

void read_texts(struct reader *r, const struct node *n, struct texts *into, size_t most, const char *noun,
		const char *expected, bool (*is_right)(const char *s))
{
	const struct node *item = n->kind == NODE_SCALAR ? n : n->first;
	char text[QUOTED_SIZE];
	size_t count;

	into->items = read_items(r, n, NODE_SCALAR, most, sizeof(*into->items), noun, &count);
	if (!into->items)
		return;
	into->node = n;
	into->count = 0; /* of another key that it was read from before */
	for (size_t i = 0; i < count; i++, item = item->next) {
		if (!is_scalar(r, item, noun))
			continue;
		if (is_right && !is_right(item->text))
			mistake(r->errors, item, "%s is not %s, expected %s", quote_value(item->text, text),
				noun, expected);
		else if (is_among(into, item->text))
			mistake(r->errors, item, "%s stands here twice", quote_value(item->text, text));
		else
			into->items[into->count++] = (struct text){item->text, item};
	}
}

void read_interfaces(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_INTERFACES, "the name of an interface",
		   "1 to 15 characters without spaces, `/` and `:`", is_interface);
}

void read_names(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_TARGETS, "the name of a target", "", NULL);
}
