/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks that take new connections to responders of this process (bpf/answer.bpf.h): connect() and getpeername() at the
 * root of cgroup v2, whether or not it is mounted anywhere. In a cgroup namespace that is the namespace's root, and what
 * runs outside of it is not taken. The links end with the process.
 *
 * Order: answer_prepare, between the skeleton's open and load -> answer_open -> answer_set_port, answer_beat -> (the engine is
 * armed) -> answer_close. Functions return 0 or a negative errno. Times are CLOCK_MONOTONIC nanoseconds.
 */
#ifndef SHEARPIN_KERNEL_ANSWER_H
#define SHEARPIN_KERNEL_ANSWER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "scenario/plan.h"

struct answer;
struct engine;
struct shearpin;

/* What docs and messages call the place that the programs are attached to. */
#define ANSWER_PLACE "the root of cgroup v2"

/* Does the plan take connections to a responder? */
bool answer_is_needed(const struct plan *plan);

/* Choose the programs to load. */
void answer_prepare(const struct plan *plan, struct shearpin *skel);

/* A rule that answers acts at connect(), and at no hook of packets. */
void answer_choose_hooks(const struct plan *plan, struct sp_control *control);

/* Attach, for the connections of this network namespace. -ENODEV: this kernel has no cgroup v2. */
int answer_open(struct shearpin *skel, struct answer **ret);
void answer_close(struct answer *answer); /* accepts NULL */

/* Where on the loopback (127.0.0.1, ::1) the rule's connections of the family are answered; 0: nowhere, they pass. */
void answer_set_port(struct engine *engine, size_t rule, int family, uint16_t port);

/* The responders are alive: to be called more often than every SP_ANSWER_LOST_NS, or connections pass. Any thread. */
void answer_beat(struct engine *engine, uint64_t now);

/*
 * The slot of the rule's window that is open at `now`, -1: none, or nothing is armed; and when that changes: its end, or the next
 * opening. Any thread.
 */
int answer_slot(struct engine *engine, size_t rule, uint64_t now, uint64_t *ret_changes);

#endif
