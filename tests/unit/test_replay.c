/* SPDX-License-Identifier: BSD-2-Clause */
/* plan.json gives `verify` the rules that the loader gave the kernel; and flows are read as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.bpf.h"
#include "kernel/rules.h"
#include "scenario/scenario.h"
#include "slo/replay.h"

#define REPLAYED_FLAGS (SP_RULE_GEMODEL | SP_RULE_HOLDS | SP_RULE_CORRUPT_VALID)

static const char scenario[] =
	"{version: 1, name: all, seed: 9223372036854775807, interface: eth0,"
	" targets: {a: {proto: tcp, remote_port: 1, share: 12.345%}, b: {proto: udp, remote_port: 2}},"
	" steps: ["
	"  {name: lossy, at: 0s, for: 1s, fault: {loss: 0.05%, loss_correlation: 25%}, target: [a, b]},"
	"  {name: drop, at: 0s, for: 1s, fault: {drop: true}, target: b, repeat: {times: 3, every: 2s}},"
	"  {name: some, at: 0s, for: 1s, fault: {drop: true, percent: 3%}, target: a},"
	"  {name: every, at: 0s, for: 1s, fault: {loss: {every: 7}}, target: b},"
	"  {name: bursts, at: 0s, for: 1s, fault: {loss: {gemodel: {p: 1%, r: 10%}}}, target: b},"
	"  {name: all of it, at: 0s, for: 1s, fault: {loss: {gemodel: {p: 1%, r: 10%, bad: 80%, good: 2%}}}, "
	"target: b},"
	"  {name: reset, at: 0s, for: 1s, fault: {reset: both, percent: 40%}, target: a},"
	"  {name: local, at: 0s, for: 1s, fault: {reset: local}, target: a},"
	"  {name: remote, at: 0s, for: 1s, fault: {reset: remote}, target: a},"
	"  {name: refuse, at: 0s, for: 1s, fault: {refuse: icmp-host}, target: a},"
	"  {name: delay, at: 0s, for: 1s, fault: {delay: 10ms, jitter: 3ms, percent: 50%}, target: b},"
	"  {name: rate, at: 0s, for: 1s, fault: {rate: 1mbit}, target: b},"
	"  {name: bent, at: 0s, for: 1s, fault: {delay: 5ms, duplicate: 1%, duplicate_correlation: 2%, "
	"corrupt: 3%,"
	"   corrupt_correlation: 4%, checksum: valid, reorder: 25%, reorder_correlation: 6%}, target: b},"
	"  {name: gap, at: 0s, for: 1s, fault: {reorder: {percent: 25%, by: 3ms, gap: 5}}, target: b},"
	"  {name: names, at: 0s, for: 1s, fault: {dns: servfail, names: '*.test', percent: 30%}, target: b},"
	"  {name: statuses, at: 0s, for: 1s, fault: {http: 503, percent: 20%, loss: 1%}, target: a},"
	"  {name: clocks, at: 0s, for: 1s, fault: {ntp: +80ms, percent: 60%}, target: b},"
	"  {name: readers, at: 0s, for: 1s, fault: {stall: true, percent: 25%}, target: a},"
	"  {name: bytes, at: 0s, for: 1s, fault: {limit: 64KB, then: fin}, target: a},"
	"  {name: sizes, at: 0s, for: 1s, fault: {mtu: 1400}, target: b},"
	"  {name: closes, at: 0s, for: 1s, fault: {slow_close: 200ms, percent: 75%}, target: a},"
	"  {name: halves, at: 0s, for: 1s, fault: {half_open: true, percent: 10%}, target: a},"
	"  {name: paces, at: 0s, for: 1s, fault: {rate_limit: 10/s}, target: a},"
	"  {name: ends, at: 0s, for: 1s, fault: {disconnects: 0.05/min}, target: a},"
	"  {name: jitter, at: 0s, for: 1s, fault: {delay: 5ms, jitter: 1ms, reorder: jitter}, target: b}]}";

static struct plan *compile(const char *text)
{
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;

	if (scenario_parse("test", text, strlen(text), NULL, &plan, &errors))
		fail_msg("%s", errors.text ? errors.text : "no scenario");
	free(errors.text);
	return plan;
}

static json_t *to_json(const struct plan *plan)
{
	char *text;
	json_t *json;

	assert_int_equal(plan_to_json(plan, &text), 0);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	free(text);
	return json;
}

/* What lots depend on, and nothing else. */
static void expect_same(const struct replay_rule *is, const struct sp_rule *kernel)
{
	const struct sp_rule *r = &is->rule;

	assert_int_equal(r->seed, kernel->seed);
	assert_int_equal(r->share, kernel->share);
	assert_int_equal(r->drop_below, kernel->drop_below);
	assert_int_equal(r->drop_every, kernel->drop_every);
	assert_int_equal(r->times, kernel->times);
	assert_int_equal(r->reset_ends, kernel->reset_ends);
	assert_int_equal(!r->refuse, !kernel->refuse);
	assert_int_equal(r->meaning, kernel->meaning);
	if (r->meaning)
		assert_int_equal(r->meaning_below, kernel->meaning_below);
	if (r->reset_ends || r->refuse || r->meaning)
		assert_int_equal(r->flow_below, kernel->flow_below);
	assert_int_equal(r->flags & REPLAYED_FLAGS, kernel->flags & REPLAYED_FLAGS);
	assert_int_equal(r->loss_correlation, kernel->loss_correlation);
	assert_int_equal(r->ge_p, kernel->ge_p);
	assert_int_equal(r->ge_r, kernel->ge_r);
	assert_int_equal(r->ge_bad, kernel->ge_bad);
	assert_int_equal(r->ge_good, kernel->ge_good);
	assert_int_equal(!r->rate, !kernel->rate);
	assert_int_equal(r->duplicate_below, kernel->duplicate_below);
	assert_int_equal(r->duplicate_correlation, kernel->duplicate_correlation);
	assert_int_equal(r->corrupt_below, kernel->corrupt_below);
	assert_int_equal(r->corrupt_correlation, kernel->corrupt_correlation);
	assert_int_equal(r->reorder_below, kernel->reorder_below);
	assert_int_equal(r->reorder_correlation, kernel->reorder_correlation);
	assert_int_equal(r->reorder_by_ns, kernel->reorder_by_ns);
	assert_int_equal(r->reorder_gap, kernel->reorder_gap);
}

static void rules_are_those_of_the_kernel(void **state)
{
	static struct sp_rule kernel[SP_MAX_RULES];
	struct plan *plan = compile(scenario);
	json_t *json = to_json(plan);
	struct replay_rule *rules;
	size_t n;

	(void)state;
	rules_fill(plan, kernel);
	assert_int_equal(replay_rules(json, &rules, &n), 0);
	assert_int_equal(n, plan->n_rules);
	for (size_t i = 0; i < n; i++) {
		const struct plan_step *step = &plan->steps[plan->rules[i].step];

		assert_string_equal(rules[i].step, step->name);
		assert_string_equal(rules[i].target, plan->targets[plan->rules[i].target].name);
		assert_int_equal(rules[i].at_ns, step->window.at_ns);
		assert_int_equal(rules[i].for_ns, step->window.for_ns);
		assert_int_equal(rules[i].every_ns, step->window.every_ns);
		expect_same(&rules[i], &kernel[i]);
	}
	free(rules);
	json_decref(json);
	plan_free(plan);
}

static int read_rules(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct replay_rule *rules = NULL;
	size_t n;
	int err;

	assert_non_null(json);
	err = replay_rules(json, &rules, &n);
	if (!err)
		free(rules);
	json_decref(json);
	return err;
}

#define WITH_FAULT(fault)                                                                                    \
	"{\"seed\":1,\"targets\":[{\"name\":\"t\"}],\"steps\":[{\"name\":\"s\",\"targets\":[\"t\"],"         \
	"\"fault\":" fault "}]}"

static void plans_that_say_nothing(void **state)
{
	static const char *const bad[] = {
		WITH_FAULT("7"),
		WITH_FAULT("{\"loss\":7}"),
		WITH_FAULT("{\"loss\":\"7\"}"),
		WITH_FAULT("{\"loss\":{\"every\":0}}"),
		WITH_FAULT("{\"loss\":{\"every\":4294967296}}"),
		WITH_FAULT("{\"loss\":{\"gemodel\":{\"p\":1}}}"),
		WITH_FAULT("{\"reorder\":{\"percent\":\"1%\",\"by\":\"3\"}}"),
		WITH_FAULT("{\"reset\":\"both\",\"percent\":\"x\"}"),
		"{\"targets\":[{\"name\":\"t\",\"share\":1.1}],\"steps\":[{\"name\":\"s\",\"targets\":[\"t\"]"
		",\"fault\":{}}]}",
		"{\"targets\":[{\"name\":\"t\",\"share\":-1}],\"steps\":[{\"name\":\"s\",\"targets\":[\"t\"],"
		"\"fault\":{}}]}",
		"{\"targets\":[{\"name\":\"t\",\"share\":\"1\"}],\"steps\":[{\"name\":\"s\",\"targets\":["
		"\"t\"],\"fault\":{}}]}",
		"{\"steps\":[{\"targets\":[\"t\"],\"fault\":{}}]}",
		"{\"steps\":[{\"name\":\"s\",\"targets\":[1],\"fault\":{}}]}",
		"{\"steps\":[{\"name\":\"s\",\"targets\":[\"t\"]}]}",
	};

	(void)state;
	assert_int_equal(read_rules("{}"), 0);
	assert_int_equal(read_rules(WITH_FAULT("{\"drop\":true}")), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (read_rules(bad[i]) != -EBADMSG)
			fail_msg("%s is taken", bad[i]);
}

static void too_many_rules(void **state)
{
	char *text = malloc(200000), *at = text;

	(void)state;
	assert_non_null(text);
	at += sprintf(at, "{\"steps\":[");
	for (int i = 0; i <= SP_MAX_RULES; i++)
		at += sprintf(at, "%s{\"name\":\"s\",\"targets\":[\"t\"],\"fault\":{}}", i ? "," : "");
	sprintf(at, "]}");
	assert_int_equal(read_rules(text), -EBADMSG);
	free(text);
}

static uint64_t hash(const char *text)
{
	uint64_t flow = 0;

	if (!replay_flow(text, &flow))
		fail_msg("%s is no flow", text);
	return flow;
}

static void flows(void **state)
{
	static const char *const bad[] = {
		"",
		">",
		"/tcp",
		"10.1.0.1:1>10.1.0.2:2",
		"10.1.0.1:1>10.1.0.2:2/",
		"10.1.0.1:1>10.1.0.2:2/icmp",
		"10.1.0.1:1>10.1.0.2:2/256",
		"10.1.0.1:1>10.1.0.2:2/-1",
		"10.1.0.1>10.1.0.2:2/tcp",
		"10.1.0.1:>10.1.0.2:2/tcp",
		"10.1.0.1:+1>10.1.0.2:2/tcp",
		"10.1.0.1:65536>10.1.0.2:2/tcp",
		"10.1.0.256:1>10.1.0.2:2/tcp",
		"[10.1.0.1]:1>10.1.0.2:2/tcp",
		"fd00::1:1>10.1.0.2:2/tcp",
		"[fd00::1:1>10.1.0.2:2/tcp",
		"[fd00::1]1>10.1.0.2:2/tcp",
		"[]:1>10.1.0.2:2/tcp",
		"10.1.0.1:1<10.1.0.2:2/tcp",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1>10.1.0.2:2/"
		"tcp",
	};
	const uint32_t v4[4] = {0, 0, htonl(0xffff), htonl(0x0a010001)};
	const uint32_t v6[4] = {htonl(0xfd000000), 0, 0, htonl(1)};
	uint64_t flow;

	(void)state;
	assert_int_equal(hash("10.1.0.1:53122>[fd00::1]:40001/tcp"), flow_hash(v4, v6, 53122, 40001, 6));
	assert_int_equal(hash("[fd00::1]:0>10.1.0.1:65535/udp"), flow_hash(v6, v4, 0, 65535, 17));
	assert_int_equal(hash("10.1.0.1:0>10.1.0.1:0/1"), flow_hash(v4, v4, 0, 0, 1));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (replay_flow(bad[i], &flow))
			fail_msg("%s is taken for a flow", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_those_of_the_kernel),
		cmocka_unit_test(plans_that_say_nothing),
		cmocka_unit_test(too_many_rules),
		cmocka_unit_test(flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
