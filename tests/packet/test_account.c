/* SPDX-License-Identifier: BSD-2-Clause */
/* Which verdict wins, and what is counted: counters, budgets, flows and events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "chance.bpf.h"
#include "packet/deciding.h"

#define RANDOM_RULES 40
#define MANY 20000

enum kind {
	DOES_PASS,
	DOES_REFUSE,
	DOES_RESET,
	DOES_DROP,
	KINDS,
};

static void make(struct sp_rule *r, enum kind kind)
{
	r->refuse = kind == DOES_REFUSE ? SP_REFUSE_ICMP_PORT : SP_REFUSE_NONE;
	r->reset_ends = kind == DOES_RESET ? SP_END_LOCAL | SP_END_REMOTE : 0;
	r->drop_below = kind == DOES_DROP ? SP_ALWAYS : 0;
}

static const enum sp_verdict on_syn[] = {SP_PASS, SP_REFUSE, SP_REFUSE, SP_DROP};
static const enum sp_verdict on_data[] = {SP_PASS, SP_PASS, SP_RESET, SP_DROP};

/* Three rules of any kinds in any order: the hardest wins, the first of equals counts it, the others passed it. */
static void expect_hardest(struct deciding *d, const enum kind *kinds, uint8_t flags)
{
	static const unsigned places[] = {5, 64, 255};
	const enum sp_verdict *on = flags & SYN ? on_syn : on_data;
	struct sp_counters before[3], after[3];
	struct spec s = packet(4, IPPROTO_TCP, true);
	unsigned winner = 0;

	for (unsigned i = 0; i < 3; i++) {
		make(add_rule(d, places[i]), kinds[i]);
		before[i] = counters_of(d, 10 * places[i]);
		if (on[kinds[i]] > on[kinds[winner]])
			winner = i;
	}
	s.flags = flags;
	assert_int_equal(decide_spec(d, &s), on[kinds[winner]]);
	assert_int_equal(d->skel->bss->taken.rule, places[winner]);
	for (unsigned i = 0; i < 3; i++) {
		enum sp_verdict verdict = i == winner ? on[kinds[i]] : SP_PASS;

		after[i] = counters_of(d, 10 * places[i]);
		assert_int_equal(after[i].matched - before[i].matched, 1);
		assert_int_equal(after[i].verdict[verdict] - before[i].verdict[verdict], 1);
		expect_balance(&after[i]);
	}
}

static void lets_the_hardest_verdict_win(void **state)
{
	struct deciding *d = *state;

	for (int all = 0; all < KINDS * KINDS * KINDS; all++) {
		enum kind kinds[] = {all % KINDS, all / KINDS % KINDS, all / KINDS / KINDS};

		expect_hardest(d, kinds, SYN);
		expect_hardest(d, kinds, ACK);
	}
}

/* Any rules, any packets, segments, times: every slot's counters add up to what it matched. */
static void balances(void **state)
{
	struct deciding *d = *state;
	uint64_t matched = 0, hit = 0;

	for (unsigned i = 0; i < RANDOM_RULES; i++) {
		struct sp_rule *r = add_rule(d, i * 6);

		make(r, i % KINDS);
		r->share = i % 3 ? SP_ALWAYS : SP_ALWAYS / 2;
		r->drop_every = i % 5 ? 0 : 2 + i;
		if (i % 7 == 1)
			r->drop_below = SP_ALWAYS / 8;
		r->flow_below = i % 4 ? SP_ALWAYS : SP_ALWAYS / 3;
		r->length_ns = 500 + i;
		r->every_ns = 600 + i;
		r->times = 10;
		r->burst_on_ns = i % 2 ? 30 : 0;
		r->burst_off_ns = i % 2 ? 20 : 0;
	}
	for (unsigned i = 0; i < MANY; i++) {
		struct spec s = flow_packet(mix64(i) % 50, i & 1);

		s.proto = i % 3 ? IPPROTO_TCP : IPPROTO_UDP;
		s.flags = i % 5 ? ACK : SYN;
		d->skel->bss->given.segments = 1 + i % 4;
		hit += decide_at(d, &s, T0 + mix64(i + 1) % 7000) > SP_SUPPRESS ? 1 + i % 4 : 0;
	}
	for (unsigned slot = 0; slot < RANDOM_RULES * 60; slot++) {
		struct sp_counters c = counters_of(d, slot);

		expect_balance(&c);
		matched += c.matched;
		hit -= c.verdict[SP_REFUSE] + c.verdict[SP_RESET] + c.verdict[SP_DROP];
	}
	assert_true(matched > MANY);
	assert_int_equal(hit, 0);
}

static void expect_one_budget_event(struct deciding *d, enum sp_budget budget, uint64_t ns)
{
	assert_true(ring_buffer__consume(d->ring) >= 0);
	assert_int_equal(d->events[SP_EVENT_BUDGET], 1);
	assert_int_equal(d->last.type, SP_EVENT_BUDGET);
	assert_int_equal(d->last.budget, budget);
	assert_int_equal(d->last.ns, ns);
	assert_int_equal(d->skel->bss->control.spent, budget);
}

static void spends_packets(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(9, true);

	add_rule(d, 0)->drop_below = SP_ALWAYS;
	add_rule(d, 1)->drop_below = SP_ALWAYS;
	d->skel->bss->control.max_packets = 1000;
	for (unsigned i = 0; i < 1500; i++)
		assert_int_equal(decide_at(d, &s, T0 + i), i < 1000 ? SP_DROP : SP_SUPPRESS);
	expect_one_budget_event(d, SP_BUDGET_PACKETS, T0 + 1000);
	assert_int_equal(counters_of(d, 0).verdict[SP_DROP], 1000);
	assert_int_equal(counters_of(d, 0).verdict[SP_SUPPRESS], 500);
	assert_int_equal(counters_of(d, 10).verdict[SP_PASS], 1500);
}

/* A budget counts segments, and is never exceeded. */
static void spends_segments(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(9, true);

	add_rule(d, 0)->drop_below = SP_ALWAYS;
	d->skel->bss->control.max_packets = 100;
	d->skel->bss->given.segments = 44;
	assert_int_equal(decide_spec(d, &s), SP_DROP);
	assert_int_equal(decide_spec(d, &s), SP_DROP);
	assert_int_equal(decide_spec(d, &s), SP_SUPPRESS);
	d->skel->bss->given.segments = 1;
	assert_int_equal(decide_spec(d, &s), SP_SUPPRESS);
	assert_int_equal(counters_of(d, 0).verdict[SP_DROP], 88);
	assert_int_equal(counters_of(d, 0).verdict[SP_SUPPRESS], 45);
}

static void spends_flows(void **state)
{
	struct deciding *d = *state;

	add_rule(d, 0)->drop_below = SP_ALWAYS;
	d->skel->bss->control.max_flows = 500;
	for (unsigned i = 0; i < 700; i++)
		for (int k = 0; k < 2; k++) {
			struct spec s = flow_packet(1 + i, k);

			assert_int_equal(decide_at(d, &s, T0 + i), i < 500 ? SP_DROP : SP_SUPPRESS);
		}
	expect_one_budget_event(d, SP_BUDGET_FLOWS, T0 + 500);
	assert_int_equal(d->events[SP_EVENT_FLOW_HIT], 500);
}

static void spends_time(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(9, true);

	add_rule(d, 0)->drop_below = SP_ALWAYS;
	d->skel->bss->control.deadline_ns = T0 + 1000;
	assert_int_equal(decide_at(d, &s, T0 + 999), SP_DROP);
	assert_int_equal(decide_at(d, &s, T0 + 1000), SP_SUPPRESS);
	assert_int_equal(decide_at(d, &s, T0 + 999), SP_SUPPRESS);
	expect_one_budget_event(d, SP_BUDGET_DURATION, T0 + 1000);
}

/* What passes anyway costs no budget. */
static void passing_is_free(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(9, true);

	add_rule(d, 0)->drop_every = 10;
	d->skel->bss->control.max_packets = 5;
	for (unsigned i = 1; i <= 59; i++)
		assert_int_equal(decide_spec(d, &s), i % 10 ? SP_PASS : SP_DROP);
	assert_int_equal(decide_spec(d, &s), SP_SUPPRESS);
}

static void announces_a_flow_once_a_window(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rule(d, 2);
	struct sp_flow_key key;

	r->drop_below = SP_ALWAYS;
	r->length_ns = 100;
	r->every_ns = 200;
	r->times = 2;
	for (int family = 4; family <= 6; family += 2)
		for (unsigned window = 0; window < 2; window++) {
			struct spec out = packet(family, IPPROTO_UDP, true),
				    in = packet(family, IPPROTO_UDP, false);
			unsigned before = d->events[SP_EVENT_FLOW_HIT];

			decide_at(d, &in, T0 + window * 200 + 7);
			decide_at(d, &out, T0 + window * 200 + 8);
			decide_at(d, &in, T0 + window * 200 + 9);
			assert_true(ring_buffer__consume(d->ring) >= 0);
			assert_int_equal(d->events[SP_EVENT_FLOW_HIT] - before, 1);
			flow_of(&out, true, &key);
			key.slot = r->first_slot + window;
			assert_memory_equal(&d->last.flow, &key, sizeof(key));
			assert_int_equal(d->last.ns, T0 + window * 200 + 7);
			assert_int_equal(d->last.rule, 2);
			assert_int_equal(d->last.verdict, SP_DROP);
			assert_int_equal(d->last.hook, SP_HOOK_TC_IN);
			assert_int_equal(d->last.dir, SP_DIR_IN);
		}
}

static void keeps_flows(void **state)
{
	struct deciding *d = *state;
	struct spec out = flow_packet(5, true), in = flow_packet(5, false);
	struct sp_flow_key key;
	struct sp_flow flow;

	add_rule(d, 0)->drop_every = 3;
	in.payload = 100;
	for (unsigned i = 0; i < 10; i++)
		decide_at(d, &out, T0 + i);
	for (unsigned i = 0; i < 5; i++)
		decide_at(d, &in, T0 + 100 + i);
	flow_of(&out, true, &key);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(d->skel->maps.flows), &key, &flow), 0);
	assert_int_equal(flow.first_ns, T0);
	assert_int_equal(flow.last_ns, T0 + 104);
	assert_int_equal(flow.packets[SP_DIR_OUT], 10);
	assert_int_equal(flow.packets[SP_DIR_IN], 5);
	assert_int_equal(flow.hits[SP_DIR_OUT], 3);
	assert_int_equal(flow.hits[SP_DIR_IN], 1);
	assert_int_equal(flow.bytes, 10 * 28 + 5 * 128);
	assert_int_equal(flow.announced, 1);
}

static void fill_flows(struct deciding *d)
{
	struct sp_flow_key *keys = calloc(SP_MAX_FLOWS, sizeof(*keys));
	struct sp_flow *flows = calloc(SP_MAX_FLOWS, sizeof(*flows));
	__u32 n = SP_MAX_FLOWS;

	assert_non_null(keys);
	assert_non_null(flows);
	for (__u32 i = 0; i < n; i++)
		keys[i].local[0] = i;
	assert_int_equal(bpf_map_update_batch(bpf_map__fd(d->skel->maps.flows), keys, flows, &n, NULL), 0);
	assert_int_equal(n, SP_MAX_FLOWS);
	free(keys);
	free(flows);
}

/* Without room for a flow the fault goes on, and what was not tracked is counted. */
static void goes_on_with_a_full_flow_table(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(5, true);
	struct sp_counters c;

	add_rule(d, 0)->drop_below = SP_ALWAYS;
	fill_flows(d);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(decide_spec(d, &s), SP_DROP);
	c = counters_of(d, 0);
	assert_int_equal(c.untracked, 100);
	assert_int_equal(c.verdict[SP_DROP], 100);
	expect_balance(&c);
	assert_true(ring_buffer__consume(d->ring) >= 0);
	assert_int_equal(d->events[SP_EVENT_FLOW_HIT], 0);
}

/* Events that find no room are counted, one by one. */
static void counts_what_the_ring_had_no_room_for(void **state)
{
	struct deciding *d = *state;
	const unsigned flows = 70000;

	add_rule(d, 0)->drop_below = SP_ALWAYS;
	for (unsigned i = 0; i < flows; i++) {
		struct spec s = flow_packet(i, true);

		assert_int_equal(decide_spec(d, &s), SP_DROP);
	}
	assert_true(ring_buffer__consume(d->ring) >= 0);
	assert_in_range(stat_of(d, SP_STAT_RING_LOST), 1, flows - 1);
	assert_int_equal(d->events[SP_EVENT_FLOW_HIT] + stat_of(d, SP_STAT_RING_LOST), flows);
	assert_int_equal(counters_of(d, 0).verdict[SP_DROP], flows);
}

/* A shadow draws the same lots and touches nothing; the rule beside it acts as if it were alone. */
static void casts_a_shadow(void **state)
{
	struct deciding *d = *state;
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct sp_rule *shadow = add_rule(d, 3), *beside = add_rule(d, 4);
	struct sp_counters c;

	s.flags = ACK;
	shadow->drop_every = 2;
	shadow->shadow = true;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(decide_spec(d, &s), SP_PASS);
	beside->drop_below = SP_ALWAYS;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(decide_spec(d, &s), SP_DROP);
	c = counters_of(d, 30);
	assert_int_equal(c.matched, 20);
	assert_int_equal(c.verdict[SP_SUPPRESS], 10);
	assert_int_equal(c.verdict[SP_PASS], 10);
	assert_int_equal(c.first_ns, 0);
	assert_int_equal(counters_of(d, 40).verdict[SP_DROP], 10);
	beside->shadow = true;
	assert_int_equal(decide_spec(d, &s), NONE);
	shadow->drop_every = 0;
	shadow->flags = SP_RULE_BENDS;
	assert_int_equal(decide_spec(d, &s), NONE);
	assert_int_equal(counters_of(d, 30).verdict[SP_SUPPRESS], 11);
}

/* The same where it is the only rule that matches, whatever it would do. */
static void casts_a_shadow_alone(void **state)
{
	struct deciding *d = *state;
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct sp_rule *shadow = add_rule(d, 3);
	struct sp_counters c;

	s.flags = ACK;
	shadow->shadow = true;
	shadow->drop_every = 2;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(decide_spec(d, &s), NONE);
	shadow->drop_every = 0;
	shadow->reset_ends = SP_END_LOCAL | SP_END_REMOTE;
	shadow->flow_below = SP_ALWAYS;
	assert_int_equal(decide_spec(d, &s), NONE);
	shadow->reset_ends = 0;
	assert_int_equal(decide_spec(d, &s), NONE);
	shadow->flags = SP_RULE_BENDS;
	assert_int_equal(decide_spec(d, &s), NONE);
	shadow->flags = 0;
	shadow->meaning = SP_MEANS_STALL;
	assert_int_equal(decide_spec(d, &s), NONE);
	shadow->flow_below = 0; /* `percent`: of other connections */
	assert_int_equal(decide_spec(d, &s), NONE);
	shadow->flags = SP_RULE_BENDS;
	shadow->meaning = SP_MEANS_SLOW_CLOSE;
	assert_int_equal(decide_spec(d, &s), NONE);
	c = counters_of(d, 30);
	assert_int_equal(c.matched, 16);
	assert_int_equal(c.verdict[SP_SUPPRESS], 5 + 3);
	assert_int_equal(c.verdict[SP_PASS], 5 + 3);
	assert_int_equal(c.first_ns, 0);
	assert_int_equal(c.flows, 0);
	assert_true(ring_buffer__consume(d->ring) >= 0);
	assert_int_equal(d->events[SP_EVENT_FLOW_HIT], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deciding_open, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lets_the_hardest_verdict_win),
		TEST(balances),
		TEST(casts_a_shadow),
		TEST(casts_a_shadow_alone),
		TEST(spends_packets),
		TEST(spends_segments),
		TEST(spends_flows),
		TEST(spends_time),
		TEST(passing_is_free),
		TEST(announces_a_flow_once_a_window),
		TEST(keeps_flows),
		TEST(goes_on_with_a_full_flow_table),
		TEST(counts_what_the_ring_had_no_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
