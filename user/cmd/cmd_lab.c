/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shearpin lab: build the lab, run one of its scenarios in it, say what its client saw. A pack with a lab of its own,
 * scenarios/PACK/lab/run, is handed over to that program.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "lab/lab.h"

#define DEFAULT_PACK "disconnect"
#define SCENARIOS "scenarios"
#define PACK_FOLDER SCENARIOS "/lab"
#define PACK_SUFFIX ".yaml"
#define OWN_LAB "lab/run"
/* After the run, for the client to be back: its longest wait, and an attempt that times out. */
#define CLIENT_BACK_NS (2 * CLIENT_BACKOFF_MAX_NS + CLIENT_TIMEOUT_NS)

struct lab_args {
	const char *out;
	bool keep, json;
};

static const struct option_spec options[] = {
	{"out", 'o', OPTION_STRING, offsetof(struct lab_args, out), "DIR", NULL,
	 "the run directory, made by the run (default: runs/<UTC time>-lab-PACK)"},
	{"keep", 0, OPTION_FLAG, offsetof(struct lab_args, keep), NULL, NULL,
	 "leave the lab running after the drill, until Ctrl-C"},
	{"json", 0, OPTION_FLAG, offsetof(struct lab_args, json), NULL, NULL,
	 "one JSON document on standard output, as of `run`; everything else on standard error"},
};

static const struct command_spec command = {
	.name = "lab",
	.synopsis = "[PACK] [OPTION...]",
	.about = "A drill in a built-in lab: a redis server and a client that reconnects, in two network\n"
		 "namespaces of their own. Nothing outside of them is touched, and nothing of them is left.\n"
		 "PACK is a scenario of the lab; without one it is `" DEFAULT_PACK
		 "`. A pack with a lab of its own\n"
		 "(real services and stand-ins of a system under test) has options of its own: `lab PACK "
		 "--help`.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.max_words = 1,
	.words = "the name of a pack",
};

static const char *const stage_text[] = {
	[LAB_FIND_SERVER] = "find a redis-server or valkey-server (`tools/setup drill` installs one)",
	[LAB_NAMESPACES] = "make two network namespaces with a process in each",
	[LAB_NETWORK] = "join the namespaces by a veth pair",
	[LAB_SERVER] = "start the redis server",
	[LAB_CLIENT] = "start the client",
};

/* The directory of this program, with a slash at its end. */
static int program_folder(char ret_path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	ret_path[n] = '\0';
	strrchr(ret_path, '/')[1] = '\0';
	return 0;
}

/* Where a folder of ours is: in the source tree, beside an installed program, or where it was to be installed. */
static int find_folder(const char *name, char ret_path[PATH_MAX])
{
	static const char *const places[] = {"../", "../share/shearpin/"};
	char base[PATH_MAX], path[PATH_MAX];
	int r = program_folder(base);

	for (size_t i = 0; !r && i < sizeof(places) / sizeof(*places); i++)
		if (snprintf(path, sizeof(path), "%s%s%s", base, places[i], name) < (int)sizeof(path) &&
		    realpath(path, ret_path))
			return 0;
	snprintf(ret_path, PATH_MAX, "%s/%s", SHEARPIN_DATADIR, name);
	return access(ret_path, R_OK | X_OK) ? -errno : 0;
}

/* The program that is a pack's own lab, if it has one. */
static bool own_lab(const char *pack, char ret_path[PATH_MAX])
{
	char folder[PATH_MAX];

	return !strchr(pack, '/') && *pack != '.' && !find_folder(SCENARIOS, folder) &&
	       snprintf(ret_path, PATH_MAX, "%s/%s/" OWN_LAB, folder, pack) < PATH_MAX &&
	       !access(ret_path, X_OK);
}

static int is_pack(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = strlen(PACK_SUFFIX);

	return len > suffix && !strcmp(entry->d_name + len - suffix, PACK_SUFFIX);
}

static int has_own_lab(const struct dirent *entry)
{
	char path[PATH_MAX];

	return own_lab(entry->d_name, path);
}

/* Say the names that are there. The one that is nearest to what was asked for goes into `best`, which suggest->best points to. */
static void list_packs(const char *folder, int (*filter)(const struct dirent *), size_t suffix, int *listed,
		       struct suggest *suggest, char best[NAME_MAX + 1])
{
	struct dirent **entries;
	int n = scandir(folder, &entries, filter, alphasort);

	for (int i = 0; i < n; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - suffix] = '\0';
		suggest_try(suggest, entries[i]->d_name);
		if (suggest->best == entries[i]->d_name) {
			snprintf(best, NAME_MAX + 1, "%s", entries[i]->d_name);
			suggest->best = best;
		}
		fprintf(stderr, "%s `%s`", (*listed)++ ? "," : "", entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static int unknown_pack(const char *pack, const char *folder)
{
	struct suggest suggest = {.word = pack};
	char scenarios[PATH_MAX], best[NAME_MAX + 1];
	int listed = 0;

	fprintf(stderr, "shearpin lab: there is no pack `%s`; there is", pack);
	list_packs(folder, is_pack, strlen(PACK_SUFFIX), &listed, &suggest, best);
	if (!find_folder(SCENARIOS, scenarios))
		list_packs(scenarios, has_own_lab, 0, &listed, &suggest, best);
	if (suggest.best)
		fprintf(stderr, "; did you mean `%s`?", suggest.best);
	fputc('\n', stderr);
	return STATUS_USAGE;
}

static int find_pack(const char *pack, char ret_path[PATH_MAX])
{
	char folder[PATH_MAX];
	int r = find_folder(PACK_FOLDER, folder), n;

	if (r) {
		fprintf(stderr, "shearpin lab: can't find the lab's scenarios (%s): %s\n", folder,
			strerror(-r));
		return STATUS_USAGE;
	}
	n = snprintf(ret_path, PATH_MAX, "%s/%s" PACK_SUFFIX, folder, pack);
	if (strchr(pack, '/') || n >= PATH_MAX || access(ret_path, R_OK))
		return unknown_pack(pack, folder);
	return STATUS_OK;
}

static const char *error_text(int error)
{
	switch (error) {
	case CLIENT_CLOSED:
		return "closed by the server";
	case CLIENT_WRONG:
		return "an answer that makes no sense";
	default:
		return strerror(error);
	}
}

/* "12:00:01.234", UTC */
static const char *time_of_day(uint64_t real_ns, char text[32])
{
	format_utc(real_ns, text, 32);
	text[strcspn(text, "Z")] = '\0';
	return strchr(text, 'T') + 1;
}

/* In the client's process: one line among those of the run, in one write. A terminal shows the run's display instead. */
static void print_event(const struct client_event *event, void *arg)
{
	const struct progress *progress = arg;
	int fd = fileno(progress->out);
	char text[32];
	const char *at = time_of_day(event->at.real_ns, text);

	if (progress->terminal)
		return;
	if (event->attempt)
		dprintf(fd, "%s  %-12s  connected (attempt %u)\n", at, "client", event->attempt);
	else
		dprintf(fd, "%s  %-12s  lost: %s\n", at, "client", error_text(event->error));
}

static int start_failed(int error, struct lab_failure *failure)
{
	fprintf(stderr, "shearpin lab: can't %s: %s\n", stage_text[failure->stage],
		error == -ETIMEDOUT ? "it isn't ready in time"
		: error == -ECHILD  ? "it ended"
				    : strerror(-error));
	if (failure->output)
		fprintf(stderr, "%s%s", failure->output, failure->stage == LAB_SERVER ? "" : "\n");
	free(failure->output);
	return failure->stage == LAB_FIND_SERVER ? STATUS_REFUSED : STATUS_HOST_FAILED;
}

static void print_lab(FILE *out, const struct lab *lab)
{
	fprintf(out, "Lab: client %s --%s-- server %s:%d (redis)%s\n", LAB_CLIENT4, LAB_INTERFACE,
		LAB_SERVER4, LAB_PORT, lab_ipv6(lab) ? "" : ", without IPv6");
	fflush(out);
}

static void print_outage(FILE *out, size_t number, const struct client_outage *outage)
{
	char lost[32], back[32], length[24] = "-";
	const char *lost_at = time_of_day(outage->lost.real_ns, lost), *back_at = "never";

	if (outage->back.mono_ns) {
		back_at = time_of_day(outage->back.real_ns, back);
		format_duration(outage->back.mono_ns - outage->lost.mono_ns, length, sizeof(length));
	}
	fprintf(out, "  %-4zu%-14s%-14s%-10s%-10u%s\n", number, lost_at, back_at, length, outage->attempts,
		error_text(outage->error));
}

static void print_record(FILE *out, const struct client_record *record)
{
	size_t kept = record->outages < CLIENT_MAX_OUTAGES ? record->outages : CLIENT_MAX_OUTAGES;

	fprintf(out, "\nWhat the client saw (times are UTC):\n");
	if (!kept)
		fprintf(out, "  no connection was lost\n");
	else
		fprintf(out, "  %-4s%-14s%-14s%-10s%-10s%s\n", "#", "lost", "back", "after", "attempts",
			"why");
	for (size_t i = 0; i < kept; i++)
		print_outage(out, i + 1, &record->outage[i]);
	if (record->outages > kept)
		fprintf(out, "  and %zu more\n", record->outages - kept);
	fprintf(out,
		"  %" PRIu64 " answers, %" PRIu64 " of them wrong; %" PRIu64
		" acknowledged writes missing after a reconnect\n",
		record->answers, record->wrong, record->missing);
}

/* A run directory that isn't there yet. */
static void choose_out(const char *pack, char ret_path[PATH_MAX])
{
	char when[32];
	int n;

	format_utc_compact(clock_real_ns(), when, sizeof(when));
	n = snprintf(ret_path, PATH_MAX, "runs/%s-lab-%s", when, pack);
	for (int i = 2; n < PATH_MAX && !access(ret_path, F_OK); i++)
		snprintf(ret_path + n, PATH_MAX - n, "-%d", i);
}

static int run_drill(char *path, char *out, bool json)
{
	char *argv[] = {"run",   path, "--interface",          LAB_INTERFACE,
			"--out", out,  json ? "--json" : NULL, NULL};

	optind = 1;
	return cmd_run(json ? 7 : 6, argv);
}

/* Until Ctrl-C. The signal is taken, not delivered: the lab is cleared in order. */
static void hold(FILE *out, const struct lab *lab)
{
	sigset_t signals;
	int got;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fprintf(out,
		"\nThe lab stays until Ctrl-C. Other programs enter it with\n"
		"  nsenter --net=/proc/%d/ns/net   the client's side\n"
		"  nsenter --net=/proc/%d/ns/net   the server's side\n",
		(int)lab_client_pid(lab), (int)lab_server_pid(lab));
	fflush(out);
	sigwait(&signals, &got);
}

static void print_report_path(FILE *to, const char *out)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/report.md", out) < (int)sizeof(path) && !access(path, R_OK))
		fprintf(to, "\nThe report is %s\n", path);
}

static int drill(char *path, char *out, const struct lab_args *args)
{
	FILE *to = args->json ? stderr : stdout;
	struct lab_failure failure;
	struct progress progress;
	struct lab *lab;
	int r, status;

	progress_open(&progress, to, command.name);
	r = lab_start(print_event, &progress, &lab, &failure);
	if (r)
		return start_failed(r, &failure);
	print_lab(to, lab);
	status = run_drill(path, out, args->json);
	if (status != STATUS_INTERRUPTED)
		lab_wait_connected(lab, CLIENT_BACK_NS);
	if (args->keep && status != STATUS_INTERRUPTED)
		hold(to, lab);
	print_record(to, lab_stop_client(lab));
	lab_free(lab);
	print_report_path(to, out);
	return status;
}

/* In place of this program, with its own arguments; returns only if that fails. */
static int run_own_lab(char *path, char **argv)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	argv[0] = path;
	if (n >= 0) {
		self[n] = '\0';
		if (!setenv("SHEARPIN", self, 1))
			execv(path, argv);
	}
	fprintf(stderr, "shearpin lab: can't start %s: %s%s\n", path, strerror(errno),
		errno == ENOENT ? " (it needs python3)" : "");
	return STATUS_HOST_FAILED;
}

int cmd_lab(int argc, char **argv)
{
	struct lab_args args = {0};
	char path[PATH_MAX], out[PATH_MAX];
	struct words words;
	const char *pack;
	int status;

	if (argc > 1 && own_lab(argv[1], path))
		return run_own_lab(path, argv + 1);
	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	pack = words.count ? words.items[0] : DEFAULT_PACK;
	if (own_lab(pack, path)) {
		fprintf(stderr, "shearpin lab: `%s` has options of its own, which go behind its name\n",
			pack);
		options_free(&command, &args);
		return STATUS_USAGE;
	}
	status = find_pack(pack, path);
	if (!status && geteuid()) {
		fputs("shearpin lab: needs root, to make network namespaces and load BPF programs\n", stderr);
		status = STATUS_REFUSED;
	}
	if (!status) {
		if (args.out)
			snprintf(out, sizeof(out), "%s", args.out);
		else
			choose_out(pack, out);
		status = drill(path, out, &args);
	}
	options_free(&command, &args);
	return status;
}
