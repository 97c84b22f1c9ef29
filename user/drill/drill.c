/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/drill.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/drilling.h"
#include "drill/target_owners.h"
#include "drill/totals.h"
#include "kernel/netdev.h"

#define TICK_NS (20 * NS_PER_MS) /* events are at most this old when they are drained */
#define DISPLAY_NS (100 * NS_PER_MS)
#define CLOCK_NS (10 * NS_PER_S)    /* how often the clocks' offset is taken */
#define ARM_LEAD_NS (2 * NS_PER_MS) /* from arming to the zero of all windows */
#define MAX_EVENTS 16

enum tag {
	TAG_SIGNAL,
	TAG_RING,
	TAG_LINKS,
	TAG_CAPTURES,
	TAG_HOSTS,
	TAG_OWNED,
	TAG_PROBES, /* and all above, up to the next */
	TAG_WATCHES = 1 << 24,
};

/* The first reason to stop is the one that counts. */
void drill_stop(struct drill *d, enum drill_outcome outcome, const char *format, ...)
{
	va_list args;

	if (d->stop && (outcome != DRILL_HOST_FAILED || d->result->outcome == DRILL_HOST_FAILED))
		return;
	d->stop = true;
	d->result->outcome = outcome;
	va_start(args, format);
	vsnprintf(d->result->reason, sizeof(d->result->reason), format, args);
	va_end(args);
}

static void on_sample(void *arg, const struct probe_sample *sample)
{
	struct drill *d = arg;
	struct drill_probe *view = &d->probe_view[sample->index];

	view->known = true;
	view->healthy = sample->healthy;
	view->latency_ns = sample->latency_ns;
	view->samples++;
	journal_probe(&d->journal, sample);
	conditions_sample(&d->conditions, sample);
}

static int watch(struct drill *d, int fd, uint64_t tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};

	/* A ring buffer that is filled all the time is drained in batches: when the kernel asks for it, and every tick. */
	if (tag == TAG_RING || tag == TAG_CAPTURES)
		event.events |= EPOLLET;
	return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_loop(struct drill *d)
{
	int err;

	prctl(PR_SET_TIMERSLACK, 1UL);
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (d->epoll_fd < 0)
		return -errno;
	err = watch(d, d->signals.fd, TAG_SIGNAL);
	if (!err)
		err = netdev_watch(&d->links_fd);
	if (!err)
		err = watch(d, d->links_fd, TAG_LINKS);
	if (!err)
		err = watch(d, engine_events_fd(d->setup.engine), TAG_RING);
	if (!err && d->plan->capture)
		err = watch(d, engine_captures_fd(d->setup.engine), TAG_CAPTURES);
	if (!err && d->setup.hosts)
		err = watch(d, hosts_fd(d->setup.hosts), TAG_HOSTS);
	if (!err && d->setup.owned)
		err = watch(d, owned_fd(d->setup.owned), TAG_OWNED);
	if (!err)
		line_watch(d->setup.line); /* from here on changes are told */
	return err;
}

static void read_signal(struct drill *d)
{
	char reason[64];

	if (signals_read(&d->signals, reason, sizeof(reason)))
		drill_stop(d, DRILL_INTERRUPTED, "%s", reason);
}

static void check_links(struct drill *d)
{
	int indexes[d->setup.n_interfaces + 1], lost;

	for (size_t i = 0; i < d->setup.n_interfaces; i++)
		indexes[i] = d->setup.interfaces[i].ifindex;
	lost = netdev_lost(d->links_fd, indexes, d->setup.n_interfaces);
	if (lost >= 0)
		drill_stop(d, DRILL_HOST_FAILED, "the interface %s is gone", d->setup.interfaces[lost].name);
	line_watch(d->setup.line);
}

static void display(struct drill *d, uint64_t now)
{
	struct drill_progress progress = {
		.phase = d->phase,
		.now_ns = now,
		.phase_ends_ns = d->phase_ends,
		.wait = d->wait,
		.probes = d->probe_view,
		.n_probes = d->plan->n_probes,
	};

	if (!d->options->on_tick || now < d->next_display)
		return;
	d->next_display = now + DISPLAY_NS;
	progress.windows = windows_view(d->windows, &progress.n_windows);
	progress.targets = conns_view(d->conns, now, &progress.n_targets);
	d->options->on_tick(d->options->arg, &progress);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Regularly, and at once when the wall clock was set: what a log states is converted by the offset. */
static void follow_clock(struct drill *d, uint64_t now)
{
	if (now < d->next_clock && !journal_clock_moved(&d->journal))
		return;
	journal_clock(&d->journal);
	d->next_clock = now + CLOCK_NS;
}

static void check_aside(struct drill *d, int err)
{
	if (err && d->aside.why)
		drill_stop(d, err == -ECANCELED ? DRILL_ABORTED : DRILL_HOST_FAILED, "%s", d->aside.why);
	else if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't %s: %s", d->aside.what, strerror(-err));
}

/* In the order of what the samples say: an expectation is decided before it is too late for it. Returns when to come back. */
static uint64_t run_probes(struct drill *d, uint64_t now)
{
	uint64_t next = probes_run(d->probes, clock_mono_ns()), conditions;
	char reason[sizeof(d->result->reason)];

	if (conditions_run(&d->conditions, now, &conditions, reason, sizeof(reason)))
		drill_stop(d, DRILL_ABORTED, "%s", reason);
	return earlier(next, conditions);
}

/* Everything that is due; returns when to come back. */
static uint64_t turn(struct drill *d)
{
	uint64_t now = clock_mono_ns(), next, aside;
	int err;

	check_aside(d, aside_run(&d->aside, now, &aside));
	follow_clock(d, now);
	target_owners_follow(&d->journal, d->plan, d->setup.owned);
	err = windows_run(d->windows, now, &next);
	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't follow the windows: %s", strerror(-err));
	next = earlier(earlier(next, aside), earlier(phases_run(d->phases, now), run_probes(d, now)));
	drill_drain(d);
	drill_drain_captures(d);
	err = conns_run(d->conns, clock_mono_ns(), next);
	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't follow the connections: %s", strerror(-err));
	drill_flush_log(d, clock_mono_ns());
	display(d, now);
	return d->records_wait || d->captures_wait ? now : earlier(next, now + TICK_NS);
}

static void wait_until(struct drill *d, uint64_t when)
{
	struct epoll_event events[MAX_EVENTS];
	uint64_t now = clock_mono_ns(), left = when > now ? when - now : 0;
	struct timespec timeout = {left / NS_PER_S, left % NS_PER_S};
	int n = epoll_pwait2(d->epoll_fd, events, MAX_EVENTS, &timeout, NULL);

	for (int i = 0; i < n; i++) {
		switch (events[i].data.u64) {
		case TAG_SIGNAL:
			read_signal(d);
			break;
		case TAG_LINKS:
			check_links(d);
			break;
		case TAG_RING:
		case TAG_CAPTURES:
		case TAG_HOSTS:
		case TAG_OWNED:
			break; /* the next turn takes what is there */
		default:
			if (events[i].data.u64 >= TAG_WATCHES)
				conditions_ready(&d->conditions, events[i].data.u64 - TAG_WATCHES);
			else
				probes_ready(d->probes, events[i].data.u64 - TAG_PROBES);
		}
	}
}

/* From here on `status` shows the run, and `clear` ends it. */
static void publish(struct drill *d, uint64_t zero)
{
	if (setup_publish(&d->setup, d->plan, d->result->directory, zero,
			  conditions_wait_ahead(&d->conditions)))
		drill_stop(d, DRILL_HOST_FAILED, "can't write the record of the run under " HOST_RECORDS);
}

static void baseline(struct drill *d)
{
	size_t unhealthy;

	d->phase = PHASE_BASELINE;
	d->phase_ends = clock_mono_ns() + d->plan->baseline_ns;
	publish(d, d->phase_ends + ARM_LEAD_NS);
	while (!d->stop && clock_mono_ns() < d->phase_ends)
		wait_until(d, earlier(turn(d), d->phase_ends));
	if (!d->stop && d->plan->baseline_ns && !probes_healthy(d->probes, &unhealthy))
		drill_stop(d, DRILL_ABORTED, "the probe %s is not healthy at the end of the baseline: %s",
			   d->plan->probes[unhealthy].name, probes_why(d->probes, unhealthy));
}

/* The part of the plan's time that comes next: the beginning, or what lies behind a wait, which is fulfilled now. */
static void begin_part(struct drill *d, const char *type, const struct journal_where *where)
{
	struct plan_span span = conditions_next_span(&d->conditions);
	struct json *data;
	uint64_t zero;

	/* Without a turn for so long a window would begin before it acts. */
	do {
		zero = clock_mono_ns() + ARM_LEAD_NS - span.from_ns;
		engine_set_zero(d->setup.engine, zero, span);
	} while (clock_mono_ns() >= zero + span.from_ns);
	engine_arm(d->setup.engine);
	d->phase_ends = zero + d->plan->length_ns;
	windows_set_zero(d->windows, zero, span);
	conditions_set_zero(&d->conditions, zero);
	phases_set_zero(d->phases, zero, span);
	aside_set_zero(&d->aside, zero, span);
	data = journal_data(&d->journal);
	json_u64(data, "zero_ns", zero);
	journal_write(&d->journal, zero + span.from_ns, type, where);
	publish(d, zero);
}

static void follow_waits(struct drill *d)
{
	char why[sizeof(d->result->reason)];
	struct journal_where where = {0};

	d->wait = NULL;
	switch (conditions_wait(&d->conditions, clock_mono_ns(), &where.step, why, sizeof(why))) {
	case WAIT_FULFILLED:
		begin_part(d, "zero", &where);
		break;
	case WAIT_TIMED_OUT:
		drill_stop(d, DRILL_ABORTED, "%s", why);
		break;
	case WAIT_PENDING:
		d->wait = where.step;
		break;
	default:
		break;
	}
}

static void steps(struct drill *d)
{
	wait_until(d, 0); /* a signal that came during the start, when there is no baseline */
	if (d->stop)
		return;
	d->phase = PHASE_STEPS;
	begin_part(d, "baseline.end", NULL);
	while (!d->stop && !(windows_all_done(d->windows) && aside_all_done(&d->aside) &&
			     conditions_all_done(&d->conditions) && phases_all_done(d->phases))) {
		wait_until(d, turn(d));
		follow_waits(d);
	}
}

/* Where probes tell of the recovery, a connection that nobody tries to restore is not waited for. */
static bool is_recovered(struct drill *d, uint64_t closed)
{
	return probes_healthy_since(d->probes, closed) &&
	       conns_recovered(d->conns, clock_mono_ns(), d->plan->n_probes > 0);
}

static void recovery(struct drill *d)
{
	uint64_t closed = windows_last_close(d->windows), aside = aside_last_close(&d->aside);
	uint64_t now = clock_mono_ns();

	closed = closed > aside ? closed : aside;
	if (!closed) /* nothing was done but to look */
		closed = now;
	d->phase = PHASE_RECOVERY;
	d->phase_ends = now + d->plan->recovery_ns; /* the last step may be one that only looks */
	while (!d->stop && clock_mono_ns() < d->phase_ends && !is_recovered(d, closed))
		wait_until(d, earlier(turn(d), d->phase_ends));
}

/* Faults end first; then the evidence is completed. */
static void finish(struct drill *d)
{
	static const struct timespec grace = {.tv_nsec = CLOSE_GRACE_NS};
	uint64_t disarmed;
	int err;

	engine_disarm(d->setup.engine);
	disarmed = clock_mono_ns();
	check_aside(d, aside_cut(&d->aside));
	conditions_cut(&d->conditions, disarmed);
	phases_cut(d->phases, disarmed, d->result->outcome == DRILL_ABORTED);
	answers_end(d->setup.answers);
	if (d->setup.line)
		line_flush(d->setup.line);
	nanosleep(&grace, NULL);
	drill_drain_all(d);
	err = windows_cut(d->windows, disarmed);
	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't read the last counters: %s", strerror(-err));
	drill_drain_all(d); /* of packets whose verdict was under way */
	drill_tell_end(d);
	d->next_display = 0;
	display(d, clock_mono_ns());
}

/* Do probes, or watches, still have it? */
static bool is_held(void *arg, uint8_t proto, uint16_t local_port)
{
	const struct drill *d = arg;

	return probes_hold(d->probes, proto, local_port) ||
	       conditions_hold(&d->conditions, proto, local_port);
}

static int open_evidence(struct drill *d)
{
	uint64_t error_ns;
	int err;

	d->journal.offset_ns = clock_offset_ns(&error_ns);
	err = log_open(d->setup.dirfd, d->journal.offset_ns, &d->journal.log);
	if (!err)
		err = fault_events_open(d->setup.dirfd, &d->fault_events);
	if (!err && d->plan->packet_evidence)
		err = packets_open(d->plan, &d->packets);
	if (!err && d->plan->capture)
		err = capture_open(d->setup.dirfd, d->plan, d->setup.interfaces, d->setup.n_interfaces,
				   &d->journal, &d->capture);
	if (!err)
		log_on_line(d->journal.log, d->options->on_event, d->options->arg);
	return err;
}

static int open_probes(struct drill *d)
{
	const struct probe_loop loop = {d->epoll_fd, TAG_PROBES, &d->journal.offset_ns, on_sample, d};
	const struct probe_loop watches = {d->epoll_fd, TAG_WATCHES, &d->journal.offset_ns, NULL, NULL};
	int err = probes_open(d->plan, d->plan->probes, d->plan->n_probes, &loop, &d->probes);

	if (!err)
		err = conditions_open(&d->conditions, d->plan, d->windows, d->conns, &watches, &d->journal);
	if (!err)
		conns_ask(d->conns, is_held, d);
	return err;
}

static int open_observers(struct drill *d)
{
	int err = open_loop(d);

	d->probe_view = calloc(d->plan->n_probes + 1, sizeof(*d->probe_view));
	if (!d->probe_view)
		return -ENOMEM;
	for (size_t i = 0; i < d->plan->n_probes; i++)
		d->probe_view[i].name = d->plan->probes[i].name;
	if (!err)
		err = windows_open(d->plan, d->setup.engine, &d->journal, d->fault_events, &d->windows);
	if (!err)
		windows_answer(d->windows, d->setup.answers);
	if (!err)
		err = aside_open(&d->aside, &d->setup, d->plan, d->result->directory, d->windows, &d->journal,
				 d->fault_events);
	if (!err)
		err = conns_kernel_open(d->setup.engine, &d->conns_kernel);
	if (!err)
		err = conns_open(d->plan, d->windows, &d->conns_kernel, &d->journal, &d->conns);
	if (!err)
		err = phases_open(d->plan, &d->journal, &d->phases);
	if (!err)
		err = open_probes(d);
	return err;
}

static void close_all(struct drill *d)
{
	int err, err_log, err_capture;

	aside_close(&d->aside);
	conns_close(d->conns);
	conns_kernel_close(&d->conns_kernel);
	setup_detach(&d->setup);
	probes_close(d->probes);
	conditions_close(&d->conditions);
	phases_close(d->phases);
	windows_close(d->windows);
	err = fault_events_close(d->fault_events);
	err_log = log_close(d->journal.log);
	packets_close(d->packets);
	err_capture = capture_close(d->capture);
	err = err_log ?: err ?: err_capture;
	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't write the event logs: %s", strerror(-err));
	buf_free(&d->journal.data);
	free(d->probe_view);
	setup_close(&d->setup);
	if (d->links_fd >= 0)
		close(d->links_fd);
	if (d->epoll_fd >= 0)
		close(d->epoll_fd);
	signals_close(&d->signals);
}

void drill_run(struct plan *plan, const struct drill_options *options, struct drill_result *ret_result)
{
	struct drill d = {
		.plan = plan, .options = options, .result = ret_result, .epoll_fd = -1, .links_fd = -1};
	int err;

	memset(ret_result, 0, sizeof(*ret_result));
	err = signals_open(&d.signals);
	if (err) {
		drill_stop(&d, DRILL_HOST_FAILED, "can't watch signals: %s", strerror(-err));
		goto out;
	}
	ret_result->outcome = setup_open(&d.setup, plan, options, d.signals.fd, ret_result->reason,
					 sizeof(ret_result->reason));
	ret_result->mistakes = d.setup.mistakes;
	d.setup.mistakes = NULL;
	if (ret_result->outcome != DRILL_DONE)
		goto out;
	ret_result->directory = d.setup.directory;
	d.setup.directory = NULL;
	err = open_evidence(&d);
	if (!err)
		err = open_observers(&d);
	if (err) {
		drill_stop(&d, DRILL_HOST_FAILED, "can't start the run: %s", strerror(-err));
		goto out;
	}
	setup_tell(&d.setup, plan, options, &d.journal);
	target_owners_tell(&d.journal, plan, d.setup.owned);
	follow_clock(&d, clock_mono_ns()); /* all events from here on are by an offset that is told */
	check_aside(&d, aside_begin(&d.aside));
	d.ring_seen_ns = clock_mono_ns();
	err = engine_observe(d.setup.engine);
	if (err)
		drill_stop(&d, DRILL_HOST_FAILED, "can't start the observer: %s", strerror(-err));
	baseline(&d);
	if (!d.stop)
		steps(&d);
	if (!d.stop)
		recovery(&d);
	finish(&d);
out:
	close_all(&d);
}
