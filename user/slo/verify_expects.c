/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/verify_expects.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slo/get.h"

#define MOST_TIMES 4096 /* of a step */

static int add(struct verify_expects *e, const json_t *step)
{
	const char *kind = get_string(step, "kind"), *name = get_string(step, "name");
	uint64_t times = get_u64(step, "times");
	struct verify_expect *item = &e->items[e->n];

	if (!kind || strcmp(kind, "expect") != 0)
		return 0;
	if (!name || !times || times > MOST_TIMES)
		return -EBADMSG;
	item->decisions = calloc(times, sizeof(*item->decisions));
	if (!item->decisions)
		return -ENOMEM;
	item->step = name;
	item->times = times;
	e->n++;
	e->planned += times;
	return 0;
}

int verify_expects_open(const json_t *plan, struct verify_expects *ret)
{
	const json_t *steps = json_object_get(plan, "steps");
	int err = 0;

	ret->items = calloc(json_array_size(steps) + 1, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; !err && i < json_array_size(steps); i++)
		err = add(ret, json_array_get(steps, i));
	return err;
}

void verify_expects_close(struct verify_expects *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->items[i].decisions);
	free(e->items);
}

bool verify_expects_decided(struct verify_expects *e, const char *step, uint64_t instance)
{
	for (size_t i = 0; step && i < e->n; i++) {
		if (strcmp(e->items[i].step, step) != 0)
			continue;
		if (!instance || instance > e->items[i].times)
			return false;
		e->items[i].decisions[instance - 1]++;
		return true;
	}
	return false;
}

void verify_expects_count(const struct verify_expects *e, uint64_t *ret_missing, uint64_t *ret_repeated,
			  char *ret_first, size_t size)
{
	*ret_missing = *ret_repeated = 0;
	ret_first[0] = 0;
	for (size_t i = 0; i < e->n; i++) {
		for (uint64_t k = 0; k < e->items[i].times; k++) {
			if (e->items[i].decisions[k] == 1)
				continue;
			if (!*ret_missing && !*ret_repeated)
				snprintf(ret_first, size, "%s #%" PRIu64, e->items[i].step, k + 1);
			*ret_missing += !e->items[i].decisions[k];
			*ret_repeated += e->items[i].decisions[k] > 1;
		}
	}
}
