/* SPDX-License-Identifier: BSD-2-Clause */
/* report.html: well-formed whatever the names are, marks where the results say, bounded, and nothing from outside. */
#include "unit/run_dir.h"

#include <inttypes.h>
#include <math.h>

#include "base/buf.h"
#include "base/timeutil.h"
#include "report/report.h"
#include "slo/slo.h"
#include "unit/made_up.h"
#include "unit/markup.h"
#include "unit/texts.h"

static char *render(struct results *r)
{
	struct buf out = {0};

	report_html(r, &out);
	assert_false(out.failed);
	return buf_take(&out);
}

static char *page(const struct made_up *what)
{
	struct results *r = made_up_results(what);
	char *text = render(r);

	results_free(r);
	return text;
}

static const struct made_up usual = {.windows = 3, .paths = 3, .attempts = 9, .changes = 2};

static void is_well_formed(void **state)
{
	const struct made_up several[] = {
		usual,
		{.windows = 0, .paths = 0},
		{.windows = 1,
		 .paths = 1,
		 .attempts = 1,
		 .changes = 2,
		 .last_unrecovered = true,
		 .incomplete = true},
		{.windows = 2, .paths = 40, .attempts = 3, .changes = 5, .last_unrecovered = true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(several) / sizeof(*several); i++) {
		char *text = page(&several[i]);

		check_form(text, NULL);
		free(text);
	}
}

/* Names that would be markup change no tag and no attribute of the page. */
static void names_are_no_markup(void **state)
{
	static const char *const names[] = {
		"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
		"' onload='alert(1)",        "</title></style><b>&amp;&#60;",
		"]]>--><!-- \x01\n\t\x7f",   "</textarea><svg/onload=alert(1)>",
	};
	struct made_up what = {.name = "harmless",
			       .windows = 3,
			       .paths = 3,
			       .attempts = 9,
			       .changes = 2,
			       .incomplete = true};
	struct buf expected = {0}, shape = {0};
	char *text = page(&what);

	(void)state;
	check_form(text, &expected);
	free(text);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		what.name = names[i];
		text = page(&what);
		buf_clear(&shape);
		check_form(text, &shape);
		assert_string_equal(shape.data, expected.data);
		assert_lacks(text, "<script");
		assert_lacks(text, "<img");
		assert_lacks(text, "<b>&amp;&");
		free(text);
	}
	buf_free(&expected);
	buf_free(&shape);
}

static void text_direction_stays(void **state)
{
	struct made_up what = usual;
	char *text;

	(void)state;
	what.name = "front\xe2\x80\xae"
		    "99p\xe2\x81\xa7 Z\xc3\xbcrich \xe2\x82\xac";
	text = page(&what);
	assert_lacks(text, "\xe2\x80\xae");
	assert_lacks(text, "\xe2\x81\xa7");
	assert_has(text, "front 99p  Z\xc3\xbcrich \xe2\x82\xac");
	free(text);
}

static void needs_nothing_from_outside(void **state)
{
	static const char *const outside[] = {"http://", "https://", "<script", " src=",   "url(",
					      "@import", "@font",    "<iframe", "<object", "javascript:"};
	struct made_up what = usual;
	char *text = page(&what);

	(void)state;
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		assert_lacks(text, outside[i]);
	assert_has(text, "default-src 'none'");
	assert_int_equal(count_of(text, "<style>"), 1);
	free(text);
}

static void same_results_same_bytes(void **state)
{
	struct results *r = made_up_results(&usual);
	char *first = render(r), *second = render(r);

	(void)state;
	assert_string_equal(first, second);
	free(first);
	free(second);
	results_free(r);
}

/* Where the drawing of the time line puts a time, in percent. */
static double place(const char *text, uint64_t ns)
{
	const char *svg = strstr(text, "<svg id=\"time-line\"");
	uint64_t from = attribute_ns(svg, "data-from-ns"), to = attribute_ns(svg, "data-to-ns");

	return 100.0 * (ns - from) / (to - from);
}

static void check_place(const char *text, const char *tag, const char *name, double expected)
{
	double found = strtod(attribute(tag, name), NULL);

	(void)text;
	if (fabs(found - expected) > 0.0002)
		fail_msg("%s is %f, not %f: %.100s", name, found, expected, tag);
}

static void windows_are_in_their_places(void **state)
{
	char *text = page(&usual), *tag = text;
	uint64_t opened, closed;
	unsigned n;

	(void)state;
	for (n = 0; (tag = strstr(tag, "<rect class=\"window\"")); n++, tag++) {
		opened = attribute_ns(tag, "data-opened-ns");
		closed = attribute_ns(tag, "data-closed-ns");
		assert_int_equal(opened, made_up_ns(60000 * n));
		assert_int_equal(closed, made_up_ns(60000 * n + 20000));
		assert_int_equal(strtoul(attribute(tag, "data-instance"), NULL, 10), n + 1);
		check_place(text, tag, "x", place(text, opened));
		check_place(text, tag, "width", place(text, closed) - place(text, opened));
	}
	assert_int_equal(n, 3);
	assert_int_equal(count_of(text, "<rect class=\"band\""), 3);
	assert_int_equal(count_of(text, "class=\"lane step\""), 1);
	free(text);
}

static void attempts_are_in_their_places(void **state)
{
	char *text = page(&usual), *tag = text;
	uint64_t last = 0, ns;
	unsigned n;

	(void)state;
	for (n = 0; (tag = strstr(tag, "<line class=\"try\" x1=\"")); tag++) {
		if (tag[strlen("<line class=\"try\" x1=\"9")] == '"')
			continue; /* the legend's */
		ns = attribute_ns(tag, "data-ns");
		check_place(text, tag, "x1", place(text, ns));
		last = ns > last ? ns : last;
		n++;
	}
	assert_int_equal(n, 3 * (9 + 4 + 4));
	assert_true(last > made_up_ns(120000));
	assert_int_equal(count_of(text, "class=\"lane path\""), 3);
	assert_int_equal(count_of(text, "class=\"lane probe\""), 2);
	free(text);
}

static void recoveries_have_marks_and_events(void **state)
{
	struct made_up what = usual;
	struct results *r = made_up_results(&what);
	char *text = render(r);
	char expected[160];

	(void)state;
	assert_int_equal(count_of(text, "data-kind=\"back\""), 3 * (2 + 3));
	assert_int_equal(count_of(text, "data-kind=\"seen\""), 3 * 2);
	assert_int_equal(count_of(text, "data-kind=\"hit\""), 3 * 3);
	assert_int_equal(count_of(text, "data-kind=\"reset\""), 3);
	assert_int_equal(count_of(text, "data-kind=\"refused\""), 3);
	assert_int_equal(count_of(text, "data-kind=\"lost\""), 0);
	snprintf(expected, sizeof(expected),
		 "data-kind=\"back\" data-ns=\"%" PRIu64 "\" data-seq=\"%" PRIu64 "\"",
		 r->windows[1]->probes[1].healthy_at, r->windows[1]->probes[1].healthy_seq);
	assert_has(text, expected);
	snprintf(expected, sizeof(expected),
		 "<td class=\"n\">3.300 <span class=\"seq\">#%" PRIu64 "</span></td>",
		 r->windows[1]->probes[1].healthy_seq);
	assert_has(text, expected);
	results_free(r);
	free(text);
}

static void censored_samples_stand_apart(void **state)
{
	struct made_up what = usual;
	char *text;

	(void)state;
	what.last_unrecovered = true;
	text = page(&what);
	assert_int_equal(count_of(text, "data-kind=\"lost\""), 2 + 1);
	assert_int_equal(count_of(text, "class=\"dot never\""), 2 + 1);
	assert_has(text, "data-by=\"probe\" data-samples=\"6\" data-censored=\"2\"");
	assert_has(text, "data-by=\"flow\" data-samples=\"9\" data-censored=\"1\"");
	assert_has(text, "<td class=\"n bad\">never</td>");
	assert_has(text, "1 of 3 objectives missed: recovery_p99 has 2 of 6 samples without a value (asked "
			 "&lt;= 10 s).");
	assert_has(text, "class=\"verdict bad\" id=\"verdict\" data-outcome=\"slo-missed\" "
			 "data-complete=\"true\">SLO MISSED<");
	free(text);
}

/* They touched nothing that could have come back. */
static void shadows_are_no_samples(void **state)
{
	struct made_up what = usual;
	struct results *r;
	char *text;

	(void)state;
	what.last_unrecovered = true;
	r = made_up_results(&what);
	for (size_t i = 1; i < r->n_windows; i++) {
		r->windows[i]->shadow = true;
		for (size_t k = 0; k < r->windows[i]->n_flows; k++)
			r->windows[i]->flows[k].is_hit = r->windows[i]->flows[k].censored = false;
	}
	text = render(r);
	assert_has(text, "data-by=\"probe\" data-samples=\"2\" data-censored=\"0\"");
	assert_int_equal(count_of(text, "class=\"band\""), 1);
	assert_int_equal(count_of(text, "class=\"dot never\""), 0);
	assert_int_equal(count_of(text, ">never<"), 0);
	free(text);
	results_free(r);
}

static void limits_are_drawn(void **state)
{
	char *text = page(&usual), *svg = strstr(text, "data-by=\"probe\""),
	     *tag = strstr(svg, "class=\"target\"");
	uint64_t to = attribute_ns(strstr(svg, "<svg"), "data-to-ns");

	(void)state;
	assert_non_null(tag);
	assert_int_equal(attribute_ns(tag, "data-limit-ns"), 10 * NS_PER_S);
	check_place(text, strstr(tag, "<line class=\"limit\""), "x1", 100.0 * 10 * NS_PER_S / to);
	assert_int_equal(count_of(svg, "class=\"target\""), 1);
	free(text);
}

/* A limit that would make a single point of all samples has its name at the right end, and no line. */
static void far_limits_are_named(void **state)
{
	struct results *r = made_up_results(&usual);
	char *text, *svg;

	(void)state;
	r->slos[0].limit = 600 * NS_PER_S;
	text = render(r);
	check_form(text, NULL);
	svg = strstr(text, "data-by=\"probe\"");
	assert_true(attribute_ns(strstr(svg, "<svg"), "data-to-ns") < 10 * NS_PER_S);
	assert_int_equal(attribute_ns(strstr(svg, "class=\"target\""), "data-limit-ns"), 600 * NS_PER_S);
	assert_int_equal(count_of(text, "class=\"limit\""), 0);
	assert_has(svg, "recovery_p99 &lt;= 10 s \xe2\x86\x92</text>");
	free(text);
	results_free(r);
}

/* A limit is for the samples that its objective is about. */
static void a_sample_is_late_for_its_own_limit(void **state)
{
	struct results *r = made_up_results(&usual);
	char *text;

	(void)state;
	r->slos[0].limit = 1;
	r->slos[0].probe = r->probes[1].name;
	text = render(r);
	assert_int_equal(count_of(text, "class=\"dot late\""), r->n_windows);
	assert_has(text, r->probes[1].name);
	free(text);
	r->slos[0].by_flow = true;
	r->slos[0].probe = NULL;
	r->slos[0].target = "nobody's";
	text = render(r);
	assert_int_equal(count_of(text, "class=\"dot late\""), 0);
	free(text);
	results_free(r);
}

/* An end of the baseline that the log puts far from the run would have the axis drawn from there. */
static void the_axis_stays_within_the_run(void **state)
{
	const uint64_t zeros[] = {1, INT64_MAX};
	struct results *r = made_up_results(&usual);
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(zeros) / sizeof(*zeros); i++) {
		r->zero_ns = zeros[i];
		text = render(r);
		check_form(text, NULL);
		assert_int_equal(attribute_ns(strstr(text, "<svg id=\"time-line\""), "data-zero-ns"),
				 r->start_ns);
		free(text);
	}
	results_free(r);
}

static void incomplete_comes_first(void **state)
{
	struct made_up what = usual;
	char *text;

	(void)state;
	what.incomplete = true;
	text = page(&what);
	assert_has(text, "<title>INCOMPLETE, PASS: ctp-reconnect</title>");
	assert_true(strstr(text, "<strong>INCOMPLETE</strong>") < strstr(text, "<h1>"));
	assert_has(text, "<li>disconnect #1, target front: the log has no fault.close</li>");
	assert_has(text,
		   "class=\"verdict warn\" id=\"verdict\" data-outcome=\"pass\" data-complete=\"false\"");
	free(text);
	text = page(&usual);
	assert_lacks(text, "INCOMPLETE");
	assert_has(text, "class=\"verdict pass\"");
	free(text);
}

static uint64_t sum_counts(const char *text, const char *tag)
{
	uint64_t sum = 0;

	for (; (text = strstr(text, tag)); text++)
		sum += attribute_ns(text, "data-count");
	return sum;
}

/* More than can be drawn one by one is summed up, and the page says so; nothing is left out of the sums. */
static void size_is_bounded(void **state)
{
	static const struct made_up much = {
		.windows = 4000, .paths = 60, .attempts = 2000, .changes = 40, .last_unrecovered = true};
	struct made_up many = {.windows = 1, .paths = 1, .attempts = 3000, .changes = 2};
	char *text = page(&much);

	(void)state;
	check_form(text, NULL);
	if (strlen(text) > 3000000)
		fail_msg("%zu bytes", strlen(text));
	assert_has(text, "Where there are too many to draw one by one");
	assert_has(text, " of 4000 windows; results.json has all of them.");
	assert_has(text, "and 40 more paths, in the tables below");
	assert_int_equal(count_of(text, "<rect class=\"window\""), 0);
	assert_int_equal(sum_counts(text, "<rect class=\"bars\""), 4000 * 2 - 2 + 4000 * 60 - 1);
	assert_has(text, "<td class=\"n bad\">never</td>"); /* of flows: what is worst is shown */
	free(text);
	text = page(&many);
	assert_int_equal(sum_counts(text, "<rect class=\"tries\""), 3000);
	assert_has(text, "<td class=\"bad\">storm</td>");
	free(text);
}

/* A log that ends early: windows that are open, nothing known of the run's times. */
static void open_windows_last_to_the_end(void **state)
{
	struct results *r = made_up_results(&usual);
	char *text, *tag;

	(void)state;
	r->windows[2]->closed_ns = r->windows[2]->closed_ts_ns = NO_NS;
	r->windows[2]->closed = r->windows[2]->parts[0].closed = false;
	r->windows[2]->parts[0].closed_ns = r->windows[2]->parts[0].closed_ts_ns = NO_NS;
	r->end_ns = r->end_ts_ns = NO_NS;
	text = render(r);
	check_form(text, NULL);
	tag = strstr(strstr(text, "data-instance=\"2\" data-opened-ns"), "<rect class=\"window\"");
	assert_memory_equal(attribute(tag, "data-closed-ns"), "\"", 1);
	check_place(text, tag, "width", 100 - strtod(attribute(tag, "x"), NULL));
	free(text);
	r->start_ns = r->zero_ns = NO_NS;
	text = render(r);
	check_form(text, NULL);
	free(text);
	results_free(r);
}

static void nothing_is_no_page_full_of_zeros(void **state)
{
	struct results *r = results_new();
	char *text = render(r);

	(void)state;
	check_form(text, NULL);
	assert_has(text, "The scenario sets no objective. No fault window opened.");
	assert_lacks(text, "id=\"time-line\"");
	assert_lacks(text, "18446744073709551615");
	free(text);
	results_free(r);
}

/* A recorded run with delays: tables and pictures of its receipts. */
static void receipts_are_drawn(void **state)
{
	int fd = open("tests/unit/recorded/bent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct results *r = NULL;
	char *text, *tag;

	(void)state;
	assert_int_equal(slo_compute(fd, "bent", &r), 0);
	text = render(r);
	check_form(text, NULL);
	assert_int_equal(count_of(text, "data-kind=\"delay\""), 1); /* that of combined is constant */
	assert_int_equal(count_of(text, "data-kind=\"error\""), 2);
	tag = strstr(text, "data-kind=\"error\"");
	*strstr(tag, "</figure>") = '\0';
	assert_int_equal(sum_counts(tag, "<rect class=\"bars\""), 12297);
	results_free(r);
	free(text);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_well_formed),
		cmocka_unit_test(names_are_no_markup),
		cmocka_unit_test(text_direction_stays),
		cmocka_unit_test(needs_nothing_from_outside),
		cmocka_unit_test(same_results_same_bytes),
		cmocka_unit_test(windows_are_in_their_places),
		cmocka_unit_test(attempts_are_in_their_places),
		cmocka_unit_test(recoveries_have_marks_and_events),
		cmocka_unit_test(censored_samples_stand_apart),
		cmocka_unit_test(shadows_are_no_samples),
		cmocka_unit_test(limits_are_drawn),
		cmocka_unit_test(far_limits_are_named),
		cmocka_unit_test(a_sample_is_late_for_its_own_limit),
		cmocka_unit_test(the_axis_stays_within_the_run),
		cmocka_unit_test(incomplete_comes_first),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(open_windows_last_to_the_end),
		cmocka_unit_test(nothing_is_no_page_full_of_zeros),
		cmocka_unit_test(receipts_are_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
