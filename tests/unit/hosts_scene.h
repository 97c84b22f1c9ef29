/* SPDX-License-Identifier: BSD-2-Clause */
/* A target with names, and a resolver that is the test's own: it says what it is told to, or nothing. */
#ifndef TESTS_HOSTS_SCENE_H
#define TESTS_HOSTS_SCENE_H

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

static inline void fail_with(struct answer *ret, int error)
{
	ret->error = error;
	snprintf(ret->words, sizeof(ret->words), "%s", gai_strerror(error));
}

static inline void answer(const char *name, struct answer *ret)
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

static inline void find(const char *name, struct answer *ret)
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

static inline void says(const char *addresses)
{
	pthread_mutex_lock(&resolver.lock);
	snprintf(resolver.addresses, sizeof(resolver.addresses), "%s", addresses);
	pthread_mutex_unlock(&resolver.lock);
}

static inline void set_silent(bool silent)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.silent = silent;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
}

static inline int asked(void)
{
	int n;

	pthread_mutex_lock(&resolver.lock);
	n = resolver.asked;
	pthread_mutex_unlock(&resolver.lock);
	return n;
}

/* Until so many questions were asked in all, or none is being answered any more. */
static inline void wait_asked(int n)
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

static inline const char *bar(void *arg, const struct plan_target *target, const struct prefix *address,
			      char *text, size_t size)
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

static inline int grown(void *arg)
{
	struct scene *s = arg;

	s->grown++;
	return s->fails;
}

static char *names_a[] = {"a"}, *names_ab[] = {"a", "b"};

static inline void prepare(struct scene *s, void **state, char **names, size_t n)
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

static inline int start(struct scene *s)
{
	int err = hosts_open(&s->plan, find, -1, &s->hosts, s->reason, sizeof(s->reason));

	s->started = clock_mono_ns();
	return err;
}

static inline char *end(struct scene *s)
{
	hosts_close(s->hosts);
	wait_asked(0);
	free(s->targets[0].remotes);
	assert_int_equal(s->journal.error, 0);
	assert_int_equal(log_close(s->journal.log), 0);
	buf_free(&s->journal.data);
	return get_file(s->dir->fd, "events.jsonl", NULL);
}

static inline uint64_t run(struct scene *s, uint64_t now)
{
	uint64_t next;

	assert_int_equal(hosts_run(s->hosts, &s->gate, &s->journal, now, &next), 0);
	return next;
}

/* Let a question be asked, and take its answer. */
static inline void look_up(struct scene *s, uint64_t now)
{
	struct pollfd fd = {.fd = hosts_fd(s->hosts), .events = POLLIN};

	run(s, now);
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	run(s, now);
}

static inline bool has_remotes(const struct plan_target *t, const char *expected)
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
static inline void has_event(const char *log, const char *data)
{
	if (count_of(log, data) != 1)
		fail_msg("not once: %s\n%s", data, log);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

#endif
