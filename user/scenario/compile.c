/* SPDX-License-Identifier: BSD-2-Clause */
/* Model -> plan: everything owned, indexed and complete. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "scenario/model.h"

#define DEFAULT_RECOVERY_NS (30 * NS_PER_S)
#define DEFAULT_EVERY_NS (500 * NS_PER_MS)
#define DEFAULT_TIMEOUT_NS (1 * NS_PER_S)
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

static bool copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return !text || *ret_copy;
}

static bool copy_texts(const struct texts *from, char ***ret_items, size_t *ret_count)
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

static bool compile_target(const struct model_target *m, struct plan_target *t)
{
	t->line = m->name.node->line;
	t->proto = m->proto.n;
	t->direction = or_default(&m->direction, PLAN_BOTH);
	t->share = or_default(&m->share, PLAN_ALWAYS);
	t->pid = m->pid.n;
	return copy_text(m->name.s, &t->name) &&
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

/* The first address of the host, in numbers; 0, -ENOMEM, or -EHOSTUNREACH after a mistake. */
static int resolve(struct reader *r, const struct model_address *address, char **ret_host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *list = NULL;
	char text[NI_MAXHOST], name[QUOTED_SIZE];
	int err;

	err = getaddrinfo(address->host, NULL, &hints, &list);
	if (err == EAI_NONAME) {
		hints.ai_flags = AI_ADDRCONFIG;
		err = getaddrinfo(address->host, NULL, &hints, &list);
	}
	if (!err)
		err = getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0,
				  NI_NUMERICHOST);
	if (list)
		freeaddrinfo(list);
	if (err == EAI_MEMORY)
		return -ENOMEM;
	if (err) {
		mistake(r->errors, address->node, "the host %s cannot be resolved: %s",
			quote_value(address->host, name), gai_strerror(err));
		return -EHOSTUNREACH;
	}
	return copy_text(text, ret_host) ? 0 : -ENOMEM;
}

static int compile_probe(struct reader *r, const struct model_probe *m, struct plan_probe *p)
{
	int err;

	p->line = m->name.node->line;
	p->kind = m->log.node ? PROBE_LOG : PROBE_TCP;
	p->every_ns = or_default(&m->every, DEFAULT_EVERY_NS);
	p->target = -1;
	p->rising = p->falling = 1;
	if (!copy_text(m->name.s, &p->name) || !copy_text(m->log.s, &p->path) ||
	    !copy_text(m->healthy.s, &p->healthy) || !copy_text(m->unhealthy.s, &p->unhealthy))
		return -ENOMEM;
	if (p->kind != PROBE_TCP)
		return 0;
	p->port = m->tcp.port;
	p->timeout_ns = or_default(&m->timeout, DEFAULT_TIMEOUT_NS);
	err = resolve(r, &m->tcp, &p->host);
	return err == -EHOSTUNREACH ? 0 : err;
}

/* In place of a fault's text, so that the log and the report say what the step does. */
static char *clock_text(const struct offset *clock)
{
	struct buf out = {0};
	struct json j;

	json_begin(&j, &out);
	json_object(&j, NULL);
	json_string(&j, "clock", clock->node->text);
	json_end_object(&j);
	return buf_take(&out);
}

static bool compile_step(const struct model_step *m, struct plan_step *s)
{
	s->line = m->node->line;
	s->window = model_window(m);
	s->phase = SIZE_MAX;
	s->share = PLAN_ALWAYS;
	if (m->clock.node) {
		s->kind = STEP_CLOCK;
		s->clock_offset_ns = m->clock.ns;
		s->fault.retry_after_s = -1;
		s->fault.text = clock_text(&m->clock);
		return s->fault.text && copy_text(m->name.s, &s->name);
	}
	return copy_text(m->name.s, &s->name) && compile_fault(&m->fault, &s->fault) &&
	       copy_items(m->target_index, m->targets.count, sizeof(*s->targets), &s->targets, &s->n_targets);
}

static void compile_slo(const struct model_slo *m, struct plan_slo *s)
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

/*
 * The seed of rule i is output i of SplitMix64 (counting from 0) started with the scenario's seed. Source: Steele, Lea,
 * Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; constants of Vigna's splitmix64.c.
 */
static uint64_t rule_seed(uint64_t seed, size_t i)
{
	uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
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
	for (size_t i = 0; i < m->n_steps; i++)
		if (!compile_step(&m->steps[i], &p->steps[p->n_steps++]))
			return -ENOMEM;
	for (size_t i = 0; i < m->n_slos; i++)
		compile_slo(&m->slos[i], &p->slos[p->n_slos++]);
	return 0;
}

static int compile_rules(struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_steps; i++)
		n += p->steps[i].n_targets;
	p->rules = calloc(n + 1, sizeof(*p->rules));
	if (!p->rules)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct plan_window *w = &p->steps[i].window;
		uint64_t end = plan_closes(w, w->times - 1);

		for (size_t k = 0; k < p->steps[i].n_targets; k++) {
			p->rules[p->n_rules] = (struct plan_rule){.step = i,
								  .target = p->steps[i].targets[k],
								  .first_slot = p->n_slots,
								  .seed = rule_seed(p->seed, p->n_rules)};
			p->n_rules++;
			p->n_slots += w->times;
		}
		if (end > p->length_ns)
			p->length_ns = end;
	}
	return 0;
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
		err = compile_rules(p);
	if (err || r->errors->count) {
		plan_free(p);
		return err;
	}
	plan_choose_hooks(p, HOOK_AUTO);
	*ret_plan = p;
	return 0;
}
