/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/unit/policies/bad: every file is refused with exactly the lines of its .expected. Then what a policy allows:
 * each rule at its edge, on both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "scenario/policy.h"
#include "unit/unreadable.h"

#define CORPUS "tests/unit/policies/bad"
#define VERSION "version: 1\n"

/* As in test_scenario.c: libfyaml 0.7.12 loses a buffer now and then. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so\n";
}

/* ---- the corpus ---- */

static char *read_whole(const char *path)
{
	char *text = calloc(1, 16384);
	FILE *f = fopen(path, "re");

	assert_non_null(text);
	if (!f)
		fail_msg("%s: %s (the test runs from the top of the tree)", path, strerror(errno));
	assert_true(fread(text, 1, 16383, f) < 16383);
	fclose(f);
	return text;
}

static char *read_expected(const char *yaml)
{
	char path[256];

	snprintf(path, sizeof(path), "%.*s.expected", (int)(strrchr(yaml, '.') - yaml), yaml);
	return read_whole(path);
}

static void check_refusal(const char *path)
{
	char *expected = read_expected(path);
	struct scenario_errors errors;
	struct policy *policy;
	int err = policy_load(path, &policy, &errors);

	if (err != -EINVAL || policy || !errors.text)
		fail_msg("%s: %d, expected -EINVAL", path, err);
	if (strcmp(errors.text, expected) != 0)
		fail_msg("%s\n--- got:\n%s--- expected:\n%s", path, errors.text, expected);
	free(errors.text);
	free(expected);
}

static void every_bad_file_says_what_is_wrong(void **state)
{
	char directory[256];
	glob_t files;

	(void)state;
	assert_non_null(getcwd(directory, sizeof(directory)));
	if (chdir(CORPUS)) /* messages name the file as it was given */
		fail_msg("%s: %s (the test runs from the top of the tree)", CORPUS, strerror(errno));
	assert_int_equal(glob("*.yaml", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 12);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_refusal(files.gl_pathv[i]);
	globfree(&files);
	assert_int_equal(chdir(directory), 0);
}

static int read_nothing_of(const char *path, struct scenario_errors *ret_errors)
{
	struct policy *policy;
	int err = policy_load(path, &policy, ret_errors);

	assert_null(policy);
	return err;
}

static void files_that_cannot_be_read(void **state)
{
	(void)state;
	check_unreadable_files(read_nothing_of, "a policy");
}

/* ---- what is read ---- */

static struct policy *parse(const char *text)
{
	struct scenario_errors errors;
	struct policy *policy;

	if (policy_parse("p.yaml", text, strlen(text), &policy, &errors))
		fail_msg("refused: %s", errors.text);
	assert_non_null(policy);
	assert_null(errors.text);
	return policy;
}

static void every_key(void **state)
{
	struct policy *p = parse(
		VERSION "interfaces: [eth0, \"veth*\", \"enp[0-9]s?\"]\n"
			"allow: [10.0.0.0/8, \"fd00::/8\"]\n"
			"forbid:\n"
			"  - 10.0.0.1\n"
			"  - 10.9.0.0/16\n"
			"longest_window: 1m30s\n"
			"protect: [10.0.0.5, 10.0.0.5:22, \"fd00::5\", \"[fd00::5]\", \"[fd00::5]:22\"]\n");

	(void)state;
	assert_string_equal(p->path, "p.yaml");
	assert_int_equal(p->interfaces.count, 3);
	assert_string_equal(p->interfaces.items[2].s, "enp[0-9]s?");
	assert_int_equal(p->allow.count, 2);
	assert_int_equal(p->forbid.count, 2);
	assert_int_equal(p->forbid.nodes[1]->line, 6);
	assert_int_equal(p->forbid.items[0].len, 32);
	assert_int_equal(p->longest_window.n, 90 * NS_PER_S);
	assert_int_equal(p->protect.count, 5);
	assert_string_equal(p->protect.items[4].s, "[fd00::5]:22");
	policy_free(p);
	policy_free(NULL);
}

static void single_values_are_lists_of_one(void **state)
{
	struct policy *p =
		parse(VERSION "interfaces: eth0\nallow: 10.0.0.0/8\nforbid: \"::/0\"\nprotect: 10.0.0.5\n");

	(void)state;
	assert_int_equal(p->interfaces.count, 1);
	assert_int_equal(p->allow.count, 1);
	assert_int_equal(p->forbid.count, 1);
	assert_int_equal(p->protect.count, 1);
	policy_free(p);
}

static void the_example_of_the_manual(void **state)
{
	char *text = read_whole("docs/policy.md"), *start = strstr(text, "```yaml\n"), *end;
	struct policy *p;

	(void)state;
	assert_non_null(start);
	start += strlen("```yaml\n");
	end = strstr(start, "```");
	assert_non_null(end);
	*end = '\0';
	p = parse(start);
	assert_int_equal(p->interfaces.count, 2);
	assert_int_equal(p->allow.count, 2);
	assert_int_equal(p->forbid.count, 2);
	assert_int_equal(p->longest_window.n, 60 * NS_PER_S);
	assert_int_equal(p->protect.count, 3);
	policy_free(p);
	free(text);
}

/* ---- what is checked ---- */

/* One target, one step; what a case doesn't name, the plan doesn't either. */
struct scene {
	const char *remotes[4], *interfaces[4], *target_interfaces[4];
	uint64_t for_ns, every_ns;
	uint32_t times;
	bool inject; /* no file, no lines */
};

static size_t count_words(const char *const *words)
{
	size_t n = 0;

	while (n < 4 && words[n])
		n++;
	return n;
}

static int check(const char *policy, const struct scene *scene, char *ret_reason, size_t size)
{
	struct prefix remotes[4];
	size_t step_target = 0;
	struct plan_target target = {.name = "front",
				     .line = scene->inject ? 0 : 12,
				     .remotes = remotes,
				     .n_remotes = count_words(scene->remotes),
				     .interfaces = (char **)scene->target_interfaces,
				     .n_interfaces = count_words(scene->target_interfaces)};
	struct plan_step step = {.name = "cut off",
				 .line = scene->inject ? 0 : 31,
				 .targets = &step_target,
				 .n_targets = 1,
				 .window = {.at_ns = 5 * NS_PER_S,
					    .for_ns = scene->for_ns ?: NS_PER_S,
					    .every_ns = scene->every_ns ?: NS_PER_S,
					    .times = scene->times ?: 1}};
	struct plan plan = {.name = "t",
			    .source = scene->inject ? NULL : "drill.yaml",
			    .interfaces = (char **)scene->interfaces,
			    .n_interfaces = count_words(scene->interfaces),
			    .targets = &target,
			    .n_targets = 1,
			    .steps = &step,
			    .n_steps = 1};
	struct policy *p = parse(policy);
	int err;

	for (size_t i = 0; i < target.n_remotes; i++)
		assert_int_equal(parse_prefix(scene->remotes[i], &remotes[i]), 0);
	err = policy_check(p, &plan, ret_reason, size);
	policy_free(p);
	return err;
}

static void allowed(const char *policy, struct scene scene)
{
	char reason[320] = "";

	if (check(policy, &scene, reason, sizeof(reason)))
		fail_msg("refused: %s", reason);
}

static void refused(const char *policy, struct scene scene, const char *expected)
{
	char reason[320] = "";

	assert_int_equal(check(policy, &scene, reason, sizeof(reason)), -EPERM);
	assert_string_equal(reason, expected);
}

static void an_empty_policy_restricts_nothing(void **state)
{
	(void)state;
	allowed(VERSION, (struct scene){.interfaces = {"eth0"}, .for_ns = 168 * 3600 * NS_PER_S});
	allowed(VERSION, (struct scene){.remotes = {"0.0.0.0/0", "::/0"}});
}

static void interfaces(void **state)
{
	static const char policy[] = VERSION "interfaces:\n  - eth0\n  - \"veth*\"\n  - \"enp[0-9]s?\"\n";

	(void)state;
	allowed(policy, (struct scene){.interfaces = {"eth0", "veth", "vethA1", "enp3s0"}});
	allowed(policy, (struct scene){.interfaces = {"eth0"}, .target_interfaces = {"eth0"}});
	refused(policy, (struct scene){.interfaces = {"eth0", "eth1"}},
		"p.yaml:2: the run acts on eth1, which is not among the `interfaces`");
	refused(policy, (struct scene){.interfaces = {"eth00"}},
		"p.yaml:2: the run acts on eth00, which is not among the `interfaces`");
	refused(policy, (struct scene){.interfaces = {"ETH0"}},
		"p.yaml:2: the run acts on ETH0, which is not among the `interfaces`");
	refused(policy, (struct scene){.interfaces = {"enp3s10"}},
		"p.yaml:2: the run acts on enp3s10, which is not among the `interfaces`");
	refused(policy, (struct scene){.interfaces = {"eth0"}, .target_interfaces = {"eth0", "lo"}},
		"p.yaml:2: target front (line 12 of the scenario) acts on lo, which is not among the "
		"`interfaces`");
	refused(policy, (struct scene){.target_interfaces = {"lo"}, .inject = true},
		"p.yaml:2: target front acts on lo, which is not among the `interfaces`");
	allowed(VERSION "interfaces: \"*\"\n", (struct scene){.interfaces = {".hidden", "eth0"}});
}

#define OUTSIDE " is not within any prefix of `allow`"

static void allowed_prefixes(void **state)
{
	static const char policy[] = VERSION "allow: [10.2.0.0/15, 192.0.2.7, \"fd00:2::/33\"]\n";

	(void)state;
	allowed(policy, (struct scene){.remotes = {"10.2.0.0/15", "10.3.255.255", "192.0.2.7"}});
	allowed(policy, (struct scene){.remotes = {"fd00:2::/33", "fd00:2:7fff::1"}});
	refused(policy, (struct scene){.remotes = {"10.0.0.0/14"}},
		"p.yaml:2: target front (line 12 of the scenario): 10.0.0.0/14" OUTSIDE);
	refused(policy, (struct scene){.remotes = {"10.2.0.1", "10.4.0.0"}},
		"p.yaml:2: target front (line 12 of the scenario): 10.4.0.0/32" OUTSIDE);
	refused(policy, (struct scene){.remotes = {"10.1.255.255"}, .inject = true},
		"p.yaml:2: target front: 10.1.255.255/32" OUTSIDE);
	refused(policy, (struct scene){.remotes = {"192.0.2.6/31"}, .inject = true},
		"p.yaml:2: target front: 192.0.2.6/31" OUTSIDE);
	refused(policy, (struct scene){.remotes = {"fd00:2:8000::1"}, .inject = true},
		"p.yaml:2: target front: fd00:2:8000::1/128" OUTSIDE);
	refused(policy, (struct scene){.inject = true},
		"p.yaml:2: target front names no remote address, so it covers every one; it must name some "
		"within `allow`");
	/* Wider, from the same address on. */
	refused(VERSION "allow: 10.4.0.0/15\n", (struct scene){.remotes = {"10.4.0.0/14"}, .inject = true},
		"p.yaml:2: target front: 10.4.0.0/14" OUTSIDE);
	/* Neither family stands for the other, whatever the bytes are. */
	refused(VERSION "allow: \"::/0\"\n", (struct scene){.remotes = {"0.0.0.0/0"}, .inject = true},
		"p.yaml:2: target front: 0.0.0.0/0" OUTSIDE);
	refused(VERSION "allow: 0.0.0.0/0\n", (struct scene){.remotes = {"::/0"}, .inject = true},
		"p.yaml:2: target front: ::/0" OUTSIDE);
}

static void forbidden_prefixes(void **state)
{
	static const char policy[] = VERSION "forbid:\n"
					     "  - 10.2.0.0/15\n"
					     "  - \"fd00:2::/33\"\n";

	(void)state;
	allowed(policy, (struct scene){.remotes = {"10.1.255.255", "10.4.0.0/14", "fd00:2:8000::/33"}});
	refused(policy, (struct scene){.remotes = {"10.1.0.0", "10.3.255.255"}},
		"p.yaml:3: target front (line 12 of the scenario): 10.3.255.255/32 overlaps the forbidden "
		"10.2.0.0/15");
	refused(policy, (struct scene){.remotes = {"10.0.0.0/8"}, .inject = true},
		"p.yaml:3: target front: 10.0.0.0/8 overlaps the forbidden 10.2.0.0/15");
	refused(policy, (struct scene){.remotes = {"fd00:2:7fff::1"}, .inject = true},
		"p.yaml:4: target front: fd00:2:7fff::1/128 overlaps the forbidden fd00:2::/33");
	refused(policy, (struct scene){.remotes = {"::/0"}, .inject = true},
		"p.yaml:4: target front: ::/0 overlaps the forbidden fd00:2::/33");
	refused(policy, (struct scene){.inject = true},
		"p.yaml:3: target front names no remote address, so it covers every one, the forbidden "
		"10.2.0.0/15 too");
	/* Allowed as a whole, forbidden in a part. */
	refused(VERSION "allow: 10.0.0.0/8\nforbid: 10.9.0.0/16\n",
		(struct scene){.remotes = {"10.8.0.0/16", "10.8.0.0/15"}, .inject = true},
		"p.yaml:3: target front: 10.8.0.0/15 overlaps the forbidden 10.9.0.0/16");
}

static void longest_window(void **state)
{
	static const char policy[] = VERSION "longest_window: 60s\n";
	const uint64_t s = NS_PER_S;

	(void)state;
	allowed(policy, (struct scene){.for_ns = 60 * s, .every_ns = 60 * s});
	allowed(policy, (struct scene){.for_ns = 60 * s, .every_ns = 60 * s + 1, .times = 4096});
	allowed(policy, (struct scene){.for_ns = 20 * s, .every_ns = 20 * s, .times = 3});
	refused(policy, (struct scene){.for_ns = 60 * s + 1, .every_ns = 60 * s + 1},
		"p.yaml:2: step \"cut off\" (line 31 of the scenario): a window of 1m0.000000001s, the "
		"longest is 1m");
	refused(policy, (struct scene){.for_ns = 90 * s, .every_ns = 600 * s, .times = 2, .inject = true},
		"p.yaml:2: step \"cut off\": a window of 1m30s, the longest is 1m");
	refused(policy, (struct scene){.for_ns = 20 * s, .every_ns = 20 * s, .times = 4, .inject = true},
		"p.yaml:2: step \"cut off\": 4 windows without a gap between them last 1m20s, the longest is "
		"1m");
}

/* Whatever does not fit is cut off, and what is refused stays refused. */
static void short_reasons(void **state)
{
	const struct scene scene = {.interfaces = {"eth1"}};
	char reason[64];

	(void)state;
	for (size_t size = 1; size <= sizeof(reason); size++) {
		memset(reason, 'x', sizeof(reason));
		assert_int_equal(check(VERSION "interfaces: eth0\n", &scene, reason, size), -EPERM);
		assert_true(strnlen(reason, size) < size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bad_file_says_what_is_wrong),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(every_key),
		cmocka_unit_test(single_values_are_lists_of_one),
		cmocka_unit_test(the_example_of_the_manual),
		cmocka_unit_test(an_empty_policy_restricts_nothing),
		cmocka_unit_test(interfaces),
		cmocka_unit_test(allowed_prefixes),
		cmocka_unit_test(forbidden_prefixes),
		cmocka_unit_test(longest_window),
		cmocka_unit_test(short_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
