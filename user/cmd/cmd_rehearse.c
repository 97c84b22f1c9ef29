/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin rehearse: a scenario whose faults touch nothing, and count on live traffic what they would hit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/drill_command.h"
#include "scenario/text.h"

struct rehearse_args {
	struct drill_args drill;
	struct words set;
};

static const struct option_spec options[] = {
	{"set", 0, OPTION_LIST, offsetof(struct rehearse_args, set), "K=V", NULL,
	 "give a variable of the scenario another value"},
	ALLOW_EXEC_OPTION(offsetof(struct rehearse_args, drill.allow_exec)),
	DRILL_OPTIONS(struct rehearse_args),
};

static const struct command_spec command = {
	.name = "rehearse",
	.synopsis = "FILE [OPTION...]",
	.about = "Lets the scenario's windows open and close on live traffic, with the same programs and\n"
		 "the same lots, and touches nothing: each packet that a fault would lose, reset, refuse or\n"
		 "look into is counted as suppressed. Steps that are no packet fault, expectations and\n"
		 "objectives are left out, and there is no baseline and no recovery. A scenario without a\n"
		 "fault has nothing to rehearse, which is a mistake here.\n\n"
		 "Exit status: 0 done, 2 a mistake in the scenario or usage, 3 refused, 5 the host failed,\n"
		 "130 interrupted.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "a scenario file",
};

/* The plan, or NULL when all is said and *ret_status is what to leave with. */
static struct plan *compile(const char *path, const char *text, size_t len,
			    const struct scenario_options *scenario, int *ret_status)
{
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;
	int err = scenario_parse(path, text, len, scenario, &plan, &errors);

	*ret_status = err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE;
	if (err) {
		fputs(errors.text ?: "shearpin rehearse: out of memory\n", stderr);
		free(errors.text);
		return NULL;
	}
	plan_rehearse(plan);
	if (plan->n_steps)
		return plan;
	fprintf(stderr, "%s: nothing to rehearse: no step that is on has a fault\n", path);
	plan_free(plan);
	return NULL;
}

static int rehearse(const struct drill_args *args, const char *path, const struct scenario_options *scenario,
		    int argc, char **argv)
{
	struct plan *plan;
	char *text = NULL;
	size_t len = 0;
	int status, err;

	/* Read once: what is kept in the run directory is what was compiled. */
	err = text_read(path, SCENARIO_MAX_BYTES, &text, &len);
	if (err) {
		fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(-err));
		return err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE;
	}
	plan = compile(path, text, len, scenario, &status);
	if (plan) {
		(void)print_combination(stderr, path, text, len, scenario);
		status = drill_command(&command, args, plan, text, len, argc, argv);
	}
	free(text);
	return status;
}

int cmd_rehearse(int argc, char **argv)
{
	struct rehearse_args args = {0};
	struct scenario_options scenario;
	struct words words;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	status = STATUS_USAGE;
	if (scenario_options_parse(&command, &args.drill, &args.set, &scenario))
		status = rehearse(&args.drill, words.items[0], &scenario, argc, argv);
	scenario_options_free(&scenario);
	options_free(&command, &args);
	return status;
}
