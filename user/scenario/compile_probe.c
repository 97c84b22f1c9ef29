/* SPDX-License-Identifier: BSD-2-Clause */
/* Model -> plan: probes, and what is made of the same parts. */
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "scenario/model.h"

#define PROBE_EVERY_NS (500 * NS_PER_MS)
#define WATCH_EVERY_NS (200 * NS_PER_MS)
#define TIMEOUT_NS (1 * NS_PER_S)
#define SILENCE_NS (2 * NS_PER_S)

static uint64_t or_default(const struct value *v, uint64_t fallback)
{
	return v->node ? v->n : fallback;
}

/* ---- parts ---- */

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

int compile_address(struct reader *r, const struct model_address *m, char **ret_host, uint16_t *ret_port,
		    int *ret_target)
{
	int err;

	*ret_target = m->target.s ? (int)m->target_index : -1;
	if (m->target.s)
		return 0;
	*ret_port = m->port;
	err = resolve(r, m, ret_host);
	return err == -EHOSTUNREACH ? 0 : err;
}

bool compile_process(const struct model_process *m, struct plan_process *p)
{
	p->pid = m->pid.n;
	return copy_text(m->pidfile.s, &p->pidfile) && copy_text(m->name.s, &p->name);
}

/* copy_texts() leaves a NULL behind the last. */
bool compile_command(const struct texts *m, struct plan_command *c)
{
	return !m->count || copy_texts(m, &c->argv, &c->n);
}

bool compile_compare(const struct model_compare *m, struct plan_compare *c)
{
	bool json = !m->numbers &&
		    (m->op == COMPARE_EQUALS || m->op == COMPARE_DIFFERS || m->op == COMPARE_CONTAINS);

	c->op = m->op;
	c->number = m->number;
	if (json)
		c->json = node_json(m->node);
	return (!json || c->json) && copy_text(m->text, &c->text);
}

/* ---- kinds ---- */

/* 95 % is 0.95, not the threshold's 0.9500000001. */
static double share(const struct value *v)
{
	return round(v->n * 1e9 / PLAN_ALWAYS) / 1e9;
}

static int compile_stream(struct reader *r, const struct model_probe *m, struct plan_probe *p)
{
	int target;

	p->udp = m->transport.n != TRANSPORT_TCP;
	p->listen = m->transport.n == TRANSPORT_UDP_LISTEN;
	p->read = m->binary.n ? STREAM_BINARY_64 : STREAM_LINES;
	p->silence_ns = or_default(&m->silence, SILENCE_NS);
	p->complete_least = share(&m->complete);
	return compile_address(r, &m->stream, &p->host, &p->port, &target);
}

/* The server alone, without the slashes behind it. */
static void cut_slashes(char *url)
{
	size_t len = strlen(url);

	while (len && url[len - 1] == '/')
		url[--len] = '\0';
}

static int compile_kind(struct reader *r, const struct model_probe *m, struct plan_probe *p)
{
	switch (p->kind) {
	case PROBE_TCP:
		return compile_address(r, &m->tcp, &p->host, &p->port, &p->target);
	case PROBE_STREAM:
		return compile_stream(r, m, p);
	case PROBE_PROMETHEUS:
		cut_slashes(p->url);
		break;
	case PROBE_JSON:
		p->age_by = m->age_field.s ? AGE_FIELD : AGE_MTIME;
		break;
	case PROBE_FILE:
		p->absent = m->exists.node && !m->exists.n;
		break;
	default:
		break;
	}
	return 0;
}

static bool copy_parts(const struct model_probe *m, struct plan_probe *p)
{
	const struct {
		const struct text *from;
		char **into;
	} texts[] = {
		{&m->name, &p->name},
		{&m->path, &p->path},
		{&m->healthy, &p->healthy},
		{&m->unhealthy, &p->unhealthy},
		{&m->url, &p->url},
		{&m->expect_body, &p->expect_body},
		{&m->ca, &p->ca},
		{&m->where, &p->where},
		{&m->age_field, &p->age_field},
		{&m->expect_output, &p->expect_output},
		{&m->query, &p->query},
		{&m->number, &p->number},
		{&m->subscribe, &p->subscribe},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!copy_text(texts[i].from->s, texts[i].into))
			return false;
	return copy_headers(&m->headers, &p->headers, &p->n_headers) &&
	       compile_command(&m->command, &p->command) && compile_process(&m->process, &p->process) &&
	       compile_compare(&m->compare, &p->compare);
}

/* Reading a file, or looking a process up, takes no time that could be too long. */
static bool waits(enum plan_probe_kind kind)
{
	return probe_has_latency(kind) || kind == PROBE_STREAM;
}

int compile_probe(struct reader *r, const struct model_probe *m, struct plan_probe *p)
{
	p->line = m->name.node ? m->name.node->line : m->node->line;
	p->kind = m->kind;
	p->every_ns = or_default(&m->every, m->watch ? WATCH_EVERY_NS : PROBE_EVERY_NS);
	p->timeout_ns = waits(p->kind) ? or_default(&m->timeout, TIMEOUT_NS) : 0;
	p->rising = or_default(&m->rising, 1);
	p->falling = or_default(&m->falling, 1);
	p->target = -1;
	p->expect_status = m->expect_status.n;
	p->insecure = m->insecure.n;
	p->fresh_ns = m->fresh.n;
	p->restarts_fail = m->restarts.n;
	if (!copy_parts(m, p))
		return -ENOMEM;
	return compile_kind(r, m, p);
}

int add_watch(struct reader *r, const struct model_probe *m, struct plan *plan, size_t *ret_index)
{
	struct plan_probe *watches = reallocarray(plan->watches, plan->n_watches + 1, sizeof(*plan->watches));

	if (!watches)
		return -ENOMEM;
	plan->watches = watches;
	watches[plan->n_watches] = (struct plan_probe){0};
	*ret_index = plan->n_watches;
	return compile_probe(r, m, &watches[plan->n_watches++]);
}
