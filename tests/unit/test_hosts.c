/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of targets with a resolver that is the test's own: what joins a target, when it is asked, what is told. */
#include "unit/run_dir.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <linux/types.h>

#include "base/timeutil.h"
#include "drill/hosts.h"
#include "unit/texts.h"

#define ZERO (1000 * NS_PER_S)
#define PATIENCE_MS 60000

/* What the resolver says, and whether it says it at all. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char addresses
		[8192]; /* "a=10.0.0.1,fd00::1 b=10.0.0.2"; "a=!" fails, "a=?" fails for the time being */
	bool silent;
	int asked, answering;
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void fail_with(struct answer *ret, int error)
{
	ret->error = error;
	snprintf(ret->words, sizeof(ret->words), "%s", gai_strerror(error));
}

static void answer(const char *name, struct answer *ret)
{
	char table[sizeof(resolver.addresses)], *entry, *list, *text, *rest = table, *more;

	memcpy(table, resolver.addresses, sizeof(table));
	fail_with(ret, EAI_NONAME);
	while ((entry = strtok_r(rest, " ", &rest))) {
		list = strchr(entry, '=');
		*list++ = '\0';
		if (strcmp(entry, name) != 0)
			continue;
		if (*list == '!' || *list == '?') {
			fail_with(ret, *list == '!' ? EAI_NONAME : EAI_AGAIN);
			return;
		}
		*ret = (struct answer){.addresses = calloc(LOOKUP_ADDRESSES, sizeof(*ret->addresses))};
		for (more = list; (text = strtok_r(more, ",", &more));)
			if (parse_prefix(text, &ret->addresses[ret->n++]))
				abort();
	}
}

static void find(const char *name, struct answer *ret)
{
	*ret = (struct answer){0};
	pthread_mutex_lock(&resolver.lock);
	resolver.asked++;
	resolver.answering++;
	pthread_cond_broadcast(&resolver.changed);
	while (resolver.silent)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	answer(name, ret);
	resolver.answering--;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
}

static void says(const char *addresses)
{
	pthread_mutex_lock(&resolver.lock);
	snprintf(resolver.addresses, sizeof(resolver.addresses), "%s", addresses);
	pthread_mutex_unlock(&resolver.lock);
}

static void set_silent(bool silent)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.silent = silent;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
}

static int asked(void)
{
	int n;

	pthread_mutex_lock(&resolver.lock);
	n = resolver.asked;
	pthread_mutex_unlock(&resolver.lock);
	return n;
}

/* Until so many questions were asked in all, or none is being answered any more. */
static void wait_asked(int n)
{
	pthread_mutex_lock(&resolver.lock);
	while (n ? resolver.asked < n : resolver.answering > 0)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	pthread_mutex_unlock(&resolver.lock);
}

struct scene {
	struct run_dir *dir;
	struct plan_target targets[2];
	struct plan_step step;
	struct plan plan;
	struct journal journal;
	struct hosts *hosts;
	struct hosts_gate gate;
	const char *barred; /* this address must not join */
	int grown, fails;
	uint64_t started;
	char reason[320];
};

static const char *bar(void *arg, const struct plan_target *target, const struct prefix *address, char *text,
		       size_t size)
{
	const struct scene *s = arg;
	char shown[64];

	format_prefix(address, shown, sizeof(shown));
	shown[strcspn(shown, "/")] = '\0';
	if (!s->barred || strcmp(shown, s->barred) != 0)
		return NULL;
	snprintf(text, size, "%s keeps away from %s", target->name, shown);
	return text;
}

static int grown(void *arg)
{
	struct scene *s = arg;

	s->grown++;
	return s->fails;
}

static char *names_a[] = {"a"}, *names_ab[] = {"a", "b"};

static void prepare(struct scene *s, void **state, char **names, size_t n)
{
	*s = (struct scene){.dir = *state};
	s->targets[0] = (struct plan_target){.name = "api", .hosts = names, .n_hosts = n};
	s->targets[1] = (struct plan_target){.name = "all"};
	s->step = (struct plan_step){
		.window = {.at_ns = NS_PER_S, .for_ns = NS_PER_S, .times = 3, .every_ns = 4 * NS_PER_S}};
	s->plan = (struct plan){.targets = s->targets, .n_targets = 2, .steps = &s->step, .n_steps = 1};
	s->gate = (struct hosts_gate){bar, grown, s};
	resolver.asked = 0;
	assert_int_equal(log_open(s->dir->fd, 0, &s->journal.log), 0);
}

static int start(struct scene *s)
{
	int err = hosts_open(&s->plan, find, -1, &s->hosts, s->reason, sizeof(s->reason));

	s->started = clock_mono_ns();
	return err;
}

static char *end(struct scene *s)
{
	hosts_close(s->hosts);
	wait_asked(0);
	free(s->targets[0].remotes);
	assert_int_equal(s->journal.error, 0);
	assert_int_equal(log_close(s->journal.log), 0);
	buf_free(&s->journal.data);
	return get_file(s->dir->fd, "events.jsonl", NULL);
}

static uint64_t run(struct scene *s, uint64_t now)
{
	uint64_t next;

	assert_int_equal(hosts_run(s->hosts, &s->gate, &s->journal, now, &next), 0);
	return next;
}

/* Let a question be asked, and take its answer. */
static void look_up(struct scene *s, uint64_t now)
{
	struct pollfd fd = {.fd = hosts_fd(s->hosts), .events = POLLIN};

	run(s, now);
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	run(s, now);
}

static bool has_remotes(const struct plan_target *t, const char *expected)
{
	char text[1024] = "", one[64];

	for (size_t i = 0; i < t->n_remotes; i++) {
		format_prefix(&t->remotes[i], one, sizeof(one));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "," : "", one);
	}
	if (strcmp(text, expected) != 0)
		print_error("remotes: %s\n", text);
	return !strcmp(text, expected);
}

/* The data of the only event that has this. */
static void has_event(const char *log, const char *data)
{
	if (count_of(log, data) != 1)
		fail_msg("not once: %s\n%s", data, log);
}

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

static void are_asked_for_regularly(void **state)
{
	struct scene s;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	assert_true(run(&s, s.started) <= s.started + HOSTS_EVERY_NS);
	assert_int_equal(asked(), 1);
	look_up(&s, s.started + HOSTS_EVERY_NS);
	assert_int_equal(asked(), 2);
	assert_true(run(&s, s.started + HOSTS_EVERY_NS) == s.started + 2 * HOSTS_EVERY_NS);
	run(&s, s.started + 2 * HOSTS_EVERY_NS - 1);
	assert_int_equal(asked(), 2);
	free(end(&s));
}

static void are_asked_for_when_a_window_opens(void **state)
{
	uint64_t zero, last;
	struct scene s;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	zero = s.started + NS_PER_S; /* windows open 2, 6 and 10 s after the start */
	hosts_set_zero(s.hosts, zero);
	assert_true(run(&s, zero) == zero + NS_PER_S);
	assert_int_equal(asked(), 1);
	look_up(&s, zero + NS_PER_S);
	assert_int_equal(asked(), 2);
	assert_true(run(&s, zero + NS_PER_S) == zero + 5 * NS_PER_S);
	look_up(&s, zero + 5 * NS_PER_S);
	look_up(&s, zero + 9 * NS_PER_S);
	assert_int_equal(asked(), 4);
	last = zero + 9 * NS_PER_S;
	assert_true(run(&s, last) == last + HOSTS_EVERY_NS); /* there is no further window */
	free(end(&s));
}

/* An answer that is less than a second old is as good. */
static void are_not_asked_for_twice_at_an_opening(void **state)
{
	struct scene s;
	uint64_t zero;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	s.step.window.every_ns = HOSTS_FRESH_NS / 2;
	s.step.window.at_ns = HOSTS_EVERY_NS;
	assert_int_equal(start(&s), 0);
	zero = s.started;
	hosts_set_zero(s.hosts, zero);
	look_up(&s, zero + HOSTS_EVERY_NS);
	assert_int_equal(asked(), 2);
	run(&s, zero + HOSTS_EVERY_NS + HOSTS_FRESH_NS / 2);
	run(&s, zero + HOSTS_EVERY_NS + HOSTS_FRESH_NS);
	assert_int_equal(asked(), 2);
	free(end(&s));
}

/* Nobody waits for a resolver that does not answer, and it is not asked again meanwhile. */
static void are_waited_for_by_nobody(void **state)
{
	struct scene s;
	char *log;

	says("a=10.0.0.1 b=10.0.0.2");
	prepare(&s, state, names_ab, 2);
	assert_int_equal(start(&s), 0);
	set_silent(true);
	assert_true(run(&s, s.started + HOSTS_EVERY_NS) == UINT64_MAX);
	wait_asked(4);
	for (int i = 2; i < 10; i++)
		assert_true(run(&s, s.started + i * HOSTS_EVERY_NS) == UINT64_MAX);
	assert_int_equal(asked(), 4);
	hosts_close(s.hosts); /* with both under way */
	s.hosts = NULL;
	set_silent(false);
	log = end(&s);
	assert_string_equal(log, "");
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

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

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
		IN_DIR(are_asked_for_regularly),
		IN_DIR(are_asked_for_when_a_window_opens),
		IN_DIR(are_not_asked_for_twice_at_an_opening),
		IN_DIR(are_waited_for_by_nobody),
		IN_DIR(must_reach_the_kernel),
		cmocka_unit_test(are_found_by_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
