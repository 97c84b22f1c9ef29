/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of what must be there when a run starts: the owners that targets name, and what answers need. */
#include <string.h>

#include "cmd/preflight.h"
#include "drill/answers.h"
#include "kernel/owned.h"

void preflight_owners(struct preflight *p, const struct plan *plan)
{
	struct owned *owned = NULL;
	char reason[320] = "";
	size_t n;
	int err = owned_open(plan, &owned, reason, sizeof(reason));

	if (err) {
		check(p, p->root ? CHECK_FAIL : CHECK_SKIP, "owners",
		      "start it, or correct the target's `cgroup`, `unit` or `pid`", "%s",
		      *reason ? reason : strerror(-err));
	} else if (owned) {
		owned_items(owned, &n);
		check(p, CHECK_PASS, "owners", NULL, "of %zu targets; all are there", n);
	}
	owned_close(owned);
}

void preflight_answers(struct preflight *p, const struct plan *plan)
{
	struct answers *answers = NULL;
	char reason[320] = "";
	int err = answers_open(plan, &answers, reason, sizeof(reason));

	if (err)
		check(p, CHECK_FAIL, "responder", "correct `certificate` and `key` of the answer", "%s",
		      *reason ? reason : strerror(-err));
	else if (answers)
		check(p, CHECK_PASS, "responder", NULL, "it can listen, and read what certificates it needs");
	answers_close(answers);
}
