/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/cmd.h"
#include "cmd/options.h"

static const struct command_spec command = {
	.name = "clear",
	.synopsis = "",
	.about = "clear",
	.max_words = 1,
};

int cmd_clear(int argc, char **argv)
{
	struct words words;
	int status, values = 0;

	if (!options_parse(&command, argc, argv, &values, &words, &status))
		return status;
	return STATUS_OK;
}
