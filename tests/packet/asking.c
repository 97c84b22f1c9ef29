/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include <linux/pkt_cls.h>

#define TEST_CHECKSUM_COMPLETE (1U << 2) /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE, Linux 6.16 */

struct ran asked;

static bool no_complete; /* the kernel's tests know no such flag */

struct plan_fault asking_fault(uint8_t rcode)
{
	return (struct plan_fault){.meaning = PLAN_MEANS_DNS, .rcode = rcode, .meaning_below = PLAN_ALWAYS};
}

struct scene *asking_scene(const struct plan_fault *faults, size_t n)
{
	static const struct plan_target anything;
	struct scene *s;

	if (scene_new(NEAR_END, &s))
		return NULL;
	for (size_t i = 0; i < n; i++)
		scene_rule(s, &anything, &faults[i], PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	if (scene_load(s)) {
		scene_free(s);
		return NULL;
	}
	scene_arm(s);
	return s;
}

struct spec asking_packet(int family, uint8_t proto, bool out, const struct message *m)
{
	struct spec s = packet(family, proto, out);

	s.payload = m->len;
	s.data = m->data;
	s.flags = PSH | ACK;
	return s;
}

static int run(const struct scene *s, const struct frame *f, bool out, uint32_t flags)
{
	return run_skb(scene_program(s, out ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN), s->interface.ifindex, flags, 1,
		       f->data, f->len, &asked);
}

/* The one before the transport header says what that is; of IPv6 with extensions there is no need to know. */
static bool is_udp(const struct frame *f)
{
	return f->data[f->l3] >> 4 == 4 ? f->data[f->l3 + 9] == IPPROTO_UDP
					: f->data[f->l3 + 6] == IPPROTO_UDP;
}

void asking_run(const struct scene *s, const struct frame *f, bool out)
{
	if (!out && !no_complete && is_udp(f)) {
		int err = run(s, f, out, TEST_CHECKSUM_COMPLETE);

		if (!err)
			return;
		assert_int_equal(err, -EINVAL);
		no_complete = true;
	}
	assert_int_equal(run(s, f, out, 0), 0);
}

void asking_untouched(const struct frame *f)
{
	assert_int_equal(asked.action, ASKING_PASSED);
	assert_int_equal(asked.len, f->len);
	assert_memory_equal(asked.frame, f->data, f->len);
}

void asking_answered(const struct spec *query, const struct message *answer)
{
	struct spec s = *query;
	struct frame f;

	s.from = query->to;
	s.to = query->from;
	s.ttl = 64;
	s.data = answer->data;
	frame_build(&s, &f);
	assert_int_equal(asked.action, TC_ACT_REDIRECT);
	assert_int_equal(asked.len, f.len);
	assert_memory_equal(asked.frame, f.data, f.len);
}
