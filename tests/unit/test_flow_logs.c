/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs of connections that are damaged, large, or from before there were any. */
#include "unit/flow_log.h"

/* More clients than there is room for: the rest is left out, and said to be. */
static void too_many_paths_are_noted(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;
	char flow[64];

	for (unsigned i = 0; i < 16500; i++) {
		snprintf(flow, sizeof(flow), "10.1.0.1:80>10.2.%u.%u:5000/tcp", i / 250, i % 250);
		flow_event(log, 100 + i / 100, "conn.attempt", flow, "{\"opener\":\"in\"}");
	}
	observed(log);
	r = finish_as(dir, log, "aborted");
	assert_int_equal(r->n_paths, 16384);
	assert_string_equal(r->paths[16383].name, "10.1.0.1:80<10.2.65.133/tcp");
	assert_int_equal(r->n_notes, 2);
	assert_non_null(strstr(r->notes[0], "more than 16384 paths: 116 events"));
	results_free(r);
}

/* Without the observer, hits alone say nothing of paths. */
static void older_logs_have_no_paths(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	opens(log, 1, 1000, 2000);
	hit(log, 1010, client(5000));
	closes(log, 1, 1000, 2000);
	r = finish(dir, log);
	assert_false(r->observed);
	assert_int_equal(r->evicted, NO_NS);
	assert_int_equal(r->n_paths, 0);
	assert_int_equal(r->windows[0]->n_flows, 0);
	assert_int_equal(r->flow_recovery.samples, 0);
	assert_false(r->slos[0].pass);
	results_free(r);
}

static void what_is_missing_is_noted(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	put_event(log, 10, "baseline.end", 0, "{\"zero_ns\":9000000}");
	put_event(log, 20, "conns", 0, "{\"seen\":9,\"evicted\":4,\"untracked\":2}");
	put_event(log, 21, "capture", 0, "{\"packets\":100,\"lost\":3,\"cut\":1}");
	r = finish_as(dir, log, "aborted");
	assert_true(r->observed);
	assert_int_equal(r->evicted, 4);
	assert_int_equal(r->captured, 100);
	assert_int_equal(r->capture_lost, 3);
	assert_int_equal(r->n_notes, 4);
	assert_int_equal(r->n_incomplete, 0);
	assert_int_equal(r->start_ns, 1 * MS);
	assert_int_equal(r->zero_ns, 9 * MS);
	assert_int_equal(r->end_ns, 100000 * MS);
	results_free(r);
}

/* Each is told, and none is believed. */
static void odd_events_are_told(void **state)
{
	static const struct {
		const char *type, *flow, *target, *data;
	} odd[] = {
		{"conn.attempt", NULL, "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", NULL, "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front", NULL},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "[]"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "7"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"opener\":7}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"opener\":\"up\"}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"opener\":\"in\",\"also\":\"db\"}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"opener\":\"in\",\"process\":[]}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/tcp", "front",
		 "{\"opener\":\"in\",\"process\":{\"pid\":\"1\"}}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:65536/tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:/tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1>10.1.0.2:2/tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1:1>10.1.0.2:2/1", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1:1/10.1.0.2:2>tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "10.1.0.1:1>[::1]:2/tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "[::1:1>[::1]:2/tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "[::1]>[::1]/tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", ">/tcp", "front", "{\"opener\":\"out\"}"},
		{"conn.attempt", "", "front", "{\"opener\":\"out\"}"},
		{"conn.data", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{}"},
		{"conn.data", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"direction\":\"up\"}"},
		{"conn.data", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"direction\":\"in\",\"from_ns\":-1}"},
		{"conn.data", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"direction\":\"in\",\"from_ns\":1.5}"},
		{"conn.first_data", "10.1.0.1:1>10.1.0.2:2/tcp", "front",
		 "{\"direction\":\"in\",\"established_ns\":\"5\"}"},
		{"conn.retransmit", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"direction\":null}"},
		{"conn.stall", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"direction\":[]}"},
		{"conn.fin", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{}"},
		{"conn.closed", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"by\":\"me\"}"},
		{"conn.reset", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"by\":\"fault\",\"bytes_in\":true}"},
		{"conn.refused", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"by\":7}"},
		{"conn.open", "10.1.0.1:1>10.1.0.2:2/tcp", "front", "{\"last_in_ns\":{}}"},
		{"flow.hit", "10.1.0.1:1>10.1.0.2:2/tcp", NULL, "{}"},
		{"conns", NULL, NULL, "{\"evicted\":\"many\"}"},
		{"capture", NULL, NULL, "{}"},
		{"baseline.end", NULL, NULL, "{\"zero_ns\":-1}"},
	};
	const size_t n = sizeof(odd) / sizeof(*odd);
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;
	char text[64];

	for (size_t i = 0; i < n; i++) {
		const struct log_event event = {.mono_ns = 10 * MS + i,
						.type = odd[i].type,
						.flow = odd[i].flow,
						.target = odd[i].target,
						.data = odd[i].data};

		assert_int_equal(log_append(log, &event), 0);
	}
	put_flow(log, 20, "conn.attempt", client(1), "nobody", "{\"opener\":\"out\"}");
	put_flow(log, 20, "conn.attempt", client(1), "front", "{\"opener\":\"out\",\"also\":[\"nobody\"]}");
	put_flow(log, 20, "conn.attempt", client(1), "front", "{\"opener\":\"out\",\"also\":[7]}");
	put_flow(log, 20, "flow.hit", "10.1.0.1:0>10.1.0.2:0/1", "front", "{}"); /* ICMP: it has no path */
	r = finish_as(dir, log, "aborted");
	snprintf(text, sizeof(text), "%zu events don't have the data", n);
	if (!lacks(r, text))
		fail_msg("expected %s, not %s", text, r->n_incomplete ? r->incomplete[0] : "nothing");
	assert_true(lacks(r, "3 events of flows are of targets that the plan doesn't have"));
	assert_int_equal(r->n_paths, 0);
	results_free(r);
}

/* Numbers as large as JSON's: sums and differences of them hurt nobody. */
static void extreme_numbers_are_survived(void **state)
{
	static const char most[] = "9223372036854775807";
	const struct run_dir *dir = *state;
	struct log *log = start(dir, flows_plan);
	struct results *r;

	opens(log, 1, 1000, 2000);
	hit(log, 1001, client(1));
	attempt(log, 1002, client(2));
	flow_event(log, 1003, "conn.first_data", client(2), "{\"direction\":\"in\",\"established_ns\":%s}",
		   most);
	flow_event(log, 1004, "conn.data", client(2),
		   "{\"direction\":\"out\",\"from_ns\":%s,\"gap_ns\":%s,\"gap_from_ns\":%s}", most, most,
		   most);
	flow_event(log, 1005, "conn.fin", client(2),
		   "{\"by\":\"local\",\"last_in_ns\":%s,\"gap_in_ns\":%s,\"bytes_in\":%s,\"packets_in\":%s}",
		   most, most, most, most);
	flow_event(log, 1006, "conn.reset", client(2),
		   "{\"by\":\"local\",\"last_in_ns\":0,\"gap_in_ns\":%s,\"bytes_in\":%s,\"packets_in\":%s}",
		   most, most, most);
	flow_event(log, 1007, "conn.first_data", client(3), "{\"direction\":\"in\",\"established_ns\":0}");
	closes(log, 1, 1000, 2000);
	observed(log);
	r = finish_as(dir, log, "aborted");
	assert_int_equal(r->n_incomplete, 0);
	assert_int_equal(r->windows[0]->n_flows, 1);
	results_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(too_many_paths_are_noted),     IN_DIR(older_logs_have_no_paths),
		IN_DIR(what_is_missing_is_noted),     IN_DIR(odd_events_are_told),
		IN_DIR(extreme_numbers_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
