/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/suite_report.h"
#include "evidence/read.h"
#include "report/compare.h"
#include "report/drill_results.h"
#include "report/mm_bot.h"
#include "report/report.h"
#include "slo/slo.h"

#define FORMATS "md|html|json|junit|scorecard|mm-bot|drill-results"

struct report_args {
	const char *format;
	const char *output;
	const char *rto;
};

static const struct option_spec options[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct report_args, format), "FORMAT", NULL,
	 "one of those above (default: md; of a suite all its documents)"},
	{"output", 'o', OPTION_STRING, offsetof(struct report_args, output), "FILE", NULL,
	 "write the report to a file instead of standard output; with mm-bot, to a directory"},
	{"rto", 0, OPTION_STRING, offsetof(struct report_args, rto), "DURATION", "30s",
	 "the scorecard's objective of recovery, counted from the injection"},
};

static const struct command_spec command = {
	.name = "report",
	.synopsis = "RUN|SUITE [RUN...] [OPTION...]",
	.about = "Makes the report of a run again, from the plan.json and events.jsonl in its directory\n"
		 "RUN; of several runs, a comparison, or one document with all of them. Formats:\n"
		 "  md, html, json   report.md, report.html, results.json; of several runs a comparison\n"
		 "  junit            a test case for each SLO and each window\n"
		 "  scorecard        recovery of each step, counted from the injection\n"
		 "  mm-bot           runs/<n>.json and findings.json\n"
		 "  drill-results    drill_results.json\n"
		 "Of a suite's directory it makes the documents in it again; with a format, that of all its "
		 "runs.\n"
		 "The exit status is that of the run as the evidence shows it: 1 if an SLO was missed;\n"
		 "of several runs the worst (5, 4, 130, 3, 1, 0).",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = ANY_WORDS,
	.words = "run directories",
};

/* What a report is made from. */
struct request {
	const struct results *const *runs;
	size_t n;
	const struct comparison *comparison;
};

struct format {
	const char *name;
	void (*one)(const struct results *results, struct buf *out);               /* of a single run */
	void (*several)(const struct comparison *comparison, struct buf *out);     /* ... and of more */
	void (*all)(const struct results *const *runs, size_t n, struct buf *out); /* instead of these two */
	void (*files)(const struct results *const *runs, size_t n, struct documents *out);
};

static const struct format formats[] = {
	{.name = "md", .one = report_markdown, .several = compare_markdown},
	{.name = "html", .one = report_html, .several = compare_html},
	{.name = "json", .one = report_json, .several = compare_json},
	{.name = "junit", .all = report_junit_runs},
	{.name = "scorecard", .several = compare_scorecard},
	{.name = "mm-bot", .files = report_mm_bot},
	{.name = "drill-results", .all = report_drill_results},
};

/* NULL: said why not. */
static const struct format *find_format(const struct report_args *args)
{
	const struct format *f = args->format ? NULL : &formats[0];

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats) && !f; i++) {
		if (strcmp(formats[i].name, args->format) == 0)
			f = &formats[i];
	}
	if (!f)
		usage_error(&command, "--format: `%s` is no format, expected " FORMATS, args->format);
	else if (f->files && !args->output) {
		usage_error(&command, "--format %s writes several files: -o DIR must say where to",
			    args->format);
		f = NULL;
	}
	return f;
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
		int fd = read_open(dirfd, files[i]);

		if (fd >= 0) {
			close(fd);
			continue;
		}
		if (fd == -ENOENT && suite_is_directory(path))
			say(STATUS_USAGE, path, "a suite's directory, expected alone, or the runs in it");
		else if (fd == -ENOENT)
			fprintf(stderr, "shearpin report: %s is not a run directory: it has no %s\n", path,
				files[i]);
		else
			fprintf(stderr, "shearpin report: %s/%s: %s\n", path, files[i], strerror(-fd));
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
	else if (err == -EPROTONOSUPPORT)
		status = say(STATUS_USAGE, path,
			     "the run is from a later version of shearpin, this one can't read it");
	else if (err)
		status = say(STATUS_HOST_FAILED, path, strerror(-err));
out:
	close(dirfd);
	return status;
}

/* The results of all of them, or none: each that can't be read is named. The array is the caller's to free. */
static int compute_all(const struct words *paths, struct results **runs)
{
	int status = STATUS_OK, one;

	for (size_t i = 0; i < paths->count; i++) {
		one = compute(paths->items[i], &runs[i]);
		if (one == STATUS_HOST_FAILED || !status)
			status = one;
	}
	return status;
}

static void make_text(const struct format *f, const struct request *q, struct buf *out)
{
	if (f->all)
		f->all(q->runs, q->n, out);
	else if (q->n == 1 && f->one)
		f->one(q->runs[0], out);
	else
		f->several(q->comparison, out);
}

static int print_text(const struct buf *text)
{
	if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout))
		return say(STATUS_HOST_FAILED, "standard output", strerror(errno));
	return STATUS_OK;
}

static int write_text(const struct format *f, const struct request *q, const char *path)
{
	struct buf text = {0};
	int status = STATUS_OK, err;

	make_text(f, q, &text);
	if (text.failed) {
		status = say(STATUS_HOST_FAILED, "the report", strerror(ENOMEM));
	} else if (!path) {
		status = print_text(&text);
	} else {
		err = output_file(AT_FDCWD, path, &text);
		if (err)
			status = say(err == -ENOSPC || err == -EIO || err == -EDQUOT ? STATUS_HOST_FAILED
										     : STATUS_USAGE,
				     path, strerror(-err));
	}
	buf_free(&text);
	return status;
}

static int write_files(const struct format *f, const struct request *q, const char *path)
{
	struct documents documents = {0};
	int status = STATUS_OK, err;

	f->files(q->runs, q->n, &documents);
	err = documents_ok(&documents) ? output_documents(path, "runs", &documents) : -ENOMEM;
	documents_free(&documents);
	if (err == -ENOTEMPTY)
		status = say(STATUS_USAGE, path,
			     "its folder runs is not empty, and who reads it takes whatever is in it");
	else if (err)
		status = say(err == -ENOSPC || err == -EIO || err == -EDQUOT || err == -ENOMEM
				     ? STATUS_HOST_FAILED
				     : STATUS_USAGE,
			     path, strerror(-err));
	return status;
}

static int make_report(const struct format *f, struct results *const *runs, size_t n, uint64_t objective_ns,
		       const char *title, const char *path)
{
	struct request q = {.runs = (const struct results *const *)runs, .n = n};
	struct comparison *comparison = NULL;
	int status, err;

	err = compare_runs(q.runs, n, objective_ns, &comparison);
	if (err)
		return say(STATUS_HOST_FAILED, "the report", strerror(-err));
	comparison->title = title;
	q.comparison = comparison;
	status = f->files ? write_files(f, &q, path) : write_text(f, &q, path);
	for (size_t i = 0; !status && i < n; i++) {
		if (!runs[i]->n_incomplete)
			continue;
		fprintf(stderr, "shearpin report: %s: the evidence is incomplete: ", runs[i]->run);
		output_plain(stderr, runs[i]->incomplete[0]);
	}
	if (!status)
		status = comparison->exit;
	comparison_free(comparison);
	return status;
}

static int report_runs(const struct format *f, const struct words *paths, uint64_t objective_ns,
		       const char *output)
{
	struct results **runs = calloc(paths->count, sizeof(*runs));
	int status;

	if (!runs)
		return say(STATUS_HOST_FAILED, "the report", strerror(ENOMEM));
	status = compute_all(paths, runs);
	if (!status)
		status = make_report(f, runs, paths->count, objective_ns, NULL, output);
	for (size_t i = 0; i < paths->count; i++)
		results_free(runs[i]);
	free(runs);
	return status;
}

static int report_suite(const struct format *f, const char *path, uint64_t objective_ns, const char *output)
{
	int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status, err;
	struct suite_results s = {0};

	err = dirfd < 0 ? -errno : suite_results_load(dirfd, &s);
	if (dirfd >= 0)
		close(dirfd);
	if (err == -EBADMSG || (!err && !s.suite))
		status = say(STATUS_USAGE, path, "its suite.json is none of this version");
	else if (err == -EPROTONOSUPPORT)
		status = say(STATUS_USAGE, path,
			     "one of its runs is from a later version of shearpin, this one can't read it");
	else if (err)
		status = say(STATUS_HOST_FAILED, path, strerror(-err));
	else
		status = make_report(f, s.runs, s.suite->n, objective_ns, s.suite->name, output);
	suite_results_free(&s);
	return status;
}

static int report(const struct format *f, const struct words *paths, const struct report_args *args,
		  uint64_t objective_ns)
{
	const char *path = paths->items[0];

	if (paths->count > 1 || !suite_is_directory(path))
		return report_runs(f, paths, objective_ns, args->output);
	if (args->format || args->output)
		return report_suite(f, path, objective_ns, args->output);
	return suite_report(&command, path, objective_ns, false);
}

int cmd_report(int argc, char **argv)
{
	struct report_args args = {0};
	const struct format *format;
	uint64_t objective_ns = 0;
	struct words words = {0};
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	format = find_format(&args);
	if (!format)
		status = STATUS_USAGE;
	else if (parse_duration(args.rto, &objective_ns) || !objective_ns)
		status = usage_error(&command, "--rto %s: expected a duration, as in 30s", args.rto);
	else
		status = report(format, &words, &args, objective_ns);
	options_free(&command, &args);
	return status;
}
