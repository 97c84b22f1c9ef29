/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin plan: what a scenario would do. Needs no privilege and touches nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "cmd/delay_backend.h"
#include "cmd/drill_command.h"
#include "cmd/output.h"
#include "cmd/plan_step.h"
#include "cmd/plan_target.h"
#include "cmd/plan_time.h"
#include "cmd/plan_watch.h"

struct plan_args {
	struct words set, meta;
	const char *interface, *hook, *line, *evidence;
	bool json, capture;
};

static const struct option_spec options[] = {
	{"set", 0, OPTION_LIST, offsetof(struct plan_args, set), "K=V", NULL,
	 "give a variable of the scenario another value"},
	{"meta", 0, OPTION_LIST, offsetof(struct plan_args, meta), "K=V", NULL,
	 "add to what goes into every report"},
	{"interface", 'i', OPTION_STRING, offsetof(struct plan_args, interface), "NAME[,NAME]", NULL,
	 "act on these interfaces instead of the scenario's"},
	{"hook", 0, OPTION_STRING, offsetof(struct plan_args, hook), "auto|xdp|tc", "auto",
	 "where faults act on packets that come in"},
	{"delay-backend", 0, OPTION_STRING, offsetof(struct plan_args, line), "auto|user|fq", "auto",
	 "where delayed packets wait: in shearpin's process, or in the kernel (sch_fq)"},
	{"evidence", 0, OPTION_STRING, offsetof(struct plan_args, evidence), "flows|packets", NULL,
	 "instead of the scenario's"},
	{"capture", 0, OPTION_FLAG, offsetof(struct plan_args, capture), NULL, NULL,
	 "as if the scenario said so"},
	{"json", 0, OPTION_FLAG, offsetof(struct plan_args, json), NULL, NULL, "one JSON document"},
};

static const struct command_spec command = {
	.name = "plan",
	.synopsis = "FILE [OPTION...]",
	.about =
		"Reads a scenario file, checks it throughout, and shows what a run of it would do: targets,\n"
		"a time line, rules with the hooks they act at, limits, probes and objectives. Needs no\n"
		"privilege and touches nothing.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "a scenario file",
};

static void print_head(const struct plan *plan)
{
	printf("%s", plan->name);
	if (plan->description) {
		printf(": ");
		output_text(stdout, plan->description, strcspn(plan->description, "\n"));
	}
	plan_print_word("\n\n  scenario   ", plan->source);
	putchar('\n');
	if (plan->seed_given)
		printf("  seed       %" PRIu64 "\n", plan->seed);
	else
		printf("  seed       none given: each run draws its own and records it\n");
	if (plan->netns) {
		plan_print_word("  namespace  ", plan->netns);
		putchar('\n');
	}
	if (plan->container)
		printf("  container  %s: in its network namespace\n", plan->container);
	printf("  interface ");
	for (size_t i = 0; i < plan->n_interfaces; i++)
		printf(" %s", plan->interfaces[i]);
	printf("%s\n", plan->n_interfaces ? "" : " those that the routes to the targets lead through");
	printf("  length     %s baseline, %s steps, at most %s recovery\n", plan_duration(plan->baseline_ns),
	       plan_duration(plan->length_ns), plan_duration(plan->recovery_ns));
	printf("  evidence   %s%s\n", plan->packet_evidence ? "flows, and each packet that is hit" : "flows",
	       plan->capture ? "; the packets that are hit are captured" : "");
	for (size_t i = 0; i < plan->n_meta; i++) {
		plan_print_word(i ? " " : "  meta       ", plan->meta[i].key);
		plan_print_word("=", plan->meta[i].value);
	}
	if (plan->n_meta)
		putchar('\n');
}

static int width_of(const struct plan *plan)
{
	size_t width = 8;

	for (size_t i = 0; i < plan->n_steps; i++)
		width = strlen(plan->steps[i].name) > width ? strlen(plan->steps[i].name) : width;
	for (size_t i = 0; i < plan->n_targets; i++)
		width = strlen(plan->targets[i].name) > width ? strlen(plan->targets[i].name) : width;
	for (size_t i = 0; i < plan->n_probes; i++)
		width = strlen(plan->probes[i].name) > width ? strlen(plan->probes[i].name) : width;
	return width < 24 ? width : 24;
}

/* ---- rules and the rest ---- */

static void print_rules(const struct plan *plan)
{
	if (plan->n_rules)
		printf("\nRules (%zu, with %u windows)\n", plan->n_rules, plan->n_slots);
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *r = &plan->rules[i];

		printf("  %3zu  ", i);
		plan_print_fault(&plan->steps[r->step].fault);
		printf(" on %s (%s)\n", plan->targets[r->target].name, plan->steps[r->step].name);
		if (r->why_in)
			printf("       %-10s  %s\n", r->hooks & PLAN_HOOK_XDP ? "xdp" : "tc-ingress",
			       r->why_in);
		if (r->why_out)
			printf("       %-10s  %s\n", r->hooks & PLAN_HOOK_CONNECT ? "connect" : "tc-egress",
			       r->why_out);
	}
}

static void print_limits(const struct plan *plan)
{
	if (!plan->max_packets && !plan->max_flows && !plan->max_duration_ns)
		return;
	printf("\nLimits (the kernel ends every fault at the first that is reached)\n");
	if (plan->max_packets)
		printf("  packets    %" PRIu64 " hit\n", plan->max_packets);
	if (plan->max_flows)
		printf("  flows      %" PRIu64 " hit\n", plan->max_flows);
	if (plan->max_duration_ns)
		printf("  duration   %s\n", plan_duration(plan->max_duration_ns));
}

static void print_backend(const struct delay_backend *b)
{
	if (b->needed)
		printf("  delay backend   %s%s%s%s\n",
		       b->name
			       ?: b->refused ? ""
					     : "can't be told: ",
		       b->name ? ": " : "", b->refused ? "none: " : "", b->why);
}

static int print_plan(const struct plan *plan, const struct delay_backend *backend)
{
	int width = width_of(plan), err;

	print_head(plan);
	print_backend(backend);
	plan_print_targets(plan, width);
	err = plan_print_time(plan, width);
	if (err)
		return err;
	plan_print_needs(plan);
	print_rules(plan);
	plan_print_answers(plan, width);
	print_limits(plan);
	plan_print_probes(plan, width);
	plan_print_objectives(plan);
	plan_print_aborts(plan);
	plan_print_checks(plan);
	return 0;
}

static int print_json(const struct plan *plan)
{
	char *text;
	int err = plan_to_json(plan, &text);

	if (err)
		return err;
	puts(text);
	free(text);
	return 0;
}

/* ---- the command ---- */

/* What is asked for beside the file. */
struct choices {
	enum hook_mode hook;
	enum line_choice line;
};

static int show(struct plan *plan, const struct choices *choices, bool json)
{
	struct delay_backend backend;
	int err;

	plan_choose_hooks(plan, choices->hook);
	delay_backend_choose(plan, choices->line, &backend);
	err = json ? print_json(plan) : print_plan(plan, &backend);
	if (err) {
		fprintf(stderr, "shearpin plan: %s\n", strerror(-err));
		return STATUS_HOST_FAILED;
	}
	if (!backend.refused)
		return STATUS_OK;
	fflush(stdout);
	fprintf(stderr, "shearpin plan: a run would be refused: %s%s%s\n", backend.why,
		backend.remedy ? "; remedy: " : "", backend.remedy ?: "");
	return STATUS_REFUSED;
}

static int load_and_show(const char *path, const struct scenario_options *scenario,
			 const struct choices *choices, bool json)
{
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;
	int status, err;

	err = scenario_load(path, scenario, &plan, &errors);
	if (err) {
		fputs(errors.text ? errors.text : "shearpin plan: out of memory\n", stderr);
		free(errors.text);
		return err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE;
	}
	if (!json && print_combination(stdout, path, NULL, 0, scenario))
		putchar('\n');
	status = show(plan, choices, json);
	plan_free(plan);
	return status;
}

int cmd_plan(int argc, char **argv)
{
	struct setting *set = NULL, *meta = NULL;
	struct plan_args args = {0};
	struct words words;
	struct choices choices;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	status = STATUS_USAGE;
	if (settings_parse(&command, "set", &args.set, &set) &&
	    settings_parse(&command, "meta", &args.meta, &meta) &&
	    parse_hook(&command, args.hook, &choices.hook) &&
	    parse_line(&command, args.line, &choices.line)) {
		const struct scenario_options scenario = {.vars = set,
							  .n_vars = args.set.count,
							  .meta = meta,
							  .n_meta = args.meta.count,
							  .interface = args.interface,
							  .evidence = args.evidence,
							  .capture = args.capture};

		status = load_and_show(words.items[0], &scenario, &choices, args.json);
	}
	settings_free(set, args.set.count);
	settings_free(meta, args.meta.count);
	options_free(&command, &args);
	return status;
}
