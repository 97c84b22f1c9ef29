/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/stalls.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#define BATCH 1024

struct batch {
	struct sp_flow_key keys[BATCH];
	struct sp_state values[BATCH];
};

/* What the observer has not taken up is told by the FIN that the rule has seen. */
static bool is_ended(const struct stalls *stalls, const struct sp_flow_key *key, bool fin)
{
	struct sp_flow_key conn_key = *key;
	struct sp_conn conn;

	conn_key.slot = 0;
	if (bpf_map_lookup_elem(stalls->conns_fd, &conn_key, &conn))
		return fin;
	return conn.flags & SP_CONN_ENDED;
}

/* A window that is 0 without the fault is the peer's own affair. */
static bool is_kept_from(const struct stalls *stalls, const struct sp_flow_key *key,
			 const struct sp_state *state, int dir)
{
	return state->flags[dir] & SP_STATE_SEEN && state->window[dir] &&
	       !is_ended(stalls, key, state->flags[dir] & SP_STATE_ENDED);
}

/*
 * In the window that is open, or in one before it: where they follow each other so closely that those are not at an end, either
 * (-EAGAIN), what the peer said is kept there until it says more.
 */
static bool is_seen(const struct stalls *stalls, const struct sp_flow_key *key, size_t rule, uint32_t slot,
		    int dir)
{
	const uint32_t first = stalls->rules[rule].first_slot;
	struct sp_flow_key at = *key;
	struct sp_state state;

	for (uint32_t back = 0; back <= STALLS_WINDOWS_BACK && back <= slot - first; back++) {
		at.slot = slot - back;
		if (!bpf_map_lookup_elem(stalls->states_fd, &at, &state) && state.flags[dir] & SP_STATE_SEEN)
			return true;
	}
	return false;
}

/* Has another rule, whose window is open, seen the sender too, and shut its window? */
static bool is_held(const struct stalls *stalls, const struct sp_flow_key *key, int dir)
{
	for (size_t w = 0; w < SP_WORDS; w++)
		for (__u64 left = stalls->stalling->w[w]; left; left &= left - 1) {
			size_t rule = w * 64 + __builtin_ctzll(left);
			int slot = rule == stalls->rule ? -1 : stalls->window(stalls->arg, rule);

			if (slot >= 0 && is_seen(stalls, key, rule, slot, dir))
				return true;
		}
	return false;
}

static void tell(const struct stalls *stalls, const struct sp_flow_key *key, const struct sp_state *state,
		 struct stalls_told *told)
{
	for (int dir = 0; dir < SP_DIRS; dir++) {
		if (!is_kept_from(stalls, key, state, dir) || is_held(stalls, key, dir))
			continue;
		if (raw_acknowledge(stalls->raw, key, dir, state))
			told->failed++;
		else
			told->sent++;
	}
}

static int end_batch(const struct stalls *stalls, uint32_t slot, const struct batch *b, uint32_t n,
		     struct stalls_told *told)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sp_state state;
		int err;

		if (b->keys[i].slot != slot)
			continue;
		if (stalls->raw && stalls->window(stalls->arg, stalls->rule) >= 0)
			return -EAGAIN;
		err = bpf_map_lookup_elem(stalls->states_fd, &b->keys[i], &state); /* as it is by now */
		if (!err)
			err = bpf_map_delete_elem(stalls->states_fd, &b->keys[i]);
		if (err && err != -ENOENT)
			return err;
		if (!err && stalls->raw)
			tell(stalls, &b->keys[i], &state, told);
	}
	return 0;
}

int stalls_end(const struct stalls *stalls, uint32_t slot, struct stalls_told *told)
{
	struct batch *b = malloc(sizeof(*b));
	bool started = false, last = false;
	int err = b ? 0 : -ENOMEM;
	__u32 position, n;

	while (!err && !last) {
		n = BATCH;
		err = bpf_map_lookup_batch(stalls->states_fd, started ? &position : NULL, &position, b->keys,
					   b->values, &n, NULL);
		last = err == -ENOENT;
		if (err && !last)
			break;
		started = true;
		err = end_batch(stalls, slot, b, n, told);
	}
	free(b);
	return err;
}
