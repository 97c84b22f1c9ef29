/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "evidence/log.h"
#include "slo/get.h"
#include "slo/verify_log.h"

#define PLAN_VERSION 1

const char *verify_result_name(enum verify_result result)
{
	static const char *const names[] = {"pass", "warn", "fail"};

	return names[result];
}

void verification_free(struct verification *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_checks; i++)
		free(v->checks[i].detail);
	free(v);
}

static struct verify_check *say(struct verification *v, enum verify_result result, const char *name,
				const char *format, ...) __attribute__((format(printf, 4, 5)));

static struct verify_check *say(struct verification *v, enum verify_result result, const char *name,
				const char *format, ...)
{
	struct verify_check *check = &v->checks[v->n_checks++];
	struct buf text = {0};
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	*check = (struct verify_check){.name = name, .result = result, .detail = buf_take(&text)};
	v->no_memory |= !check->detail;
	v->failed |= result == VERIFY_FAIL;
	return check;
}

static void put_place(struct verify_check *check, uint64_t line, uint64_t seq, uint64_t offset)
{
	check->line = line;
	check->seq = seq;
	check->offset = offset;
}

/* "line 17 (seq 17, byte 5120)" */
static void name_place(char *text, size_t size, uint64_t line, uint64_t seq, uint64_t offset)
{
	if (seq)
		snprintf(text, size, "line %" PRIu64 " (seq %" PRIu64 ", byte %" PRIu64 ")", line, seq,
			 offset);
	else
		snprintf(text, size, "line %" PRIu64 " (byte %" PRIu64 ")", line, offset);
}

static void describe_fault(const struct read_fault *f, char *text, size_t size)
{
	char place[96];

	name_place(place, sizeof(place), f->line, f->seq, f->offset);
	switch (f->kind) {
	case READ_DAMAGED:
		snprintf(text, size, "%s is no event: it was changed, or damaged", place);
		break;
	case READ_CHANGED:
		snprintf(text, size,
			 "%s was changed: its hash is not the one that the lines beside it vouch for", place);
		break;
	case READ_CHANGED_OR_NEXT:
		snprintf(text, size,
			 "%s was changed, or the line after it: its hash is not the one that line %" PRIu64
			 " holds",
			 place, f->line + 1);
		break;
	case READ_MISSING:
		snprintf(text, size, "before %s lines are missing, from seq %" PRIu64 " on", place,
			 f->expected);
		break;
	case READ_DISORDER:
		snprintf(text, size,
			 "%s is not in its place, where seq %" PRIu64
			 " should be: lines were reordered or repeated",
			 place, f->expected);
		break;
	case READ_SEQ:
		snprintf(text, size, "%s was changed: its seq should be %" PRIu64, place, f->expected);
		break;
	case READ_TIME:
		snprintf(text, size, "%s is out of the order of time, and its mark `late` doesn't say so",
			 place);
		break;
	case READ_CUT:
		snprintf(text, size, "%s has no end", place);
		break;
	}
}

static bool is_of_chain(const struct read_fault *f)
{
	return f->kind != READ_TIME && f->kind != READ_CUT;
}

static void tell_faults(struct verification *v, const char *name, const struct read_check *read, bool chain)
{
	const struct read_fault *first = NULL;
	struct verify_check *check;
	size_t others = 0;
	char text[240];

	for (size_t i = 0; i < read->n_faults; i++) {
		const struct read_fault *f = &read->faults[i];

		if (f->kind == READ_CUT || is_of_chain(f) != chain)
			continue;
		if (first)
			others++;
		else
			first = f;
	}
	if (!first)
		return;
	describe_fault(first, text, sizeof(text));
	if (others)
		check = say(v, VERIFY_FAIL, name, "%s; and %zu%s more such places", text, others,
			    read->n_faults == READ_MOST_FAULTS ? " or" : "");
	else
		check = say(v, VERIFY_FAIL, name, "%s", text);
	put_place(check, first->line, first->seq, first->offset);
}

static bool has_fault(const struct read_check *read, bool chain)
{
	for (size_t i = 0; i < read->n_faults; i++)
		if (read->faults[i].kind != READ_CUT && is_of_chain(&read->faults[i]) == chain)
			return true;
	return false;
}

static void check_chain(struct verification *v, const struct read_check *read)
{
	if (has_fault(read, true))
		tell_faults(v, "chain", read, true);
	else
		say(v, VERIFY_PASS, "chain",
		    "%" PRIu64 " lines, numbered without a gap, each with the hash of the line before",
		    read->lines);
	if (has_fault(read, false))
		tell_faults(v, "order", read, false);
	else
		say(v, VERIFY_PASS, "order", "in the order of time, but for lines that say so");
}

static void check_end(struct verification *v, const struct verify_log *log, const struct read_check *read)
{
	struct verify_check *check;

	if (read->cut) {
		check = say(v, VERIFY_FAIL, "end",
			    "the file ends in the middle of line %" PRIu64 ": %" PRIu64
			    " whole lines, up to seq %" PRIu64 ", are what there is",
			    read->lines + 1, read->lines, read->last_seq);
		put_place(check, read->lines + 1, 0, read->bytes);
		for (size_t i = 0; i < read->n_faults; i++)
			if (read->faults[i].kind == READ_CUT)
				check->offset = read->faults[i].offset;
	} else if (!log->started) {
		say(v, VERIFY_FAIL, "end", "the log has no run.start");
	} else if (!log->ended) {
		say(v, VERIFY_FAIL, "end", "the log has no run.end: the run was not ended in order");
	} else {
		say(v, VERIFY_PASS, "end", "from run.start to run.end");
	}
}

/* The hash that results.json holds. NULL: there is none; free() it. */
static char *read_head(int dirfd)
{
	int fd = read_open(dirfd, "results.json");
	const char *head;
	char *copy = NULL;
	json_t *results;

	if (fd < 0)
		return NULL;
	results = json_loadfd(fd, 0, NULL);
	close(fd);
	head = get_string(results, "head");
	if (head)
		copy = strdup(head);
	json_decref(results);
	return copy;
}

static void check_anchor(struct verification *v, int dirfd, const struct read_check *read)
{
	char *head = read_head(dirfd);
	struct verify_check *check;

	if (!head) {
		say(v, VERIFY_WARN, "anchor",
		    "results.json has no `head`: nothing here vouches for the last line, whose hash is %s",
		    read->head);
	} else if (strcmp(head, read->head) == 0) {
		say(v, VERIFY_PASS, "anchor",
		    "the last line has the hash that results.json holds; kept elsewhere, it vouches for all: "
		    "%s",
		    read->head);
	} else {
		check = say(v, VERIFY_FAIL, "anchor",
			    "the last line (line %" PRIu64
			    ") has the hash %s, results.json holds %s: it, or a "
			    "line before it, was changed, or lines were added or taken away",
			    read->lines, read->head, head);
		put_place(check, read->last_line, read->last_seq, read->last_offset);
	}
	free(head);
}

static void check_losses(struct verification *v, const struct verify_log *log)
{
	if (log->lost)
		say(v, VERIFY_FAIL, "losses",
		    "%" PRIu64 " records of the kernel found no room in the ring buffer", log->lost);
	else
		say(v, VERIFY_PASS, "losses", "the ring buffer had room for every record");
}

static void fail_window(struct verification *v, const char *name, const struct verify_log *log,
			const struct verify_window *w, size_t n, const char *what)
{
	struct verify_check *check;
	char window[160];

	verify_window_name(log, w, window, sizeof(window));
	check = say(v, VERIFY_FAIL, name, "%zu of the windows %s, first %s", n, what, window);
	if (w->closed)
		put_place(check, w->close_line, w->close_seq, w->close_offset);
	else
		put_place(check, w->open_line, w->open_seq, w->open_offset);
}

/* The windows of which something is wrong. */
struct strays {
	const struct verify_window *first;
	size_t n;
};

static void count(struct strays *s, const struct verify_window *w, bool wrong)
{
	if (wrong && !s->n++)
		s->first = w;
}

static bool adds_up(const struct verify_window *w)
{
	for (int v = SP_DELAY; v < SP_VERDICTS; v++)
		if (w->events[v] != w->counted[v])
			return false;
	return true;
}

static void check_windows(struct verification *v, const struct verify_log *log)
{
	struct strays unclosed = {0}, unopened = {0}, unbalanced = {0}, apart = {0};
	size_t n, opened = 0;
	const struct verify_window *w = verify_windows(log, &n);
	uint64_t packets = 0;

	for (size_t i = 0; i < n; i++, w++) {
		opened += w->opened;
		count(&unclosed, w, w->opened && !w->closed);
		count(&unopened, w, w->told && !w->opened);
		count(&unbalanced, w, w->closed && (!w->has_counters || w->unbalanced));
		count(&apart, w, w->has_counters && !adds_up(w));
		for (int verdict = SP_DELAY; verdict < SP_VERDICTS; verdict++)
			packets += w->events[verdict];
	}
	if (unclosed.n)
		fail_window(v, "windows", log, unclosed.first, unclosed.n, "were opened and never closed");
	else if (unopened.n)
		fail_window(v, "windows", log, unopened.first, unopened.n,
			    "have events and were never opened");
	else
		say(v, VERIFY_PASS, "windows", "%zu windows were opened, and closed", opened);
	if (unbalanced.n)
		fail_window(v, "balance", log, unbalanced.first, unbalanced.n,
			    "have counters that are missing or don't add up");
	else
		say(v, VERIFY_PASS, "balance", "the counters of every window add up to what matched");
	if (!log->packet_evidence)
		return;
	if (apart.n && log->lost)
		say(v, VERIFY_WARN, "packets",
		    "records were lost: their packets are counted, and not in the log");
	else if (apart.n)
		fail_window(v, "packets", log, apart.first, apart.n,
			    "have other counters than the packets in the log add up to");
	else
		say(v, VERIFY_PASS, "packets", "%" PRIu64 " packets in the log, as many as were counted",
		    packets);
}

/* "12 as drawn, 3 without a lot in it, 4 can't be told" */
static void check_tally(struct verification *v, const char *name, const struct tally *t, const char *what,
			const char *why_open)
{
	struct verify_check *check;
	char place[96];

	if (t->wrong) {
		name_place(place, sizeof(place), t->line, t->seq, t->offset);
		check = say(v, VERIFY_FAIL, name, "%s: %s; %" PRIu64 " of %" PRIu64 " %s", place, t->what,
			    t->wrong, t->wrong + t->right, what);
		put_place(check, t->line, t->seq, t->offset);
	} else if (t->open) {
		say(v, t->right ? VERIFY_PASS : VERIFY_WARN, name,
		    "%" PRIu64 " %s are as the seed draws them; %" PRIu64 " can't be told: %s", t->right,
		    what, t->open, why_open);
	} else if (t->right) {
		say(v, VERIFY_PASS, name, "%" PRIu64 " %s are as the seed draws them", t->right, what);
	}
}

static void check_times(struct verification *v, const struct verify_log *log)
{
	const struct tally *t = &log->times;
	struct verify_check *check;
	char place[96];

	if (t->wrong) {
		name_place(place, sizeof(place), t->line, t->seq, t->offset);
		check = say(v, VERIFY_FAIL, "times", "%s: %s; %" PRIu64 " of %" PRIu64 " windows", place,
			    t->what, t->wrong, t->wrong + t->right);
		put_place(check, t->line, t->seq, t->offset);
	} else if (t->right) {
		say(v, VERIFY_PASS, "times", "%" PRIu64 " windows opened at the times of the plan", t->right);
	}
}

static void check_expects(struct verification *v, const struct verify_log *log)
{
	uint64_t missing, repeated;
	char first[160];

	if (!log->expects.planned)
		return;
	verify_expects_count(&log->expects, &missing, &repeated, first, sizeof(first));
	if (repeated || (missing && log->whole))
		say(v, VERIFY_FAIL, "expectations",
		    "of %" PRIu64 " that are planned, %" PRIu64 " have no decision and %" PRIu64
		    " more than one, first %s",
		    log->expects.planned, missing, repeated, first);
	else if (missing)
		say(v, VERIFY_WARN, "expectations",
		    "%" PRIu64 " of %" PRIu64 " have no decision, first %s: the run did not go to its end",
		    missing, log->expects.planned, first);
	else
		say(v, VERIFY_PASS, "expectations", "%" PRIu64 " are planned, each is decided once",
		    log->expects.planned);
}

static void check_seed(struct verification *v, const struct verify_log *log)
{
	if (log->started && log->seed != log->plan_seed)
		say(v, VERIFY_FAIL, "seed", "run.start says %" PRIu64 ", plan.json %" PRIu64, log->seed,
		    log->plan_seed);
	else
		say(v, VERIFY_PASS, "seed", "%" PRIu64, log->plan_seed);
	check_tally(v, "shares", &log->takes_part, "flows, by the share of a target,", "");
	check_tally(v, "connections", &log->answered, "connections, by a fault's percentage of them,", "");
	check_tally(v, "lots", &log->packets, "packets",
		    "their verdict also depends on what they held, or on packets before them");
	check_tally(v, "flows", &log->flows, "flows' numbers of packets that were hit",
		    "GSO packets, answers, payloads, a budget or other rules had a say");
	check_tally(v, "receipts", &log->sums, "windows' receipts",
		    "GSO packets came, or flows that found no room");
}

static void check_events(struct verification *v, const struct verify_log *log)
{
	const struct tally *t = &log->unreadable;
	struct verify_check *check;
	char place[96];

	if (!t->wrong)
		return;
	name_place(place, sizeof(place), t->line, t->seq, t->offset);
	check = say(v, VERIFY_FAIL, "events", "%s: %s; %" PRIu64 " such events", place, t->what, t->wrong);
	put_place(check, t->line, t->seq, t->offset);
}

static int read_plan(int dirfd, json_t **ret_plan, char *ret_reason, size_t size)
{
	int fd = read_open(dirfd, "plan.json");
	uint64_t version;
	json_t *plan;

	if (fd < 0)
		return fd;
	plan = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	close(fd);
	version = get_u64(plan, "version");
	if (json_is_object(plan) && version == PLAN_VERSION) {
		*ret_plan = plan;
		return 0;
	}
	json_decref(plan);
	if (version == NO_NS || version < PLAN_VERSION)
		return -EBADMSG;
	snprintf(ret_reason, size, "its plan.json is of version %" PRIu64 ", this shearpin reads version %d",
		 version, PLAN_VERSION);
	return -EPROTONOSUPPORT;
}

static int read_events(int dirfd, struct verify_log *log, struct verification *v, char *ret_reason,
		       size_t size)
{
	struct reader *reader = NULL;
	struct event event;
	int err = reader_open(dirfd, &reader);

	while (!err && (err = reader_next(reader, &event)) > 0) {
		err = 0;
		if (verify_log_event(log, &event))
			continue;
		snprintf(ret_reason, size,
			 "its events.jsonl is of format %" PRIu64 ", this shearpin reads format %d",
			 log->format, LOG_FORMAT);
		err = -EPROTONOSUPPORT;
	}
	if (!err) {
		const struct read_check *read = reader_check(reader);

		verify_log_end(log);
		v->lines = read->lines;
		v->bytes = read->bytes;
		memcpy(v->head, read->head, sizeof(v->head));
		check_chain(v, read);
		check_end(v, log, read);
		check_anchor(v, dirfd, read);
	}
	reader_close(reader);
	return err;
}

int verify_run(int dirfd, struct verification **ret_v, char *ret_reason, size_t size)
{
	struct verification *v = calloc(1, sizeof(*v));
	struct verify_log *log = NULL;
	json_t *plan = NULL;
	int err = v ? read_plan(dirfd, &plan, ret_reason, size) : -ENOMEM;

	if (!err)
		err = verify_log_open(plan, &log);
	if (!err)
		err = read_events(dirfd, log, v, ret_reason, size);
	if (!err) {
		check_events(v, log);
		check_losses(v, log);
		check_windows(v, log);
		check_times(v, log);
		check_expects(v, log);
		check_seed(v, log);
		err = v->no_memory ? -ENOMEM : 0;
	}
	verify_log_close(log);
	json_decref(plan);
	if (err) {
		verification_free(v);
		return err;
	}
	*ret_v = v;
	return 0;
}
