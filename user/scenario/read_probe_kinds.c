/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: the kinds of probes, and which keys go with which. */
#include <string.h>

#include "scenario/values.h"

#define AT(member) offsetof(struct model_probe, member)
#define TIMEOUT                                                                                              \
	{                                                                                                    \
		"timeout", read_probe_time, AT(timeout), false                                               \
	}
#define NUMBERS                                                                                              \
	{"above", pass_key, 0, false}, {"below", pass_key, 0, false}, {"at_least", pass_key, 0, false},      \
		{"at_most", pass_key, 0, false},                                                             \
	{                                                                                                    \
		"equals", pass_key, 0, false                                                                 \
	}

#define REQUEST                                                                                              \
	{"headers", read_headers, AT(headers), false}, {"ca", read_path, AT(ca), false},                     \
	{                                                                                                    \
		"insecure", read_bool, AT(insecure), false                                                   \
	}

static const struct field tcp_fields[] = {
	{"tcp", read_address, AT(tcp), true},
	TIMEOUT,
};

static const struct field log_fields[] = {
	{"log", read_path, AT(path), true},
	{"healthy", read_line_expression, AT(healthy), true},
	{"unhealthy", read_line_expression, AT(unhealthy), true},
};

static const struct field lines_fields[] = {
	{"log", read_path, AT(path), true},
	{"matches", read_line_expression, AT(healthy), true},
};

static const struct field http_fields[] = {
	{"http", read_url, AT(url), true},
	{"expect_status", read_http_status, AT(expect_status), false},
	{"expect_body", read_expression, AT(expect_body), false},
	REQUEST,
	TIMEOUT,
};

static const struct field json_fields[] = {
	{"json", read_path, AT(path), true},
	{"where", read_json_path, AT(where), false},
	NUMBERS,
	{"differs", pass_key, 0, false},
	{"matches", pass_key, 0, false},
	{"contains", pass_key, 0, false},
	{"fresh", read_positive_duration, AT(fresh), false},
	{"age_by", read_age_by, AT(age_field), false},
};

static const struct field exec_fields[] = {
	{"exec", read_command, AT(command), true},
	{"expect_status", read_exit_status, AT(expect_status), false},
	{"expect_output", read_expression, AT(expect_output), false},
	TIMEOUT,
};

static const struct field file_fields[] = {
	{"file", read_any_path, AT(path), true},
	{"exists", read_bool, AT(exists), false},
	{"fresh", read_positive_duration, AT(fresh), false},
	{"contains", read_expression, AT(expect_output), false},
};

static const struct field process_fields[] = {
	{"process", read_process, AT(process), true},
	{"restarts", read_restarts, AT(restarts), false},
};

static const struct field stream_fields[] = {
	{"stream", read_stream, 0, true},
	{"number", read_number_expression, AT(number), false},
	{"binary", read_bool, AT(binary), false},
	{"subscribe", read_short_text, AT(subscribe), false},
	{"silence", read_positive_duration, AT(silence), false},
	{"complete", read_share, AT(complete), false},
	TIMEOUT,
};

static const struct field prometheus_fields[] = {
	{"prometheus", read_server_url, AT(url), true},
	{"query", read_short_text, AT(query), true},
	NUMBERS,
	REQUEST,
	TIMEOUT,
};

/* The first field's name is the kind's. The last are the lines of a watch, which take the place of a probe's log. */
#define LINES (PROBE_PROMETHEUS + 1)
static const struct {
	const struct field *fields;
	size_t n;
} kinds[] = {
	[PROBE_TCP] = {FIELDS(tcp_fields)},
	[PROBE_LOG] = {FIELDS(log_fields)},
	[PROBE_HTTP] = {FIELDS(http_fields)},
	[PROBE_JSON] = {FIELDS(json_fields)},
	[PROBE_EXEC] = {FIELDS(exec_fields)},
	[PROBE_FILE] = {FIELDS(file_fields)},
	[PROBE_PROCESS] = {FIELDS(process_fields)},
	[PROBE_STREAM] = {FIELDS(stream_fields)},
	[PROBE_PROMETHEUS] = {FIELDS(prometheus_fields)},
	[LINES] = {FIELDS(lines_fields)},
};

static const char *kind_name(int kind)
{
	return kinds[kind].fields[0].name;
}

static const struct field *find_field(int kind, const char *key)
{
	for (size_t i = 0; i < kinds[kind].n; i++)
		if (!strcmp(kinds[kind].fields[i].name, key))
			return &kinds[kind].fields[i];
	return NULL;
}

/* Where the keys of a kind are, for a probe or for a watch. */
static int table_of(const struct model_probe *p, int kind)
{
	return p->watch && kind == PROBE_LOG ? LINES : kind;
}

static bool is_own(const struct model_probe *p, const char *key)
{
	for (size_t i = 0; p->own && p->own[i]; i++)
		if (!strcmp(p->own[i], key))
			return true;
	return false;
}

/* The kinds that a key goes with: "`tcp`, `http` or `exec`"; false: none, here. */
static bool list_kinds(const struct model_probe *p, const char *key, struct buf *out)
{
	int found[LINES], n = 0;

	for (int kind = 0; kind < LINES; kind++)
		if (find_field(table_of(p, kind), key))
			found[n++] = kind;
	for (int i = 0; i < n; i++)
		buf_printf(out, "%s`%s`", i == 0 ? "" : i + 1 == n ? " or " : ", ", kind_name(found[i]));
	return n;
}

/* Does any kind know it? */
static bool is_probe_key(const char *key)
{
	for (int kind = 0; kind <= LINES; kind++)
		if (find_field(kind, key))
			return true;
	return false;
}

static void tell_foreign(struct reader *r, const struct model_probe *p, const struct node *key)
{
	struct buf list = {0};

	if (!list_kinds(p, key->text, &list))
		mistake(r->errors, key, "`%s` has no meaning beside `%s` here", key->text,
			kind_name(p->kind));
	else if (!list.failed)
		mistake(r->errors, key, "`%s` goes with %s, not with `%s`", key->text, list.data,
			kind_name(p->kind));
	r->arena->failed |= list.failed;
	buf_free(&list);
}

static int find_kind(struct reader *r, const struct node *map, const struct model_probe *p)
{
	int found = NO_PROBE_KIND, others = 0;

	for (int kind = 0; kind < LINES; kind++) {
		const char *name = kind_name(kind);

		if (!given(map, name) || is_own(p, name))
			continue;
		if (found == NO_PROBE_KIND) {
			found = kind;
			continue;
		}
		others++;
		mistake(r->errors, node_get(map, name)->key,
			"`%s` beside `%s`, expected the one or the other", name, kind_name(found));
	}
	return others ? NO_PROBE_KIND : found;
}

static void read_keys(struct reader *r, const struct node *map, struct model_probe *p, int table)
{
	for (const struct node *child = map->first; child; child = child->next) {
		const struct field *f = find_field(table, child->key->text);

		if (is_own(p, child->key->text))
			continue;
		if (f && !child->bad)
			f->read(r, child, (char *)p + f->offset);
		else if (!f && is_probe_key(child->key->text))
			tell_foreign(r, p, child->key);
	}
}

static void tell_missing(struct reader *r, const struct node *map, const struct model_probe *p, int table)
{
	for (size_t i = 1; i < kinds[table].n; i++) {
		const struct field *f = &kinds[table].fields[i];

		if (!f->required || given(map, f->name))
			continue;
		if (p->watch)
			mistake(r->errors, map, "`%s` needs `%s` beside it", kind_name(p->kind), f->name);
		else
			mistake(r->errors, map, "a probe with `%s` needs `%s`", kind_name(p->kind), f->name);
	}
}

void read_probe_keys(struct reader *r, const struct node *map, struct model_probe *p)
{
	const struct node *every = map->kind == NODE_MAP ? node_get(map, "every") : NULL;
	int table;

	p->node = map;
	p->kind = NO_PROBE_KIND;
	if (map->kind != NODE_MAP)
		return;
	p->kind = find_kind(r, map, p);
	if (every && !every->bad && !is_own(p, "every"))
		read_probe_time(r, every, &p->every);
	if (p->kind == NO_PROBE_KIND)
		return;
	table = table_of(p, p->kind);
	read_keys(r, map, p, table);
	tell_missing(r, map, p, table);
	if (p->kind == PROBE_JSON || p->kind == PROBE_PROMETHEUS)
		read_compare(r, map, p->kind == PROBE_PROMETHEUS, &p->compare);
	if (p->kind == PROBE_PROMETHEUS && !p->compare.node)
		mistake(r->errors, map,
			"`prometheus` needs a comparison: `above`, `below`, `at_least`, `at_most` or "
			"`equals`");
}

/* Is any of them there, the right one or not? */
bool names_probe_kind(const struct node *map)
{
	for (int kind = 0; kind < LINES; kind++)
		if (given(map, kind_name(kind)))
			return true;
	return false;
}
