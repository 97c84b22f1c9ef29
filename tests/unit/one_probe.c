/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/one_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/timeutil.h"

#define SOON_MS 60000 /* what a machine under load may take */

static struct {
	struct plan_probe what;
	struct plan plan;
	struct probes *probes;
	struct probe_loop loop;
	int64_t offset_ns;
	uint64_t due;
	unsigned samples;
	struct seen last;
} one;

static void on_sample(void *arg, const struct probe_sample *s)
{
	(void)arg;
	one.samples++;
	one.last = (struct seen){
		.healthy = s->healthy,
		.good = s->good,
		.changed = s->changed,
		.has_value = s->has_value,
		.value = s->value,
		.mono_ns = s->mono_ns,
		.latency_ns = s->latency_ns,
	};
	snprintf(one.last.error, sizeof(one.last.error), "%s", s->error ?: "");
	snprintf(one.last.detail, sizeof(one.last.detail), "%s", s->detail ?: "");
	assert_int_equal(!s->error, s->good);
}

void one_probe_start(const struct plan_probe *what)
{
	one.what = *what;
	one.what.name = (char *)"it";
	one.what.every_ns = what->every_ns ?: NS_PER_S / 2;
	one.what.timeout_ns = what->timeout_ns ?: 3600 * NS_PER_S;
	one.what.rising = what->rising ?: 1;
	one.what.falling = what->falling ?: 1;
	one.plan = (struct plan){.probes = &one.what, .n_probes = 1};
	one.offset_ns = clock_offset_ns(&(uint64_t){0});
	one.samples = 0;
	one.loop = (struct probe_loop){
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .offset_ns = &one.offset_ns, .call = on_sample};
	assert_true(one.loop.epoll_fd >= 0);
	assert_int_equal(probes_open(&one.plan, &one.what, 1, &one.loop, &one.probes), 0);
	one.due = clock_mono_ns();
}

unsigned one_probe_step(void)
{
	unsigned before = one.samples;

	one.due = probes_run(one.probes, one.due);
	return one.samples - before;
}

unsigned one_probe_at(uint64_t after_ns)
{
	unsigned before = one.samples;

	one.due = probes_run(one.probes, clock_mono_ns() + after_ns);
	return one.samples - before;
}

static bool is_ready(int timeout_ms)
{
	struct epoll_event event;

	if (epoll_wait(one.loop.epoll_fd, &event, 1, timeout_ms) != 1)
		return false;
	probes_ready(one.probes, event.data.u64);
	return true;
}

const struct seen *one_probe_wait(void)
{
	unsigned before = one.samples;

	while (one.samples == before)
		if (!is_ready(SOON_MS))
			fail_msg("what the probe waits for does not come");
	return &one.last;
}

const struct seen *one_probe_next(void)
{
	unsigned before = one.samples;

	one_probe_step();
	if (one.samples == before && one.what.kind == PROBE_EXEC)
		one_probe_wait();
	while (one.samples == before)
		one_probe_step();
	return &one.last;
}

void one_probe_expect(bool good, const char *error, const char *detail)
{
	const struct seen *s = one_probe_next();

	assert_string_equal(s->error, error);
	assert_int_equal(s->good, good);
	assert_string_equal(s->detail, detail);
}

void one_probe_await(void)
{
	struct pollfd loop = {.fd = one.loop.epoll_fd, .events = POLLIN};

	assert_int_equal(poll(&loop, 1, SOON_MS), 1);
}

void one_probe_turn(void)
{
	is_ready(1);
	one_probe_at(0);
}

const struct seen *one_probe_last(void)
{
	return &one.last;
}

struct probes *one_probe(void)
{
	return one.probes;
}

void one_probe_stop(void)
{
	probes_close(one.probes);
	close(one.loop.epoll_fd);
}
