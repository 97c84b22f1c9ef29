/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters that only some fault has, in the reports: a column of their own where a window has them, even if they are 0. */
#include "unit/run_log.h"

#include "report/report.h"

static const char one_window[] =
	"{\"version\":1,\"name\":\"t\",\"seed\":7,\"probes\":[],\"targets\":[{\"name\":\"front\"}],"
	"\"steps\":[{\"name\":\"cut\",\"targets\":[\"front\"],\"for_ns\":1000000000,\"times\":1}],\"slo\":[]"
	"}";

static char *text_of(const struct results *r, void (*make)(const struct results *r, struct buf *out))
{
	struct buf out = {0};

	make(r, &out);
	assert_false(out.failed);
	return buf_take(&out);
}

/* Of a window whose closing has these counters, too. */
static struct results *results_with(const struct run_dir *dir, unsigned failed, const char *more)
{
	struct log *log = start(dir, one_window);

	opens(log, 1, 1000, 2000);
	put_event(log, 2000, "fault.close", 1,
		  "{\"rule\":0,\"opens_ns\":1000000000,\"closes_ns\":2000000000,\"first_hit_ns\":1000000000,"
		  "\"last_hit_ns\":2000000000,\"matched\":5,\"passed\":0,\"dropped\":0,\"reset\":0,"
		  "\"refused\":0,\"delayed\":0,\"duplicated\":0,\"altered\":5,\"suppressed\":0,\"bytes\":9,"
		  "\"flows\":1,\"untracked\":0,\"failed\":%u,\"idle_reset\":0%s,\"cut\":false}",
		  failed, more);
	return finish(dir, log);
}

static void expect(const struct results *r, void (*make)(const struct results *r, struct buf *out),
		   const char *what, bool there)
{
	char *text = text_of(r, make);

	if (!strstr(text, what) == there)
		fail_msg("`%s` is %sin:\n%s", what, there ? "not " : "", text);
	free(text);
}

static void others_have_no_column(void **state)
{
	struct results *r = results_with(*state, 0, "");

	assert_true(r->windows[0]->parts[0].counted);
	expect(r, report_markdown, "resumed", false);
	expect(r, report_markdown, "requests", false);
	expect(r, report_markdown, "| failed |", false);
	expect(r, report_html, "resumed", false);
	expect(r, report_json, "\"resumed\"", false);
	expect(r, report_json, "\"requests\"", false);
	results_free(r);
}

static void senders_that_were_told(void **state)
{
	struct results *r = results_with(*state, 2, ",\"resumed\":17");

	expect(r, report_markdown,
	       "| matched | passed | dropped | reset | refused | altered | suppressed | bytes | flows | "
	       "failed | "
	       "idle_reset | resumed | first hit",
	       true);
	expect(r, report_markdown,
	       "| cut #1 | front | 5 | 0 | 0 | 0 | 0 | 5 | 0 | 9 | 1 | 2 | 0 | 17 | 0.000 | 0.000 | yes |",
	       true);
	expect(r, report_markdown, "in every row. resumed counts senders that were told to go on.\n\n|",
	       true);
	expect(r, report_markdown,
	       "front had 2 packets that couldn't be rewritten, or senders that couldn't be told to go on",
	       true);
	expect(r, report_html, ">resumed</th>", true);
	expect(r, report_html, "<td class=\"n\">17</td>", true);
	expect(r, report_html, " resumed counts senders that were told to go on.</p>", true);
	expect(r, report_html, "requests", false);
	expect(r, report_json, "\"idle_reset\":0,\"resumed\":17,\"balanced\":true", true);
	results_free(r);
}

static void requests_that_were_answered(void **state)
{
	struct results *r = results_with(*state, 1, ",\"requests\":0");

	expect(r, report_markdown, "| idle_reset | requests | first hit", true);
	expect(r, report_markdown, "| 1 | 1 | 0 | 0 | 0.000 | 0.000 | yes |", true);
	expect(r, report_markdown, " requests counts requests that were answered.\n\n|", true);
	expect(r, report_markdown, "front had 1 connections that couldn't be taken", true);
	expect(r, report_html, ">requests</th>", true);
	expect(r, report_json, "\"requests\":0,\"balanced\":true", true);
	expect(r, report_json, "\"resumed\"", false);
	results_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(others_have_no_column),
		IN_DIR(senders_that_were_told),
		IN_DIR(requests_that_were_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
