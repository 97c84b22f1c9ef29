/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/probes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/timeutil.h"
#include "drill/probe.h"

struct probes {
	struct probe *items;
	size_t n;
	struct probe_loop loop;
};

static const struct probe_kind *const kinds[] = {[PROBE_TCP] = &probe_tcp, [PROBE_LOG] = &probe_log};

static int open_probe(struct probes *probes, const struct plan *plan, const struct plan_probe *what,
		      uint64_t now)
{
	struct probe *p = &probes->items[probes->n];
	int err;

	*p = (struct probe){.whole = plan,
			    .plan = what,
			    .kind = kinds[what->kind],
			    .loop = &probes->loop,
			    .index = probes->n,
			    .due = now,
			    .why = "no sample yet"};
	err = p->kind->open(p);
	if (!err)
		probes->n++;
	return err;
}

int probes_open(const struct plan *plan, const struct plan_probe *list, size_t n,
		const struct probe_loop *loop, struct probes **ret)
{
	struct probes *probes = calloc(1, sizeof(*probes));
	uint64_t now = clock_mono_ns();
	int err = 0;

	if (!probes)
		return -ENOMEM;
	probes->loop = *loop;
	probes->items = calloc(n + 1, sizeof(*probes->items));
	if (!probes->items)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < n; i++)
		err = open_probe(probes, plan, &list[i], now);
	if (err) {
		probes_close(probes);
		return err;
	}
	*ret = probes;
	return 0;
}

void probes_close(struct probes *probes)
{
	if (!probes)
		return;
	for (size_t i = 0; i < probes->n; i++)
		probes->items[i].kind->close(&probes->items[i]);
	free(probes->items);
	free(probes);
}

uint64_t probes_run(struct probes *probes, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < probes->n; i++) {
		struct probe *p = &probes->items[i];
		uint64_t when = p->kind->run(p, now);

		if (when < next)
			next = when;
	}
	return next;
}

void probes_ready(struct probes *probes, size_t index)
{
	struct probe *p = &probes->items[index];

	if (index < probes->n && p->kind->ready)
		p->kind->ready(p);
}

bool probes_healthy(const struct probes *probes, size_t *ret_unhealthy)
{
	for (size_t i = 0; i < probes->n; i++) {
		if (probes->items[i].known && probes->items[i].healthy)
			continue;
		*ret_unhealthy = i;
		return false;
	}
	return true;
}

const char *probes_why(const struct probes *probes, size_t index)
{
	return probes->items[index].why;
}

bool probes_healthy_since(const struct probes *probes, uint64_t mono_ns)
{
	for (size_t i = 0; i < probes->n; i++)
		if (!probes->items[i].known || !probes->items[i].healthy ||
		    probes->items[i].sampled < mono_ns)
			return false;
	return true;
}

const char *probe_source_name(enum probe_source source)
{
	static const char *const names[] = {
		[PROBE_LINE] = "line", [PROBE_READ] = "read", [PROBE_STATE] = "state"};

	return source == PROBE_SELF ? NULL : names[source];
}

/* ---- for the kinds ---- */

void probe_tell(struct probe *p, struct probe_sample *sample)
{
	sample->probe = p->plan;
	sample->index = p->index;
	sample->good = sample->healthy;
	sample->changed = !p->known || p->healthy != sample->healthy;
	p->known = true;
	p->healthy = sample->healthy;
	p->sampled = sample->mono_ns;
	p->why = sample->error;
	p->loop->call(p->loop->arg, sample);
}

void probe_rest(struct probe *p, uint64_t now)
{
	uint64_t every = p->plan->every_ns;

	p->due += every;
	if (p->due < now)
		p->due = now - (now - p->due) % every + every;
}

int probe_watch(const struct probe *p, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = p->loop->tag + p->index};

	return epoll_ctl(p->loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}
