/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/icmp_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/pkt_cls.h>

#define ICMP_BYTES 8

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

/* The Ethernet header, VLAN tags and all: back to the sender. */
static void expect_link(const struct ran *ran, const struct frame *f)
{
	assert_memory_equal(ran->frame, f->data + 6, 6);
	assert_memory_equal(ran->frame + 6, f->data, 6);
	assert_memory_equal(ran->frame + 12, f->data + 12, f->l3 - 12);
}

static void expect_ip4(const struct spec *s, const uint8_t *ip, size_t len)
{
	uint8_t expected[20] = {0x45, 0, len >> 8, len, 0, 0, 0x40, 0, 64, IPPROTO_ICMP};
	uint16_t sum;

	memcpy(expected + 12, s->to.addr4, 4);
	memcpy(expected + 16, s->from.addr4, 4);
	sum = ~sum_fold(sum_bytes(expected, sizeof(expected), 0));
	expected[10] = sum >> 8;
	expected[11] = sum;
	assert_memory_equal(ip, expected, sizeof(expected));
}

static void expect_ip6(const struct spec *s, const uint8_t *ip, size_t payload)
{
	uint8_t expected[40] = {0x60, 0, 0, 0, payload >> 8, payload, IPPROTO_ICMPV6, 64};

	memcpy(expected + 8, s->to.addr6, 16);
	memcpy(expected + 24, s->from.addr6, 16);
	assert_memory_equal(ip, expected, sizeof(expected));
}

/*
 * The packet's own headers, but for the transport checksum: it is one that a device which still completes it leaves as it
 * is, so that the ICMP checksum over it stays right.
 */
static void expect_quote(const struct spec *s, const struct frame *f, const uint8_t *quote, size_t transport)
{
	size_t l4 = f->l4 - f->l3, check = l4 + checksum_at(s->proto);
	uint16_t completed = ~sum_fold(sum_bytes(quote + l4, transport, 0));

	if (s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP) {
		assert_memory_equal(quote, f->data + f->l3, l4 + transport);
		return;
	}
	assert_memory_equal(quote, f->data + f->l3, check);
	assert_memory_equal(quote + check + 2, f->data + f->l3 + check + 2, l4 + transport - check - 2);
	assert_int_equal(completed ?: 0xffff, get16(quote + check)); /* 0 would mean: none */
}

void expect_icmp_error(const struct ran *ran, const struct icmp_error *error, const struct spec *s,
		       const struct frame *f)
{
	bool whole = s->proto == IPPROTO_TCP; /* its header; of the others eight bytes */
	size_t transport = whole ? 20 : 8, quoted = f->l4 - f->l3 + transport;
	size_t ip = s->family == 4 ? 20 : 40;
	const uint8_t *icmp = ran->frame + f->l3 + ip;
	struct spec back = {.family = s->family, .from = s->to, .to = s->from};
	uint32_t pseudo = s->family == 4 ? 0 : sum_pseudo(&back, IPPROTO_ICMPV6, ICMP_BYTES + quoted);

	assert_int_equal(ran->action, TC_ACT_REDIRECT);
	assert_int_equal(ran->len, f->l3 + ip + ICMP_BYTES + quoted);
	expect_link(ran, f);
	if (s->family == 4)
		expect_ip4(s, ran->frame + f->l3, ip + ICMP_BYTES + quoted);
	else
		expect_ip6(s, ran->frame + f->l3, ICMP_BYTES + quoted);
	assert_int_equal(icmp[0], error->type);
	assert_int_equal(icmp[1], error->code);
	assert_int_equal((uint32_t)get16(icmp + 4) << 16 | get16(icmp + 6), error->rest);
	assert_int_equal(sum_fold(sum_bytes(icmp, ICMP_BYTES + quoted, pseudo)), 0xffff);
	expect_quote(s, f, icmp + ICMP_BYTES, transport);
}
