/* SPDX-License-Identifier: GPL-2.0-only */
/* What rules with a meaning keep of a flow in a window. */
#ifndef SHEARPIN_STATE_BPF_H
#define SHEARPIN_STATE_BPF_H

#include "work.bpf.h"

static const struct sp_state no_state;

/* NULL: there is none. The key is copied: Linux 6.1 takes none from behind an argument. */
static __noinline struct sp_state *state_find(const struct sp_flow_key *flow)
{
	struct sp_flow_key key = *flow;

	return bpf_map_lookup_elem(&states, &key);
}

/* NULL: there is no room. */
static __noinline struct sp_state *state_of(const struct sp_flow_key *flow)
{
	struct sp_flow_key key = *flow;
	struct sp_state *state = bpf_map_lookup_elem(&states, &key);

	if (state)
		return state;
	bpf_map_update_elem(&states, &key, &no_state, BPF_NOEXIST);
	return bpf_map_lookup_elem(&states, &key);
}

#endif
