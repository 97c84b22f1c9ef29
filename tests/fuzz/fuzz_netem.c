/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever the words of `inject --netem` are: no crash, no leak, and either a plan that keeps every promise of plan.h or
 * at least one mistake in words. A second line is a word of `inject` beside them.
 */
#include <string.h>

#include <jansson.h>

#include "fuzz/faults.h"
#include "scenario/scenario.h"

static void check_plan(const struct plan *plan)
{
	const struct plan_fault *f = &plan->steps[0].fault;
	json_t *text = json_loads(f->text, JSON_REJECT_DUPLICATES, NULL);

	CHECK(plan->n_steps == 1 && plan->n_targets == 1 && plan->n_rules == 1);
	CHECK(text && json_object_size(text));
	json_decref(text);
	check_fault(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inject_words words = {.duration = "1s", .remote_port = "80"};
	char *text = malloc(size + 1), *rest = text;
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;
	int err;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	words.netem = strsep(&rest, "\n");
	words.faults = (const char **)&rest;
	words.n_faults = rest ? 1 : 0;
	err = scenario_from_words(&words, NULL, &plan, &errors);
	CHECK(!err == !!plan);
	CHECK(!err == !errors.count && !err == !errors.text);
	if (plan)
		check_plan(plan);
	plan_free(plan);
	free(errors.text);
	free(text);
	return 0;
}
