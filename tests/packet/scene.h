/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the packet tests and the measurements stand on: a network namespace of the process's own with a veth pair, a plan
 * made rule by rule, and the production programs loaded from it by the engine. Functions return 0 or a negative errno.
 */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernel/engine.h"
#include "shearpin.skel.h"

#define NEAR_END "sp0" /* the programs' end of the pair */
#define FAR_END "sp1"

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

#endif
