/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `verify` draws again is what the programs drew: over long flows, packet by packet, and as sums. The programs look
 * back for a lot; replay_lots() draws forwards, replay_packet() looks back, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "packet/modelled.h"
#include "slo/replay.h"

#define MANY 100000
#define STEP 1000 /* ns between two packets */
#define INSTANCE 2

/* The rule's third window is open. */
static uint64_t open_third(struct sp_rule *rule)
{
	rule->times = 3;
	return T0 + INSTANCE * HOUR;
}

static void name_of(const struct spec *s, bool out, char *name)
{
	const struct end *local = out ? &s->from : &s->to, *remote = out ? &s->to : &s->from;
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];

	if (s->family == 4) {
		inet_ntop(AF_INET, local->addr4, a, sizeof(a));
		inet_ntop(AF_INET, remote->addr4, b, sizeof(b));
		sprintf(name, "%s:%u>%s:%u/udp", a, local->port, b, remote->port);
	} else {
		inet_ntop(AF_INET6, local->addr6, a, sizeof(a));
		inet_ntop(AF_INET6, remote->addr6, b, sizeof(b));
		sprintf(name, "[%s]:%u>[%s]:%u/udp", a, local->port, b, remote->port);
	}
}

static bool may_be_told(enum replay_answer answer)
{
	return answer == REPLAY_SAME || answer == REPLAY_CERTAIN;
}

/* A packet that was passed can't be told as lost, and one that wasn't is told as it was. */
static void expect_replayed(const struct sp_rule *rule, struct replay_packet *packet, enum sp_verdict verdict)
{
	packet->verdict = verdict == SP_PASS ? SP_DROP : verdict;
	if (may_be_told(replay_packet(rule, packet)) == (verdict == SP_PASS))
		fail_msg("packet %u, verdict %d: answer %d", packet->index, verdict,
			 replay_packet(rule, packet));
	if (verdict == SP_PASS || verdict == SP_DROP)
		return;
	packet->verdict = SP_DROP;
	assert_int_equal(replay_packet(rule, packet), rule->rate ? REPLAY_OPEN : REPLAY_OTHER);
}

/* n packets of one flow in each direction: every one as it is replayed, and their sums. */
static void expect_as_drawn(struct deciding *d, uint32_t n)
{
	const struct sp_rule *rule = &d->skel->bss->rules[0];
	uint64_t now = open_third(&d->skel->bss->rules[0]), hits = 0;
	struct replay_lots lots = {0};
	struct sp_receipt receipt;

	d->skel->bss->given.step = STEP;
	for (int dir = SP_DIR_IN; dir <= SP_DIR_OUT; dir++) {
		bool out = dir == SP_DIR_OUT;
		struct spec s = flow_packet(7, out);
		struct replay_packet packet = {.instance = INSTANCE, .dir = dir, .segments = 1};
		const struct fate *fates;
		char name[128];

		s.payload = 100;
		name_of(&s, out, name);
		assert_true(replay_flow(name, &packet.flow));
		assert_int_equal(packet.flow, hash_of(&s, out));
		fates = decide_run(d, &s, now, n);
		for (packet.index = 0; packet.index < n; packet.index++) {
			expect_replayed(rule, &packet, fates[packet.index].verdict);
			hits += fates[packet.index].verdict != SP_PASS;
		}
		replay_lots(rule, packet.flow, INSTANCE, dir, n, &lots);
	}
	receipt = receipt_of(d, rule->first_slot + INSTANCE);
	assert_int_equal(lots.hits, hits);
	assert_in_range(hits, 1, 2 * n);
	for (int i = 0; i < SP_CHANCES && rule->flags & SP_RULE_RECEIPT; i++) {
		assert_int_equal(lots.drawn[i], receipt.chance[i].drawn);
		assert_int_equal(lots.hit[i], receipt.chance[i].hit);
	}
}

static void loss_by_chance(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *rule = add_rule(d, 0);

	rule->flags = SP_RULE_RECEIPT;
	rule->drop_below = PERCENT(5);
	expect_as_drawn(d, MANY);
}

static void every_nth(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *rule = add_rule(d, 0);

	rule->drop_every = 10;
	expect_as_drawn(d, 1005);
}

static void correlated_loss(void **state)
{
	static const double correlations[] = {25, 99, 100};
	struct deciding *d = *state;

	for (size_t i = 0; i < sizeof(correlations) / sizeof(*correlations); i++) {
		struct sp_rule *rule = add_rule(d, 0);

		deciding_reset(d);
		rule->seed = 3 + i;
		rule->flags = SP_RULE_RECEIPT;
		rule->drop_below = PERCENT(40);
		rule->loss_correlation = PERCENT(correlations[i]);
		expect_as_drawn(d, i == 2 ? 100 : MANY / 5);
	}
}

static void states_of_a_path(void **state)
{
	static const double models[][4] = {
		{5, 30, 100, 0}, {3, 12, 60, 2}, {100, 100, 100, 0}, {0.1, 0, 90, 0}};
	struct deciding *d = *state;

	for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
		struct sp_rule *rule = add_rule(d, 0);

		deciding_reset(d);
		rule->flags = SP_RULE_RECEIPT | SP_RULE_GEMODEL;
		rule->ge_p = PERCENT(models[i][0]);
		rule->ge_r = PERCENT(models[i][1]);
		rule->ge_bad = PERCENT(models[i][2]);
		rule->ge_good = PERCENT(models[i][3]);
		expect_as_drawn(d, MANY / 10);
	}
}

/* Further back than the programs look: they take what they have come to. */
static void walks_that_are_too_long(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *rule = add_rule(d, 0);

	rule->flags = SP_RULE_RECEIPT;
	rule->drop_below = PERCENT(50);
	rule->loss_correlation = SP_ALWAYS - 1000;
	expect_as_drawn(d, LONGEST_WALK + 1000);
	rule = add_rule(d, 0);
	deciding_reset(d);
	rule->flags = SP_RULE_RECEIPT | SP_RULE_GEMODEL;
	rule->ge_p = rule->ge_r = SP_ALWAYS - 1000;
	rule->ge_bad = SP_ALWAYS;
	expect_as_drawn(d, LONGEST_WALK + 1000);
}

static void copies_and_altered_bits(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *rule = add_rule(d, 0);

	rule->flags = SP_RULE_RECEIPT | SP_RULE_BENDS;
	rule->drop_below = PERCENT(3);
	rule->duplicate_below = PERCENT(20);
	rule->duplicate_correlation = PERCENT(50);
	rule->corrupt_below = PERCENT(10);
	rule->corrupt_correlation = PERCENT(30);
	rule->flags |= SP_RULE_CORRUPT_VALID; /* all have a payload */
	expect_as_drawn(d, MANY);
}

static void delays_and_another_order(void **state)
{
	static const struct {
		uint64_t by;
		uint32_t gap;
	} cases[] = {{0, 0}, {0, 5}, {3000000, 0}, {3000000, 7}};
	struct deciding *d = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sp_rule *rule = add_rule(d, 0);

		deciding_reset(d);
		rule->flags = SP_RULE_RECEIPT | SP_RULE_BENDS | SP_RULE_HOLDS;
		rule->delay_ns = 1000000;
		rule->delay_below = SP_ALWAYS;
		rule->drop_below = PERCENT(2);
		rule->duplicate_below = PERCENT(4);
		rule->reorder_below = PERCENT(25);
		rule->reorder_correlation = PERCENT(40);
		rule->reorder_by_ns = cases[i].by;
		rule->reorder_gap = cases[i].gap;
		expect_as_drawn(d, MANY / 5);
	}
}

/* The share of flows, and that of connections: an event of another flow is found out. */
static void flows_that_take_part(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *rule = add_rule(d, 0);
	unsigned hit = 0;

	rule->share = PERCENT(30);
	rule->refuse = SP_REFUSE_ICMP_PORT;
	rule->flow_below = PERCENT(40);
	for (unsigned flow = 0; flow < 3000; flow++) {
		struct spec s = flow_packet(1000 + flow, true);
		uint64_t hash = hash_of(&s, true);
		int verdict = decide_at(d, &s, T0);

		assert_int_equal(verdict != NONE, replay_takes_part(rule, hash));
		if (verdict != NONE)
			assert_int_equal(verdict == SP_REFUSE, replay_is_answered(rule, hash));
		hit += verdict == SP_REFUSE;
	}
	assert_in_range(hit, 270, 450);
}

int main(void)
{
#define WITH_MANY(test) cmocka_unit_test_setup_teardown(test, deciding_open_many, deciding_close)
	const struct CMUnitTest tests[] = {
		WITH_MANY(loss_by_chance),           WITH_MANY(every_nth),
		WITH_MANY(correlated_loss),          WITH_MANY(states_of_a_path),
		WITH_MANY(walks_that_are_too_long),  WITH_MANY(copies_and_altered_bits),
		WITH_MANY(delays_and_another_order), WITH_MANY(flows_that_take_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
