/* SPDX-License-Identifier: BSD-2-Clause */
/* The line of a packet, read in the short way: as the JSON parser has it, or not at all. */
#include "unit/made_log.h"

#include <jansson.h>

#include "slo/packet_line.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void expect_as_json(const struct event *event, const struct packet_line *line)
{
	json_t *json = event_json(event), *data = json_object_get(json, "data");

	assert_string_equal(text_of(json, "type"), "packet");
	assert_int_equal(number_of(json, "instance"), line->instance);
	assert_string_equal(text_of(json, "step"), line->step);
	assert_string_equal(text_of(json, "target"), line->target);
	assert_string_equal(text_of(json, "flow"), line->flow);
	assert_string_equal(text_of(data, "verdict"), line->verdict);
	assert_string_equal(text_of(data, "direction"), line->direction);
	assert_int_equal(number_of(data, "rule"), line->rule);
	assert_int_equal(number_of(data, "index"), line->index);
	assert_int_equal(number_of(data, "segments"), line->segments);
	json_decref(json);
}

static bool is_plain(const char *name)
{
	return name && !strpbrk(name, "\"\\\t\xc3");
}

/* Every line with plain names is read; one with others may be left to the parser. */
static void as_the_parser_has_it(void **state)
{
	const struct run_dir *dir = *state;
	const int n = 20000;
	struct packet_line line;
	struct reader *reader;
	struct event event;
	struct log *log;
	int read = 0, plain = 0;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	for (int i = 0; i < n; i++) {
		struct log_packet p = any_packet();

		p.delay_ns >>= 4;
		plain += is_plain(p.step) && is_plain(p.target) && p.instance;
		assert_int_equal(log_append_packet(log, &p), 0);
		if (i % 1000 == 0)
			assert_int_equal(log_flush(log, UINT64_MAX), 0);
	}
	assert_int_equal(log_close(log), 0);
	assert_int_equal(reader_open(dir->fd, &reader), 0);
	while (reader_next(reader, &event) > 0) {
		if (!packet_line_read(&event, &line))
			continue;
		read++;
		expect_as_json(&event, &line);
	}
	reader_close(reader);
	assert_int_equal(read, plain);
	assert_in_range(plain, n / 100, n);
}

/* A line that is another in one byte is read as the parser reads it, if it is read. */
static void whatever_is_changed(void **state)
{
	const struct log_packet packet = one_packet();
	const struct run_dir *dir = *state;
	struct packet_line line;
	struct event event = {0};
	struct log *log;
	size_t len;
	char *text;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	assert_int_equal(log_append_packet(log, &packet), 0);
	assert_int_equal(log_close(log), 0);
	text = get_file(dir->fd, "events.jsonl", &len);
	event.line = text;
	event.len = len - 1;
	assert_true(packet_line_read(&event, &line));
	expect_as_json(&event, &line);
	for (size_t at = 0; at + 70 < event.len; at++) {
		const char was = text[at];

		for (int other = 1; other < 256; other++) {
			text[at] = other;
			if (packet_line_read(&event, &line))
				expect_as_json(&event, &line);
		}
		text[at] = was;
	}
	for (event.len = 0; event.len < len - 1; event.len++)
		assert_false(packet_line_read(&event, &line));
	free(text);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)
	const struct CMUnitTest tests[] = {
		IN_DIR(as_the_parser_has_it),
		IN_DIR(whatever_is_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
