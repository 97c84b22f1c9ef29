/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/course.h"
#include "report/report.h"
#include "report/verdict.h"
#include "report/words.h"
#include "report/xml.h"

/* What the opening tag of a suite says of its cases. */
struct tally {
	uint64_t tests, failures, errors, skipped;
};

struct suite {
	const struct results *r;
	struct xml x;
	struct tally tally;
	struct buf name, text; /* of the case at hand */
};

static void open_case(struct suite *s, const char *group, uint64_t ns)
{
	struct buf class = {0};

	buf_printf(&class, "shearpin.%s.%s", s->r->name ? s->r->name : "run", group);
	xml_open(&s->x, "testcase");
	xml_attr(&s->x, "name", s->name.data);
	xml_attr(&s->x, "classname", class.data);
	xml_attr_seconds(&s->x, "time", ns == NO_NS ? 0 : ns);
	s->x.out->failed |= class.failed | s->name.failed;
	s->tally.tests++;
	buf_free(&class);
}

/* `kind`: failure, error or skipped. Some readers show the message, some the text. */
static void put_outcome(struct suite *s, const char *kind, const char *type, const char *message)
{
	xml_open(&s->x, kind);
	xml_attr(&s->x, "type", type);
	xml_attr(&s->x, "message", message);
	xml_text(&s->x, message);
	xml_close(&s->x);
}

static void put_text(struct suite *s)
{
	s->x.out->failed |= s->text.failed;
	if (!s->text.len)
		return;
	xml_open(&s->x, "system-out");
	xml_text(&s->x, s->text.data);
	xml_close(&s->x);
}

static void close_case(struct suite *s)
{
	xml_close(&s->x);
	buf_clear(&s->name);
	buf_clear(&s->text);
}

static const char *if_any(const char *text)
{
	return text ? text : "-";
}

static void slo_name(const struct result_slo *slo, struct buf *out)
{
	const struct {
		const char *what, *name;
	} filters[] = {{"step", slo->step}, {"probe", slo->probe}, {"target", slo->target}};

	buf_printf(out, "%s %s", slo->key, if_any(slo->limit_words));
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		if (filters[i].name)
			buf_printf(out, ", %s %s", filters[i].what, filters[i].name);
	}
	if (slo->by_flow)
		buf_puts(out, ", by flow");
}

/* "is 11.204 s, expected <= 10 s; disconnect #2, gateway decides (event 1204); 0 of 6 samples without a value" */
static void slo_text(const struct result_slo *slo, struct buf *out)
{
	slo_value(slo, out);
	if (slo->worst)
		buf_printf(out, "; %s decides", slo->worst);
	if (slo->worst && slo->worst_seq != NO_NS)
		buf_printf(out, " (event %" PRIu64 ")", slo->worst_seq);
	buf_printf(out, "; %" PRIu64 " of %" PRIu64 " samples without a value", slo->missing, slo->samples);
}

static void put_slo(struct suite *s, const struct result_slo *slo)
{
	slo_name(slo, &s->name);
	slo_text(slo, &s->text);
	open_case(s, "slo", slo->unit == UNIT_NS ? slo->value : NO_NS);
	if (!slo->pass) {
		put_outcome(s, "failure", "slo", s->text.data);
		s->tally.failures++;
	}
	put_text(s);
	close_case(s);
}

static void put_expect(struct suite *s, const struct result_expect *e)
{
	bool timed = e->opens_ns != NO_NS && e->decided_ns >= e->opens_ns;

	buf_printf(&s->name, "%s #%u", e->step, e->instance);
	expect_failure(e, &s->text);
	buf_printf(&s->text, "; %" PRIu64 " samples, event %" PRIu64, e->samples, e->seq);
	open_case(s, "expectations", timed ? e->decided_ns - e->opens_ns : NO_NS);
	if (!e->pass) {
		put_outcome(s, "failure", "expectation", s->text.data);
		s->tally.failures++;
	}
	put_text(s);
	close_case(s);
}

static bool is_decided(const struct results *r, const char *step, unsigned instance)
{
	for (size_t i = 0; i < r->n_expects; i++) {
		if (r->expects[i].instance == instance && strcmp(r->expects[i].step, step) == 0)
			return true;
	}
	return false;
}

static void put_undecided(struct suite *s, const struct result_step *step, unsigned instance)
{
	buf_printf(&s->name, "%s #%u", step->name, instance);
	open_case(s, "expectations", NO_NS);
	put_outcome(s, "skipped", "expectation", "the run ended before it was decided");
	s->tally.skipped++;
	close_case(s);
}

static void put_expects(struct suite *s)
{
	const struct result_step *step;
	unsigned instance;
	size_t i;

	for (i = 0; i < s->r->n_expects; i++)
		put_expect(s, &s->r->expects[i]);
	for (i = 0; i < s->r->n_steps; i++) {
		step = &s->r->steps[i];
		if (!step->kind || strcmp(step->kind, "expect") != 0)
			continue;
		for (instance = 1; instance <= step->times; instance++) {
			if (!is_decided(s->r, step->name, instance))
				put_undecided(s, step, instance);
		}
	}
}

/* From the opening to the recovery; to the closing, if that was not measured. */
static uint64_t window_length(const struct results *r, const struct result_window *w)
{
	uint64_t length = window_after_inject(r, w);

	if (length != NO_NS)
		return length;
	return w->closed_ns == NO_NS ? NO_NS : w->closed_ns - w->opened_ns;
}

static void window_text(const struct results *r, const struct result_window *w, struct buf *out)
{
	uint64_t recovery = window_recovery(r, w);
	struct buf remarks = {0};
	char time[32];

	window_parameters(r, w, out);
	if (recovery != NO_NS) {
		format_duration(recovery, time, sizeof(time));
		buf_printf(out, "\nrecovery %s", time);
	}
	window_remarks(r, w, &remarks);
	if (remarks.len)
		buf_printf(out, "\n%s", remarks.data);
	out->failed |= remarks.failed;
	buf_free(&remarks);
}

static void put_window(struct suite *s, const struct result_window *w)
{
	struct buf why = {0};

	buf_printf(&s->name, "%s #%u", w->step, w->instance);
	window_text(s->r, w, &s->text);
	open_case(s, "windows", window_length(s->r, w));
	if (window_failed(s->r, w, &why)) {
		put_outcome(s, "failure", "window", why.data);
		s->tally.failures++;
	}
	s->x.out->failed |= why.failed;
	put_text(s);
	close_case(s);
	buf_free(&why);
}

static void put_unopened(struct suite *s, const struct result_step *step, unsigned instance)
{
	buf_printf(&s->name, "%s #%u", step->name, instance);
	open_case(s, "windows", NO_NS);
	put_outcome(s, "skipped", "window", "planned, but it did not open");
	s->tally.skipped++;
	close_case(s);
}

static void put_windows(struct suite *s)
{
	const struct result_step *step;
	unsigned instance;
	size_t i;

	for (i = 0; i < s->r->n_windows; i++)
		put_window(s, s->r->windows[i]);
	for (i = 0; i < s->r->n_steps; i++) {
		step = &s->r->steps[i];
		for (instance = 1; result_step_acts(step) && instance <= step->times; instance++) {
			if (!find_window(s->r, step->name, instance))
				put_unopened(s, step, instance);
		}
	}
}

static void put_disabled(struct suite *s)
{
	for (size_t i = 0; i < s->r->n_disabled; i++) {
		buf_puts(&s->name, s->r->disabled[i]);
		open_case(s, "windows", NO_NS);
		put_outcome(s, "skipped", "disabled", "the scenario turns it off (enabled: false)");
		s->tally.skipped++;
		close_case(s);
	}
}

/* Did the run go to its end, and is the evidence whole? An error is no fault of the system under test. */
static void put_run(struct suite *s)
{
	const struct results *r = s->r;
	bool ended = r->outcome == OUTCOME_PASS || r->outcome == OUTCOME_SLO_MISSED;
	size_t i;

	buf_puts(&s->name, "the run went to its end");
	open_case(s, "run", NO_NS);
	if (r->outcome == OUTCOME_NOT_RUN) {
		put_outcome(s, "skipped", "not-run", r->reason ? r->reason : "not run");
		s->tally.skipped++;
	} else if (!ended) {
		put_outcome(s, "error", result_outcome_name(r->outcome),
			    r->reason ? r->reason : result_outcome_name(r->outcome));
		s->tally.errors++;
	}
	close_case(s);
	if (r->outcome == OUTCOME_NOT_RUN || r->outcome == OUTCOME_REFUSED)
		return;

	buf_puts(&s->name, "the evidence is complete");
	for (i = 0; i < r->n_incomplete; i++)
		buf_printf(&s->text, "%s%s", i ? "\n" : "", r->incomplete[i]);
	open_case(s, "run", NO_NS);
	if (r->n_incomplete) {
		put_outcome(s, "error", "incomplete", s->text.data);
		s->tally.errors++;
	}
	close_case(s);
}

static void put_property(struct xml *x, const char *prefix, const char *name, const char *value)
{
	struct buf full = {0};

	if (!value)
		return;
	buf_printf(&full, "%s%s", prefix, name);
	x->out->failed |= full.failed;
	xml_open(x, "property");
	xml_attr(x, "name", full.data);
	xml_attr(x, "value", value);
	xml_close(x);
	buf_free(&full);
}

static void put_properties(struct xml *x, const struct results *r)
{
	const struct {
		const char *name, *value;
	} own[] = {
		{"run", r->run},           {"outcome", result_outcome_name(r->outcome)},
		{"shearpin", r->version},  {"command", r->command},
		{"host", r->host},         {"kernel", r->kernel},
		{"attachment", r->attach}, {"operator", r->operator_name},
		{"head", r->head},
	};
	char seed[24];
	size_t i;

	snprintf(seed, sizeof(seed), "%" PRIu64, r->seed);
	xml_open(x, "properties");
	put_property(x, "", "seed", seed);
	for (i = 0; i < sizeof(own) / sizeof(*own); i++)
		put_property(x, "", own[i].name, own[i].value);
	for (i = 0; i < r->n_interfaces; i++)
		put_property(x, "", "interface", r->interfaces[i]);
	for (i = 0; i < r->n_meta; i++)
		put_property(x, "meta.", r->meta[i].key, r->meta[i].value);
	for (i = 0; i < r->n_facts; i++)
		put_property(x, "fact.", r->facts[i].key, r->facts[i].value);
	xml_close(x);
}

static void put_cases(struct suite *s)
{
	for (size_t i = 0; i < s->r->n_slos; i++)
		put_slo(s, &s->r->slos[i]);
	put_expects(s);
	put_windows(s);
	put_disabled(s);
	put_run(s);
}

/* The cases go through the same code, to nowhere. */
static struct tally count_cases(const struct results *r, struct buf *out)
{
	struct buf nowhere = {0};
	struct suite s = {.r = r};

	xml_begin(&s.x, &nowhere);
	put_cases(&s);
	out->failed |= nowhere.failed;
	buf_free(&nowhere);
	buf_free(&s.name);
	buf_free(&s.text);
	return s.tally;
}

static uint64_t run_length(const struct results *r)
{
	return r->end_ts_ns == NO_NS || r->start_ts_ns == NO_NS || r->end_ts_ns < r->start_ts_ns
		       ? 0
		       : r->end_ts_ns - r->start_ts_ns;
}

static void put_tally(struct xml *x, const struct tally *t, uint64_t ns)
{
	xml_attr_u64(x, "tests", t->tests);
	xml_attr_u64(x, "failures", t->failures);
	xml_attr_u64(x, "errors", t->errors);
	xml_attr_seconds(x, "time", ns);
}

static void put_suite(struct xml *x, const struct results *r, size_t id)
{
	struct tally tally = count_cases(r, x->out);
	struct suite s = {.r = r};
	char time[64];

	xml_open(x, "testsuite");
	xml_attr(x, "name", r->name);
	put_tally(x, &tally, run_length(r));
	xml_attr_u64(x, "skipped", tally.skipped);
	if (r->start_ts_ns != NO_NS) {
		format_utc(r->start_ts_ns, time, sizeof(time));
		time[sizeof("2026-11-22T00:39:55") - 1] = '\0'; /* to the second, without its zone: UTC */
		xml_attr(x, "timestamp", time);
	}
	xml_attr(x, "hostname", r->host);
	xml_attr_u64(x, "id", id);
	put_properties(x, r);
	s.x = *x;
	put_cases(&s);
	*x = s.x;
	xml_close(x);
	buf_free(&s.name);
	buf_free(&s.text);
}

void report_junit_runs(const struct results *const *runs, size_t n, struct buf *out)
{
	struct tally total = {0}, one;
	uint64_t length = 0;
	struct xml x;
	size_t i;

	for (i = 0; i < n; i++) {
		one = count_cases(runs[i], out);
		total.tests += one.tests;
		total.failures += one.failures;
		total.errors += one.errors;
		length += run_length(runs[i]);
	}
	xml_begin(&x, out);
	xml_open(&x, "testsuites");
	xml_attr(&x, "name", "shearpin");
	put_tally(&x, &total, length);
	for (i = 0; i < n; i++)
		put_suite(&x, runs[i], i);
	xml_close(&x);
}

void report_junit(const struct results *results, struct buf *out)
{
	report_junit_runs(&results, 1, out);
}
