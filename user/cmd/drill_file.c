/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/drill_command.h"
#include "scenario/text.h"

static int carry_out(const struct command_spec *command, const struct drill_args *args, const char *path,
		     const struct scenario_options *scenario, void (*change)(struct plan *plan), int argc,
		     char **argv)
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
		if (errors.text)
			fputs(errors.text, stderr);
		else
			fprintf(stderr, "shearpin %s: out of memory\n", command->name);
		free(errors.text);
		free(text);
		return err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE;
	}
	if (change)
		change(plan);
	status = drill_command(command, args, plan, text, len, argc, argv);
	free(text);
	return status;
}

int drill_file(const struct command_spec *command, const struct drill_args *args, const struct words *set,
	       const char *path, void (*change)(struct plan *plan), int argc, char **argv)
{
	struct scenario_options scenario;
	int status = STATUS_USAGE;

	if (scenario_options_parse(command, args, set, &scenario))
		status = carry_out(command, args, path, &scenario, change, argc, argv);
	scenario_options_free(&scenario);
	return status;
}
