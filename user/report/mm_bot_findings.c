/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "report/course.h"
#include "report/mm_bot.h"
#include "slo/slo_words.h"

enum severity {
	SEVERITY_HIGH,
	SEVERITY_MEDIUM,
	SEVERITY_LOW,
	SEVERITIES,
};

static const char *const severity_names[SEVERITIES] = {
	[SEVERITY_HIGH] = "high",
	[SEVERITY_MEDIUM] = "medium",
	[SEVERITY_LOW] = "low",
};

struct findings {
	struct json j; /* the items of the array */
	uint64_t count[SEVERITIES], total;
	struct buf text; /* the description of the one at hand */
};

/* With f->text as its description. */
static void put_finding(struct findings *f, const char *step, enum severity severity,
			const char *recommendation)
{
	struct buf scenario = {0}, id = {0};

	buf_printf(&id, "CHAOS-%" PRIu64, ++f->total);
	mm_bot_scenario(step ? step : "run", &scenario);
	json_object(&f->j, NULL);
	json_string(&f->j, "issue_id", id.data);
	json_string(&f->j, "scenario", scenario.data ? scenario.data : "");
	json_string(&f->j, "severity", severity_names[severity]);
	json_string(&f->j, "description", f->text.data);
	json_string(&f->j, "recommendation", recommendation);
	json_end_object(&f->j);
	f->count[severity]++;
	f->j.out->failed |= id.failed | scenario.failed | f->text.failed;
	buf_clear(&f->text);
	buf_free(&id);
	buf_free(&scenario);
}

static const struct {
	const char *key;
	enum severity severity;
	const char *recommendation;
} slo_advice[] = {
	{"recovery_", SEVERITY_HIGH,
	 "Shorten the reconnect: its longest wait between two attempts, and what follows the connect"},
	{"unrecovered", SEVERITY_HIGH, "Find out why the service did not come back by itself"},
	{"availability", SEVERITY_HIGH, "Find what keeps the service from working while this is broken"},
	{"detection_max", SEVERITY_MEDIUM, "Shorten timeouts or heartbeats, so that the loss is noticed"},
	{"attempts_per_s", SEVERITY_HIGH, "Put an exponential back-off with jitter between attempts"},
	{"backoff", SEVERITY_MEDIUM, "Put an exponential back-off with jitter between attempts"},
	{"probe_", SEVERITY_MEDIUM, "Find out what waits for the slow path, and bound that wait"},
};

static void put_slo(struct findings *f, const struct results *r, const struct result_slo *slo)
{
	enum severity severity = SEVERITY_MEDIUM;
	const char *advice = "See report.md of the run";

	for (size_t i = 0; i < sizeof(slo_advice) / sizeof(*slo_advice); i++) {
		if (strncmp(slo->key, slo_advice[i].key, strlen(slo_advice[i].key)) == 0) {
			severity = slo_advice[i].severity;
			advice = slo_advice[i].recommendation;
			break;
		}
	}
	buf_printf(&f->text, "%s ", slo->key);
	slo_value(slo, &f->text);
	if (slo->worst)
		buf_printf(&f->text, " (%s)", slo->worst);
	put_finding(f, slo->step ? slo->step : r->name, severity, advice);
}

static void put_expect(struct findings *f, const struct result_expect *e)
{
	expect_failure(e, &f->text);
	put_finding(f, e->step, SEVERITY_HIGH,
		    "Compare what was seen with the log of the system at that time; report.md has the event");
}

static void name_window(struct findings *f, const struct result_window *w, const char *who)
{
	buf_printf(&f->text, "%s #%u: %s ", w->step, w->instance, who);
}

static void put_censored(struct findings *f, const struct result_window *w, const char *who)
{
	name_window(f, w, who);
	buf_puts(&f->text, "was not seen to recover");
	put_finding(f, w->step, SEVERITY_HIGH, "Find out why it did not come back by itself");
}

/* A storm says more than how the attempts follow each other. */
static void put_attempts(struct findings *f, const struct result_window *w, const struct result_flow *flow,
			 const char *path)
{
	static const char advice[] = "Put an exponential back-off with jitter between attempts";
	enum backoff_kind kind = flow->backoff.kind;

	if (flow->storm) {
		name_window(f, w, path);
		buf_printf(&f->text, "made up to %" PRIu64 " attempts a second: a retry storm",
			   flow->peak_per_s);
		put_finding(f, w->step, SEVERITY_HIGH, advice);
	} else if (kind == BACKOFF_NONE || kind == BACKOFF_CONSTANT) {
		name_window(f, w, path);
		buf_puts(&f->text, "doesn't back off: ");
		slo_words_backoff(&f->text, &flow->backoff);
		put_finding(f, w->step, kind == BACKOFF_NONE ? SEVERITY_MEDIUM : SEVERITY_LOW, advice);
	}
}

static void put_window(struct findings *f, const struct results *r, const struct result_window *w)
{
	const struct result_flow *flow;
	size_t i;

	if (w->shadow)
		return;
	for (i = 0; i < r->n_probes; i++) {
		if (w->probes[i].censored)
			put_censored(f, w, r->probes[i].name);
	}
	for (i = 0; i < w->n_flows; i++) {
		flow = &w->flows[i];
		if (flow->is_hit && flow->censored)
			put_censored(f, w, r->paths[flow->path].name);
		put_attempts(f, w, flow, r->paths[flow->path].name);
	}
}

static void put_run(struct findings *f, const struct results *r)
{
	size_t i;

	if (r->outcome != OUTCOME_PASS && r->outcome != OUTCOME_SLO_MISSED) {
		buf_printf(&f->text, "the run ended as %s: %s", result_outcome_name(r->outcome),
			   r->reason ? r->reason : "no reason is known");
		put_finding(f, r->name, SEVERITY_HIGH, "Run it again; what it measured is not the whole");
	}
	for (i = 0; i < r->n_slos; i++) {
		if (!r->slos[i].pass)
			put_slo(f, r, &r->slos[i]);
	}
	for (i = 0; i < r->n_expects; i++) {
		if (!r->expects[i].pass)
			put_expect(f, &r->expects[i]);
	}
	for (i = 0; i < r->n_windows; i++)
		put_window(f, r, r->windows[i]);
	for (i = 0; i < r->n_incomplete; i++) {
		buf_printf(&f->text, "incomplete evidence: %s", r->incomplete[i]);
		put_finding(f, r->name, SEVERITY_HIGH, "Run it again before anything is concluded");
	}
}

void mm_bot_findings(const struct results *const *runs, size_t n, struct buf *out)
{
	struct buf items = {0};
	struct findings f = {0};
	struct json j;
	size_t i;

	json_begin(&f.j, &items);
	json_array(&f.j, NULL);
	for (i = 0; i < n; i++)
		put_run(&f, runs[i]);
	json_end_array(&f.j);
	json_begin(&j, out);
	json_object(&j, NULL);
	json_u64(&j, "total_findings", f.total);
	json_object(&j, "by_severity");
	for (i = 0; i < SEVERITIES; i++)
		json_u64(&j, severity_names[i], f.count[i]);
	json_end_object(&j);
	json_raw(&j, "findings", items.data ? items.data : "[]");
	json_end_object(&j);
	buf_puts(out, "\n");
	out->failed |= items.failed;
	buf_free(&items);
	buf_free(&f.text);
}
