/* SPDX-License-Identifier: BSD-2-Clause */
/* Model -> plan: everything owned, indexed and complete. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "scenario/model.h"

#define DEFAULT_RECOVERY_NS (30 * NS_PER_S)
#define DEFAULT_REACH_NS (1500 * NS_PER_MS)
#define DRAWN_SEED_BITS 53 /* what every JSON reader takes without rounding */

static uint64_t or_default(const struct value *v, uint64_t fallback)
{
	return v->node ? v->n : fallback;
}

/* A copy of an array; true also for an empty one, which becomes NULL. */
static bool copy_items(const void *items, size_t count, size_t size, void *ret_copy, size_t *ret_count)
{
	void *copy = NULL;

	if (count) {
		copy = calloc(count, size);
		if (!copy)
			return false;
		memcpy(copy, items, count * size);
	}
	memcpy(ret_copy, &copy, sizeof(copy)); /* ret_copy is a T **: not to be written as a void ** */
	*ret_count = count;
	return true;
}

bool copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return !text || *ret_copy;
}

bool copy_texts(const struct texts *from, char ***ret_items, size_t *ret_count)
{
	char **items = calloc(from->count + 1, sizeof(*items));

	if (!items)
		return false;
	*ret_items = items;
	for (; *ret_count < from->count; (*ret_count)++)
		if (!copy_text(from->items[*ret_count].s, &items[*ret_count]))
			return false;
	return true;
}

bool copy_headers(const struct model_headers *from, struct plan_header **ret_items, size_t *ret_count)
{
	struct plan_header *items = calloc(from->count + 1, sizeof(*items));

	if (!items)
		return false;
	*ret_items = items;
	for (size_t i = 0; i < from->count; i++) {
		struct plan_header *h = &items[(*ret_count)++];

		if (!copy_text(from->items[i].name, &h->name) || !copy_text(from->items[i].value, &h->value))
			return false;
	}
	return true;
}

static bool compile_target(const struct model_target *m, struct plan_target *t)
{
	t->line = m->name.node->line;
	t->proto = m->proto.n;
	t->direction = or_default(&m->direction, PLAN_BOTH);
	t->share = or_default(&m->share, PLAN_ALWAYS);
	t->pid = m->pid.n;
	t->reach_timeout_ns = m->any_of.count ? or_default(&m->timeout, DEFAULT_REACH_NS) : 0;
	return copy_text(m->name.s, &t->name) &&
	       copy_items(m->any_of_index, m->any_of.count, sizeof(*t->any_of), &t->any_of, &t->n_any_of) &&
	       copy_items(m->remotes.items, m->remotes.count, sizeof(*t->remotes), &t->remotes,
			  &t->n_remotes) &&
	       copy_items(m->remote_ports.items, m->remote_ports.count, sizeof(*t->remote_ports),
			  &t->remote_ports, &t->n_remote_ports) &&
	       copy_items(m->local_ports.items, m->local_ports.count, sizeof(*t->local_ports),
			  &t->local_ports, &t->n_local_ports) &&
	       copy_texts(&m->interfaces, &t->interfaces, &t->n_interfaces) &&
	       copy_texts(&m->hosts, &t->hosts, &t->n_hosts) && copy_text(m->cgroup.s, &t->cgroup) &&
	       copy_text(m->unit.s, &t->unit);
}

void compile_slo(const struct model_slo *m, struct plan_slo *s)
{
	int key = 0;

	while (!m->limits[key].node)
		key++;
	*s = (struct plan_slo){.key = key,
			       .line = m->node->line,
			       .limit = key == SLO_BACKOFF ? UINT64_MAX : m->limits[key].n,
			       .relative = m->relative,
			       .over = m->over,
			       .backoff = key == SLO_BACKOFF ? m->limits[key].n : PLAN_BACKOFF_NONE,
			       .factor_low = m->factor.low,
			       .factor_high = m->factor.high,
			       .cap_ns = m->cap.n,
			       .step = m->step_index,
			       .probe = m->probe_index,
			       .target = m->target_index,
			       .by = m->by.node ? m->by.n : BY_ANY};
}

static int draw_seed(uint64_t *ret_seed)
{
	ssize_t got;

	do
		got = getrandom(ret_seed, sizeof(*ret_seed), 0);
	while (got < 0 && errno == EINTR);
	if (got != sizeof(*ret_seed))
		return got < 0 ? -errno : -EIO;
	*ret_seed >>= 64 - DRAWN_SEED_BITS;
	return 0;
}

static int compile_scalars(const struct model *m, const char *source, struct plan *p)
{
	p->baseline_ns = m->baseline.n;
	p->recovery_ns = or_default(&m->recovery, DEFAULT_RECOVERY_NS);
	p->max_packets = m->limits.packets.n;
	p->max_flows = m->limits.flows.n;
	p->max_duration_ns = m->limits.duration.n;
	p->packet_evidence = m->evidence.n == MODEL_PACKETS;
	p->capture = m->capture.n;
	p->seed = m->seed.n;
	p->seed_given = m->seed.node;
	if (!copy_text(m->name.s, &p->name) || !copy_text(m->description.s, &p->description) ||
	    !copy_text(source, &p->source) || !copy_text(m->netns.s, &p->netns) ||
	    !copy_text(m->container.s, &p->container) ||
	    !copy_texts(&m->interfaces, &p->interfaces, &p->n_interfaces))
		return -ENOMEM;
	return p->seed_given ? 0 : draw_seed(&p->seed);
}

static bool allocate(const struct model *m, struct plan *p)
{
	p->meta = calloc(m->n_meta + 1, sizeof(*p->meta));
	p->targets = calloc(m->n_targets + 1, sizeof(*p->targets));
	p->probes = calloc(m->n_probes + 1, sizeof(*p->probes));
	p->steps = calloc(m->n_steps + 1, sizeof(*p->steps));
	p->slos = calloc(m->n_slos + 1, sizeof(*p->slos));
	return p->meta && p->targets && p->probes && p->steps && p->slos;
}

/* Each count grows with its array, so that plan_free() sees what is there. */
static int compile_parts(struct reader *r, const struct model *m, struct plan *p)
{
	int err;

	if (!allocate(m, p))
		return -ENOMEM;
	for (; p->n_meta < m->n_meta; p->n_meta++) {
		struct plan_meta *meta = &p->meta[p->n_meta];

		if (!copy_text(m->meta[p->n_meta].key, &meta->key) ||
		    !copy_text(m->meta[p->n_meta].value, &meta->value)) {
			p->n_meta++;
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < m->n_targets; i++)
		if (!compile_target(&m->targets[i], &p->targets[p->n_targets++]))
			return -ENOMEM;
	for (size_t i = 0; i < m->n_probes; i++) {
		err = compile_probe(r, &m->probes[i], &p->probes[p->n_probes++]);
		if (err)
			return err;
	}
	err = compile_phases(m, p);
	for (size_t i = 0; !err && i < m->n_steps; i++)
		err = compile_step(r, m, &m->steps[i], p);
	if (err || !copy_texts(&m->disabled, &p->disabled, &p->n_disabled))
		return -ENOMEM;
	for (size_t i = 0; i < m->n_slos; i++)
		compile_slo(&m->slos[i], &p->slos[p->n_slos++]);
	err = compile_aborts(r, m, p);
	return err ? err : compile_checks(r, m, p);
}

int compile_model(struct reader *r, const struct model *m, const char *source, struct plan **ret_plan)
{
	struct plan *p = calloc(1, sizeof(*p));
	int err = -ENOMEM;

	if (!p)
		return err;
	err = compile_scalars(m, source, p);
	if (!err)
		err = compile_parts(r, m, p);
	if (!err)
		err = compile_rules(m, p);
	if (err || r->errors->count) {
		plan_free(p);
		return err;
	}
	plan_choose_hooks(p, HOOK_AUTO);
	*ret_plan = p;
	return 0;
}
