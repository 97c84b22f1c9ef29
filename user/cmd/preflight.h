/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of `shearpin preflight`: each is said in one line as it is made, and kept for the document. */
#ifndef SHEARPIN_PREFLIGHT_H
#define SHEARPIN_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "cmd/options.h"
#include "drill/drill.h"

enum check_result {
	CHECK_PASS,
	CHECK_WARN, /* the run would go, but perhaps not show what it should */
	CHECK_FAIL, /* the run would be refused or fail */
	CHECK_SKIP, /* can't be told */
};

struct preflight {
	bool json, colour, root, allow_exec;
	enum attach_mode attach;
	enum line_choice line;
	bool clsact; /* tc programs would be attached with clsact stubs */
	const struct words *protect, *policy;
	unsigned counts[4]; /* by enum check_result */
	struct buf text;
	struct json document;
};

/* The name and the detail are one line; the remedy may be NULL. */
void check(struct preflight *p, enum check_result result, const char *name, const char *remedy,
	   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* This host and this kernel, whatever is to be run. */
void preflight_host(struct preflight *p);
/* What a scenario meets here; completes the plan's interfaces. */
void preflight_plan(struct preflight *p, struct plan *plan);
/* Its names, whose addresses are written into the plan; false: one has none. */
bool preflight_names(struct preflight *p, struct plan *plan);
/*
 * Which of its alternatives are reached, whose matches are written into the plan, and what its own checks find; after the names. False:
 * of some alternatives none was reached.
 */
bool preflight_asked(struct preflight *p, struct plan *plan);
/* The owners that its targets name. */
void preflight_owners(struct preflight *p, const struct plan *plan);
/* What its answers need; after the names. */
void preflight_answers(struct preflight *p, const struct plan *plan);
/* Each of its probes once, side by side; without --allow-exec those that start programs are left out. */
void preflight_probes(struct preflight *p, const struct plan *plan);
/* Its steps that change something outside the kernel programs, and the undo journal that they need. */
void preflight_changes(struct preflight *p, const struct plan *plan);
/* What an interface does with packets that gets in the way of its faults. */
void preflight_offloads(struct preflight *p, const struct plan *plan, const char *device, int ifindex);
/* Its clock steps. */
void preflight_clock(struct preflight *p, const struct plan *plan);

#endif
