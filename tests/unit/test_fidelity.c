/* SPDX-License-Identifier: BSD-2-Clause */
/* Receipts in the log: what the results make of them, and that none, however odd, does harm. */
#include "unit/run_log.h"

#include "base/json.h"
#include "evidence/receipt.h"
#include "slo/judge.h"

void wilson(uint64_t hit, uint64_t n, double spread, double *ret_low, double *ret_high);

#define MS NS_PER_MS

static bool within(double a, double b, double error)
{
	return a - b <= error && b - a <= error;
}

/*
 * The first four: R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17
 * (1998), table I, method 3. Then the same with a spread: as of so many times fewer lots.
 */
static void intervals_are_wilsons(void **state)
{
	static const struct {
		uint64_t hit, n;
		double spread, low, high;
	} cases[] = {
		{81, 263, 1, 0.2553, 0.3662},
		{15, 148, 1, 0.0624, 0.1605},
		{0, 20, 1, 0, 0.1611},
		{1, 29, 1, 0.0061, 0.1718},
		{20, 20, 1, 1 - 0.1611, 1},
		{28, 29, 1, 1 - 0.1718, 1 - 0.0061},
		{1, 10, 1, 0.0179, 0.4042},
		{5523, 112034, 1, 0.0480, 0.0506},
		{162, 526, 2, 0.2553, 0.3662},
		{0, 100, 5, 0, 0.1611},
		{5, 10, RECEIPT_MAX_SPREAD, 0.0546, 0.9454}, /* half of one lot */
		{3, 281474976710655, 1, 0, 0},
	};
	double low, high;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		wilson(cases[i].hit, cases[i].n, cases[i].spread, &low, &high);
		assert_true(within(low, cases[i].low, 0.00005));
		assert_true(within(high, cases[i].high, 0.00005));
		assert_true(low >= 0 && low <= high && high <= 1);
	}
	wilson(0, 10, 1, &low, &high);
	assert_true(low == 0);
	wilson(10, 10, 1, &low, &high);
	assert_true(high == 1);
}

/* A receipt as the drill writes it. */
static char *receipt_text(const struct sp_receipt *receipt, const struct receipt_request *asked)
{
	static const char key[] = "{\"receipt\":";
	struct buf out = {0};
	struct json j;
	char *text, *copy;

	json_begin(&j, &out);
	json_object(&j, NULL);
	receipt_write(&j, receipt, asked);
	json_end_object(&j);
	text = buf_take(&out);
	assert_non_null(text);
	text[strlen(text) - 1] = '\0';
	copy = strdup(text + sizeof(key) - 1);
	free(text);
	return copy;
}

static void window(struct log *log, int instance, uint64_t from, const char *receipt)
{
	const struct closing closing = {
		.first_hit = from, .last_hit = from + 1000, .matched = 5, .dropped = 5, .receipt = receipt};

	opens(log, instance, from, from + 1000);
	closes_as(log, instance, from, from + 1000, &closing);
}

static void window_of(struct log *log, int instance, uint64_t from, const struct sp_receipt *receipt,
		      const struct receipt_request *asked)
{
	char *text = receipt_text(receipt, asked);

	window(log, instance, from, text);
	free(text);
}

static const struct receipt_request all = {
	.loss = 0.05, .duplicate = -1, .corrupt = 0.001, .reorder = -1, .corrupt_spread = 2, .line = true};

/* Two windows with two targets in the second: every receipt by itself, and their sum. */
static void receipts_add_up(void **state)
{
	const struct sp_receipt one = {
		.chance = {[SP_CHANCE_LOSS] = {263, 81}, [SP_CHANCE_CORRUPT] = {182, 0}},
		.entered = 182,
		.returned = 182,
		.clipped = 3,
		.raised = 4,
		.requested_sum_ns = 182 * 50 * MS,
		.achieved_sum_ns = 182 * 51 * MS,
		.late_max_ns = 171000,
		.requested = {[247] = 182},
		.achieved = {[247] = 100, [248] = 82},
		.late = {[0] = 181, [116] = 1},
	};
	const struct sp_receipt two = {
		.chance = {[SP_CHANCE_LOSS] = {1000, 50}, [SP_CHANCE_CORRUPT] = {950, 1}},
		.entered = 950,
		.returned = 948,
		.full = 7,
		.stale = 5,
		.overflow = 6,
		.requested_sum_ns = 950 * 60 * MS,
		.achieved_sum_ns = 948 * 60 * MS,
		.late_max_ns = 1080,
		.requested = {[250] = 950},
		.achieved = {[250] = 948},
		.late = {[0] = 948},
	};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	const struct result_receipt *r1, *sum;
	struct results *r;

	window_of(log, 1, 1000, &one, &all);
	window_of(log, 2, 3000, &two, &all);
	target = "db";
	window_of(log, 2, 3000, &one, &all);
	target = "front";
	up(log, 5000);
	r = finish(dir, log);
	assert_int_equal(r->n_incomplete, 0);
	r1 = r->windows[0]->parts[0].receipt;
	assert_true(r1->line);
	assert_int_equal(r1->requested.mean_ns, 50 * MS);
	assert_int_equal(r1->achieved.count, 182);
	assert_int_equal(histogram_percentile(&r1->requested, 50), 50331648);
	assert_int_equal(histogram_percentile(&r1->achieved, 50), 50331648);
	assert_int_equal(histogram_percentile(&r1->achieved, 99), 52428800);
	assert_int_equal(histogram_percentile(&r1->late, 99), 1088); /* rank 181 of 182 */
	assert_int_equal(histogram_percentile(&r1->late, 100), 171000);
	assert_true(within(r1->chance[CHANCE_LOSS].achieved, 81.0 / 263, 1e-12));
	assert_true(within(r1->chance[CHANCE_LOSS].low, 0.2553, 0.00005));
	assert_false(r1->chance[CHANCE_LOSS].inside);
	assert_true(r1->chance[CHANCE_CORRUPT].inside);
	assert_false(r1->chance[CHANCE_DUPLICATE].asked);
	assert_true(r->windows[1]->parts[0].receipt->chance[CHANCE_LOSS].inside);

	assert_int_equal(r->n_fidelity, 1);
	assert_string_equal(r->fidelity[0].step, "cut");
	assert_int_equal(r->fidelity[0].receipts, 3);
	sum = r->fidelity[0].sum;
	assert_int_equal(sum->entered, 1314);
	assert_int_equal(sum->returned, 1312);
	assert_int_equal(sum->lost, 2);
	assert_int_equal(sum->full, 7);
	assert_int_equal(sum->stale, 5);
	assert_int_equal(sum->overflow, 6);
	assert_int_equal(sum->clipped, 6);
	assert_int_equal(sum->raised, 8);
	assert_int_equal(sum->requested.count, 1314);
	assert_in_range(sum->requested.mean_ns, 57229832,
			57229833); /* (364 * 50 + 950 * 60) / 1314 = ...832.6 */
	assert_int_equal(sum->requested.bucket[247], 364);
	assert_int_equal(histogram_percentile(&sum->requested, 27), 50331648); /* rank 355 */
	assert_int_equal(histogram_percentile(&sum->requested, 28), 56623104); /* rank 368 */
	assert_int_equal(sum->late.max_ns, 171000);
	assert_int_equal(sum->chance[CHANCE_LOSS].drawn, 1526);
	assert_int_equal(sum->chance[CHANCE_LOSS].hit, 212);
	assert_int_equal(sum->chance[CHANCE_CORRUPT].drawn, 1314);
	assert_int_equal(sum->chance[CHANCE_CORRUPT].hit, 1);
	assert_true(sum->chance[CHANCE_CORRUPT].spread == 2);
	results_free(r);
}

static bool notes(const struct results *r, const char *what)
{
	for (size_t i = 0; i < r->n_notes; i++) {
		if (strstr(r->notes[i], what))
			return true;
	}
	return false;
}

/* The line's own losses are said, and leave the evidence as whole as it is. */
static void losses_of_the_line_are_noted(void **state)
{
	const struct sp_receipt clean = {
		.entered = 5, .returned = 5, .overflow = 3, .clipped = 2, .raised = 1};
	const struct sp_receipt lossy = {.entered = 9, .returned = 7, .full = 3};
	const struct sp_receipt stale = {.stale = 4};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	window_of(log, 1, 1000, &clean, &all);
	window_of(log, 2, 3000, &lossy, &all);
	window_of(log, 3, 5000, &stale, &all);
	up(log, 7000);
	put_event(log, 8000, "line", 0,
		  "{\"backend\":\"user\",\"realtime\":true,\"parcels\":64,\"memory\":4096,\"held_max\":9,"
		  "\"device_dropped\":2,\"memory_full\":1,\"write_failed\":0}");
	r = finish(dir, log);
	assert_int_equal(r->n_incomplete, 0);
	assert_true(r->balanced);
	assert_int_equal(r->n_notes, 3);
	assert_true(notes(
		r, "cut #2, target front: the delay line lost 5 packets apart from the fault (2 did not "
		   "come back, 3 found it full)"));
	assert_true(notes(r, "cut #3, target front: 4 packets passed undelayed"));
	assert_true(notes(r, "2 dropped by its devices, 1 without room in its memory, 0 that could not"));
	assert_string_equal(r->line->backend, "user");
	assert_true(r->line->realtime);
	assert_int_equal(r->line->parcels, 64);
	assert_int_equal(r->line->memory, 4096);
	assert_int_equal(r->line->held_max, 9);
	results_free(r);
}

static void many_losses_are_told_in_one_line(void **state)
{
	const struct sp_receipt lossy = {.entered = 9, .returned = 8};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	for (int i = 0; i < 33; i++)
		window_of(log, i + 1, 1000 + 2000 * i, &lossy, &all);
	up(log, 90000);
	r = finish(dir, log);
	assert_int_equal(r->n_notes, 21);
	assert_true(notes(r, "for 13 more windows"));
	assert_int_equal(r->fidelity[0].sum->lost, 33);
	results_free(r);
}

/* Logs from before there were receipts, and a window that has none beside one that has. */
static void logs_without_receipts_are_read(void **state)
{
	const struct receipt_request loss = {.loss = 0.05, .duplicate = -1, .corrupt = -1, .reorder = -1};
	const struct sp_receipt none_drawn = {0};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	window(log, 1, 1000, NULL);
	window(log, 2, 3000, "null");
	up(log, 7000);
	r = finish(dir, log);
	assert_int_equal(r->n_incomplete, 0);
	assert_null(r->windows[0]->parts[0].receipt);
	assert_null(r->windows[1]->parts[0].receipt);
	assert_int_equal(r->n_fidelity, 0);
	assert_null(r->line);
	results_free(r);
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);

	log = start(dir, two_windows);
	window(log, 1, 1000, NULL);
	window_of(log, 2, 3000, &none_drawn, &loss);
	up(log, 7000);
	r = finish(dir, log);
	assert_int_equal(r->n_incomplete, 0);
	assert_int_equal(r->fidelity[0].receipts, 1);
	assert_false(r->fidelity[0].sum->line);
	assert_int_equal(r->fidelity[0].sum->chance[CHANCE_LOSS].drawn, 0);
	assert_false(r->fidelity[0].sum->chance[CHANCE_LOSS].inside);
	results_free(r);
}

#define TIMES(count, more) "{\"count\":" count ",\"histogram\":" more "}"
#define LINE(entered, lost, requested)                                                                       \
	"{\"entered\":" entered ",\"returned\":1,\"lost\":" lost ",\"full\":0,\"stale\":0,\"overflow\":0,"   \
	"\"clipped\":0,\"raised\":0,\"requested\":" requested                                                \
	",\"achieved\":" TIMES("0", "[]") ",\"late\":" TIMES("0", "[]") "}"
#define CHANCE(chance) "{\"chance\":{\"loss\":" chance "}}"

/* Each is told, none is believed, and what else the event says is kept. */
static void odd_receipts_are_told(void **state)
{
	static const char *const odd[] = {
		"7",
		"\"x\"",
		"[]",
		"true",
		"{\"chance\":[]}",
		"{\"chance\":7}",
		"{\"entered\":null}",
		"{\"entered\":5}",
		LINE("-1", "0", TIMES("0", "[]")),
		LINE("1.5", "0", TIMES("0", "[]")),
		LINE("9223372036854775807", "9223372036854775806", TIMES("0", "[]")),
		LINE("281474976710656", "281474976710655", TIMES("0", "[]")),
		LINE("4", "0", TIMES("0", "[]")),
		LINE("4", "2", TIMES("0", "[]")),
		LINE("0", "-1", TIMES("0", "[]")),
		LINE("1", "0", "null"),
		LINE("1", "0", "[]"),
		LINE("1", "0", "{\"count\":0}"),
		LINE("1", "0", TIMES("0", "{}")),
		LINE("1", "0", TIMES("null", "[]")),
		LINE("1", "0", TIMES("1", "[]")),
		LINE("1", "0", TIMES("0", "[[0,1]]")),
		LINE("1", "0", TIMES("0", "[[0,0]]")),
		LINE("1", "0", TIMES("1", "[[1,1]]")),
		LINE("1", "0", TIMES("1", "[[-1,1]]")),
		LINE("1", "0", TIMES("2", "[[0,1],[0,1]]")),
		LINE("1", "0", TIMES("1", "[[0,-1],[1088,2]]")),
		LINE("1", "0", TIMES("1", "[[0]]")),
		LINE("1", "0", TIMES("1", "[7]")),
		LINE("1", "0", TIMES("1", "[[0.0,1.0]]")),
		LINE("1", "0", TIMES("1", "[[9223372036854775807,1]]")),
		LINE("1", "0", TIMES("1", "[[274877906944,1]]")),
		LINE("1", "0", TIMES("9223372036854775807", "[[0,9223372036854775807]]")),
		LINE("1", "0", TIMES("1", "[[0,1]],\"mean_ns\":-5")),
		LINE("1", "0", TIMES("1", "[[0,1]],\"max_ns\":\"5\"")),
		LINE("1", "0", TIMES("1", "[[0,1]],\"mean_ns\":9223372036854775807")),
		CHANCE("null"),
		CHANCE("7"),
		CHANCE("{}"),
		CHANCE("{\"requested\":0.5,\"drawn\":1,\"hit\":2}"),
		CHANCE("{\"requested\":0.5,\"drawn\":1,\"hit\":-1}"),
		CHANCE("{\"requested\":0.5,\"drawn\":-1,\"hit\":0}"),
		CHANCE("{\"requested\":0.5,\"drawn\":1.0,\"hit\":0}"),
		CHANCE("{\"requested\":0.5,\"drawn\":281474976710656,\"hit\":0}"),
		CHANCE("{\"requested\":0.5,\"drawn\":1}"),
		CHANCE("{\"requested\":\"5%\",\"drawn\":1,\"hit\":0}"),
		CHANCE("{\"requested\":1.01,\"drawn\":1,\"hit\":0}"),
		CHANCE("{\"requested\":-0.01,\"drawn\":1,\"hit\":0}"),
		CHANCE("{\"requested\":0.5,\"drawn\":1,\"hit\":0,\"spread\":0.5}"),
		CHANCE("{\"requested\":0.5,\"drawn\":1,\"hit\":0,\"spread\":1e300}"),
		CHANCE("{\"requested\":0.5,\"drawn\":1,\"hit\":0,\"spread\":null}"),
	};
	const struct run_dir *dir = *state;
	const size_t n = sizeof(odd) / sizeof(*odd);
	struct log *log = start(dir, two_windows);
	struct results *r;
	char text[64];
	size_t i;

	for (i = 0; i < n; i++)
		window(log, i + 1, 1000 + 1500 * i, odd[i]);
	up(log, 99000);
	r = finish(dir, log);
	assert_int_equal(r->n_windows, n);
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "cut #%zu, target front: the receipt is not as documented",
			 i + 1);
		if (!lacks(r, text))
			fail_msg("read as a receipt: %s", odd[i]);
		assert_null(r->windows[i]->parts[0].receipt);
		assert_int_equal(r->windows[i]->parts[0].n.matched, 5);
	}
	assert_int_equal(r->n_incomplete, n);
	assert_int_equal(r->n_fidelity, 0);
	results_free(r);
}

/* The largest numbers that are taken for measurements: the sums stay in range. */
static void large_receipts_add_up(void **state)
{
	static const char most[] =
		"{\"entered\":281474976710655,\"returned\":281474976710655,\"lost\":0,\"full\":0,"
		"\"stale\":281474976710655,\"overflow\":0,\"clipped\":0,\"raised\":0,\"requested\":"
		"{\"count\":281474976710655,\"mean_ns\":281474976710655,\"histogram\":[[266287972352,"
		"281474976710655]]},\"achieved\":" TIMES(
			"0", "[]") ",\"late\":"
				   "{\"count\":281474976710655,\"max_ns\":281474976710655,\"histogram\":[[0,"
				   "281474976710655]]},\"chance\":{\"loss\":{\"requested\":1,\"drawn\":"
				   "281474976710655,"
				   "\"hit\":281474976710655}}}";
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	const struct result_receipt *sum;
	struct results *r;

	for (int i = 0; i < 40; i++)
		window(log, i + 1, 1000 + 2000 * i, most);
	up(log, 99000);
	r = finish(dir, log);
	assert_int_equal(r->n_incomplete, 0);
	sum = r->fidelity[0].sum;
	assert_int_equal(sum->requested.count, 40 * 281474976710655ULL);
	assert_int_equal(sum->requested.mean_ns, 281474976710655ULL);
	assert_int_equal(histogram_percentile(&sum->requested, 99), 274877906944ULL);
	assert_int_equal(histogram_percentile(&sum->late, 99), 1088);
	assert_true(sum->chance[CHANCE_LOSS].inside);
	results_free(r);
}

static void odd_lines_are_told(void **state)
{
	static const char *const odd[] = {"{}", "[]", "{\"backend\":7}", "{\"backend\":null}"};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		put_event(log, 10 + i, "line", 0, "%s", odd[i]);
	r = finish_as(dir, log, "aborted");
	assert_true(lacks(r, "4 events don't have the data that they should have"));
	assert_null(r->line);
	results_free(r);
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);

	log = start(dir, two_windows);
	put_event(log, 10, "line", 0,
		  "{\"backend\":\"fq\",\"realtime\":7,\"parcels\":-1,\"device_dropped\":\"x\"}");
	r = finish_as(dir, log, "aborted");
	assert_int_equal(r->n_incomplete, 0);
	assert_string_equal(r->line->backend, "fq");
	assert_false(r->line->realtime);
	assert_int_equal(r->line->parcels, NO_NS);
	assert_int_equal(r->line->device_dropped, NO_NS);
	assert_int_equal(r->n_notes, 1); /* the windows that did not open */
	results_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_are_wilsons), IN_DIR(receipts_add_up),
		IN_DIR(losses_of_the_line_are_noted),    IN_DIR(many_losses_are_told_in_one_line),
		IN_DIR(logs_without_receipts_are_read),  IN_DIR(odd_receipts_are_told),
		IN_DIR(large_receipts_add_up),           IN_DIR(odd_lines_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
