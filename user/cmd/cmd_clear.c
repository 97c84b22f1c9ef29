/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin clear: ends every run on this host and removes what killed ones left. Safe to run at any time, any number of times. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "drill/leftovers.h"
#include "drill/record.h"
#include "drill/undo.h"
#include "kernel/host.h"
#include "kernel/sweep.h"

#define PATIENCE_S 5        /* after SIGTERM, before SIGKILL */
#define HURRY_S 1           /* for what is not worth a word */
#define GUARD_PATIENCE_S 60 /* for the guard of a killed run: it may have programs to run */

struct clear_args {
	bool json, forget;
};

static const struct option_spec options[] = {
	{"forget", 0, OPTION_FLAG, offsetof(struct clear_args, forget), NULL, NULL,
	 "give up what can't be taken back, after having tried: it stays as it is on this host, nobody tries "
	 "again, and other runs may change the host; what is known of it is kept in " UNDO_DIRECTORY
	 "/*" UNDO_SET_ASIDE},
	{"json", 0, OPTION_FLAG, offsetof(struct clear_args, json), NULL, NULL,
	 "one JSON document on standard output; messages go to standard error"},
};

static const struct command_spec command = {
	.name = "clear",
	.synopsis = "[OPTION...]",
	.about =
		"Ends every run on this host, in every network namespace, and removes what killed runs left\n"
		"behind: their records, on kernels without tcx inert stubs, and what they changed on this\n"
		"host and wrote to their undo journals, such as an offset of the clock. A run is asked to "
		"end\n"
		"(SIGTERM; it writes its report), and killed if it has not done so within 5 s. Touches\n"
		"nothing else, and may be run at any time.\n\n"
		"Exit status: 0 this host is clean (but for what was forgotten), 3 refused (not root), 5 "
		"something\n"
		"could not be removed.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
};

/* What was done, said as it happens and kept for the document. */
struct clear {
	bool json, forget;
	unsigned done, failed;
	unsigned not_undone, forgotten; /* changes, and journals that can't be read */
	struct buf text;
	struct json document;
};

static void say(const struct clear *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const struct clear *c, const char *format, ...)
{
	FILE *out = c->json ? stderr : stdout;
	va_list args;

	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fputc('\n', out);
	fflush(out);
}

static const char *name_of(const struct record *record)
{
	return record ? record->name : "unreadable record";
}

static void note_run(struct clear *c, const struct host_run *run, const struct record *record, bool killed,
		     int err)
{
	json_object(&c->document, NULL);
	json_u64(&c->document, "pid", run->pid);
	json_string(&c->document, "name", record ? record->name : NULL);
	json_string(&c->document, "run", record ? record->directory : NULL);
	json_string(&c->document, "was", run->alive ? "alive" : "dead");
	json_bool(&c->document, "killed", killed);
	json_string(&c->document, "error", err ? strerror(-err) : NULL);
	json_end_object(&c->document);
	c->done += !err;
	c->failed += err != 0;
}

/* A killed run's evidence is whole up to its last line. */
static void say_evidence(const struct clear *c, const struct record *record)
{
	if (record)
		say(c, "  it wrote no report; `shearpin report %s` makes one", record->directory);
}

static int end_live(const struct clear *c, const struct host_run *run, const struct record *record,
		    bool *ret_killed)
{
	int err = host_end(run, PATIENCE_S * NS_PER_S, ret_killed);

	if (err == -ESRCH) {
		say(c, "run %d (%s) can't be ended from here: its process is in a container; end it there",
		    run->pid, name_of(record));
	} else if (err) {
		say(c, "run %d (%s) can't be ended: %s", run->pid, name_of(record), strerror(-err));
	} else if (*ret_killed) {
		err = host_forget(run);
		say(c, "killed run %d (%s), which did not end within %d s of being asked to", run->pid,
		    name_of(record), PATIENCE_S);
		say_evidence(c, record);
	} else {
		say(c, "ended run %d (%s)", run->pid, name_of(record));
	}
	return err;
}

static int forget_dead(const struct clear *c, const struct host_run *run, const struct record *record)
{
	int err = host_forget(run);

	if (err) {
		say(c, "the record %s can't be removed: %s", run->path, strerror(-err));
	} else {
		say(c, "removed the record of run %d (%s), which was killed; nothing of it acted any more",
		    run->pid, name_of(record));
		say_evidence(c, record);
	}
	return err;
}

static void clear_runs(struct clear *c)
{
	struct host_run *runs;
	size_t n;
	int err = host_runs(&runs, &n);

	json_array(&c->document, "runs");
	if (err)
		say(c, "can't read the records in " HOST_RECORDS ": %s", strerror(-err));
	for (size_t i = 0; !err && i < n; i++) {
		struct record *record = NULL;
		bool killed = false;
		int result;

		record_read(runs[i].json, &record);
		result = runs[i].alive ? end_live(c, &runs[i], record, &killed)
				       : forget_dead(c, &runs[i], record);
		note_run(c, &runs[i], record, killed, result);
		record_free(record);
	}
	json_end_array(&c->document);
	if (!err)
		host_runs_free(runs, n);
	c->failed += err != 0;
}

/* " in the network namespace web"; nothing for our own. */
static void format_where(const struct netns *netns, char *text, size_t size)
{
	text[0] = '\0';
	if (netns->own)
		return;
	if (netns->name[0])
		snprintf(text, size, " in the network namespace %s", netns->name);
	else
		snprintf(text, size, " in the network namespace %" PRIu64, netns->inode);
}

static void on_swept(void *arg, const struct swept *swept)
{
	struct clear *c = arg;
	char where[128];

	json_object(&c->document, NULL);
	json_u64(&c->document, "netns", swept->netns->inode);
	json_string(&c->document, "netns_name", swept->netns->name[0] ? swept->netns->name : NULL);
	json_string(&c->document, "interface", swept->interface);
	json_string(&c->document, "error", swept->error ? strerror(-swept->error) : NULL);
	json_end_object(&c->document);
	format_where(swept->netns, where, sizeof(where));
	if (!swept->error)
		say(c, "removed the inert stub of a killed run from %s%s", swept->interface, where);
	else if (swept->interface)
		say(c, "a stub can't be removed from %s%s: %s", swept->interface, where,
		    strerror(-swept->error));
	else
		say(c, "can't look for stubs%s: %s", where, strerror(-swept->error));
	c->done += !swept->error;
	c->failed += swept->error != 0;
}

static void clear_stubs(struct clear *c)
{
	int err;

	json_array(&c->document, "stubs");
	err = sweep_host(on_swept, c);
	json_end_array(&c->document);
	if (err) {
		say(c, "can't look for stubs: %s", strerror(-err));
		c->failed++;
	}
}

static void note_undone(struct clear *c, const struct undone *undone)
{
	static const char *const results[] = {
		[UNDO_TAKEN_BACK] = "taken back",
		[UNDO_NOT_NEEDED] = "not needed",
		[UNDO_FAILED] = "failed",
		[UNDO_FORGOTTEN] = "forgotten",
	};

	json_object(&c->document, NULL);
	json_string(&c->document, "journal", undone->path);
	json_i64(&c->document, "pid", undone->pid);
	json_string(&c->document, "run", undone->run);
	json_string(&c->document, "kind", undone->kind);
	if (undone->data)
		json_raw(&c->document, "data", undone->data);
	json_string(&c->document, "result", results[undone->result]);
	json_string(&c->document, "reason", undone->reason[0] ? undone->reason : NULL);
	json_end_object(&c->document);
	c->done += undone->result != UNDO_FAILED;
	c->failed += undone->result == UNDO_FAILED;
	c->not_undone += undone->result == UNDO_FAILED;
	c->forgotten += undone->result == UNDO_FORGOTTEN;
}

static void on_undone(void *arg, const struct undone *undone)
{
	struct clear *c = arg;
	char what[600];

	leftovers_describe(undone, what, sizeof(what));
	note_undone(c, undone);
	if (undone->result == UNDO_TAKEN_BACK)
		say(c, "took back what run %d left: %s", (int)undone->pid, what);
	else if (undone->result == UNDO_NOT_NEEDED)
		say(c, "nothing to take back of run %d: %s: %s", (int)undone->pid, what, undone->reason);
	else if (undone->result == UNDO_FORGOTTEN)
		say(c, "forgot %s, which can't be taken back: %s", what, undone->reason);
	else
		say(c, "can't take back %s: %s", what, undone->reason);
}

/* Runs that were just ended have taken theirs back, those that were just killed have not. */
static void clear_journals(struct clear *c)
{
	int err;

	if (undo_await(UNDO_DIRECTORY, clock_mono_ns() + HURRY_S * NS_PER_S) == -EBUSY) {
		say(c, "waiting for the process that takes back what a killed run left");
		err = undo_await(UNDO_DIRECTORY, clock_mono_ns() + GUARD_PATIENCE_S * NS_PER_S);
		if (err) {
			say(c, "it is still at it, or can't be waited for: %s", strerror(-err));
			c->failed++;
		}
	}
	json_array(&c->document, "undo");
	err = c->forget ? leftovers_take_back_or_forget(UNDO_DIRECTORY, on_undone, c)
			: leftovers_take_back(UNDO_DIRECTORY, on_undone, c);
	json_end_array(&c->document);
	if (err) {
		say(c, "can't look into " UNDO_DIRECTORY ": %s", strerror(-err));
		c->failed++;
	}
}

static int conclude(struct clear *c)
{
	int status = c->failed ? STATUS_HOST_FAILED : STATUS_OK;

	json_bool(&c->document, "clean", !c->failed);
	json_end_object(&c->document);
	if (c->failed)
		say(c, "%u %s could not be cleared; no fault outlives its run even so", c->failed,
		    c->failed == 1 ? "thing" : "things");
	else if (!c->done)
		say(c, "nothing to clear");
	if (c->not_undone && !c->forget)
		say(c, "what was not taken back keeps other runs from changing this host; `shearpin clear "
		       "--forget` gives it up");
	if (c->forgotten)
		say(c, "what was forgotten stays as it is on this host; " UNDO_DIRECTORY "/*" UNDO_SET_ASIDE
		       " tell of it");
	if (c->json && c->text.failed)
		status = STATUS_HOST_FAILED;
	else if (c->json)
		puts(c->text.data);
	return status;
}

int cmd_clear(int argc, char **argv)
{
	struct clear_args args = {0};
	struct clear clear = {0};
	struct words words;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	if (geteuid()) {
		fputs("shearpin clear: only root may end runs: use sudo\n", stderr);
		return STATUS_REFUSED;
	}
	clear.json = args.json;
	clear.forget = args.forget;
	json_begin(&clear.document, &clear.text);
	json_object(&clear.document, NULL);
	clear_runs(&clear);
	clear_stubs(&clear);
	clear_journals(&clear);
	status = conclude(&clear);
	buf_free(&clear.text);
	return status;
}
