/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes and watches of plan.json. */
#include "scenario/plan_parts.h"

static const char *const kind_names[] = {
	[PROBE_TCP] = "tcp",         [PROBE_LOG] = "log",       [PROBE_HTTP] = "http",
	[PROBE_JSON] = "json",       [PROBE_EXEC] = "exec",     [PROBE_FILE] = "file",
	[PROBE_PROCESS] = "process", [PROBE_STREAM] = "stream", [PROBE_PROMETHEUS] = "prometheus",
};

/* ---- parts ---- */

void plan_texts_to_json(struct json *j, const char *key, char *const *items, size_t n)
{
	json_array(j, key);
	for (size_t i = 0; i < n; i++)
		json_string(j, NULL, items[i]);
	json_end_array(j);
}

void plan_time_to_json(struct json *j, const char *key, uint64_t ns)
{
	if (ns)
		json_u64(j, key, ns);
	else
		json_null(j, key);
}

void plan_compare_to_json(struct json *j, const char *key, const struct plan_compare *c)
{
	static const char *const names[] = {
		[COMPARE_EQUALS] = "equals",   [COMPARE_DIFFERS] = "differs",   [COMPARE_ABOVE] = "above",
		[COMPARE_BELOW] = "below",     [COMPARE_AT_LEAST] = "at_least", [COMPARE_AT_MOST] = "at_most",
		[COMPARE_MATCHES] = "matches", [COMPARE_CONTAINS] = "contains",
	};

	if (c->op == COMPARE_NONE) {
		json_null(j, key);
		return;
	}
	json_object(j, key);
	if (c->json)
		json_raw(j, names[c->op], c->json);
	else if (c->text)
		json_string(j, names[c->op], c->text);
	else
		json_double(j, names[c->op], c->number);
	json_end_object(j);
}

void plan_process_to_json(struct json *j, const char *key, const struct plan_process *p)
{
	json_object(j, key);
	if (p->pidfile)
		json_string(j, "pidfile", p->pidfile);
	else if (p->name)
		json_string(j, "name", p->name);
	else
		json_u64(j, "pid", p->pid);
	json_end_object(j);
}

static void add_status(struct json *j, int status)
{
	json_u64(j, "expect_status", status);
}

/* ---- kinds ---- */

static void add_tcp(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	json_string(j, "host", p->host);
	if (p->target < 0)
		json_u64(j, "port", p->port);
	else
		json_null(j, "port");
	json_string(j, "target", p->target < 0 ? NULL : plan->targets[p->target].name);
}

static void add_log(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	json_string(j, "path", p->path);
	json_string(j, "healthy", p->healthy);
	json_string(j, "unhealthy", p->unhealthy);
}

/* Of the headers the names alone: a value may be a secret. */
static void add_request(struct json *j, const struct plan_probe *p)
{
	json_array(j, "headers");
	for (size_t i = 0; i < p->n_headers; i++)
		json_string(j, NULL, p->headers[i].name);
	json_end_array(j);
	json_string(j, "ca", p->ca);
	json_bool(j, "insecure", p->insecure);
}

static void add_http(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	json_string(j, "url", p->url);
	if (p->expect_status)
		add_status(j, p->expect_status);
	else
		json_null(j, "expect_status");
	json_string(j, "expect_body", p->expect_body);
	add_request(j, p);
}

static void add_json(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	json_string(j, "path", p->path);
	json_string(j, "where", p->where);
	plan_compare_to_json(j, "compare", &p->compare);
	plan_time_to_json(j, "fresh_ns", p->fresh_ns);
	json_string(j, "age_by", p->age_by == AGE_FIELD ? p->age_field : "mtime");
}

static void add_exec(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	plan_texts_to_json(j, "argv", p->command.argv, p->command.n);
	add_status(j, p->expect_status);
	json_string(j, "expect_output", p->expect_output);
}

static void add_file(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	json_string(j, "path", p->path);
	json_bool(j, "exists", !p->absent);
	plan_time_to_json(j, "fresh_ns", p->fresh_ns);
	json_string(j, "contains", p->expect_output);
}

static void add_process(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	plan_process_to_json(j, "process", &p->process);
	json_string(j, "restarts", p->restarts_fail ? "unhealthy" : "allowed");
}

static void add_stream(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	json_string(j, "transport", p->listen ? "udp-listen" : p->udp ? "udp" : "tcp");
	json_string(j, "host", p->host);
	json_u64(j, "port", p->port);
	json_bool(j, "binary", p->read == STREAM_BINARY_64);
	json_string(j, "number", p->number);
	json_string(j, "subscribe", p->subscribe);
	plan_time_to_json(j, "silence_ns", p->silence_ns);
	if (p->complete_least > 0)
		json_double(j, "complete", p->complete_least);
	else
		json_null(j, "complete");
}

static void add_prometheus(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	json_string(j, "url", p->url);
	json_string(j, "query", p->query);
	plan_compare_to_json(j, "compare", &p->compare);
	add_request(j, p);
}

static void add_probe(struct json *j, const struct plan *plan, const struct plan_probe *p)
{
	static void (*const add[])(struct json * j, const struct plan *plan, const struct plan_probe *p) = {
		[PROBE_TCP] = add_tcp,
		[PROBE_LOG] = add_log,
		[PROBE_HTTP] = add_http,
		[PROBE_JSON] = add_json,
		[PROBE_EXEC] = add_exec,
		[PROBE_FILE] = add_file,
		[PROBE_PROCESS] = add_process,
		[PROBE_STREAM] = add_stream,
		[PROBE_PROMETHEUS] = add_prometheus,
	};

	json_object(j, NULL);
	json_string(j, "name", p->name);
	json_string(j, "kind", kind_names[p->kind]);
	add[p->kind](j, plan, p);
	json_u64(j, "every_ns", p->every_ns);
	if (p->timeout_ns)
		json_u64(j, "timeout_ns", p->timeout_ns);
	json_u64(j, "rising", p->rising);
	json_u64(j, "falling", p->falling);
	json_end_object(j);
}

void plan_probes_to_json(struct json *j, const struct plan *plan)
{
	json_array(j, "probes");
	for (size_t i = 0; i < plan->n_probes; i++)
		add_probe(j, plan, &plan->probes[i]);
	json_end_array(j);
	json_array(j, "watches");
	for (size_t i = 0; i < plan->n_watches; i++)
		add_probe(j, plan, &plan->watches[i]);
	json_end_array(j);
}
