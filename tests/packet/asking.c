/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

struct plan_fault asking_fault(uint8_t rcode)
{
	return (struct plan_fault){.meaning = PLAN_MEANS_DNS, .rcode = rcode, .meaning_below = PLAN_ALWAYS};
}

struct spec asking_packet(int family, uint8_t proto, bool out, const struct message *m)
{
	struct spec s = packet(family, proto, out);

	s.payload = m->len;
	s.data = m->data;
	s.flags = PSH | ACK;
	return s;
}

/* The one before the transport header says what that is; of IPv6 with extensions there is no need to know. */
static bool is_udp(const struct frame *f)
{
	return f->data[f->l3] >> 4 == 4 ? f->data[f->l3 + 9] == IPPROTO_UDP
					: f->data[f->l3 + 6] == IPPROTO_UDP;
}

void asking_run(const struct scene *s, const struct frame *f, bool out)
{
	static int complete = -1; /* not known yet */

	if (complete < 0)
		complete = can_complete(scene_program(s, SP_HOOK_TC_IN), s->interface.ifindex);
	assert_int_equal(run_tc(s, f, out, !out && complete && is_udp(f) ? TEST_CHECKSUM_COMPLETE : 0, &ran),
			 0);
}

void asking_answered(const struct spec *query, const struct message *answer)
{
	struct spec s = *query;

	s.from = query->to;
	s.to = query->from;
	s.ttl = 64;
	s.data = answer->data;
	expect_ran(&s, TC_ACT_REDIRECT);
}
