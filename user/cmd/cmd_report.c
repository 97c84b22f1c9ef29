/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "report/report.h"
#include "slo/slo.h"

struct report_args {
	const char *format;
	const char *output;
};

static const struct option_spec options[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct report_args, format), "md|json", "md",
	 "Markdown for people, or the document of results.json"},
	{"output", 'o', OPTION_STRING, offsetof(struct report_args, output), "FILE", NULL,
	 "write the report to a file instead of standard output"},
};

static const struct command_spec command = {
	.name = "report",
	.synopsis = "RUN [OPTION...]",
	.about = "Makes the report of a run again, from the plan.json and events.jsonl in its directory\n"
		 "RUN. The exit status is that of the run as the evidence shows it: 1 if an SLO was\n"
		 "missed.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "a run directory",
};

typedef void report_function(const struct results *results, struct buf *out);

/* NULL: said why not. */
static report_function *find_format(const char *format)
{
	if (strcmp(format, "md") == 0)
		return report_markdown;
	if (strcmp(format, "json") == 0)
		return report_json;
	if (strcmp(format, "html") == 0 || strcmp(format, "junit") == 0)
		usage_error(&command, "--format: %s is not available in this version, expected md or json",
			    format);
	else
		usage_error(&command, "--format: `%s` is no format, expected md or json", format);
	return NULL;
}

static int say(int status, const char *subject, const char *text)
{
	fprintf(stderr, "shearpin report: %s: %s\n", subject, text);
	return status;
}

/* What a run directory must have; says what is missing. */
static int check_run(int dirfd, const char *path)
{
	static const char *const files[] = {"plan.json", "events.jsonl"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (faccessat(dirfd, files[i], R_OK, AT_EACCESS) == 0)
			continue;
		if (errno == ENOENT)
			fprintf(stderr, "shearpin report: %s is not a run directory: it has no %s\n", path,
				files[i]);
		else
			fprintf(stderr, "shearpin report: %s/%s: %s\n", path, files[i], strerror(errno));
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

static int compute(const char *path, struct results **ret_results)
{
	int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status, err;

	if (dirfd < 0)
		return say(STATUS_USAGE, path, strerror(errno));
	status = check_run(dirfd, path);
	if (status)
		goto out;
	err = slo_compute(dirfd, path, ret_results);
	if (err == -EBADMSG)
		status = say(STATUS_USAGE, path, "not a run directory: plan.json is no plan of this version");
	else if (err)
		status = say(STATUS_HOST_FAILED, path, strerror(-err));
out:
	close(dirfd);
	return status;
}

static int write_report(const struct buf *text, const char *path)
{
	FILE *file = path ? fopen(path, "we") : stdout;
	bool failed;

	if (!file)
		return say(STATUS_USAGE, path, strerror(errno));
	failed = fwrite(text->data, 1, text->len, file) != text->len;
	if (path)
		failed |= fclose(file) != 0;
	else
		failed |= fflush(file) != 0;
	if (failed)
		return say(STATUS_HOST_FAILED, path ? path : "standard output", strerror(errno));
	return STATUS_OK;
}

static int print_report(const struct results *results, report_function *make, const char *path)
{
	struct buf text = {0};
	int status;

	make(results, &text);
	status = text.failed ? say(STATUS_HOST_FAILED, "the report", strerror(ENOMEM))
			     : write_report(&text, path);
	buf_free(&text);
	if (!status && results->n_incomplete)
		say(STATUS_OK, "the evidence is incomplete", results->incomplete[0]);
	return status ? status : results->exit;
}

int cmd_report(int argc, char **argv)
{
	struct report_args args = {0};
	struct results *results = NULL;
	report_function *make;
	struct words words;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	make = find_format(args.format);
	status = make ? compute(words.items[0], &results) : STATUS_USAGE;
	if (!status)
		status = print_report(results, make, args.output);
	results_free(results);
	options_free(&command, &args);
	return status;
}
