/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of `inject`: they mean what a file means, and mistakes name them. */
#include "unit/scenario_text.h"

#define MOST_WORDS 4

static void inject_means_the_same_as_a_file(void **state)
{
	const char *faults[] = {"loss=every:10", "refuse=icmp-port", "percent=20%"};
	const struct inject_words words = {.faults = faults,
					   .n_faults = COUNT(faults),
					   .duration = "20s",
					   .proto = "tcp",
					   .remote = "10.1.0.2,fd00::/64",
					   .remote_port = "443,30001-30013",
					   .local_port = "8080",
					   .direction = "out",
					   .share = "50%",
					   .repeat = "3/60s",
					   .burst = "5s/15s",
					   .interface = "eth0,eth1",
					   .seed = "0x7"};
	static const char same[] =
		"version: 1\nname: inject\nseed: 7\nrecovery: 0s\ninterface: [eth0, eth1]\n"
		"targets: {target: {proto: tcp, remote: [10.1.0.2, \"fd00::/64\"], remote_port: [443, "
		"30001-30013], "
		"local_port: 8080, direction: out, share: 50%}}\n"
		"steps: [{name: loss, at: 0s, fault: {loss: {every: 10}, refuse: icmp-port, percent: 20%}, "
		"target: target, "
		"for: 20s, repeat: {times: 3, every: 60s}, burst: {on: 5s, off: 15s}}]\n";
	struct plan *file = parse(same, NULL), *plan;
	struct scenario_errors errors;
	char *got, *expected;

	(void)state;
	assert_int_equal(scenario_from_words(&words, NULL, &plan, &errors), 0);
	assert_null(plan->source);
	for (size_t i = 0; i < plan->n_steps; i++)
		file->steps[i].line = plan->steps[i].line;
	free(file->source);
	file->source = NULL;
	assert_int_equal(plan_to_json(plan, &got), 0);
	assert_int_equal(plan_to_json(file, &expected), 0);
	assert_string_equal(got, expected);
	free(got);
	free(expected);
	plan_free(plan);
	plan_free(file);
}

static void inject_names_the_option(void **state)
{
	static const struct {
		struct inject_words words;
		const char *faults[3];
		const char *expected;
	} cases[] = {
		{{.remote_port = "70000", .duration = "1s"},
		 {"drop"},
		 "--remote-port: 70000 is no port, expected 1-65535\n"},
		{{.remote_port = "80"},
		 {"drop"},
		 "--for: no value, expected a duration such as 10s or 250ms\n"},
		{{.remote_port = "80", .duration = "5"},
		 {"drop"},
		 "--for: 5 is no duration, expected a number with a unit (us, ms, s, m, h), such as 250ms or "
		 "1m30s\n"},
		{{.duration = "1s"},
		 {"drop"},
		 "inject: neither an address nor a port nor an owner is named, expected --remote, --host, "
		 "--remote-port, --local-port, --cgroup, --unit or --pid\n"},
		{{.duration = "1s", .remote_port = "80"},
		 {NULL},
		 "inject: no fault is given, expected such as reset=both\n"},
		{{.duration = "1s", .remote_port = "80"},
		 {"rest=both"},
		 "rest=both: unknown fault `rest`, did you mean `reset`?\n"},
		{{.duration = "1s", .remote_port = "80"},
		 {"reset"},
		 "reset: no value, expected both, local or remote\n"},
		{{.duration = "1s", .remote_port = "80"},
		 {"stall=false"},
		 "stall=false: false is no fault, expected `stall: true`, or no `stall` at all\n"},
		{{.duration = "1s", .remote_port = "80"},
		 {"loss=1%", "loss=2%"},
		 "loss=2%: `loss` is given twice\n"},
		{{.duration = "1s", .remote_port = "80"},
		 {"loss={every: 0}"},
		 "loss={every: 0}: 0 is out of range, expected a whole number from 1 to 4294967295\n"},
		{{.duration = "1s", .remote = "10.0.0.1,10.0.0.1/8"},
		 {"drop"},
		 "--remote: 10.0.0.1/8 has bits beyond its prefix length, did you mean 10.0.0.0/8?\n"},
		{{.duration = "1s", .remote_port = "80", .proto = "tpc", .direction = "up", .share = "0%"},
		 {"drop"},
		 "--proto: tpc is not known, expected tcp, udp, icmp or any; did you mean `tcp`?\n"
		 "--direction: up is not known, expected in, out or both\n"
		 "--share: 0% is out of range, expected more than 0% and at most 100%\n"},
		{{.duration = "20s", .remote_port = "80", .repeat = "3/10s", .burst = "5s"},
		 {"drop"},
		 "--burst: 5s is not of the form ON/OFF, such as 5s/15s\n"
		 "--repeat: `every: 10s` is shorter than `for: 20s`, expected at least as long\n"},
		{{.duration = "1s", .remote_port = "80", .proto = "udp"},
		 {"reset=both"},
		 "reset=both: `reset` acts on TCP alone, expected `proto: tcp` or any in target target\n"},
		{{.duration = "1s", .remote_port = "\xff", .seed = "x"},
		 {"drop"},
		 "--remote-port: a byte that is no UTF-8 in the value, expected plain UTF-8 text\n"
		 "--seed: x is no number, expected a whole number from 0 to 9223372036854775807\n"
		 "inject: neither an address nor a port nor an owner is named, expected --remote, --host, "
		 "--remote-port, --local-port, --cgroup, --unit or --pid\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct inject_words words = cases[i].words;
		struct scenario_errors errors;
		const char *faults[3];
		struct plan *plan;

		memcpy(faults, cases[i].faults, sizeof(faults));
		words.faults = faults;
		while (words.n_faults < COUNT(faults) && faults[words.n_faults])
			words.n_faults++;
		assert_int_equal(scenario_from_words(&words, NULL, &plan, &errors), -EINVAL);
		assert_null(plan);
		assert_string_equal(errors.text, cases[i].expected);
		free(errors.text);
	}
}

static void inject_anything(void **state)
{
	const char *faults[] = {"drop"};
	const struct setting meta[] = {{"build", "7"}};
	const struct scenario_options options = {
		.meta = meta, .n_meta = 1, .interface = "eth9", .evidence = "packets", .capture = true};
	const struct inject_words words = {
		.faults = faults, .n_faults = 1, .duration = "1s", .anything = true};
	struct scenario_errors errors;
	struct plan *plan;

	(void)state;
	assert_int_equal(scenario_from_words(&words, &options, &plan, &errors), 0);
	assert_string_equal(plan->name, "inject");
	assert_string_equal(plan->steps[0].name, "drop");
	assert_string_equal(plan->targets[0].name, "target");
	assert_string_equal(plan->interfaces[0], "eth9");
	assert_string_equal(plan->meta[0].value, "7");
	assert_int_equal(plan->recovery_ns, 0);
	assert_false(plan->seed_given);
	assert_true(plan->packet_evidence && plan->capture);
	plan_free(plan);
	plan_free(NULL);
}

/* ---- faults with a meaning ---- */

static int from_words(const char *const *faults, struct plan **ret_plan, struct scenario_errors *ret_errors)
{
	const char *copy[MOST_WORDS];
	struct inject_words words = {.faults = copy, .duration = "1s", .remote_port = "80"};

	while (words.n_faults < MOST_WORDS && faults[words.n_faults]) {
		copy[words.n_faults] = faults[words.n_faults];
		words.n_faults++;
	}
	return scenario_from_words(&words, NULL, ret_plan, ret_errors);
}

static void words(void **state)
{
	static const struct {
		const char *faults[MOST_WORDS];
		const char *step, *expected;
	} said[] = {
		{{"names=*.example.com,api.example.org", "dns=nxdomain", "percent=5%"},
		 "dns",
		 "{\"dns\":\"nxdomain\",\"names\":\"*.example.com,api.example.org\",\"percent\":\"5%\"}"},
		{{"paths=/api/*", "retry_after=30s", "http=503"},
		 "http",
		 "{\"http\":\"503\",\"paths\":\"/api/*\",\"retry_after\":\"30s\"}"},
		{{"then=fin", "limit=64KB"}, "limit", "{\"limit\":\"64KB\",\"then\":\"fin\"}"},
		{{"icmp", "mtu=1400"}, "mtu", "{\"mtu\":\"1400\",\"icmp\":true}"},
		{{"ntp=+80ms..-80ms over 60s"}, "ntp", "{\"ntp\":\"+80ms..-80ms over 60s\"}"},
		{{"stall"}, "stall", "{\"stall\":true}"},
		{{"half_open"}, "half_open", "{\"half_open\":true}"},
		{{"answer=503"}, "answer", "{\"answer\":\"503\"}"},
		{{"answer={status: 429, headers: {Retry-After: 30, X: \"a, {b}\"}, body: 'it''s\\n'}"},
		 "answer",
		 "{\"answer\":{\"status\":\"429\",\"headers\":{\"Retry-After\":\"30\",\"X\":\"a, "
		 "{b}\"},\"body\":\"6 bytes\"}}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(said); i++) {
		struct scenario_errors errors;
		struct plan *plan;

		if (from_words(said[i].faults, &plan, &errors))
			fail_msg("%s: %s", said[i].faults[0], errors.text);
		assert_string_equal(plan->steps[0].fault.text, said[i].expected);
		assert_string_equal(plan->steps[0].name, said[i].step);
		plan_free(plan);
	}
}

static void quotation_marks(void **state)
{
	static const struct {
		const char *word, *body;
	} said[] = {
		{"answer={status: 503, body: \"a\\tb\\n\\\"c\\\" \\\\n\"}", "a\tb\n\"c\" \\n"},
		{"answer={status: 503, body: 'a\\n''b'''}", "a\\n'b'"},
		{"answer={status: 503, body: \"\"}", ""},
		{"answer={status: 503, body: ''}", ""},
		{"answer={status: 503, body: a b }", "a b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(said); i++) {
		const char *faults[MOST_WORDS] = {said[i].word};
		struct scenario_errors errors;
		struct plan *plan;

		if (from_words(faults, &plan, &errors))
			fail_msg("%s: %s", said[i].word, errors.text);
		assert_string_equal(plan->steps[0].fault.answer->body, said[i].body);
		plan_free(plan);
	}
}

static void words_that_are_wrong(void **state)
{
#define FORM "the braces are not of the form {KEY: VALUE, KEY: VALUE}\n"
	static const struct {
		const char *faults[MOST_WORDS];
		const char *expected;
	} said[] = {
		{{"names=a.example"}, "names=a.example: `names` without `dns`\n"},
		{{"dns=nxdomain", "names=a.example,,b.example"},
		 "names=a.example,,b.example: no value, expected a name\n"},
		{{"http=503", "paths=api"},
		 "paths=api: api does not start with `/`, expected such as /health or /api/*\n"},
		{{"http=503", "dns=nxdomain"}, "http=503: `http` beside `dns`, expected a step for each\n"},
		{{"stall", "delay=5ms", "percent=5%"},
		 "percent=5%: `percent` could be that of `stall` or of `delay`, expected a step for each\n"},
		{{"answer={status: 503, body: \"x}"}, "answer={status: 503, body: \"x}: " FORM},
		{{"answer={status: 503, body: 'x}"}, "answer={status: 503, body: 'x}: " FORM},
		{{"answer={status: 503, body: \"x\\q\"}"}, "answer={status: 503, body: \"x\\q\"}: " FORM},
		{{"answer={status: 503, body: \"x\\"}, "answer={status: 503, body: \"x\\: " FORM},
		{{"answer={status: 503, body: \"x\"y}"}, "answer={status: 503, body: \"x\"y}: " FORM},
		{{"answer={body: x}"}, "answer={body: x}: an answer needs `status`\n"},
		{{"clock=+5s"}, "clock=+5s: unknown fault `clock`\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(said); i++) {
		struct scenario_errors errors;
		struct plan *plan;

		assert_int_equal(from_words(said[i].faults, &plan, &errors), -EINVAL);
		assert_string_equal(errors.text, said[i].expected);
		free(errors.text);
	}
}

static void owners_in_words(void **state)
{
	const char *faults[] = {"drop"};
	const struct {
		struct inject_words words;
		const char *expected; /* NULL: none */
	} said[] = {
		{{.host = "a.example,b.example"}, NULL},
		{{.cgroup = "/a"}, NULL},
		{{.unit = "a.service"}, NULL},
		{{.pid = "77"}, NULL},
		{{.host = "10.0.0.1"}, "--host: 10.0.0.1 is no name, expected addresses in `remote`\n"},
		{{.pid = "1"}, "--pid: 1 is out of range, expected a whole number from 2 to 4194304\n"},
		{{.unit = "a"},
		 "--unit: a is no unit that holds processes, expected a name that ends with .service, .scope "
		 "or "
		 ".slice\n"},
		{{.unit = "a.slice", .cgroup = "/a"},
		 "--unit: `unit` beside `cgroup`, expected one of them\n"},
		{{.cgroup = "a"},
		 "--cgroup: a does not start with `/`, expected a path such as "
		 "/system.slice/feeder.service\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(said); i++) {
		struct inject_words words = said[i].words;
		struct scenario_errors errors;
		struct plan *plan;
		int err;

		words.faults = faults;
		words.n_faults = 1;
		words.duration = "1s";
		err = scenario_from_words(&words, NULL, &plan, &errors);
		assert_int_equal(err, said[i].expected ? -EINVAL : 0);
		if (said[i].expected)
			assert_string_equal(errors.text, said[i].expected);
		else
			assert_true(plan->targets[0].n_hosts == 2 ||
				    plan_target_has_owner(&plan->targets[0]));
		free(errors.text);
		plan_free(plan);
	}
}

static void the_longest_body_in_words(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		char *word = repeated("answer={status: 503, body: ", 'x', 65536 + over, "}");
		const char *faults[MOST_WORDS] = {word};
		struct scenario_errors errors;
		struct plan *plan;
		int err = from_words(faults, &plan, &errors);

		assert_int_equal(err, over ? -EINVAL : 0);
		if (over)
			assert_non_null(strstr(errors.text, ": a body of more than 65536 bytes\n"));
		else
			assert_int_equal(strlen(plan->steps[0].fault.answer->body), 65536);
		free(errors.text);
		plan_free(plan);
		free(word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inject_means_the_same_as_a_file),
		cmocka_unit_test(inject_names_the_option),
		cmocka_unit_test(inject_anything),
		cmocka_unit_test(words),
		cmocka_unit_test(quotation_marks),
		cmocka_unit_test(words_that_are_wrong),
		cmocka_unit_test(owners_in_words),
		cmocka_unit_test(the_longest_body_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
