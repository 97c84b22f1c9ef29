/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conns.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/timeutil.h"
#include "drill/conn_ended.h"
#include "drill/conn_events.h"
#include "drill/conn_paths.h"
#include "drill/conn_rate.h"
#include "drill/target_sets.h"
#include "kernel/vectors.h"

/* The kernel's table forgets first. */
#define KEPT (2 * SP_MAX_CONNS)
#define MOST_DELETES 2048 /* at a time */

/* The last connection of a flow that was told of. There are as many as KEPT: each byte of it takes 128 KiB. */
struct known {
	uint64_t first_ns;
	uint64_t end_ns; /* 0: it goes on */
	union {
		uint64_t data_ns[SP_DIRS]; /* of the last payload, or segment sent again, told of; 0: none */
		/* While is_hit: any payload was before it, and doesn't tell of a recovery. */
		struct {
			uint64_t ns;   /* the first */
			uint32_t slot; /* of the window that closes last */
		} hit;
	};
	uint32_t targets; /* their set's number */
	uint8_t opener;
	bool is_hit : 1;       /* and by whom it was opened is not known yet */
	bool is_seen : 1;      /* the observer has told of it */
	bool is_deleted : 1;   /* taken out of the kernel's table */
	bool is_open : 1;      /* and counted so */
	bool is_asked_for : 1; /* among the processes */
	bool is_own : 1;       /* a probe's: not told of */
};
_Static_assert(sizeof(struct known) == 40, "as small as it can be");

struct conns {
	const struct plan *plan;
	const struct windows *windows;
	const struct conns_kernel *kernel;
	struct journal *journal;
	int target_of[SP_MAX_RULES]; /* by bit; -1: none */
	struct table *known;         /* by flow, slot 0 */
	struct target_sets *sets;
	struct processes *processes;
	struct conn_paths *paths;
	size_t unsettled; /* known ones with is_hit */
	struct conn_ended_queue ended, own_ended;
	uint64_t own_linger_ns;
	conns_held *is_held; /* NULL: none is */
	void *held_arg;
	uint64_t deleted, replaced, own;
	struct drill_target *view; /* by target */
	struct conn_rate *rates;
};

static void note_evicted(void *arg, const void *key, void *value);

static void read_targets(struct conns *c)
{
	for (unsigned bit = 0; bit < SP_MAX_RULES; bit++) {
		int target = c->kernel->observed_target(c->kernel->arg, bit);

		c->target_of[bit] = target < (int)c->plan->n_targets ? target : -1;
	}
	for (size_t i = 0; i < c->plan->n_targets; i++)
		c->view[i].name = c->plan->targets[i].name;
}

int conns_open(const struct plan *plan, const struct windows *windows, const struct conns_kernel *kernel,
	       struct journal *journal, struct conns **ret)
{
	struct conns *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->plan = plan;
	c->windows = windows;
	c->kernel = kernel;
	c->journal = journal;
	c->view = calloc(plan->n_targets + 1, sizeof(*c->view));
	c->rates = calloc(plan->n_targets + 1, sizeof(*c->rates));
	err = c->view && c->rates ? 0 : -ENOMEM;
	if (!err)
		err = table_open(sizeof(struct sp_flow_key), sizeof(struct known), KEPT, &c->known);
	if (!err)
		err = target_sets_open(&c->sets);
	if (!err)
		err = processes_open(kernel->owners_walk, kernel->arg, &c->processes);
	if (!err)
		err = conn_paths_open(plan, &c->paths);
	if (err) {
		conns_close(c);
		return err;
	}
	c->own_linger_ns = conn_ended_own_linger(plan) + CONNS_LINGER_NS;
	table_on_evict(c->known, note_evicted, c);
	read_targets(c);
	*ret = c;
	return 0;
}

void conns_close(struct conns *conns)
{
	if (!conns)
		return;
	table_close(conns->known);
	target_sets_close(conns->sets);
	processes_close(conns->processes);
	conn_paths_close(conns->paths);
	conn_ended_free(&conns->ended);
	conn_ended_free(&conns->own_ended);
	free(conns->view);
	free(conns->rates);
	free(conns);
}

/* Take the first target off the bits; -1: there is none. */
static int take_target(const struct conns *c, struct sp_bits *bits)
{
	for (int i = 0; i < SP_WORDS; i++) {
		while (bits->w[i]) {
			int bit = __builtin_ctzll(bits->w[i]), target = c->target_of[64 * i + bit];

			bits->w[i] &= bits->w[i] - 1;
			if (target >= 0)
				return target;
		}
	}
	return -1;
}

static int first_target(const struct conns *c, const struct known *k)
{
	struct sp_bits bits = *target_sets_get(c->sets, k->targets);

	return take_target(c, &bits);
}

static void set_open(struct conns *c, struct known *k, bool is_open)
{
	int target;

	if (k->is_open == is_open)
		return;
	k->is_open = is_open;
	target = first_target(c, k);
	if (target >= 0)
		c->view[target].open += is_open ? 1 : -1;
}

static void count_attempt(struct conns *c, const struct known *k, uint64_t ns)
{
	int target = first_target(c, k);

	if (target >= 0)
		conn_rate_add(&c->rates[target], ns);
}

/* of_hit: the target of a rule that hit it, if the observer has not told of it. */
static unsigned opener_of(const struct conns *c, const struct known *k, const struct sp_flow_key *flow,
			  int of_hit)
{
	int target = k->opener < SP_DIRS ? -1 : k->is_seen ? first_target(c, k) : of_hit;

	return target < 0 ? k->opener : conn_paths_opener(&c->plan->targets[target], flow);
}

static void hit_path(struct conns *c, const struct known *k, const struct sp_flow_key *flow, uint64_t ns,
		     uint32_t slot)
{
	struct sp_bits left = *target_sets_get(c->sets, k->targets);
	struct conn_paths_hit hit = {.ns = ns};
	int target;

	if (!windows_of_slot(c->windows, slot, &hit.window))
		return;
	while ((target = take_target(c, &left)) >= 0)
		bits_set(&hit.targets, target);
	target = c->plan->rules[hit.window.rule].target;
	conn_paths_hit(c->paths, flow, opener_of(c, k, flow, target), &hit);
}

static void settle_hit(struct conns *c, struct known *k, const struct sp_flow_key *flow)
{
	if (!k->is_hit)
		return;
	if (!k->is_own)
		hit_path(c, k, flow, k->hit.ns, k->hit.slot);
	k->is_hit = false;
	memset(k->data_ns, 0, sizeof(k->data_ns));
	c->unsettled--;
}

static void note_evicted(void *arg, const void *key, void *value)
{
	struct conns *c = arg;

	settle_hit(c, value, key);
	set_open(c, value, false);
}

static bool is_end(const struct sp_conn_event *e)
{
	return e->type >= SP_EVENT_CONN_REFUSED;
}

/* New, or sent again. */
static bool has_payload(const struct sp_conn_event *e)
{
	return e->type >= SP_EVENT_CONN_FIRST_DATA && e->type <= SP_EVENT_CONN_STALL;
}

static bool is_payload(const struct sp_conn_event *e)
{
	return has_payload(e) && e->type != SP_EVENT_CONN_RETRANSMIT;
}

/* One that the observer has not told of has no known opener. NULL: out of memory. */
static struct known *put_known(struct conns *c, const struct sp_flow_key *flow)
{
	bool is_new;
	struct known *k = table_put(c->known, flow, &is_new);

	if (k && is_new)
		k->opener = SP_DIRS;
	return k;
}

/* The observer takes a connection up in place of one between the same ends that it still has. */
static int begin(struct conns *c, struct known *k, const struct sp_conn_event *e)
{
	struct known was = *k;
	uint32_t targets;
	int err = target_sets_number(c->sets, &e->targets, &targets);

	if (err)
		return err;
	if (k->is_seen && !k->is_deleted && (k->is_own || e->type == SP_EVENT_CONN_ATTEMPT))
		c->replaced++; /* otherwise it was gone */
	set_open(c, k, false);
	*k = (struct known){.first_ns = e->conn.first_ns,
			    .targets = targets,
			    .opener = e->conn.opener,
			    .is_hit = was.is_hit,
			    .is_seen = true,
			    .is_own = e->conn.flags & SP_CONN_OWN};
	if (was.is_hit)
		k->hit = was.hit;
	return 0;
}

/* NULL: a late record of a connection that was replaced, or out of memory. It is written down, but not followed. */
static struct known *know(struct conns *c, const struct sp_flow_key *flow, const struct sp_conn_event *e)
{
	struct known *k = put_known(c, flow);

	if (!k || (k->is_seen && e->conn.first_ns < k->first_ns))
		return NULL;
	if (k->is_own && k->is_hit && k->hit.ns < e->conn.first_ns)
		settle_hit(c, k, flow);
	if ((!k->is_seen || k->first_ns != e->conn.first_ns) && begin(c, k, e))
		return NULL;
	settle_hit(c, k, flow);
	return k;
}

/* Take the oldest out of the kernel's table, unless it has been taken up again since, or replaced. */
static int delete_ended(struct conns *c, struct conn_ended_queue *queue)
{
	struct conn_ended oldest = *conn_ended_first(queue);
	struct sp_conn conn = {.first_ns = oldest.first_ns, .end_ns = oldest.end_ns};
	struct known *k = table_find(c->known, &oldest.flow);
	int n;

	conn_ended_drop_first(queue);
	if (k && (k->first_ns != oldest.first_ns || k->end_ns != oldest.end_ns))
		return 0;
	n = c->kernel->conn_delete(c->kernel->arg, &oldest.flow, &conn);
	if (n < 0)
		return n;
	c->deleted += n;
	if (k)
		k->is_deleted = true;
	return 0;
}

/* The kernel's table takes no harm from one that stays in it. */
static void add_ended(struct conns *c, struct conn_ended_queue *queue, const struct conn_ended *ended)
{
	if (conn_ended_add(queue, ended) || !conn_ended_first(queue))
		return;
	(void)delete_ended(c, queue);
	(void)conn_ended_add(queue, ended);
}

static bool is_held(const struct conns *c, const struct sp_flow_key *flow)
{
	return c->is_held && c->is_held(c->held_arg, flow->proto, flow->local_port);
}

/* A probe still has the oldest of its connections: to be asked again. */
static void put_off(struct conns *c, uint64_t now)
{
	struct conn_ended ended = *conn_ended_first(&c->own_ended);
	struct known *k = table_find(c->known, &ended.flow);

	conn_ended_drop_first(&c->own_ended);
	if (k && k->first_ns == ended.first_ns && k->end_ns == ended.end_ns)
		k->end_ns = now;
	ended.end_ns = now;
	add_ended(c, &c->own_ended, &ended);
}

static int delete_older(struct conns *c, struct conn_ended_queue *queue, uint64_t now, uint64_t linger_ns)
{
	const struct conn_ended *oldest;
	int err = 0;

	for (size_t n = 0; !err && n < MOST_DELETES; n++) {
		oldest = conn_ended_first(queue);
		if (!oldest || now < oldest->end_ns + linger_ns)
			break;
		if (queue == &c->own_ended && is_held(c, &oldest->flow))
			put_off(c, now);
		else
			err = delete_ended(c, queue);
	}
	return err;
}

/* Records of two CPUs may come in another order than their times. A connection that was refused may still be accepted. */
static void follow_state(struct conns *c, struct known *k, const struct sp_conn_event *e)
{
	if (!is_end(e) && e->ns <= k->end_ns)
		return;
	k->end_ns = is_end(e) ? e->conn.end_ns : 0;
	if (is_end(e))
		set_open(c, k, false);
	else if (e->type != SP_EVENT_CONN_ATTEMPT && e->type != SP_EVENT_CONN_FIN)
		set_open(c, k, true);
}

static void follow_path(struct conns *c, struct known *k, const struct sp_flow_key *flow,
			const struct sp_conn_event *e)
{
	unsigned opener = opener_of(c, k, flow, -1);

	conn_paths_tried(c->paths, flow, opener, e->ns);
	if (e->type == SP_EVENT_CONN_ESTABLISHED)
		conn_paths_greeted(c->paths, flow, opener, e->ns);
	if (has_payload(e))
		k->data_ns[e->dir == SP_DIR_OUT] = e->ns;
	if (is_payload(e))
		conn_paths_data(c->paths, flow, opener, k->data_ns);
}

/* Before it is written down. */
static void follow(struct conns *c, struct known *k, const struct sp_flow_key *flow,
		   const struct sp_conn_event *e)
{
	follow_state(c, k, e);
	if (!is_end(e) && e->type != SP_EVENT_CONN_FIN)
		follow_path(c, k, flow, e);
	if (e->type == SP_EVENT_CONN_ATTEMPT)
		count_attempt(c, k, e->ns);
	/* A server gets the socket with the handshake's end. */
	if (e->conn.pid || k->is_asked_for || (e->type != SP_EVENT_CONN_ESTABLISHED && !is_payload(e)))
		return;
	k->is_asked_for = true;
	processes_want(c->processes, flow);
}

static void put_process(const struct conns *c, struct conn_context *context, uint32_t pid, uint64_t cgroup,
			const char comm[SP_COMM])
{
	context->pid = pid;
	memcpy(context->comm, comm, SP_COMM);
	context->comm[SP_COMM] = 0;
	context->cgroup = c->kernel->cgroup_path(c->kernel->arg, cgroup, pid);
}

static void find_process(const struct conns *c, struct conn_context *context, const struct sp_flow_key *flow,
			 const struct sp_conn *conn)
{
	const struct sp_owner *owner = conn->pid ? NULL : processes_find(c->processes, flow);

	if (conn->pid)
		put_process(c, context, conn->pid, conn->cgroup, conn->comm);
	else if (owner)
		put_process(c, context, owner->pid, owner->cgroup, owner->comm);
}

/* also: room for the names of all targets. */
static struct conn_context context_of(const struct conns *c, const struct sp_bits *targets, uint64_t ns,
				      const char **also)
{
	struct conn_context context = {.also = also};
	struct sp_bits left = *targets;
	int target = take_target(c, &left), next;

	if (target < 0)
		return context;
	windows_at(c->windows, target, ns, &context.where);
	context.where.target = c->plan->targets[target].name;
	while ((next = take_target(c, &left)) >= 0)
		also[context.n_also++] = c->plan->targets[next].name;
	return context;
}

/* A connection of a probe of this run: nothing follows its attempt, and nobody is told of it. */
static void take_own(struct conns *c, const struct sp_flow_key *flow, const struct sp_conn_event *e)
{
	struct conn_ended ended = {.flow = *flow, .first_ns = e->conn.first_ns, .end_ns = e->ns};
	struct known *k = know(c, flow, e);

	if (e->type != SP_EVENT_CONN_ATTEMPT)
		return;
	if (k)
		k->end_ns = ended.end_ns;
	c->own++;
	processes_forget(c->processes, flow);
	add_ended(c, &c->own_ended, &ended);
}

static void finish(struct conns *c, const struct sp_flow_key *flow, const struct sp_conn_event *e)
{
	struct conn_ended ended = {.flow = *flow, .first_ns = e->conn.first_ns, .end_ns = e->conn.end_ns};

	processes_forget(c->processes, flow);
	add_ended(c, &c->ended, &ended);
}

static bool has_process(const struct sp_conn_event *e)
{
	return e->type == SP_EVENT_CONN_ATTEMPT || e->type == SP_EVENT_CONN_FIN || is_end(e);
}

void conns_event(struct conns *c, const struct sp_conn_event *event)
{
	struct sp_flow_key flow = event->flow;
	const char *also[SP_MAX_RULES];
	struct conn_context context;
	struct known *k;

	if (!conn_event_is_one(event))
		return;
	flow.slot = 0;
	if (event->conn.flags & SP_CONN_OWN) {
		take_own(c, &flow, event);
		return;
	}
	k = know(c, &flow, event);
	if (k)
		follow(c, k, &flow, event);
	context = context_of(c, &event->targets, event->ns, also);
	if (event->type == SP_EVENT_CONN_ATTEMPT)
		processes_forget(c->processes, &flow);
	if (has_process(event))
		find_process(c, &context, &flow, &event->conn);
	conn_event_tell(c->journal, event, &context);
	if (is_end(event))
		finish(c, &flow, event);
}

/*
 * The record of a packet's hit comes before what the observer makes of it: whose SYN it was is then still unknown, and the
 * hit is kept until that is told. The UDP port of a look-up of the run's own may be another's by then: of its hits the last is
 * kept, which is the look-up's own if it is older than the flow that follows.
 */
void conns_hit(struct conns *c, const struct sp_event *event)
{
	struct sp_flow_key flow = event->flow;
	struct known *k;

	if (event->is_own || (flow.proto != IPPROTO_TCP && flow.proto != IPPROTO_UDP))
		return;
	flow.slot = 0;
	k = put_known(c, &flow);
	if (!k || (k->is_own && flow.proto == IPPROTO_TCP))
		return;
	if (k->is_seen && !k->end_ns) {
		hit_path(c, k, &flow, event->ns, event->flow.slot);
		return;
	}
	if (k->is_own)
		settle_hit(c, k, &flow);
	if (!k->is_hit || windows_closes_later(c->windows, event->flow.slot, k->hit.slot))
		k->hit.slot = event->flow.slot;
	if (k->is_hit)
		return;
	c->unsettled++;
	k->is_hit = true;
	k->hit.ns = event->ns;
}

bool conns_is_own(const struct conns *c, const struct sp_flow_key *key)
{
	struct sp_flow_key flow = *key;
	const struct known *k;

	flow.slot = 0;
	k = table_find(c->known, &flow);
	return k && k->is_own && (flow.proto == IPPROTO_TCP || is_held(c, &flow));
}

void conns_ask(struct conns *c, conns_held *is_held, void *arg)
{
	c->is_held = is_held;
	c->held_arg = arg;
}

int conns_run(struct conns *c, uint64_t now, uint64_t until)
{
	int err;

	processes_run(c->processes, now, until);
	err = delete_older(c, &c->ended, now, CONNS_LINGER_NS);
	return err ?: delete_older(c, &c->own_ended, now, c->own_linger_ns);
}

static void settle_hits(struct conns *c)
{
	struct known *k = NULL;
	const void *key;

	while (c->unsettled && (k = table_next(c->known, k, &key)))
		settle_hit(c, k, key);
}

bool conns_recovered(struct conns *c, uint64_t now, bool tried_only)
{
	settle_hits(c);
	return conn_paths_recovered(c->paths, now, tried_only);
}

bool conns_back(struct conns *c, uint64_t now, const struct conn_paths_of *of)
{
	settle_hits(c);
	return conn_paths_back(c->paths, now, of);
}

struct census {
	struct conns *conns;
	uint64_t now, present;
};

static void tell_present(void *arg, const struct sp_flow_key *key, const struct sp_conn *conn)
{
	struct census *census = arg;
	struct conns *c = census->conns;
	struct sp_flow_key flow = *key;
	const char *also[SP_MAX_RULES];
	struct conn_context context;
	struct known *k;

	census->present++;
	if (conn->flags & SP_CONN_ENDED)
		return;
	flow.slot = 0;
	k = table_find(c->known, &flow);
	context = context_of(c, target_sets_get(c->sets, k ? k->targets : 0), census->now, also);
	find_process(c, &context, &flow, conn);
	conn_event_tell_open(c->journal, census->now, &flow, conn, &context);
}

int conns_tell(struct conns *c, const uint64_t stats[SP_STATS], uint64_t now)
{
	struct census census = {.conns = c, .now = now};
	uint64_t gone, seen = stats[SP_STAT_CONNS];
	int err = c->kernel->conns_each(c->kernel->arg, tell_present, &census);
	struct json *data;

	if (err)
		return err;
	gone = c->deleted + c->replaced + census.present;
	data = journal_data(c->journal);
	json_u64(data, "seen", seen > c->own ? seen - c->own : 0);
	json_u64(data, "evicted", seen > gone ? seen - gone : 0);
	json_u64(data, "untracked", stats[SP_STAT_CONNS_LOST]);
	journal_write(c->journal, now, "conns", NULL);
	return 0;
}

const struct drill_target *conns_view(struct conns *c, uint64_t now, size_t *ret_n)
{
	for (size_t i = 0; i < c->plan->n_targets; i++)
		c->view[i].attempts = conn_rate_count(&c->rates[i], now);
	*ret_n = c->plan->n_targets;
	return c->view;
}
