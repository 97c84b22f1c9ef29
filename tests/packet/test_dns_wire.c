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

#include "packet/capture.h"
#include "packet/frame.h"
#include "packet/message.h"
#include "packet/pair.h"
#include "packet/scene.h"

#define UDP_CHECK 6

static struct captured captured;
static struct scene *scene;

static void offload(bool on)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_command("ethtool -K %s tx %s gro off >/dev/null 2>&1",
					       i ? FAR_END : NEAR_END, on ? "on" : "off"),
				 0);
}

static int attach(void **state)
{
	static const struct plan_target udp = {.proto = IPPROTO_UDP};
	static const struct plan_fault fault = {
		.meaning = PLAN_MEANS_DNS, .rcode = DNS_SERVFAIL, .meaning_below = PLAN_ALWAYS};
	const char *culprit;

	(void)state;
	/* Or the stack would say that nobody waits for the answers. */
	if (world_command("ip addr flush dev " NEAR_END) || scene_new(NEAR_END, &scene))
		return -1;
	scene_rule(scene, &udp, &fault, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	if (scene_load(scene) || engine_attach(scene->engine, ATTACH_AUTO, &culprit))
		return -1;
	scene_arm(scene);
	return 0;
}

static int detach(void **state)
{
	(void)state;
	scene_free(scene);
	scene = NULL;
	return 0;
}

static void expect_at(int fd, const struct spec *expected)
{
	struct frame f;

	frame_build(expected, &f);
	assert_int_equal(capture_next(fd, &captured), 0);
	assert_int_equal(captured.len, f.len);
	assert_memory_equal(captured.data, f.data, f.len);
}

static void send_query(const struct spec *s, bool out, bool partial)
{
	struct offload offload = {0};
	struct frame f;

	frame_build(s, &f);
	if (partial) {
		uint16_t sum = sum_fold(sum_pseudo(s, IPPROTO_UDP, f.len - f.l4));

		f.data[f.l4 + UDP_CHECK] = sum >> 8;
		f.data[f.l4 + UDP_CHECK + 1] = sum;
		offload.csum_start = f.l4;
		offload.csum_offset = UDP_CHECK;
	}
	assert_int_equal(capture_send(out ? near_fd : far_fd, f.data, f.len, &offload), 0);
	/* A capture hears what comes in before tc does. */
	if (!out)
		expect_at(near_fd, s);
}

static void expect_exchange(int variant, const struct message *query, const struct message *answer)
{
	bool out = variant & 1;
	struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_UDP, out), back;

	s.vlans = variant / 8;
	s.payload = query->len;
	s.data = query->data;
	send_query(&s, out, variant & 4);
	back = s;
	back.from = s.to;
	back.to = s.from;
	back.ttl = 64;
	back.data = answer->data;
	expect_at(out ? near_fd : far_fd, &back);
}

/* In every size modulo 2, since a checksum is of 16 bits. */
static void answers_queries(void **state)
{
	struct sp_counters c;
	unsigned count = 0;

	(void)state;
	for (int on = 0; on <= 1; on++) {
		offload(on);
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
	assert_true(capture_is_silent(near_fd, far_fd));
	assert_true(capture_is_silent(far_fd, near_fd));
	assert_int_equal(engine_counters(scene->engine, 0, &c), 0);
	assert_int_equal(c.verdict[SP_REFUSE], count);
	assert_int_equal(c.matched, count);
	assert_int_equal(c.failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_queries, attach, detach),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
