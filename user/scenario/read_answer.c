/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what the responder says. Names and values of headers as RFC 9110 has them (5.1, 5.5, 5.6.2). */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "scenario/values.h"

#define LEAST_STATUS 200
#define MOST_STATUS 599
#define LONGEST_HEADER 1024
#define LONGEST_BODY 65536

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

static bool is_header_value(const char *s)
{
	size_t len = strlen(s);

	if (len > LONGEST_HEADER || (len && (strchr(" \t", s[0]) || strchr(" \t", s[len - 1]))))
		return false;
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

/* Those about the message itself. */
static bool is_framing(const char *name)
{
	static const char *const own[] = {"Content-Length", "Connection", "Transfer-Encoding", "Date"};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (!strcasecmp(own[i], name))
			return true;
	return false;
}

static bool is_repeated(const struct model_headers *h, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (!strcasecmp(h->items[i].name, name))
			return true;
	return false;
}

static void add_header(struct reader *r, struct model_headers *h, const struct node *n)
{
	const char *name = n->key->text;
	char text[QUOTED_SIZE];

	quote_value(name, text);
	if (!is_token(name) || strlen(name) > LONGEST_HEADER)
		mistake(r->errors, n->key, "%s is no name of a header, expected such as Retry-After", text);
	else if (is_framing(name))
		mistake(r->errors, n->key, "shearpin sets `%s` itself, expected other headers", name);
	else if (is_repeated(h, name))
		mistake(r->errors, n->key, "the header %s stands here twice", text);
	else if (is_scalar(r, n, "the value of a header") && !is_header_value(n->text))
		mistake(r->errors, n,
			"this is no value of a header, expected up to %d characters in one line, no space "
			"first or "
			"last",
			LONGEST_HEADER);
	else
		h->items[h->count++] = (struct model_header){name, n->text};
}

void read_headers(struct reader *r, const struct node *n, void *into)
{
	struct model_headers *h = into;
	const struct node *child = n->first;
	size_t count;

	h->items = read_items(r, n, NODE_MAP, MOST_HEADERS, sizeof(*h->items),
			      "a mapping of headers to values", &count);
	for (size_t i = 0; h->items && i < count; i++, child = child->next)
		add_header(r, h, child);
}

static void read_answer_status(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, LEAST_STATUS, MOST_STATUS, into);
}

static void read_body(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "a text"))
		return;
	if (strlen(n->text) > LONGEST_BODY)
		mistake(r->errors, n, "a body of more than %d bytes", LONGEST_BODY);
	else
		*(struct text *)into = (struct text){n->text, n};
}

static const struct field answer_fields[] = {
	{"status", read_answer_status, offsetof(struct model_answer, status), true},
	{"headers", read_headers, offsetof(struct model_answer, headers), false},
	{"body", read_body, offsetof(struct model_answer, body), false},
	{"certificate", read_plain_text, offsetof(struct model_answer, certificate), false},
	{"key", read_plain_text, offsetof(struct model_answer, key), false},
};

static void check_answer(struct reader *r, const struct node *n, const struct model_answer *a)
{
	bool bodiless = a->status.n == 204 || a->status.n == 205 || a->status.n == 304;

	if (a->certificate.node && !given(n, "key"))
		mistake(r->errors, a->certificate.node->key,
			"`certificate` without `key`, expected both or none");
	if (a->key.node && !given(n, "certificate"))
		mistake(r->errors, a->key.node->key, "`key` without `certificate`, expected both or none");
	if (bodiless && a->body.node && *a->body.s)
		mistake(r->errors, a->body.node->key, "a response with status %u has no body",
			(unsigned)a->status.n);
}

/* `503`, or {status: 429, headers: {Retry-After: "30"}, body: "slow down\n"} */
void read_answer(struct reader *r, const struct node *n, void *into)
{
	struct model_answer *a = into;

	a->node = n;
	if (n->kind == NODE_MAP) {
		read_map(r, n, "an answer", FIELDS(answer_fields), a);
		check_answer(r, n, a);
	} else if (is_scalar(r, n, "a status, or a mapping such as {status: 429, body: \"slow down\"}")) {
		read_answer_status(r, n, &a->status);
	}
}
