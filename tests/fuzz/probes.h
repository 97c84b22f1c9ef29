/* SPDX-License-Identifier: BSD-2-Clause */
/* What plan.h promises of probes and watches, aborts, checks and alternatives. */
#ifndef SHEARPIN_FUZZ_PROBES_H
#define SHEARPIN_FUZZ_PROBES_H

#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json_path.h"
#include "fuzz/check.h"
#include "scenario/plan.h"
#include "scenario/url.h"

/* NULL, or an expression that can be compiled, and, of a line, does not match an empty one. */
static inline void check_expression(const char *expression, bool line, bool group)
{
	regex_t compiled;

	if (!expression)
		return;
	CHECK(!regcomp(&compiled, expression, REG_EXTENDED));
	CHECK(!line || regexec(&compiled, "", 0, NULL, 0));
	CHECK(!group || compiled.re_nsub);
	regfree(&compiled);
}

static inline void check_compare(const struct plan_compare *c, bool numbers)
{
	bool values = c->op == COMPARE_EQUALS || c->op == COMPARE_DIFFERS || c->op == COMPARE_CONTAINS;
	json_t *value;

	CHECK(!!c->json == (values && !numbers) && !!c->text == (c->op == COMPARE_MATCHES));
	CHECK(isfinite(c->number));
	check_expression(c->text, false, false);
	if (c->json) {
		value = json_loads(c->json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
		CHECK(value);
		json_decref(value);
	}
}

static inline void check_stream(const struct plan_probe *p)
{
	CHECK(p->host && p->port && p->silence_ns);
	CHECK(p->complete_least >= 0 && p->complete_least <= 1);
	CHECK(!p->listen || (p->udp && !p->subscribe));
	CHECK((p->read == STREAM_LINES) == !!p->number && (p->udp || p->read == STREAM_LINES));
	check_expression(p->number, false, true);
}

static inline void check_kind(const struct plan *plan, const struct plan_probe *p)
{
	size_t at;

	switch (p->kind) {
	case PROBE_TCP:
		CHECK((p->target < 0) == (p->host && p->port));
		CHECK(p->target < (int)plan->n_targets);
		break;
	case PROBE_LOG:
		CHECK(p->path && p->healthy && !p->unhealthy == !p->name);
		check_expression(p->healthy, true, false);
		check_expression(p->unhealthy, true, false);
		break;
	case PROBE_HTTP:
		CHECK(p->url && !url_fault(p->url) && p->expect_status >= 0 && p->expect_status < 600);
		CHECK((!p->ca && !p->insecure) ||
		      (!strncasecmp(p->url, "https:", 6) && !(p->ca && p->insecure)));
		break;
	case PROBE_JSON:
		CHECK(p->path && (p->where || p->compare.op == COMPARE_NONE));
		CHECK(!p->where || !json_path_check(p->where, &at));
		CHECK((p->age_by == AGE_FIELD) ==
		      (p->age_field && p->fresh_ns && !json_path_check(p->age_field, &at)));
		break;
	case PROBE_EXEC:
		CHECK(p->command.n && *p->command.argv[0] && !p->command.argv[p->command.n]);
		CHECK(p->expect_status >= 0 && p->expect_status < 256 && plan_execs(plan));
		break;
	case PROBE_FILE:
		CHECK(p->path && (!p->absent || (!p->fresh_ns && !p->expect_output)));
		break;
	case PROBE_PROCESS:
		CHECK(!!p->process.pidfile + !!p->process.pid + !!p->process.name == 1);
		break;
	case PROBE_STREAM:
		check_stream(p);
		break;
	case PROBE_PROMETHEUS:
		CHECK(p->url && !url_fault(p->url) && p->query && *p->query && p->compare.op != COMPARE_NONE);
		break;
	}
}

static inline bool waits(enum plan_probe_kind kind)
{
	return kind == PROBE_TCP || kind == PROBE_HTTP || kind == PROBE_EXEC || kind == PROBE_STREAM ||
	       kind == PROBE_PROMETHEUS;
}

static inline void check_probe_list(const struct plan *plan, const struct plan_probe *list, size_t n,
				    bool named)
{
	for (size_t i = 0; i < n; i++) {
		const struct plan_probe *p = &list[i];

		CHECK(named ? p->name && *p->name : !p->name);
		CHECK(p->every_ns && p->rising && p->falling && waits(p->kind) == !!p->timeout_ns);
		check_kind(plan, p);
		check_compare(&p->compare, p->kind == PROBE_PROMETHEUS);
		check_expression(p->expect_body, false, false);
		check_expression(p->expect_output, false, false);
	}
}

static inline void check_aborts(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_aborts; i++) {
		const struct plan_abort *a = &plan->aborts[i];

		CHECK(a->text && a->line && (a->kind == ABORT_FILE) == !!a->path);
		CHECK(a->kind != ABORT_FILE || !a->for_ns);
		CHECK(a->kind != ABORT_PROBE || (a->index < plan->n_probes && a->for_ns));
		CHECK(a->kind != ABORT_PROMETHEUS ||
		      (a->index < plan->n_watches && plan->watches[a->index].kind == PROBE_PROMETHEUS));
		CHECK(a->kind != ABORT_SLO || (a->slo.key < SLO_KEYS && a->slo.probe < (int)plan->n_probes &&
					       a->slo.step < (int)plan->n_steps));
	}
}

static inline void check_checks(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_checks; i++) {
		const struct plan_check *c = &plan->checks[i];
		bool named = c->kind == CHECK_ENV || c->kind == CHECK_COMMAND;

		CHECK(named == !!c->name && (c->kind == CHECK_DISK) == !!c->bytes);
		CHECK((c->kind == CHECK_REACHABLE) == !!c->timeout_ns);
		CHECK(c->kind != CHECK_REACHABLE || (c->target < 0) == (c->host && c->port));
		CHECK(c->target < (int)plan->n_targets && (c->kind != CHECK_FILE || c->path));
		CHECK(c->kind != CHECK_PROBE || c->index < plan->n_probes);
	}
}

static inline void check_alternatives(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct plan_target *t = &plan->targets[i];

		CHECK(!t->n_any_of == !t->reach_timeout_ns);
		CHECK(!t->n_any_of || (!t->n_remotes && !t->n_hosts && !t->n_remote_ports));
		for (size_t k = 0; k < t->n_any_of; k++) {
			const struct plan_target *other = &plan->targets[t->any_of[k]];

			CHECK(t->any_of[k] < plan->n_targets && !other->n_any_of);
			CHECK((other->n_remotes || other->n_hosts) && other->n_remote_ports);
		}
	}
}

static inline void check_probes(const struct plan *plan)
{
	check_probe_list(plan, plan->probes, plan->n_probes, true);
	check_probe_list(plan, plan->watches, plan->n_watches, false);
	check_aborts(plan);
	check_checks(plan);
	check_alternatives(plan);
}

#endif
