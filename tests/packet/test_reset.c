/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What reset and refuse-by-RST send: every byte of both segments, against frames built from scratch. The segment that goes
 * on or back is what the program leaves; the one for the other end is cloned onto the pair and captured there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>

#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/single.h"

static bool complete; /* what the kernel can */

struct endings {
	struct scene *scene; /* of one rule: reset these ends */
	uint8_t ends;
};
static struct endings resets[] = {
	{.ends = SP_END_LOCAL}, {.ends = SP_END_REMOTE}, {.ends = SP_END_LOCAL | SP_END_REMOTE}};
static struct scene *refuse;

#define BOTH (&resets[2])

static int set_up(void **state)
{
	static const struct plan_target tcp = {.proto = IPPROTO_TCP};
	static const struct plan_fault refusal = {.refuse = PLAN_REFUSE_TCP_RESET};

	(void)state;
	if (world_make() || pair_listen() || scene_of(&tcp, &refusal, 1, &refuse))
		return -1;
	for (size_t i = 0; i < sizeof(resets) / sizeof(*resets); i++) {
		struct plan_fault reset = {.reset_ends = resets[i].ends};

		if (scene_of(&tcp, &reset, 1, &resets[i].scene))
			return -1;
	}
	complete = can_complete(scene_program(BOTH->scene, SP_HOOK_TC_IN), BOTH->scene->interface.ifindex);
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < sizeof(resets) / sizeof(*resets); i++)
		scene_free(resets[i].scene);
	scene_free(refuse);
	return pair_close(state);
}

static void run(const struct scene *s, const struct spec *segment, bool out, uint32_t flags)
{
	struct frame f;

	frame_build(segment, &f);
	assert_int_equal(run_tc(s, &f, out, flags, &ran), 0);
}

static void expect_left_alone(const struct scene *s, const struct spec *segment, bool out)
{
	run(s, segment, out, 0);
	expect_ran(segment, PASSES);
}

/* Where the segment that is turned round comes out: up this end's stack, or at the far end. */
static int turned_fd(bool out)
{
	return out ? near_fd : far_fd;
}

static void expect_clone(const struct spec *segment, bool out)
{
	struct spec expected = rst_for(segment, true);

	expect_captured(turned_fd(out), &expected);
}

static void expect_reset(const struct endings *e, const struct spec *segment, bool out, uint32_t flags)
{
	uint8_t sender = out ? SP_END_LOCAL : SP_END_REMOTE, receiver = out ? SP_END_REMOTE : SP_END_LOCAL;
	struct spec expected = rst_for(segment, !(e->ends & receiver));
	struct sp_counters before, after;

	assert_int_equal(engine_counters(e->scene->engine, 0, &before), 0);
	run(e->scene, segment, out, flags);
	assert_int_equal(engine_counters(e->scene->engine, 0, &after), 0);
	assert_int_equal(after.verdict[SP_RESET] - before.verdict[SP_RESET], 1);
	assert_int_equal(after.failed, 0);
	expect_ran(&expected, e->ends & receiver ? PASSES : TC_ACT_REDIRECT);
	if (e->ends & receiver && e->ends & sender)
		expect_clone(segment, out);
	expect_silence();
}

/* All segments that mean a connection that stands, in all wrappings. */
static void each_segment(void (*call)(const struct spec *segment, bool out))
{
	static const struct {
		uint8_t flags;
		unsigned payload, options;
	} segments[] = {
		{ACK, 0, 0},
		{ACK, 0, 12},
		{PSH | ACK, 1, 0},
		{PSH | ACK, 100, 12},
		{ACK, 1448, 12},
		{SYN | ACK, 0, 20},
		{FIN | ACK, 0, 0},
		{FIN, 0, 0},
		{FIN | PSH | ACK, 7, 12},
		{URG | ACK, 3, 0},
		{SYN | ACK, 10, 40},
		{0, 5, 0},
		{SYN | FIN | ACK, 2, 4},
	};

	for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++)
		for (int variant = 0; variant < 16; variant++) {
			bool out = variant & 1;
			struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out);

			s.flags = segments[i].flags;
			s.payload = segments[i].payload;
			s.tcp_options = segments[i].options;
			s.vlans = variant & 4 ? 2 : 0;
			s.padding = variant & 8 ? 3 : 0;
			call(&s, out);
		}
}

static void reset_by_all(const struct spec *segment, bool out)
{
	for (size_t i = 0; i < sizeof(resets) / sizeof(*resets); i++)
		expect_reset(&resets[i], segment, out, 0);
}

static void resets_the_ends_asked_for(void **state)
{
	(void)state;
	each_segment(reset_by_all);
}

static void reset_complete(const struct spec *segment, bool out)
{
	/* Cutting a packet ends the device's sum, so only segments of nothing but headers keep it. */
	if (!out && !segment->payload && !segment->padding && !segment->tcp_options)
		expect_reset(BOTH, segment, out, TEST_CHECKSUM_COMPLETE);
}

/* A device's sum over the whole packet must stay true, or the stack takes the RST for damaged. */
static void keeps_the_devices_checksum_true(void **state)
{
	(void)state;
	if (!complete)
		skip();
	each_segment(reset_complete);
}

static void keeps_ip_options_and_extensions(void **state)
{
	(void)state;
	for (int out = 0; out <= 1; out++) {
		struct spec s = packet(4, IPPROTO_TCP, out);

		s.flags = ACK;
		s.payload = 50;
		for (s.ip_options = 4; s.ip_options <= 40; s.ip_options += 4)
			reset_by_all(&s, out);
		s = packet(6, IPPROTO_TCP, out);
		s.flags = ACK;
		s.payload = 50;
		s.extensions[0] = IPPROTO_HOPOPTS;
		s.extensions[1] = IPPROTO_DSTOPTS;
		for (s.n_extensions = 1; s.n_extensions <= 2; s.n_extensions++)
			reset_by_all(&s, out);
	}
}

/* Numbers wrap at 2^32. */
static void wraps_sequence_numbers(void **state)
{
	static const uint32_t numbers[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		for (size_t k = 0; k < sizeof(numbers) / sizeof(*numbers); k++) {
			struct spec s = packet(4, IPPROTO_TCP, true);

			s.flags = FIN | ACK;
			s.payload = 1;
			s.seq = numbers[i];
			s.ack = numbers[k];
			expect_reset(BOTH, &s, true, 0);
		}
}

/* Answering an RST would never end. */
static void lets_rst_pass(void **state)
{
	(void)state;
	for (int out = 0; out <= 1; out++)
		for (int family = 4; family <= 6; family += 2) {
			struct spec s = packet(family, IPPROTO_TCP, out);

			s.flags = RST;
			expect_left_alone(BOTH->scene, &s, out);
			s.flags = RST | ACK;
			expect_left_alone(BOTH->scene, &s, out);
			s.flags = RST | SYN;
			expect_left_alone(BOTH->scene, &s, out);
			expect_left_alone(refuse, &s, out);
		}
	expect_silence();
}

static void expect_refused(const struct scene *s, const struct spec *syn, bool out)
{
	struct spec expected = rst_for(syn, true);

	expected.seq = 0;
	run(s, syn, out, 0);
	assert_int_equal(ran.action, TC_ACT_REDIRECT);
	expect_frame(&expected, ran.frame, ran.len);
}

static void refuses_new_connections(void **state)
{
	(void)state;
	for (int variant = 0; variant < 32; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out);

		s.flags = SYN;
		s.tcp_options = variant & 4 ? 40 : 20;
		s.payload = variant & 8 ? 11 : 0; /* TCP Fast Open */
		s.vlans = variant & 16 ? 1 : 0;
		expect_refused(refuse, &s, out);
		expect_refused(BOTH->scene, &s, out);
	}
	expect_silence();
}

/* While only one end is reset, the other one's new connections find silence. */
static void drops_the_syn_of_an_end_that_is_not_reset(void **state)
{
	struct spec in = packet(4, IPPROTO_TCP, false), out = packet(4, IPPROTO_TCP, true);

	(void)state;
	in.flags = out.flags = SYN;
	expect_refused(resets[0].scene, &out, true); /* local */
	run(resets[0].scene, &in, false, 0);
	assert_int_equal(ran.action, TC_ACT_SHOT);
	expect_refused(resets[1].scene, &in, false); /* remote */
	run(resets[1].scene, &out, true, 0);
	assert_int_equal(ran.action, TC_ACT_REDIRECT);
	expect_frame(&out, ran.frame, ran.len);
}

static void refuse_leaves_the_rest_alone(const struct spec *segment, bool out)
{
	expect_left_alone(refuse, segment, out);
}

static void refuse_spares_established_connections(void **state)
{
	(void)state;
	each_segment(refuse_leaves_the_rest_alone);
}

/* The loader's own segments carry a mark. */
static void lets_the_loaders_segments_pass(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct __sk_buff skb = {.ifindex = BOTH->scene->interface.ifindex,
				.mark = BOTH->scene->skel->bss->control.mark};
	struct frame f;

	(void)state;
	s.flags = ACK;
	frame_build(&s, &f);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.data, .data_size_in = f.len, .data_out = ran.frame,
		    .data_size_out = sizeof(ran.frame), .ctx_in = &skb, .ctx_size_in = sizeof(skb),
		    .repeat = 1);
	assert_int_equal(bpf_prog_test_run_opts(scene_program(BOTH->scene, SP_HOOK_TC_OUT), &opts), 0);
	assert_int_equal((int)opts.retval, PASSES);
	expect_frame(&s, ran.frame, opts.data_size_out);
	skb.mark++;
	assert_int_equal(bpf_prog_test_run_opts(scene_program(BOTH->scene, SP_HOOK_TC_OUT), &opts), 0);
	expect_clone(&s, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resets_the_ends_asked_for),
		cmocka_unit_test(keeps_the_devices_checksum_true),
		cmocka_unit_test(keeps_ip_options_and_extensions),
		cmocka_unit_test(wraps_sequence_numbers),
		cmocka_unit_test(lets_rst_pass),
		cmocka_unit_test(refuses_new_connections),
		cmocka_unit_test(drops_the_syn_of_an_end_that_is_not_reset),
		cmocka_unit_test(refuse_spares_established_connections),
		cmocka_unit_test(lets_the_loaders_segments_pass),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
