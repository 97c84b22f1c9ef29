/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/processes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/table.h"
#include "base/timeutil.h"

#define KEPT SP_MAX_CONNS
#define MOST_WANTED 4096
#define TRIES 3 /* by then it would be found, if it were of this network namespace */
#define WALK_NS NS_PER_S
#define WALK_SHARE 20

struct wanted {
	struct sp_flow_key flow;
	unsigned tries;
};

struct processes {
	processes_walk *walk;
	void *arg;
	struct table *known; /* struct sp_owner by flow */
	struct wanted *wanted;
	size_t n_wanted;
	uint64_t next, took; /* the last walk */
	bool walked, is_broken;
};

int processes_open(processes_walk *walk, void *arg, struct processes **ret)
{
	struct processes *p = calloc(1, sizeof(*p));
	int err = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->walk = walk;
	p->arg = arg;
	p->wanted = malloc(MOST_WANTED * sizeof(*p->wanted)); /* its memory is touched as it fills */
	if (p->wanted)
		err = table_open(sizeof(struct sp_flow_key), sizeof(struct sp_owner), KEPT, &p->known);
	if (err) {
		processes_close(p);
		return err;
	}
	*ret = p;
	return 0;
}

void processes_close(struct processes *processes)
{
	if (!processes)
		return;
	table_close(processes->known);
	free(processes->wanted);
	free(processes);
}

static void note_owner(void *arg, const struct sp_owner *owner)
{
	struct processes *p = arg;
	struct sp_owner *known;
	bool is_new;

	if (!owner->pid)
		return;
	known = table_put(p->known, &owner->flow, &is_new);
	if (known && is_new)
		*known = *owner;
}

static void settle_wanted(struct processes *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_wanted; i++) {
		struct wanted *w = &p->wanted[i];

		if (table_find(p->known, &w->flow) || ++w->tries == TRIES)
			continue;
		p->wanted[kept++] = *w;
	}
	p->n_wanted = kept;
}

static bool is_due(const struct processes *p, uint64_t now, uint64_t until)
{
	if (!p->walked)
		return true;
	return p->n_wanted && now >= p->next && until >= now && until - now >= 2 * p->took;
}

void processes_run(struct processes *p, uint64_t now, uint64_t until)
{
	uint64_t started, pause;

	if (p->is_broken || !is_due(p, now, until))
		return;
	started = clock_mono_ns();
	p->is_broken = p->walk(p->arg, note_owner, p) < 0;
	p->walked = true;
	settle_wanted(p);
	p->took = clock_mono_ns() - started;
	pause = p->took * WALK_SHARE;
	p->next = now + (pause > WALK_NS ? pause : WALK_NS);
}

const struct sp_owner *processes_find(struct processes *p, const struct sp_flow_key *flow)
{
	return table_find(p->known, flow);
}

void processes_want(struct processes *p, const struct sp_flow_key *flow)
{
	if (!p->is_broken && p->n_wanted < MOST_WANTED && !table_find(p->known, flow))
		p->wanted[p->n_wanted++] = (struct wanted){.flow = *flow};
}

void processes_forget(struct processes *p, const struct sp_flow_key *flow)
{
	table_remove(p->known, flow);
}
