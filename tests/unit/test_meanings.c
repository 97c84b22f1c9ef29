/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults with a meaning, owners and the clock, in the plan. */
#include "unit/scenario_text.h"

#include <stdio.h>

#define QUARTER (PLAN_ALWAYS / 4)

static struct plan *parse_fault(const char *fault)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 HEAD "targets: {a: {remote_port: 80}}\n"
		      "steps: [{name: s, at: 0s, target: a, for: 1s, fault: {%s}}]\n",
		 fault);
	return parse(text, NULL);
}

static const struct {
	const char *words;
	struct plan_fault expected;
	bool answers, alters, holds;
} cases[] = {
	{"dns: nxdomain",
	 {.meaning = PLAN_MEANS_DNS, .rcode = 3, .text = "{\"dns\":\"nxdomain\"}"},
	 true,
	 false,
	 false},
	{"dns: servfail, percent: 25%",
	 {.meaning = PLAN_MEANS_DNS,
	  .rcode = 2,
	  .meaning_below = QUARTER,
	  .text = "{\"dns\":\"servfail\",\"percent\":\"25%\"}"},
	 true,
	 false,
	 false},
	{"dns: refused",
	 {.meaning = PLAN_MEANS_DNS, .rcode = 5, .text = "{\"dns\":\"refused\"}"},
	 true,
	 false,
	 false},
	{"dns: timeout, loss: 1%, delay: 5ms",
	 {.meaning = PLAN_MEANS_DNS,
	  .rcode = PLAN_DNS_TIMEOUT,
	  .delay_ns = 5 * NS_PER_MS,
	  .delay_below = PLAN_ALWAYS,
	  .text = "{\"loss\":\"1%\",\"delay\":\"5ms\",\"dns\":\"timeout\"}"},
	 true,
	 false,
	 true},
	{"http: 429, retry_after: 2m, percent: 25%",
	 {.meaning = PLAN_MEANS_HTTP,
	  .status = 429,
	  .retry_after_s = 120,
	  .meaning_below = QUARTER,
	  .text = "{\"http\":\"429\",\"retry_after\":\"2m\",\"percent\":\"25%\"}"},
	 false,
	 true,
	 false},
	{"http: 999, retry_after: 0s",
	 {.meaning = PLAN_MEANS_HTTP,
	  .status = 999,
	  .retry_after_s = 0,
	  .text = "{\"http\":\"999\",\"retry_after\":\"0s\"}"},
	 false,
	 true,
	 false},
	{"ntp: +80ms",
	 {.meaning = PLAN_MEANS_NTP, .ntp_from_ns = 80 * NS_PER_MS, .text = "{\"ntp\":\"+80ms\"}"},
	 false,
	 true,
	 false},
	{"ntp: \"-131072s..+0ms   over 24h\", percent: 25%",
	 {.meaning = PLAN_MEANS_NTP,
	  .meaning_below = QUARTER,
	  .ntp_from_ns = -131072LL * (int64_t)NS_PER_S,
	  .ntp_over_ns = 86400 * NS_PER_S,
	  .text = "{\"ntp\":\"-131072s..+0ms   over 24h\",\"percent\":\"25%\"}"},
	 false,
	 true,
	 false},
	{"ntp: +80ms..-80ms over 60s",
	 {.meaning = PLAN_MEANS_NTP,
	  .ntp_from_ns = 80 * NS_PER_MS,
	  .ntp_to_ns = -80 * (int64_t)NS_PER_MS,
	  .ntp_over_ns = 60 * NS_PER_S,
	  .text = "{\"ntp\":\"+80ms..-80ms over 60s\"}"},
	 false,
	 true,
	 false},
	{"stall: true, percent: 25%",
	 {.meaning = PLAN_MEANS_STALL, .flow_below = QUARTER, .text = "{\"stall\":true,\"percent\":\"25%\"}"},
	 false,
	 true,
	 false},
	{"limit: 64KB",
	 {.meaning = PLAN_MEANS_LIMIT,
	  .amount = 64000,
	  .then = PLAN_THEN_RESET,
	  .text = "{\"limit\":\"64KB\"}"},
	 true,
	 true,
	 false},
	{"limit: 1B, then: drop",
	 {.meaning = PLAN_MEANS_LIMIT,
	  .amount = 1,
	  .then = PLAN_THEN_DROP,
	  .text = "{\"limit\":\"1B\",\"then\":\"drop\"}"},
	 true,
	 true,
	 false},
	{"limit: 1024GiB, then: fin",
	 {.meaning = PLAN_MEANS_LIMIT,
	  .amount = 1ULL << 40,
	  .then = PLAN_THEN_FIN,
	  .text = "{\"limit\":\"1024GiB\",\"then\":\"fin\"}"},
	 true,
	 true,
	 false},
	{"mtu: 1400, icmp: true",
	 {.meaning = PLAN_MEANS_MTU,
	  .amount = 1400,
	  .then = PLAN_THEN_ICMP,
	  .text = "{\"mtu\":\"1400\",\"icmp\":true}"},
	 true,
	 false,
	 false},
	{"mtu: 68, icmp: false",
	 {.meaning = PLAN_MEANS_MTU, .amount = 68, .then = PLAN_THEN_DROP, .text = "{\"mtu\":\"68\"}"},
	 true,
	 false,
	 false},
	{"slow_close: 60s, percent: 25%",
	 {.meaning = PLAN_MEANS_SLOW_CLOSE,
	  .flow_below = QUARTER,
	  .delay_ns = 60 * NS_PER_S,
	  .delay_below = PLAN_ALWAYS,
	  .text = "{\"slow_close\":\"60s\",\"percent\":\"25%\"}"},
	 false,
	 false,
	 true},
	{"half_open: true",
	 {.meaning = PLAN_MEANS_HALF_OPEN, .text = "{\"half_open\":true}"},
	 false,
	 true,
	 false},
	{"rate_limit: 0/s",
	 {.meaning = PLAN_MEANS_RATE_LIMIT, .then = PLAN_THEN_REFUSE, .text = "{\"rate_limit\":\"0/s\"}"},
	 true,
	 false,
	 false},
	{"rate_limit: 1000000/s, then: reset",
	 {.meaning = PLAN_MEANS_RATE_LIMIT,
	  .amount = 1000000,
	  .then = PLAN_THEN_RESET,
	  .text = "{\"rate_limit\":\"1000000/s\",\"then\":\"reset\"}"},
	 true,
	 false,
	 false},
	{"disconnects: 0.05/min",
	 {.meaning = PLAN_MEANS_DISCONNECTS,
	  .amount = 1200 * NS_PER_S,
	  .text = "{\"disconnects\":\"0.05/min\"}"},
	 true,
	 false,
	 false},
	{"disconnects: 100/s",
	 {.meaning = PLAN_MEANS_DISCONNECTS, .amount = 10 * NS_PER_MS, .text = "{\"disconnects\":\"100/s\"}"},
	 true,
	 false,
	 false},
	{"answer: 503, percent: 25%",
	 {.meaning = PLAN_MEANS_ANSWER,
	  .flow_below = QUARTER,
	  .text = "{\"answer\":\"503\",\"percent\":\"25%\"}"},
	 false,
	 false,
	 false},
	{"drop: true", {.text = "{\"drop\":true}"}, false, false, false},
};

static void compare(const char *name, const struct plan_fault *got, const struct plan_fault *want)
{
	uint64_t share = want->meaning ? PLAN_ALWAYS : 0;

#define SAME(member, expected)                                                                               \
	do {                                                                                                 \
		if (got->member != (expected))                                                               \
			fail_msg("%s: " #member " is %lld, expected %lld", name, (long long)got->member,     \
				 (long long)(expected));                                                     \
	} while (0)
	SAME(meaning, want->meaning);
	SAME(meaning_below, want->meaning_below ?: share);
	SAME(flow_below, want->flow_below ?: share);
	SAME(then, want->then);
	SAME(rcode, want->rcode);
	SAME(amount, want->amount);
	SAME(status, want->status);
	SAME(retry_after_s, want->meaning == PLAN_MEANS_HTTP ? want->retry_after_s : -1);
	SAME(ntp_from_ns, want->ntp_from_ns);
	SAME(ntp_to_ns, want->ntp_to_ns);
	SAME(ntp_over_ns, want->ntp_over_ns);
	SAME(delay_ns, want->delay_ns);
	SAME(delay_below, want->delay_below);
#undef SAME
	assert_string_equal(got->text, want->text);
}

static void faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan *plan = parse_fault(cases[i].words);
		const struct plan_fault *f = &plan->steps[0].fault;

		compare(cases[i].words, f, &cases[i].expected);
		if (plan_fault_answers(f) != cases[i].answers || plan_fault_alters(f) != cases[i].alters ||
		    plan_fault_holds(f) != cases[i].holds)
			fail_msg("%s: what it does to packets", cases[i].words);
		plan_free(plan);
	}
}

static void patterns(void **state)
{
	struct plan *plan =
		parse_fault("dns: timeout, names: [\"*.Example.com.\", a.example, _x._tcp.example]");
	const struct plan_fault *f = &plan->steps[0].fault;

	(void)state;
	assert_int_equal(f->n_patterns, 3);
	assert_string_equal(f->patterns[0], "*.Example.com");
	assert_string_equal(f->patterns[1], "a.example");
	assert_string_equal(f->patterns[2], "_x._tcp.example");
	plan_free(plan);
	plan = parse_fault("http: 503, paths: \"/api/*\"");
	f = &plan->steps[0].fault;
	assert_int_equal(f->n_patterns, 1);
	assert_string_equal(f->patterns[0], "/api/*");
	assert_int_equal(f->retry_after_s, -1);
	assert_string_equal(f->text, "{\"http\":\"503\",\"paths\":\"/api/*\"}");
	plan_free(plan);
	plan = parse_fault("dns: timeout");
	assert_int_equal(plan->steps[0].fault.n_patterns, 0);
	assert_null(plan->steps[0].fault.patterns);
	plan_free(plan);
}

static void answers(void **state)
{
	struct plan *plan =
		parse_fault("answer: {status: 429, headers: {Retry-After: \"30\", X-Empty: \"\", N: 5}, "
			    "body: \"slow down\\n\", certificate: c.pem, key: k.pem}");
	const struct plan_answer *a = plan->steps[0].fault.answer;

	(void)state;
	assert_non_null(a);
	assert_int_equal(a->status, 429);
	assert_int_equal(a->n_headers, 3);
	assert_string_equal(a->headers[0].name, "Retry-After");
	assert_string_equal(a->headers[0].value, "30");
	assert_string_equal(a->headers[1].value, "");
	assert_string_equal(a->headers[2].value, "5");
	assert_string_equal(a->body, "slow down\n");
	assert_string_equal(a->certificate, "c.pem");
	assert_string_equal(a->key, "k.pem");
	assert_string_equal(
		plan->steps[0].fault.text,
		"{\"answer\":{\"status\":\"429\",\"headers\":{\"Retry-After\":\"30\",\"X-Empty\":\"\","
		"\"N\":\"5\"},\"body\":\"10 bytes\",\"certificate\":\"c.pem\",\"key\":\"k.pem\"}}");
	plan_free(plan);
	plan = parse_fault("answer: {status: 204}");
	a = plan->steps[0].fault.answer;
	assert_int_equal(a->status, 204);
	assert_int_equal(a->n_headers, 0);
	assert_null(a->body);
	assert_null(a->certificate);
	assert_null(a->key);
	plan_free(plan);
	plan = parse_fault("stall: true");
	assert_null(plan->steps[0].fault.answer);
	plan_free(plan);
}

static void owners_and_names(void **state)
{
	struct plan *plan =
		parse(HEAD "container: feeder_1\n"
			   "targets:\n"
			   "  host: {host: [api.example.com, b.example.], remote: 10.0.0.1}\n"
			   "  cgroup: {cgroup: /system.slice/feeder.service}\n"
			   "  unit: {unit: user@1000.service}\n"
			   "  pid: {pid: 4194304}\n"
			   "  all: {remote_port: 80}\n"
			   "steps: [{name: s, at: 0s, fault: {loss: 5%}, target: [host, cgroup, unit, pid, "
			   "all], for: 1s}]\n",
		      NULL);
	const struct plan_target *t = plan->targets;

	(void)state;
	assert_string_equal(plan->container, "feeder_1");
	assert_null(plan->netns);
	assert_int_equal(t[0].n_hosts, 2);
	assert_string_equal(t[0].hosts[0], "api.example.com");
	assert_string_equal(t[0].hosts[1], "b.example.");
	assert_int_equal(t[0].n_remotes, 1);
	assert_false(plan_target_has_owner(&t[0]));
	assert_string_equal(t[1].cgroup, "/system.slice/feeder.service");
	assert_string_equal(t[2].unit, "user@1000.service");
	assert_int_equal(t[3].pid, 4194304);
	for (size_t i = 1; i < 4; i++)
		assert_true(plan_target_has_owner(&t[i]));
	assert_int_equal(t[4].n_hosts, 0);
	assert_false(plan_target_has_owner(&t[4]));

	/* XDP does not see whose a packet is. */
	plan_choose_hooks(plan, HOOK_XDP);
	for (size_t i = 0; i < plan->n_rules; i++)
		assert_int_equal(plan->rules[i].hooks & PLAN_HOOK_XDP, i == 0 || i == 4 ? PLAN_HOOK_XDP : 0);
	assert_string_equal(plan->rules[1].why_in,
			    "whose a packet is shows at its socket, which XDP does not see");
	plan_free(plan);
}

/* Nothing that takes more than a look at the headers is done at XDP. */
static void hooks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan *plan = parse_fault(cases[i].words);
		const struct plan_rule *rule = &plan->rules[0];

		plan_choose_hooks(plan, HOOK_XDP);
		if (cases[i].expected.meaning == PLAN_MEANS_ANSWER) {
			assert_int_equal(rule->hooks, PLAN_HOOK_CONNECT);
			assert_null(rule->why_in);
			assert_non_null(rule->why_out);
			plan_free(plan);
			continue;
		}
		assert_int_equal(rule->hooks, PLAN_HOOK_TC_OUT | (cases[i].expected.meaning ? PLAN_HOOK_TC_IN
											    : PLAN_HOOK_XDP));
		assert_non_null(rule->why_in);
		plan_free(plan);
	}
}

static void clock_steps(void **state)
{
	struct plan *plan =
		parse(HEAD "netns: lab\n" TARGET "steps:\n"
			   "- {name: a, at: 0s, fault: {drop: true}, target: a, for: 1s}\n"
			   "- {name: b, at: 1s, clock: -1.5s, for: 2s, repeat: {times: 2, every: 3s}}\n"
			   "- {name: c, at: 0s, fault: {drop: true}, target: a, for: 1s}\n",
		      NULL);
	const struct plan_step *s = &plan->steps[1];

	(void)state;
	assert_string_equal(plan->netns, "lab");
	assert_int_equal(plan->steps[0].kind, STEP_FAULT);
	assert_int_equal(s->kind, STEP_CLOCK);
	assert_true(s->clock_offset_ns == -1500 * (int64_t)NS_PER_MS);
	assert_int_equal(s->n_targets, 0);
	assert_int_equal(s->window.times, 2);
	assert_string_equal(s->fault.text, "{\"clock\":\"-1.5s\"}");
	assert_int_equal(s->fault.meaning, PLAN_MEANS_NOTHING);
	assert_int_equal(plan->n_rules, 2);
	assert_int_equal(plan->n_slots, 2);
	assert_int_equal(plan->rules[1].step, 2);
	assert_int_equal(plan->length_ns, 6 * NS_PER_S);
	plan_free(plan);

	plan = parse(HEAD "steps: [{name: a, at: 0s, clock: +87648h, for: 1s}]\n", NULL);
	assert_true(plan->steps[0].clock_offset_ns == 315532800LL * (int64_t)NS_PER_S);
	assert_int_equal(plan->n_rules, 0);
	assert_int_equal(plan->n_targets, 0);
	plan_free(plan);
}

static void the_longest(void **state)
{
	static const char head[] =
		HEAD TARGET "steps:\n- name: s\n  at: 0s\n  for: 1s\n  target: a\n  fault: ";
	static const struct {
		const char *before;
		char letter;
		size_t most;
		const char *behind, *expected; /* in the message about one more */
	} limits[] = {
		{"{answer: {status: 503, headers: {A: ", 'x', 1024, "}}}\n",
		 "t.yaml:10:46: this is no value of a header, expected up to 1024 characters in one line"},
		{"{http: 503, paths: /", 'x', 199, "}\n", "is longer than 200 bytes"},
		{"{answer: {status: 503, body: ", 'x', 65536, "}}\n", "a value of more than 65536 bytes"},
		{"{dns: timeout, names: ", 'x', 63, ".example}\n", "has a label of more than 63 characters"},
	};
	char start[256];

	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++)
		for (size_t over = 0; over < 2; over++) {
			struct scenario_errors errors;
			struct plan *plan;
			char *text;
			int err;

			snprintf(start, sizeof(start), "%s%s", head, limits[i].before);
			text = repeated(start, limits[i].letter, limits[i].most + over, limits[i].behind);
			err = scenario_parse("t.yaml", text, strlen(text), NULL, &plan, &errors);
			assert_int_equal(err, over ? -EINVAL : 0);
			if (over)
				assert_non_null(strstr(errors.text, limits[i].expected));
			free(errors.text);
			plan_free(plan);
			free(text);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults),           cmocka_unit_test(patterns), cmocka_unit_test(answers),
		cmocka_unit_test(owners_and_names), cmocka_unit_test(hooks),    cmocka_unit_test(clock_steps),
		cmocka_unit_test(the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
