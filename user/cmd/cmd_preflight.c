/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin preflight: what this host can do, and what would get in the way of a drill. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/colour.h"
#include "cmd/drill_command.h"
#include "cmd/output.h"
#include "cmd/preflight.h"

struct preflight_args {
	struct place place;
	const char *interface, *hook, *attach, *line;
	struct words set, protect, policy;
	bool json, allow_exec;
};

static const struct option_spec options[] = {
	{"set", 0, OPTION_LIST, offsetof(struct preflight_args, set), "K=V", NULL,
	 "give a variable of the scenario another value"},
	{"interface", 'i', OPTION_STRING, offsetof(struct preflight_args, interface), "IF", NULL,
	 "as of `run`: act on this interface"},
	PLACE_OPTIONS(offsetof(struct preflight_args, place), "look from inside"),
	{"hook", 0, OPTION_STRING, offsetof(struct preflight_args, hook), "auto|xdp|tc", "auto",
	 "as of `run`: where faults on arriving packets act"},
	{"attach", 0, OPTION_STRING, offsetof(struct preflight_args, attach), "auto|tcx|clsact", "auto",
	 "as of `run`: how tc programs are attached"},
	{"delay-backend", 0, OPTION_STRING, offsetof(struct preflight_args, line), "auto|user|fq", "auto",
	 "as of `run`: where delayed packets wait"},
	{"protect", 0, OPTION_LIST, offsetof(struct preflight_args, protect), "ADDR[:PORT]", NULL,
	 "as of `run`: no rule may hit this peer"},
	{"policy", 0, OPTION_LIST, offsetof(struct preflight_args, policy), "FILE", NULL,
	 "as of `run`: keep this policy, too"},
	ALLOW_EXEC_OPTION(offsetof(struct preflight_args, allow_exec)),
	{"json", 0, OPTION_FLAG, offsetof(struct preflight_args, json), NULL, NULL,
	 "one JSON document on standard output; messages go to standard error"},
};

static const struct command_spec command = {
	.name = "preflight",
	.synopsis = "[FILE] [OPTION...]",
	.about =
		"Checks what this host can do, and with a scenario FILE whether a run of it would go: its\n"
		"interfaces, routes, probes and rules, the programs of others, and the operator's own "
		"flows.\n"
		"One line a check, PASS, WARN, FAIL or SKIP, with the remedy. Touches nothing: programs are\n"
		"tried in a network namespace of their own.\n\n"
		"Exit status: 0 nothing failed, 2 a mistake in the scenario or usage, 3 a check failed.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.max_words = 1,
	.words = "a scenario file",
};

static const char *const result_words[] = {
	[CHECK_PASS] = "PASS", [CHECK_WARN] = "WARN", [CHECK_FAIL] = "FAIL", [CHECK_SKIP] = "SKIP"};

static void print_check(const struct preflight *p, enum check_result result, const char *name,
			const char *detail, const char *remedy)
{
	static const enum colour colours[] = {[CHECK_PASS] = COLOUR_GREEN,
					      [CHECK_WARN] = COLOUR_YELLOW,
					      [CHECK_FAIL] = COLOUR_RED,
					      [CHECK_SKIP] = COLOUR_DIM};

	printf("[%s%s%s] %s: ", colour_code(p->colour, colours[result]), result_words[result],
	       colour_code(p->colour, COLOUR_PLAIN), name);
	output_text(stdout, detail, strlen(detail));
	if (remedy) {
		printf("\n       remedy: ");
		output_text(stdout, remedy, strlen(remedy));
	}
	putchar('\n');
	fflush(stdout);
}

void check(struct preflight *p, enum check_result result, const char *name, const char *remedy,
	   const char *format, ...)
{
	struct buf detail = {0};
	va_list args;

	va_start(args, format);
	buf_vprintf(&detail, format, args);
	va_end(args);
	p->counts[result]++;
	json_object(&p->document, NULL);
	json_string(&p->document, "name", name);
	json_string(&p->document, "result", result_words[result]);
	json_string(&p->document, "detail", detail.failed ? NULL : detail.data);
	json_string(&p->document, "remedy", remedy);
	json_end_object(&p->document);
	if (!p->json)
		print_check(p, result, name, detail.failed ? "" : detail.data, remedy);
	buf_free(&detail);
}

static int conclude(struct preflight *p)
{
	bool ok = !p->counts[CHECK_FAIL];

	json_end_array(&p->document);
	json_bool(&p->document, "ok", ok);
	json_end_object(&p->document);
	if (p->json && p->text.failed) {
		fputs("shearpin preflight: out of memory\n", stderr);
		return STATUS_HOST_FAILED;
	}
	if (p->json)
		puts(p->text.data);
	else
		printf("%u passed, %u warned, %u failed, %u skipped: %s\n", p->counts[CHECK_PASS],
		       p->counts[CHECK_WARN], p->counts[CHECK_FAIL], p->counts[CHECK_SKIP],
		       ok ? "ready" : "a run would be refused or fail");
	return ok ? STATUS_OK : STATUS_REFUSED;
}

static int examine(struct preflight *p, const struct preflight_args *args, struct plan *plan)
{
	struct place place = place_choose(&args->place, plan);
	int status;

	p->json = args->json;
	p->allow_exec = args->allow_exec;
	p->colour = !args->json && colour_wanted(stdout);
	p->protect = &args->protect;
	p->policy = &args->policy;
	json_begin(&p->document, &p->text);
	json_object(&p->document, NULL);
	json_array(&p->document, "checks");
	preflight_host(p);
	if ((place.netns || place.container) && !p->root) {
		check(p, CHECK_SKIP, "network namespace", NULL,
		      "%s can't be entered without root; nothing in it is checked",
		      place.netns ?: place.container);
		return conclude(p);
	}
	status = place_enter(&command, &place);
	if (status)
		return status;
	if (plan)
		preflight_plan(p, plan);
	return conclude(p);
}

/* The plan of the file; without one *ret_plan is NULL. 0, or the status to leave with. */
static int load(const struct preflight_args *args, const struct words *words, struct plan **ret_plan)
{
	struct scenario_errors errors = {0};
	struct setting *set = NULL;
	int err = 0, status = STATUS_USAGE;

	*ret_plan = NULL;
	if (settings_parse(&command, "set", &args->set, &set)) {
		const struct scenario_options scenario = {
			.vars = set, .n_vars = args->set.count, .interface = args->interface};

		if (words->count)
			err = scenario_load(words->items[0], &scenario, ret_plan, &errors);
		if (*ret_plan)
			(void)print_combination(stderr, words->items[0], NULL, 0, &scenario);
		status = err == -ENOMEM ? STATUS_HOST_FAILED : err ? STATUS_USAGE : STATUS_OK;
	}
	if (errors.text)
		fputs(errors.text, stderr);
	else if (err)
		fprintf(stderr, "shearpin preflight: %s: %s\n", words->items[0], strerror(-err));
	free(errors.text);
	settings_free(set, args->set.count);
	return status;
}

int cmd_preflight(int argc, char **argv)
{
	struct preflight_args args = {0};
	struct preflight preflight = {0};
	struct plan *plan = NULL;
	enum hook_mode hook;
	struct words words;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	status = STATUS_USAGE;
	if (!parse_hook(&command, args.hook, &hook) ||
	    !parse_attach(&command, args.attach, &preflight.attach) ||
	    !parse_line(&command, args.line, &preflight.line))
		goto out;
	if (!words.count && (args.interface || args.set.count || args.protect.count || args.policy.count)) {
		status = usage_error(&command,
				     "--interface, --set, --protect and --policy need a scenario file");
		goto out;
	}
	status = load(&args, &words, &plan);
	if (status)
		goto out;
	if (plan)
		plan_choose_hooks(plan, hook);
	status = examine(&preflight, &args, plan);
out:
	plan_free(plan);
	buf_free(&preflight.text);
	options_free(&command, &args);
	return status;
}
