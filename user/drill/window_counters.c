/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>
#include <string.h>

#include "drill/window.h"

/* clang-format off */
#define VERDICT(v) (offsetof(struct sp_counters, verdict) + (v) * sizeof(__u64))
/* clang-format on */

static const struct kept {
	const char *name;
	size_t offset; /* in struct sp_counters */
} kept[] = {
	{"matched", offsetof(struct sp_counters, matched)},
	{"passed", VERDICT(SP_PASS)},
	{"dropped", VERDICT(SP_DROP)},
	{"reset", VERDICT(SP_RESET)},
	{"refused", VERDICT(SP_REFUSE)},
	{"delayed", VERDICT(SP_DELAY)},
	{"duplicated", VERDICT(SP_DUPLICATE)},
	{"altered", VERDICT(SP_ALTER)},
	{"suppressed", VERDICT(SP_SUPPRESS)},
	{"bytes", offsetof(struct sp_counters, bytes)},
	{"flows", offsetof(struct sp_counters, flows)},
	{"untracked", offsetof(struct sp_counters, untracked)},
	{"failed", offsetof(struct sp_counters, failed)},
};

/* What the process itself adds to the kernel's counters, or counts alone; false: there is no such counter. */
static bool own_part(const struct windows *ws, const struct window *w, const char *name, uint64_t *ret)
{
	if (strcmp(name, "failed") == 0)
		*ret = w->idle_failed + w->told.failed;
	else if (strcmp(name, "idle_reset") == 0)
		*ret = w->idle_reset;
	else if (strcmp(name, "resumed") == 0)
		*ret = w->told.sent;
	else if (strcmp(name, "requests") == 0)
		*ret = ws->answers && w->step->fault.meaning == PLAN_MEANS_ANSWER
			       ? answers_requests(ws->answers, w->slot)
			       : 0;
	else
		return false;
	return true;
}

static bool one_counter(const struct windows *ws, const struct window *w, const char *name, uint64_t *ret)
{
	struct sp_counters c;
	__u64 value = 0;
	uint64_t own = 0;
	bool found = own_part(ws, w, name, &own);

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (strcmp(kept[i].name, name) != 0)
			continue;
		if (engine_counters(ws->engine, w->slot, &c))
			return false;
		memcpy(&value, (const char *)&c + kept[i].offset, sizeof(value));
		found = true;
	}
	*ret = value + own;
	return found;
}

bool windows_counter(const struct windows *windows, const struct plan_step *step, const char *name,
		     uint64_t *ret)
{
	uint64_t sum = 0, one;

	for (size_t i = 0; i < windows->n; i++) {
		if (windows->items[i].step != step)
			continue;
		if (!one_counter(windows, &windows->items[i], name, &one))
			return false;
		sum += one;
	}
	*ret = sum;
	return true;
}
