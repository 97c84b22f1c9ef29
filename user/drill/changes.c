/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/changes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/change_task.h"
#include "drill/changes_windows.h"
#include "drill/narrow_log.h"

#define NAP_MOST_NS (20 * NS_PER_MS) /* while something is under way */
#define NAP_LEAST_NS NS_PER_MS
#define TRIES 5 /* of a change before which somebody else was faster */

enum change_state {
	CHANGE_WAITS,
	CHANGE_PREPARES, /* these three: something is under way */
	CHANGE_APPLIES,
	CHANGE_TAKES_BACK,
	CHANGE_IS_OPEN,
	CHANGE_IS_CLOSED,
};

struct change_window {
	const struct change_kind *kind;
	const struct change_times *times;
	struct change change;
	struct change_task task;
	enum change_state state;
	uint64_t opens, closes; /* absolute, once it has opened; closes is UINT64_MAX: when the run ends */
	unsigned order, tries;
	bool is_armed, is_cut;
	bool is_told; /* that it has opened */
	unsigned armed;
};

struct changes {
	const struct plan *plan;
	struct undo *undo;
	struct undo_guard *guard;
	struct journal *journal;
	struct fault_events *fault_events;
	struct change_times *times; /* in the order of their openings */
	struct change_window *items;
	size_t n;
	uint64_t zero, until; /* of the plan's time: nothing opens from there on */
	uint64_t last_close;
	unsigned opened;
	const char *folder;
	char why[400];
};

static bool is_under_way(const struct change_window *w)
{
	return w->state == CHANGE_PREPARES || w->state == CHANGE_APPLIES || w->state == CHANGE_TAKES_BACK;
}

static void begin(struct change_window *w, enum change_state state)
{
	w->state = state;
	change_task_begin(&w->task, state == CHANGE_PREPARES  ? change_task_prepare
				    : state == CHANGE_APPLIES ? change_task_apply
							      : change_task_take_back);
}

/* ---- what is told ---- */

static struct journal_where where(const struct change_window *w)
{
	return (struct journal_where){.step = w->change.step->name, .instance = w->change.instance + 1};
}

static struct json *tell_begin(struct changes *s, const struct change_window *w, enum change_event event)
{
	struct json *data = journal_data(s->journal);

	json_string(data, "kind", w->kind->name);
	if (w->state != CHANGE_WAITS)
		w->kind->tell(&w->change, data, event);
	return data;
}

static void tell_window(struct changes *s, const struct change_window *w, uint64_t mono_ns, const char *type,
			const char *error)
{
	bool is_end = !strcmp(type, "step.end");
	struct journal_where at = where(w);
	struct json *data = tell_begin(s, w, is_end ? CHANGE_ENDED : CHANGE_MADE);

	json_u64(data, "opens_ns", w->opens);
	if (w->closes < UINT64_MAX)
		json_u64(data, "closes_ns", w->closes);
	else
		json_null(data, "closes_ns");
	json_bool(data, "cut", w->is_cut);
	if (error)
		json_string(data, "error", error);
	journal_write(s->journal, mono_ns, type, &at);
}

static void tell_undo(struct changes *s, const struct change_window *w, bool guarded)
{
	static const char *const results[] = {
		[UNDO_TAKEN_BACK] = "taken back", [UNDO_NOT_NEEDED] = "not needed", [UNDO_FAILED] = "failed"};
	const struct change *c = &w->change;
	struct journal_where at = where(w);
	struct json *data = tell_begin(s, w, CHANGE_TAKEN_BACK);

	json_string(data, "result", results[c->result]);
	json_string(data, "reason",
		    guarded     ? "by the guard: the run was stopped or late"
		    : c->why[0] ? c->why
				: NULL);
	journal_write(s->journal, c->done_ns, "step.undo", &at);
}

static int tell_narrow(struct changes *s, const struct change_window *w, uint64_t mono_ns,
		       int (*tell)(struct fault_events *, uint64_t, const struct fault_window *))
{
	return narrow_log_tell(s->fault_events, s->plan, w->change.step, w->change.instance,
			       mono_ns + s->journal->offset_ns, tell);
}

static int tell_opening(struct changes *s, struct change_window *w, uint64_t mono_ns)
{
	w->is_told = true;
	tell_window(s, w, mono_ns, "step.start", NULL);
	return tell_narrow(s, w, mono_ns, fault_events_apply);
}

/* Of what opened when it was begun. */
static void tell_exit(struct changes *s, const struct change_window *w)
{
	struct journal_where at = where(w);
	struct json *data = tell_begin(s, w, CHANGE_RAN);

	if (w->task.result)
		json_string(data, "error", w->change.why);
	journal_write(s->journal, w->change.done_ns, "step.exit", &at);
}

/* ---- the windows ---- */

static int fail(struct changes *s, const struct change_window *w, const char *what)
{
	snprintf(s->why, sizeof(s->why), "the step %s can't be %s: %s", w->change.step->name, what,
		 w->change.why);
	return -ECANCELED;
}

static void drop_copies(const struct change_window *w)
{
	static const char *const ends[] = {"", ".xattr", FILE_STATE_BEGUN};
	char path[4200];

	if (!w->kind->keeps_copies || !w->change.folder)
		return;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		snprintf(path, sizeof(path), "%s/%u%s", w->change.folder, w->change.number, ends[i]);
		unlink(path);
	}
}

static int disarm(struct changes *s, struct change_window *w)
{
	uint64_t ns;
	int err;

	if (w->is_armed)
		(void)undo_guard_claim(s->guard, w->armed, &ns);
	err = w->is_armed ? undo_done(s->undo, w->armed) : 0;
	w->is_armed = w->is_armed && err;
	if (!err)
		drop_copies(w);
	return err;
}

static int end_window(struct changes *s, struct change_window *w, uint64_t mono_ns, const char *error)
{
	if (s->last_close < mono_ns)
		s->last_close = mono_ns;
	tell_window(s, w, mono_ns, "step.end", error);
	w->state = CHANGE_IS_CLOSED;
	buf_free(&w->change.undo);
	return w->is_told ? tell_narrow(s, w, mono_ns, fault_events_clear) : 0;
}

static int watch(struct changes *s, const struct change_window *w)
{
	const struct undo_late late = {.ends_ns = w->closes, .id = w->armed, .in_parts = w->kind->in_parts};

	return w->is_armed && w->closes < UINT64_MAX ? undo_guard_watch(s->guard, &late) : 0;
}

static int open_window(struct changes *s, struct change_window *w)
{
	int err = 0;

	w->opens = s->zero + w->times->opens;
	w->closes = w->times->closes < UINT64_MAX ? s->zero + w->times->closes : UINT64_MAX;
	w->order = ++s->opened;
	if (w->kind->keeps_copies && !w->change.folder)
		err = undo_folder(s->undo, &w->change.folder);
	if (!err)
		begin(w, CHANGE_PREPARES);
	return err;
}

/* Nothing has changed. */
static int give_up(struct changes *s, struct change_window *w)
{
	int err = disarm(s, w);

	w->is_cut = true;
	(void)end_window(s, w, clock_mono_ns(), w->change.why);
	return err ?: fail(s, w, "done");
}

static int arm(struct changes *s, struct change_window *w)
{
	const struct buf *data = &w->change.undo;
	int err;

	if (!data->len)
		return 0;
	err = data->failed ? -ENOMEM : undo_arm(s->undo, w->kind->name, data->data, &w->armed);
	w->is_armed = !err;
	return err ?: watch(s, w);
}

static int prepared(struct changes *s, struct change_window *w)
{
	int err;

	if (w->task.result)
		return give_up(s, w);
	err = arm(s, w);
	if (!err) {
		begin(w, CHANGE_APPLIES);
		return w->kind->poll && w->task.result == -EINPROGRESS
			       ? tell_opening(s, w, w->change.begun_ns)
			       : 0;
	}
	snprintf(w->change.why, sizeof(w->change.why), "%s", strerror(-err));
	(void)give_up(s, w);
	return err;
}

static int start_taking_back(struct changes *s, struct change_window *w);

/* There may be a part of it: then it is taken back, and the run ends. */
static int not_applied(struct changes *s, struct change_window *w)
{
	int err = w->task.result;

	if (err == -EAGAIN && ++w->tries < TRIES && !disarm(s, w)) {
		begin(w, CHANGE_PREPARES);
		return 0;
	}
	if (!w->is_armed || err == -EAGAIN)
		return give_up(s, w);
	(void)fail(s, w, "done");
	w->is_cut = true;
	if (!w->is_told)
		tell_window(s, w, w->change.done_ns, "step.start", w->change.why);
	(void)start_taking_back(s, w);
	return -ECANCELED;
}

static int applied(struct changes *s, struct change_window *w)
{
	struct change *c = &w->change;
	int err = 0;

	if (w->is_told)
		tell_exit(s, w);
	if (w->task.result)
		return not_applied(s, w);
	w->state = CHANGE_IS_OPEN;
	if (w->closes == UINT64_MAX && s->last_close < c->done_ns)
		s->last_close = c->done_ns;
	if (w->is_armed && w->kind->in_parts)
		err = undo_arm_again(s->undo, w->kind->name, c->undo.data, w->armed) ?: watch(s, w);
	else if (w->is_armed)
		err = watch(s, w);
	return w->is_told ? err : tell_opening(s, w, c->done_ns) ?: err;
}

static int taken_back(struct changes *s, struct change_window *w, bool guarded)
{
	int err = 0;

	tell_undo(s, w, guarded);
	if (w->change.result != UNDO_FAILED) {
		err = disarm(s, w);
	} else {
		(void)fail(s, w, "taken back (`shearpin clear` tries again)");
		err = -EBUSY;
	}
	return end_window(s, w, w->change.done_ns, NULL) ?: err;
}

/* Of a window that leaves nothing behind. */
static uint64_t when_closed(const struct change_window *w)
{
	if (w->is_cut || w->closes == UINT64_MAX)
		return clock_mono_ns();
	return w->closes > w->change.done_ns ? w->closes : w->change.done_ns;
}

static int start_taking_back(struct changes *s, struct change_window *w)
{
	uint64_t taken_ns;

	if (!w->is_armed)
		return end_window(s, w, when_closed(w), NULL);
	if (undo_guard_claim(s->guard, w->armed, &taken_ns)) {
		w->state = CHANGE_TAKES_BACK;
		w->change.result = UNDO_TAKEN_BACK;
		w->change.done_ns = taken_ns;
		return taken_back(s, w, true);
	}
	begin(w, CHANGE_TAKES_BACK);
	return 0;
}

/* What is under way may be over, with all that follows from it. */
static int look(struct changes *s, struct change_window *w)
{
	int err = 0;

	while (!err && is_under_way(w) && change_task_is_over(&w->task)) {
		if (w->state == CHANGE_PREPARES)
			err = prepared(s, w);
		else if (w->state == CHANGE_APPLIES)
			err = applied(s, w);
		else
			err = taken_back(s, w, false);
	}
	return err;
}

/* Changes of one thing come one after the other, and are taken back the other way round. */
static bool must_wait(const struct changes *s, const struct change_window *w)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct change_window *other = &s->items[i];

		if (other == w || !w->times->key || !other->times->key ||
		    strcmp(w->times->key, other->times->key) != 0)
			continue;
		if (is_under_way(other))
			return true;
		if (w->state == CHANGE_IS_OPEN && other->state == CHANGE_IS_OPEN && other->order > w->order &&
		    other->closes <= w->closes)
			return true;
	}
	return false;
}

/* Of one that has an end, and leaves something behind: whoever is so late that it is over does not open it any more. */
static int skip_window(struct changes *s, struct change_window *w, uint64_t now)
{
	w->opens = s->zero + w->times->opens;
	w->closes = s->zero + w->times->closes;
	w->is_cut = true;
	return end_window(s, w, now, "it was over before it could be opened");
}

static int run_window(struct changes *s, struct change_window *w, uint64_t now)
{
	int err = look(s, w);

	if (err || must_wait(s, w))
		return err;
	if (w->state == CHANGE_IS_OPEN && now >= w->closes) {
		err = start_taking_back(s, w) ?: look(s, w);
	} else if (w->state == CHANGE_WAITS && s->zero && w->times->opens < s->until && now >= s->zero &&
		   now - s->zero >= w->times->opens) {
		bool over = w->times->closes < UINT64_MAX && now - s->zero >= w->times->closes;

		err = over && change_is_undone(w->change.step) ? skip_window(s, w, now)
							       : open_window(s, w) ?: look(s, w);
	}
	return err;
}

/* A nap of a tenth of the time that it has taken so far. */
static uint64_t when_to_look(const struct change_window *w, uint64_t now)
{
	uint64_t nap = now > w->task.since ? (now - w->task.since) / 10 : 0;

	return now + (nap < NAP_LEAST_NS ? NAP_LEAST_NS : nap > NAP_MOST_NS ? NAP_MOST_NS : nap);
}

static uint64_t next_of(const struct changes *s, const struct change_window *w, uint64_t now)
{
	if (is_under_way(w))
		return when_to_look(w, now);
	if (w->state == CHANGE_IS_OPEN)
		return w->closes <= now ? now + NAP_LEAST_NS : w->closes;
	if (w->state != CHANGE_WAITS || !s->zero || w->times->opens >= s->until ||
	    s->zero > UINT64_MAX - w->times->opens)
		return UINT64_MAX;
	return s->zero + w->times->opens <= now ? now + NAP_LEAST_NS : s->zero + w->times->opens;
}

int changes_run(struct changes *s, uint64_t now, uint64_t *ret_next)
{
	int err = 0;

	*ret_next = UINT64_MAX;
	/* What ends comes before what begins. */
	for (int pass = 0; s && pass < 2; pass++)
		for (size_t i = 0; !err && i < s->n; i++)
			if ((s->items[i].state == CHANGE_WAITS) == pass)
				err = run_window(s, &s->items[i], now);
	now = clock_mono_ns();
	for (size_t i = 0; s && i < s->n; i++) {
		uint64_t next = next_of(s, &s->items[i], now);

		*ret_next = next < *ret_next ? next : *ret_next;
	}
	return err;
}

static int finish(struct changes *s, struct change_window *w)
{
	static const struct timespec moment = {.tv_nsec = NAP_LEAST_NS};
	int err = 0;

	while (is_under_way(w)) {
		int next = look(s, w);

		/* That it can't be taken back is worse than that it was given up. */
		if (!err || (next && err == -ECANCELED))
			err = next;
		if (is_under_way(w))
			nanosleep(&moment, NULL);
	}
	return err;
}

/* Since when it is as it is: of two that were under way together, the one that was done last. */
static uint64_t since(const struct change_window *w)
{
	return w->state == CHANGE_IS_OPEN ? w->change.done_ns : w->task.since;
}

static struct change_window *newest(const struct changes *s)
{
	struct change_window *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct change_window *w = &s->items[i];

		if (w->state != CHANGE_WAITS && w->state != CHANGE_IS_CLOSED &&
		    (!found || since(w) > since(found)))
			found = w;
	}
	return found;
}

int changes_cut(struct changes *s)
{
	struct change_window *w;
	int err = 0, next;

	if (!s || !s->items)
		return 0;
	s->zero = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].state == CHANGE_PREPARES || s->items[i].state == CHANGE_APPLIES)
			atomic_store(&s->items[i].change.is_cancelled, true);
	while ((w = newest(s))) {
		next = finish(s, w);
		if (w->state == CHANGE_IS_OPEN) {
			w->is_cut |= w->closes < UINT64_MAX;
			next = start_taking_back(s, w) ?: finish(s, w);
		}
		/* That somebody gave up is what was asked for. */
		err = err ?: next == -ECANCELED ? 0 : next;
	}
	return err;
}

void changes_close(struct changes *changes)
{
	if (!changes)
		return;
	(void)changes_cut(changes);
	for (size_t i = 0; changes->items && i < changes->n; i++) {
		child_end(changes->items[i].change.exec.child);
		buf_free(&changes->items[i].change.undo);
	}
	free(changes->items);
	change_times_free(changes->times, changes->n);
	free(changes);
}

/* ---- around them ---- */

/* Two windows of a step do not get the same garbage; FNV-1a over the step's name. */
static uint64_t seed_of(const struct plan *plan, const struct plan_step *step, uint32_t instance)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *c = step->name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	return plan->seed ^ (hash + instance);
}

int changes_open(const struct plan *plan, struct undo *undo, struct undo_guard *guard,
		 struct journal *journal, struct fault_events *fault_events, struct changes **ret)
{
	struct changes *s;
	int err;

	*ret = NULL;
	if (!changes_wanted(plan))
		return 0;
	s = calloc(1, sizeof(*s));
	err = s ? change_times(plan, &s->times, &s->n) : -ENOMEM;
	if (!err)
		s->items = calloc(s->n, sizeof(*s->items));
	if (!err && !s->items)
		err = -ENOMEM;
	if (err) {
		changes_close(s);
		return err;
	}
	s->plan = plan;
	s->undo = undo;
	s->guard = guard;
	s->journal = journal;
	s->fault_events = fault_events;
	for (size_t i = 0; i < s->n; i++) {
		struct change_window *w = &s->items[i];

		w->times = &s->times[i];
		w->kind = change_kind_of(w->times->step);
		w->change.step = w->times->step;
		w->change.instance = w->times->instance;
		w->change.number = i + 1;
		w->task.kind = w->kind;
		w->task.change = &w->change;
		w->change.seed = seed_of(plan, w->times->step, w->times->instance);
	}
	*ret = s;
	return 0;
}

void changes_set_zero(struct changes *changes, uint64_t zero_ns, struct plan_span span)
{
	if (!changes)
		return;
	changes->zero = zero_ns;
	changes->until = span.until_ns;
}

bool changes_all_done(const struct changes *changes)
{
	for (size_t i = 0; changes && i < changes->n; i++) {
		const struct change_window *w = &changes->items[i];
		bool stays = w->state == CHANGE_IS_OPEN && w->closes == UINT64_MAX;

		if (w->state != CHANGE_IS_CLOSED && !stays)
			return false;
	}
	return true;
}

uint64_t changes_last_close(const struct changes *changes)
{
	return changes ? changes->last_close : 0;
}

const char *changes_why(const struct changes *changes)
{
	return changes ? changes->why : "";
}
