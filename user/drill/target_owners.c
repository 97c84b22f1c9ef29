/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/target_owners.h"

#include "base/timeutil.h"

static void tell(struct journal *journal, const struct plan *plan, const struct owned_item *item,
		 const char *type)
{
	static const char *const kinds[] = {
		[OWNED_CGROUP] = "cgroup", [OWNED_UNIT] = "unit", [OWNED_PROCESS] = "process"};
	const struct plan_target *target = &plan->targets[item->target];
	const struct journal_where where = {.target = target->name};
	struct json *data = journal_data(journal);

	json_string(data, "kind", kinds[item->kind]);
	if (item->kind == OWNED_PROCESS) {
		json_u64(data, "pid", item->pid);
		json_string(data, "comm", item->comm);
	} else {
		if (item->kind == OWNED_UNIT)
			json_string(data, "unit", target->unit);
		json_string(data, "cgroup", item->path);
		json_u64(data, "id", item->id);
	}
	journal_write(journal, clock_mono_ns(), type, &where);
}

void target_owners_tell(struct journal *journal, const struct plan *plan, const struct owned *owned)
{
	size_t n;
	const struct owned_item *items = owned_items(owned, &n);

	for (size_t i = 0; i < n; i++)
		tell(journal, plan, &items[i], "target.owner");
}

void target_owners_follow(struct journal *journal, const struct plan *plan, struct owned *owned)
{
	const struct owned_item *item;

	while ((item = owned_next_gone(owned, clock_mono_ns())))
		tell(journal, plan, item, "target.gone");
}
