/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/suite.h"
#include "slo/verify.h"

struct verify_args {
	bool json;
};

static const struct option_spec options[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct verify_args, json), NULL, NULL, "one JSON document"},
};

static const struct command_spec command = {
	.name = "verify",
	.synopsis = "RUN|SUITE [OPTION...]",
	.about = "Checks the evidence in the run directory RUN: that no line of events.jsonl was\n"
		 "changed, is missing or out of place, that every window's counters add up, and that\n"
		 "the seed draws what the log tells. A line a check; the exit status is 1 if one fails.\n"
		 "Of a suite's directory, each run that has left evidence is checked.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "the directory of a run or a suite",
};

static void print_checks(const struct verification *v)
{
	static const char *const words[] = {"PASS", "WARN", "FAIL"};

	for (size_t i = 0; i < v->n_checks; i++) {
		const struct verify_check *check = &v->checks[i];

		printf("%s %s: ", words[check->result], check->name);
		output_plain(stdout, check->detail);
	}
}

static void put_check(struct json *j, const struct verify_check *check)
{
	json_object(j, NULL);
	json_string(j, "name", check->name);
	json_string(j, "result", verify_result_name(check->result));
	json_string(j, "detail", check->detail);
	if (check->line) {
		json_u64(j, "line", check->line);
		if (check->seq)
			json_u64(j, "seq", check->seq);
		else
			json_null(j, "seq");
		json_u64(j, "byte", check->offset);
	}
	json_end_object(j);
}

static void put_run(struct json *j, const struct verification *v, const char *run)
{
	json_object(j, NULL);
	json_string(j, "run", run);
	json_string(j, "result", v->failed ? "fail" : "pass");
	json_u64(j, "lines", v->lines);
	json_u64(j, "bytes", v->bytes);
	json_string(j, "head", v->head);
	json_array(j, "checks");
	for (size_t i = 0; i < v->n_checks; i++)
		put_check(j, &v->checks[i]);
	json_end_array(j);
	json_end_object(j);
}

static int refuse(int status, const char *run, const char *why)
{
	fprintf(stderr, "shearpin verify: %s: %s\n", run, why);
	return status;
}

static bool has_plan(int dirfd)
{
	struct stat st;

	return !fstatat(dirfd, "plan.json", &st, 0) && S_ISREG(st.st_mode);
}

static int explain(int err, int dirfd, const char *run, const char *reason)
{
	switch (err) {
	case -ENOENT:
		return refuse(STATUS_USAGE, run,
			      has_plan(dirfd) ? "not a run directory: it has no events.jsonl"
					      : "not a run directory: it has no plan.json");
	case -EBADMSG:
		return refuse(STATUS_USAGE, run, "not a run directory: plan.json is no plan of this version");
	case -EPROTONOSUPPORT:
		fprintf(stderr, "shearpin verify: %s is from a later version of shearpin: %s\n", run, reason);
		return STATUS_USAGE;
	case -EACCES:
		return refuse(STATUS_USAGE, run, strerror(EACCES));
	default:
		return refuse(STATUS_HOST_FAILED, run, strerror(-err));
	}
}

/* Of one run; into the document, or without one as lines. 0, 1, or why it can't be told. */
static int check_run(int dirfd, const char *run, struct json *j)
{
	struct verification *v = NULL;
	char reason[160] = "";
	int err = verify_run(dirfd, &v, reason, sizeof(reason)), status;

	if (err)
		return explain(err, dirfd, run, reason);
	if (j)
		put_run(j, v, run);
	else
		print_checks(v);
	status = v->failed ? STATUS_SLO_MISSED : STATUS_OK;
	verification_free(v);
	return status;
}

static int check_entry(int suite_fd, const char *suite, const struct suite_entry *e, struct json *j)
{
	int dirfd = openat(suite_fd, e->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int status = STATUS_OK;
	char *path;

	if (dirfd < 0 && errno == ENOENT && !e->ended_ts_ns)
		return STATUS_OK; /* it was not begun */
	if (asprintf(&path, "%s/%s", suite, e->directory) < 0)
		path = NULL;
	if (!path)
		status = refuse(STATUS_HOST_FAILED, suite, strerror(ENOMEM));
	else if (dirfd >= 0 && !j)
		printf("%s:\n", path);
	if (path && dirfd >= 0)
		status = check_run(dirfd, path, j);
	else if (path && strcmp(e->outcome, "refused") != 0)
		status = refuse(STATUS_SLO_MISSED, path, "its evidence is not there");
	if (dirfd >= 0)
		close(dirfd);
	free(path);
	return status;
}

/* What can't be told is worse than what fails. */
static int worse(int a, int b)
{
	return a > b ? a : b;
}

static int check_suite(int dirfd, const char *path, struct json *j)
{
	struct suite *suite = NULL;
	int err = suite_read(dirfd, &suite), status = STATUS_OK;

	if (err)
		return refuse(err == -EBADMSG ? STATUS_USAGE : STATUS_HOST_FAILED, path,
			      err == -EBADMSG ? "suite.json is none of this version" : strerror(-err));
	if (j) {
		json_object(j, NULL);
		json_string(j, "suite", path);
		json_array(j, "runs");
	}
	for (size_t i = 0; i < suite->n; i++)
		status = worse(status, check_entry(dirfd, path, &suite->entries[i], j));
	if (j) {
		json_end_array(j);
		json_string(j, "result", status ? "fail" : "pass");
		json_end_object(j);
	}
	suite_free(suite);
	return status;
}

static int check(int dirfd, const char *path, bool json)
{
	bool several = suite_is_directory(path);
	struct buf text = {0};
	struct json j;
	int status;

	json_begin(&j, &text);
	status = several ? check_suite(dirfd, path, json ? &j : NULL)
			 : check_run(dirfd, path, json ? &j : NULL);
	if (text.failed)
		status = refuse(STATUS_HOST_FAILED, path, strerror(ENOMEM));
	else if (text.len)
		puts(text.data);
	buf_free(&text);
	return status;
}

int cmd_verify(int argc, char **argv)
{
	struct verify_args args = {0};
	struct words words;
	int status, dirfd;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	dirfd = open(words.items[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0) {
		status = refuse(STATUS_USAGE, words.items[0], strerror(errno));
	} else {
		status = check(dirfd, words.items[0], args.json);
		close(dirfd);
	}
	options_free(&command, &args);
	return status;
}
