/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the packet tests and the measurements stand on: a network namespace of the process's own with a veth pair, a plan
 * made rule by rule, and the production programs loaded from it by the engine. Functions return 0 or a negative errno.
 */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/pkt_cls.h>

#include "kernel/engine.h"
#include "packet/frame.h"
#include "shearpin.skel.h"

#define NEAR_END "sp0" /* the programs' end of the pair */
#define FAR_END "sp1"
#define SCENE_SEED 0x5eed                                 /* of a scene's first rule */
#define PASSES (-1)                                       /* a tc program's return value: TCX_NEXT */
#define LOST(out) ((out) ? TC_ACT_REDIRECT : TC_ACT_SHOT) /* ... to nowhere: the sender is not told */
#define TEST_CHECKSUM_COMPLETE (1U << 2)                  /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE, Linux 6.16 */

/* Move the process into a network namespace that ends with it, with lo and the pair up and silent. */
int world_make(void);
/* Run a command; -EIO: it failed. What it prints goes to standard error. */
int world_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct scene {
	struct plan plan;
	struct plan_target targets[PLAN_MAX_RULES];
	struct plan_step steps[PLAN_MAX_RULES];
	struct plan_rule rules[PLAN_MAX_RULES];
	size_t target_of_rule[PLAN_MAX_RULES];
	struct engine_interface interface;
	struct engine *engine;
	struct shearpin *skel; /* the engine's */
};

/* Allocated, on the interface `name`. */
int scene_new(const char *name, struct scene **ret);
/* Add a rule with one window of an hour. The fields behind `target` and `fault` stay the caller's. */
void scene_rule(struct scene *s, const struct plan_target *target, const struct plan_fault *fault,
		uint8_t hooks);
/* Load; nothing is armed. */
int scene_load(struct scene *s);
/* Arm, with all windows open. */
void scene_arm(struct scene *s);
/*
 * Loaded and armed, at the near end's tc hooks: each of the faults, for what matches the target; NULL: for every packet. Nothing
 * is attached.
 */
int scene_of(const struct plan_target *target, const struct plan_fault *faults, size_t n, struct scene **ret);
int scene_program(const struct scene *s, enum sp_hook hook);
void scene_free(struct scene *s);

/* What a program made of a frame. */
struct ran {
	int action;
	uint8_t frame[70000];
	uint32_t len;
	uint32_t ns; /* per run, over all repeats */
};

/* One packet, or `repeat` of the same, through a program; flags: BPF_F_TEST_*. */
int run_skb(int fd, int ifindex, uint32_t flags, uint32_t repeat, const void *frame, size_t len,
	    struct ran *ret);
int run_xdp(int fd, int ifindex, uint32_t repeat, const void *frame, size_t len, struct ran *ret);
int run_at(const struct scene *s, enum sp_hook hook, const void *frame, size_t len, struct ran *ret);
/* Through the tc program of that direction. */
int run_tc(const struct scene *s, const struct frame *f, bool out, uint32_t flags, struct ran *ret);
/* Does this kernel test a tc program on CHECKSUM_COMPLETE, and find a sum that no longer fits? */
bool can_complete(int fd, int ifindex);

#endif
