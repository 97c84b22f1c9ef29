/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/facts.h"

#include <inttypes.h>

#include "base/buf.h"
#include "slo/get.h"
#include "slo/slo_words.h"

#define MOST_DEVICES 64

/* Takes the words, and leaves the buffer empty. Without any there is no fact. */
static void add_fact(struct results *r, const char *key, struct buf *words)
{
	r->failed |= words->failed;
	if (words->len && results_grow(r, r->facts, r->n_facts))
		r->facts[r->n_facts++] =
			(struct result_pair){results_keep(r, key), results_keep(r, words->data)};
	buf_clear(words);
}

static void add_word(struct buf *words, const char *before, const char *word)
{
	if (!word || !*word)
		return;
	buf_puts(words, words->len ? ", " : "");
	buf_puts(words, before);
	buf_puts(words, word);
}

static void add_time(struct buf *words, const char *before, const json_t *ns)
{
	json_int_t value = json_integer_value(ns);

	if (!json_is_integer(ns) || value == INT64_MIN)
		return;
	buf_puts(words, words->len ? ", " : "");
	buf_puts(words, before);
	buf_puts(words, value < 0 ? "-" : "");
	slo_words_time(words, value < 0 ? -value : value);
}

/* "offloads tso, gso": the members that are true. */
static void add_true(struct buf *words, const char *name, const json_t *object)
{
	const char *key, *before = name;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		if (!json_is_true(value))
			continue;
		add_word(words, before, key);
		before = "";
	}
}

static void take_clock(struct results *r, const json_t *clock, struct buf *words)
{
	const json_t *synchronised = json_object_get(clock, "synchronised");

	if (json_is_boolean(synchronised))
		add_word(words, "", json_is_true(synchronised) ? "synchronised" : "not synchronised");
	add_time(words, "offset ", json_object_get(clock, "offset_ns"));
	add_time(words, "error at most ", json_object_get(clock, "max_error_ns"));
	add_word(words, "source ", get_string(clock, "source"));
	add_fact(r, "clock", words);
}

static void add_number(struct buf *words, const char *before, uint64_t value, const char *unit)
{
	if (value != NO_NS)
		buf_printf(words, "%s%s%" PRIu64 "%s", words->len ? ", " : "", before, value, unit);
}

static void take_device(struct results *r, const json_t *device, struct buf *words)
{
	const char *name = get_string(device, "name");

	if (!name)
		return;
	add_word(words, "driver ", get_string(device, "driver"));
	add_word(words, "firmware ", get_string(device, "firmware"));
	add_word(words, "bus ", get_string(device, "bus"));
	add_number(words, "", get_u64(device, "speed_mbit"), " Mbit/s");
	add_number(words, "MTU ", get_u64(device, "mtu"), "");
	add_word(words, "qdisc ", get_string(device, "qdisc"));
	add_true(words, "offloads ", json_object_get(device, "offloads"));
	add_fact(r, name, words);
}

/* Their tags: what was loaded, as the kernel knows it. */
static void take_programs(struct results *r, const json_t *programs, struct buf *words)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)programs, key, value)
	{
		add_word(words, "", json_is_string(value) ? key : NULL);
		if (json_is_string(value))
			buf_printf(words, " %s", json_string_value(value));
	}
	add_fact(r, "programs", words);
}

void take_facts(struct results *r, const json_t *data)
{
	const json_t *devices = json_object_get(data, "devices");
	uint64_t cpus = get_u64(data, "cpus");
	struct buf words = {0};

	add_word(&words, "", get_string(data, "kernel_version"));
	add_fact(r, "kernel version", &words);
	add_word(&words, "", get_string(data, "machine"));
	add_number(&words, "", cpus, cpus == 1 ? " processor" : " processors");
	add_fact(r, "machine", &words);
	take_clock(r, json_object_get(data, "clock"), &words);
	for (size_t i = 0; i < json_array_size(devices) && i < MOST_DEVICES; i++)
		take_device(r, json_array_get(devices, i), &words);
	take_programs(r, json_object_get(data, "programs"), &words);
	buf_free(&words);
}
