/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/leftovers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/timeutil.h"
#include "drill/clock_set.h"

/* The kernel reads the clock anew from the hardware when it boots, and an offset is never written there. */
static enum undo_result take_clock_back(void *arg, const json_t *data, bool this_boot, char *ret_reason,
					size_t size)
{
	const json_t *offset = json_object_get(data, "offset_ns"),
		     *before = json_object_get(data, "before_ns");
	bool stepped;
	int err;

	if (!json_is_integer(offset) || !json_is_integer(before)) {
		snprintf(ret_reason, size, "the journal does not say by how much");
		return UNDO_FAILED;
	}
	if (!this_boot) {
		snprintf(ret_reason, size, "this host has been booted since");
		return UNDO_NOT_NEEDED;
	}
	err = clock_take_back(arg, json_integer_value(before), json_integer_value(offset), &stepped);
	if (err) {
		snprintf(ret_reason, size, "%s", strerror(-err));
		return UNDO_FAILED;
	}
	if (!stepped)
		snprintf(ret_reason, size, "the clock is back already");
	return stepped ? UNDO_TAKEN_BACK : UNDO_NOT_NEEDED;
}

int leftovers_take_back(const char *directory, void (*call)(void *arg, const struct undone *undone),
			void *arg)
{
	const struct undo_kind kinds[] = {
		{UNDO_CLOCK, take_clock_back, (void *)&clock_of_host},
	};

	return undo_replay(directory, kinds, sizeof(kinds) / sizeof(*kinds), call, arg);
}

static void describe_clock(const struct undone *undone, char *text, size_t size)
{
	json_t *data = json_loads(undone->data ?: "", 0, NULL);
	json_int_t offset = json_integer_value(json_object_get(data, "offset_ns"));
	char by[32];

	json_decref(data);
	format_duration_exact(llabs(offset), by, sizeof(by));
	snprintf(text, size, "the clock, which was put %s by %s", offset < 0 ? "back" : "ahead", by);
}

void leftovers_describe(const struct undone *undone, char *text, size_t size)
{
	if (undone->kind && !strcmp(undone->kind, UNDO_CLOCK))
		describe_clock(undone, text, size);
	else
		snprintf(text, size, "what %s holds", undone->path);
}
