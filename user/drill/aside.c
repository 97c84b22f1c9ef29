/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/aside.h"

#include <errno.h>
#include <stdlib.h>

#include "base/timeutil.h"
#include "drill/leftovers.h"

int aside_open(struct aside *a, const struct setup *setup, const struct plan *plan, const char *directory,
	       struct windows *windows, struct journal *journal, struct fault_events *fault_events)
{
	char *run = realpath(directory, NULL);
	int err = 0;

	a->hosts = setup->hosts;
	a->context = (struct hosts_gate_context){.setup = setup, .plan = plan, .windows = windows};
	a->gate = hosts_gate(&a->context);
	a->journal = journal;
	if (setup->undo)
		err = undo_begin(setup->undo, run ?: directory);
	if (!err)
		err = clock_steps_open(plan, &clock_of_host, setup->undo, setup->guard, journal, fault_events,
				       &a->clock);
	if (!err)
		err = changes_open(plan, setup->undo, setup->guard, journal, fault_events, &a->changes);
	free(run);
	return err;
}

void aside_close(struct aside *a)
{
	changes_close(a->changes);
	a->changes = NULL;
	clock_steps_close(a->clock);
	a->clock = NULL;
}

struct begin {
	struct journal *journal;
	bool failed;
};

static void on_undone(void *arg, const struct undone *undone)
{
	static const char *const results[] = {
		[UNDO_TAKEN_BACK] = "taken back", [UNDO_NOT_NEEDED] = "not needed", [UNDO_FAILED] = "failed"};
	struct begin *b = arg;
	struct json *data;

	if (undone->result == UNDO_TAKEN_BACK)
		journal_clock(b->journal);
	data = journal_data(b->journal);
	json_string(data, "kind", undone->kind);
	json_string(data, "result", results[undone->result]);
	json_string(data, "reason", undone->reason && undone->reason[0] ? undone->reason : NULL);
	json_string(data, "run", undone->run);
	json_i64(data, "pid", undone->pid);
	json_string(data, "journal", undone->path);
	if (undone->data)
		json_raw(data, "data", undone->data);
	journal_write(b->journal, clock_mono_ns(), "step.undo", NULL);
	b->failed |= undone->result == UNDO_FAILED;
}

/* What is still on the clock, or in a file, would add to what this run does there. */
int aside_begin(struct aside *a)
{
	struct begin b = {.journal = a->journal};
	int err = leftovers_take_back(UNDO_DIRECTORY, on_undone, &b);

	hosts_tell(a->hosts, a->journal);
	a->what = "take back what a dead run left (`shearpin clear` tells more, `shearpin clear --forget` "
		  "gives it up)";
	if (!err && b.failed)
		err = -EBUSY;
	return a->clock || a->changes ? err : 0;
}

void aside_set_zero(struct aside *a, uint64_t zero_ns, struct plan_span span)
{
	hosts_set_zero(a->hosts, zero_ns);
	clock_steps_set_zero(a->clock, zero_ns, span);
	changes_set_zero(a->changes, zero_ns, span);
}

/* Whose step it is that failed, and why, is known there. */
static const char *why_not(const struct aside *a, int err)
{
	return err == -ECANCELED || err == -EBUSY ? changes_why(a->changes) : NULL;
}

int aside_run(struct aside *a, uint64_t now, uint64_t *ret_next)
{
	uint64_t next;
	int err = clock_steps_run(a->clock, now, ret_next);

	a->what = "move the clock";
	if (err)
		return err;
	err = changes_run(a->changes, now, &next);
	a->what = "make a change";
	a->why = why_not(a, err);
	if (next < *ret_next)
		*ret_next = next;
	if (err)
		return err;
	a->what = "follow the names of the targets";
	err = hosts_run(a->hosts, &a->gate, a->journal, now, &next);
	if (next < *ret_next)
		*ret_next = next;
	return err;
}

int aside_cut(struct aside *a)
{
	int err = changes_cut(a->changes), err_clock = clock_steps_cut(a->clock);

	a->what = err ? "take a change back (`shearpin clear` tries again)"
		      : "take the clock back (`shearpin clear` tries again)";
	a->why = why_not(a, err);
	return err ?: err_clock;
}

bool aside_all_done(const struct aside *a)
{
	return clock_steps_all_done(a->clock) && changes_all_done(a->changes);
}

uint64_t aside_last_close(const struct aside *a)
{
	uint64_t clock = clock_steps_last_close(a->clock), changes = changes_last_close(a->changes);

	return clock > changes ? clock : changes;
}
