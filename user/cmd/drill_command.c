/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/drill_command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "cmd/metrics.h"
#include "cmd/output.h"
#include "cmd/progress.h"
#include "report/course.h"
#include "report/report.h"
#include "scenario/text.h"
#include "slo/slo.h"

#define MANY_EXPECTS 30 /* on a terminal; report.md has all */

bool settings_parse(const struct command_spec *command, const char *option, const struct words *words,
		    struct setting **ret_settings)
{
	struct setting *settings = calloc(words->count + 1, sizeof(*settings));

	*ret_settings = settings;
	for (size_t i = 0; settings && i < words->count; i++) {
		char *key;

		if (!split_setting(words->items[i], &key, &settings[i].value)) {
			usage_error(command, "--%s %s: expected NAME=VALUE", option, words->items[i]);
			return false;
		}
		settings[i].key = key;
	}
	return settings;
}

void settings_free(struct setting *settings, size_t n)
{
	for (size_t i = 0; settings && i < n; i++)
		free((char *)settings[i].key);
	free(settings);
}

bool scenario_options_parse(const struct command_spec *command, const struct drill_args *args,
			    const struct words *set, struct scenario_options *ret)
{
	struct setting *vars = NULL, *meta = NULL;
	bool parsed = settings_parse(command, "set", set, &vars) &&
		      settings_parse(command, "meta", &args->meta, &meta);

	*ret = (struct scenario_options){.vars = vars,
					 .n_vars = set->count,
					 .meta = meta,
					 .n_meta = args->meta.count,
					 .interface = args->interface,
					 .evidence = args->evidence,
					 .capture = args->capture};
	return parsed;
}

void scenario_options_free(struct scenario_options *options)
{
	settings_free((struct setting *)options->vars, options->n_vars);
	settings_free((struct setting *)options->meta, options->n_meta);
}

bool print_combination(FILE *out, const char *path, const char *text, size_t len,
		       const struct scenario_options *options)
{
	struct scenario_variant *variants = NULL;
	struct scenario_errors errors = {0};
	char *again = NULL;
	bool several;
	size_t n = 0;

	if (!text && !text_read(path, SCENARIO_MAX_BYTES, &again, &len))
		text = again;
	several = text && !scenario_variants(path, text, len, options, &variants, &n, &errors) &&
		  *variants[0].suffix;
	if (several) {
		fprintf(out, "The first of %zu combinations: ", n);
		output_text(out, variants[0].suffix, strlen(variants[0].suffix));
		fputc('\n', out);
	}
	scenario_variants_free(variants, n);
	free(errors.text);
	free(again);
	return several;
}

/* The place of a word in a list, or -1 after a usage error. */
static int parse_word(const struct command_spec *command, const char *option, const char *text,
		      const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(text, list[i]))
			return i;
	usage_error(command, "--%s %s: expected %s, %s or %s", option, text, list[0], list[1], list[2]);
	return -1;
}

bool parse_hook(const struct command_spec *command, const char *text, enum hook_mode *ret_mode)
{
	static const char *const names[] = {[HOOK_AUTO] = "auto", [HOOK_XDP] = "xdp", [HOOK_TC] = "tc"};
	int i = parse_word(command, "hook", text, names, 3);

	*ret_mode = i;
	return i >= 0;
}

bool parse_attach(const struct command_spec *command, const char *text, enum attach_mode *ret_mode)
{
	static const char *const names[] = {
		[ATTACH_AUTO] = "auto", [ATTACH_TCX] = "tcx", [ATTACH_CLSACT] = "clsact"};
	int i = parse_word(command, "attach", text, names, 3);

	*ret_mode = i;
	return i >= 0;
}

bool parse_line(const struct command_spec *command, const char *text, enum line_choice *ret_choice)
{
	static const char *const names[] = {
		[LINE_CHOICE_AUTO] = "auto", [LINE_CHOICE_USER] = "user", [LINE_CHOICE_FQ] = "fq"};
	int i = parse_word(command, "delay-backend", text, names, 3);

	*ret_choice = i;
	return i >= 0;
}

static int write_document(int dirfd, const char *name, const struct results *results,
			  void (*make)(const struct results *results, struct buf *out))
{
	struct buf text = {0};
	int err;

	make(results, &text);
	err = text.failed ? -ENOMEM : output_file(dirfd, name, &text);
	buf_free(&text);
	return err;
}

static int judge(const char *directory, struct results **ret_results)
{
	static const struct {
		const char *name;
		void (*make)(const struct results *results, struct buf *out);
	} documents[] = {
		{"report.md", report_markdown},
		{"report.html", report_html},
		{"junit.xml", report_junit},
	};
	int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (dirfd < 0)
		return -errno;
	err = slo_compute(dirfd, directory, ret_results);
	if (!err)
		err = output_made(dirfd, "results.json", report_json, *ret_results);
	for (size_t i = 0; !err && i < sizeof(documents) / sizeof(*documents); i++)
		err = write_document(dirfd, documents[i].name, *ret_results, documents[i].make);
	close(dirfd);
	return err;
}

static void print_slo(FILE *out, const struct result_slo *slo)
{
	fprintf(out, "  %s  %-14s %10s  (expected %s, %" PRIu64 " samples", slo->pass ? "PASS" : "FAIL",
		slo->key, slo->value_words, slo->limit_words, slo->samples);
	if (slo->missing)
		fprintf(out, ", %" PRIu64 " without a value", slo->missing);
	if (!slo->pass && slo->worst)
		fprintf(out, "; %s", slo->worst);
	fputs(")\n", out);
}

static void print_expect(FILE *out, const struct result_expect *e)
{
	struct buf seen = {0};

	expect_seen(e, &seen);
	fprintf(out, "  %s  %s #%u: ", e->pass ? "PASS" : "FAIL", e->step, e->instance);
	output_plain(out, seen.data ?: "");
	buf_free(&seen);
}

/* Those that are met are counted, if they are many. */
static void print_expects(FILE *out, const struct results *r)
{
	bool all = r->n_expects <= MANY_EXPECTS;

	for (size_t i = 0; i < r->n_expects; i++) {
		if (all || !r->expects[i].pass)
			print_expect(out, &r->expects[i]);
	}
	if (r->n_expects)
		fprintf(out, "  %" PRIu64 " of %zu expectations met\n", expects_met(r), r->n_expects);
}

static const char *outcome_words(const struct results *r)
{
	static const char *const words[] = {
		[OUTCOME_PASS] = "passed",
		[OUTCOME_SLO_MISSED] = "SLO missed",
		[OUTCOME_ABORTED] = "aborted",
		[OUTCOME_INTERRUPTED] = "interrupted",
		[OUTCOME_HOST_FAILED] = "host failed",
		[OUTCOME_REFUSED] = "refused",
		[OUTCOME_NOT_RUN] = "not run",
	};

	if (r->outcome == OUTCOME_SLO_MISSED && slos_met(r) == r->n_slos)
		return "expectation failed";
	return words[r->outcome];
}

static void print_summary(FILE *out, const struct results *results, const char *directory)
{
	fprintf(out, "%s: %s%s%s\n", results->name, outcome_words(results), results->reason ? ": " : "",
		results->reason ?: "");
	for (size_t i = 0; i < results->n_slos; i++)
		print_slo(out, &results->slos[i]);
	print_expects(out, results);
	fprintf(out, "  every rule's counters %s; %" PRIu64 " events lost\n",
		results->balanced ? "add up" : "DO NOT ADD UP", results->lost);
	for (size_t i = 0; i < results->n_incomplete; i++)
		fprintf(out, "  INCOMPLETE: %s\n", results->incomplete[i]);
	fprintf(out, "report: %s/report.md\n", directory);
}

static int print_json(const struct command_spec *command, const struct results *results)
{
	struct buf text = {0};
	int err;

	report_json(results, &text);
	err = text.failed ? -ENOMEM : 0;
	if (!err && (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout)))
		err = -errno;
	if (err)
		fprintf(stderr, "shearpin %s: standard output: %s\n", command->name, strerror(-err));
	buf_free(&text);
	return err;
}

static int status_of(enum drill_outcome outcome)
{
	switch (outcome) {
	case DRILL_DONE:
		return STATUS_OK;
	case DRILL_REFUSED:
		return STATUS_REFUSED;
	case DRILL_ABORTED:
		return STATUS_ABORTED;
	case DRILL_INTERRUPTED:
		return STATUS_INTERRUPTED;
	case DRILL_HOST_FAILED:
		break;
	}
	return STATUS_HOST_FAILED;
}

/* Judge, write the documents, say how it went. */
static int conclude(const struct command_spec *command, const struct drill_args *args,
		    const struct drill_result *result)
{
	struct results *results = NULL;
	int status = status_of(result->outcome), err;

	if (!result->directory) {
		fputs(result->mistakes ?: "", stderr);
		fprintf(stderr, "shearpin %s: %s%s\n", command->name,
			result->outcome == DRILL_REFUSED ? "refused, nothing was touched: " : "",
			result->reason);
		metrics_judged(args->metrics, NULL);
		return status;
	}
	if (result->outcome == DRILL_HOST_FAILED)
		fprintf(stderr, "shearpin %s: %s\n", command->name, result->reason);
	err = judge(result->directory, &results);
	if (err)
		fprintf(stderr, "shearpin %s: can't make the report in %s: %s; every fault has ended\n",
			command->name, result->directory, strerror(-err));
	if (!err && args->json && !args->within)
		err = print_json(command, results);
	if (err)
		status = STATUS_HOST_FAILED;
	if (results) {
		print_summary(args->json ? stderr : stdout, results, result->directory);
		metrics_judged(args->metrics, results);
		if (status == STATUS_OK)
			status = results->exit;
	}
	results_free(results);
	return status;
}

/* Who follows a run. */
struct followers {
	struct progress progress;
	struct metrics *metrics;
};

static void on_event(void *arg, const struct log_event *event, uint64_t ts_ns)
{
	struct followers *f = arg;

	metrics_event(f->metrics, event);
	progress_event(&f->progress, event, ts_ns);
}

static void on_tick(void *arg, const struct drill_progress *state)
{
	struct followers *f = arg;

	metrics_tick(f->metrics, state);
	progress_tick(&f->progress, state);
}

static void carry_out(const struct command_spec *command, const struct drill_args *args, struct plan *plan,
		      struct drill_options *options, struct drill_end *ret)
{
	struct followers followers = {.metrics = args->metrics};
	struct drill_options followed = *options;
	struct drill_result result;

	followed.on_event = on_event;
	followed.on_tick = on_tick;
	followed.arg = &followers;
	progress_open(&followers.progress, args->json ? stderr : stdout, plan->name);
	metrics_run(args->metrics, plan);
	drill_run(plan, &followed, &result);
	progress_close(&followers.progress);
	ret->status = conclude(command, args, &result);
	ret->directory = result.directory;
	snprintf(ret->reason, sizeof(ret->reason), "%s",
		 result.reason[0] || !result.mistakes ? result.reason : "a policy has mistakes");
	free(result.mistakes);
}

static bool parse_modes(const struct command_spec *command, const struct drill_args *args,
			enum hook_mode *ret_hook, enum attach_mode *ret_attach, enum line_choice *ret_line)
{
	return parse_hook(command, args->hook, ret_hook) && parse_attach(command, args->attach, ret_attach) &&
	       parse_line(command, args->line, ret_line);
}

int drill_check(const struct command_spec *command, const struct drill_args *args)
{
	enum hook_mode hook;
	enum attach_mode attach;
	enum line_choice line;
	uint64_t netns;

	if (!parse_modes(command, args, &hook, &attach, &line))
		return STATUS_USAGE;
	return place_find(command, &args->place, &netns);
}

void drill_one(const struct command_spec *command, const struct drill_args *args, struct plan *plan,
	       const char *text, size_t len, int argc, char **argv, struct drill_end *ret)
{
	struct drill_options options = {
		.out = args->out,
		.scenario_text = text,
		.scenario_len = len,
		.command = argv,
		.n_command = argc,
		.protect = args->protect.items,
		.n_protect = args->protect.count,
		.policies = args->policy.items,
		.n_policies = args->policy.count,
		.realtime = args->realtime,
		.allow_exec = args->allow_exec,
	};
	enum hook_mode hook;
	struct place place;

	*ret = (struct drill_end){.status = STATUS_USAGE};
	if (!parse_modes(command, args, &hook, &options.attach, &options.line))
		return;
	place = place_choose(&args->place, plan);
	ret->status = place_enter(command, &place);
	if (ret->status) {
		snprintf(ret->reason, sizeof(ret->reason), "the network namespace can't be entered");
		return;
	}
	plan_choose_hooks(plan, hook);
	carry_out(command, args, plan, &options, ret);
}

int drill_command(const struct command_spec *command, const struct drill_args *args, struct plan *plan,
		  const char *text, size_t len, int argc, char **argv)
{
	struct drill_end end;

	drill_one(command, args, plan, text, len, argc, argv, &end);
	free(end.directory);
	plan_free(plan);
	return end.status;
}
