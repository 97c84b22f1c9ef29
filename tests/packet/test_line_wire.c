/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way through the line on real interfaces: a pair stands in for each of its TAPs, with line_return at this end; the
 * test takes what comes out at the other end and sends it back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/timeutil.h"
#include "packet/bare.h"
#include "packet/capture.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/wrapped.h"

#define LINE "ln0"
#define LINE_BEHIND "ln1"
#define PLAIN "lp0"
#define PLAIN_BEHIND "lp1"

static int line_fd, plain_fd;
static struct bare_line line = {.kind = SP_LINE_USER, .mac = {2, 0x11, 0x22, 0x33, 0x44, 0x55}};
static struct bare bare;

static int attach_return(const char *name)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex(name), .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1,
		    .prog_fd = bpf_program__fd(bare.skel->progs.line_return));
	int err = bpf_tc_hook_create(&hook);

	return err ? err : bpf_tc_attach(&hook, &opts);
}

static int set_up(void **state)
{
	(void)state;
	if (world_make() ||
	    world_command("for i in ln lp; do ip link add ${i}0 type veth peer name ${i}1 && "
			  "for k in ${i}0 ${i}1; do ip link set $k addrgenmode none arp off mtu 9000 && "
			  "ip link set $k up || exit 1; done; done"))
		return -1;
	line_fd = capture_open(LINE_BEHIND);
	plain_fd = capture_open(PLAIN_BEHIND);
	line.ifindex = if_nametoindex(LINE);
	line.plain_ifindex = if_nametoindex(PLAIN);
	if (pair_listen() || line_fd < 0 || plain_fd < 0 || bare_open(&line, &bare))
		return -1;
	return bare_attach(&bare) || attach_return(LINE) || attach_return(PLAIN);
}

static int tear_down(void **state)
{
	bare_close(&bare);
	close(line_fd);
	close(plain_fd);
	return pair_close(state);
}

static int start(void **state)
{
	(void)state;
	bare_reset(&bare, &line);
	return 0;
}

static struct sp_rule *add_delay(uint64_t delay_ns)
{
	struct sp_rule *r = bare_rule(&bare, 0);

	r->flags = SP_RULE_BENDS | SP_RULE_RECEIPT | (delay_ns ? SP_RULE_HOLDS : 0);
	r->delay_ns = delay_ns;
	r->delay_below = delay_ns ? SP_ALWAYS : 0;
	return r;
}

static uint64_t ticket_of(const struct captured *c)
{
	uint64_t ticket = 0;

	for (int i = 6; i < 12; i++)
		ticket = ticket << 8 | c->data[i];
	return ticket;
}

/* The packet, addressed to the line; its ticket. It stays in `captured`. */
static uint64_t expect_in_line(int fd, const struct frame *f)
{
	assert_int_equal(capture_next(fd, &captured), 0);
	assert_int_equal(captured.len, f->len);
	assert_memory_equal(captured.data, line.mac, 6);
	assert_memory_equal(captured.data + 12, f->data + 12, f->len - 12);
	return ticket_of(&captured);
}

static struct sp_parcel parcel_of(uint64_t ticket)
{
	uint32_t place = ticket % BARE_PARCELS;
	struct sp_parcel parcel;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bare.skel->maps.parcels), &place, &parcel), 0);
	return parcel;
}

static void passes_through(const struct spec *s, bool out, bool is_partial)
{
	uint64_t own = bare_stat(&bare, SP_STAT_OWN), ticket;
	struct frame f;

	frame_build(s, &f);
	wrapped_send_spec(s, out, is_partial ? PARTIAL : FULL);
	ticket = expect_in_line(line_fd, &f);
	assert_int_equal(parcel_of(ticket).ticket, ticket);
	assert_int_equal(parcel_of(ticket).ifindex, bare.ifindex);
	assert_int_equal(capture_send(line_fd, captured.data, captured.len, NULL), 0);
	expect_frame_at(out ? far_fd : near_fd, &f);
	assert_int_equal(parcel_of(ticket).ticket, 0);
	/* The interface's own programs have let it through, and nobody counts it twice. */
	assert_int_equal(bare_stat(&bare, SP_STAT_OWN), own + 1);
}

/* Returns how many. */
static unsigned each_passes_through(bool tx)
{
	unsigned variant;

	wrapped_offload(tx);
	for (variant = 0; variant < 32; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, variant & 4 ? IPPROTO_TCP : IPPROTO_UDP, out);

		s.vlans = variant & 8 ? 1 : 0;
		s.flags = ACK;
		s.payload = 100 + variant;
		passes_through(&s, out, variant & 16);
	}
	expect_silence();
	return variant;
}

static void brings_back_what_it_took(void **state)
{
	unsigned n;

	(void)state;
	add_delay(NS_PER_MS);
	n = each_passes_through(false);
	n += each_passes_through(true);
	assert_int_equal(bare_counters(&bare, 0).matched, n);
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_DELAY], n);
	assert_int_equal(bare_receipt(&bare, 0).entered, n);
	assert_int_equal(bare_receipt(&bare, 0).returned, n);
}

static void keeps_gso_packets_whole(void **state)
{
	(void)state;
	add_delay(NS_PER_MS);
	wrapped_offload(true);
	for (int family = 4; family <= 6; family += 2) {
		struct spec s = packet(family, IPPROTO_TCP, true);
		struct sp_receipt before = bare_receipt(&bare, 0), after;
		struct frame f, back;

		s.flags = ACK;
		s.tcp_options = 12;
		s.payload = 20000;
		frame_build(&s, &f);
		wrapped_send_spec(&s, true, GSO);
		assert_int_equal(parcel_of(expect_in_line(line_fd, &f)).total, 15);
		/* Back as it came out: the pseudo header's sum, and the size of the segments. */
		back = f;
		memcpy(back.data, captured.data, 12);
		wrapped_send_at(line_fd, &s, &back, GSO);
		expect_frame_at(far_fd, &f);
		after = bare_receipt(&bare, 0);
		assert_int_equal(after.entered - before.entered, 15);
		assert_int_equal(after.returned - before.returned, 15);
	}
	expect_silence();
}

/* The copy has a ticket of its own, just before the original's. */
static void copies_into_the_line(void **state)
{
	static struct captured copy;

	(void)state;
	add_delay(NS_PER_MS)->duplicate_below = SP_ALWAYS;
	wrapped_offload(true);
	for (int out = 0; out <= 1; out++) {
		struct spec s = packet(4, IPPROTO_UDP, out);
		uint64_t ticket;
		struct frame f;

		s.payload = 333;
		frame_build(&s, &f);
		wrapped_send_spec(&s, out, FULL);
		ticket = expect_in_line(line_fd, &f);
		copy = captured;
		assert_int_equal(expect_in_line(line_fd, &f), ticket + 1);
		assert_int_equal(parcel_of(ticket).release_ns, parcel_of(ticket + 1).release_ns);
		assert_int_equal(capture_send(line_fd, captured.data, captured.len, NULL), 0);
		expect_frame_at(out ? far_fd : near_fd, &f);
		assert_int_equal(capture_send(line_fd, copy.data, copy.len, NULL), 0);
		expect_frame_at(out ? far_fd : near_fd, &f);
	}
	expect_silence();
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_DUPLICATE], 2);
	assert_int_equal(bare_receipt(&bare, 0).entered, 4);
	assert_int_equal(bare_receipt(&bare, 0).returned, 4);
}

/* Without a delay a copy needs no line: both are there at once. */
static void copies_on_the_spot(void **state)
{
	(void)state;
	add_delay(0)->duplicate_below = SP_ALWAYS;
	wrapped_offload(false);
	for (unsigned variant = 0; variant < 16; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, variant & 4 ? IPPROTO_TCP : IPPROTO_UDP, out);
		struct frame f;

		s.flags = ACK;
		s.payload = 77;
		frame_build(&s, &f);
		wrapped_send_spec(&s, out, variant & 8 ? PARTIAL : FULL);
		expect_frame_at(out ? far_fd : near_fd, &f);
		if (out)
			expect_frame_at(far_fd, &f);
	}
	expect_silence();
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_DUPLICATE], 16);
	assert_int_equal(bare_receipt(&bare, 0).entered, 0);
	assert_int_equal(bare_stat(&bare, SP_STAT_OWN), 16);
}

/* A copy is intact. What is to be broken goes to the TAP without offloads, complete; who breaks it is told which bit. */
static void takes_what_it_breaks_to_the_plain_tap(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct sp_parcel copy, original;
	struct sp_rule *r;
	struct frame f;

	(void)state;
	r = add_delay(NS_PER_MS);
	r->duplicate_below = r->corrupt_below = SP_ALWAYS;
	wrapped_offload(true);
	s.flags = ACK;
	s.payload = 500;
	frame_build(&s, &f);
	wrapped_send_spec(&s, true, PARTIAL);
	copy = parcel_of(expect_in_line(line_fd, &f));
	original = parcel_of(expect_in_line(plain_fd, &f));
	assert_int_equal(copy.alter, SP_ALTER_NONE);
	assert_int_equal(original.alter, SP_ALTER_WRONG);
	assert_int_equal(copy.release_ns, original.release_ns);
	captured.data[f.l4 + 30] ^= 4;
	f.data[f.l4 + 30] ^= 4;
	assert_int_equal(capture_send(plain_fd, captured.data, captured.len, NULL), 0);
	expect_frame_at(far_fd, &f);
	expect_silence();
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_ALTER], 1);
}

/* So does what has passed a narrow path: its segments come one by one. */
static void takes_what_a_rate_spaces_to_the_plain_tap(void **state)
{
	struct spec s = packet(6, IPPROTO_UDP, true);
	struct sp_parcel parcel;
	struct sp_rule *r;
	struct frame f;

	(void)state;
	r = add_delay(NS_PER_MS);
	r->rate = 125000;
	r->queue_ns = NS_PER_S;
	s.payload = 500;
	frame_build(&s, &f);
	wrapped_send_spec(&s, true, PARTIAL);
	parcel = parcel_of(expect_in_line(plain_fd, &f));
	assert_int_equal(parcel.spacing_ns, 0);
	assert_int_equal(parcel.release_ns, parcel.entered_ns + NS_PER_MS + f.len * 8000);
	assert_int_equal(capture_send(plain_fd, captured.data, captured.len, NULL), 0);
	expect_frame_at(far_fd, &f);
	expect_silence();
}

/* A packet of many segments is there when the first of them is due, and its place is kept until the last. */
static void spaces_the_segments_of_a_rate(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct sp_parcel parcel;
	struct sp_rule *r;
	uint64_t each;
	struct frame f;

	(void)state;
	r = add_delay(NS_PER_MS);
	r->rate = 125000;
	r->queue_ns = NS_PER_S;
	wrapped_offload(true);
	s.flags = ACK;
	s.payload = 10 * SEGMENT;
	frame_build(&s, &f);
	each = (SEGMENT + f.payload) * 8000;
	wrapped_send_spec(&s, true, GSO);
	parcel = parcel_of(expect_in_line(plain_fd, &f));
	assert_int_equal(parcel.total, 10);
	assert_int_equal(parcel.release_ns, parcel.entered_ns + NS_PER_MS + each);
	assert_int_equal(parcel.spacing_ns, each);
	expect_silence();
}

/* fq takes what is IP: the tag goes into the packet's description. */
static void brings_a_tag_back_from_fq(void **state)
{
	unsigned n;

	(void)state;
	bare.skel->bss->control.line = SP_LINE_FQ;
	add_delay(NS_PER_MS);
	n = each_passes_through(true);
	assert_int_equal(bare_receipt(&bare, 0).returned, n);
	assert_int_equal(bare_counters(&bare, 0).failed, 0);
}

/* Two tags are too many for it; both stay in their places. */
static void passes_two_tags_by_fq(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct frame f;

	(void)state;
	bare.skel->bss->control.line = SP_LINE_FQ;
	add_delay(NS_PER_MS);
	s.vlans = 2;
	s.payload = 99;
	frame_build(&s, &f);
	wrapped_send_spec(&s, true, FULL);
	expect_frame_at(far_fd, &f);
	expect_silence();
	assert_int_equal(bare_counters(&bare, 0).matched, 1);
	assert_int_equal(bare_counters(&bare, 0).failed, 1);
	assert_int_equal(bare_receipt(&bare, 0).entered, 0);
}

/* While the line's thread is silent nothing waits for it. */
static void passes_by_a_dead_line(void **state)
{
	struct sp_counters c;

	(void)state;
	add_delay(NS_PER_S);
	bare.skel->bss->control.beat_ns = clock_mono_ns() - SP_HEARTBEAT_NS - 1;
	for (unsigned i = 0; i < 20; i++) {
		struct spec s = packet(4, IPPROTO_UDP, true);
		struct frame f;

		s.payload = i;
		frame_build(&s, &f);
		wrapped_send_spec(&s, true, i & 1 ? PARTIAL : FULL);
		expect_frame_at(far_fd, &f);
	}
	expect_silence();
	c = bare_counters(&bare, 0);
	assert_int_equal(c.matched, 20);
	assert_int_equal(c.verdict[SP_PASS], 20);
	assert_int_equal(bare_receipt(&bare, 0).stale, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(brings_back_what_it_took, start),
		cmocka_unit_test_setup(keeps_gso_packets_whole, start),
		cmocka_unit_test_setup(copies_into_the_line, start),
		cmocka_unit_test_setup(copies_on_the_spot, start),
		cmocka_unit_test_setup(takes_what_it_breaks_to_the_plain_tap, start),
		cmocka_unit_test_setup(takes_what_a_rate_spaces_to_the_plain_tap, start),
		cmocka_unit_test_setup(spaces_the_segments_of_a_rate, start),
		cmocka_unit_test_setup(brings_a_tag_back_from_fq, start),
		cmocka_unit_test_setup(passes_two_tags_by_fq, start),
		cmocka_unit_test_setup(passes_by_a_dead_line, start),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
