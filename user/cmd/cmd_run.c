/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin run: a whole drill from a scenario file. */
#include <errno.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/drill_command.h"
#include "cmd/metrics.h"
#include "cmd/suite.h"

struct run_args {
	struct drill_args drill;
	struct suite_options suite;
	struct words set;
	const char *metrics, *metrics_file;
};

static const struct option_spec options[] = {
	{"set", 0, OPTION_LIST, offsetof(struct run_args, set), "K=V", NULL,
	 "give a variable of the scenario another value"},
	{"only", 0, OPTION_LIST, offsetof(struct run_args, suite.only), "GLOB", NULL,
	 "of several scenarios those whose file (without .yaml) or name matches; may be repeated"},
	{"gap", 0, OPTION_STRING, offsetof(struct run_args, suite.gap), "DURATION", "5s",
	 "quiet time between two scenarios"},
	{"keep-going", 0, OPTION_FLAG, offsetof(struct run_args, suite.keep_going), NULL, NULL,
	 "go on behind a scenario that does not pass; otherwise it is the last one"},
	ALLOW_EXEC_OPTION(offsetof(struct run_args, drill.allow_exec)),
	{"metrics", 0, OPTION_STRING, offsetof(struct run_args, metrics), "ADDR:PORT", NULL,
	 "serve metrics for Prometheus there, at /metrics"},
	{"metrics-file", 0, OPTION_STRING, offsetof(struct run_args, metrics_file), "FILE", NULL,
	 "write them to a file every 5 s, as node_exporter's textfile collector reads them"},
	DRILL_OPTIONS(struct run_args),
};

static const struct command_spec command = {
	.name = "run",
	.synopsis = "FILE|DIR [OPTION...]",
	.about =
		"Carries out a scenario: observes the baseline, lets the kernel open and close the fault\n"
		"windows, observes the recovery, and writes the evidence and the report. Ctrl-C, a crash or\n"
		"a kill of this process ends every fault.\n\n"
		"Of a folder every *.yaml is carried out, in the order of their names, and of a file with a\n"
		"`matrix` each combination: all are read and checked before the first one begins, and there\n"
		"is a report of the whole. It ends with the first one that does not pass.\n\n"
		"Exit status: 0 every SLO and expectation met, 1 one missed, 2 a mistake in a scenario or\n"
		"usage, 3 refused, 4 aborted, 5 the host failed, 130 interrupted; of several scenarios the\n"
		"worst, in the order 5, 4, 130, 3, 1, 0.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "a scenario file, or a folder with such",
};

static int refuse(const char *reason)
{
	fprintf(stderr, "shearpin run: metrics: %s\n", reason);
	return STATUS_REFUSED;
}

int cmd_run(int argc, char **argv)
{
	struct run_args args = {0};
	struct words words;
	char reason[200];
	int status, err;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	err = metrics_open(args.metrics, args.metrics_file, &args.drill.metrics, reason, sizeof(reason));
	if (err == -EINVAL)
		status = usage_error(&command, "--metrics: %s", reason);
	else if (err)
		status = refuse(reason);
	else
		status = suite_run(&command, &args.drill, &args.set, &args.suite, words.items[0], argc, argv);
	metrics_close(args.drill.metrics);
	options_free(&command, &args);
	return status;
}
