/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "report/md.h"
#include "report/sections.h"
#include "report/words.h"

/* A box is ticked only for what the evidence shows; `why` says what it lacks. */
static void box(struct buf *out, bool ticked, const char *text, const char *why)
{
	buf_printf(out, "- [%c] %s", ticked ? 'x' : ' ', text);
	if (!ticked && why)
		buf_printf(out, " (%s)", why);
	buf_puts(out, "\n");
}

static void box_target(const struct results *r, struct buf *out)
{
	const struct result_slo *target = target_slo(r);

	if (!target) {
		box(out, false, "Recovery P99 is within the target", "no target was set");
		return;
	}
	box(out, target->pass, "Recovery P99 is within the target",
	    !target->samples  ? "nothing was measured"
	    : target->missing ? "a window was not seen to recover"
			      : "it is above the target");
}

/* What keeps probes from saying anything; NULL: nothing. */
static const char *unmeasured(const struct results *r)
{
	size_t acting = 0;

	if (!r->n_windows)
		return "no window opened";
	for (size_t i = 0; i < r->n_windows; i++)
		acting += !r->windows[i]->shadow;
	if (!acting)
		return "each window is a shadow";
	return r->n_probes ? NULL : "no probe watched";
}

static void box_recovered(const struct results *r, struct buf *out)
{
	const char *why = run_recovery(r)->samples ? NULL : unmeasured(r);

	box(out, !why && !run_unrecovered(r), "Every window was followed by a recovery",
	    why ? why : "see the Scenario Matrix");
}

/* At least one probe was unhealthy while the window was open, or behind a change that stands. */
static bool noticed(const struct results *r, const struct result_window *w)
{
	const struct result_probe *p;

	for (size_t i = 0; i < r->n_probes; i++) {
		p = &w->probes[i];
		if (p->unhealthy_at != NO_NS && (w->stands || p->unhealthy_at <= w->closed_ns))
			return true;
	}
	return false;
}

static void box_noticed(const struct results *r, struct buf *out)
{
	const char *why = unmeasured(r);
	bool all = true;

	for (size_t i = 0; i < r->n_windows; i++)
		all &= r->windows[i]->shadow || noticed(r, r->windows[i]);
	if (!why)
		why = all ? "health didn't come back after each" : "no probe noticed one of them";
	box(out, all && !unmeasured(r) && !r->unrecovered,
	    "Health was seen unhealthy during each fault and healthy after it", why);
}

static void box_windows(const struct results *r, struct buf *out)
{
	bool outside = false, open = false;
	size_t i, p;

	for (i = 0; i < r->n_windows; i++) {
		open |= !r->windows[i]->closed;
		for (p = 0; p < r->windows[i]->n_parts; p++)
			outside |= r->windows[i]->parts[p].outside;
	}
	box(out, r->n_windows && !open && !outside && r->balanced,
	    "No fault acted outside its window, and all counters add up",
	    !r->n_windows ? "no window opened"
	    : open        ? "a closing is not in the log"
	    : outside     ? "a hit lies outside its window"
			  : "counters don't add up");
}

void section_acceptance(const struct results *r, struct buf *out)
{
	buf_puts(out, "\n## Acceptance\n\n");
	box_target(r, out);
	box_recovered(r, out);
	box_noticed(r, out);
	box_windows(r, out);
	box(out, !r->n_incomplete, "The evidence is complete", "see Logs and Evidence");
}
