/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/course.h"
#include "report/verdict.h"
#include "report/words.h"

int worst_exit(int a, int b)
{
	static const int order[] = {5, 4, 130, 3, 1};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		if (a == order[i] || b == order[i])
			return order[i];
	}
	return 0;
}

static const char *name_of(const struct results *r)
{
	return r->name ? r->name : "";
}

/* By the start of the run; those that start at the same time (or have none) as they were given. */
static void sort_runs(struct comparison *c)
{
	const struct results *run;
	size_t i, at;

	for (i = 1; i < c->n; i++) {
		run = c->runs[i];
		for (at = i; at && c->runs[at - 1]->start_ts_ns > run->start_ts_ns; at--)
			c->runs[at] = c->runs[at - 1];
		c->runs[at] = run;
	}
}

static void add_point(struct compare_trend *t, const struct results *r)
{
	const struct result_samples *s = run_recovery(r);
	struct compare_point *p = &t->points[t->n], *before = t->n ? p - 1 : NULL;

	*p = (struct compare_point){
		.r = r, .by_flow = !r->n_probes, .samples = s->samples, .p99_ns = s->p99_ns, .ratio = NAN};
	if (before && before->p99_ns != NO_NS && p->p99_ns != NO_NS && before->by_flow == p->by_flow) {
		p->comparable = true;
		p->difference_ns = (int64_t)(p->p99_ns - before->p99_ns);
		if (before->p99_ns)
			p->ratio = (double)p->p99_ns / (double)before->p99_ns;
	}
	if (p->p99_ns != NO_NS && p->p99_ns > t->longest_ns)
		t->longest_ns = p->p99_ns;
	t->n++;
}

static bool has_name_before(const struct comparison *c, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (strcmp(name_of(c->runs[i]), name_of(c->runs[at])) == 0)
			return true;
	}
	return false;
}

static int find_trends(struct comparison *c)
{
	struct compare_trend *t;
	size_t i, k;

	c->trends = calloc(c->n + 1, sizeof(*c->trends));
	if (!c->trends)
		return -ENOMEM;
	for (i = 0; i < c->n; i++) {
		if (has_name_before(c, i))
			continue;
		t = &c->trends[c->n_trends];
		*t = (struct compare_trend){.name = name_of(c->runs[i])};
		t->points = calloc(c->n, sizeof(*t->points));
		if (!t->points)
			return -ENOMEM;
		for (k = i; k < c->n; k++) {
			if (strcmp(name_of(c->runs[k]), t->name) == 0)
				add_point(t, c->runs[k]);
		}
		if (t->n > 1)
			c->n_trends++;
		else
			free(t->points);
	}
	return 0;
}

static struct compare_score *find_score(struct comparison *c, const char *scenario, const char *step)
{
	struct compare_score *score;

	for (size_t i = 0; i < c->n_scores; i++) {
		score = &c->scores[i];
		if (score->scenario && strcmp(score->scenario, scenario) == 0 &&
		    strcmp(score->step, step) == 0)
			return score;
	}
	score = &c->scores[c->n_scores++];
	*score = (struct compare_score){.scenario = scenario,
					.step = step,
					.measured = true,
					.data_loss = NO_NS,
					.order_violations = NO_NS};
	return score;
}

static void add_count(uint64_t *sum, uint64_t more)
{
	*sum = *sum == NO_NS ? more : *sum + more;
}

/* A stream whose probe's name begins with "order" is one of orders. */
static void add_streams(const struct results *r, struct compare_score *score)
{
	const struct result_probe_summary *p;

	for (size_t i = 0; i < r->n_probes; i++) {
		p = &r->probes[i];
		if (!p->stream)
			continue;
		if (strncmp(p->name, "order", strlen("order")) == 0)
			add_count(&score->order_violations, p->missing + p->twice);
		else
			add_count(&score->data_loss, p->missing);
	}
}

static void add_expects(const struct results *r, const struct result_window *w, struct compare_score *score)
{
	for (size_t i = 0; i < r->n_expects; i++)
		score->failed += !r->expects[i].pass && window_expects(r, w, &r->expects[i]);
}

static void add_windows(const struct results *r, const struct result_step *step, struct compare_score *score)
{
	uint64_t after;

	score->planned += step->times;
	add_streams(r, score);
	for (size_t i = 0; i < r->n_windows; i++) {
		if (strcmp(r->windows[i]->step, step->name) != 0)
			continue;
		after = window_after_inject(r, r->windows[i]);
		score->opened++;
		add_expects(r, r->windows[i], score);
		score->measured &= window_measured(r, r->windows[i]);
		score->recovered += after != NO_NS;
		if (after > score->slowest_ns)
			score->slowest_ns = after;
	}
}

static int find_scores(struct comparison *c)
{
	struct compare_score *score;
	size_t i, s, steps = 0;

	for (i = 0; i < c->n; i++)
		steps += c->runs[i]->n_steps + 1;
	c->scores = calloc(steps + 1, sizeof(*c->scores));
	if (!c->scores)
		return -ENOMEM;
	for (i = 0; i < c->n; i++) {
		if (c->runs[i]->outcome == OUTCOME_REFUSED || c->runs[i]->outcome == OUTCOME_NOT_RUN)
			find_score(c, name_of(c->runs[i]), "(all)");
		for (s = 0; s < c->runs[i]->n_steps; s++) {
			const struct result_step *step = &c->runs[i]->steps[s];

			if (result_step_acts(step) && !step->shadow)
				add_windows(c->runs[i], step, find_score(c, name_of(c->runs[i]), step->name));
		}
	}
	for (i = 0; i < c->n_scores; i++) {
		score = &c->scores[i];
		score->pass = score->opened && score->opened >= score->planned &&
			      score->slowest_ns <= c->objective_ns && !score->failed &&
			      (score->order_violations == NO_NS || !score->order_violations);
		c->passed += score->pass;
	}
	return 0;
}

int compare_runs(const struct results *const *runs, size_t n, uint64_t objective_ns,
		 struct comparison **ret_comparison)
{
	struct comparison *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->objective_ns = objective_ns;
	c->runs = calloc(n + 1, sizeof(*c->runs));
	if (!c->runs) {
		comparison_free(c);
		return -ENOMEM;
	}
	for (c->n = 0; c->n < n; c->n++) {
		c->runs[c->n] = runs[c->n];
		c->exit = worst_exit(c->exit, runs[c->n]->exit);
		c->incomplete += runs[c->n]->n_incomplete != 0;
	}
	sort_runs(c);
	err = find_trends(c);
	if (!err)
		err = find_scores(c);
	if (err) {
		comparison_free(c);
		return err;
	}
	*ret_comparison = c;
	return 0;
}

void comparison_free(struct comparison *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_trends; i++)
		free(c->trends[i].points);
	free(c->trends);
	free(c->scores);
	free(c->runs);
	free(c);
}

uint64_t compare_misses(const struct comparison *c)
{
	uint64_t misses = 0;

	for (size_t i = 0; i < c->n; i++)
		misses += c->runs[i]->n_slos - slos_met(c->runs[i]) + c->runs[i]->n_expects -
			  expects_met(c->runs[i]);
	return misses;
}

void compare_each_miss(const struct results *r, struct buf *out,
		       void (*put)(const struct results *r, const char *kind, const char *what, uint64_t seq,
				   struct buf *out))
{
	struct buf words = {0};
	size_t i;

	for (i = 0; i < r->n_slos; i++) {
		if (r->slos[i].pass)
			continue;
		slo_failure(&r->slos[i], &words);
		put(r, "objective", words.data, r->slos[i].worst ? r->slos[i].worst_seq : NO_NS, out);
		buf_clear(&words);
	}
	for (i = 0; i < r->n_expects; i++) {
		if (r->expects[i].pass)
			continue;
		expect_failure(&r->expects[i], &words);
		put(r, "expectation", words.data, r->expects[i].seq, out);
		buf_clear(&words);
	}
	out->failed |= words.failed;
	buf_free(&words);
}

unsigned success_rate(const struct comparison *c)
{
	return c->n_scores ? (unsigned)(100 * c->passed / c->n_scores) : 0;
}
