/* SPDX-License-Identifier: BSD-2-Clause */
/* What the delay line breaks: one bit of the payload, or of the checksum, such that the receiver's checksum finds out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/line_alter.h"

#define PADDING 6
#define MAX_FRAME 2048

struct shape {
	uint8_t family; /* 4, 6 */
	uint8_t proto;
	uint8_t options; /* bytes of IPv4 options, or of one IPv6 header of destination options */
	uint8_t tags;
	uint8_t l4_options; /* TCP */
	uint16_t payload;
};

struct frame {
	unsigned char bytes[MAX_FRAME];
	size_t len, l3, l4, payload_at, end;
	size_t checksum_at; /* in the frame; 0: the protocol has none */
	uint8_t proto;
};

static void put16(unsigned char *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static uint32_t add_words(uint32_t sum, const unsigned char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

/* The sum over pseudo header and datagram: 0xffff says that the checksum in it is right. */
static uint16_t transport_sum(const struct frame *f)
{
	const unsigned char *l3 = f->bytes + f->l3;
	uint32_t sum = add_words(0, f->bytes + f->l4, f->end - f->l4);

	if ((l3[0] >> 4) == 4 && f->proto != IPPROTO_ICMP)
		sum = add_words(sum, l3 + 12, 8) + f->proto + (f->end - f->l4);
	else if ((l3[0] >> 4) == 6)
		sum = add_words(sum, l3 + 8, 32) + f->proto + (f->end - f->l4);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t put_ethernet(struct frame *f, const struct shape *shape)
{
	size_t at = 12;

	memset(f->bytes, 0x52, at);
	for (int i = 0; i < shape->tags; i++, at += 4) {
		put16(f->bytes + at, i ? ETH_P_8021Q : shape->tags > 1 ? ETH_P_8021AD : ETH_P_8021Q);
		put16(f->bytes + at + 2, 100 + i);
	}
	put16(f->bytes + at, shape->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	return at + 2;
}

static void put_ip(struct frame *f, const struct shape *shape, size_t transport)
{
	unsigned char *ip = f->bytes + f->l3;

	if (shape->family == 4) {
		ip[0] = 0x40 | (20 + shape->options) / 4;
		put16(ip + 2, 20 + shape->options + transport);
		ip[9] = shape->proto;
		memcpy(ip + 12, "\x0a\x01\x00\x01\x0a\x01\x00\x02", 8);
		memset(ip + 20, 1, shape->options);
		f->l4 = f->l3 + 20 + shape->options;
		return;
	}
	ip[0] = 0x60;
	put16(ip + 4, shape->options + transport);
	ip[6] = shape->options ? IPPROTO_DSTOPTS : shape->proto;
	memset(ip + 8, 0xfd, 31);
	if (shape->options) {
		ip[40] = shape->proto;
		ip[41] = shape->options / 8 - 1;
		ip[42] = 1; /* PadN */
		ip[43] = shape->options - 4;
	}
	f->l4 = f->l3 + 40 + shape->options;
}

static size_t header_bytes(const struct shape *shape)
{
	if (shape->proto == IPPROTO_TCP)
		return 20 + shape->l4_options;
	return shape->proto == IPPROTO_GRE ? 0 : 8;
}

static void put_transport(struct frame *f, const struct shape *shape)
{
	unsigned char *l4 = f->bytes + f->l4;

	switch (shape->proto) {
	case IPPROTO_TCP:
		put16(l4, 40000);
		put16(l4 + 2, 443);
		l4[12] = (20 + shape->l4_options) / 4 << 4;
		memset(l4 + 20, 1, shape->l4_options);
		f->checksum_at = f->l4 + 16;
		break;
	case IPPROTO_UDP:
		put16(l4, 40000);
		put16(l4 + 2, 53);
		put16(l4 + 4, 8 + shape->payload);
		f->checksum_at = f->l4 + 6;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		l4[0] = 8;
		f->checksum_at = f->l4 + 2;
		break;
	}
}

static void build(struct frame *f, const struct shape *shape)
{
	size_t header = header_bytes(shape);

	memset(f, 0, sizeof(*f));
	f->proto = shape->proto;
	f->l3 = put_ethernet(f, shape);
	put_ip(f, shape, header + shape->payload);
	put_transport(f, shape);
	f->payload_at = f->l4 + header;
	f->end = f->payload_at + shape->payload;
	for (size_t i = f->payload_at; i < f->end; i++)
		f->bytes[i] = i * 7;
	memset(f->bytes + f->end, 0xee, PADDING);
	f->len = f->end + PADDING;
	if (f->checksum_at) {
		put16(f->bytes + f->checksum_at, ~transport_sum(f));
		assert_int_equal(transport_sum(f), 0xffff);
	}
}

/* The bit that differs, of exactly one; -1: none does. */
static long difference(const struct frame *a, const struct frame *b)
{
	long bit = -1;

	for (size_t i = 0; i < a->len * 8; i++) {
		if (!((a->bytes[i / 8] ^ b->bytes[i / 8]) & 1 << i % 8))
			continue;
		assert_int_equal(bit, -1);
		bit = i;
	}
	return bit;
}

static void check(const struct shape *shape, uint32_t draw)
{
	struct frame before, after;
	size_t from, bits;
	long bit;

	build(&before, shape);
	after = before;
	assert_true(line_alter(after.bytes, after.len, shape->proto, draw));
	bit = difference(&before, &after);
	from = shape->payload ? before.payload_at : before.checksum_at;
	bits = shape->payload ? shape->payload * 8 : 16;
	assert_int_equal(bit, from * 8 + draw % bits);
	if (before.checksum_at)
		assert_int_not_equal(transport_sum(&after), 0xffff);
}

static void every_kind(void **state)
{
	static const struct shape shapes[] = {
		{4, IPPROTO_TCP, 0, 0, 12, 100},  {4, IPPROTO_TCP, 0, 0, 0, 1},
		{4, IPPROTO_TCP, 0, 0, 40, 0},    {4, IPPROTO_TCP, 8, 1, 12, 1448},
		{4, IPPROTO_UDP, 0, 0, 0, 64},    {4, IPPROTO_UDP, 0, 2, 0, 0},
		{4, IPPROTO_ICMP, 0, 0, 0, 56},   {4, IPPROTO_ICMP, 4, 1, 0, 0},
		{4, IPPROTO_GRE, 0, 0, 0, 30},    {6, IPPROTO_TCP, 0, 0, 12, 100},
		{6, IPPROTO_TCP, 16, 0, 12, 0},   {6, IPPROTO_TCP, 8, 2, 0, 7},
		{6, IPPROTO_UDP, 0, 0, 0, 64},    {6, IPPROTO_UDP, 24, 1, 0, 0},
		{6, IPPROTO_ICMPV6, 0, 0, 0, 56}, {6, IPPROTO_ICMPV6, 8, 0, 0, 0},
		{6, IPPROTO_GRE, 8, 0, 0, 30},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		for (uint32_t draw = 0; draw < 1000; draw++)
			check(&shapes[i], draw);
		check(&shapes[i], UINT32_MAX);
	}
}

/* A UDP checksum of one bit, which is the bit drawn: 0 would say that there is none. */
static void never_no_checksum(void **state)
{
	static const struct shape shape = {.family = 4, .proto = IPPROTO_UDP};

	(void)state;
	for (uint32_t draw = 0; draw < 16; draw++) {
		struct frame f;
		unsigned char *checksum;

		build(&f, &shape);
		checksum = f.bytes + f.checksum_at;
		memset(checksum, 0, 2);
		checksum[draw / 8] = 1 << draw % 8;
		assert_true(line_alter(f.bytes, f.len, IPPROTO_UDP, draw));
		assert_true(checksum[draw / 8] & 1 << draw % 8);
		assert_int_equal(__builtin_popcount(checksum[0] << 8 | checksum[1]), 2);
	}
}

/* A UDP datagram without a checksum, which nobody would find broken, gets a wrong one, whatever the right one were. */
static void one_where_there_was_none(void **state)
{
	struct shape shape = {.family = 4, .proto = IPPROTO_UDP};

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		struct frame before, after;
		long bit;

		shape.options = i % 3 * 4;
		shape.tags = i % 2;
		shape.payload = i < 400 ? 1 + i % 99 : 2;
		build(&before, &shape);
		memset(before.bytes + before.checksum_at, 0, 2);
		if (i >= 400) /* all sums there are */
			put16(before.bytes + before.payload_at, i);
		after = before;
		assert_true(line_alter(after.bytes, after.len, IPPROTO_UDP, i));
		assert_int_not_equal(transport_sum(&after), 0xffff);
		assert_memory_not_equal(after.bytes + after.checksum_at, "\0\0", 2);
		memset(after.bytes + after.checksum_at, 0, 2);
		bit = difference(&before, &after);
		assert_int_equal(bit, before.payload_at * 8 + i % (shape.payload * 8));
	}
}

static void keeps_within(unsigned char *bytes, size_t len, uint8_t proto)
{
	unsigned char *exact = malloc(len + 1);

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	exact[len] = 0;
	if (!line_alter(exact, len, proto, 12345))
		assert_memory_equal(exact, bytes, len);
	assert_int_equal(exact[len], 0);
	free(exact);
}

/* Cut anywhere: nothing behind the end is touched, and what is too short stays as it is. */
static void cut_short(void **state)
{
	static const struct shape shapes[] = {{4, IPPROTO_TCP, 8, 1, 12, 20}, {6, IPPROTO_UDP, 16, 0, 0, 20}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct frame f;

		build(&f, &shapes[i]);
		for (size_t len = 0; len < f.len; len++)
			keeps_within(f.bytes, len, f.proto);
		for (size_t len = 0; len < f.payload_at - 8; len++)
			assert_false(line_alter(f.bytes, len, f.proto, 1));
	}
}

static void nothing_to_break(void **state)
{
	static const struct shape empty = {.family = 4, .proto = IPPROTO_GRE},
				  tcp = {.family = 4, .proto = IPPROTO_TCP},
				  six = {.family = 6, .proto = IPPROTO_TCP};
	struct frame f;

	(void)state;
	build(&f, &empty);
	assert_false(line_alter(f.bytes, f.len, IPPROTO_GRE, 3));
	build(&f, &tcp);
	put16(f.bytes + 12, ETH_P_ARP);
	assert_false(line_alter(f.bytes, f.len, IPPROTO_TCP, 3));
	build(&f, &tcp);
	f.bytes[f.l4 + 12] = 0xf0; /* a header beyond the end */
	assert_false(line_alter(f.bytes, f.len, IPPROTO_TCP, 3));
	build(&f, &tcp);
	f.bytes[f.l4 + 12] = 0x10; /* shorter than it can be: the checksum would lie in the payload */
	assert_false(line_alter(f.bytes, f.len, IPPROTO_TCP, 3));
	build(&f, &six);
	f.bytes[f.l3 + 6] = IPPROTO_NONE;
	assert_false(line_alter(f.bytes, f.len, IPPROTO_TCP, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(never_no_checksum),
		cmocka_unit_test(one_where_there_was_none),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(nothing_to_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
