/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "slo/verify.h"

struct verify_args {
	bool json;
};

static const struct option_spec options[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct verify_args, json), NULL, NULL, "one JSON document"},
};

static const struct command_spec command = {
	.name = "verify",
	.synopsis = "RUN [OPTION...]",
	.about = "Checks the evidence in the run directory RUN: that no line of events.jsonl was\n"
		 "changed, is missing or out of place, that every window's counters add up, and that\n"
		 "the seed draws what the log tells. A line a check; the exit status is 1 if one fails.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 1,
	.words = "a run directory",
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

static int print_json(const struct verification *v, const char *run)
{
	struct buf text = {0};
	struct json j;
	int status = STATUS_OK;

	json_begin(&j, &text);
	json_object(&j, NULL);
	json_string(&j, "run", run);
	json_string(&j, "result", v->failed ? "fail" : "pass");
	json_u64(&j, "lines", v->lines);
	json_u64(&j, "bytes", v->bytes);
	json_string(&j, "head", v->head);
	json_array(&j, "checks");
	for (size_t i = 0; i < v->n_checks; i++)
		put_check(&j, &v->checks[i]);
	json_end_array(&j);
	json_end_object(&j);
	if (text.failed) {
		fputs("shearpin verify: out of memory\n", stderr);
		status = STATUS_HOST_FAILED;
	} else {
		puts(text.data);
	}
	buf_free(&text);
	return status;
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

int cmd_verify(int argc, char **argv)
{
	struct verify_args args = {0};
	struct verification *v = NULL;
	struct words words;
	char reason[160] = "";
	const char *run;
	int status, dirfd, err;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	run = words.items[0];
	dirfd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0) {
		status = refuse(STATUS_USAGE, run, strerror(errno));
		goto out;
	}
	err = verify_run(dirfd, &v, reason, sizeof(reason));
	if (err) {
		status = explain(err, dirfd, run, reason);
		goto out;
	}
	status = STATUS_OK;
	if (args.json)
		status = print_json(v, run);
	else
		print_checks(v);
	if (status == STATUS_OK && v->failed)
		status = 1;
out:
	verification_free(v);
	if (dirfd >= 0)
		close(dirfd);
	options_free(&command, &args);
	return status;
}
