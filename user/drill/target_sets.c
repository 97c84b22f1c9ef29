/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/target_sets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

#define FIRST_ROOM 16

struct target_sets {
	struct table *numbers; /* uint32_t by set */
	struct sp_bits *items; /* by number */
	uint32_t n, room;
	uint32_t last; /* the one that was asked for: often the next one, too */
};

int target_sets_open(struct target_sets **ret)
{
	struct target_sets *sets = calloc(1, sizeof(*sets));
	struct sp_bits empty = {0};
	uint32_t number;
	int err;

	if (!sets)
		return -ENOMEM;
	err = table_open(sizeof(struct sp_bits), sizeof(uint32_t), TARGET_SETS_MOST, &sets->numbers);
	if (!err)
		err = target_sets_number(sets, &empty, &number);
	if (err) {
		target_sets_close(sets);
		return err;
	}
	*ret = sets;
	return 0;
}

void target_sets_close(struct target_sets *sets)
{
	if (!sets)
		return;
	table_close(sets->numbers);
	free(sets->items);
	free(sets);
}

static int grow(struct target_sets *sets)
{
	uint32_t room = sets->room ? 2 * sets->room : FIRST_ROOM;
	struct sp_bits *items;

	if (sets->n < sets->room)
		return 0;
	items = reallocarray(sets->items, room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	sets->items = items;
	sets->room = room;
	return 0;
}

int target_sets_number(struct target_sets *sets, const struct sp_bits *set, uint32_t *ret)
{
	uint32_t *number;
	bool is_new;

	if (sets->n && !memcmp(&sets->items[sets->last], set, sizeof(*set))) {
		*ret = sets->last;
		return 0;
	}
	number = table_find(sets->numbers, set);
	if (!number) {
		if (sets->n == TARGET_SETS_MOST)
			return -ENOSPC;
		if (grow(sets))
			return -ENOMEM;
		number = table_put(sets->numbers, set, &is_new);
		if (!number)
			return -ENOMEM;
		*number = sets->n;
		sets->items[sets->n++] = *set;
	}
	*ret = sets->last = *number;
	return 0;
}

const struct sp_bits *target_sets_get(const struct target_sets *sets, uint32_t number)
{
	return &sets->items[number];
}
