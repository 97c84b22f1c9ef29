/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin run: a whole drill from a scenario file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/drill_command.h"
#include "scenario/text.h"

struct run_args {
	struct drill_args drill;
	struct words set;
};

static const struct option_spec options[] = {
	{"set", 0, OPTION_LIST, offsetof(struct run_args, set), "K=V", NULL,
	 "give a variable of the scenario another value"},
	DRILL_OPTIONS(struct run_args),
};

static const struct command_spec command = {
	.name = "run",
	.synopsis = "FILE [OPTION...]",
	.about =
		"Carries out a scenario: observes the baseline, lets the kernel open and close the fault\n"
		"windows, observes the recovery, and writes the evidence and the report. Ctrl-C, a crash or\n"
		"a kill of this process ends every fault.\n\n"
		"Exit status: 0 every SLO met, 1 an SLO missed, 2 a mistake in the scenario or usage,\n"
		"3 refused, 4 aborted, 5 the host failed, 130 interrupted.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "a scenario file",
};

static int run(const struct run_args *args, const char *path, const struct scenario_options *scenario,
	       int argc, char **argv)
{
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;
	char *text = NULL;
	size_t len = 0;
	int status, err;

	/* Read once: what is kept in the run directory is what was compiled. */
	err = text_read(path, SCENARIO_MAX_BYTES, &text, &len);
	if (err) {
		fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(-err));
		return err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE;
	}
	err = scenario_parse(path, text, len, scenario, &plan, &errors);
	if (err) {
		fputs(errors.text ?: "shearpin run: out of memory\n", stderr);
		free(errors.text);
		free(text);
		return err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE;
	}
	status = drill_command(&command, &args->drill, plan, text, len, argc, argv);
	free(text);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct setting *set = NULL, *meta = NULL;
	struct run_args args = {0};
	struct words words;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	status = STATUS_USAGE;
	if (settings_parse(&command, "set", &args.set, &set) &&
	    settings_parse(&command, "meta", &args.drill.meta, &meta)) {
		const struct scenario_options scenario = {.vars = set,
							  .n_vars = args.set.count,
							  .meta = meta,
							  .n_meta = args.drill.meta.count,
							  .interface = args.drill.interface,
							  .evidence = args.drill.evidence,
							  .capture = args.drill.capture};

		status = run(&args, words.items[0], &scenario, argc, argv);
	}
	settings_free(set, args.set.count);
	settings_free(meta, args.drill.meta.count);
	options_free(&command, &args);
	return status;
}
