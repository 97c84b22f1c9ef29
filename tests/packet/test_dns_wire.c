/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queries on a real interface, as sockets and devices leave them: with a checksum that is there, or still to be completed
 * (CHECKSUM_PARTIAL), with the pair's checksum offload on and off. The answer that comes out is compared with a frame built
 * from scratch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "packet/frame.h"
#include "packet/message.h"
#include "packet/pair.h"
#include "packet/single.h"
#include "packet/wrapped.h"

static int attach(void **state)
{
	static const struct plan_target udp = {.proto = IPPROTO_UDP};
	static const struct plan_fault fault = {
		.meaning = PLAN_MEANS_DNS, .rcode = DNS_SERVFAIL, .meaning_below = PLAN_ALWAYS};

	(void)state;
	/* Or the stack would say that nobody waits for the answers. */
	if (world_command("ip addr flush dev " NEAR_END) || scene_of(&udp, &fault, 1, &scene))
		return -1;
	attach_scene();
	return 0;
}

static void expect_exchange(int variant, const struct message *query, const struct message *answer)
{
	bool out = variant & 1;
	struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_UDP, out), back;

	s.vlans = variant / 8;
	s.payload = query->len;
	s.data = query->data;
	wrapped_send_spec(&s, out, variant & 4 ? PARTIAL : FULL);
	back = s;
	back.from = s.to;
	back.to = s.from;
	back.ttl = 64;
	back.data = answer->data;
	expect_captured(out ? near_fd : far_fd, &back);
}

/* In every size modulo 2, since a checksum is of 16 bits. */
static void answers_queries(void **state)
{
	struct sp_counters c;
	unsigned count = 0;

	(void)state;
	for (int on = 0; on <= 1; on++) {
		wrapped_offload(on);
		for (int variant = 0; variant < 24; variant++)
			for (int odd = 0; odd <= 1; odd++) {
				struct message query, answer;

				message_query(odd ? "odd.example" : "even.example", &query);
				message_add_edns(&query);
				message_answer(&query, DNS_SERVFAIL, &answer);
				expect_exchange(variant, &query, &answer);
				count++;
			}
	}
	expect_silence();
	c = counters();
	assert_int_equal(c.verdict[SP_REFUSE], count);
	assert_int_equal(c.matched, count);
	assert_int_equal(c.failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_queries, attach, close_scene),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
