/* SPDX-License-Identifier: BSD-2-Clause */
/* How connections end, or don't: half_open and slow_close byte for byte, rate_limit to the connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>

#include "base/timeutil.h"
#include "chance.bpf.h"
#include "packet/deciding.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/passing.h"
#include "packet/single.h"

#define SECOND NS_PER_S

static int world_open(void **state)
{
	return passing_open(state) || pair_listen();
}

static int world_close(void **state)
{
	pair_close(state);
	return passing_close(state);
}

static void expect_counts(uint64_t matched, enum sp_verdict verdict, uint64_t of_it)
{
	struct sp_counters c = bare_counters(&bare, 0);

	expect_balance(&c);
	assert_int_equal(c.matched, matched);
	assert_int_equal(c.verdict[verdict], of_it);
	assert_int_equal(c.failed, 0);
}

static void each_wrapping(void (*call)(struct spec *s, bool out))
{
	for (int variant = 0; variant < 24; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out);

		s.tcp_options = variant & 4 ? 12 : 0;
		s.vlans = variant / 8;
		call(&s, out);
	}
}

static void add_half_open(void)
{
	bare_rule(&bare, 0)->meaning = SP_MEANS_HALF_OPEN;
}

static void eat(struct spec *s, bool out)
{
	static const uint8_t kinds[] = {FIN | ACK, FIN, RST, RST | ACK, RST | FIN};
	struct frame f;

	for (size_t i = 0; i < sizeof(kinds); i++) {
		s->flags = kinds[i];
		pass_packet(s, out, 0, &f);
		assert_int_equal(passed.action, LOST(out));
	}
	s->flags = RST | ACK;
	s->payload = 5; /* a reason, as RFC 9293, 3.5.2 allows */
	pass_packet(s, out, 0, &f);
	assert_int_equal(passed.action, LOST(out));
	expect_silence();
}

static void half_open_eats_fin_and_rst(void **state)
{
	(void)state;
	add_half_open();
	each_wrapping(eat);
	expect_counts(24 * 6, SP_DROP, 24 * 6);
}

static void strip(struct spec *s, bool out)
{
	struct spec expected = *s;
	struct frame f;

	for (unsigned payload = 1; payload <= 301; payload += 100) {
		s->flags = FIN | PSH | ACK;
		s->payload = expected.payload = payload;
		expected.flags = PSH | ACK;
		pass_packet(s, out, 0, &f);
		assert_int_equal(passed.action, PASSES);
		expect_frame(&expected, passed.frame, passed.len);
	}
}

/* The payload arrives; the FIN, which is sent again alone, does not. */
static void half_open_takes_the_fin_off_payload(void **state)
{
	(void)state;
	add_half_open();
	each_wrapping(strip);
	expect_counts(24 * 4, SP_ALTER, 24 * 4);
}

/* A device's sum over the whole packet must stay true, or the stack takes the segment for damaged. */
static void half_open_keeps_the_devices_checksum_true(void **state)
{
	int fd = bpf_program__fd(bare.skel->progs.tc_in);
	struct frame f;
	struct spec s;

	(void)state;
	add_half_open();
	if (!can_complete(fd, bare.ifindex))
		skip();
	for (int family = 4; family <= 6; family += 2) {
		s = packet(family, IPPROTO_TCP, false);
		s.flags = FIN | ACK;
		s.payload = 301;
		frame_build(&s, &f);
		assert_int_equal(run_skb(fd, bare.ifindex, TEST_CHECKSUM_COMPLETE, 1, f.data, f.len, &ran),
				 0);
		s.flags = ACK;
		expect_frame(&s, ran.frame, ran.len);
	}
}

static void spare(struct spec *s, bool out)
{
	static const uint8_t kinds[] = {SYN, SYN | ACK, ACK, PSH | ACK, URG | ACK};
	struct frame f;

	for (size_t i = 0; i < sizeof(kinds); i++) {
		s->flags = kinds[i];
		s->payload = i & 1 ? 40 : 0;
		pass_packet(s, out, 0, &f);
		assert_int_equal(passed.action, PASSES);
		expect_frame(s, passed.frame, passed.len);
	}
	s->proto = IPPROTO_UDP;
	pass_packet(s, out, 0, &f);
	assert_int_equal(passed.action, PASSES);
	expect_frame(s, passed.frame, passed.len);
}

static void half_open_spares_the_rest(void **state)
{
	(void)state;
	add_half_open();
	each_wrapping(spare);
	expect_counts(24 * 6, SP_PASS, 24 * 6);
}

static struct sp_rule *add_slow_close(void)
{
	struct sp_rule *r = add_passing_delay();

	r->meaning = SP_MEANS_SLOW_CLOSE;
	return r;
}

static void slow_close_spares_the_rest(void **state)
{
	(void)state;
	add_slow_close();
	each_wrapping(spare);
	expect_counts(24 * 6, SP_PASS, 24 * 6);
	assert_int_equal(count_parcels(), 0);
}

/* Into the line, for as long as the rule says. */
static void expect_held(const struct frame *f, uint64_t ticket, uint64_t before)
{
	struct sp_parcel parcel = expect_in_line(f, ticket);

	assert_in_range(parcel.release_ns, before + PASSING_DELAY, clock_mono_ns() + PASSING_DELAY);
}

static void slow_close_holds_a_fin(void **state)
{
	uint64_t ticket = 0;

	(void)state;
	add_slow_close();
	for (int variant = 0; variant < 4; variant++) {
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, variant & 1);
		uint64_t before = clock_mono_ns();
		struct frame f;

		s.flags = FIN | ACK;
		pass_packet(&s, variant & 1, 0, &f);
		expect_held(&f, ++ticket, before);
	}
	expect_silence();
	expect_counts(4, SP_DELAY, 4);
}

/* At which end of the pair a packet comes out that goes on in its direction. */
static int onward_fd(bool out)
{
	return out ? far_fd : near_fd;
}

/* What was said before the FIN arrives at once, without it; both are in the line. */
static void slow_close_lets_the_payload_go_ahead(void **state)
{
	uint64_t ticket = 0;

	(void)state;
	add_slow_close();
	for (int variant = 0; variant < 4; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out);
		uint64_t before = clock_mono_ns();
		struct frame f;

		s.flags = FIN | PSH | ACK;
		s.payload = 200;
		pass_packet(&s, out, 0, &f);
		expect_held(&f, ++ticket, before);
		s.flags = PSH | ACK;
		expect_captured(onward_fd(out), &s);
	}
	expect_silence();
	expect_counts(4, SP_DELAY, 4);
}

/* Only of the connections that the seed draws. */
static void slow_close_of_a_share(void **state)
{
	struct sp_rule *r = add_slow_close();
	unsigned held = 0, drawn = 0;

	(void)state;
	r->flow_below = SP_ALWAYS / 2;
	for (unsigned i = 0; i < 40; i++) {
		struct spec s = packet(4, IPPROTO_TCP, true);
		struct frame f;

		s.flags = FIN | ACK;
		s.from.port = 1000 + i;
		drawn += draw(r->seed, DRAW_FLOW, hash_of(&s, true), 0, 0) < r->flow_below;
		pass_packet(&s, true, 0, &f);
		held += passed.action == TC_ACT_REDIRECT;
		assert_int_equal(held, drawn);
	}
	assert_in_range(held, 1, 39);
}

/* How rate_limit refuses and resets: as reset and refuse do. */
static void rate_limit_answers(void **state)
{
	struct sp_rule *r = bare_rule(&bare, 0);

	(void)state;
	r->meaning = SP_MEANS_RATE_LIMIT; /* amount 0: no connection is within the rate */
	for (int variant = 0; variant < 4; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out), expected;
		struct frame f;

		r->then = SP_THEN_REFUSE;
		s.flags = SYN;
		expected = rst_for(&s, true);
		expected.seq = 0;
		pass_packet(&s, out, 0, &f);
		assert_int_equal(passed.action, TC_ACT_REDIRECT);
		expect_frame(&expected, passed.frame, passed.len);

		r->then = SP_THEN_RESET;
		s.seq++;
		pass_packet(&s, out, 0, &f);
		assert_int_equal(passed.action, PASSES);
		s.flags = PSH | ACK;
		s.payload = 10;
		pass_packet(&s, out, 0, &f);
		assert_int_equal(passed.action, PASSES);
		expected = rst_for(&s, false);
		expect_frame(&expected, passed.frame, passed.len);
		expected = rst_for(&s, true);
		expect_captured(out ? near_fd : far_fd, &expected);
	}
	expect_silence();
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_REFUSE], 4);
	expect_counts(12, SP_RESET, 4);
}

static struct sp_rule *add_rate_limit(struct deciding *d, uint64_t amount, enum sp_then then)
{
	struct sp_rule *r = add_rule(d, 0);

	r->meaning = SP_MEANS_RATE_LIMIT;
	r->amount = amount;
	r->then = then;
	return r;
}

static struct spec new_connection(unsigned number, bool out)
{
	struct spec s = flow_packet(number, out);

	s.proto = IPPROTO_TCP;
	s.flags = SYN;
	s.seq = number * 7919;
	return s;
}

/* Of `count` attempts from a time on, how many pass? */
static unsigned try_connections(struct deciding *d, unsigned first, unsigned count, uint64_t at,
				uint64_t apart)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		struct spec s = new_connection(first + i, i & 1);

		n += decide_at(d, &s, at + i * apart) == SP_PASS;
	}
	return n;
}

static void exactly_so_many_a_second(void **state)
{
	struct deciding *d = *state;
	struct sp_counters c;

	add_rate_limit(d, 10, SP_THEN_REFUSE);
	assert_int_equal(try_connections(d, 0, 100, T0, 0), 10);
	assert_int_equal(try_connections(d, 100, 100, T0 + SECOND - 100, 1), 0);
	assert_int_equal(try_connections(d, 200, 100, T0 + SECOND, 1), 10);
	assert_int_equal(try_connections(d, 300, 5, T0 + 2 * SECOND, 1), 5);
	assert_int_equal(try_connections(d, 400, 7, T0 + 3 * SECOND - 7, 1), 5);
	assert_int_equal(try_connections(d, 500, 30, T0 + 3599 * SECOND, 1), 10);
	assert_int_equal(try_connections(d, 600, 1000, T0 + 10 * SECOND, SECOND / 100),
			 0); /* the clock of a late CPU */
	c = counters_of(d, 0);
	expect_balance(&c);
	assert_int_equal(c.verdict[SP_PASS], 40);
	assert_int_equal(c.verdict[SP_REFUSE], c.matched - 40);
}

static void each_window_counts_anew(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rate_limit(d, 3, SP_THEN_REFUSE);

	r->length_ns = r->every_ns = SECOND / 2; /* two windows in the same second of the first's count */
	r->times = 4;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(try_connections(d, 0, 50, T0 + i * r->every_ns, 1), 3);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(counters_of(d, i).verdict[SP_REFUSE], 47);
}

static void judges_a_connection_once(void **state)
{
	struct deciding *d = *state;
	struct spec first = new_connection(1, true), second = new_connection(2, true);
	struct spec third = new_connection(3, true);

	add_rate_limit(d, 1, SP_THEN_REFUSE);
	for (unsigned i = 0; i < 5; i++) /* sent again: takes no second place */
		assert_int_equal(decide_at(d, &first, T0 + i * SECOND), SP_PASS);
	assert_int_equal(decide_at(d, &third, T0 + 4 * SECOND), SP_PASS);
	assert_int_equal(decide_at(d, &second, T0 + 4 * SECOND + 1), SP_REFUSE);
	assert_int_equal(decide_at(d, &second, T0 + 5 * SECOND), SP_REFUSE); /* it stays refused */
	second.seq++;                                                        /* another attempt */
	assert_int_equal(decide_at(d, &second, T0 + 5 * SECOND), SP_PASS);
}

static void dooms_what_is_beyond_the_rate(void **state)
{
	struct deciding *d = *state;
	struct spec good = new_connection(1, true), bad = new_connection(2, false), reply;

	add_rate_limit(d, 1, SP_THEN_RESET);
	assert_int_equal(decide_at(d, &good, T0), SP_PASS);
	assert_int_equal(decide_at(d, &bad, T0), SP_PASS);
	good.flags = bad.flags = ACK;
	assert_int_equal(decide_spec(d, &bad), SP_PASS); /* the handshake ends well */
	good.payload = bad.payload = 1;
	assert_int_equal(decide_spec(d, &good), SP_PASS);
	assert_int_equal(decide_spec(d, &bad), SP_RESET);
	reply = new_connection(2, true); /* from the other end */
	reply.flags = PSH | ACK;
	reply.payload = 9;
	assert_int_equal(decide_spec(d, &reply), SP_RESET);
	reply.flags = RST | ACK;
	assert_int_equal(decide_spec(d, &reply), SP_PASS);
}

static void leaves_other_segments_alone(void **state)
{
	static const uint8_t kinds[] = {ACK, PSH | ACK, SYN | ACK, FIN | ACK, RST};
	struct deciding *d = *state;
	struct spec s = new_connection(1, true), udp = flow_packet(1, true);

	add_rate_limit(d, 0, SP_THEN_REFUSE);
	s.payload = 5;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		s.flags = kinds[i];
		assert_int_equal(decide_spec(d, &s), SP_PASS);
	}
	assert_int_equal(decide_spec(d, &udp), SP_PASS);
}

#define THREADS 4
#define ATTEMPTS 500

static void *attempt(void *arg)
{
	const struct spec *specs = arg;

	for (unsigned i = 0; i < ATTEMPTS; i++) {
		static _Thread_local struct ran ran;
		struct frame f;

		frame_build(&specs[i], &f);
		if (run_skb(specs[i].id, 1, 0, 1, f.data, f.len, &ran))
			return arg;
	}
	return NULL;
}

/* On several CPUs at a time, with the second beginning under their feet: not one more and not one less. */
static void exact_on_all_cpus_at_once(void **state)
{
	static struct spec specs[THREADS][ATTEMPTS];
	struct deciding *d = *state;
	pthread_t threads[THREADS];
	struct sp_counters c;
	void *failed;

	add_rate_limit(d, 50, SP_THEN_REFUSE);
	d->skel->bss->given.now = T0 + 7 * SECOND;
	d->skel->bss->given.dir = SP_DIR_OUT;
	for (unsigned t = 0; t < THREADS; t++) {
		for (unsigned i = 0; i < ATTEMPTS; i++) {
			specs[t][i] = new_connection(t * ATTEMPTS + i, true);
			specs[t][i].id = bpf_program__fd(d->skel->progs.decide_given);
		}
		assert_int_equal(pthread_create(&threads[t], NULL, attempt, specs[t]), 0);
	}
	for (unsigned t = 0; t < THREADS; t++) {
		assert_int_equal(pthread_join(threads[t], &failed), 0);
		assert_null(failed);
	}
	c = counters_of(d, 0);
	expect_balance(&c);
	assert_int_equal(c.matched, THREADS * ATTEMPTS);
	assert_int_equal(c.verdict[SP_PASS], 50);
	assert_int_equal(c.verdict[SP_REFUSE], THREADS * ATTEMPTS - 50);
}

#define ALONE(test) cmocka_unit_test_setup(test, use_user)
#define DECIDES(test) cmocka_unit_test_setup_teardown(test, deciding_open, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(half_open_eats_fin_and_rst),
		ALONE(half_open_takes_the_fin_off_payload),
		ALONE(half_open_keeps_the_devices_checksum_true),
		ALONE(half_open_spares_the_rest),
		ALONE(slow_close_spares_the_rest),
		ALONE(slow_close_holds_a_fin),
		ALONE(slow_close_lets_the_payload_go_ahead),
		ALONE(slow_close_of_a_share),
		cmocka_unit_test_setup(slow_close_holds_a_fin, use_fq),
		cmocka_unit_test_setup(slow_close_lets_the_payload_go_ahead, use_fq),
		ALONE(rate_limit_answers),
		DECIDES(exactly_so_many_a_second),
		DECIDES(each_window_counts_anew),
		DECIDES(judges_a_connection_once),
		DECIDES(dooms_what_is_beyond_the_rate),
		DECIDES(leaves_other_segments_alone),
		DECIDES(exact_on_all_cpus_at_once),
	};

	return cmocka_run_group_tests(tests, world_open, world_close);
}
