/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenarios in phases, and those of a matrix: what the copies are, and what is told of them. */
#include "unit/scenario_text.h"

#define S NS_PER_S

static const char front[] = HEAD "vars: {loss: 5%, hold: 10s, where: front}\n"
				 "targets: {front: {remote_port: 80}, back: {remote_port: 81}}\n";

static struct plan *parse_body(const char *body, const struct scenario_options *options)
{
	char text[4096];

	assert_true(snprintf(text, sizeof(text), "%s%s", front, body) < (int)sizeof(text));
	return parse(text, options);
}

static const struct plan_step *step(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (!strcmp(plan->steps[i].name, name))
			return &plan->steps[i];
	fail_msg("no step %s", name);
	return NULL;
}

/* ---- phases ---- */

#define THREE                                                                                                \
	"phases:\n"                                                                                          \
	"- {name: shadow, for: 1m, shadow: true, set: {loss: 50%}}\n"                                        \
	"- {name: canary, for: 2m, share: 10%}\n"                                                            \
	"- {name: full, for: 3m, set: {loss: \"$(loss)\", hold: 30s}}\n"

static void steps_are_repeated_in_each_phase(void **state)
{
	struct plan *plan = parse_body(
		THREE "steps:\n"
		      "- {name: s, at: 5s, fault: {loss: $(loss)}, target: front, for: $(hold)}\n"
		      "- {name: k, after: s, at: 1s, exec: [echo, $(phase) $(phase_for)], phases: full}\n",
		NULL);

	(void)state;
	assert_int_equal(plan->n_steps, 4);
	assert_string_equal(plan->steps[0].name, "s (shadow)");
	assert_string_equal(plan->steps[1].name, "s (canary)");
	assert_string_equal(plan->steps[2].name, "s (full)");
	assert_int_equal(step(plan, "s (shadow)")->window.at_ns, 5 * S);
	assert_int_equal(step(plan, "s (canary)")->window.at_ns, 65 * S);
	assert_int_equal(step(plan, "s (full)")->window.at_ns, 185 * S);
	assert_int_equal(step(plan, "s (full)")->window.for_ns, 30 * S);
	assert_string_equal(step(plan, "s (shadow)")->fault.text, "{\"loss\":\"50%\"}");
	assert_string_equal(step(plan, "s (canary)")->fault.text, "{\"loss\":\"5%\"}");
	assert_string_equal(step(plan, "s (full)")->fault.text, "{\"loss\":\"5%\"}");
	assert_int_equal(step(plan, "k (full)")->window.at_ns, 216 * S);
	assert_string_equal(step(plan, "k (full)")->exec.command.argv[1], "full 3m");
	assert_int_equal(step(plan, "k (full)")->line, 12);
	plan_free(plan);
}

static void phases_have_their_share_and_shadow(void **state)
{
	struct plan *plan = parse_body(
		THREE "steps: [{name: s, at: 0s, fault: {drop: true}, target: front, for: 1s}]\n", NULL);

	(void)state;
	assert_int_equal(plan->n_phases, 3);
	assert_int_equal(plan->phases[2].at_ns, 180 * S);
	assert_int_equal(plan->length_ns, 360 * S);
	assert_string_equal(plan->phases[0].text, "{\"loss\":\"50%\"}");
	assert_string_equal(plan->phases[1].text, "{}");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(plan->steps[i].phase, i);
		assert_int_equal(plan->steps[i].shadow, i == 0);
		assert_int_equal(plan->steps[i].share, i == 1 ? PLAN_ALWAYS / 10 + 1 : PLAN_ALWAYS);
	}
	plan_free(plan);
}

/* So that the flows of a smaller share are among those of a larger one. */
static void a_rule_keeps_its_seed(void **state)
{
	struct plan *plan = parse_body(
		THREE
		"steps:\n"
		"- {name: a, at: 0s, fault: {drop: true}, target: [front, back], for: 1s}\n"
		"- {name: b, at: 0s, fault: {drop: true}, target: front, for: 1s, phases: [canary, full]}\n",
		NULL);
	static const size_t of[] = {0, 1, 0, 1, 4, 0, 1, 4};

	(void)state;
	assert_int_equal(plan->n_rules, COUNT(of));
	for (size_t i = 0; i < COUNT(of); i++) {
		assert_int_equal(plan->rules[i].seed_of, of[i]);
		assert_int_equal(plan->rules[i].seed, plan->rules[of[i]].seed);
		assert_int_equal(plan->rules[i].first_slot, i);
	}
	assert_true(plan->rules[0].seed != plan->rules[1].seed);
	assert_true(plan->rules[0].seed != plan->rules[4].seed);
	plan_free(plan);
}

/* Nothing answers to what touches nothing. */
static void in_a_shadow_only_faults_are_left(void **state)
{
	struct plan *plan = parse_body(
		THREE
		"steps:\n"
		"- {name: s, at: 0s, fault: {drop: true}, target: front, for: 1s}\n"
		"- {name: k, at: 0s, signal: {kill: TERM, pid: 5}, phases: [shadow, full]}\n"
		"- {name: l, at: 0s, link: eth0}\n"
		"- {name: e, at: 0s, expect: {file: x, within: 1s}}\n"
		"- {name: c, at: 0s, expect: {counter: suppressed, step: s, above: 0, within: 1s}, phases: "
		"shadow}\n"
		"slo: [{recovery_p99: 1s, step: s}, {unrecovered: 0, step: s (shadow)}]\n",
		NULL);

	(void)state;
	assert_int_equal(plan->n_steps, 9);
	assert_string_equal(plan->steps[1].name, "c (shadow)");
	assert_string_equal(plan->steps[plan->steps[1].expect.index].name, "s (shadow)");
	assert_int_equal(plan->n_disabled, 0);
	assert_int_equal(plan->n_slos, 3);
	assert_string_equal(plan->steps[plan->slos[0].step].name, "s (canary)");
	assert_string_equal(plan->steps[plan->slos[1].step].name, "s (full)");
	assert_string_equal(plan->steps[plan->slos[2].step].name, "s (shadow)");
	plan_free(plan);
}

/* What would stay until the run's end stays until the phase's. */
static void changes_end_with_their_phase(void **state)
{
	struct plan *plan = parse_body(THREE "steps: [{name: l, at: 20s, link: eth0}]\n", NULL);

	(void)state;
	assert_int_equal(plan->n_steps, 2);
	assert_int_equal(plan->steps[0].window.for_ns, 100 * S);
	assert_false(plan->steps[0].until_end);
	assert_int_equal(plan->steps[1].window.for_ns, 160 * S);
	plan_free(plan);
}

/* The phase's own come first, then --set, then the file's. */
static void settings_and_phases(void **state)
{
	const struct setting set[] = {{"loss", "7%"}, {"hold", "2s"}};
	const struct scenario_options options = {.vars = set, .n_vars = COUNT(set)};
	struct plan *plan = parse_body(
		THREE "steps: [{name: s, at: 0s, fault: {loss: $(loss)}, target: $(where), for: $(hold)}]\n",
		&options);

	(void)state;
	assert_string_equal(plan->steps[0].fault.text, "{\"loss\":\"50%\"}");
	assert_string_equal(plan->steps[1].fault.text, "{\"loss\":\"7%\"}");
	assert_string_equal(plan->steps[2].fault.text, "{\"loss\":\"7%\"}");
	assert_int_equal(plan->steps[1].window.for_ns, 2 * S);
	assert_int_equal(plan->steps[2].window.for_ns, 30 * S);
	plan_free(plan);
}

static void a_mistake_is_told_once(void **state)
{
	static const char text[] =
		HEAD "targets: {a: {remote_port: 80}}\n"
		     "phases: [{name: x, for: 1m}, {name: y, for: 1m}, {name: z, for: 1m}]\n"
		     "steps:\n"
		     "- {name: s, at: 0s, fault: {drop: maybe}, target: a, for: 1s}\n"
		     "- {name: s, at: 0s, fault: {drop: true}, target: a, for: $(unknown)}\n";

	(void)state;
	refuse(text, strlen(text), NULL,
	       "t.yaml:7:35: maybe is no truth value, expected true or false\n"
	       "t.yaml:8:10: a second step s, the first is in line 7\n"
	       "t.yaml:8:58: unknown variable unknown, expected one that stands in `vars`\n");
}

/* However many phases and steps: a bound on what a file can grow to. */
static void phases_multiply_within_bounds(void **state)
{
	char *text = malloc(32768);
	struct scenario_errors errors;
	struct plan *plan;
	size_t len;

	(void)state;
	assert_non_null(text);
	len = sprintf(text, HEAD "phases: [");
	for (int i = 0; i < 16; i++)
		len += sprintf(text + len, "{name: p%d, for: 1m}, ", i);
	len += sprintf(text + len, "]\nsteps:\n- {name: s, at: 0s, exec: [");
	for (int i = 0; i < 5000; i++)
		len += sprintf(text + len, "x, ");
	len += sprintf(text + len, "x]}\n");
	assert_int_equal(scenario_parse("t.yaml", text, len, NULL, &plan, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "t.yaml:4:9: phases make the scenario larger than 50000 values"));
	free(errors.text);
	free(text);
}

/* ---- what a step says of itself ---- */

static void texts_are_the_file_s_own(void **state)
{
	static const struct {
		const char *step, *text;
	} cases[] = {
		{"clock: +5s, for: 1s", "{\"clock\":\"+5s\"}"},
		{"signal: {kill: TERM, pid: 77}", "{\"signal\":{\"kill\":\"TERM\",\"pid\":77}}"},
		{"exec: [a, \"5\"], undo: [b], timeout: 3s",
		 "{\"exec\":[\"a\",\"5\"],\"undo\":[\"b\"],\"timeout\":\"3s\"}"},
		{"expect: {http: \"http://10.1.0.2/\", headers: {Authorization: secret, A: b}, within: 5s}",
		 "{\"expect\":{\"http\":\"http://10.1.0.2/\",\"headers\":[\"Authorization\",\"A\"],"
		 "\"within\":\"5s\"}}"},
		{"wait: {file: x, timeout: 1m}", "{\"wait\":{\"file\":\"x\",\"timeout\":\"1m\"}}"},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan *plan;

		snprintf(text, sizeof(text), HEAD "steps: [{name: s, at: 0s, %s}]\n", cases[i].step);
		plan = parse(text, NULL);
		assert_string_equal(plan->steps[0].fault.text, cases[i].text);
		plan_free(plan);
	}
}

/* ---- what is off ---- */

static void what_is_off_leaves_the_plan(void **state)
{
	static const char body[] =
		"steps:\n"
		"- {name: a, at: 0s, enabled: $(on), fault: {drop: true}, target: front, for: 5s}\n"
		"- {name: b, after: a, fault: {drop: true}, target: back, for: 1s}\n"
		"- {name: c, with: b, expect: {counter: dropped, step: a, above: 1, within: 1s}}\n"
		"- {name: d, with: b, expect: {counter: dropped, step: b, above: 1, within: 1s}}\n"
		"slo: [{recovery_p99: 1s, step: a}, {recovery_p99: 2s, step: b}, {unrecovered: 0}]\n";
	char text[2048];
	struct plan *plan;

	(void)state;
	for (int on = 0; on < 2; on++) {
		const struct setting set = {"on", on ? "true" : "false"};
		const struct scenario_options options = {.vars = &set, .n_vars = 1};

		snprintf(text, sizeof(text), HEAD "vars: {on: true}\n%s%s", strstr(front, "targets"), body);
		plan = parse(text, &options);
		assert_int_equal(plan->n_steps, on ? 4 : 2);
		assert_int_equal(plan->n_slos, on ? 3 : 2);
		assert_int_equal(plan->n_rules, on ? 2 : 1);
		assert_int_equal(plan->n_disabled, on ? 0 : 2);
		assert_int_equal(step(plan, "b")->window.at_ns, 5 * S);
		assert_string_equal(plan->steps[step(plan, "d")->expect.index].name, "b");
		assert_string_equal(plan->steps[plan->slos[on].step].name, "b");
		assert_int_equal(plan->slos[plan->n_slos - 1].step, -1);
		if (!on) {
			assert_string_equal(plan->disabled[0], "a");
			assert_string_equal(plan->disabled[1], "c");
		}
		plan_free(plan);
	}
}

/* ---- matrix ---- */

static const char matrix[] =
	HEAD "vars: {loss: 5%, hold: 10s, port: 80}\n"
	     "matrix: {loss: [5%, 20%, 50%], hold: [3s, 10s]}\n"
	     "targets: {a: {remote_port: $(port)}}\n"
	     "steps: [{name: s, at: 0s, fault: {loss: $(loss)}, target: a, for: $(hold)}]\n";

static void every_combination_is_a_variant(void **state)
{
	static const char *const suffixes[] = {"[loss=5%,hold=3s]",  "[loss=5%,hold=10s]",
					       "[loss=20%,hold=3s]", "[loss=20%,hold=10s]",
					       "[loss=50%,hold=3s]", "[loss=50%,hold=10s]"};
	static const char *const faults[] = {"{\"loss\":\"5%\"}", "{\"loss\":\"20%\"}", "{\"loss\":\"50%\"}"};
	const struct setting set = {"port", "443"};
	struct scenario_options options = {.vars = &set, .n_vars = 1};
	struct scenario_variant *variants;
	struct scenario_errors errors;
	size_t n;

	(void)state;
	assert_int_equal(
		scenario_variants("t.yaml", matrix, strlen(matrix), &options, &variants, &n, &errors), 0);
	assert_int_equal(n, COUNT(suffixes));
	for (size_t i = 0; i < n; i++) {
		char name[64];
		struct plan *plan;

		assert_string_equal(variants[i].suffix, suffixes[i]);
		options = (struct scenario_options){
			.vars = variants[i].vars, .n_vars = variants[i].n_vars, .suffix = variants[i].suffix};
		plan = parse(matrix, &options);
		snprintf(name, sizeof(name), "t%s", suffixes[i]);
		assert_string_equal(plan->name, name);
		assert_string_equal(plan->steps[0].fault.text, faults[i / 2]);
		assert_int_equal(plan->steps[0].window.for_ns, i % 2 ? 10 * S : 3 * S);
		assert_int_equal(plan->targets[0].remote_ports[0].first, 443);
		plan_free(plan);
	}
	scenario_variants_free(variants, n);
}

static void the_first_combination_stands_for_the_file(void **state)
{
	struct plan *plan = parse(matrix, NULL);

	(void)state;
	assert_string_equal(plan->name, "t");
	assert_string_equal(plan->steps[0].fault.text, "{\"loss\":\"5%\"}");
	assert_int_equal(plan->steps[0].window.for_ns, 3 * S);
	plan_free(plan);
}

static void a_setting_fixes_a_key(void **state)
{
	const struct setting set[] = {{"loss", "7%"}, {"hold", "1s"}};
	struct scenario_options options = {.vars = set, .n_vars = 1};
	struct scenario_variant *variants;
	struct scenario_errors errors;
	size_t n;

	(void)state;
	assert_int_equal(
		scenario_variants("t.yaml", matrix, strlen(matrix), &options, &variants, &n, &errors), 0);
	assert_int_equal(n, 2);
	assert_string_equal(variants[1].suffix, "[hold=10s]");
	scenario_variants_free(variants, n);
	options.n_vars = 2;
	assert_int_equal(
		scenario_variants("t.yaml", matrix, strlen(matrix), &options, &variants, &n, &errors), 0);
	assert_int_equal(n, 1);
	assert_string_equal(variants[0].suffix, "");
	assert_int_equal(variants[0].n_vars, 2);
	scenario_variants_free(variants, n);
}

static void a_setting_gives_a_key_other_values(void **state)
{
	const struct setting set[] = {{"port", "443"}, {"hold", "[ 1s, 2s ,4s]"}, {"loss", "7%"}};
	struct scenario_options options = {.vars = set, .n_vars = 3};
	struct scenario_variant *variants;
	struct scenario_errors errors;
	struct plan *plan;
	size_t n;

	(void)state;
	assert_int_equal(
		scenario_variants("t.yaml", matrix, strlen(matrix), &options, &variants, &n, &errors), 0);
	assert_int_equal(n, 3);
	assert_string_equal(variants[0].suffix, "[hold=1s]");
	assert_string_equal(variants[1].suffix, "[hold=2s]");
	assert_string_equal(variants[2].suffix, "[hold=4s]");
	for (size_t i = 0; i < 3; i++) /* in their order, for who asks which of them are known */
		assert_string_equal(variants[2].vars[i].key, set[i].key);
	assert_string_equal(variants[2].vars[1].value, "4s");
	scenario_variants_free(variants, n);
	plan = parse(matrix, &options);
	assert_string_equal(plan->steps[0].fault.text, "{\"loss\":\"7%\"}");
	assert_int_equal(plan->steps[0].window.for_ns, 1 * S);
	plan_free(plan);
}

static void wrong_values_for_a_key_are_told(void **state)
{
	const struct setting twice = {"hold", "[1s, 1s]"}, elsewhere = {"port", "[1, 2]"};
	struct scenario_options options = {.vars = &twice, .n_vars = 1};

	(void)state;
	refuse(matrix, strlen(matrix), &options, "--set: 1s stands here twice\n");
	options.vars = &elsewhere; /* no key of the matrix: a value like any other */
	refuse(matrix, strlen(matrix), &options,
	       "t.yaml:6:28: \"[1, 2]\" is no port, expected a port such as 443 or a range such as "
	       "30001-30013\n");
}

static void without_a_matrix_there_is_one(void **state)
{
	static const char *const texts[] = {HEAD TARGET STEP, "", "[1, 2", "a: b"};
	struct scenario_variant *variants;
	struct scenario_errors errors;
	size_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(
			scenario_variants("t.yaml", texts[i], strlen(texts[i]), NULL, &variants, &n, &errors),
			0);
		assert_int_equal(n, 1);
		assert_string_equal(variants[0].suffix, "");
		assert_null(errors.text);
		scenario_variants_free(variants, n);
	}
}

static void a_wrong_matrix_is_told(void **state)
{
	static const char text[] = HEAD "vars: {a: 1}\nmatrix: {b: [1, 2], a: []}\n" TARGET STEP;
	struct scenario_variant *variants;
	struct scenario_errors errors;
	size_t n;

	(void)state;
	assert_int_equal(scenario_variants("t.yaml", text, strlen(text), NULL, &variants, &n, &errors),
			 -EINVAL);
	assert_null(variants);
	assert_string_equal(errors.text,
			    "t.yaml:5:10: unknown variable b, expected one that stands in `vars`\n"
			    "t.yaml:5:24: a key of `matrix` needs its values, expected such as [5%, 20%]\n");
	free(errors.text);
}

static void a_suite_sets_what_some_files_lack(void **state)
{
	const struct setting set[] = {{"elsewhere", "1"}, {"port", "443"}};
	struct scenario_options options = {.vars = set, .n_vars = COUNT(set), .lenient = true};
	struct plan *plan = parse(matrix, &options);

	(void)state;
	assert_int_equal(plan->targets[0].remote_ports[0].first, 443);
	plan_free(plan);
	options.lenient = false;
	refuse(matrix, strlen(matrix), &options,
	       "--set: unknown variable elsewhere, expected one that stands in `vars`\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_repeated_in_each_phase),
		cmocka_unit_test(phases_have_their_share_and_shadow),
		cmocka_unit_test(a_rule_keeps_its_seed),
		cmocka_unit_test(in_a_shadow_only_faults_are_left),
		cmocka_unit_test(changes_end_with_their_phase),
		cmocka_unit_test(settings_and_phases),
		cmocka_unit_test(a_mistake_is_told_once),
		cmocka_unit_test(phases_multiply_within_bounds),
		cmocka_unit_test(texts_are_the_file_s_own),
		cmocka_unit_test(what_is_off_leaves_the_plan),
		cmocka_unit_test(every_combination_is_a_variant),
		cmocka_unit_test(the_first_combination_stands_for_the_file),
		cmocka_unit_test(a_setting_fixes_a_key),
		cmocka_unit_test(a_setting_gives_a_key_other_values),
		cmocka_unit_test(wrong_values_for_a_key_are_told),
		cmocka_unit_test(without_a_matrix_there_is_one),
		cmocka_unit_test(a_wrong_matrix_is_told),
		cmocka_unit_test(a_suite_sets_what_some_files_lack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
