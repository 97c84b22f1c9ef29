/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/probes.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/timeutil.h"
#include "drill/probe.h"

#define NOT_YET "no sample yet"

struct probes {
	struct probe *items;
	size_t n;
	struct probe_loop loop;
};

static const struct probe_kind *const kinds[] = {
	[PROBE_TCP] = &probe_tcp,
	[PROBE_LOG] = &probe_log,
	[PROBE_HTTP] = &probe_http,
	[PROBE_JSON] = &probe_json,
	[PROBE_EXEC] = &probe_exec,
	[PROBE_FILE] = &probe_file,
	[PROBE_PROCESS] = &probe_process,
	[PROBE_STREAM] = &probe_stream,
	[PROBE_PROMETHEUS] = &probe_prometheus,
};

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
			    .why = NOT_YET,
			    .resting = !what->name};
	err = p->kind ? p->kind->open(p) : -ENOTSUP;
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

static void enter(struct probe *p)
{
	p->busy = true;
}

/* What its own sample has asked for. */
static void leave(struct probe *p)
{
	p->busy = false;
	if (p->stopped && p->kind->stop)
		p->kind->stop(p);
	p->stopped = false;
}

static bool is_at_work(const struct probe *p)
{
	return !p->resting || p->kind->follows;
}

uint64_t probes_run(struct probes *probes, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < probes->n; i++) {
		struct probe *p = &probes->items[i];
		uint64_t when;

		if (!is_at_work(p))
			continue;
		enter(p);
		when = p->kind->run(p, now);
		if (p->stopped)
			when = now; /* it may have been started anew */
		leave(p);
		if (when < next)
			next = when;
	}
	return next;
}

void probes_ready(struct probes *probes, size_t index)
{
	struct probe *p = &probes->items[index];

	if (index >= probes->n || !p->kind->ready || !is_at_work(p))
		return;
	enter(p);
	p->kind->ready(p);
	leave(p);
}

void probes_stop(struct probes *probes, size_t index)
{
	struct probe *p = &probes->items[index];

	p->resting = true;
	p->stopped = true;
	if (!p->busy)
		leave(p);
}

void probes_start(struct probes *probes, size_t index, uint64_t now)
{
	struct probe *p = &probes->items[index];

	probes_stop(probes, index);
	p->resting = false;
	p->known = false;
	p->contrary = 0;
	p->why = NOT_YET;
	p->due = now;
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
		if (!probes->items[i].known || !probes->items[i].healthy || probes->items[i].contrary ||
		    probes->items[i].sampled < mono_ns)
			return false;
	return true;
}

bool probes_hold(const struct probes *probes, uint8_t proto, uint16_t local_port)
{
	for (size_t i = 0; i < probes->n; i++) {
		const struct probe *p = &probes->items[i];

		if (p->held_port && p->held_port == local_port &&
		    proto == (p->plan->udp ? IPPROTO_UDP : IPPROTO_TCP))
			return true;
	}
	return false;
}

const char *probe_source_name(enum probe_source source)
{
	static const char *const names[] = {
		[PROBE_LINE] = "line", [PROBE_READ] = "read", [PROBE_STATE] = "state"};

	return source == PROBE_SELF ? NULL : names[source];
}

/* ---- for the kinds ---- */

/* True: the state is another now. */
static bool settle(struct probe *p, bool good)
{
	uint32_t needed = good ? p->plan->rising : p->plan->falling;

	if (p->known && good == p->healthy) {
		p->contrary = 0;
		return false;
	}
	if (p->known && ++p->contrary < needed)
		return false;
	p->contrary = 0;
	p->known = true;
	p->healthy = good;
	return true;
}

static void say_why(struct probe *p, const struct probe_sample *sample)
{
	p->why = p->healthy ? NULL : p->said;
	if (sample->good)
		snprintf(p->said, sizeof(p->said), "%u of %u healthy samples in a row", p->contrary,
			 p->plan->rising);
	else
		snprintf(p->said, sizeof(p->said), "%s", sample->error ?: "unhealthy");
}

void probe_tell(struct probe *p, struct probe_sample *sample)
{
	sample->probe = p->plan;
	sample->index = p->index;
	sample->good = sample->healthy;
	sample->changed = settle(p, sample->good);
	sample->healthy = p->healthy;
	p->sampled = sample->mono_ns;
	say_why(p, sample);
	p->loop->call(p->loop->arg, sample);
}

void probe_tell_now(struct probe *p, struct probe_sample *sample, const char *error)
{
	sample->mono_ns = clock_mono_ns();
	sample->latency_ns = PROBE_NO_LATENCY;
	sample->error = sample->healthy ? NULL : error;
	probe_rest(p, sample->mono_ns);
	probe_tell(p, sample);
}

void probe_rest(struct probe *p, uint64_t now)
{
	uint64_t every = p->plan->every_ns;

	p->due += every;
	if (p->due < now)
		p->due = now - (now - p->due) % every + every;
}

void probe_look(struct probe *p, int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	if (poll(&one, 1, 0) > 0)
		p->kind->ready(p);
}

int probe_watch(const struct probe *p, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = p->loop->tag + p->index};

	if (!epoll_ctl(p->loop->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return 0;
	if (errno == EEXIST && !epoll_ctl(p->loop->epoll_fd, EPOLL_CTL_MOD, fd, &event))
		return 0;
	return -errno;
}
