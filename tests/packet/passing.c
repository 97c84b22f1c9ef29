/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/passing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>

#include "base/timeutil.h"

#define LINE_IFINDEX 4711 /* nothing is really sent there */
#define PLAIN_IFINDEX 4712

static const struct bare_line user = {
	SP_LINE_USER, LINE_IFINDEX, PLAIN_IFINDEX, {2, 0x11, 0x22, 0x33, 0x44, 0x55}};
static const struct bare_line fq = {SP_LINE_FQ, LINE_IFINDEX, 0, {2, 0x11, 0x22, 0x33, 0x44, 0x55}};

struct bare bare;
struct passed passed;

int passing_open(void **state)
{
	(void)state;
	return world_make() || bare_open(&user, &bare);
}

int passing_close(void **state)
{
	(void)state;
	bare_close(&bare);
	return 0;
}

int use_user(void **state)
{
	(void)state;
	bare_reset(&bare, &user);
	return 0;
}

int use_fq(void **state)
{
	(void)state;
	bare_reset(&bare, &fq);
	return 0;
}

void pass(const struct bpf_program *program, const void *frame, size_t len, unsigned segment)
{
	struct __sk_buff in = {.ifindex = bare.ifindex,
			       .mark = PASSING_MARK,
			       .priority = PASSING_PRIORITY,
			       .gso_size = segment};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &passed.skb, .ctx_size_out = sizeof(passed.skb),
		    .data_out = passed.frame, .data_size_out = sizeof(passed.frame), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	passed.action = (int)opts.retval;
	passed.len = opts.data_size_out;
}

void pass_packet(const struct spec *s, bool out, unsigned segment, struct frame *ret)
{
	frame_build(s, ret);
	pass(out ? bare.skel->progs.tc_out : bare.skel->progs.tc_in, ret->data, ret->len, segment);
}

void expect_passed(int action, const struct frame *f)
{
	assert_int_equal(passed.action, action);
	assert_int_equal(passed.len, f->len);
	assert_memory_equal(passed.frame, f->data, f->len);
}

struct sp_rule *add_passing_delay(void)
{
	struct sp_rule *r = bare_rule(&bare, 0);

	r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT;
	r->delay_ns = PASSING_DELAY;
	r->delay_below = SP_ALWAYS;
	return r;
}

struct sp_parcel parcel_at(uint32_t place)
{
	struct sp_parcel parcel;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bare.skel->maps.parcels), &place, &parcel), 0);
	return parcel;
}

void set_parcel(uint32_t place, const struct sp_parcel *parcel)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(bare.skel->maps.parcels), &place, parcel, BPF_ANY),
			 0);
}

unsigned count_parcels(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < BARE_PARCELS; i++)
		n += parcel_at(i).ticket != 0;
	return n;
}

void write_header(uint8_t *frame, uint64_t ticket)
{
	memcpy(frame, user.mac, 6);
	for (int i = 0; i < 6; i++)
		frame[6 + i] = ticket >> (40 - 8 * i);
}

struct sp_parcel expect_in_line(const struct frame *f, uint64_t ticket)
{
	uint8_t expected[sizeof(f->data)];
	struct sp_parcel parcel = parcel_at(ticket % BARE_PARCELS);

	memcpy(expected, f->data, f->len);
	write_header(expected, ticket);
	assert_int_equal(passed.action, TC_ACT_REDIRECT);
	assert_int_equal(passed.len, f->len);
	assert_memory_equal(passed.frame, expected, f->len);
	assert_int_equal(parcel.ticket, ticket);
	assert_memory_equal(parcel.macs, f->data, 12);
	return parcel;
}

struct sp_parcel delay_one(struct frame *ret)
{
	struct spec s = packet(4, IPPROTO_UDP, true);

	add_passing_delay();
	pass_packet(&s, true, 0, ret);
	return expect_in_line(ret, 1);
}

void pass_return(unsigned segment)
{
	uint8_t frame[sizeof(passed.frame)];

	memcpy(frame, passed.frame, passed.len);
	pass(bare.skel->progs.line_return, frame, passed.len, segment);
}

void fill_line(struct spec *s, bool out)
{
	struct frame f;

	for (unsigned i = 1; i <= BARE_PARCELS; i++) {
		pass_packet(s, out, 0, &f);
		expect_in_line(&f, i);
	}
	assert_int_equal(count_parcels(), BARE_PARCELS);
}
