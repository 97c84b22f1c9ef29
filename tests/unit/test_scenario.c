/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/unit/scenarios/bad: every file is refused with exactly the lines of its .expected; good: every file compiles to
 * exactly the document of its .json.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "scenario/scenario.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define CORPUS "tests/unit/scenarios/"
#define HEAD "version: 1\nname: t\nseed: 1\n"
#define TARGET "targets: {a: {proto: tcp, remote_port: 80}}\n"
#define STEP "steps: [{name: s, at: 0s, fault: {drop: true}, target: a, for: 1s}]\n"

/*
 * libfyaml 0.7.12 loses a buffer when it reads a scalar of many pieces, such as twenty doubled quotation marks: that is
 * no failure under LeakSanitizer. (The fuzzer is stricter, at the price of slower stacks.)
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so\n";
}

/* ---- a resolver of the test's own: it knows one name ---- */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	struct sockaddr_in6 *v6 = calloc(1, sizeof(*v6));
	struct sockaddr_in *v4 = (struct sockaddr_in *)v6;
	struct addrinfo *info = calloc(1, sizeof(*info));

	(void)service;
	assert_non_null(v6);
	assert_non_null(info);
	if (!strcmp(node, "db.example") && !(hints->ai_flags & AI_NUMERICHOST))
		node = "10.9.8.7";
	if (inet_pton(AF_INET, node, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		info->ai_addrlen = sizeof(*v4);
	} else if (inet_pton(AF_INET6, node, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		info->ai_addrlen = sizeof(*v6);
	} else {
		free(v6);
		free(info);
		return EAI_NONAME;
	}
	info->ai_addr = (struct sockaddr *)v6;
	*res = info;
	return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
	free(info->ai_addr);
	free(info);
}

/* ---- helpers ---- */

static char *read_whole(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 65536);

	assert_non_null(text);
	if (!f)
		fail_msg("%s: %s (the test runs from the top of the tree)", path, strerror(errno));
	assert_true(fread(text, 1, 65535, f) < 65535);
	fclose(f);
	return text;
}

static struct plan *parse(const char *text, const struct scenario_options *options)
{
	struct scenario_errors errors;
	struct plan *plan;
	int err = scenario_parse("t.yaml", text, strlen(text), options, &plan, &errors);

	if (err)
		fail_msg("refused: %s", errors.text);
	assert_non_null(plan);
	assert_null(errors.text);
	return plan;
}

static void refuse(const char *text, size_t len, const struct scenario_options *options, const char *expected)
{
	struct scenario_errors errors;
	struct plan *plan;
	int err = scenario_parse("t.yaml", text, len, options, &plan, &errors);

	assert_int_equal(err, -EINVAL);
	assert_null(plan);
	assert_string_equal(errors.text, expected);
	free(errors.text);
}

/* The files of CORPUS that match, sorted. */
static void list_files(const char *pattern, glob_t *ret_files)
{
	assert_int_equal(glob(pattern, 0, NULL, ret_files), 0);
	assert_true(ret_files->gl_pathc > 0);
}

/* "dir/name.yaml" -> the contents of "dir/name.<extension>" */
static char *read_beside(const char *path, const char *extension)
{
	char beside[256];

	snprintf(beside, sizeof(beside), "%.*s.%s", (int)(strrchr(path, '.') - path), path, extension);
	return read_whole(beside);
}

/* ---- the corpus ---- */

static void check_refusal(const char *path, const char *expected)
{
	struct scenario_errors errors;
	struct plan *plan;
	int err = scenario_load(path, NULL, &plan, &errors);

	if (err != -EINVAL || plan || !errors.text)
		fail_msg("%s: %d, expected -EINVAL", path, err);
	if (strcmp(errors.text, expected) != 0)
		fail_msg("%s\n--- got:\n%s--- expected:\n%s", path, errors.text, expected);
	free(errors.text);
}

static void every_bad_file_says_what_is_wrong(void **state)
{
	char directory[256];
	glob_t files;

	(void)state;
	list_files(CORPUS "bad/*.yaml", &files);
	assert_true(files.gl_pathc >= 50);
	assert_non_null(getcwd(directory, sizeof(directory)));
	assert_int_equal(chdir(CORPUS "bad"), 0); /* messages name the file as it was given */
	for (size_t i = 0; i < files.gl_pathc; i++) {
		const char *name = strrchr(files.gl_pathv[i], '/') + 1;
		char *expected = read_beside(name, "expected");

		check_refusal(name, expected);
		free(expected);
	}
	assert_int_equal(chdir(directory), 0);
	globfree(&files);
}

static void every_good_file_compiles(void **state)
{
	json_t *expected, *got;
	glob_t files;

	(void)state;
	list_files(CORPUS "good/*.yaml", &files);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = read_whole(files.gl_pathv[i]), *json = read_beside(files.gl_pathv[i], "json"),
		     *made;
		const char *name = strrchr(files.gl_pathv[i], '/') + 1;
		struct scenario_errors errors;
		struct plan *plan;

		if (scenario_parse(name, text, strlen(text), NULL, &plan, &errors))
			fail_msg("%s: %s", name, errors.text);
		assert_int_equal(plan_to_json(plan, &made), 0);
		got = json_loads(made, JSON_REJECT_DUPLICATES, NULL);
		expected = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(got);
		assert_non_null(expected);
		if (!json_equal(got, expected))
			fail_msg("%s: the plan is %s", name, made);
		json_decref(got);
		json_decref(expected);
		plan_free(plan);
		free(made);
		free(json);
		free(text);
	}
	globfree(&files);
}

/* Windows line ends and a byte-order mark change nothing but the text. */
static void line_ends_and_byte_order_mark(void **state)
{
	struct plan *plan = parse("\xef\xbb\xbf"
				  "version: 1\r\nname: t\r\n" TARGET STEP,
				  NULL);

	(void)state;
	assert_string_equal(plan->name, "t");
	assert_int_equal(plan->steps[0].line, 4);
	plan_free(plan);
}

static void a_hundred_mistakes_are_counted(void **state)
{
	char text[4096] = HEAD TARGET STEP, line[64];
	struct scenario_errors errors;
	struct plan *plan;
	unsigned lines = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "unknown%d: 1\n", i);
		strcat(text, line);
	}
	assert_int_equal(scenario_parse("t.yaml", text, strlen(text), NULL, &plan, &errors), -EINVAL);
	assert_int_equal(errors.count, 100);
	for (const char *s = errors.text; *s; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 51);
	assert_non_null(strstr(errors.text, "t.yaml:6:1: "));
	assert_non_null(strstr(errors.text, "t.yaml:55:1: "));
	assert_null(strstr(errors.text, "t.yaml:56:1: "));
	assert_non_null(strstr(errors.text, "\nt.yaml: and 50 more\n"));
	free(errors.text);
}

/* ---- what cannot be read ---- */

static void check_unreadable(const char *path, int expected, const char *text)
{
	struct scenario_errors errors;
	struct plan *plan;

	assert_int_equal(scenario_load(path, NULL, &plan, &errors), expected);
	assert_null(plan);
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.text, text);
	free(errors.text);
}

static void files_that_cannot_be_read(void **state)
{
	char path[] = "/tmp/shearpin-scenario-XXXXXX", expected[128];
	int fd = mkstemp(path);

	(void)state;
	check_unreadable("/nonexistent/x.yaml", -ENOENT,
			 "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
	check_unreadable("/", -EISDIR, "/: cannot be read: Is a directory\n");
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 10 * SCENARIO_MAX_BYTES), 0);
	snprintf(expected, sizeof(expected), "%s: larger than 1048576 bytes, expected a scenario\n", path);
	check_unreadable(path, -EFBIG, expected);
	close(fd);
	unlink(path);
}

/* A megabyte of one thing; each must be told apart at once, in CPU time, so that a busy machine does not matter. */
static void hostile_texts_cost_little(void **state)
{
	static const char *const units[] = {
		"[",     "{",     "- ",        "? ",      "a: ",    "{a: ",         "&a ",  "*a ",  "!t ",
		"\"",    "'",     "#",         " ",       "\n",     "\t",           "a",    "a\n",  "a: b\n",
		"- a\n", "a,",    "[a],",      "--- a\n", "%T x\n", "$(",           "$(a)", "|\n ", ">",
		"{a: [", "a:\n ", "\"\\u0041", "''''",    "]",      "k: {a: *b}\n",
	};
	char *text = malloc(SCENARIO_MAX_BYTES + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < COUNT(units); i++) {
		size_t step = strlen(units[i]), len = 0;
		struct scenario_errors errors;
		struct plan *plan;
		clock_t start = clock();

		for (; len + step <= SCENARIO_MAX_BYTES; len += step)
			memcpy(text + len, units[i], step);
		text[len] = '\0';
		assert_int_equal(scenario_parse("t.yaml", text, len, NULL, &plan, &errors), -EINVAL);
		if (clock() - start > 5 * CLOCKS_PER_SEC)
			fail_msg("a megabyte of \"%s\" took %.1f s", units[i],
				 (double)(clock() - start) / CLOCKS_PER_SEC);
		assert_true(strlen(errors.text) < 60 * 300);
		free(errors.text);
	}
	free(text);
}

/* ---- the command line's part ---- */

static void settings_override(void **state)
{
	static const char text[] =
		HEAD "vars: {port: 80, hold: 20s}\ninterface: eth0\nmeta: {build: old, kept: 1}\n"
		     "targets: {a: {remote_port: $(port)}}\n"
		     "steps: [{name: s, at: 0s, fault: {drop: true}, target: a, for: $(hold)}]\n";
	const struct setting vars[] = {{"port", "443"}}, meta[] = {{"build", "new"}, {"extra", "x=y"}};
	const struct scenario_options options = {vars, COUNT(vars), meta, COUNT(meta), "eth1,eth2"};
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
	const struct scenario_options options = {vars, COUNT(vars), meta, COUNT(meta), "eth0,e/1"};

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

/* ---- the plan ---- */

static void seeds(void **state)
{
	/* The first outputs of SplitMix64 started with 1234567. */
	static const uint64_t expected[] = {6457827717110365317ULL, 3203168211198807973ULL,
					    9817491932198370423ULL};
	static const char drawn[] = "version: 1\nname: t\n" TARGET STEP;
	struct plan *plan =
		parse("version: 1\nname: t\nseed: 1234567\n"
		      "targets: {a: {remote_port: 1}, b: {remote_port: 2}, c: {remote_port: 3}}\n"
		      "steps: [{name: s, at: 0s, fault: {drop: true}, target: [a, b, c], for: 1s}]\n",
		      NULL);
	struct plan *one, *other;

	(void)state;
	assert_true(plan->seed_given);
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_true(plan->rules[i].seed == expected[i]);
	plan_free(plan);

	one = parse(drawn, NULL);
	other = parse(drawn, NULL);
	assert_false(one->seed_given);
	assert_true(one->seed != other->seed);
	assert_true(one->seed < 1ULL << 53 && other->seed < 1ULL << 53);
	plan_free(one);
	plan_free(other);
}

static void faults_become_thresholds(void **state)
{
	struct plan *plan = parse(
		HEAD TARGET
		"steps:\n"
		"- {name: a, at: 0s, fault: {drop: true}, target: a, for: 1s}\n"
		"- {name: b, at: 0s, fault: {drop: true, percent: 25%, loss_as: local}, target: a, for: 1s}\n"
		"- {name: c, at: 0s, fault: {loss: 50%, reset: remote, percent: 25%}, target: a, for: 1s}\n"
		"- {name: d, at: 0s, fault: {loss: {every: 10}, loss_as: wire}, target: a, for: 1s}\n"
		"- {name: e, at: 0s, fault: {refuse: icmp-admin}, target: a, for: 1s}\n"
		"- {name: f, at: 0s, fault: {reset: local, refuse: tcp-reset}, target: a, for: 1s}\n",
		NULL);
	static const struct plan_fault expected[] = {
		{.drop_below = PLAN_ALWAYS, .text = "{\"drop\":true}"},
		{.drop_below = PLAN_ALWAYS / 4,
		 .loss_local = true,
		 .text = "{\"drop\":true,\"percent\":\"25%\",\"loss_as\":\"local\"}"},
		{.drop_below = PLAN_ALWAYS / 2,
		 .reset_ends = PLAN_END_REMOTE,
		 .flow_below = PLAN_ALWAYS / 4,
		 .text = "{\"loss\":\"50%\",\"reset\":\"remote\",\"percent\":\"25%\"}"},
		{.drop_every = 10, .text = "{\"loss\":{\"every\":10},\"loss_as\":\"wire\"}"},
		{.refuse = PLAN_REFUSE_ICMP_ADMIN,
		 .flow_below = PLAN_ALWAYS,
		 .text = "{\"refuse\":\"icmp-admin\"}"},
		{.reset_ends = PLAN_END_LOCAL,
		 .refuse = PLAN_REFUSE_TCP_RESET,
		 .flow_below = PLAN_ALWAYS,
		 .text = "{\"reset\":\"local\",\"refuse\":\"tcp-reset\"}"},
	};

	(void)state;
	assert_int_equal(plan->n_steps, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		const struct plan_fault *got = &plan->steps[i].fault, *want = &expected[i];

		assert_string_equal(got->text, want->text);
		assert_true(got->drop_below == want->drop_below);
		assert_int_equal(got->drop_every, want->drop_every);
		assert_int_equal(got->loss_local, want->loss_local);
		assert_int_equal(got->reset_ends, want->reset_ends);
		assert_int_equal(got->refuse, want->refuse);
		assert_true(got->flow_below == want->flow_below);
	}
	plan_free(plan);
}

static void windows_and_slots(void **state)
{
	struct plan *plan = parse(
		HEAD
		"targets: {a: {remote_port: 80}, b: {local_port: 81}}\n"
		"steps:\n"
		"- {name: a, at: 5s, fault: {drop: true}, target: [b, a], for: 10s, repeat: {times: 3, "
		"every: 10s}}\n"
		"- {name: b, at: 0s, fault: {drop: true}, target: a, for: 1s, repeat: {times: 1, every: "
		"9s}}\n"
		"- {name: c, at: 1h, fault: {drop: true}, target: a, for: 1m, burst: {on: 1ms, off: 2ms}}\n",
		NULL);
	static const struct plan_rule expected[] = {
		{.step = 0, .target = 1, .first_slot = 0},
		{.step = 0, .target = 0, .first_slot = 3},
		{.step = 1, .target = 0, .first_slot = 6},
		{.step = 2, .target = 0, .first_slot = 7},
	};
	const struct plan_window *w = &plan->steps[0].window;

	(void)state;
	assert_int_equal(plan->n_rules, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_int_equal(plan->rules[i].step, expected[i].step);
		assert_int_equal(plan->rules[i].target, expected[i].target);
		assert_int_equal(plan->rules[i].first_slot, expected[i].first_slot);
	}
	assert_int_equal(plan->n_slots, 8);
	assert_int_equal(plan_opens(w, 2), 25 * NS_PER_S);
	assert_int_equal(plan_closes(w, 2), 35 * NS_PER_S);
	assert_int_equal(plan->steps[1].window.every_ns, NS_PER_S);
	assert_int_equal(plan->steps[1].window.times, 1);
	assert_int_equal(plan->steps[2].window.burst_on_ns, NS_PER_MS);
	assert_int_equal(plan->steps[2].window.burst_off_ns, 2 * NS_PER_MS);
	assert_int_equal(plan->length_ns, 3660 * NS_PER_S);
	assert_int_equal(plan->baseline_ns, 0);
	assert_int_equal(plan->recovery_ns, 30 * NS_PER_S);
	plan_free(plan);
}

/* The largest plan that is allowed, and every one of its limits. */
static void the_largest_plan(void **state)
{
	char *text = malloc(65536), *s = text;
	struct plan *plan;

	(void)state;
	assert_non_null(text);
	s += sprintf(s, HEAD "limits: {duration: 16s}\ntargets:\n");
	for (int i = 0; i < PLAN_MAX_RULES; i++)
		s += sprintf(s, "  t%d: {remote_port: %d}\n", i, 65535 - i);
	s += sprintf(
		s,
		"steps:\n- {name: s, at: 0s, fault: {drop: true}, for: 1s, repeat: {times: 16, every: 1s}, "
		"target: [");
	for (int i = 0; i < PLAN_MAX_RULES; i++)
		s += sprintf(s, "t%d, ", i);
	sprintf(s, "]}\n");
	plan = parse(text, NULL);
	assert_int_equal(plan->n_rules, PLAN_MAX_RULES);
	assert_int_equal(plan->n_slots, PLAN_MAX_SLOTS);
	assert_int_equal(plan->length_ns, 16 * NS_PER_S);
	plan_free(plan);
	free(text);
}

static void probes_are_resolved(void **state)
{
	struct plan *plan =
		parse(HEAD TARGET STEP
		      "probes: {a: {tcp: \"db.example:5432\"}, b: {tcp: \"[fd00::1]:80\", every: 10ms, "
		      "timeout: 2s}}\n",
		      NULL);
	static const char unknown[] = HEAD TARGET STEP "probes: {a: {tcp: \"nowhere.example:80\"}}\n";

	(void)state;
	assert_string_equal(plan->probes[0].host, "10.9.8.7");
	assert_int_equal(plan->probes[0].port, 5432);
	assert_int_equal(plan->probes[0].every_ns, 500 * NS_PER_MS);
	assert_int_equal(plan->probes[0].timeout_ns, NS_PER_S);
	assert_string_equal(plan->probes[1].host, "fd00::1");
	assert_int_equal(plan->probes[1].every_ns, 10 * NS_PER_MS);
	assert_int_equal(plan->probes[1].timeout_ns, 2 * NS_PER_S);
	plan_free(plan);
	refuse(unknown, strlen(unknown), NULL,
	       "t.yaml:6:19: the host nowhere.example cannot be resolved: Name or service not known\n");
}

static void hooks(void **state)
{
	struct plan *plan = parse(
		HEAD
		"targets: {in: {remote_port: 1, direction: in}, out: {remote_port: 1, direction: out}, both: "
		"{remote_port: 1}}\n"
		"steps:\n"
		"- {name: a, at: 0s, fault: {loss: 5%, refuse: icmp-port}, target: [in, out, both], for: "
		"1s}\n"
		"- {name: b, at: 0s, fault: {drop: true, reset: both}, target: [in, out, both], for: 1s}\n"
		"- {name: c, at: 0s, fault: {loss: 5%}, target: [in, out, both], for: 1s}\n",
		NULL);
	static const uint8_t tc[] = {PLAN_HOOK_TC_IN, PLAN_HOOK_TC_OUT, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT};
	static const uint8_t xdp[] = {PLAN_HOOK_XDP, PLAN_HOOK_TC_OUT, PLAN_HOOK_XDP | PLAN_HOOK_TC_OUT};

	(void)state;
	for (int mode = HOOK_AUTO; mode <= HOOK_TC; mode++) {
		plan_choose_hooks(plan, mode);
		for (size_t i = 0; i < plan->n_rules; i++) {
			const struct plan_rule *r = &plan->rules[i];
			const uint8_t *expected = mode == HOOK_XDP && r->step == 2 ? xdp : tc;

			assert_int_equal(r->hooks, expected[r->target]);
			assert_int_equal(!!r->why_in, r->target != 1);
			assert_int_equal(!!r->why_out, r->target != 0);
		}
	}
	plan_free(plan);
}

/* ---- inject ---- */

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
		 "inject: neither an address nor a port is named, expected --remote, --remote-port or "
		 "--local-port\n"},
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
		 {"stall=true"},
		 "stall=true: `stall` is not available in this version\n"},
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
		 "inject: neither an address nor a port is named, expected --remote, --remote-port or "
		 "--local-port\n"},
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
	const struct scenario_options options = {.meta = meta, .n_meta = 1, .interface = "eth9"};
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
	plan_free(plan);
	plan_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bad_file_says_what_is_wrong),
		cmocka_unit_test(every_good_file_compiles),
		cmocka_unit_test(line_ends_and_byte_order_mark),
		cmocka_unit_test(a_hundred_mistakes_are_counted),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(hostile_texts_cost_little),
		cmocka_unit_test(settings_override),
		cmocka_unit_test(settings_that_are_wrong),
		cmocka_unit_test(variables),
		cmocka_unit_test(seeds),
		cmocka_unit_test(faults_become_thresholds),
		cmocka_unit_test(windows_and_slots),
		cmocka_unit_test(the_largest_plan),
		cmocka_unit_test(probes_are_resolved),
		cmocka_unit_test(hooks),
		cmocka_unit_test(inject_means_the_same_as_a_file),
		cmocka_unit_test(inject_names_the_option),
		cmocka_unit_test(inject_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
