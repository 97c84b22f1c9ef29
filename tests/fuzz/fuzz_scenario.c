/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever a scenario file or the words of `inject` hold: no crash, no leak, and either a plan that keeps every
 * promise of plan.h or at least one mistake in words. An input whose first line is `inject` is words, one a line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/faults.h"
#include "fuzz/probes.h"
#include "fuzz/steps.h"
#include "scenario/scenario.h"

/* Take the C library's place in this program: numbers are resolved, names never, and nothing leaves the machine. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	struct sockaddr_in6 *v6 = calloc(1, sizeof(*v6));
	struct sockaddr_in *v4 = (struct sockaddr_in *)v6;
	struct addrinfo *info = calloc(1, sizeof(*info));
	bool is_v4 = v6 && inet_pton(AF_INET, node, &v4->sin_addr) == 1;

	(void)service, (void)hints;
	if (!info || !v6 || (!is_v4 && inet_pton(AF_INET6, node, &v6->sin6_addr) != 1)) {
		free(info);
		free(v6);
		*res = NULL;
		return EAI_NONAME;
	}
	v6->sin6_family = is_v4 ? AF_INET : AF_INET6;
	info->ai_addrlen = is_v4 ? sizeof(*v4) : sizeof(*v6);
	info->ai_addr = (struct sockaddr *)v6;
	*res = info;
	return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
	free(info->ai_addr);
	free(info);
}

/*
 * libfyaml 0.7.12 loses a buffer (2 KB) when it reads a scalar of many pieces, such as twenty doubled quotation marks.
 * Only that leak is left out; to tell it from others takes whole stacks.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_format_text\n";
}

static void check_windows(const struct plan *plan)
{
	uint64_t slots = 0, end = 0;

	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *r = &plan->rules[i];
		const struct plan_window *w = &plan->steps[r->step].window;

		CHECK(r->step < plan->n_steps && r->target < plan->n_targets);
		CHECK(r->first_slot == slots);
		CHECK(w->for_ns && w->times && w->every_ns >= w->for_ns);
		CHECK(!w->burst_on_ns == !w->burst_off_ns);
		CHECK(plan_closes(w, w->times - 1) >= end || end <= plan->length_ns);
		end = plan_closes(w, w->times - 1);
		CHECK(end <= plan->length_ns && end > w->at_ns);
		slots += w->times;
	}
	CHECK(slots == plan->n_slots && slots <= PLAN_MAX_SLOTS);
	CHECK(!plan->max_duration_ns || plan->max_duration_ns >= plan->length_ns);
}

static void check_targets(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct plan_target *t = &plan->targets[i];

		CHECK(t->name && *t->name && t->share && t->share <= PLAN_ALWAYS);
		CHECK(t->direction >= PLAN_IN && t->direction <= PLAN_BOTH);
		CHECK(!!t->cgroup + !!t->unit + !!t->pid == plan_target_has_owner(t));
		CHECK(!t->cgroup || t->cgroup[0] == '/');
		for (size_t k = 0; k < t->n_hosts; k++)
			CHECK(*t->hosts[k] && !strpbrk(t->hosts[k], " */:"));
		for (size_t k = 0; k < t->n_remote_ports; k++)
			CHECK(t->remote_ports[k].first &&
			      t->remote_ports[k].first <= t->remote_ports[k].last);
		for (size_t k = 0; k < t->n_local_ports; k++)
			CHECK(t->local_ports[k].first && t->local_ports[k].first <= t->local_ports[k].last);
	}
}

static void check_faults(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind == STEP_FAULT)
			check_fault(&plan->steps[i].fault);
}

static void check_slos(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_slos; i++) {
		const struct plan_slo *s = &plan->slos[i];
		bool latency = s->key == SLO_PROBE_P95 || s->key == SLO_PROBE_P99;

		CHECK(s->key < SLO_KEYS && s->by <= BY_FLOW);
		CHECK(s->step < (int)plan->n_steps && s->probe < (int)plan->n_probes);
		CHECK(s->target < (int)plan->n_targets && (s->probe < 0 || s->target < 0));
		CHECK((s->limit == UINT64_MAX) == (s->relative || s->key == SLO_BACKOFF));
		CHECK(!s->relative || (latency && plan->baseline_ns && s->over >= 0));
		CHECK(!s->factor_low || (s->backoff == PLAN_BACKOFF_EXPONENTIAL && s->factor_low > 0.9 &&
					 s->factor_high >= s->factor_low && s->factor_high < 111));
		CHECK(s->key == SLO_BACKOFF || (!s->cap_ns && !s->factor_low));
		CHECK(s->key != SLO_AVAILABILITY || (s->limit && s->limit <= PLAN_ALWAYS));
		CHECK((s->by != BY_PROBE && s->key < SLO_AVAILABILITY) || plan->n_probes);
	}
}

static void check_plan(struct plan *plan)
{
	json_error_t error;
	json_t *document;
	char *text;

	CHECK(plan->n_steps && plan->n_rules <= PLAN_MAX_RULES);
	CHECK(!plan->n_rules || plan->n_targets);
	CHECK(!plan->netns || !plan->container);
	check_windows(plan);
	check_targets(plan);
	check_steps(plan);
	check_faults(plan);
	check_probes(plan);
	check_slos(plan);
	for (int mode = HOOK_AUTO; mode <= HOOK_TC; mode++) {
		plan_choose_hooks(plan, mode);
		CHECK(!plan_to_json(plan, &text));
		document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
		CHECK(document);
		json_decref(document);
		free(text);
	}
}

static int parse_words(char *text, struct plan **ret_plan, struct scenario_errors *ret_errors)
{
	struct inject_words words = {0};
	const char **const options[] = {
		&words.duration,  &words.proto, &words.remote, &words.remote_port, &words.local_port,
		&words.direction, &words.share, &words.repeat, &words.burst,       &words.interface,
		&words.seed,      &words.host,  &words.cgroup, &words.unit,        &words.pid};
	const char *faults[8];
	size_t line = 0;

	words.faults = faults;
	for (char *word = strsep(&text, "\n"); word; word = strsep(&text, "\n"), line++) {
		if (line < sizeof(options) / sizeof(*options))
			*options[line] = *word ? word : NULL;
		else if (words.n_faults < sizeof(faults) / sizeof(*faults))
			faults[words.n_faults++] = word;
	}
	return scenario_from_words(&words, NULL, ret_plan, ret_errors);
}

/* Each of a matrix' combinations can be told from the others, and there is at least one. */
static void check_variants(const char *text, size_t size)
{
	struct scenario_variant *variants;
	struct scenario_errors errors;
	size_t n;
	int err = scenario_variants("fuzz.yaml", text, size, NULL, &variants, &n, &errors);

	CHECK(!err == (n > 0) && !err == !errors.count && !err == !errors.text);
	for (size_t i = 1; i < n; i++)
		CHECK(variants[i].n_vars == variants[0].n_vars &&
		      strcmp(variants[i].suffix, variants[i - 1].suffix) != 0);
	scenario_variants_free(variants, n);
	free(errors.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char inject[] = "inject\n";
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;
	char *text = malloc(size + 1);
	int err;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (size >= strlen(inject) && !memcmp(text, inject, strlen(inject)))
		err = parse_words(text + strlen(inject), &plan, &errors);
	else
		err = scenario_parse("fuzz.yaml", text, size, NULL, &plan, &errors);
	check_variants(text, size);
	CHECK(!err == !!plan);
	CHECK(!err == !errors.count && !err == !errors.text);
	if (plan)
		check_plan(plan);
	plan_free(plan);
	free(errors.text);
	free(text);
	return 0;
}
