/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks that a scenario brings along. */
#include <string.h>

#include "cmd/preflight.h"
#include "drill/alternatives.h"
#include "drill/checks.h"

bool preflight_asked(struct preflight *p, struct plan *plan)
{
	static const enum check_result results[] = {
		[FINDING_PASS] = CHECK_PASS, [FINDING_WARN] = CHECK_WARN, [FINDING_FAIL] = CHECK_FAIL};
	struct findings found = {0};
	int err = alternatives_pick(plan, NULL, -1, &found);

	if (!err)
		err = checks_make(plan, NULL, p->allow_exec, -1, &found);
	for (size_t i = 0; i < found.n; i++)
		check(p, results[found.items[i].result], found.items[i].name, found.items[i].remedy, "%s",
		      found.items[i].detail);
	if (err)
		check(p, CHECK_FAIL, "preflight", "see the checks of this host above",
		      "the scenario's checks can't be made: %s", strerror(-err));
	findings_free(&found);
	return !err && alternatives_picked(plan);
}
