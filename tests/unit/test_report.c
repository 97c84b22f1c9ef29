/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports of the runs in tests/unit/recorded, byte for byte; and what they say of incomplete evidence. After a
 * deliberate change of a report, in that directory: `shearpin report ctp -o ctp/report.md`, read the difference, and the
 * same with --format json and ctp/results.json; and all that for `bent`, too.
 */
#include "unit/run_dir.h"

#include <errno.h>
#include <jansson.h>

#include "base/buf.h"
#include "report/chart.h"
#include "report/md.h"
#include "report/report.h"
#include "slo/slo.h"
#include "unit/md_tables.h"
#include "unit/texts.h"

static int open_run(const char *run)
{
	int recorded = open("tests/unit/recorded", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(recorded, run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(recorded);
	return fd;
}

static void check_golden(const char *run, const char *name,
			 void (*make)(const struct results *results, struct buf *out))
{
	struct results *r = NULL;
	struct buf out = {0};
	int fd = open_run(run);
	char *expected = get_file(fd, name, NULL);

	assert_int_equal(slo_compute(fd, run, &r), 0);
	make(r, &out);
	assert_false(out.failed);
	assert_string_equal(out.data, expected);
	buf_free(&out);
	results_free(r);
	free(expected);
	close(fd);
}

static void markdown_is_golden(void **state)
{
	(void)state;
	check_golden("ctp", "report.md", report_markdown);
	check_golden("bent", "report.md", report_markdown);
}

static void json_is_golden(void **state)
{
	(void)state;
	check_golden("ctp", "results.json", report_json);
	check_golden("bent", "results.json", report_json);
}

/* A run, with its log cut after `lines` lines and `bytes` more bytes, as Markdown. */
static char *report_of_cut_run(const struct run_dir *dir, const char *run, int lines, size_t bytes)
{
	int fd = open_run(run);
	char *plan = get_file(fd, "plan.json", NULL), *log = get_file(fd, "events.jsonl", NULL), *end = log;
	struct results *r = NULL;
	struct buf out = {0};

	while (lines--)
		end = strchr(end, '\n') + 1;
	put_file(dir->fd, "plan.json", plan, strlen(plan));
	put_file(dir->fd, "events.jsonl", log, end + bytes - log);
	assert_int_equal(slo_compute(dir->fd, "ctp", &r), 0);
	report_markdown(r, &out);
	results_free(r);
	free(plan);
	free(log);
	close(fd);
	return buf_take(&out);
}

static char *report_of_cut_log(const struct run_dir *dir, int lines, size_t bytes)
{
	return report_of_cut_run(dir, "ctp", lines, bytes);
}

static void first_line_says_incomplete(void **state)
{
	char *text = report_of_cut_log(*state, 9, 30);
	static const char first[] =
		"INCOMPLETE: events.jsonl ends in the middle of a line (and 2 more, see Logs "
		"and Evidence)\n\n# Reconnect Fault Injection Result\n\n## Metadata\n";

	assert_memory_equal(text, first, sizeof(first) - 1);
	assert_has(text, "- INCOMPLETE: the log has no run.end: the run was not ended in order\n");
	assert_has(text, "- INCOMPLETE: disconnect #1, target front: the log has no fault.close\n");
	assert_has(text, "- [ ] The evidence is complete");
	assert_has(text,
		   "- [ ] No fault acted outside its window, and all counters add up (a closing is not");
	assert_has(text, "| 2026-11-22T00:40:00.000Z | - | no | - | ");
	assert_has(text, "| disconnect #1 | front | - | - | - |");
	free(text);
}

/* A run without windows has no value anywhere, and no box is ticked for it. */
static void what_was_not_measured_is_no_zero(void **state)
{
	char *text = report_of_cut_log(*state, 3, 0);

	assert_has(text,
		   "- Samples: 0\n- Recovery P99 (s): -\n- Target P99 (s): 20.000\n- Meets target: no\n");
	assert_has(text, "- [ ] Every window was followed by a recovery (no window opened)\n");
	assert_has(text, "- [ ] Recovery P99 is within the target (nothing was measured)\n");
	assert_null(strstr(text, "[x]"));
	assert_has(text, "| gateway | 0 | 0 | 0 | 0 | - | - | - | - | 0 | - |\n");
	free(text);
}

static void tables_are_well_formed(void **state)
{
	char *text = report_of_cut_log(*state, 28, 0);

	assert_true(check_tables(text) > 20);
	free(text);
	text = report_of_cut_run(*state, "bent", 27, 0);
	assert_true(check_tables(text) > 40);
	free(text);
}

static void fill(struct histogram *h, uint64_t ns, uint64_t count)
{
	unsigned bucket = 0;

	while (histogram_high(bucket) <= ns)
		bucket++;
	h->bucket[bucket] += count;
	h->count += count;
}

static void check_chart(const struct histogram *a, const struct histogram *b, unsigned low, unsigned high,
			bool octaves, const char *expected)
{
	const struct chart_series series[] = {{"first", a}, {"second", b}};
	struct buf out = {0};

	chart(&out, series, b ? 2 : 1, low, high, octaves);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void charts_have_their_rows(void **state)
{
	struct histogram a, b;

	(void)state;
	histogram_clear(&a);
	histogram_clear(&b);
	fill(&a, 100, 1);
	fill(&a, 2000, 999);
	fill(&a, 2 << 20, 3000);
	check_chart(&a, NULL, 0, 16 * 11, true,
		    "                             first\n"
		    "           0s - 2.3us 25.0 % ################\n"
		    "      1.18ms - 2.23ms 75.0 % ################################################\n");
	fill(&b, 2000, 1);
	check_chart(&a, &b, 15, 15, false,
		    "                             first                           second\n"
		    "         below 1.98us <0.1 % .                         0.0 %\n"
		    "      1.98us - 2.05us 25.0 % ######                  100.0 % ########################\n"
		    "         above 2.05us 75.0 % ##################        0.0 %\n");
}

static void check_text(const char *text, const char *expected)
{
	struct buf out = {0};

	md_text(&out, text);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void text_is_escaped(void **state)
{
	(void)state;
	check_text(NULL, "-");
	check_text("", "-");
	check_text("a|b\\c`d*e[f]", "a\\|b\\\\c\\`d\\*e\\[f\\]");
	check_text("<b>&amp;", "&lt;b>&amp;amp;");
	check_text("config_profile _x_", "config_profile \\_x\\_");
	check_text("two\nlines\r\x7f", "two lines  ");
	check_text("Zürich €", "Zürich €");
}

static void check_seconds(uint64_t ns, const char *expected)
{
	struct buf out = {0};

	md_seconds(&out, ns);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void check_millis(int64_t ns, const char *expected)
{
	struct buf out = {0};

	md_millis(&out, ns);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void numbers_are_rounded(void **state)
{
	(void)state;
	check_seconds(NO_NS, "-");
	check_seconds(0, "0.000");
	check_seconds(499999, "0.000");
	check_seconds(500000, "0.001");
	check_seconds(999999999, "1.000");
	check_seconds(12345678901, "12.346");
	check_millis(0, "0.000");
	check_millis(1234567, "1.234");
	check_millis(-1234567, "-1.234");
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markdown_is_golden),  cmocka_unit_test(json_is_golden),
		IN_DIR(first_line_says_incomplete),    IN_DIR(what_was_not_measured_is_no_zero),
		IN_DIR(tables_are_well_formed),        cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(numbers_are_rounded), cmocka_unit_test(charts_have_their_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
