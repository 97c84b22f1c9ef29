/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "cmd/preflight.h"
#include "drill/probes.h"

#define MAX_SAMPLES 64 /* descriptors that one epoll_wait() tells of */
#define LABEL_SIZE 128

struct sampling {
	struct preflight *p;
	const struct plan *plan;
	struct plan_probe *probes; /* those that are tried; parts of the plan's */
	size_t n;
	bool *seen;
	size_t left;
};

static const struct {
	const char *error, *detail, *remedy;
} causes[] = {
	{"refused",
	 "connection refused: the host answers, but nothing listens on the port (or a firewall rejects)",
	 "start the service, or correct the port"},
	{"timeout",
	 "timed out: the host is down, a firewall drops the packets, or answers don't find the way back",
	 "ping the host, look at its firewall and its routes, or allow a longer `timeout`"},
	{"unreachable", "unreachable: there is no route, or nobody answers for the address",
	 "look at `ip route get` and `ip neigh`"},
	{"reset", "connection reset: something on the way or on the host ends the connection at once",
	 "look at the service's log, and for a proxy or firewall in between"},
};

static const char *label_of(const struct plan_probe *probe, char *text)
{
	snprintf(text, LABEL_SIZE, "probe %.100s", probe->name);
	return text;
}

/* What it looks at, in a word. */
static const char *subject(const struct plan *plan, const struct plan_probe *p, char *text, size_t size)
{
	switch (p->kind) {
	case PROBE_TCP:
	case PROBE_STREAM:
		if (!p->host)
			return plan->targets[p->target].name;
		snprintf(text, size, strchr(p->host, ':') ? "[%s]:%u" : "%s:%u", p->host, p->port);
		return text;
	case PROBE_HTTP:
	case PROBE_PROMETHEUS:
		return p->url;
	case PROBE_EXEC:
		return p->command.argv[0];
	case PROBE_PROCESS:
		snprintf(text, size, "%u", p->process.pid);
		return p->process.pidfile ?: p->process.name ?: text;
	default:
		return p->path;
	}
}

/* An unhealthy probe ends a run at the end of its baseline. */
static enum check_result unhealthy_is(const struct plan *plan)
{
	return plan->baseline_ns ? CHECK_FAIL : CHECK_WARN;
}

static void check_unhealthy(const struct sampling *s, const char *label, const struct probe_sample *sample)
{
	enum check_result result = unhealthy_is(s->plan);
	char text[128];
	const char *what = subject(s->plan, sample->probe, text, sizeof(text));

	for (size_t i = 0; sample->probe->kind == PROBE_TCP && i < sizeof(causes) / sizeof(*causes); i++) {
		if (strcmp(sample->error, causes[i].error))
			continue;
		check(s->p, result, label, causes[i].remedy, "%s %s", what, causes[i].detail);
		return;
	}
	check(s->p, result, label, "bring it to what the probe expects, or correct the probe", "%s: %s%s%s",
	      what, sample->error ?: "unhealthy", sample->detail ? ": " : "", sample->detail ?: "");
}

static void check_sample(const struct sampling *s, const struct probe_sample *sample)
{
	char label[LABEL_SIZE], latency[32], timeout[32];

	label_of(sample->probe, label);
	format_duration(sample->latency_ns, latency, sizeof(latency));
	format_duration(sample->probe->timeout_ns, timeout, sizeof(timeout));
	if (!sample->healthy)
		check_unhealthy(s, label, sample);
	else if (sample->latency_ns == PROBE_NO_LATENCY)
		check(s->p, CHECK_PASS, label, NULL, "healthy%s%s", sample->detail ? ": " : "",
		      sample->detail ?: "");
	else if (sample->latency_ns > sample->probe->timeout_ns / 2)
		check(s->p, CHECK_WARN, label, "allow a longer `timeout`",
		      "healthy, but took %s of its timeout of %s", latency, timeout);
	else
		check(s->p, CHECK_PASS, label, NULL, "healthy in %s", latency);
}

static void on_sample(void *arg, const struct probe_sample *sample)
{
	struct sampling *s = arg;

	if (s->seen[sample->index])
		return;
	s->seen[sample->index] = true;
	if (sample->probe->kind == PROBE_LOG)
		return; /* its state is told once all were asked */
	s->left--;
	check_sample(s, sample);
}

static void check_log(const struct sampling *s, const struct plan_probe *probe, const char *why)
{
	char label[LABEL_SIZE];

	label_of(probe, label);
	if (why)
		check(s->p, unhealthy_is(s->plan), label,
		      "start what writes the log, or correct `log`, `healthy` or `unhealthy`", "%s: %s",
		      probe->path, why);
	else
		check(s->p, CHECK_PASS, label, NULL, "%s: the last line that tells is healthy", probe->path);
}

static int sample_once(struct sampling *s, struct probes *probes, int epoll_fd)
{
	struct epoll_event events[MAX_SAMPLES];
	uint64_t now = clock_mono_ns(), next = probes_run(probes, now), left = next > now ? next - now : 0;
	int n;

	if (!s->left)
		return 0;
	n = epoll_wait(epoll_fd, events, MAX_SAMPLES, left / NS_PER_MS + 1);
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++)
		probes_ready(probes, events[i].data.u64);
	return 0;
}

/* Every probe once, side by side, as a run would. */
static int sample_all(struct sampling *s, struct probes *probes, int epoll_fd)
{
	int err;

	do
		err = sample_once(s, probes, epoll_fd);
	while (!err && s->left);
	for (size_t i = 0; !err && i < s->n; i++)
		if (s->probes[i].kind == PROBE_LOG)
			check_log(s, &s->probes[i], probes_why(probes, i));
	return err;
}

static int sample_plan(struct sampling *s)
{
	struct probes *probes = NULL;
	int64_t offset_ns = clock_offset_ns(NULL);
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), err;
	const struct probe_loop loop = {epoll_fd, 0, &offset_ns, on_sample, s};

	if (epoll_fd < 0)
		return -errno;
	err = probes_open(s->plan, s->probes, s->n, &loop, &probes);
	if (!err)
		err = sample_all(s, probes, epoll_fd);
	probes_close(probes);
	close(epoll_fd);
	return err;
}

/* Programs are not started unless somebody said so. */
static void choose(struct sampling *s)
{
	char label[LABEL_SIZE];

	for (size_t i = 0; i < s->plan->n_probes; i++) {
		const struct plan_probe *probe = &s->plan->probes[i];

		if (probe->kind == PROBE_EXEC && !s->p->allow_exec) {
			check(s->p, CHECK_SKIP, label_of(probe, label), NULL,
			      "starts %s, which --allow-exec allows", probe->command.argv[0]);
			continue;
		}
		s->probes[s->n++] = *probe;
		s->left += probe->kind != PROBE_LOG;
	}
}

static void check_exec(const struct sampling *s)
{
	if (!plan_execs(s->plan))
		return;
	if (s->p->allow_exec)
		check(s->p, CHECK_PASS, "exec", NULL, "the scenario starts some, as --allow-exec allows");
	else
		check(s->p, CHECK_FAIL, "exec", "give --allow-exec if they are meant",
		      "the scenario starts some, and a run is refused without --allow-exec");
}

void preflight_probes(struct preflight *p, const struct plan *plan)
{
	struct sampling s = {.p = p, .plan = plan};
	int err = -ENOMEM;

	check_exec(&s);
	s.probes = calloc(plan->n_probes + 1, sizeof(*s.probes));
	s.seen = calloc(plan->n_probes + 1, sizeof(*s.seen));
	if (s.probes && s.seen) {
		choose(&s);
		err = sample_plan(&s);
	}
	if (err)
		check(p, CHECK_FAIL, "probes", NULL, "can't be tried: %s", strerror(-err));
	else if (!plan->n_probes)
		check(p, CHECK_WARN, "probes", "add `probes:` to see detection and recovery",
		      "the scenario has none: nothing will tell whether the system came back");
	free(s.probes);
	free(s.seen);
}
