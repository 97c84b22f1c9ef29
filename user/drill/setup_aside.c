/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/setup_aside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "drill/alternatives.h"
#include "drill/changes.h"
#include "drill/checks.h"
#include "drill/clock_step.h"
#include "drill/leftovers.h"
#include "drill/libcurl.h"

static void ignore(void *arg, const struct undone *undone)
{
	(void)arg;
	(void)undone;
}

/* In the guard: nobody is there to be told. What fails stays for `shearpin clear`. */
static void take_back(void)
{
	(void)leftovers_take_back(UNDO_DIRECTORY, ignore, NULL);
}

static bool take_late(void *arg, const struct undo_late *late)
{
	enum undo_result result;
	bool stepped;

	if (!late->offset_ns) {
		if (leftovers_take_one(undo_path(arg), late->id, &result) || result != UNDO_TAKEN_BACK)
			return false;
		(void)undo_done_beside(arg, late->id);
		return true;
	}
	if (clock_take_back(&clock_of_host, late->before_ns, late->offset_ns, &stepped) || !stepped)
		return false;
	(void)undo_done_beside(arg, late->id);
	return true;
}

static void explain(int err, const struct plan_step *step, char *ret_reason, size_t size)
{
	if (err == -ERANGE)
		snprintf(ret_reason, size, "the step %s would move the clock out of what the kernel allows",
			 step->name);
	else if (err == -EINVAL)
		snprintf(ret_reason, size,
			 "the step %s moves the clock while another offset is on it; the windows of clock "
			 "steps must not overlap",
			 step->name);
	else
		snprintf(ret_reason, size,
			 "this process may not move the clock: %s; that needs CAP_SYS_TIME on the host "
			 "itself, "
			 "which containers don't give",
			 strerror(-err));
}

static bool fetches(const struct plan_probe *probes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (probes[i].kind == PROBE_HTTP || probes[i].kind == PROBE_PROMETHEUS)
			return true;
	return false;
}

enum drill_outcome setup_libraries(const struct plan *plan, char *ret_reason, size_t size)
{
	bool needed = fetches(plan->probes, plan->n_probes) || fetches(plan->watches, plan->n_watches);

	if (!needed || !libcurl_load())
		return DRILL_DONE;
	snprintf(ret_reason, size, "probes over HTTP need libcurl, which can't be loaded");
	return DRILL_REFUSED;
}

enum drill_outcome setup_changes(struct setup *s, const struct plan *plan, char *ret_reason, size_t size)
{
	const struct plan_step *step;
	int err = clock_steps_check(plan, &step);

	if (err) {
		explain(err, step, ret_reason, size);
		return DRILL_REFUSED;
	}
	if (changes_check(plan, ret_reason, size))
		return DRILL_REFUSED;
	if (!clock_steps_wanted(plan) && !changes_undone(plan))
		return DRILL_DONE;
	err = undo_open(UNDO_DIRECTORY, &s->undo);
	if (!err)
		err = undo_guard_start(&(struct undo_guard_work){take_back, take_late, s->undo}, &s->guard);
	if (!err)
		return DRILL_DONE;
	if (err == -EBUSY)
		snprintf(ret_reason, size,
			 "another run changes this host (its clock, files, interfaces or processes); see "
			 "`shearpin status`");
	else
		snprintf(ret_reason, size, "can't make an undo journal in " UNDO_DIRECTORY ": %s",
			 strerror(-err));
	return DRILL_REFUSED;
}

enum drill_outcome setup_spare(const struct setup *s, const struct plan *plan, char *ret_reason, size_t size)
{
	char flow[160];
	int found;

	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (step->kind != STEP_LINK || step->shadow)
			continue;
		found = lifeline_through(s->lifeline, step->link, flow, sizeof(flow));
		if (found > 0)
			snprintf(ret_reason, size, "the step %s would set %s down, and cut %s", step->name,
				 step->link, flow);
		else if (found < 0)
			snprintf(ret_reason, size, "can't look who uses the interface %s: %s", step->link,
				 strerror(-found));
		if (found)
			return DRILL_REFUSED;
	}
	return DRILL_DONE;
}

enum drill_outcome setup_names(struct setup *s, struct plan *plan, int cancel_fd, char *ret_reason,
			       size_t size)
{
	int err = hosts_open(plan, answer_find, cancel_fd, &s->hosts, ret_reason, size);

	if (!err)
		return DRILL_DONE;
	if (err == -ECANCELED) {
		snprintf(ret_reason, size, "interrupted while the names of the targets were looked up");
		return DRILL_INTERRUPTED;
	}
	if (err != -ENOENT && err != -ETIMEDOUT)
		snprintf(ret_reason, size, "can't look up the names of the targets: %s", strerror(-err));
	return DRILL_REFUSED;
}

bool drill_resolve(struct plan *plan, char *ret_reason, size_t size)
{
	struct setup s = {0};
	bool done = setup_names(&s, plan, -1, ret_reason, size) == DRILL_DONE;

	hosts_close(s.hosts);
	return done;
}

/* One a line, as `shearpin preflight` has them. */
static char *failures(const struct findings *f)
{
	struct buf text = {0};

	for (size_t i = 0; i < f->n; i++) {
		if (f->items[i].result != FINDING_FAIL)
			continue;
		buf_printf(&text, "[FAIL] %s: %s\n", f->items[i].name, f->items[i].detail);
		if (f->items[i].remedy)
			buf_printf(&text, "       remedy: %s\n", f->items[i].remedy);
	}
	return buf_take(&text);
}

enum drill_outcome setup_checks(struct setup *s, struct plan *plan, const char *out, int cancel_fd,
				char *ret_reason, size_t size)
{
	int err = alternatives_pick(plan, s->hosts, cancel_fd, &s->findings);

	if (!err)
		err = checks_make(plan, out, true, cancel_fd, &s->findings);
	if (err == -ECANCELED) {
		snprintf(ret_reason, size, "interrupted during the scenario's checks");
		return DRILL_INTERRUPTED;
	}
	if (err) {
		snprintf(ret_reason, size, "can't make the scenario's checks: %s", strerror(-err));
		return DRILL_REFUSED;
	}
	if (!s->findings.n_failed)
		return DRILL_DONE;
	s->mistakes = failures(&s->findings);
	snprintf(ret_reason, size, "%zu of the scenario's checks failed", s->findings.n_failed);
	return DRILL_REFUSED;
}

void setup_tell_checks(const struct setup *s, struct journal *journal)
{
	for (size_t i = 0; i < s->findings.n; i++) {
		const struct finding *found = &s->findings.items[i];
		struct json *data = journal_data(journal);

		json_string(data, "check", found->name);
		json_string(data, "result", finding_word(found->result));
		json_string(data, "detail", found->detail);
		journal_write(journal, clock_mono_ns(), "preflight", NULL);
	}
}
