/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin rehearse: a scenario whose faults touch nothing, and count on live traffic what they would hit. */
#include "cmd/cmd.h"
#include "cmd/drill_command.h"

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
		 "objectives are left out, and there is no baseline and no recovery.\n\n"
		 "Exit status: 0 done, 2 a mistake in the scenario or usage, 3 refused, 5 the host failed,\n"
		 "130 interrupted.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "a scenario file",
};

int cmd_rehearse(int argc, char **argv)
{
	struct rehearse_args args = {0};
	struct words words;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	status = drill_file(&command, &args.drill, &args.set, words.items[0], plan_rehearse, argc, argv);
	options_free(&command, &args);
	return status;
}
