/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/single.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct scene *scene;
struct ran ran;

void open_scene(const struct plan_fault *faults, size_t n)
{
	assert_int_equal(scene_of(NULL, faults, n, &scene), 0);
}

void attach_scene(void)
{
	const char *culprit;

	assert_int_equal(engine_attach(scene->engine, ATTACH_AUTO, &culprit), 0);
}

int close_scene(void **state)
{
	(void)state;
	scene_free(scene);
	scene = NULL;
	return 0;
}

struct sp_counters counters(void)
{
	struct sp_counters c;

	assert_int_equal(engine_counters(scene->engine, 0, &c), 0);
	return c;
}

void expect_counted(uint64_t altered, uint64_t passed, uint64_t failed)
{
	struct sp_counters c = counters();

	assert_int_equal(c.matched, altered + passed);
	assert_int_equal(c.verdict[SP_ALTER], altered);
	assert_int_equal(c.verdict[SP_PASS], passed);
	assert_int_equal(c.failed, failed);
}

uint64_t scene_stat(enum sp_stat which)
{
	uint64_t stats[SP_STATS];

	assert_int_equal(engine_stats(scene->engine, stats), 0);
	return stats[which];
}

void run_frame(const struct frame *f, bool out, uint32_t flags)
{
	assert_int_equal(run_tc(scene, f, out, flags, &ran), 0);
}

void pass_frame(const struct frame *f, bool out, uint32_t flags)
{
	run_frame(f, out, flags);
	assert_int_equal(ran.action, PASSES);
}

void pass_spec(const struct spec *s, bool out)
{
	struct frame f;

	frame_build(s, &f);
	pass_frame(&f, out, 0);
}

void expect_frame(const struct spec *s, const void *data, size_t len)
{
	struct frame f;

	frame_build(s, &f);
	assert_int_equal(len, f.len);
	assert_memory_equal(data, f.data, f.len);
}

void expect_ran(const struct spec *s, int action)
{
	assert_int_equal(ran.action, action);
	expect_frame(s, ran.frame, ran.len);
}

void expect_untouched(const struct frame *f)
{
	assert_int_equal(ran.action, PASSES);
	assert_int_equal(ran.len, f->len);
	assert_memory_equal(ran.frame, f->data, f->len);
}
