/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which rules match a packet: one bit vector a dimension, ANDed. The cost does not depend on how many rules there are.
 * The cheap dimensions come first, so that a packet that is nobody's never reaches the prefix tries.
 */
#ifndef SHEARPIN_CLASSIFY_BPF_H
#define SHEARPIN_CLASSIFY_BPF_H

#include "parse.bpf.h"

static __always_inline void bits_and(struct sp_bits *to, const struct sp_bits *with)
{
	to->w[0] &= with->w[0];
	to->w[1] &= with->w[1];
	to->w[2] &= with->w[2];
	to->w[3] &= with->w[3];
}

static __always_inline void bits_or(struct sp_bits *to, const struct sp_bits *with)
{
	to->w[0] |= with->w[0];
	to->w[1] |= with->w[1];
	to->w[2] |= with->w[2];
	to->w[3] |= with->w[3];
}

static __always_inline bool bits_any(const struct sp_bits *b)
{
	return b->w[0] | b->w[1] | b->w[2] | b->w[3];
}

static __always_inline bool bits_meet(const struct sp_bits *a, const struct sp_bits *b)
{
	return (a->w[0] & b->w[0]) | (a->w[1] & b->w[1]) | (a->w[2] & b->w[2]) | (a->w[3] & b->w[3]);
}

static __always_inline void and_prefix4(const struct packet *p, struct sp_bits *match)
{
	struct sp_prefix4 key = {.len = 32, .addr = remote_addr(p)[3]};
	struct sp_bits *found = bpf_map_lookup_elem(&prefixes4, &key);

	bits_and(match, found ?: &any_prefix4);
}

/* Its key is not to lie on the stack of those who call further down: 512 bytes are all there are. */
static __noinline void and_prefix6(const struct packet *p, struct sp_bits *match)
{
	struct sp_prefix6 key = {.len = 128};
	struct sp_bits *found;

	__builtin_memcpy(key.addr, remote_addr(p), sizeof(key.addr));
	found = bpf_map_lookup_elem(&prefixes6, &key);
	bits_and(match, found ?: &any_prefix6);
}

/* The rules of `enabled`, and of `also` if that is not NULL, that match; false: none. */
static __always_inline bool classify(const struct packet *p, __u32 ifindex, const struct sp_bits *enabled,
				     const struct sp_bits *also, struct sp_bits *ret_match)
{
	struct sp_bits *found = bpf_map_lookup_elem(&interfaces, &ifindex);

	if (!found)
		return false;
	*ret_match = *enabled;
	if (also)
		bits_or(ret_match, also);
	bits_and(ret_match, found);
	bits_and(ret_match, &protocols[p->proto]);
	if (control.ports) {
		bits_and(ret_match, &local_ports[local_port(p)]);
		bits_and(ret_match, &remote_ports[remote_port(p)]);
	}
	if (!bits_any(ret_match))
		return false;
	if (p->family == 4 && control.prefixes4)
		and_prefix4(p, ret_match);
	else if (p->family == 6 && control.prefixes6)
		and_prefix6(p, ret_match);
	return bits_any(ret_match);
}

#endif
