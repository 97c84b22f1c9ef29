/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of a plan's expectations a log has decided. Internal to verify.c. */
#ifndef SHEARPIN_VERIFY_EXPECTS_H
#define SHEARPIN_VERIFY_EXPECTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verify_expect {
	const char *step;
	uint64_t times;
	uint64_t *decisions; /* by instance */
};

struct verify_expects {
	struct verify_expect *items;
	size_t n;
	uint64_t planned;
};

/* The plan must outlive it. 0; -EBADMSG; -ENOMEM. */
int verify_expects_open(const json_t *plan, struct verify_expects *ret);
void verify_expects_close(struct verify_expects *expects);

/* False: the plan has no such instance. */
bool verify_expects_decided(struct verify_expects *expects, const char *step, uint64_t instance);
/* How many instances have another number of decisions than one: `missing` none, `repeated` more. The first of either is named. */
void verify_expects_count(const struct verify_expects *expects, uint64_t *ret_missing, uint64_t *ret_repeated,
			  char *ret_first, size_t size);

#endif
