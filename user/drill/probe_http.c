/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe that makes a request: healthy is the status that is expected, with a body that matches. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "drill/expression.h"
#include "drill/probe_fetch.h"

#define TOLD_BODY 200 /* bytes of a body that doesn't match */

struct http {
	struct fetch *fetch;
	struct expression body;
};

static bool is_expected(const struct plan_probe *plan, unsigned status)
{
	if (plan->expect_status)
		return status == (unsigned)plan->expect_status;
	return status >= 200 && status < 400;
}

static void on_answer(void *arg, const struct fetch_answer *answer)
{
	char error[32], detail[TOLD_BODY + 1];
	struct probe *p = arg;
	const struct http *http = p->state;
	struct probe_sample sample = {
		.mono_ns = answer->ended_ns,
		.latency_ns = answer->latency_ns,
		.error = answer->error,
		.detail = answer->words,
		.has_value = answer->status,
		.value = answer->status,
	};

	if (!answer->error && !is_expected(p->plan, answer->status)) {
		snprintf(error, sizeof(error), "status %u", answer->status);
		sample.error = error;
	} else if (!answer->error && !expression_matches(&http->body, answer->body, answer->len)) {
		snprintf(detail, sizeof(detail), "%s", answer->body);
		sample.error = "the body doesn't match";
		sample.detail = detail;
	}
	sample.healthy = !sample.error;
	probe_rest(p, answer->ended_ns);
	probe_tell(p, &sample);
}

static void http_free(struct http *http)
{
	fetch_close(http->fetch);
	expression_close(&http->body);
	free(http);
}

static int http_open(struct probe *p)
{
	struct http *http = calloc(1, sizeof(*http));
	int err;

	if (!http)
		return -ENOMEM;
	err = expression_open(&http->body, p->plan->expect_body);
	if (!err)
		err = fetch_open(p->plan, NULL, on_answer, p, &http->fetch);
	if (!err)
		err = probe_watch(p, fetch_fd(http->fetch), EPOLLIN);
	if (err)
		http_free(http);
	else
		p->state = http;
	return err;
}

static void http_close(struct probe *p)
{
	http_free(p->state);
}

static uint64_t http_run(struct probe *p, uint64_t now)
{
	struct http *http = p->state;

	return probe_fetch(p, http->fetch, now);
}

static void http_ready(struct probe *p)
{
	struct http *http = p->state;

	fetch_ready(http->fetch);
}

static void http_stop(struct probe *p)
{
	struct http *http = p->state;

	fetch_stop(http->fetch);
}

const struct probe_kind probe_http = {
	.open = http_open,
	.close = http_close,
	.run = http_run,
	.ready = http_ready,
	.stop = http_stop,
};
