/* SPDX-License-Identifier: BSD-2-Clause */
/* From the kernel's counts to the JSON of the event: buckets, percentiles, means, shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "evidence/histogram.h"
#include "evidence/receipt.h"
#include "histogram.bpf.h"

#define NONE HISTOGRAM_NONE
#define THRESHOLD(share) ((uint64_t)((share)*4294967296.0 + 0.5) / 4294967296.0)

/* 2^10, then 1/16 of an octave each; worked out by hand. */
static void buckets_have_their_ends(void **state)
{
	static const struct {
		unsigned bucket;
		uint64_t low, high;
	} cases[] = {
		{0, 0, 1088},
		{1, 1088, 1152},
		{15, 1984, 2048},
		{16, 2048, 2176},
		{247, 48234496, 50331648},         /* 50 ms */
		{284, 234881024, 243269632},       /* 240 ms */
		{447, 266287972352, 274877906944}, /* the last */
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(histogram_low(cases[i].bucket), cases[i].low);
		assert_int_equal(histogram_high(cases[i].bucket), cases[i].high);
		assert_int_equal(histogram_find(cases[i].low), cases[i].bucket);
		assert_int_equal(bucket_of(cases[i].high - 1), cases[i].bucket);
	}
	for (i = 1; i < HISTOGRAM_BUCKETS; i++) {
		assert_int_equal(histogram_low(i), histogram_high(i - 1));
		assert_int_equal(bucket_of(histogram_low(i)), i);
		assert_int_equal(bucket_of(histogram_low(i) - 1), i - 1);
		assert_true(i < 16 || (histogram_high(i) - histogram_low(i)) * 16 <= histogram_low(i));
	}
	assert_int_equal(bucket_of(UINT64_MAX), 447);
	assert_int_equal(histogram_find(1), HISTOGRAM_BUCKETS);
	assert_int_equal(histogram_find(1025), HISTOGRAM_BUCKETS);
	assert_int_equal(histogram_find(274877906944), HISTOGRAM_BUCKETS);
}

static void percentiles_are_upper_ends(void **state)
{
	__u64 buckets[HISTOGRAM_BUCKETS] = {0};
	struct histogram h;

	(void)state;
	histogram_fill(&h, buckets, 0, 0);
	assert_int_equal(histogram_percentile(&h, 50), NONE);
	assert_int_equal(h.mean_ns, NONE);
	assert_int_equal(h.max_ns, NONE);
	buckets[1] = 50;
	buckets[2] = 49;
	buckets[5] = 1;
	histogram_fill(&h, buckets, 112350, NONE);
	assert_int_equal(h.count, 100);
	assert_int_equal(h.mean_ns, 1124); /* 1123.5 */
	assert_int_equal(histogram_percentile(&h, 1), 1152);
	assert_int_equal(histogram_percentile(&h, 50), 1152);
	assert_int_equal(histogram_percentile(&h, 51), 1216);
	assert_int_equal(histogram_percentile(&h, 99), 1216);
	assert_int_equal(histogram_percentile(&h, 100), 1408);
	buckets[5] = 2;
	histogram_fill(&h, buckets, 112349, 1350);
	assert_int_equal(h.mean_ns, 1112); /* 112349 / 101 = 1112.37 */
	assert_int_equal(histogram_percentile(&h, 50), 1216);
	assert_int_equal(histogram_percentile(&h, 99), 1350); /* rank 100 of 101 */
	assert_int_equal(histogram_percentile(&h, 100), 1350);
	/* More than 32 bits hold, in each. */
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		buckets[i] = 10000000000;
	histogram_fill(&h, buckets, NONE, NONE);
	assert_int_equal(h.count, 448 * 10000000000);
	assert_int_equal(histogram_percentile(&h, 50), histogram_high(223));
	assert_int_equal(histogram_percentile(&h, 100), histogram_high(447));
}

static void sums_are_those_of_all(void **state)
{
	__u64 one[HISTOGRAM_BUCKETS] = {[3] = 3, [7] = 1}, two[HISTOGRAM_BUCKETS] = {[7] = 5};
	struct histogram sum, h;

	(void)state;
	histogram_clear(&sum);
	histogram_clear(&h);
	histogram_add(&sum, &h);
	assert_int_equal(sum.count, 0);
	histogram_fill(&h, one, 5200, 1500);
	histogram_add(&sum, &h);
	histogram_fill(&h, two, 7500, 1505);
	histogram_add(&sum, &h);
	assert_int_equal(sum.count, 9);
	assert_int_equal(sum.bucket[3], 3);
	assert_int_equal(sum.bucket[7], 6);
	assert_int_equal(sum.mean_ns, 1411); /* 12700 / 9 = 1411.1 */
	assert_int_equal(sum.max_ns, 1505);
	assert_int_equal(histogram_percentile(&sum, 33), 1280);
	assert_int_equal(histogram_percentile(&sum, 34), 1505);
	histogram_fill(&h, two, NONE, NONE);
	histogram_add(&sum, &h);
	assert_int_equal(sum.mean_ns, NONE);
	assert_int_equal(sum.max_ns, NONE);
	assert_int_equal(sum.count, 14);
}

static bool near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

/* (1 % * 50 % + 4 % * 1 %) / 5 % = 10.8 %; f = 0.16 * 0.49^2 / (0.108 * 0.892) = 0.398771...; 1 + 2 f 0.95 / 0.05. */
static void chains_have_their_shares(void **state)
{
	(void)state;
	assert_true(near(receipt_gemodel_loss(0.01, 0.25, 1, 0), 0.01 / 0.26));
	assert_true(near(receipt_gemodel_loss(0.01, 0.04, 0.5, 0.01), 0.108));
	assert_true(near(receipt_gemodel_spread(0.01, 0.25, 1, 0), 1.74 / 0.26));
	assert_true(near(receipt_gemodel_spread(0.01, 0.04, 0.5, 0.01), 1 + 38 * 0.038416 / 0.096336));
	assert_true(near(receipt_gemodel_spread(0.4, 0.6, 1, 0), 1)); /* no memory */
	assert_true(near(receipt_gemodel_spread(1, 1, 1, 0), 1));     /* every other one */
	assert_true(near(receipt_gemodel_spread(0.1, 0.1, 1, 1), 1)); /* nothing varies */
	assert_true(near(receipt_correlated(0), 1));
	assert_true(near(receipt_correlated(0.25), 5.0 / 3));
	assert_true(near(receipt_correlated(1), RECEIPT_MAX_SPREAD));
}

static void expect_receipt(const struct sp_receipt *receipt, const struct receipt_request *asked,
			   const char *expected)
{
	struct buf out = {0};
	struct json j;

	json_begin(&j, &out);
	json_object(&j, NULL);
	receipt_write(&j, receipt, asked);
	json_end_object(&j);
	assert_false(out.failed);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void whole_receipt_is_written(void **state)
{
	const struct receipt_request asked = {
		.loss = THRESHOLD(0.05),
		.duplicate = THRESHOLD(0.01),
		.corrupt = 1,
		.reorder = THRESHOLD(0.25),
		.reorder_spread = 1.5,
		.line = true,
	};
	const struct sp_receipt r = {
		.chance = {[SP_CHANCE_LOSS] = {100, 4},
			   [SP_CHANCE_DUPLICATE] = {96, 1},
			   [SP_CHANCE_CORRUPT] = {96, 96},
			   [SP_CHANCE_REORDER] = {97, 25}},
		.entered = 97,
		.returned = 95,
		.full = 1,
		.stale = 2,
		.overflow = 3,
		.clipped = 4,
		.raised = 5,
		.requested_sum_ns = 97 * 50000000ULL,
		.achieved_sum_ns = 95 * 50100000ULL,
		.late_max_ns = 170000,
		.requested = {[247] = 97},
		.achieved = {[247] = 90, [248] = 5},
		.late = {[0] = 90, [116] = 5},
	};

	(void)state;
	expect_receipt(
		&r, &asked,
		"{\"receipt\":{\"requested\":{\"count\":97,\"mean_ns\":50000000,\"p50_ns\":50331648,\"p99_"
		"ns\":"
		"50331648,\"histogram\":[[48234496,97]]},\"achieved\":{\"count\":95,\"mean_ns\":50100000,"
		"\"p50_ns\":50331648,\"p99_ns\":52428800,\"histogram\":[[48234496,90],[50331648,5]]},"
		"\"late\":{"
		"\"count\":95,\"p50_ns\":1088,\"p99_ns\":170000,\"max_ns\":170000,\"histogram\":[[0,90],["
		"163840,"
		"5]]},\"entered\":97,\"returned\":95,\"lost\":2,\"full\":1,\"stale\":2,\"overflow\":3,"
		"\"clipped\":4,\"raised\":5,\"chance\":{\"loss\":{\"requested\":0.05,\"drawn\":100,\"hit\":4}"
		","
		"\"duplicate\":{\"requested\":0.01,\"drawn\":96,\"hit\":1},\"corrupt\":{\"requested\":1,"
		"\"drawn\":96,\"hit\":96},\"reorder\":{\"requested\":0.25,\"drawn\":97,\"hit\":25,\"spread\":"
		"1."
		"5}}}}");
}

static void only_what_was_asked_is_written(void **state)
{
	struct receipt_request asked = {.loss = -1, .duplicate = -1, .corrupt = -1, .reorder = -1};
	struct sp_receipt r = {.entered = 1, .returned = 2};

	(void)state;
	expect_receipt(&r, &asked, "{\"receipt\":{\"chance\":{}}}");
	asked.loss = 1 / 4294967296.0; /* the least that can be asked for: finer than the decimals */
	expect_receipt(&r, &asked,
		       "{\"receipt\":{\"chance\":{\"loss\":{\"requested\":2.3283064365386963e-10,\"drawn\":0,"
		       "\"hit\":0}}}}");
	asked.loss = -1;
	asked.line = true;
	expect_receipt(
		&r, &asked,
		"{\"receipt\":{\"requested\":{\"count\":0,\"mean_ns\":null,\"p50_ns\":null,\"p99_ns\":null,"
		"\"histogram\":[]},\"achieved\":{\"count\":0,\"mean_ns\":null,\"p50_ns\":null,\"p99_ns\":"
		"null,\"histogram\":[]},\"late\":{\"count\":0,\"p50_ns\":null,\"p99_ns\":null,\"max_ns\":"
		"null,\"histogram\":[]},\"entered\":1,\"returned\":2,\"lost\":0,\"full\":0,\"stale\":0,"
		"\"overflow\":0,\"clipped\":0,\"raised\":0,\"chance\":{}}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_have_their_ends),  cmocka_unit_test(percentiles_are_upper_ends),
		cmocka_unit_test(sums_are_those_of_all),    cmocka_unit_test(chains_have_their_shares),
		cmocka_unit_test(whole_receipt_is_written), cmocka_unit_test(only_what_was_asked_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
