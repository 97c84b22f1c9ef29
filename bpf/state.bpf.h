/* SPDX-License-Identifier: GPL-2.0-only */
/* What rules with a meaning keep of a flow in a window. */
#ifndef SHEARPIN_STATE_BPF_H
#define SHEARPIN_STATE_BPF_H

#include "work.bpf.h"

static const struct sp_state no_state;

/*
 * Of the flow in the window that the passage at work names: see mean_verdict(). A key that lies in a map needs no copy on the
 * stack, not even on Linux 6.1. NULL: there is none.
 */
static __always_inline struct sp_state *state_find(struct bent *bent)
{
	return bpf_map_lookup_elem(&states, &bent->passage.key);
}

/* NULL: there is no room. */
static __always_inline struct sp_state *state_of(struct bent *bent)
{
	struct sp_state *state = state_find(bent);

	if (state)
		return state;
	bpf_map_update_elem(&states, &bent->passage.key, &no_state, BPF_NOEXIST);
	return state_find(bent);
}

static __always_inline void state_forget(struct bent *bent)
{
	bpf_map_delete_elem(&states, &bent->passage.key);
}

#endif
