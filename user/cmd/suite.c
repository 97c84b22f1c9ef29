/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/timeutil.h"
#include "base/units.h"
#include "cmd/suite_files.h"
#include "report/compare.h"

#define NAME_MAX_CHARS 60
#define OBJECTIVE_NS (30 * NS_PER_S)

struct running {
	const struct command_spec *command;
	const struct drill_args *args;
	struct suite_files files;
	struct suite *suite;
	char *directory;
	int dirfd, netns_fd;
	uint64_t gap_ns;
	sigset_t ending;
	int status;
	bool astray; /* not in the network namespace in which it began */
	int argc;
	char **argv;
};

static int refuse(const struct running *run, int status, const char *what, const char *why)
{
	fprintf(stderr, "shearpin %s: %s: %s\n", run->command->name, what, why);
	return status;
}

/* A folder's name without what a shell or a link would read otherwise: "03-loss-loss=5-hold=3s". */
static char *entry_directory(size_t number, size_t n, const char *name)
{
	static const char kept[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=.";
	char text[NAME_MAX_CHARS + 1], *path;
	size_t len = 0;

	for (; *name && len < NAME_MAX_CHARS; name++) {
		if (strchr(kept, *name))
			text[len++] = *name;
		else if (len && text[len - 1] != '-')
			text[len++] = '-';
	}
	while (len && text[len - 1] == '-')
		len--;
	text[len] = '\0';
	return asprintf(&path, "%0*zu-%s", n > 99 ? 3 : 2, number, text) < 0 ? NULL : path;
}

static bool fill_entry(const struct running *run, size_t i, struct suite_entry *e)
{
	const struct suite_plan *p = &run->files.plans[i];

	e->file = strdup(p->file->path);
	e->name = strdup(p->plan->name);
	e->directory = entry_directory(i + 1, run->files.n_plans, p->plan->name);
	e->outcome = strdup("not-run");
	return e->file && e->name && e->directory && e->outcome;
}

/* "scenarios/ctp-simnow/" and "." have their names, too; a file has its own, without ".yaml". */
static char *source_name(const char *path, bool folder)
{
	char *real = realpath(path, NULL), *slash = real ? strrchr(real, '/') : NULL;
	char *name = slash && slash[1] ? strdup(slash + 1) : strdup("scenarios"), *dot;

	dot = name && !folder ? strrchr(name, '.') : NULL;
	if (dot && dot != name)
		*dot = '\0';
	free(real);
	return name;
}

static struct suite *new_suite(const struct running *run, const char *path, bool keep_going)
{
	struct suite *suite = calloc(1, sizeof(*suite));
	bool whole;

	if (!suite)
		return NULL;
	suite->keep_going = keep_going;
	suite->source = strdup(path);
	suite->name = source_name(path, run->files.folder);
	suite->entries = calloc(run->files.n_plans, sizeof(*suite->entries));
	whole = suite->source && suite->name && suite->entries;
	for (; whole && suite->n < run->files.n_plans; suite->n++)
		whole = fill_entry(run, suite->n, &suite->entries[suite->n]);
	if (whole)
		return suite;
	suite_free(suite);
	return NULL;
}

static int make_parents(const char *path)
{
	char *partial = strdup(path);
	int err = partial ? 0 : -ENOMEM;

	for (char *slash = partial ? strchr(partial + 1, '/') : NULL; !err && slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(partial, 0755) && errno != EEXIST)
			err = -errno;
		*slash = '/';
	}
	free(partial);
	return err;
}

/* The second of a moment has a number. NULL: no memory. */
static char *numbered(const char *when, const char *name, int i)
{
	char *path;
	int len = i == 1 ? asprintf(&path, "runs/%s-%s", when, name)
			 : asprintf(&path, "runs/%s-%s-%d", when, name, i);

	return len < 0 ? NULL : path;
}

/* As a run's own: two suites within a second don't share one. */
static int make_default(struct running *run)
{
	char when[32];

	format_utc_compact(clock_real_ns(), when, sizeof(when));
	if (mkdir("runs", 0755) && errno != EEXIST)
		return -errno;
	for (int i = 1; i < 100; i++) {
		free(run->directory);
		run->directory = numbered(when, run->suite->name, i);
		if (!run->directory)
			return -ENOMEM;
		if (!mkdir(run->directory, 0755))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int make_directory(struct running *run)
{
	const char *out = run->args->out;
	int err;

	if (!out) {
		err = make_default(run);
		if (err)
			return refuse(run, STATUS_REFUSED, "can't make a directory under runs",
				      strerror(-err));
	} else {
		run->directory = directory_name(out);
		err = run->directory ? make_parents(run->directory) : -ENOMEM;
		if (!err && mkdir(run->directory, 0755))
			err = -errno;
		if (err == -EEXIST)
			return refuse(run, STATUS_REFUSED, out,
				      "is there already; --out wants a new directory");
		if (err)
			return refuse(run, STATUS_REFUSED, out, strerror(-err));
	}
	run->dirfd = open(run->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run->dirfd < 0)
		return refuse(run, STATUS_HOST_FAILED, "the suite's directory", strerror(errno));
	return STATUS_OK;
}

static void write_down(struct running *run)
{
	int err = suite_write(run->dirfd, run->suite);

	if (!err)
		return;
	run->status = STATUS_HOST_FAILED;
	refuse(run, 0, "suite.json", strerror(-err));
}

static void set(char **text, const char *value)
{
	free(*text);
	*text = value && *value ? strdup(value) : NULL;
}

static const char *outcome_of(int status, bool has_directory)
{
	switch (status) {
	case STATUS_OK:
		return "pass";
	case STATUS_SLO_MISSED:
		return "slo-missed";
	case STATUS_ABORTED:
		return "aborted";
	case STATUS_INTERRUPTED:
		return "interrupted";
	case STATUS_HOST_FAILED:
		return "host-failed";
	default:
		return has_directory ? "host-failed" : "refused";
	}
}

static void head_line(const struct running *run, size_t i)
{
	FILE *out = run->args->json ? stderr : stdout;

	fprintf(out, "%s[%zu/%zu] %s (%s)\n", i ? "\n" : "", i + 1, run->suite->n,
		run->suite->entries[i].name, run->suite->entries[i].file);
	fflush(out);
}

/* Where the suite was begun: the next scenario may say another place, or none. */
static int come_back(const struct running *run)
{
	return setns(run->netns_fd, CLONE_NEWNET) ? -errno : 0;
}

static void run_entry(struct running *run, size_t i)
{
	const struct suite_plan *p = &run->files.plans[i];
	struct suite_entry *e = &run->suite->entries[i];
	struct drill_args args = *run->args;
	struct drill_end end = {.status = STATUS_HOST_FAILED};
	char *out;
	int err;

	if (asprintf(&out, "%s/%s", run->directory, e->directory) < 0) {
		run->status = STATUS_HOST_FAILED;
		return;
	}
	args.out = out;
	args.within = true;
	set(&e->outcome, "running");
	e->started_ts_ns = clock_real_ns();
	write_down(run);
	head_line(run, i);
	drill_one(run->command, &args, p->plan, p->file->text, p->file->len, run->argc, run->argv, &end);
	e->ended_ts_ns = clock_real_ns();
	/* What was begun is a matter of this suite, not of its command line. */
	e->status = end.status == STATUS_USAGE ? STATUS_REFUSED : end.status;
	set(&e->outcome, outcome_of(e->status, end.directory));
	set(&e->reason, end.reason);
	run->status = worst_exit(run->status, e->status);
	write_down(run);
	err = come_back(run);
	if (err) {
		run->status =
			refuse(run, STATUS_HOST_FAILED, "the network namespace of before", strerror(-err));
		run->astray = true;
	}
	free(end.directory);
	free(out);
}

/* True: a signal that ends the suite has come. */
static bool is_ended(const struct running *run, uint64_t wait_ns)
{
	uint64_t now = clock_mono_ns(), until = now + wait_ns;
	struct timespec timeout;
	int number;

	do {
		wait_ns = until > now ? until - now : 0;
		timeout = (struct timespec){wait_ns / NS_PER_S, wait_ns % NS_PER_S};
		number = sigtimedwait(&run->ending, NULL, &timeout);
		now = clock_mono_ns();
	} while (number < 0 && errno == EINTR);
	return number > 0;
}

static bool goes_on(struct running *run, size_t next)
{
	int last = run->suite->entries[next - 1].status;
	bool more = next < run->suite->n && (!last || run->suite->keep_going) && !run->astray;

	if (last == STATUS_INTERRUPTED)
		return false;
	if (!is_ended(run, more ? run->gap_ns : 0))
		return more;
	run->status = worst_exit(run->status, STATUS_INTERRUPTED);
	return false;
}

static int run_all(struct running *run)
{
	sigset_t before;
	size_t i = 0;
	int made;

	/* Between two runs a signal ends the suite, and the report is written all the same. */
	sigemptyset(&run->ending);
	sigaddset(&run->ending, SIGINT);
	sigaddset(&run->ending, SIGTERM);
	sigaddset(&run->ending, SIGHUP);
	sigprocmask(SIG_BLOCK, &run->ending, &before);
	do {
		run_entry(run, i++);
	} while (goes_on(run, i));
	made = suite_report(run->command, run->directory, OBJECTIVE_NS, run->args->json);
	(void)is_ended(run, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return worst_exit(run->status, made);
}

static int run_suite(struct running *run, const char *path, bool keep_going)
{
	int status = drill_check(run->command, run->args);

	if (status)
		return status;
	run->suite = new_suite(run, path, keep_going);
	if (!run->suite)
		return refuse(run, STATUS_HOST_FAILED, path, strerror(ENOMEM));
	run->netns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (run->netns_fd < 0)
		return refuse(run, STATUS_HOST_FAILED, "/proc/thread-self/ns/net", strerror(errno));
	status = make_directory(run);
	return status ? status : run_all(run);
}

static int run_single(struct running *run)
{
	struct suite_plan *p = &run->files.plans[0];
	struct plan *plan = p->plan;

	p->plan = NULL; /* drill_command() takes it over */
	return drill_command(run->command, run->args, plan, p->file->text, p->file->len, run->argc,
			     run->argv);
}

static int run_path(struct running *run, const char *path, const struct scenario_options *scenario,
		    const struct suite_options *options)
{
	int status = suite_files_open(run->command, path, scenario, &options->only, &run->files);

	if (!status)
		status = run->files.folder || run->files.plans[0].varied
				 ? run_suite(run, path, options->keep_going)
				 : run_single(run);
	suite_files_close(&run->files);
	suite_free(run->suite);
	free(run->directory);
	if (run->dirfd >= 0)
		close(run->dirfd);
	if (run->netns_fd >= 0)
		close(run->netns_fd);
	return status;
}

int suite_run(const struct command_spec *command, const struct drill_args *args, const struct words *set,
	      const struct suite_options *options, const char *path, int argc, char **argv)
{
	struct running run = {.command = command, .args = args, .dirfd = -1, .netns_fd = -1};
	struct scenario_options scenario;
	int status = STATUS_USAGE;

	run.argc = argc;
	run.argv = argv;
	if (parse_duration(options->gap, &run.gap_ns))
		return usage_error(command, "--gap %s: expected a duration, as in 5s", options->gap);
	if (scenario_options_parse(command, args, set, &scenario))
		status = run_path(&run, path, &scenario, options);
	scenario_options_free(&scenario);
	return status;
}
