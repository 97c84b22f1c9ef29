/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/suite_report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/output.h"
#include "report/compare.h"
#include "report/course.h"
#include "report/drill_results.h"
#include "report/mm_bot.h"
#include "report/report.h"

#define MM_BOT "mm-bot"

static int write_text(int dirfd, const char *name, struct buf *text)
{
	int err = text->failed ? -ENOMEM : output_file(dirfd, name, text);

	buf_free(text);
	return err;
}

static int write_several(int dirfd, const struct comparison *c)
{
	static const struct {
		const char *name;
		void (*make)(const struct comparison *comparison, struct buf *out);
	} documents[] = {
		{"results.json", compare_json},
		{"report.md", compare_markdown},
		{"report.html", compare_html},
		{"scorecard.txt", compare_scorecard},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(documents) / sizeof(*documents); i++) {
		struct buf text = {0};

		documents[i].make(c, &text);
		err = write_text(dirfd, documents[i].name, &text);
	}
	return err;
}

static int write_all_of(int dirfd, const struct results *const *runs, size_t n)
{
	static const struct {
		const char *name;
		void (*make)(const struct results *const *runs, size_t n, struct buf *out);
	} documents[] = {
		{"junit.xml", report_junit_runs},
		{"drill_results.json", report_drill_results},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(documents) / sizeof(*documents); i++) {
		struct buf text = {0};

		documents[i].make(runs, n, &text);
		err = write_text(dirfd, documents[i].name, &text);
	}
	return err;
}

/* Of an earlier report: whoever reads the folder takes every file in it. */
static void clear_numbered(int dirfd)
{
	int fd = openat(dirfd, MM_BOT "/runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!list && fd >= 0)
		close(fd);
	while (list && (entry = readdir(list))) {
		size_t digits = strspn(entry->d_name, "0123456789");

		if (digits && strcmp(entry->d_name + digits, ".json") == 0)
			unlinkat(fd, entry->d_name, 0);
	}
	if (list)
		closedir(list);
}

static int write_mm_bot(int dirfd, const char *directory, const struct results *const *runs, size_t n)
{
	struct documents documents = {0};
	char *path;
	int err;

	if (asprintf(&path, "%s/" MM_BOT, directory) < 0)
		return -ENOMEM;
	clear_numbered(dirfd);
	report_mm_bot(runs, n, &documents);
	err = documents_ok(&documents) ? output_documents(path, "runs", &documents) : -ENOMEM;
	documents_free(&documents);
	free(path);
	return err;
}

/* The page of the whole leads to it. A run that was killed has made none. */
static int complete_run(int dirfd, const char *directory, const struct results *r)
{
	static const struct {
		const char *name;
		void (*make)(const struct results *results, struct buf *out);
	} documents[] = {
		{"report.md", report_markdown}, {"junit.xml", report_junit}, {"report.html", report_html}};
	int fd = openat(dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; !err && r->n_events && i < sizeof(documents) / sizeof(*documents); i++) {
		struct buf text = {0};

		if (!faccessat(fd, documents[i].name, F_OK, AT_SYMLINK_NOFOLLOW))
			continue;
		documents[i].make(r, &text);
		err = write_text(fd, documents[i].name, &text);
	}
	close(fd);
	return err;
}

static int complete_runs(int dirfd, const struct suite_results *s)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->suite->n; i++)
		err = complete_run(dirfd, s->suite->entries[i].directory, s->runs[i]);
	return err;
}

static void print_run(FILE *out, const struct results *r, size_t width)
{
	const char *reason = r->reason ?: r->n_incomplete ? "INCOMPLETE evidence" : NULL;
	bool more = r->n_slos || r->n_expects || reason;

	fprintf(out, "  %-11s  %-*s", result_outcome_name(r->outcome), more ? (int)width : 0, r->name);
	if (r->n_slos)
		fprintf(out, "  %" PRIu64 "/%zu SLOs", slos_met(r), r->n_slos);
	if (r->n_expects)
		fprintf(out, "  %" PRIu64 "/%zu expectations", expects_met(r), r->n_expects);
	fputs(reason ? "  " : "", out);
	output_plain(out, reason ? reason : "");
}

static void print_summary(FILE *out, const struct suite_results *s, const struct comparison *c,
			  const char *directory)
{
	size_t passed = 0, width = 0;

	for (size_t i = 0; i < s->suite->n; i++) {
		passed += s->runs[i]->outcome == OUTCOME_PASS;
		if (strlen(s->runs[i]->name) > width)
			width = strlen(s->runs[i]->name);
	}
	fprintf(out, "\n%s: %zu of %zu scenarios passed\n", s->suite->name, passed, s->suite->n);
	for (size_t i = 0; i < s->suite->n; i++)
		print_run(out, s->runs[i], width < 48 ? width : 48);
	if (c->incomplete)
		fprintf(out, "  INCOMPLETE: the evidence of %" PRIu64 " of them\n", c->incomplete);
	fprintf(out, "report: %s/report.md\n", directory);
}

static int print_json(const struct comparison *c)
{
	struct buf text = {0};
	int err;

	compare_json(c, &text);
	err = text.failed || fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) ? -EIO : 0;
	buf_free(&text);
	return err;
}

static int make(int dirfd, const char *directory, struct suite_results *s, uint64_t objective_ns, bool json,
		int *ret_status)
{
	const struct results *const *runs = (const struct results *const *)s->runs;
	struct comparison *c = NULL;
	int err = s->suite ? compare_runs(runs, s->suite->n, objective_ns, &c) : -EBADMSG;

	if (err)
		return err;
	c->title = s->suite->name;
	c->linked = true;
	err = write_several(dirfd, c);
	if (!err)
		err = write_all_of(dirfd, runs, s->suite->n);
	if (!err)
		err = write_mm_bot(dirfd, directory, runs, s->suite->n);
	if (!err)
		err = complete_runs(dirfd, s);
	print_summary(json ? stderr : stdout, s, c, directory);
	if (json && print_json(c) && !err)
		err = -EIO;
	*ret_status = c->exit;
	comparison_free(c);
	return err;
}

int suite_report(const struct command_spec *command, const char *directory, uint64_t objective_ns, bool json)
{
	int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = STATUS_OK, err;
	struct suite_results s = {0};

	err = dirfd < 0 ? -errno : suite_results_load(dirfd, &s);
	if (!err)
		err = make(dirfd, directory, &s, objective_ns, json, &status);
	if (err) {
		fprintf(stderr, "shearpin %s: the report of the suite in %s: %s\n", command->name, directory,
			err == -EBADMSG ? "suite.json is none of this version" : strerror(-err));
		status = err == -EBADMSG ? STATUS_USAGE : STATUS_HOST_FAILED;
	}
	suite_results_free(&s);
	if (dirfd >= 0)
		close(dirfd);
	return status;
}
