/* SPDX-License-Identifier: BSD-2-Clause */
/* What a capture says about each packet, and about itself. */
#include "unit/run_dir.h"

#include <errno.h>
#include <linux/types.h>

#include "drill/capture.h"

#define OFFSET 1795308575000000000LL
#define NEAR 7 /* indexes of interfaces */
#define FAR 3

/* Two rules: of a step with two windows, and of one with the longest names. */
static struct plan_step steps[] = {
	{.name = "disconnect", .window = {.for_ns = 1, .every_ns = 2, .times = 2}},
	{.name = "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss",
	 .window = {.for_ns = 1, .every_ns = 2, .times = 1}},
};
static struct plan_target targets[] = {
	{.name = "front"}, {.name = "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"}};
static struct plan_rule rules[] = {{.step = 0, .target = 0, .first_slot = 0},
				   {.step = 1, .target = 1, .first_slot = 2}};
static struct plan plan = {.name = "drill",
			   .seed = 18446744073709551615U,
			   .steps = steps,
			   .n_steps = 2,
			   .targets = targets,
			   .n_targets = 2,
			   .rules = rules,
			   .n_rules = 2,
			   .n_slots = 3};
static const struct engine_interface interfaces[] = {{"near0", NEAR}, {"far0", FAR}};

struct taken {
	struct run_dir *dir;
	struct journal journal;
	struct capture *capture;
};

static void begin(struct taken *t, void **state)
{
	*t = (struct taken){.dir = *state, .journal = {.offset_ns = OFFSET}};
	assert_int_equal(log_open(t->dir->fd, OFFSET, &t->journal.log), 0);
	assert_int_equal(capture_open(t->dir->fd, &plan, interfaces, 2, &t->journal, &t->capture), 0);
}

struct hit {
	uint32_t slot, ifindex, len; /* len 0: 60 */
	uint8_t verdict;
	uint64_t delay_ns;
};

static void take(struct taken *t, const struct hit *hit)
{
	static uint64_t room[(sizeof(struct sp_capture) + SP_CAPTURE_LARGE) / sizeof(uint64_t)];
	struct sp_capture *record = (struct sp_capture *)room;

	record->slot = hit->slot;
	record->ifindex = hit->ifindex;
	record->len = hit->len ?: 60;
	record->captured = record->len < SP_CAPTURE_LARGE ? record->len : SP_CAPTURE_LARGE;
	record->verdict = hit->verdict;
	record->delay_ns = hit->delay_ns;
	capture_take(t->capture, record, sizeof(room));
}

/* The file; the event's text must hold `told`. */
static char *end(struct taken *t, uint64_t lost, const char *told, size_t *ret_len)
{
	char *text;

	assert_int_equal(capture_tell(t->capture, lost, &t->journal), 0);
	assert_int_equal(capture_close(t->capture), 0);
	assert_int_equal(log_close(t->journal.log), 0);
	buf_free(&t->journal.data);
	text = get_file(t->dir->fd, "events.jsonl", NULL);
	assert_non_null(strstr(text, "\"type\":\"capture\""));
	assert_non_null(strstr(text, told));
	free(text);
	return get_file(t->dir->fd, "capture.pcapng", ret_len);
}

/* The file holds the text as the value of an option, whose number and length stand before it. */
static bool holds(const char *file, size_t len, uint16_t option, const char *text)
{
	const uint16_t head[] = {option, strlen(text)};
	const char *at = file;

	while ((at = memmem(at, file + len - at, text, strlen(text)))) {
		if (at - file >= 4 && !memcmp(at - 4, head, sizeof(head)))
			return true;
		at++;
	}
	return false;
}

static void says_what_became_of_a_packet(void **state)
{
	static const struct {
		struct hit hit;
		const char *comment;
	} cases[] = {
		{{.verdict = SP_DROP}, "rule 0, disconnect #1 on front: dropped"},
		{{.verdict = SP_RESET, .slot = 1}, "rule 0, disconnect #2 on front: reset"},
		{{.verdict = SP_REFUSE}, "rule 0, disconnect #1 on front: refused"},
		{{.verdict = SP_ALTER}, "rule 0, disconnect #1 on front: altered"},
		{{.verdict = SP_DUPLICATE, .delay_ns = 1500000},
		 "rule 0, disconnect #1 on front: duplicated, delayed by 1.500 ms"},
		{{.verdict = SP_DELAY, .delay_ns = 250013000},
		 "rule 0, disconnect #1 on front: delayed by 250.013 ms"},
		{{.verdict = SP_DELAY}, "rule 0, disconnect #1 on front: delayed by 0.000 ms"},
		{{.verdict = SP_DELAY, .delay_ns = 499},
		 "rule 0, disconnect #1 on front: delayed by 0.000 ms"},
		{{.verdict = SP_DELAY, .delay_ns = 500},
		 "rule 0, disconnect #1 on front: delayed by 0.001 ms"},
		{{.verdict = SP_DELAY, .delay_ns = 999999500},
		 "rule 0, disconnect #1 on front: delayed by 1000.000 ms"},
		{{.verdict = SP_DELAY, .delay_ns = 3600000000000},
		 "rule 0, disconnect #1 on front: delayed by 3600000.000 ms"},
		{{.verdict = SP_DROP, .slot = 2},
		 "rule 1, sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss #1 on "
		 "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt: dropped"},
		{{.verdict = SP_DROP, .slot = 3}, "dropped"},
	};
	struct taken t;
	size_t len;
	char *file;

	begin(&t, state);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hit hit = cases[i].hit;

		hit.ifindex = NEAR;
		take(&t, &hit);
	}
	file = end(&t, 0, "\"data\":{\"packets\":13,\"lost\":0,\"cut\":0}", &len);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (!holds(file, len, 1, cases[i].comment))
			fail_msg("no packet's comment is: %s", cases[i].comment);
	assert_true(holds(file, len, 1,
			  "drill, seed 18446744073709551615: the packets that a fault hit, as they came"));
	assert_true(holds(file, len, 2, "near0") && holds(file, len, 2, "far0"));
	free(file);
}

/* Where it stood on the wire. */
static void puts_a_tag_back(void **state)
{
	static const char addresses[] = "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", tag[] = "\x88\xa8\x60\x07";
	static uint64_t room[(sizeof(struct sp_capture) + SP_CAPTURE_LARGE) / sizeof(uint64_t)];
	struct sp_capture *record = (struct sp_capture *)room;
	const char *at;
	struct taken t;
	size_t len;
	char *file;

	memcpy(record->data, addresses, 12);
	memset(record->data + 12, '*', SP_CAPTURE_LARGE - 12);
	record->ifindex = NEAR;
	record->vlan = 0x88a86007;
	begin(&t, state);
	record->len = record->captured = 62;
	capture_take(t.capture, record, sizeof(room));
	record->len = record->captured = SP_CAPTURE_LARGE - 4;
	capture_take(t.capture, record, sizeof(room));
	record->len = record->captured = SP_CAPTURE_LARGE - 3; /* the last byte has no room */
	capture_take(t.capture, record, sizeof(room));
	record->len = record->captured = 11; /* no frame, and no tag */
	capture_take(t.capture, record, sizeof(room));
	file = end(&t, 0, "\"data\":{\"packets\":4,\"lost\":0,\"cut\":1}", &len);
	at = memmem(file, len, addresses, 12);
	assert_non_null(at);
	assert_memory_equal(at - 8, ((const uint32_t[]){66, 66}), 8); /* captured, and on the wire */
	assert_memory_equal(at + 12, tag, 4);
	for (int i = 16; i < 66; i++)
		assert_int_equal(at[i], '*');
	at = memmem(at + 66, file + len - at - 66, addresses, 12);
	assert_memory_equal(at - 8, ((const uint32_t[]){SP_CAPTURE_LARGE, SP_CAPTURE_LARGE}), 8);
	at = memmem(at + SP_CAPTURE_LARGE, file + len - at - SP_CAPTURE_LARGE, addresses, 12);
	assert_memory_equal(at - 8, ((const uint32_t[]){SP_CAPTURE_LARGE, SP_CAPTURE_LARGE + 1}), 8);
	assert_memory_equal(at + 12, tag, 4);
	assert_int_equal(at[SP_CAPTURE_LARGE - 1], '*');
	free(file);
}

/* Those that came by an interface that is none of the run's are not there, and do not vanish either. */
static void counts_what_is_missing(void **state)
{
	struct taken t;
	size_t len;
	char *file;

	begin(&t, state);
	take(&t, &(struct hit){.ifindex = FAR, .verdict = SP_DROP, .len = SP_CAPTURE_LARGE + 1});
	take(&t, &(struct hit){.ifindex = FAR, .verdict = SP_DROP, .len = SP_CAPTURE_LARGE});
	take(&t, &(struct hit){.ifindex = NEAR + 1, .verdict = SP_DROP});
	file = end(&t, 41, "\"data\":{\"packets\":2,\"lost\":42,\"cut\":1}", &len);
	assert_true(holds(file, len, 1, "42 packets of all interfaces together found no room and are lost"));
	free(file);
}

static void is_made_once(void **state)
{
	struct capture *other = NULL;
	struct taken t;

	begin(&t, state);
	assert_int_equal(capture_open(t.dir->fd, &plan, interfaces, 2, &t.journal, &other), -EEXIST);
	assert_null(other);
	assert_int_equal(capture_close(NULL), 0);
	free(end(&t, 0, "\"data\":{\"packets\":0,\"lost\":0,\"cut\":0}", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(says_what_became_of_a_packet, run_dir_setup,
						run_dir_teardown),
		cmocka_unit_test_setup_teardown(puts_a_tag_back, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(counts_what_is_missing, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(is_made_once, run_dir_setup, run_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
