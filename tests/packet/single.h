/* SPDX-License-Identifier: BSD-2-Clause */
/* A test's one scene, and frames through it one by one. What fails ends the test. */
#ifndef TESTS_SINGLE_H
#define TESTS_SINGLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/frame.h"
#include "packet/scene.h"

extern struct scene *scene; /* NULL: none is open */
extern struct ran ran;      /* what became of the last frame */

/* Each of the faults for every packet (scene_of). */
void open_scene(const struct plan_fault *faults, size_t n);
void attach_scene(void);
/* For cmocka, of a test. */
int close_scene(void **state);

/* Of the first rule. */
struct sp_counters counters(void);
/* All that it matched. */
void expect_counted(uint64_t altered, uint64_t passed, uint64_t failed);
uint64_t scene_stat(enum sp_stat which);

/* flags: BPF_F_TEST_*. */
void run_frame(const struct frame *f, bool out, uint32_t flags);
/* It passes, altered or not. */
void pass_frame(const struct frame *f, bool out, uint32_t flags);
void pass_spec(const struct spec *s, bool out);

void expect_frame(const struct spec *s, const void *data, size_t len);
/* The last frame has become this one. */
void expect_ran(const struct spec *s, int action);
/* ... and it is the one that it was. */
void expect_untouched(const struct frame *f);

#endif
