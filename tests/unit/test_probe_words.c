/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the words of probes, aborts, checks and alternatives become in the plan, beyond the documents of
 * tests/unit/scenarios/good: what is never written there, defaults, and the limits of single values.
 */
#include "unit/scenario_text.h"

#include <math.h>

#include "scenario/model.h"
#include "scenario/url.h"

#define PLAN HEAD TARGET STEP

/* A scenario of one probe. */
static struct plan *with_probe(const char *probe)
{
	char text[8192];

	snprintf(text, sizeof(text), PLAN "probes: {p: {%s}}\n", probe);
	return parse(text, NULL);
}

static void refuse_probe(const char *probe, const char *expected)
{
	char text[8192];

	snprintf(text, sizeof(text), PLAN "probes: {p: {%s}}\n", probe);
	refuse(text, strlen(text), NULL, expected);
}

/* ---- probes ---- */

static void what_is_not_said_has_its_default(void **state)
{
	struct plan *plan = with_probe("http: \"http://10.0.0.1/\"");
	const struct plan_probe *p = &plan->probes[0];

	(void)state;
	assert_int_equal(p->kind, PROBE_HTTP);
	assert_int_equal(p->every_ns, 500 * NS_PER_MS);
	assert_int_equal(p->timeout_ns, NS_PER_S);
	assert_int_equal(p->rising, 1);
	assert_int_equal(p->falling, 1);
	assert_int_equal(p->target, -1);
	assert_int_equal(p->expect_status, 0);
	assert_null(p->expect_body);
	assert_int_equal(p->n_headers, 0);
	assert_null(p->ca);
	assert_false(p->insecure);
	assert_false(plan_execs(plan));
	plan_free(plan);
}

/* A value is for the request alone. */
static void headers_are_kept_out_of_the_document(void **state)
{
	struct plan *plan =
		with_probe("http: \"https://10.0.0.1/\", headers: {Authorization: Bearer hunter2}");
	char *document;

	(void)state;
	assert_int_equal(plan->probes[0].n_headers, 1);
	assert_string_equal(plan->probes[0].headers[0].name, "Authorization");
	assert_string_equal(plan->probes[0].headers[0].value, "Bearer hunter2");
	assert_int_equal(plan_to_json(plan, &document), 0);
	assert_non_null(strstr(document, "Authorization"));
	assert_null(strstr(document, "hunter2"));
	free(document);
	plan_free(plan);
}

static void programs_are_known_to_be_started(void **state)
{
	struct plan *plan = with_probe("exec: [sh, -c, \"exit 3\"], expect_status: 3");
	const struct plan_command *c = &plan->probes[0].command;

	(void)state;
	assert_true(plan_execs(plan));
	assert_int_equal(c->n, 3);
	assert_string_equal(c->argv[0], "sh");
	assert_string_equal(c->argv[2], "exit 3");
	assert_null(c->argv[3]);
	assert_int_equal(plan->probes[0].expect_status, 3);
	plan_free(plan);
}

/* Reading a file takes no time that could be too long. */
static void only_what_waits_has_a_timeout(void **state)
{
	static const struct {
		const char *probe;
		bool waits;
	} cases[] = {
		{"tcp: \"10.0.0.1:80\"", true},
		{"exec: [true]", true},
		{"prometheus: \"http://10.0.0.1\", query: up, above: 0", true},
		{"stream: \"tcp://10.0.0.1:80\", number: '([0-9]+)'", true},
		{"log: f, healthy: a, unhealthy: b", false},
		{"json: f", false},
		{"file: f", false},
		{"process: {pid: 5}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan *plan = with_probe(cases[i].probe);

		assert_int_equal(plan->probes[0].timeout_ns, cases[i].waits ? NS_PER_S : 0);
		plan_free(plan);
	}
}

static void values_are_json(void **state)
{
	static const struct {
		const char *value, *json;
	} cases[] = {
		{"true", "true"},
		{"'true'", "\"true\""},
		{"null", "null"},
		{"~", "null"},
		{"\"\"", "\"\""},
		{"5", "5"},
		{"'5'", "\"5\""},
		{"-0.5e-3", "-0.5e-3"},
		{"9223372036854775807", "9223372036854775807"},
		{"007", "\"007\""},
		{"+5", "\"+5\""},
		{".5", "\".5\""},
		{"5.", "\"5.\""},
		{"0x10", "\"0x10\""},
		{"1e", "\"1e\""},
		{"yes", "\"yes\""},
		{"\"a\\\"b\\n\"", "\"a\\\"b\\n\""},
		{"[]", "[]"},
		{"{}", "{}"},
		{"[1, {a: [b, null]}]", "[1,{\"a\":[\"b\",null]}]"},
	};
	char probe[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan *plan;

		snprintf(probe, sizeof(probe), "json: f, where: .a, equals: %s", cases[i].value);
		plan = with_probe(probe);
		assert_int_equal(plan->probes[0].compare.op, COMPARE_EQUALS);
		assert_string_equal(plan->probes[0].compare.json, cases[i].json);
		plan_free(plan);
	}
}

/* Quotation marks matter to JSON values alone; so a variable may stand in them. */
static void numbers_may_be_quoted(void **state)
{
	struct plan *plan = parse(PLAN "vars: {most: \"-0.02\"}\n"
				       "probes: {p: {json: f, where: .a, at_most: \"$(most)\"}}\n",
				  NULL);

	(void)state;
	assert_int_equal(plan->probes[0].compare.op, COMPARE_AT_MOST);
	assert_true(fabs(plan->probes[0].compare.number + 0.02) < 1e-12);
	assert_null(plan->probes[0].compare.json);
	plan_free(plan);
}

/* 95 of 100 are 95 %: the share is the number itself. */
static void completeness_is_exact(void **state)
{
	struct plan *plan = with_probe("stream: \"udp://10.0.0.1:80\", binary: true, complete: 95%");
	const struct plan_probe *p = &plan->probes[0];

	(void)state;
	assert_true(p->complete_least == 0.95);
	assert_int_equal(p->silence_ns, 2 * NS_PER_S);
	assert_int_equal(p->read, STREAM_BINARY_64);
	assert_true(p->udp);
	assert_false(p->listen);
	plan_free(plan);
}

static void an_expression_may_ask_for_nothing(void **state)
{
	struct plan *plan = with_probe("exec: [true], expect_output: '^$'");

	(void)state;
	assert_string_equal(plan->probes[0].expect_output, "^$");
	plan_free(plan);
}

static void values_have_limits(void **state)
{
	char *text = repeated("http: \"http://10.0.0.1/", 'a', 2048 - strlen("http://10.0.0.1/"), "\"");
	struct plan *plan = with_probe(text);

	(void)state;
	plan_free(plan);
	free(text);
	text = repeated("prometheus: \"http://10.0.0.1/\", above: 1, query: ", 'q', 4096, "");
	plan_free(with_probe(text));
	free(text);
	text = repeated("prometheus: \"http://10.0.0.1/\", above: 1, query: ", 'q', 4097, "");
	refuse_probe(text, "t.yaml:6:63: a text of 4097 bytes, expected 1 to 4096\n");
	free(text);
	text = repeated("process: {name: ", 'n', 255, "}");
	plan_free(with_probe(text));
	free(text);
	text = repeated("file: ", 'f', 4096, "");
	refuse_probe(
		text,
		"t.yaml:6:20: "
		"\"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff...\" is no path, expected "
		"such as logs/probe.log\n");
	free(text);
}

/* ---- URLs ---- */

static void urls(void **state)
{
	static const char *const good[] = {
		"http://a",
		"HTTPS://a.example:1/",
		"http://10.0.0.1?a=b",
		"http://[::1]",
		"http://[fd00::1]:65535/x",
		"http://a/b@c:d#e",
		"http://a_b-c.de/%",
		"http://a./",
	};
	static const char *const bad[] = {
		"",           "http:/a",      "http://",           "http:///a",   "http://:80/",
		"http://a:",  "http://a:x",   "http://a:80:80",    "http://a:-1", "http://a:123456",
		"http://[]",  "http://[::1",  "http://[::1]x",     "http://::1/", "http://1.2.3/",
		"http://a b", "http://a/\t",  "http://a/\xc3\xa4", "http://*.a/", "http://a@b/",
		"ws://a/",    "http://a..b/", "http://-\x7f/",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (url_fault(good[i]))
			fail_msg("%s %s", good[i], url_fault(good[i]));
	assert_true(url_has_name("http://a") && url_has_name("https://1a.de:80/") &&
		    url_has_name("http://a?1"));
	assert_false(url_has_name("http://10.0.0.1") || url_has_name("https://10.0.0.1:80/a") ||
		     url_has_name("http://[::1]:80/a") || url_has_name("http://1.2.3.4?a"));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!url_fault(bad[i]))
			fail_msg("%s is taken", bad[i]);
}

/* ---- aborts ---- */

/* The watch is healthy as long as there is nothing to abort for. */
static void a_query_is_watched_for_the_opposite(void **state)
{
	static const struct {
		const char *condition;
		enum plan_compare_op op;
	} cases[] = {
		{"above", COMPARE_AT_MOST}, {"below", COMPARE_AT_LEAST}, {"at_least", COMPARE_BELOW},
		{"at_most", COMPARE_ABOVE}, {"equals", COMPARE_DIFFERS},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan *plan;

		snprintf(text, sizeof(text),
			 PLAN "abort: [{prometheus: \"http://10.0.0.1\", query: up, %s: 0.02, for: 5m}]\n",
			 cases[i].condition);
		plan = parse(text, NULL);
		assert_int_equal(plan->n_aborts, 1);
		assert_int_equal(plan->aborts[0].kind, ABORT_PROMETHEUS);
		assert_int_equal(plan->aborts[0].for_ns, 300 * NS_PER_S);
		assert_int_equal(plan->n_watches, 1);
		assert_int_equal(plan->aborts[0].index, 0);
		assert_null(plan->watches[0].name);
		assert_int_equal(plan->watches[0].compare.op, cases[i].op);
		assert_true(plan->watches[0].compare.number == 0.02);
		assert_int_equal(plan->watches[0].every_ns, NS_PER_S);
		plan_free(plan);
	}
}

static void an_objective_may_abort(void **state)
{
	struct plan *plan = parse(HEAD TARGET STEP "baseline: 5s\nprobes: {tick: {tcp: \"10.0.0.1:80\"}}\n"
						   "abort: [{probe_p95: baseline +15%, for: 10m}]\n",
				  NULL);
	const struct plan_abort *a = &plan->aborts[0];

	(void)state;
	assert_int_equal(a->kind, ABORT_SLO);
	assert_int_equal(a->for_ns, 600 * NS_PER_S);
	assert_int_equal(a->slo.key, SLO_PROBE_P95);
	assert_true(a->slo.relative);
	assert_true(fabs(a->slo.over - 0.15) < 1e-12);
	assert_int_equal(a->slo.probe, -1);
	assert_string_equal(a->text, "{\"probe_p95\":\"baseline +15%\",\"for\":\"10m\"}");
	plan_free(plan);
}

/* ---- checks, alternatives ---- */

/* A silent host is seen within the time in which it is to be seen. */
static void what_is_watched_has_time(void **state)
{
	static const struct {
		const char *step;
		uint64_t timeout_ns;
	} cases[] = {
		{"expect: {tcp: \"10.0.0.1:1\", equals: unhealthy, within: 1s}", NS_PER_S / 2},
		{"expect: {tcp: \"10.0.0.1:1\", never: 3s}", NS_PER_S},
		{"expect: {tcp: \"10.0.0.1:1\", by: 700ms}", 350 * NS_PER_MS},
		{"expect: {tcp: \"10.0.0.1:1\", timeout: 900ms, within: 1s}", 900 * NS_PER_MS},
		{"wait: {tcp: \"10.0.0.1:1\", timeout: 800ms}", 400 * NS_PER_MS},
		{"expect: {file: /a, exists: true, within: 1s}", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		struct plan *plan;

		snprintf(text, sizeof(text), HEAD "steps: [{name: s, at: 0s, %s}]\n", cases[i].step);
		plan = parse(text, NULL);
		assert_int_equal(plan->watches[0].timeout_ns, cases[i].timeout_ns);
		plan_free(plan);
	}
}

static void each_name_is_a_check(void **state)
{
	struct plan *plan =
		parse(PLAN "preflight: [{env: [A, B]}, {command: c, level: warn, hint: h}]\n", NULL);

	(void)state;
	assert_int_equal(plan->n_checks, 3);
	assert_string_equal(plan->checks[0].name, "A");
	assert_string_equal(plan->checks[1].name, "B");
	assert_int_equal(plan->checks[1].kind, CHECK_ENV);
	assert_false(plan->checks[1].warn);
	assert_null(plan->checks[1].hint);
	assert_string_equal(plan->checks[2].name, "c");
	assert_int_equal(plan->checks[2].kind, CHECK_COMMAND);
	assert_true(plan->checks[2].warn);
	assert_string_equal(plan->checks[2].hint, "h");
	plan_free(plan);
}

/* What is to be picked has no matches yet: nothing of it acts before. */
static void alternatives_refer(void **state)
{
	struct plan *plan =
		parse(HEAD "targets:\n"
			   "  front: {any_of: [b, a]}\n"
			   "  a: {remote: 10.0.0.1, remote_port: 80}\n"
			   "  b: {host: db.example, remote_port: [81, 82]}\n"
			   "steps: [{name: s, at: 0s, fault: {drop: true}, target: front, for: 1s}]\n"
			   "probes: {p: {tcp: {target: front}}}\n"
			   "preflight: [{reachable: {target: front}, timeout: 2s}]\n",
		      NULL);
	const struct plan_target *t = &plan->targets[0];

	(void)state;
	assert_int_equal(t->n_any_of, 2);
	assert_int_equal(t->any_of[0], 2);
	assert_int_equal(t->any_of[1], 1);
	assert_int_equal(t->reach_timeout_ns, 1500 * NS_PER_MS);
	assert_int_equal(t->n_remotes, 0);
	assert_int_equal(t->n_hosts, 0);
	assert_int_equal(plan->targets[1].reach_timeout_ns, 0);
	assert_int_equal(plan->probes[0].target, 0);
	assert_null(plan->probes[0].host);
	assert_int_equal(plan->checks[0].target, 0);
	assert_int_equal(plan->checks[0].timeout_ns, 2 * NS_PER_S);
	plan_free(plan);
}

/* Whatever is picked must bear the fault. */
static void alternatives_must_fit(void **state)
{
	static const char text[] =
		HEAD "targets:\n"
		     "  front: {any_of: [a, b]}\n"
		     "  a: {proto: tcp, remote: 10.0.0.1, remote_port: 80}\n"
		     "  b: {remote: 10.0.0.2, remote_port: 80, direction: in}\n"
		     "steps: [{name: s, at: 0s, fault: {ntp: +5s}, target: front, for: 1s}]\n";
	struct scenario_errors errors;
	struct plan *plan;

	(void)state;
	assert_int_equal(scenario_parse("t.yaml", text, strlen(text), NULL, &plan, &errors), -EINVAL);
	assert_null(plan);
	assert_non_null(strstr(errors.text, "t.yaml:8:"));
	assert_non_null(strstr(errors.text, "target a"));
	free(errors.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(headers_are_kept_out_of_the_document),
		cmocka_unit_test(programs_are_known_to_be_started),
		cmocka_unit_test(only_what_waits_has_a_timeout),
		cmocka_unit_test(values_are_json),
		cmocka_unit_test(numbers_may_be_quoted),
		cmocka_unit_test(completeness_is_exact),
		cmocka_unit_test(an_expression_may_ask_for_nothing),
		cmocka_unit_test(values_have_limits),
		cmocka_unit_test(urls),
		cmocka_unit_test(a_query_is_watched_for_the_opposite),
		cmocka_unit_test(an_objective_may_abort),
		cmocka_unit_test(what_is_watched_has_time),
		cmocka_unit_test(each_name_is_a_check),
		cmocka_unit_test(alternatives_refer),
		cmocka_unit_test(alternatives_must_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
