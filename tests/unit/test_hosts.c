/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of targets: what joins a target, and what is told of it. */
#include "unit/hosts_scene.h"

static void needs_none(void **state)
{
	struct scene s;
	uint64_t next;
	char *log;

	prepare(&s, state, NULL, 0);
	assert_false(plan_has_hosts(&s.plan));
	assert_int_equal(start(&s), 0);
	assert_null(s.hosts);
	assert_int_equal(hosts_fd(s.hosts), -1);
	hosts_tell(s.hosts, &s.journal);
	hosts_set_zero(s.hosts, ZERO);
	assert_int_equal(hosts_run(s.hosts, &s.gate, &s.journal, ZERO, &next), 0);
	assert_true(next == UINT64_MAX);
	log = end(&s);
	assert_string_equal(log, "");
	free(log);
}

static void join_at_the_start(void **state)
{
	struct scene s;
	char *log;

	says("a=10.0.0.1,fd00::1 b=10.0.0.1,10.0.0.2");
	prepare(&s, state, names_ab, 2);
	assert_true(plan_has_hosts(&s.plan));
	assert_int_equal(start(&s), 0);
	assert_true(has_remotes(&s.targets[0], "10.0.0.1/32,fd00::1/128,10.0.0.2/32"));
	assert_true(has_remotes(&s.targets[1], ""));
	hosts_tell(s.hosts, &s.journal);
	log = end(&s);
	has_event(log,
		  "\"type\":\"target.resolved\",\"target\":\"api\",\"data\":{\"host\":\"a\",\"addresses\":"
		  "[\"10.0.0.1\",\"fd00::1\"],\"added\":[\"10.0.0.1\",\"fd00::1\"],\"gone\":[],\"kept\":[],"
		  "\"left_out\":[],\"error\":null}");
	has_event(log, "{\"host\":\"b\",\"addresses\":[\"10.0.0.1\",\"10.0.0.2\"],\"added\":[\"10.0.0.1\","
		       "\"10.0.0.2\"],\"gone\":[],\"kept\":[],\"left_out\":[],\"error\":null}");
	free(log);
}

static void must_be_there_at_the_start(void **state)
{
	struct scene s;

	says("a=10.0.0.1 b=!");
	prepare(&s, state, names_ab, 2);
	assert_int_equal(start(&s), -ENOENT);
	assert_string_equal(s.reason,
			    "the host b of the target api has no address: Name or service not known");
	assert_null(s.hosts);
	free(end(&s));
}

/* The first target is there only to be picked by the second. */
static void may_be_missing_where_they_are_spare(void **state)
{
	struct scene s;
	size_t alternatives[] = {0};
	char *log;

	says("a=10.0.0.1 b=!");
	prepare(&s, state, names_ab, 2);
	s.targets[1].any_of = alternatives;
	s.targets[1].n_any_of = 1;
	assert_int_equal(start(&s), 0);
	assert_true(has_remotes(&s.targets[0], "10.0.0.1/32"));
	hosts_tell(s.hosts, &s.journal);
	log = end(&s);
	has_event(log,
		  "{\"host\":\"b\",\"addresses\":[],\"added\":[],\"gone\":[],\"kept\":[],\"left_out\":[],"
		  "\"error\":\"Name or service not known\"}");
	free(log);
}

static void are_needed_where_a_rule_is(void **state)
{
	struct scene s;
	size_t alternatives[] = {0};
	struct plan_rule rule = {.target = 0};

	says("a=!");
	prepare(&s, state, names_a, 1);
	s.targets[1].any_of = alternatives;
	s.targets[1].n_any_of = 1;
	s.plan.rules = &rule;
	s.plan.n_rules = 1;
	assert_int_equal(start(&s), -ENOENT);
	free(end(&s));
}

/* What the name gains, both targets gain. */
static void may_be_shared(void **state)
{
	struct scene s;
	struct prefix *copy = calloc(1, sizeof(*copy));
	char *log;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	assert_non_null(copy);
	*copy = s.targets[0].remotes[0];
	s.targets[1].remotes = copy;
	s.targets[1].n_remotes = 1;
	assert_int_equal(hosts_share(s.hosts, &s.targets[0], &s.targets[1]), 0);
	hosts_tell(s.hosts, &s.journal);
	says("a=10.0.0.1,10.0.0.2");
	run(&s, s.started + HOSTS_EVERY_NS);
	while (s.grown < 2) {
		struct pollfd fd = {.fd = hosts_fd(s.hosts), .events = POLLIN};

		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		run(&s, s.started + HOSTS_EVERY_NS);
	}
	assert_true(has_remotes(&s.targets[0], "10.0.0.1/32,10.0.0.2/32"));
	assert_true(has_remotes(&s.targets[1], "10.0.0.1/32,10.0.0.2/32"));
	free(s.targets[1].remotes);
	log = end(&s);
	assert_int_equal(count_of(log, "\"target\":\"all\",\"data\":{\"host\":\"a\""), 2);
	assert_int_equal(count_of(log, "\"added\":[\"10.0.0.2\"]"), 2);
	free(log);
}

static void may_be_called_off_at_the_start(void **state)
{
	struct scene s;
	int ends[2];

	says("a=10.0.0.1");
	set_silent(true);
	prepare(&s, state, names_a, 1);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(hosts_open(&s.plan, find, ends[0], &s.hosts, s.reason, sizeof(s.reason)),
			 -ECANCELED);
	assert_null(s.hosts);
	set_silent(false); /* the answer comes when nobody wants it any more */
	free(end(&s));
	close(ends[0]);
	close(ends[1]);
}

static void come_and_go(void **state)
{
	struct scene s;
	char *log;

	says("a=10.0.0.1,10.0.0.2");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	says("a=10.0.0.2,10.0.0.3,fd00::1");
	look_up(&s, s.started + HOSTS_EVERY_NS);
	assert_int_equal(s.grown, 1);
	assert_true(has_remotes(&s.targets[0], "10.0.0.1/32,10.0.0.2/32,10.0.0.3/32,fd00::1/128"));
	look_up(&s, s.started + 2 * HOSTS_EVERY_NS); /* nothing new */
	assert_int_equal(s.grown, 1);
	says("a=10.0.0.1");
	look_up(&s, s.started + 3 * HOSTS_EVERY_NS); /* nothing that was not matched */
	assert_int_equal(s.grown, 1);
	log = end(&s);
	assert_int_equal(count_of(log, "target.resolved"), 2);
	has_event(log,
		  "{\"host\":\"a\",\"addresses\":[\"10.0.0.2\",\"10.0.0.3\",\"fd00::1\"],\"added\":["
		  "\"10.0.0.3\",\"fd00::1\"],\"gone\":[\"10.0.0.1\"],\"kept\":[\"10.0.0.1\"],\"left_out\":[],"
		  "\"error\":null}");
	has_event(
		log,
		"{\"host\":\"a\",\"addresses\":[\"10.0.0.1\"],\"added\":[],\"gone\":[\"10.0.0.2\","
		"\"10.0.0.3\",\"fd00::1\"],\"kept\":[\"10.0.0.2\",\"10.0.0.3\",\"fd00::1\"],\"left_out\":[],"
		"\"error\":null}");
	free(log);
}

static void stay_when_a_lookup_fails(void **state)
{
	struct scene s;
	char *log;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	says("a=?");
	look_up(&s, s.started + HOSTS_EVERY_NS);
	look_up(&s, s.started + 2 * HOSTS_EVERY_NS); /* the same again: not told */
	says("a=!");
	look_up(&s, s.started + 3 * HOSTS_EVERY_NS);
	assert_true(has_remotes(&s.targets[0], "10.0.0.1/32"));
	says("a=10.0.0.1");
	look_up(&s, s.started + 4 * HOSTS_EVERY_NS);
	look_up(&s, s.started + 5 * HOSTS_EVERY_NS);
	log = end(&s);
	assert_int_equal(count_of(log, "target.resolved"), 3);
	assert_int_equal(s.grown, 0);
	has_event(log, "{\"host\":\"a\",\"addresses\":[\"10.0.0.1\"],\"added\":[],\"gone\":[],\"kept\":[],"
		       "\"left_out\":[],\"error\":\"Temporary failure in name resolution\"}");
	has_event(log, "\"error\":\"Name or service not known\"}");
	has_event(log, "\"error\":null}");
	free(log);
}

static void may_be_barred(void **state)
{
	struct scene s;
	char *log;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	s.barred = "10.0.0.2";
	says("a=10.0.0.2,10.0.0.3");
	look_up(&s, s.started + HOSTS_EVERY_NS);
	look_up(&s, s.started + 2 * HOSTS_EVERY_NS); /* told once */
	assert_true(has_remotes(&s.targets[0], "10.0.0.1/32,10.0.0.3/32"));
	s.barred = NULL; /* its route has changed, say */
	look_up(&s, s.started + 3 * HOSTS_EVERY_NS);
	assert_true(has_remotes(&s.targets[0], "10.0.0.1/32,10.0.0.3/32,10.0.0.2/32"));
	log = end(&s);
	assert_int_equal(count_of(log, "target.resolved"), 2);
	has_event(log,
		  "\"added\":[\"10.0.0.3\"],\"gone\":[\"10.0.0.1\"],\"kept\":[\"10.0.0.1\"],\"left_out\":[{"
		  "\"address\":\"10.0.0.2\",\"reason\":\"api keeps away from 10.0.0.2\"}],\"error\":null}");
	has_event(log, "\"added\":[\"10.0.0.2\"],\"gone\":[],\"kept\":[\"10.0.0.1\"],\"left_out\":[],"
		       "\"error\":null}");
	free(log);
}

static void are_no_more_than_there_is_room(void **state)
{
	char many[2048] = "a=";
	struct scene s;
	char *log;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	for (int round = 0; round < 2; round++) {
		many[2] = '\0';
		for (int i = 0; i < 40; i++)
			snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s10.0.%d.%d",
				 i ? "," : "", round + 1, i);
		says(many);
		look_up(&s, s.started + (round + 1) * HOSTS_EVERY_NS);
	}
	assert_int_equal(s.targets[0].n_remotes, 1 + HOSTS_MORE);
	log = end(&s);
	assert_int_equal(count_of(log, "there is no room for more"), 2 * 40 - HOSTS_MORE);
	free(log);
}

static void must_reach_the_kernel(void **state)
{
	struct scene s;
	struct pollfd fd = {.events = POLLIN};
	uint64_t next;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	s.fails = -ENOSPC;
	says("a=10.0.0.2");
	run(&s, s.started + HOSTS_EVERY_NS);
	fd.fd = hosts_fd(s.hosts);
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	assert_int_equal(hosts_run(s.hosts, &s.gate, &s.journal, s.started + HOSTS_EVERY_NS, &next), -ENOSPC);
	free(end(&s));
}

/* getaddrinfo() itself, with names that need no resolver. */
static void are_found_by_the_system(void **state)
{
	struct answer found;

	(void)state;
	answer_find("192.0.2.7", &found);
	assert_int_equal(found.error, 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.addresses[0].family, AF_INET);
	assert_int_equal(found.addresses[0].len, 32);
	assert_memory_equal(found.addresses[0].addr, "\xc0\0\2\7", 4);
	answer_free(&found);
	answer_find("2001:db8::7", &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.addresses[0].len, 128);
	answer_free(&found);
	answer_find("", &found);
	assert_int_not_equal(found.error, 0);
	assert_int_not_equal(strlen(found.words), 0);
	answer_free(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(needs_none),
		IN_DIR(join_at_the_start),
		IN_DIR(must_be_there_at_the_start),
		IN_DIR(may_be_missing_where_they_are_spare),
		IN_DIR(are_needed_where_a_rule_is),
		IN_DIR(may_be_shared),
		IN_DIR(may_be_called_off_at_the_start),
		IN_DIR(come_and_go),
		IN_DIR(stay_when_a_lookup_fails),
		IN_DIR(may_be_barred),
		IN_DIR(are_no_more_than_there_is_room),
		IN_DIR(must_reach_the_kernel),
		cmocka_unit_test(are_found_by_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
