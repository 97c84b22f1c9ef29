/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/answers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/timeutil.h"
#include "drill/responder.h"
#include "kernel/answer.h"
#include "kernel/cgroups.h"

#define BEAT_NS (100 * NS_PER_MS)
#define DROP_NS (20 * NS_PER_MS) /* between asking connections to end and ending them */
#define CLOSED (-1)
#define FILES 65536 /* that are enough for all connections */

/* A rule that answers. */
struct answering {
	struct answers *answers;
	size_t rule;
	struct responder *responder;
	int slot; /* as the thread saw it last */
	uint64_t
		end_them; /* when the connections that are left are closed at once; UINT64_MAX: there is no need */
};

struct answers {
	const struct plan *plan;
	struct engine *engine; /* NULL: not started */
	struct cgroups *cgroups;
	struct answering *items;
	size_t n;
	uint64_t *requests; /* by slot */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool has_thread, ending; /* ending: under the lock */
};

static int slot_now(const struct answering *a)
{
	uint64_t changes;

	return a->answers->engine ? answer_slot(a->answers->engine, a->rule, clock_mono_ns(), &changes)
				  : CLOSED;
}

static bool is_open(void *arg)
{
	return slot_now(arg) != CLOSED;
}

static void count_request(void *arg)
{
	const struct answering *a = arg;
	int slot = slot_now(a);

	if (slot != CLOSED)
		__atomic_fetch_add(&a->answers->requests[slot], 1, __ATOMIC_RELAXED);
}

/* What the target may mean; a family that it doesn't name may be missing on this host. */
static void families_of(const struct plan_target *t, unsigned *ret_families, unsigned *ret_may_lack)
{
	unsigned named = 0, all = RESPONDER_V4 | RESPONDER_V6;

	for (size_t i = 0; i < t->n_remotes; i++)
		named |= t->remotes[i].family == AF_INET ? RESPONDER_V4 : RESPONDER_V6;
	*ret_families = named && !t->n_hosts ? named : all;
	*ret_may_lack = named ? all & ~named : RESPONDER_V6;
}

static int open_rule(struct answers *all, size_t rule, char *reason, size_t size)
{
	const struct plan_rule *r = &all->plan->rules[rule];
	struct answering *a = &all->items[all->n];
	const struct responder_gate gate = {is_open, count_request, a};
	unsigned families, may_lack;
	int err;

	*a = (struct answering){.answers = all, .rule = rule, .slot = CLOSED, .end_them = UINT64_MAX};
	families_of(&all->plan->targets[r->target], &families, &may_lack);
	err = responder_open(all->plan->steps[r->step].fault.answer, families, may_lack, &gate, &a->responder,
			     reason, size);
	if (!err)
		all->n++;
	return err;
}

/* As far as this process may. */
static void want_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= FILES)
		return;
	files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int init_lock(struct answers *a)
{
	pthread_condattr_t attr;
	int err = -pthread_condattr_init(&attr);

	if (err)
		return err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = -pthread_cond_init(&a->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (!err)
		err = -pthread_mutex_init(&a->lock, NULL);
	return err;
}

int answers_open(const struct plan *plan, struct answers **ret, char *ret_reason, size_t size)
{
	struct answers *a;
	int err;

	*ret = NULL;
	if (!answer_is_needed(plan))
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a)
		goto no_memory;
	a->plan = plan;
	a->items = calloc(plan->n_rules, sizeof(*a->items));
	a->requests = calloc(plan->n_slots + 1, sizeof(*a->requests));
	if (!a->items || !a->requests || init_lock(a) || cgroups_open(&a->cgroups))
		goto no_memory;
	want_files();
	for (size_t r = 0; r < plan->n_rules; r++) {
		if (plan->steps[plan->rules[r].step].fault.meaning != PLAN_MEANS_ANSWER)
			continue;
		err = open_rule(a, r, ret_reason, size);
		if (err) {
			answers_close(a);
			return err;
		}
	}
	*ret = a;
	return 0;
no_memory:
	answers_close(a);
	snprintf(ret_reason, size, "out of memory");
	return -ENOMEM;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A window may have come and gone since the last look: its connections are those that are there while none is open. */
static bool is_over(struct answering *a, int slot)
{
	if (a->slot != CLOSED)
		return slot != a->slot;
	return slot == CLOSED && a->end_them == UINT64_MAX && !responder_is_idle(a->responder);
}

/* Whoever holds a connection of a window that is over meets its end now. Returns when to look again. */
static uint64_t keep(struct answering *a, uint64_t now)
{
	uint64_t changes;
	int slot = answer_slot(a->answers->engine, a->rule, now, &changes);

	if (is_over(a, slot)) {
		responder_drop(a->responder, false);
		a->end_them = now + DROP_NS;
	} else if (now >= a->end_them) {
		if (slot == CLOSED)
			responder_drop(a->responder, true);
		a->end_them = UINT64_MAX;
	}
	a->slot = slot;
	return earlier(changes, a->end_them);
}

static void *keep_all(void *arg)
{
	struct answers *all = arg;

	pthread_mutex_lock(&all->lock);
	while (!all->ending) {
		uint64_t now = clock_mono_ns(), next = now + BEAT_NS;
		struct timespec until;

		answer_beat(all->engine, now);
		for (size_t i = 0; i < all->n; i++)
			next = earlier(next, keep(&all->items[i], now));
		until = (struct timespec){next / NS_PER_S, next % NS_PER_S};
		pthread_cond_timedwait(&all->changed, &all->lock, &until);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

int answers_start(struct answers *answers, struct engine *engine)
{
	int err;

	if (!answers)
		return 0;
	answers->engine = engine;
	for (size_t i = 0; i < answers->n; i++) {
		struct answering *a = &answers->items[i];

		answer_set_port(engine, a->rule, AF_INET, responder_port(a->responder, AF_INET));
		answer_set_port(engine, a->rule, AF_INET6, responder_port(a->responder, AF_INET6));
	}
	answer_beat(engine, clock_mono_ns()); /* the thread may get its first turn late */
	err = -pthread_create(&answers->thread, NULL, keep_all, answers);
	answers->has_thread = !err;
	return err;
}

void answers_end(struct answers *answers)
{
	if (!answers)
		return;
	if (answers->has_thread) {
		pthread_mutex_lock(&answers->lock);
		answers->ending = true;
		pthread_cond_signal(&answers->changed);
		pthread_mutex_unlock(&answers->lock);
		pthread_join(answers->thread, NULL);
		answers->has_thread = false;
	}
	for (size_t i = 0; i < answers->n; i++)
		responder_drop(answers->items[i].responder, true);
}

void answers_close(struct answers *answers)
{
	if (!answers)
		return;
	answers_end(answers);
	for (size_t i = 0; i < answers->n; i++)
		responder_close(answers->items[i].responder);
	cgroups_close(answers->cgroups);
	free(answers->items);
	free(answers->requests);
	free(answers);
}

uint64_t answers_requests(const struct answers *answers, uint32_t slot)
{
	return answers ? __atomic_load_n(&answers->requests[slot], __ATOMIC_RELAXED) : 0;
}

static void tell_process(struct answers *answers, const struct sp_answer_event *event, struct json *data)
{
	const char *cgroup = cgroups_path(answers->cgroups, event->cgroup, event->pid);
	char comm[SP_COMM + 1] = "";

	memcpy(comm, event->comm, SP_COMM);
	json_object(data, "process");
	json_u64(data, "pid", event->pid);
	json_string(data, "comm", comm);
	if (cgroup)
		json_string(data, "cgroup", cgroup);
	json_end_object(data);
}

void answers_event(struct answers *answers, const struct sp_answer_event *event, struct journal *journal)
{
	struct json *data = journal_data(journal);
	const struct plan_rule *rule;
	struct journal_where where;
	char flow[160] = "?";

	if (!answers || event->rule >= answers->plan->n_rules)
		return;
	rule = &answers->plan->rules[event->rule];
	journal_flow_to(&event->flow, flow, sizeof(flow));
	where = (struct journal_where){
		.step = answers->plan->steps[rule->step].name,
		.instance = event->flow.slot - rule->first_slot + 1,
		.target = answers->plan->targets[rule->target].name,
		.flow = flow,
	};
	json_u64(data, "rule", event->rule);
	json_u64(data, "index", event->index);
	json_u64(data, "status", answers->plan->steps[rule->step].fault.answer->status);
	tell_process(answers, event, data);
	journal_write(journal, event->ns, "conn.answered", &where);
}
