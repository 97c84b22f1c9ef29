/* SPDX-License-Identifier: BSD-2-Clause */
/* Objectives about probes and paths, judged on logs made for the purpose. */
#include "unit/flow_log.h"

static char *plan_of(const char *probes, const char *slos)
{
	struct buf text = {0};

	buf_printf(
		&text,
		"{\"version\":1,\"name\":\"t\",\"targets\":[{\"name\":\"front\",\"remote_port\":[\"40001\"]},"
		"{\"name\":\"db\"}],\"probes\":[%s],\"steps\":[{\"name\":\"cut\",\"targets\":[\"front\"],"
		"\"for_ns\":1000000000,\"times\":2}],\"slo\":[%s]}",
		probes, slos);
	return buf_take(&text);
}

static struct log *start_with(const struct run_dir *dir, const char *probes, const char *slos)
{
	char *plan = plan_of(probes, slos);
	struct log *log = start(dir, plan);

	free(plan);
	return log;
}

static void sample(struct log *log, uint64_t ms, const char *probe, bool healthy, const char *latency)
{
	put_event(log, ms, healthy ? "probe.up" : "probe.down", 0,
		  "{\"probe\":\"%s\",\"latency_ns\":%s,\"changed\":false}", probe, latency);
}

#define P "{\"name\":\"p\",\"every_ns\":1,\"timeout_ns\":2}"
#define Q ",{\"name\":\"q\"}"
#define S ",{\"name\":\"s\",\"kind\":\"stream\"}"

static void probes_are_counted_and_timed(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_with(dir, P Q, "");
	const struct result_probe_summary *p;
	struct results *r;

	sample(log, 100, "p", true, "10");
	sample(log, 200, "p", true, "30");
	sample(log, 300, "p", true, "20");
	sample(log, 999, "q", true, "null"); /* a log probe: no latency */
	opens(log, 1, 1000, 2000);
	sample(log, 1000, "p", false, "5");
	sample(log, 1500, "p", true, "40");
	sample(log, 1999, "p", true, "50");
	sample(log, 2000, "p", true, "60"); /* closed */
	closes(log, 1, 1000, 2000);
	opens(log, 2, 3000, 4000);
	sample(log, 3100, "p", false, "1000");
	closes(log, 2, 3000, 4000);
	sample(log, 5000, "p", true, "7");
	r = finish(dir, log);
	p = &r->probes[0];
	assert_int_equal(p->up, 7);
	assert_int_equal(p->down, 2);
	assert_int_equal(p->n_changes, 5);
	assert_int_equal(p->changes[0].at_ns, 100 * MS);
	assert_true(p->changes[0].healthy);
	assert_int_equal(p->changes[0].seq, 2);
	assert_int_equal(p->changes[1].at_ns, 1000 * MS);
	assert_false(p->changes[1].healthy);
	assert_int_equal(p->changes[4].at_ns, 5000 * MS);
	assert_int_equal(p->baseline.samples, 3);
	assert_int_equal(p->baseline.p50_ns, 20);
	assert_int_equal(p->baseline.p50_seq, 4);
	assert_int_equal(p->baseline.p99_ns, 30);
	assert_int_equal(p->faults.samples, 4);
	assert_int_equal(p->faults.p50_ns, 50);
	assert_int_equal(p->faults.p95_ns, NO_NS);
	assert_int_equal(r->windows[0]->probes[0].up, 2);
	assert_int_equal(r->windows[0]->probes[0].down, 1);
	assert_int_equal(r->windows[0]->probes[0].unhealthy_seq, 7);
	assert_int_equal(r->windows[0]->probes[0].healthy_seq, 10);
	assert_int_equal(r->windows[1]->probes[0].down, 1);
	assert_int_equal(r->windows[0]->probes[1].unhealthy_seq, NO_NS);
	assert_int_equal(r->probes[1].baseline.samples, 0);
	assert_int_equal(r->probes[1].baseline.p99_ns, NO_NS);
	assert_int_equal(r->steps[0].latency[0].samples, 4);
	results_free(r);
}

static void availability_is_that_of_the_worst_window(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log =
		start_with(dir, P Q,
			   "{\"key\":\"availability\",\"limit\":0.75,\"probe\":\"p\",\"by\":\"any\"},"
			   "{\"key\":\"availability\",\"limit\":0.7500011,\"probe\":\"p\",\"by\":\"any\"},"
			   "{\"key\":\"availability\",\"limit\":0,\"by\":\"any\"},"
			   "{\"key\":\"availability\",\"limit\":0.5,\"step\":\"other\",\"by\":\"any\"}");
	struct results *r;

	for (int i = 0; i < 2; i++) {
		opens(log, i + 1, 1000 + 2000 * i, 2000 + 2000 * i);
		for (int k = 0; k < 4; k++)
			sample(log, 1100 + 2000 * i + k, "p", i == 0 || k != 2, "1");
		closes(log, i + 1, 1000 + 2000 * i, 2000 + 2000 * i);
	}
	sample(log, 1100, "q", true, "1");
	r = finish(dir, log);
	assert_false(r->slos[0].by_flow);
	assert_int_equal(r->slos[0].unit, UNIT_SHARE);
	assert_int_equal(r->slos[0].value, 750000);
	assert_int_equal(r->slos[0].samples, 2);
	assert_true(r->slos[0].pass);
	assert_string_equal(r->slos[0].limit_words, ">= 75 %");
	assert_string_equal(r->slos[0].value_words, "75 %");
	assert_string_equal(r->slos[0].worst, "cut #2, p");
	assert_int_equal(r->slos[0].worst_seq, r->windows[1]->probes[0].unhealthy_seq);
	assert_false(r->slos[1].pass);
	assert_false(r->slos[2].pass); /* q has no sample in the second window */
	assert_int_equal(r->slos[2].missing, 1);
	assert_false(r->slos[3].pass);
	assert_string_equal(r->slos[3].value_words, "-");
	results_free(r);
}

static void latency_is_judged_by_probe(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log =
		start_with(dir, P Q,
			   "{\"key\":\"probe_p95\",\"limit\":null,\"over_baseline\":0.15,\"by\":\"any\"},"
			   "{\"key\":\"probe_p95\",\"limit\":null,\"over_baseline\":0.14,\"probe\":\"q\","
			   "\"by\":\"any\"},"
			   "{\"key\":\"probe_p99\",\"limit\":2300000,\"by\":\"probe\"},"
			   "{\"key\":\"probe_p99\",\"limit\":2299999,\"step\":\"cut\"},"
			   "{\"key\":\"probe_p99\",\"limit\":9000000,\"step\":\"other\"}");
	struct results *r;

	for (int i = 0; i < 3; i++) {
		sample(log, 100 + i, "q", true, "2000000");
		sample(log, 100 + i, "p", true, "1000000");
	}
	opens(log, 1, 1000, 2000);
	sample(log, 1100, "q", true, "2300000");
	sample(log, 1100, "p", true, "1100000");
	closes(log, 1, 1000, 2000);
	r = finish(dir, log);
	assert_true(r->slos[0].pass);
	assert_true(r->slos[0].relative);
	assert_int_equal(r->slos[0].limit, 2300000);
	assert_string_equal(r->slos[0].limit_words, "<= baseline + 15 % (2.3 ms)");
	assert_string_equal(r->slos[0].value_words, "2.3 ms");
	assert_string_equal(r->slos[0].worst, "q");
	assert_int_equal(r->slos[0].samples, 2);
	assert_false(r->slos[1].pass);
	assert_true(r->slos[2].pass);
	assert_false(r->slos[3].pass);
	assert_int_equal(r->slos[3].value, 2300000);
	assert_int_equal(r->slos[3].worst_seq, r->probes[1].faults.p99_seq);
	assert_false(r->slos[4].pass); /* no such step */
	results_free(r);
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);

	/* An unhealthy sample is slower than any other, and without a baseline there is no limit. */
	log = start_with(dir, P,
			 "{\"key\":\"probe_p95\",\"limit\":9},{\"key\":\"probe_p95\",\"limit\":null,"
			 "\"over_baseline\":9}");
	opens(log, 1, 1000, 2000);
	sample(log, 1100, "p", false, "1");
	sample(log, 1200, "p", true, "1");
	closes(log, 1, 1000, 2000);
	r = finish(dir, log);
	assert_false(r->slos[0].pass || r->slos[1].pass);
	assert_int_equal(r->slos[0].value, NO_NS);
	assert_int_equal(r->slos[0].worst_seq, r->windows[0]->probes[0].unhealthy_seq);
	assert_string_equal(r->slos[1].limit_words, "<= baseline + 900 % (-)");
	results_free(r);
}

/* Thresholds make the state, by which a window is judged, and not the sample, whose latency it is; of a stream there is none. */
static void latencies_are_of_samples(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_with(dir, P S, "{\"key\":\"probe_p99\",\"limit\":9}");
	struct results *r;

	opens(log, 1, 1000, 2000);
	sample(log, 1100, "p", true, "8,\"good\":false");
	sample(log, 1200, "s", true, "null");
	closes(log, 1, 1000, 2000);
	r = finish(dir, log);
	assert_int_equal(r->windows[0]->probes[0].up, 1);
	assert_int_equal(r->slos[0].value, NO_NS);
	assert_int_equal(r->slos[0].missing, 0);
	results_free(r);
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);

	log = start_with(dir, P S, "{\"key\":\"probe_p99\",\"limit\":9}");
	opens(log, 1, 1000, 2000);
	sample(log, 1100, "p", false, "8,\"good\":true");
	closes(log, 1, 1000, 2000);
	r = finish(dir, log);
	assert_int_equal(r->windows[0]->probes[0].down, 1);
	assert_int_equal(r->slos[0].value, 8);
	assert_true(r->slos[0].pass);
	results_free(r);
}

/* Whose samples an objective is about. */
static void objectives_choose_their_samples(void **state)
{
	static const char slos[] =
		"{\"key\":\"recovery_max\",\"limit\":1,\"by\":\"any\"},"
		"{\"key\":\"recovery_max\",\"limit\":1,\"by\":\"flow\"},"
		"{\"key\":\"recovery_max\",\"limit\":1,\"by\":\"any\",\"target\":\"db\"},"
		"{\"key\":\"recovery_max\",\"limit\":1,\"by\":\"any\",\"target\":\"front\"},"
		"{\"key\":\"recovery_max\",\"limit\":1,\"by\":\"probe\"},"
		"{\"key\":\"unrecovered\",\"limit\":0,\"by\":\"flow\"},"
		"{\"key\":\"attempts_per_s\",\"limit\":1,\"by\":\"probe\"},"
		"{\"key\":\"availability\",\"limit\":1,\"by\":\"flow\"},"
		"{\"key\":\"later_version\",\"limit\":1}";
	static const bool with[] = {false, true, true, true, false, true, true, false, false};
	static const bool without[] = {true, true, true, true, false, true, true, false, true};
	const struct run_dir *dir = *state;
	struct results *r;
	struct log *log;

	for (int probes = 0; probes < 2; probes++) {
		log = start_with(dir, probes ? P : "", slos);
		works(log, 100, client(5000));
		opens(log, 1, 1000, 2000);
		hit(log, 1010, client(5000));
		closes(log, 1, 1000, 2000);
		works(log, 2100, client(5001));
		observed(log);
		r = finish(dir, log);
		for (size_t i = 0; i < r->n_slos; i++)
			assert_int_equal(r->slos[i].by_flow, probes ? with[i] : without[i]);
		assert_int_equal(r->slos[1].value, 104 * MS);
		assert_int_equal(r->slos[2].samples, 0);
		assert_int_equal(r->slos[3].value, 104 * MS);
		assert_int_equal(r->slos[0].samples, 1);
		assert_int_equal(r->slos[0].missing, probes);
		assert_int_equal(r->slos[4].samples, probes);
		assert_true(r->slos[5].pass);
		assert_false(r->slos[8].pass);
		assert_string_equal(r->slos[8].value_words, "-");
		results_free(r);
		assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	}
}

static void attempts_are_limited(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_with(
		dir, "",
		"{\"key\":\"attempts_per_s\",\"limit\":3},{\"key\":\"attempts_per_s\",\"limit\":2},"
		"{\"key\":\"attempts_per_s\",\"limit\":0,\"target\":\"db\"},"
		"{\"key\":\"attempts_per_s\",\"limit\":9,\"step\":\"other\"}");
	struct results *r;

	attempt(log, 500, client(4000)); /* before the window */
	opens(log, 1, 1000, 2000);
	hit(log, 1100, client(5000));
	attempt(log, 1100, client(5000));
	attempt(log, 1900, client(5001));
	attempt(log, 2099, client(5002));
	closes(log, 1, 1000, 2000);
	works(log, 2100, client(5003));   /* a second after the first */
	attempt(log, 2105, client(5004)); /* it is back */
	put_flow(log, 5000, "conn.attempt", "10.1.0.1:9>10.1.0.3:9/tcp", "db", "{\"opener\":\"out\"}");
	observed(log);
	r = finish(dir, log);
	assert_int_equal(r->slos[0].value, 3);
	assert_true(r->slos[0].pass);
	assert_int_equal(r->slos[0].samples, 1);
	assert_string_equal(r->slos[0].limit_words, "<= 3 a second");
	assert_string_equal(r->slos[0].value_words, "3 a second");
	assert_string_equal(r->slos[0].worst, "cut #1, front");
	assert_int_equal(r->slos[0].worst_seq, 8);
	assert_false(r->slos[1].pass);
	assert_true(r->slos[2].pass);
	assert_int_equal(r->slos[2].value, 0);
	assert_false(r->slos[3].pass);
	assert_int_equal(r->windows[0]->flows[0].attempts, 4);
	assert_int_equal(r->windows[0]->flows[0].peak_per_s, 3);
	assert_true(r->windows[0]->flows[0].storm);
	results_free(r);
}

/* Attempts of one path from `from` on, with these intervals, each refused. */
static void tries(struct log *log, unsigned port, uint64_t from, const unsigned *intervals, size_t n)
{
	for (size_t i = 0; i <= n; i++) {
		attempt(log, from, client(port + i));
		ends(log, from, "conn.refused", client(port + i), "remote", 0);
		from += i < n ? intervals[i] : 0;
	}
}

static void backoff_is_as_demanded(void **state)
{
	static const unsigned doubling[] = {200, 410, 790, 1600, 3200};
	static const char slos[] =
		"{\"key\":\"backoff\",\"limit\":null,\"kind\":\"exponential\",\"factor\":[1.8,2.2],\"cap_"
		"ns\":"
		"3300000000,\"target\":\"front\"},"
		"{\"key\":\"backoff\",\"limit\":null,\"kind\":\"exponential\",\"factor\":[2.1,2.5],\"cap_"
		"ns\":null},"
		"{\"key\":\"backoff\",\"limit\":null,\"kind\":\"exponential\",\"factor\":null,\"cap_ns\":"
		"3000000000},"
		"{\"key\":\"backoff\",\"limit\":null,\"kind\":\"constant\",\"factor\":null,\"cap_ns\":null},"
		"{\"key\":\"backoff\",\"limit\":null,\"kind\":\"none\",\"target\":\"db\"},"
		"{\"key\":\"backoff\",\"limit\":null,\"kind\":\"exponential\",\"step\":\"other\"},"
		"{\"key\":\"backoff\",\"limit\":null,\"kind\":\"bursts\"}";
	const struct run_dir *dir = *state;
	struct log *log = start_with(dir, "", slos);
	const struct result_backoff *b;
	struct results *r;

	works(log, 100, client(4000));
	opens(log, 1, 1000, 20000);
	hit(log, 1010, client(4000));
	tries(log, 5000, 1100, doubling, 5);
	closes(log, 1, 1000, 20000);
	observed(log);
	r = finish(dir, log);
	b = &r->windows[0]->flows[0].backoff;
	assert_int_equal(b->kind, BACKOFF_EXPONENTIAL);
	assert_int_equal(b->intervals, 5);
	assert_int_equal(b->first_ns, 200 * MS);
	assert_int_equal(b->median_ns, 790 * MS);
	assert_int_equal(b->max_ns, 3200 * MS);
	assert_true(b->factor > 1.97 && b->factor < 2.03);
	assert_true(b->has_jitter && b->jitter > 0.005 && b->jitter < 0.03);
	assert_true(r->slos[0].pass);
	assert_int_equal(r->slos[0].unit, UNIT_WORDS);
	assert_int_equal(r->slos[0].samples, 1);
	assert_int_equal(r->slos[0].value, NO_NS);
	assert_string_equal(r->slos[0].limit_words, "exponential, factor 1.8 to 2.2, cap 3.3 s");
	assert_string_equal(r->slos[0].worst, "cut #1, 10.1.0.1>10.1.0.2:40001/tcp");
	assert_int_equal(r->slos[0].worst_seq, r->windows[0]->flows[0].attempts_seq);
	assert_int_equal(strncmp(r->slos[0].value_words, "exponential, factor 1.99", 24), 0);
	assert_false(r->slos[1].pass); /* the factor */
	assert_false(r->slos[2].pass); /* the cap */
	assert_false(r->slos[3].pass);
	assert_false(r->slos[4].pass);
	assert_string_equal(r->slos[4].value_words, "no flow was seen");
	assert_string_equal(r->slos[5].value_words, "no path tried often enough");
	assert_false(r->slos[5].pass || r->slos[6].pass);
	results_free(r);
}

/* What is slow, or tries in haste, while nothing is touched does so by itself. */
static void a_shadow_is_no_sample(void **state)
{
	static const unsigned doubling[] = {200, 410, 790, 1600, 3200};
	const struct run_dir *dir = *state;
	struct log *log = start_with(dir, P,
				     "{\"key\":\"probe_p99\",\"limit\":9},"
				     "{\"key\":\"attempts_per_s\",\"limit\":1},"
				     "{\"key\":\"backoff\",\"limit\":null,\"kind\":\"constant\"}");
	struct results *r;

	put_event(log, 1000, "fault.open", 1,
		  "{\"rule\":0,\"opens_ns\":1000000000,\"closes_ns\":20000000000,\"fault\":{},\"shadow\":"
		  "true}");
	sample(log, 1050, "p", true, "5000");
	tries(log, 5000, 1100, doubling, 5);
	closes(log, 1, 1000, 20000);
	opens(log, 2, 30000, 31000);
	sample(log, 30100, "p", true, "7");
	attempt(log, 30200, client(6000));
	closes(log, 2, 30000, 31000);
	observed(log);
	r = finish(dir, log);
	assert_true(r->windows[0]->shadow);
	assert_int_equal(r->windows[0]->flows[0].attempts, 6);
	assert_false(r->windows[0]->flows[0].storm);
	assert_int_equal(r->slos[0].value, 7);
	assert_true(r->slos[0].pass);
	assert_int_equal(r->slos[1].value, 1);
	assert_int_equal(r->slos[1].samples, 1);
	assert_true(r->slos[1].pass);
	assert_int_equal(r->peak_per_s, 1);
	assert_int_equal(r->slos[2].samples, 0);
	assert_string_equal(r->slos[2].value_words, "no path tried often enough");
	results_free(r);
}

/* One that is not as demanded outweighs those that are. */
static void the_worst_backoff_decides(void **state)
{
	static const unsigned doubling[] = {100, 200, 400, 800, 1600};
	const struct run_dir *dir = *state;
	struct log *log =
		start_with(dir, "", "{\"key\":\"backoff\",\"limit\":null,\"kind\":\"exponential\"}");
	struct results *r;
	char flow[64];

	opens(log, 1, 1000, 20000);
	tries(log, 5000, 1100, doubling, 5);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(flow, sizeof(flow), "10.1.0.1:%u>10.1.0.3:40001/tcp", 6000 + i);
		attempt(log, 1100 + 300 * i, flow);
	}
	closes(log, 1, 1000, 20000);
	observed(log);
	r = finish(dir, log);
	assert_false(r->slos[0].pass);
	assert_int_equal(r->slos[0].samples, 2);
	assert_string_equal(r->slos[0].worst, "cut #1, 10.1.0.1>10.1.0.3:40001/tcp");
	assert_string_equal(r->slos[0].value_words, "constant, interval 300 ms");
	results_free(r);
}

/* Attempts that get no answer wait for a timeout each, which is no part of the back-off. */
static void timeouts_are_told_apart(void **state)
{
	static const unsigned waits[] = {0, 1200, 1400, 1800, 2600, 4200};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	const struct result_backoff *b;
	uint64_t at = 1100;
	struct results *r;

	opens(log, 1, 1000, 20000);
	hit(log, 1010, client(4000));
	for (unsigned i = 0; i < 6; i++) {
		at += waits[i];
		attempt(log, at, client(5000 + i));
	}
	closes(log, 1, 1000, 20000);
	observed(log);
	r = finish(dir, log);
	b = &r->windows[0]->flows[0].backoff;
	assert_int_equal(b->kind, BACKOFF_EXPONENTIAL);
	assert_true(b->factor > 1.99 && b->factor < 2.01);
	assert_false(b->has_jitter);
	results_free(r);
}

/* Of several processes on one path the busiest tells; a connection that was made starts anew. */
static void attempts_that_belong_together(void **state)
{
	static const unsigned doubling[] = {100, 200, 400, 800, 1600};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	const struct result_flow *f;
	uint64_t at = 1100;
	struct results *r;

	opens(log, 1, 1000, 20000);
	hit(log, 1010, client(4000));
	for (int i = 0; i < 6; i++) {
		attempt_by(log, at, client(5000 + i), 77);
		at += i < 5 ? doubling[i] : 0;
	}
	for (int i = 0; i < 5; i++)
		attempt_by(log, 1130 + 333 * i, client(6000 + i), 78);
	closes(log, 1, 1000, 20000);
	observed(log);
	r = finish(dir, log);
	f = &r->windows[0]->flows[0];
	assert_int_equal(f->attempts, 11);
	assert_int_equal(f->backoff.intervals, 5);
	assert_int_equal(f->backoff.kind, BACKOFF_EXPONENTIAL);
	results_free(r);
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);

	log = start(dir, flows_plan);
	opens(log, 1, 1000, 20000);
	hit(log, 1010, client(4000));
	tries(log, 5000, 1100, doubling, 2);
	flow_event(log, 1401, "conn.established", client(5002), "{\"opener\":\"out\"}");
	tries(log, 6000, 3000, doubling, 4);
	closes(log, 1, 1000, 20000);
	observed(log);
	r = finish(dir, log);
	f = &r->windows[0]->flows[0];
	assert_int_equal(f->attempts, 8);
	assert_int_equal(f->backoff.intervals, 4);
	assert_int_equal(f->backoff.first_ns, 100 * MS);
	assert_int_equal(f->backoff.kind, BACKOFF_EXPONENTIAL);
	results_free(r);
}

static void facts_of_the_host_are_words(void **state)
{
	static const char text[] =
		"{\"name\":\"t\",\"kernel\":\"6.18\",\"kernel_version\":\"#1 "
		"SMP\",\"machine\":\"x86_64\",\"cpus\":2,"
		"\"clock\":{\"synchronised\":false,\"offset_ns\":-1500,\"max_error_ns\":16000000,\"tai_s\":0,"
		"\"source\":\"tsc\"},"
		"\"devices\":[{\"name\":\"eth0\",\"driver\":\"veth\",\"firmware\":null,\"speed_mbit\":10000,"
		"\"mtu\":1500,\"qdisc\":\"noqueue\",\"offloads\":{\"gro\":false,\"gso\":true,\"tso\":true}},"
		"{\"name\":\"eth1\",\"driver\":7},7,{\"driver\":\"x\"}],"
		"\"programs\":{\"tc_in\":\"0123\",\"odd\":1,\"tc_out\":\"4567\"},\"unknown\":\"member\"}";
	static const char *const odd[] = {
		"{\"clock\":null,\"devices\":null,\"programs\":7}",
		"{\"clock\":[],\"devices\":{},\"programs\":[],\"cpus\":-1,\"machine\":1}",
		"{\"clock\":{\"offset_ns\":-9223372036854775808},\"devices\":[null,[],{}]}",
		"{}",
	};
	static const char *const expected[][2] = {
		{"kernel version", "#1 SMP"},
		{"machine", "x86_64, 2 processors"},
		{"clock", "not synchronised, offset -1.5 us, error at most 16 ms, source tsc"},
		{"eth0", "driver veth, 10000 Mbit/s, MTU 1500, qdisc noqueue, offloads gso, tso"},
		{"programs", "tc_in 0123, tc_out 4567"},
	};
	const struct run_dir *dir = *state;
	struct results *r;
	struct log *log;

	put_file(dir->fd, "plan.json", flows_plan, strlen(flows_plan));
	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	put_event(log, 1, "run.start", 0, "%s", text);
	r = finish_as(dir, log, "aborted");
	assert_string_equal(r->kernel, "6.18");
	assert_int_equal(r->n_facts, 5);
	for (size_t i = 0; i < r->n_facts; i++) {
		assert_string_equal(r->facts[i].key, expected[i][0]);
		assert_string_equal(r->facts[i].value, expected[i][1]);
	}
	results_free(r);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
		assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
		put_event(log, 1, "run.start", 0, "%s", odd[i]);
		r = finish_as(dir, log, "aborted");
		assert_int_equal(r->n_facts, 0);
		results_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(probes_are_counted_and_timed),    IN_DIR(availability_is_that_of_the_worst_window),
		IN_DIR(latency_is_judged_by_probe),      IN_DIR(latencies_are_of_samples),
		IN_DIR(objectives_choose_their_samples), IN_DIR(attempts_are_limited),
		IN_DIR(backoff_is_as_demanded),          IN_DIR(a_shadow_is_no_sample),
		IN_DIR(the_worst_backoff_decides),       IN_DIR(timeouts_are_told_apart),
		IN_DIR(attempts_that_belong_together),   IN_DIR(facts_of_the_host_are_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
