/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line changes in a scenario, and variables. */
#include "unit/scenario_text.h"

static void settings_override(void **state)
{
	static const char text[] =
		HEAD "vars: {port: 80, hold: 20s}\ninterface: eth0\nmeta: {build: old, kept: 1}\n"
		     "targets: {a: {remote_port: $(port)}}\n"
		     "steps: [{name: s, at: 0s, fault: {drop: true}, target: a, for: $(hold)}]\n";
	const struct setting vars[] = {{"port", "443"}}, meta[] = {{"build", "new"}, {"extra", "x=y"}};
	const struct scenario_options options = {.vars = vars,
						 .n_vars = COUNT(vars),
						 .meta = meta,
						 .n_meta = COUNT(meta),
						 .interface = "eth1,eth2"};
	struct plan *plan = parse(text, &options);

	(void)state;
	assert_int_equal(plan->targets[0].remote_ports[0].first, 443);
	assert_int_equal(plan->steps[0].window.for_ns, 20 * NS_PER_S);
	assert_int_equal(plan->n_interfaces, 2);
	assert_string_equal(plan->interfaces[0], "eth1");
	assert_string_equal(plan->interfaces[1], "eth2");
	assert_int_equal(plan->n_meta, 3);
	assert_string_equal(plan->meta[0].key, "build");
	assert_string_equal(plan->meta[0].value, "new");
	assert_string_equal(plan->meta[1].value, "1");
	assert_string_equal(plan->meta[2].value, "x=y");
	plan_free(plan);
}

static void settings_that_are_wrong(void **state)
{
	static const char text[] = HEAD "vars: {port: 80}\ntargets: {a: {remote_port: $(port)}}\n" STEP;
	const struct setting vars[] = {{"prot", "443"}, {"port", "x"}}, meta[] = {{"a", "\x1b[1m"}};
	const struct scenario_options options = {.vars = vars,
						 .n_vars = COUNT(vars),
						 .meta = meta,
						 .n_meta = COUNT(meta),
						 .interface = "eth0,e/1"};

	(void)state;
	refuse(text, strlen(text), &options,
	       "--set: unknown variable prot, did you mean `port`?\n"
	       "--meta: a control character in the value, expected plain UTF-8 text\n"
	       "--interface: e/1 is not the name of an interface, expected 1 to 15 characters without "
	       "spaces, "
	       "`/` and `:`\n"
	       "t.yaml:5:28: x is no port, expected a port such as 443 or a range such as 30001-30013\n");
}

static void variables(void **state)
{
	struct plan *plan = parse(
		HEAD
		"vars: {a: 10.0, b: \"0.1\", n: 5}\nmeta: {x: $(a).$(b), y: $$(a) $ $$, z: \"$(n)$(n)\"}\n"
		"targets: {a: {remote: $(a).$(b), remote_port: $(n)}}\n" STEP,
		NULL);

	(void)state;
	assert_string_equal(plan->meta[0].value, "10.0.0.1");
	assert_string_equal(plan->meta[1].value, "$(a) $ $$");
	assert_string_equal(plan->meta[2].value, "55");
	assert_int_equal(plan->targets[0].remotes[0].addr[0], 10);
	plan_free(plan);
}

static void check_evidence(const char *keys, const struct scenario_options *options, bool packets,
			   bool capture)
{
	char text[512];
	struct plan *plan;

	strcpy(text, HEAD TARGET STEP);
	strcat(text, keys);
	plan = parse(text, options);
	assert_int_equal(plan->packet_evidence, packets);
	assert_int_equal(plan->capture, capture);
	plan_free(plan);
}

static void evidence(void **state)
{
	static const char text[] = HEAD TARGET STEP "evidence: flows\n";
	const struct scenario_options packets = {.evidence = "packets"}, flows = {.evidence = "flows"},
				      capture = {.capture = true}, wrong = {.evidence = "p\x1b"};

	(void)state;
	check_evidence("", NULL, false, false);
	check_evidence("evidence: flows\ncapture: false\n", NULL, false, false);
	check_evidence("evidence: packets\ncapture: true\n", NULL, true, true);
	check_evidence("", &packets, true, false);
	check_evidence("evidence: flows\n", &packets, true, false);
	check_evidence("evidence: packets\ncapture: true\n", &flows, false, true);
	check_evidence("evidence: packets\ncapture: false\n", &capture, true, true);
	refuse(text, strlen(text), &wrong,
	       "--evidence: \"p\\x1b\" is not known, expected flows or packets\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_override),
		cmocka_unit_test(settings_that_are_wrong),
		cmocka_unit_test(variables),
		cmocka_unit_test(evidence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
