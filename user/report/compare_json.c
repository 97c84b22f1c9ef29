/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/compare.h"
#include "report/course.h"
#include "report/json_fields.h"
#include "report/results_json.h"

static void put_run(struct json *j, const struct results *r)
{
	json_object(j, NULL);
	json_string(j, "run", r->run);
	json_string(j, "name", r->name);
	json_outcome(j, r);
	json_ns(j, "start_ts_ns", r->start_ts_ns);
	json_ns(j, "end_ts_ns", r->end_ts_ns);
	json_u64(j, "slos", r->n_slos);
	json_u64(j, "slos_met", slos_met(r));
	json_u64(j, "expectations_met", expects_met(r));
	json_expects(j, r);
	json_u64(j, "windows", r->n_windows);
	json_u64(j, "unrecovered", r->unrecovered);
	json_u64(j, "flow_unrecovered", r->flow_unrecovered);
	json_samples(j, "recovery", "censored", &r->recovery);
	json_samples(j, "detection", "undetected", &r->detection);
	json_samples(j, "flow_recovery", "censored", &r->flow_recovery);
	json_samples(j, "flow_detection", "undetected", &r->flow_detection);
	json_strings(j, "incomplete", r->incomplete, r->n_incomplete);
	json_end_object(j);
}

static void put_point(struct json *j, const struct compare_point *p)
{
	json_object(j, NULL);
	json_string(j, "run", p->r->run);
	json_ns(j, "start_ts_ns", p->r->start_ts_ns);
	json_string(j, "by", p->by_flow ? "flow" : "probe");
	json_u64(j, "samples", p->samples);
	json_ns(j, "p99_ns", p->p99_ns);
	if (p->comparable) {
		json_i64(j, "difference_ns", p->difference_ns);
		json_double(j, "ratio", p->ratio);
	} else {
		json_null(j, "difference_ns");
		json_null(j, "ratio");
	}
	json_end_object(j);
}

static void put_trend(struct json *j, const struct compare_trend *t)
{
	json_object(j, NULL);
	json_string(j, "name", t->name);
	json_array(j, "points");
	for (size_t i = 0; i < t->n; i++)
		put_point(j, &t->points[i]);
	json_end_array(j);
	json_end_object(j);
}

static void put_score(struct json *j, const struct compare_score *score)
{
	json_object(j, NULL);
	json_string(j, "scenario", score->scenario);
	json_string(j, "step", score->step);
	json_u64(j, "planned", score->planned);
	json_u64(j, "windows", score->opened);
	json_u64(j, "recovered", score->recovered);
	json_bool(j, "measured", score->measured);
	json_ns(j, "recovery_after_inject_ns", score->opened ? score->slowest_ns : NO_NS);
	json_ns(j, "data_loss", score->data_loss);
	json_ns(j, "order_violations", score->order_violations);
	json_u64(j, "expectations_failed", score->failed);
	json_bool(j, "pass", score->pass);
	json_end_object(j);
}

static void put_scorecard(struct json *j, const struct comparison *c)
{
	json_object(j, "scorecard");
	json_u64(j, "objective_ns", c->objective_ns);
	json_array(j, "scenarios");
	for (size_t i = 0; i < c->n_scores; i++)
		put_score(j, &c->scores[i]);
	json_end_array(j);
	json_u64(j, "passed", c->passed);
	json_u64(j, "failed", c->n_scores - c->passed);
	json_u64(j, "success_rate", success_rate(c));
	json_end_object(j);
}

void compare_json(const struct comparison *c, struct buf *out)
{
	struct json j;
	size_t i;

	json_begin(&j, out);
	json_object(&j, NULL);
	json_u64(&j, "version", 1);
	json_string(&j, "suite", c->title);
	json_i64(&j, "exit", c->exit);
	json_bool(&j, "complete", c->incomplete == 0);
	json_array(&j, "runs");
	for (i = 0; i < c->n; i++)
		put_run(&j, c->runs[i]);
	json_end_array(&j);
	json_array(&j, "trends");
	for (i = 0; i < c->n_trends; i++)
		put_trend(&j, &c->trends[i]);
	json_end_array(&j);
	put_scorecard(&j, c);
	json_end_object(&j);
	buf_puts(out, "\n");
}
