/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe that asks Prometheus: healthy is that the comparison holds for every result, and that there is one. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "drill/probe_fetch.h"
#include "drill/prometheus.h"

static void on_answer(void *arg, const struct fetch_answer *answer)
{
	struct prometheus_answer result = {0};
	struct probe *p = arg;
	char status[32];
	struct probe_sample sample = {
		.mono_ns = answer->ended_ns,
		.latency_ns = answer->latency_ns,
		.error = answer->error,
		.detail = answer->words,
	};

	if (!answer->error) {
		prometheus_read(answer->body, answer->len, &p->plan->compare, &result);
		sample.healthy = result.holds;
		sample.has_value = result.has_value;
		sample.value = result.value;
		sample.detail = result.detail[0] ? result.detail : NULL;
		sample.error = result.error ?: result.holds ? NULL : "the condition does not hold";
	}
	if (!answer->error && result.error && answer->status != 200) {
		snprintf(status, sizeof(status), "status %u", answer->status);
		sample.error = result.detail[0] ? result.error : status;
	}
	probe_rest(p, answer->ended_ns);
	probe_tell(p, &sample);
}

static int prometheus_open(struct probe *p)
{
	struct fetch *fetch;
	int err = fetch_open(p->plan, p->plan->query, on_answer, p, &fetch);

	if (err)
		return err;
	err = probe_watch(p, fetch_fd(fetch), EPOLLIN);
	if (err)
		fetch_close(fetch);
	else
		p->state = fetch;
	return err;
}

static void prometheus_close(struct probe *p)
{
	fetch_close(p->state);
}

static uint64_t prometheus_run(struct probe *p, uint64_t now)
{
	return probe_fetch(p, p->state, now);
}

static void prometheus_ready(struct probe *p)
{
	fetch_ready(p->state);
}

static void prometheus_stop(struct probe *p)
{
	fetch_stop(p->state);
}

const struct probe_kind probe_prometheus = {
	.open = prometheus_open,
	.close = prometheus_close,
	.run = prometheus_run,
	.ready = prometheus_ready,
	.stop = prometheus_stop,
};
