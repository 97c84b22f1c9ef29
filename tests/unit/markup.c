/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/markup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64

const char *attribute(const char *tag, const char *name)
{
	const char *end = strchr(tag, '>');
	char what[64];
	char *at;

	snprintf(what, sizeof(what), " %s=\"", name);
	at = strstr(tag, what);
	if (!at || at > end)
		fail_msg("no %s in %.120s", name, tag);
	return at + strlen(what);
}

uint64_t attribute_ns(const char *tag, const char *name)
{
	return strtoull(attribute(tag, name), NULL, 10);
}

struct walk {
	const char *at;
	char open[MAX_DEPTH][32];
	unsigned depth;
	struct buf *ret_shape; /* tags and the names of their attributes; NULL: not wanted */
};

static bool is_void(const char *name)
{
	static const char *const names[] = {"meta", "link", "br", "wbr", "hr", "img"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static void take_name(struct walk *w, char name[32])
{
	unsigned n = 0;

	while (isalnum((unsigned char)*w->at) || *w->at == '-') {
		assert_true(n < 31);
		name[n++] = *w->at++;
	}
	name[n] = '\0';
	if (!n)
		fail_msg("no name at: %.60s", w->at);
}

static void note(struct walk *w, const char *before, const char *name)
{
	if (w->ret_shape)
		buf_printf(w->ret_shape, "%s%s", before, name);
}

/* Every value is in double quotes, and has neither '<' nor a '&' that begins nothing. */
static void take_attribute(struct walk *w)
{
	char name[32];

	take_name(w, name);
	note(w, " ", name);
	if (*w->at != '=')
		return;
	assert_int_equal(w->at[1], '"');
	for (w->at += 2; *w->at != '"'; w->at++) {
		assert_true(*w->at && *w->at != '<');
		assert_false((unsigned char)*w->at < 0x20);
	}
	w->at++;
}

static void take_opening(struct walk *w)
{
	char name[32];

	take_name(w, name);
	note(w, "\n", name);
	while (*w->at == ' ') {
		w->at++;
		take_attribute(w);
	}
	if (w->at[0] == '/' && w->at[1] == '>') {
		w->at += 2;
		return;
	}
	if (*w->at != '>')
		fail_msg("a tag is not closed: %.60s", w->at);
	w->at++;
	if (is_void(name))
		return;
	assert_true(w->depth < MAX_DEPTH);
	strcpy(w->open[w->depth++], name);
}

static void take_closing(struct walk *w)
{
	char name[32];

	take_name(w, name);
	note(w, "\n/", name);
	if (!w->depth || strcmp(w->open[w->depth - 1], name) != 0)
		fail_msg("</%s> closes nothing", name);
	w->depth--;
	assert_int_equal(*w->at++, '>');
}

/* A '&' in text begins one of five entities. */
static void check_entity(const char *at)
{
	static const char *const entities[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};

	for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++) {
		if (strncmp(at, entities[i], strlen(entities[i])) == 0)
			return;
	}
	fail_msg("no entity: %.40s", at);
}

void check_form(const char *text, struct buf *ret_shape)
{
	static const char doctype[] = "<!DOCTYPE html>\n";
	struct walk w = {.at = text + strlen(doctype), .ret_shape = ret_shape};

	assert_memory_equal(text, doctype, strlen(doctype));
	while (*w.at) {
		if (w.at[0] == '<' && w.at[1] == '/') {
			w.at += 2;
			take_closing(&w);
		} else if (*w.at == '<') {
			w.at++;
			take_opening(&w);
		} else if (*w.at++ == '&') {
			check_entity(w.at - 1);
		}
	}
	assert_int_equal(w.depth, 0);
}
