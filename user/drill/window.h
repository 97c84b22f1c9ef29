/* SPDX-License-Identifier: BSD-2-Clause */
/* What windows.c keeps of windows, and what is written down of them (window_log.c). Internal to these two. */
#ifndef SHEARPIN_WINDOW_H
#define SHEARPIN_WINDOW_H

#include "drill/windows.h"

struct window {
	const struct plan_rule *rule;
	const struct plan_step *step;
	size_t rule_index;
	uint32_t instance; /* from 0 */
	uint32_t slot;
	uint64_t opens, closes, next_walk;
	uint64_t burst_opens; /* of the burst that next_walk belongs to */
	bool is_open, is_closed, cut;
	unsigned graces, still; /* looks after the closing; the last ones at which nothing had come back */
	uint64_t returned;      /* from the delay line, when last looked at after the closing */
	struct flows *flows;    /* that are still to be told of, after the closing */
	uint64_t next_batch;
	uint64_t idle_reset, idle_failed;
	uint64_t next_pause; /* of a stall: when its burst or window closes, and who waits is to be told */
	bool untold;         /* the rule's next window was open by then */
	struct stalls_told told;
};

struct windows {
	const struct plan *plan;
	struct engine *engine;
	struct journal *journal;
	struct fault_events *fault_events;
	const struct answers *answers;
	struct window *items; /* by slot */
	struct drill_window *view;
	size_t n, n_done; /* done: closed, and every flow told of */
	uint64_t last_close;
	bool unbalanced;
};

struct flow_teller {
	struct windows *ws;
	struct window *w;
};

/* The events of docs/run-directory.md, and fault_events.jsonl. 0 or a negative errno. */
int window_tell_opening(struct windows *ws, const struct window *w);
int window_tell_closing(struct windows *ws, const struct window *w, const struct sp_counters *c,
			const struct sp_receipt *receipt);
/* For flows_take(); arg: a flow_teller. */
void window_tell_flow(void *arg, const struct sp_flow_key *key, const struct sp_flow *flow);

#endif
