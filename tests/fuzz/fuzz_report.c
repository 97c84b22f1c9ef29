/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever stands in plan.json (the first line of the input) and events.jsonl (the others): no crash, no leak, and either an
 * error or results that make every document. JSON is read back; XML and HTML have no tag that isn't closed.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "fuzz/run_dir.h"
#include "report/compare.h"
#include "report/drill_results.h"
#include "report/mm_bot.h"
#include "report/report.h"
#include "slo/slo.h"

static void check_json(struct buf *text)
{
	json_t *json;

	CHECK(!text->failed);
	json = json_loadb(text->data, text->len, 0, NULL);
	CHECK(json);
	json_decref(json);
	buf_clear(text);
}

/* As many elements are closed as were opened; no byte is there that no document may have. */
static void check_markup(struct buf *text, const char *const *void_elements)
{
	long depth = 0;

	CHECK(!text->failed && strlen(text->data) == text->len);
	for (const char *s = text->data; (s = strchr(s, '<')); s++) {
		const char *end = strchr(s, '>');
		bool is_void = false;

		CHECK(end);
		for (const char *const *e = void_elements; *e; e++)
			is_void |= !strncmp(s + 1, *e, strlen(*e));
		if (s[1] == '/')
			depth--;
		else if (!is_void && end[-1] != '/')
			depth++;
		CHECK(depth >= 0);
	}
	CHECK(depth == 0);
	buf_clear(text);
}

static void check_files(const struct results *const *runs, size_t n)
{
	struct documents documents = {0};

	report_mm_bot(runs, n, &documents);
	CHECK(documents_ok(&documents));
	for (size_t i = 0; i < documents.n; i++)
		check_json(&documents.items[i].text);
	documents_free(&documents);
}

static void check_documents(const struct results *r)
{
	static const char *const xml_voids[] = {"?xml", NULL};
	static const char *const html_voids[] = {"!DOCTYPE", "meta", "link", "br", "wbr", NULL};
	const struct results *runs[] = {r, r};
	struct comparison *comparison = NULL;
	struct buf text = {0};

	CHECK(!compare_runs(runs, 2, 30000000000, &comparison));
	report_json(r, &text);
	check_json(&text);
	report_drill_results(runs, 2, &text);
	check_json(&text);
	compare_json(comparison, &text);
	check_json(&text);
	report_junit_runs(runs, 2, &text);
	check_markup(&text, xml_voids);
	report_html(r, &text);
	check_markup(&text, html_voids);
	compare_html(comparison, &text);
	check_markup(&text, html_voids);
	comparison->title = r->name;
	comparison->linked = true;
	compare_html(comparison, &text);
	check_markup(&text, html_voids);
	report_markdown(r, &text);
	compare_markdown(comparison, &text);
	compare_scorecard(comparison, &text);
	CHECK(!text.failed);
	check_files(runs, 2);
	comparison_free(comparison);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t plan = end ? (size_t)(end + 1 - data) : size;
	struct results *r = NULL;
	int err;

	run_dir_put("plan.json", data, plan);
	run_dir_put("events.jsonl", data + plan, size - plan);
	err = slo_compute(run_dir_open(), "run", &r);
	CHECK(!err == !!r);
	CHECK(!err || err == -EBADMSG);
	if (r)
		check_documents(r);
	results_free(r);
	return 0;
}
