/* SPDX-License-Identifier: BSD-2-Clause */
/* Which paths there are, how many attempts, and how long nothing came, on logs made for the purpose. */
#include "unit/flow_log.h"

/* The run's own probes open connections to the same place: they are no client. */
static void probes_of_the_run_are_left_out(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	works(log, 100, client(5000));
	opens(log, 1, 1000, 2000);
	flow_event(log, 1100, "flow.hit", client(6000),
		   "{\"rule\":0,\"verdict\":\"refused\",\"hook\":\"tc-egress\",\"direction\":\"out\","
		   "\"idle\":false,\"probe\":true}");
	attempt_by(log, 1800, client(5001), 4712);
	closes(log, 1, 1000, 2000);
	r = finish_observed(dir, log);
	assert_int_equal(r->n_paths, 1);
	assert_string_equal(r->paths[0].process, "trader[4712] /t");
	assert_int_equal(r->windows[0]->n_flows, 1);
	assert_false(r->windows[0]->flows[0].is_hit);
	results_free(r);
}

/* The same events, written as late ones, in another order. */
static void late_lines_change_nothing(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	const struct result_flow *f;
	struct results *r;

	works(log, 2300, client(5003));
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	closes(log, 1, 1000, 2000);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	attempt(log, 1500, client(5002));
	ends(log, 1501, "conn.refused", client(5002), "fault", 0);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	opens(log, 1, 1000, 2000);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	ends(log, 1060, "conn.reset", client(5000), "fault", 1040);
	hit(log, 1050, client(5000));
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	works(log, 100, client(5000));
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_int_equal(f->detection_ns, 60 * MS);
	assert_int_equal(f->recovery_ns, 304 * MS);
	assert_int_equal(f->attempts, 2);
	assert_int_equal(f->refused, 1);
	assert_int_equal(f->gap_ns, 1264 * MS);
	results_free(r);
}

/* One path is of two targets; another is of a target that no window is for. */
static void paths_have_their_targets(void **state)
{
	static const char other[] = "10.1.0.1:5100>10.1.0.3:9/tcp";
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	opens(log, 1, 1000, 2000);
	hit(log, 1050, client(5000));
	put_flow(log, 1100, "conn.attempt", client(5001), "db",
		 "{\"opener\":\"out\",\"also\":[\"front\",\"all\"]}");
	put_flow(log, 1200, "conn.attempt", other, "all", "{\"opener\":\"out\"}");
	put_flow(log, 1300, "conn.attempt", other, "all", "{\"opener\":\"out\"}");
	closes(log, 1, 1000, 2000);
	put_flow(log, 2300, "conn.attempt", other, "all", "{\"opener\":\"out\"}");
	r = finish_observed(dir, log);
	assert_int_equal(r->n_paths, 2);
	assert_string_equal(r->paths[0].target, "db");
	assert_int_equal(r->paths[0].targets[0], 7);
	assert_string_equal(r->paths[1].target, "all");
	assert_int_equal(r->paths[1].targets[0], 4);
	assert_int_equal(r->paths[1].attempts, 3);
	assert_int_equal(r->windows[0]->n_flows, 1);
	assert_int_equal(r->windows[0]->rates[0].peak_per_s, 1);
	assert_int_equal(r->windows[0]->rates[1].attempts, 1);
	assert_int_equal(r->windows[0]->rates[2].attempts, 4); /* the hit path is not back by 2300 */
	assert_int_equal(r->windows[0]->rates[2].peak_per_s, 3);
	assert_int_equal(r->windows[0]->rates[2].peak_seq, 6);
	assert_int_equal(r->peak_per_s, 3);
	results_free(r);
}

/* 20,000 attempts in 10 s: the counts are exact, and what is kept of them is bounded. */
static void a_storm_is_counted(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	const struct result_flow *f;
	struct log_event event = {.type = "conn.attempt", .target = "front", .data = "{\"opener\":\"out\"}"};
	struct results *r;

	opens(log, 1, 1000, 12000);
	hit(log, 1000, client(100));
	for (unsigned i = 0; i < 20000; i++) {
		event.mono_ns = 1000 * MS + i * MS / 2;
		event.flow = client(10000 + i);
		assert_int_equal(log_append(log, &event), 0);
	}
	closes(log, 1, 1000, 12000);
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_int_equal(f->attempts, 20000);
	assert_int_equal(f->peak_per_s, 2000); /* in a second, its end left out */
	assert_true(f->storm);
	assert_int_equal(f->attempts_at[RESULT_MOST_ATTEMPTS - 1],
			 1000 * MS + (RESULT_MOST_ATTEMPTS - 1) * MS / 2);
	assert_int_equal(f->backoff.kind, BACKOFF_NONE);
	assert_int_equal(r->windows[0]->rates[0].attempts, 20000);
	assert_int_equal(r->peak_per_s, 2000);
	results_free(r);
}

static void gaps_are_found(void **state)
{
	static const char format[] = "{\"direction\":\"in\",\"opener\":\"out\",\"established_ns\":5,"
				     "\"from_ns\":%d000000,\"gap_ns\":%d000000,\"gap_from_ns\":%d000000}";
	const struct run_dir *dir = *state;
	struct log *log = start_hit(dir);
	const struct result_flow *f;
	struct results *r;

	flow_event(log, 1100, "conn.data", client(5000), format, 990, 600,
		   300); /* ended before the opening */
	flow_event(log, 1500, "conn.stall", client(5000), format, 1250, 0, 1);
	closes(log, 1, 1000, 2000);
	flow_event(log, 2100, "conn.data", client(5000), format, 1900, 400, 1500); /* ended at 1900 */
	passes(log, 2101, "conn.data", client(5000), "out", 101);
	flow_event(log, 9000, "conn.stall", client(5000), format, 3000, 0, 1); /* it is back */
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_int_equal(f->gap_ns, 400 * MS);
	assert_int_equal(f->recovery_ns, 101 * MS);
	results_free(r);
}

/* From the end of one connection to the first payload of the next; not while another one is there. */
static void gaps_between_connections(void **state)
{
	const struct run_dir *dir = *state;
	struct results *r;
	struct log *log;

	for (int i = 0; i < 2; i++) {
		log = start(dir, flows_plan);
		works(log, 100, client(5000));
		if (i)
			works(log, 200, client(5001));
		opens(log, 1, 1000, 2000);
		hit(log, 1010, client(5000));
		ends(log, 1020, "conn.reset", client(5000), "fault", 900);
		closes(log, 1, 1000, 2000);
		works(log, 2100, client(5002));
		observed(log);
		r = finish(dir, log);
		assert_int_equal(flow_of(r, 0, FRONT)->gap_ns, i ? NO_NS : 1204 * MS);
		assert_int_equal(flow_of(r, 0, FRONT)->recovery_ns, 104 * MS);
		results_free(r);
		assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(probes_of_the_run_are_left_out),
		IN_DIR(late_lines_change_nothing),
		IN_DIR(paths_have_their_targets),
		IN_DIR(a_storm_is_counted),
		IN_DIR(gaps_are_found),
		IN_DIR(gaps_between_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
