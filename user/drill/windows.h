/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The windows of a run as the process follows them: it writes down what the kernel does. A window is one instance of
 * one rule.
 */
#ifndef SHEARPIN_WINDOWS_H
#define SHEARPIN_WINDOWS_H

#include "drill/answers.h"
#include "drill/journal.h"

/* Packets whose verdict was under way at the closing are counted by then; where one is not (a CPU that the hypervisor took away
 * in the middle of it), as often again. */
#define CLOSE_GRACE_NS (3 * NS_PER_MS)
#define CLOSE_GRACES 50
/* And as long as the delay line still brings packets back, which were due at the closing, until it has given them up. */
#define LINE_GRACES (SP_PARCEL_LOST_NS / CLOSE_GRACE_NS)

struct windows;

int windows_open(const struct plan *plan, struct engine *engine, struct journal *journal,
		 struct fault_events *fault_events, struct windows **ret);
void windows_close(struct windows *windows);

/* Tell of the requests that were answered, too. The answers stay the caller's. */
void windows_answer(struct windows *windows, const struct answers *answers);

/* The windows of all steps that begin in a part of the plan's time are relative to zero_ns; the others open never. */
void windows_set_zero(struct windows *windows, uint64_t zero_ns, struct plan_span span);

/* Do what is due: openings, walks over idle connections, closings. *ret_next: when to call again (UINT64_MAX: never). 0 or a negative errno. */
int windows_run(struct windows *windows, uint64_t now, uint64_t *ret_next);

/* The targets have gained addresses: look for idle connections to them, at once. */
void windows_look_again(struct windows *windows, uint64_t now);

/* End every window that has opened by now, when the engine was disarmed, CLOSE_GRACE_NS ago or more. */
int windows_cut(struct windows *windows, uint64_t now);

/* A record of the kernel. */
void windows_event(struct windows *windows, const struct sp_event *event);

/* Every window is closed and its flows are told of. */
bool windows_all_done(const struct windows *windows);
uint64_t windows_last_close(const struct windows *windows);
/* Every closed window's counters added up. */
bool windows_balanced(const struct windows *windows);

/*
 * The window that is open for a target at a time, of several that of the first step: its step and instance go into
 * ret_where. False: none, and nothing is written.
 */
bool windows_at(const struct windows *windows, size_t target, uint64_t ns, struct journal_where *ret_where);
/*
 * A counter of a step's windows so far, the sum over all of them and its targets, by its name in fault.close. False: there is no such
 * counter, or it can't be read. (window_counters.c)
 */
bool windows_counter(const struct windows *windows, const struct plan_step *step, const char *name,
		     uint64_t *ret);
struct slot_window {
	size_t rule;                  /* index */
	uint64_t opens_ns, closes_ns; /* UINT64_MAX before the zero is set */
};

/* False: the slot is no window's. */
bool windows_of_slot(const struct windows *windows, uint32_t slot, struct slot_window *ret);
/* Of two slots' windows, does the first close later? False also where one is no window's. */
bool windows_closes_later(const struct windows *windows, uint32_t slot, uint32_t than);

/* For the display; reads the counters of open windows. */
const struct drill_window *windows_view(struct windows *windows, size_t *ret_n);

#endif
