/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/moment.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "slo/get.h"

#define MOST_SETS 1024  /* of targets; further ones are taken for the first target alone */
#define MOST_NAMES 4096 /* of steps and cgroups; further ones are left out */
#define NAME_SIZE 256

struct moment_reader {
	struct results *results;
	struct table *sets;  /* struct moment_targets -> a pointer to one that stays */
	struct table *names; /* char[NAME_SIZE] -> the same */
};

int moment_reader_new(struct results *results, struct moment_reader **ret)
{
	struct moment_reader *reader = calloc(1, sizeof(*reader));
	int err;

	if (!reader)
		return -ENOMEM;
	reader->results = results;
	err = table_open(sizeof(struct moment_targets), sizeof(void *), MOST_SETS, &reader->sets);
	if (!err)
		err = table_open(NAME_SIZE, sizeof(void *), MOST_NAMES, &reader->names);
	if (err) {
		moment_reader_free(reader);
		return err;
	}
	*ret = reader;
	return 0;
}

void moment_reader_free(struct moment_reader *reader)
{
	if (!reader)
		return;
	table_close(reader->sets);
	table_close(reader->names);
	free(reader);
}

/* The one copy of this key in the table, kept by the results. NULL: the table is full, or no memory. */
static const void *keep_once(struct results *r, struct table *table, const void *key, size_t size,
			     size_t most)
{
	void **slot = table_find(table, key), *copy;
	bool is_new;

	if (slot)
		return *slot;
	if (table_count(table) >= most)
		return NULL;
	copy = results_alloc(r, size);
	slot = copy ? table_put(table, key, &is_new) : NULL;
	if (!slot) {
		r->failed = true;
		return NULL;
	}
	*slot = memcpy(copy, key, size);
	return copy;
}

static const char *keep_name(struct moment_reader *reader, const char *name)
{
	char key[NAME_SIZE] = "";

	if (!name)
		return NULL;
	strncpy(key, name, sizeof(key) - 1);
	return keep_once(reader->results, reader->names, key, sizeof(key), MOST_NAMES);
}

static bool find_target(const struct results *r, const char *name, size_t *ret)
{
	size_t n = r->n_targets < RESULT_MOST_TARGETS ? r->n_targets : RESULT_MOST_TARGETS;

	for (*ret = 0; name && *ret < n; (*ret)++) {
		if (strcmp(r->targets[*ret].name, name) == 0)
			return true;
	}
	return false;
}

static void add_target(struct moment_targets *set, size_t target)
{
	set->bits[target / 64] |= 1ULL << target % 64;
}

static enum moment_found read_targets(struct moment_reader *reader, const json_t *json, const json_t *data,
				      const struct moment_targets **ret)
{
	const json_t *also = json_object_get(data, "also");
	struct moment_targets set = {0};
	size_t i, target;

	if (!get_string(json, "target") || (also && !json_is_array(also)))
		return MOMENT_ODD;
	if (!find_target(reader->results, get_string(json, "target"), &set.first))
		return MOMENT_STRANGER;
	add_target(&set, set.first);
	for (i = 0; i < json_array_size(also); i++) {
		if (!find_target(reader->results, json_string_value(json_array_get(also, i)), &target))
			return MOMENT_STRANGER;
		add_target(&set, target);
	}
	*ret = keep_once(reader->results, reader->sets, &set, sizeof(set), MOST_SETS);
	return *ret ? MOMENT_FOUND : MOMENT_NONE;
}

static bool read_opener(const json_t *data, enum flow_opener *ret)
{
	const json_t *opener = json_object_get(data, "opener");
	const char *word = json_string_value(opener);

	*ret = OPENER_UNKNOWN;
	if (!opener || json_is_null(opener))
		return true;
	if (!word)
		return false;
	*ret = strcmp(word, "out") == 0 ? OPENER_OUT : strcmp(word, "in") == 0 ? OPENER_IN : OPENER_UNKNOWN;
	return *ret != OPENER_UNKNOWN;
}

static bool read_way(const json_t *data, enum moment_way *ret)
{
	const char *word = get_string(data, "direction");

	if (!word)
		return false;
	*ret = strcmp(word, "in") == 0 ? WAY_IN : WAY_OUT;
	return *ret == WAY_IN || strcmp(word, "out") == 0;
}

static bool read_by(const json_t *data, enum moment_by *ret)
{
	const char *word = get_string(data, "by");

	if (!word)
		return false;
	*ret = strcmp(word, "local") == 0 ? BY_LOCAL : strcmp(word, "remote") == 0 ? BY_REMOTE : BY_FAULT;
	return *ret != BY_FAULT || strcmp(word, "fault") == 0;
}

/* A time or a number that may be null or missing, but nothing else. */
static bool read_number(const json_t *data, const char *key, uint64_t *ret)
{
	const json_t *value = json_object_get(data, key);

	*ret = get_u64(data, key);
	return *ret != NO_NS || !value || json_is_null(value);
}

static bool read_passage(const json_t *data, struct moment *m)
{
	return (m->kind == MOMENT_ESTABLISHED || read_way(data, &m->passage.way)) &&
	       read_number(data, "established_ns", &m->passage.established_ns) &&
	       read_number(data, "from_ns", &m->passage.from_ns) &&
	       read_number(data, "gap_ns", &m->passage.gap_ns) &&
	       read_number(data, "gap_from_ns", &m->passage.gap_from_ns);
}

static bool read_process(struct moment_reader *reader, const json_t *data, struct moment_process *ret)
{
	const json_t *json = json_object_get(data, "process");
	const char *comm = get_string(json, "comm");

	if (!json || json_is_null(json))
		return true;
	if (!json_is_object(json) || !read_number(json, "pid", &ret->pid))
		return false;
	if (ret->pid == NO_NS)
		ret->pid = 0;
	strncpy(ret->comm, comm ? comm : "?", sizeof(ret->comm) - 1);
	ret->cgroup = keep_name(reader, get_string(json, "cgroup"));
	return true;
}

static bool read_summary(const json_t *data, struct moment *m)
{
	struct moment_summary *s = &m->summary;
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {
		{"established_ns", &s->established_ns}, {"last_in_ns", &s->last_ns[WAY_IN]},
		{"last_out_ns", &s->last_ns[WAY_OUT]},  {"packets_in", &s->packets[WAY_IN]},
		{"packets_out", &s->packets[WAY_OUT]},  {"bytes_in", &s->bytes[WAY_IN]},
		{"bytes_out", &s->bytes[WAY_OUT]},      {"resent_in", &s->resent[WAY_IN]},
		{"resent_out", &s->resent[WAY_OUT]},    {"gap_in_ns", &s->gap_ns[WAY_IN]},
		{"gap_out_ns", &s->gap_ns[WAY_OUT]},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (!read_number(data, numbers[i].key, numbers[i].value))
			return false;
	}
	return m->kind == MOMENT_OPEN || read_by(data, &s->by);
}

static bool read_hit(struct moment_reader *reader, const json_t *json, struct moment *m)
{
	uint64_t instance = get_u64(json, "instance");

	if (!get_string(json, "step") || !instance || instance > UINT_MAX)
		return false;
	m->hit.step = keep_name(reader, get_string(json, "step"));
	m->hit.instance = instance;
	return true;
}

static const struct {
	const char *type;
	enum moment_kind kind;
} kinds[] = {
	{"conn.attempt", MOMENT_ATTEMPT},
	{"conn.refused", MOMENT_REFUSED},
	{"flow.hit", MOMENT_HIT},
	{"conn.established", MOMENT_ESTABLISHED},
	{"conn.first_data", MOMENT_FIRST_DATA},
	{"conn.data", MOMENT_DATA},
	{"conn.retransmit", MOMENT_RETRANSMIT},
	{"conn.stall", MOMENT_STALL},
	{"conn.fin", MOMENT_FIN},
	{"conn.reset", MOMENT_RESET},
	{"conn.closed", MOMENT_CLOSED},
	{"conn.open", MOMENT_OPEN},
};

static bool find_kind(const char *type, enum moment_kind *ret)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kinds[i].type, type) == 0) {
			*ret = kinds[i].kind;
			return true;
		}
	}
	return false;
}

bool moment_is_flow(const char *type)
{
	enum moment_kind kind;

	return find_kind(type, &kind);
}

static bool read_body(struct moment_reader *reader, const json_t *json, const json_t *data, struct moment *m)
{
	switch (m->kind) {
	case MOMENT_HIT:
		return read_hit(reader, json, m);
	case MOMENT_ATTEMPT:
		return true;
	case MOMENT_FIN:
	case MOMENT_REFUSED:
	case MOMENT_RESET:
	case MOMENT_CLOSED:
	case MOMENT_OPEN:
		return read_summary(data, m);
	default:
		return read_passage(data, m);
	}
}

enum moment_found moment_read_flow(struct moment_reader *reader, const struct event *event,
				   const json_t *json, struct moment *ret)
{
	const json_t *data = json_object_get(json, "data");
	const char *flow = get_string(json, "flow");
	enum moment_found found;

	*ret = (struct moment){.ns = event->mono_ns, .seq = event->seq};
	if (!find_kind(event->type, &ret->kind) || !flow || !json_is_object(data))
		return MOMENT_ODD;
	if (!flow_key_parse(flow, &ret->flow))
		return ret->kind == MOMENT_HIT ? MOMENT_NONE : MOMENT_ODD;
	if (ret->kind == MOMENT_HIT && get_true(data, "probe"))
		return MOMENT_NONE;
	found = read_targets(reader, json, data, &ret->targets);
	if (found != MOMENT_FOUND)
		return found;
	if (!read_opener(data, &ret->opener) || !read_process(reader, data, &ret->process) ||
	    !read_body(reader, json, data, ret))
		return MOMENT_ODD;
	return MOMENT_FOUND;
}
