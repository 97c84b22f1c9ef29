/* SPDX-License-Identifier: BSD-2-Clause */
/* The bit vectors that the programs classify with, from the plan's targets. */
#ifndef SHEARPIN_VECTORS_H
#define SHEARPIN_VECTORS_H

#include <linux/types.h>

#include "abi.h"
#include "scenario/plan.h"

static inline void bits_set(struct sp_bits *b, size_t i)
{
	b->w[i / 64] |= 1ULL << (i % 64);
}

static inline bool bits_get(const struct sp_bits *b, size_t i)
{
	return b->w[i / 64] >> (i % 64) & 1;
}

static inline bool bits_any_set(const struct sp_bits *b)
{
	for (int i = 0; i < SP_WORDS; i++)
		if (b->w[i])
			return true;
	return false;
}

static inline void bits_or_all(struct sp_bits *to, const struct sp_bits *with)
{
	for (int i = 0; i < SP_WORDS; i++)
		to->w[i] |= with->w[i];
}

/* Tables in the programs' mapped memory, all zero before. */
struct vectors {
	struct sp_bits *protocols;    /* [256] */
	struct sp_bits *local_ports;  /* [SP_PORTS] */
	struct sp_bits *remote_ports; /* [SP_PORTS] */
	struct sp_bits *any_prefix4, *any_prefix6;
	struct sp_bits *any_owner, *owner_rules, *process_rules;
	struct sp_control *control;
};

void vectors_fill(const struct plan *plan, const struct vectors *v);
/*
 * Take the tables of the ports, 4 MiB, out of this process's memory, where they are mapped; the programs have them still. From
 * here on they are not to be touched. 0 or a negative errno.
 */
int vectors_leave_ports(const struct vectors *v);
/* The target of a bit: of a rule, or one that no rule has; -1: the bit is not taken. */
int vectors_target(const struct plan *plan, unsigned bit);
/* All bits of a target, added to what *ret_bits has. */
void vectors_bits(const struct plan *plan, size_t target, struct sp_bits *ret_bits);
/* Does a target name an owner; a process? */
bool vectors_have_owners(const struct plan *plan);
bool vectors_have_processes(const struct plan *plan);

/* The distinct prefixes of one family over all targets, each with the rules of all that cover it; free() it. */
struct prefix_rules {
	struct prefix prefix;
	struct sp_bits rules;
};
int vectors_prefixes(const struct plan *plan, int family, struct prefix_rules **ret_list, size_t *ret_n);

#endif
