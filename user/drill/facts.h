/* SPDX-License-Identifier: BSD-2-Clause */
/* The host that a run is on, and how it was started, for run.start: docs/run-directory.md has the members. */
#ifndef SHEARPIN_DRILL_FACTS_H
#define SHEARPIN_DRILL_FACTS_H

#include "base/json.h"
#include "kernel/engine.h"
#include "scenario/plan.h"

/* Adds members to the object that is open. What the host doesn't tell is null, or not there. */
void facts_tell(struct json *data, struct engine *engine, const struct engine_interface *interfaces,
		size_t n);
/* The array `command`, without the values that the plan hides. */
void facts_command(struct json *data, const struct plan *plan, char *const *words, size_t n);

#endif
