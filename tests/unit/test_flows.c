/* SPDX-License-Identifier: BSD-2-Clause */
/* What the definitions of docs/definitions.md make of connections, on logs made for the purpose. */
#include "unit/flow_log.h"

/* A connection is cut, two attempts are refused, the third is after the closing, and works. */
static struct results *client_that_comes_back(const struct run_dir *dir)
{
	struct log *log = start(dir, flows_plan);

	works(log, 100, client(5000));
	opens(log, 1, 1000, 2000);
	hit(log, 1050, client(5000));
	ends(log, 1060, "conn.reset", client(5000), "fault", 1040);
	attempt(log, 1100, client(5001));
	ends(log, 1101, "conn.refused", client(5001), "fault", 0);
	attempt(log, 1500, client(5002));
	ends(log, 1501, "conn.refused", client(5002), "fault", 0);
	closes(log, 1, 1000, 2000);
	works(log, 2300, client(5003));
	flow_event(
		log, 99000, "conn.open", client(5003),
		"{\"opener\":\"out\",\"packets_in\":7,\"bytes_in\":70,\"last_in_ns\":5,\"last_out_ns\":5}");
	return finish_observed(dir, log);
}

static void its_path_is_counted(void **state)
{
	struct results *r = client_that_comes_back(*state);

	assert_true(r->observed);
	assert_int_equal(r->evicted, 0);
	assert_int_equal(r->n_incomplete, 1); /* the second window */
	assert_int_equal(r->n_paths, 1);
	assert_string_equal(r->paths[0].name, FRONT);
	assert_string_equal(r->paths[0].target, "front");
	assert_false(r->paths[0].incoming);
	assert_null(r->paths[0].process);
	assert_int_equal(r->paths[0].attempts, 4);
	assert_int_equal(r->paths[0].established, 2);
	assert_int_equal(r->paths[0].refused, 2);
	assert_int_equal(r->paths[0].reset, 1);
	assert_int_equal(r->paths[0].open, 1);
	assert_int_equal(r->paths[0].before, 0);
	assert_int_equal(r->paths[0].packets_in, 3 + 3 + 3 + 7);
	assert_int_equal(r->paths[0].bytes_out, 120);
	assert_int_equal(r->paths[0].resent_out, 3);
	results_free(r);
}

static void its_way_back_is_told(void **state)
{
	struct results *r = client_that_comes_back(*state);
	const struct result_flow *f = flow_of(r, 0, FRONT);

	assert_int_equal(r->windows[0]->n_flows, 1);
	assert_true(f->is_hit);
	assert_int_equal(f->hit_at, 1050 * MS);
	assert_int_equal(f->notice, NOTICE_RESET);
	assert_int_equal(f->detection_ns, 60 * MS);
	assert_int_equal(f->recovered_at, 2304 * MS);
	assert_int_equal(f->recovery_ns, 304 * MS);
	assert_int_equal(f->recovery_after_inject_ns, 1304 * MS);
	assert_false(f->survived || f->censored || f->storm);
	assert_int_equal(f->attempts, 3);
	assert_int_equal(f->attempts_at[0], 1100 * MS);
	assert_int_equal(f->attempts_at[2], 2300 * MS);
	assert_int_equal(f->refused, 2);
	assert_int_equal(f->peak_per_s, 2);
	assert_int_equal(f->backoff.intervals, 2);
	assert_int_equal(f->backoff.kind, BACKOFF_UNKNOWN);
	assert_int_equal(f->gap_ns, 1264 * MS); /* in: from 1040 on */
	results_free(r);
}

static void its_objectives_are_judged(void **state)
{
	struct results *r = client_that_comes_back(*state);
	const struct result_flow *f = flow_of(r, 0, FRONT);

	assert_int_equal(r->flow_recovery.samples, 1);
	assert_int_equal(r->flow_recovery.p99_ns, 304 * MS);
	assert_int_equal(r->flow_unrecovered, 0);
	assert_true(r->slos[0].by_flow && r->slos[0].pass && r->slos[1].pass && r->slos[2].pass);
	assert_string_equal(r->slos[0].value_words, "304 ms");
	assert_string_equal(r->slos[0].limit_words, "<= 500 ms");
	assert_string_equal(r->slos[0].worst, "cut #1, " FRONT);
	assert_int_equal(r->slos[0].worst_seq, f->recovered_seq);
	assert_string_equal(r->slos[1].value_words, "60 ms");
	assert_int_equal(r->slos[1].worst_seq, f->noticed_seq);
	assert_string_equal(r->slos[2].value_words, "0");
	assert_null(r->slos[2].worst);
	results_free(r);
}

/* A slow path: nobody notices, and payload both ways goes on. */
static void a_connection_survives(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_hit(dir);
	const struct result_flow *f;
	struct results *r;

	passes(log, 1010, "conn.retransmit", client(5000), "out", 101);
	passes(log, 1020, "conn.data", client(5000), "out", 101);
	passes(log, 1030, "conn.data", client(5000), "in", 101);
	closes(log, 1, 1000, 2000);
	passes(log, 2007, "conn.data", client(5000), "in", 101);
	passes(log, 2019, "conn.data", client(5000), "out", 101);
	ends(log, 3000, "conn.fin", client(5000), "local", 2500);
	ends(log, 3001, "conn.closed", client(5000), "local", 2500);
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_int_equal(f->recovered_at, 2019 * MS);
	assert_int_equal(f->recovery_ns, 19 * MS);
	assert_true(f->survived);
	assert_int_equal(f->resent_at, 1010 * MS);
	assert_int_equal(f->notice, NOTICE_NONE); /* it was back when it closed the connection */
	assert_int_equal(f->detection_ns, NO_NS);
	assert_int_equal(f->attempts, 0);
	assert_null(f->attempts_at);
	assert_int_equal(r->paths[0].closed, 1);
	assert_int_equal(r->flow_detection.missing, 1);
	assert_true(r->slos[0].pass);
	assert_false(r->slos[1].pass);
	assert_string_equal(r->slos[1].value_words, "-");
	assert_int_equal(r->slos[1].worst_seq, r->windows[0]->parts[0].open_seq);
	results_free(r);
}

/* The request was lost in the window; it is sent again, and answered. One that is sent again within the window is not back. */
static void what_is_sent_again_is_answered(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_hit(dir);
	const struct result_flow *f;
	struct results *r;

	passes(log, 1200, "conn.retransmit", client(5000), "out", 101);
	closes(log, 1, 1000, 2000);
	passes(log, 2005, "conn.data", client(5000), "in", 101);
	passes(log, 2100, "conn.retransmit", client(5000), "out", 101);
	passes(log, 2110, "conn.stall", client(5000), "in", 101);
	passes(log, 2160, "conn.data", client(5000), "out", 101);
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_int_equal(f->recovered_at, 2110 * MS);
	assert_int_equal(f->resent_at, 1200 * MS);
	assert_true(f->survived);
	results_free(r);
}

/* A check that connects and hangs up. */
static void a_path_without_payload_shakes_hands(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	const struct result_flow *f;
	struct results *r;

	opens(log, 1, 1000, 2000);
	hit(log, 1010, client(5000));
	attempt(log, 1010, client(5000));
	ends(log, 1011, "conn.refused", client(5000), "fault", 0);
	closes(log, 1, 1000, 2000);
	attempt(log, 2100, client(5001));
	flow_event(log, 2103, "conn.established", client(5001),
		   "{\"opener\":\"out\",\"attempt_ns\":2100000000,\"syns\":1}");
	ends(log, 2200, "conn.fin", client(5001), "local", 0);
	attempt(log, 2300, client(5002));
	flow_event(log, 2303, "conn.established", client(5002),
		   "{\"opener\":\"out\",\"attempt_ns\":2300000000,\"syns\":1}");
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_int_equal(f->recovered_at, 2103 * MS);
	assert_int_equal(f->recovery_ns, 103 * MS);
	assert_false(f->censored || f->survived);
	results_free(r);
}

/* There before the observer; its first payload that is seen comes after the closing. */
static void an_older_connection_survives(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	opens(log, 1, 1000, 2000);
	hit(log, 1010, client(5000));
	closes(log, 1, 1000, 2000);
	passes(log, 2100, "conn.first_data", client(5000), "out", 0);
	passes(log, 2150, "conn.first_data", client(5000), "in", 0);
	flow_event(log, 99000, "conn.open", client(5000), "{\"opener\":null}");
	r = finish_observed(dir, log);
	assert_int_equal(flow_of(r, 0, FRONT)->recovery_ns, 150 * MS);
	assert_true(flow_of(r, 0, FRONT)->survived);
	assert_int_equal(r->paths[0].before, 1);
	assert_int_equal(r->paths[0].open, 1);
	results_free(r);
}

/* Payload the other way of another connection, or from before the closing, is no answer. */
static void both_ways_are_of_one_connection(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	works(log, 100, client(5000));
	works(log, 200, client(5001));
	opens(log, 1, 1000, 2000);
	hit(log, 1010, client(5000));
	passes(log, 1900, "conn.data", client(5000), "in", 101);
	closes(log, 1, 1000, 2000);
	passes(log, 2000, "conn.data", client(5000), "out", 101);
	passes(log, 2100, "conn.data", client(5001), "in", 201);
	passes(log, 2200, "conn.stall", client(5001), "out", 201);
	passes(log, 2300, "conn.data", client(5000), "in", 101);
	r = finish_observed(dir, log);
	assert_int_equal(flow_of(r, 0, FRONT)->recovery_ns, 200 * MS);
	results_free(r);
}

#define FEED "10.1.0.1:7000<10.1.0.9/udp"

static void feed(struct log *log, uint64_t ms, const char *type, const char *way)
{
	passes(log, ms, type, "10.1.0.1:7000>10.1.0.9:33000/udp", way, 0);
}

/* A feed has payload one way only, and that is enough; where there were answers before, it isn't. */
static void one_way_is_enough_for_a_feed(void **state)
{
	const struct run_dir *dir = *state;
	const uint64_t expected[] = {30 * MS, 40 * MS, NO_NS};
	struct results *r;
	struct log *log;

	for (int i = 0; i < 3; i++) {
		log = start(dir, flows_plan);
		if (i != 2)
			feed(log, 100, "conn.first_data", "in");
		if (i == 1)
			feed(log, 101, "conn.first_data", "out");
		opens(log, 1, 1000, 2000);
		hit(log, 1010, "10.1.0.1:7000>10.1.0.9:33000/udp");
		if (i != 2)
			feed(log, 1500, "conn.data", "in"); /* not all of it is lost */
		closes(log, 1, 1000, 2000);
		feed(log, 2030, i == 2 ? "conn.first_data" : "conn.data", "in");
		if (i == 1)
			feed(log, 2040, "conn.data", "out");
		observed(log);
		r = finish(dir, log);
		assert_true(r->paths[0].incoming); /* the lower port is the local one */
		assert_int_equal(flow_of(r, 0, FEED)->recovery_ns, expected[i]);
		assert_int_equal(flow_of(r, 0, FEED)->survived, i != 2);
		assert_int_equal(flow_of(r, 0, FEED)->censored, i == 2);
		results_free(r);
		assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	}
}

/* It asks for what it wants in the window, on a new connection, and is silent from then on. */
static void a_feed_reconnects(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	const struct result_flow *f;
	struct results *r;

	passes(log, 100, "conn.first_data", client(5000), "in", 0);
	opens(log, 1, 1000, 2000);
	hit(log, 1010, client(5000));
	ends(log, 1011, "conn.reset", client(5000), "fault", 0);
	works(log, 1500, client(5001));
	closes(log, 1, 1000, 2000);
	passes(log, 2010, "conn.data", client(5001), "in", 1501);
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_int_equal(f->recovery_ns, 10 * MS);
	assert_true(f->survived);
	results_free(r);
}

/* A server here: the remote end opens the connections, and is whose notice counts. */
static void connections_that_come_in(void **state)
{
	static const char flow[] = "[fd00::1]:8080>[fd00::2]:40000/tcp",
			  again[] = "[fd00::1]:8080>[fd00::2]:40001/tcp";
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	const struct result_flow *f;
	struct results *r;

	flow_event(log, 100, "conn.attempt", flow, "{\"opener\":\"in\"}");
	opens(log, 1, 1000, 2000);
	hit(log, 1010, flow);
	ends(log, 1500, "conn.fin", flow, "local", 900);
	ends(log, 1600, "conn.closed", flow, "remote", 900);
	flow_event(log, 2400, "conn.attempt", again, "{\"opener\":\"in\"}");
	closes(log, 1, 1000, 2000);
	flow_event(log, 2402, "conn.first_data", again,
		   "{\"direction\":\"in\",\"opener\":\"in\",\"established_ns\":2401000000}");
	flow_event(log, 2403, "conn.first_data", again,
		   "{\"direction\":\"out\",\"opener\":\"in\",\"established_ns\":2401000000}");
	r = finish_observed(dir, log);
	assert_int_equal(r->n_paths, 1);
	assert_string_equal(r->paths[0].name, "[fd00::1]:8080<[fd00::2]/tcp");
	assert_true(r->paths[0].incoming);
	f = flow_of(r, 0, "[fd00::1]:8080<[fd00::2]/tcp");
	assert_int_equal(f->notice, NOTICE_CLOSED);
	assert_int_equal(f->detection_ns, 600 * MS);
	assert_int_equal(f->recovery_ns, 403 * MS);
	results_free(r);
}

static void next_opening_censors(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_hit(dir);
	const struct result_flow *f;
	struct results *r;

	attempt(log, 1500, client(5001));
	closes(log, 1, 1000, 2000);
	attempt(log, 2500, client(5002));
	opens(log, 2, 3000, 4000);
	attempt(log, 3500, client(5003));
	flow_event(log, 3500, "conn.established", client(5003), "{\"opener\":\"out\"}");
	closes(log, 2, 3000, 4000);
	works(log, 4100, client(5004));
	r = finish_observed(dir, log);
	f = flow_of(r, 0, FRONT);
	assert_true(f->is_hit && f->censored);
	assert_int_equal(f->notice, NOTICE_ATTEMPT);
	assert_int_equal(f->noticed_at, 1500 * MS);
	assert_int_equal(f->attempts, 2);
	f = flow_of(r, 1, FRONT);
	assert_int_equal(r->windows[1]->n_flows, 1);
	assert_false(f->is_hit || f->censored);
	assert_int_equal(f->attempts, 1);
	assert_int_equal(f->recovered_at, NO_NS);
	assert_int_equal(r->flow_recovery.samples, 1);
	assert_int_equal(r->flow_recovery.missing, 1);
	assert_int_equal(r->flow_unrecovered, 1);
	assert_false(r->slos[0].pass || r->slos[2].pass);
	assert_int_equal(r->slos[0].worst_seq, r->windows[0]->parts[0].close_seq);
	assert_string_equal(r->slos[2].worst, "cut #1, " FRONT);
	results_free(r);
}

/* A step's windows in two phases are one step's. */
static void next_phase_censors(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(
		dir, "{\"version\":1,\"name\":\"t\",\"seed\":7,\"targets\":[{\"name\":\"front\"}],\"steps\":["
		     "{\"name\":\"cut (some)\",\"phase\":\"some\",\"targets\":[\"front\"],\"for_ns\":1},"
		     "{\"name\":\"cut (all)\",\"phase\":\"all\",\"targets\":[\"front\"],\"for_ns\":1}]}");
	struct results *r;

	works(log, 100, client(5000));
	step_name = "cut (some)";
	opens(log, 1, 1000, 2000);
	hit(log, 1010, client(5000));
	closes(log, 1, 1000, 2000);
	step_name = "cut (all)";
	opens(log, 1, 3000, 4000);
	hit(log, 3010, client(5000));
	closes(log, 1, 3000, 4000);
	step_name = "cut";
	works(log, 4010, client(5001));
	r = finish_observed(dir, log);
	assert_int_equal(r->n_windows, 2);
	assert_true(flow_of(r, 0, FRONT)->censored);
	assert_int_equal(flow_of(r, 1, FRONT)->recovery_ns, 14 * MS);
	results_free(r);
}

/* The SYN that is hit first is no sign that anybody noticed; the next one is. */
static void the_attempt_that_is_hit_is_no_notice(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	opens(log, 1, 1000, 2000);
	hit(log, 1100, client(5000));
	attempt(log, 1100, client(5000));
	attempt(log, 1700, client(5001));
	hit(log, 1700, client(5001));
	closes(log, 1, 1000, 2000);
	r = finish_observed(dir, log);
	assert_int_equal(flow_of(r, 0, FRONT)->hit_at, 1100 * MS);
	assert_int_equal(flow_of(r, 0, FRONT)->attempts, 2);
	assert_int_equal(flow_of(r, 0, FRONT)->notice, NOTICE_ATTEMPT);
	assert_int_equal(flow_of(r, 0, FRONT)->detection_ns, 700 * MS);
	results_free(r);
}

/* Found by the walk over the sockets; the loader's resets come a moment later. */
static void an_idle_connection_is_reset(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	opens(log, 1, 1000, 2000);
	flow_event(log, 1003, "flow.hit", client(5000),
		   "{\"rule\":0,\"verdict\":\"reset\",\"hook\":\"sockets\",\"direction\":\"out\",\"idle\":"
		   "true}");
	ends(log, 1004, "conn.reset", client(5000), "fault", 0);
	closes(log, 1, 1000, 2000);
	r = finish_observed(dir, log);
	assert_int_equal(flow_of(r, 0, FRONT)->notice, NOTICE_RESET);
	assert_int_equal(flow_of(r, 0, FRONT)->detection_ns, 4 * MS);
	results_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(its_path_is_counted),
		IN_DIR(its_way_back_is_told),
		IN_DIR(its_objectives_are_judged),
		IN_DIR(a_connection_survives),
		IN_DIR(what_is_sent_again_is_answered),
		IN_DIR(a_path_without_payload_shakes_hands),
		IN_DIR(an_older_connection_survives),
		IN_DIR(both_ways_are_of_one_connection),
		IN_DIR(one_way_is_enough_for_a_feed),
		IN_DIR(a_feed_reconnects),
		IN_DIR(connections_that_come_in),
		IN_DIR(next_opening_censors),
		IN_DIR(next_phase_censors),
		IN_DIR(the_attempt_that_is_hit_is_no_notice),
		IN_DIR(an_idle_connection_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
