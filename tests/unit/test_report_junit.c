/* SPDX-License-Identifier: BSD-2-Clause */
/* junit.xml, and the XML that it is made of. That parsers take it is shown by tests/lab/test_reports.py. */
#include "unit/made_results.h"

#include "base/buf.h"
#include "report/report.h"
#include "report/xml.h"

static void check_xml(const char *text, const char *in_text, const char *in_attribute)
{
	struct buf out = {0}, expected = {0};
	struct xml x;

	xml_begin(&x, &out);
	xml_open(&x, "a");
	xml_attr(&x, "b", text);
	xml_text(&x, text);
	xml_close(&x);
	buf_printf(&expected, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"%s\">%s</a>\n",
		   in_attribute, in_text);
	assert_false(out.failed);
	assert_string_equal(out.data, expected.data);
	buf_free(&out);
	buf_free(&expected);
}

#define NO_CHARACTER "\xef\xbf\xbd"

static void text_is_escaped(void **state)
{
	(void)state;
	check_xml("", "", "");
	check_xml("plain Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x93\x8c",
		  "plain Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x93\x8c",
		  "plain Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x93\x8c");
	check_xml("<a&b>\"'", "&lt;a&amp;b&gt;\"'", "&lt;a&amp;b&gt;&quot;'");
	check_xml("]]>", "]]&gt;", "]]&gt;");
	check_xml("\t\n\r", "\t\n&#13;", "&#9;&#10;&#13;");
}

/* Section 2.2 of XML 1.0: no control character but these three, no surrogate, neither U+FFFE nor U+FFFF. */
static void what_is_no_character_is_replaced(void **state)
{
	(void)state;
	check_xml("a\x01z\x1b[31m", "a" NO_CHARACTER "z" NO_CHARACTER "[31m",
		  "a" NO_CHARACTER "z" NO_CHARACTER "[31m");
	check_xml("\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd", NO_CHARACTER NO_CHARACTER NO_CHARACTER,
		  NO_CHARACTER NO_CHARACTER NO_CHARACTER);
	check_xml("\xff\xc3", NO_CHARACTER NO_CHARACTER, NO_CHARACTER NO_CHARACTER);
	check_xml("\xed\xa0\x80", NO_CHARACTER NO_CHARACTER NO_CHARACTER,
		  NO_CHARACTER NO_CHARACTER NO_CHARACTER);
	check_xml("\x7f\xc2\x80", "\x7f\xc2\x80", "\x7f\xc2\x80");
}

static void elements_nest(void **state)
{
	struct buf out = {0};
	struct xml x;

	(void)state;
	xml_begin(&x, &out);
	xml_open(&x, "a");
	xml_attr_u64(&x, "n", UINT64_MAX);
	xml_attr_seconds(&x, "t", 12345678901);
	xml_open(&x, "b");
	xml_attr(&x, "none", NULL);
	xml_close(&x);
	xml_open(&x, "c");
	xml_text(&x, "d");
	xml_close(&x);
	xml_close(&x);
	assert_string_equal(out.data, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				      "<a n=\"18446744073709551615\" t=\"12.346\">\n"
				      "  <b none=\"\"/>\n"
				      "  <c>d</c>\n"
				      "</a>\n");
	assert_false(out.failed);
	xml_close(&x);
	assert_true(out.failed);
	buf_free(&out);
}

static void too_deep_is_no_document(void **state)
{
	struct buf out = {0};
	struct xml x;

	(void)state;
	xml_begin(&x, &out);
	for (int i = 0; i < XML_DEPTH; i++)
		xml_open(&x, "a");
	assert_false(out.failed);
	xml_open(&x, "a");
	assert_true(out.failed);
	buf_free(&out);
}

static char *junit_of(struct results *r)
{
	struct buf out = {0};

	report_junit(r, &out);
	assert_false(out.failed);
	results_free(r);
	return buf_take(&out);
}

static const char *find_case(const char *text, const char *name)
{
	char start[128];
	const char *found;

	snprintf(start, sizeof(start), "<testcase name=\"%s\"", name);
	found = strstr(text, start);
	if (!found)
		fail_msg("there is no case %s in:\n%s", name, text);
	return found;
}

/* The case's whole element. */
static char *get_case(const char *text, const char *name)
{
	const char *start = find_case(text, name), *line = strchr(start, '\n'), *end;

	end = line[-2] == '/' ? line : strstr(start, "</testcase>");
	assert_non_null(end);
	return strndup(start, end - start);
}

static void check_case(const char *text, const char *name, const char *has, const char *has_not)
{
	char *element = get_case(text, name);

	if (has)
		assert_has(element, has);
	if (has_not && strstr(element, has_not))
		fail_msg("`%s` is in:\n%s", has_not, element);
	free(element);
}

static void windows_are_cases(void **state)
{
	char *text = junit_of(made_run());

	(void)state;
	assert_has(text, "<testsuite name=\"made\" tests=\"5\" failures=\"1\" errors=\"0\" time=\"9.500\" "
			 "skipped=\"1\" timestamp=\"2026-11-22T00:49:35\" hostname=\"trade-1\" id=\"0\">");
	assert_has(text, "<testsuites name=\"shearpin\" tests=\"5\" failures=\"1\" errors=\"0\" "
			 "time=\"9.500\">");
	check_case(text, "cut #1", "classname=\"shearpin.made.windows\" time=\"1.800\"", "<failure");
	check_case(text, "cut #2", "<failure type=\"window\" message=\"api was not seen to recover\">",
		   "<skipped");
	check_case(text, "cut #2", "time=\"1.000\"", NULL);
	check_case(text, "cut #3", "<skipped type=\"window\"", "<failure");
	check_case(text, "the run went to its end", NULL, "<error");
	check_case(text, "the evidence is complete", NULL, "<error");
	assert_has(text, "<property name=\"seed\" value=\"7\"/>");
	free(text);
}

static void flows_and_counters_fail_windows(void **state)
{
	struct results *r = made_run();
	char *text;

	(void)state;
	r->windows[0]->flows[0].censored = true;
	r->windows[1]->parts[0].balanced = false;
	see(r->windows[1], 1, 200, 900);
	text = junit_of(r);
	check_case(text, "cut #1", "message=\"10.1.0.1&gt;10.1.0.2:40001/tcp was not seen to recover\"",
		   NULL);
	check_case(text, "cut #2", "message=\"front has counters that don't add up\"", NULL);
	free(text);
}

/* A path that only made an attempt is no sample. */
static void what_was_not_hit_fails_nothing(void **state)
{
	struct results *r = made_run();
	char *text;

	(void)state;
	r->windows[0]->flows[0].censored = true;
	r->windows[0]->flows[0].is_hit = false;
	text = junit_of(r);
	check_case(text, "cut #1", NULL, "<failure");
	free(text);
}

static void objectives_are_cases(void **state)
{
	struct results *r = made_run();
	struct result_slo *slo = add_slo(r, "recovery_p99", false);
	char *text;

	(void)state;
	slo->step = "cut";
	slo->missing = 1;
	slo = add_slo(r, "availability", true);
	slo->unit = UNIT_SHARE;
	slo->value = 990000;
	slo->limit_words = ">= 99 %";
	slo->value_words = "99 %";
	slo->worst = NULL;
	text = junit_of(r);
	assert_has(text, "tests=\"7\" failures=\"2\"");
	check_case(text, "recovery_p99 &lt;= 1 s, step cut",
		   "<failure type=\"slo\" message=\"is 800 ms, expected &lt;= 1 s; cut #2, api decides "
		   "(event 88); 1 of 4 "
		   "samples without a value\">",
		   NULL);
	check_case(text, "recovery_p99 &lt;= 1 s, step cut", "time=\"0.800\"", NULL);
	check_case(text, "availability &gt;= 99 %", "time=\"0.000\"", "<failure");
	free(text);
}

static void incomplete_evidence_is_an_error(void **state)
{
	struct results *r = made_run();
	char *text;

	(void)state;
	results_lack(r, "first <lack>");
	results_lack(r, "second");
	r->outcome = OUTCOME_ABORTED;
	r->reason = "probe api: unhealthy for 2m";
	text = junit_of(r);
	assert_has(text, "failures=\"1\" errors=\"2\"");
	check_case(text, "the evidence is complete",
		   "<error type=\"incomplete\" message=\"first &lt;lack&gt;&#10;second\">first "
		   "&lt;lack&gt;\nsecond</error>",
		   NULL);
	check_case(text, "the run went to its end",
		   "<error type=\"aborted\" message=\"probe api: unhealthy for 2m\">", NULL);
	free(text);
}

static void several_runs_are_several_suites(void **state)
{
	struct results *runs[] = {made_run(), empty_run("other", 20000)};
	struct buf out = {0};

	(void)state;
	report_junit_runs((const struct results *const *)runs, 2, &out);
	assert_has(out.data, "<testsuites name=\"shearpin\" tests=\"7\" failures=\"1\" errors=\"0\" "
			     "time=\"19.000\">");
	assert_has(out.data, "<testsuite name=\"made\" tests=\"5\"");
	assert_has(out.data, "<testsuite name=\"other\" tests=\"2\"");
	assert_has(out.data, "id=\"1\"");
	buf_free(&out);
	results_free(runs[0]);
	results_free(runs[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(what_is_no_character_is_replaced),
		cmocka_unit_test(elements_nest),
		cmocka_unit_test(too_deep_is_no_document),
		cmocka_unit_test(windows_are_cases),
		cmocka_unit_test(flows_and_counters_fail_windows),
		cmocka_unit_test(what_was_not_hit_fails_nothing),
		cmocka_unit_test(objectives_are_cases),
		cmocka_unit_test(incomplete_evidence_is_an_error),
		cmocka_unit_test(several_runs_are_several_suites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
