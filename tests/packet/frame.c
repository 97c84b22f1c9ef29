/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/frame.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#define NOP 1

const struct end near_end = {
	.mac = {2, 0x5e, 0, 0, 0, 1},
	.addr4 = {192, 0, 2, 1},
	.addr6 = {0x20, 1, 0xd, 0xb8, [15] = 1},
	.port = 40000,
};
const struct end far_end = {
	.mac = {2, 0x5e, 0, 0, 0, 2},
	.addr4 = {192, 0, 2, 77},
	.addr6 = {0x20, 1, 0xd, 0xb8, [14] = 0x12, [15] = 0x34},
	.port = 5432,
};

struct spec packet(int family, uint8_t proto, bool out)
{
	struct spec s = {
		.from = out ? near_end : far_end,
		.to = out ? far_end : near_end,
		.family = family,
		.proto = proto,
		.tos = 0x28,
		.ttl = 57,
		.id = 0xbeef,
		.seq = 0xfffffff0,
		.ack = 0x89abcdef,
		.window = 502,
	};

	return s;
}

void vary_headers(struct spec *s, unsigned variant)
{
	s->vlans = variant / 4 % 3;
	s->ip_options = s->family == 4 ? variant % 5 * 8 : 0;
	s->n_extensions = s->family == 6 && variant % 5 == 1;
	s->extensions[0] = IPPROTO_DSTOPTS;
	s->padding = variant % 4 ? 0 : 5;
}

struct spec rst_for(const struct spec *segment, bool to_sender)
{
	struct spec s = *segment;

	s.flags = RST | ACK;
	s.ttl = 64;
	s.window = 0;
	s.payload = s.tcp_options = s.padding = 0;
	if (to_sender) {
		s.from = segment->to;
		s.to = segment->from;
		s.seq = segment->ack;
		s.ack = segment->seq + segment->payload + !!(segment->flags & SYN) + !!(segment->flags & FIN);
	}
	return s;
}

uint32_t sum_bytes(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint32_t sum_pseudo(const struct spec *s, uint8_t proto, size_t len)
{
	uint32_t sum = proto + len;

	if (s->family == 4)
		return sum_bytes(s->from.addr4, 4, sum_bytes(s->to.addr4, 4, sum));
	return sum_bytes(s->from.addr6, 16, sum_bytes(s->to.addr6, 16, sum));
}

static void put(struct frame *f, const void *data, size_t len)
{
	assert(f->len + len <= sizeof(f->data));
	memcpy(f->data + f->len, data, len);
	f->len += len;
}

static void put8(struct frame *f, uint8_t value)
{
	put(f, &value, 1);
}

static void put16(struct frame *f, uint16_t value)
{
	put8(f, value >> 8);
	put8(f, value);
}

static void put32(struct frame *f, uint32_t value)
{
	put16(f, value >> 16);
	put16(f, value);
}

static void set16(struct frame *f, size_t at, uint16_t value)
{
	f->data[at] = value >> 8;
	f->data[at + 1] = value;
}

static void put_link(const struct spec *s, struct frame *f)
{
	put(f, s->to.mac, 6);
	put(f, s->from.mac, 6);
	for (unsigned i = 0; i < s->vlans; i++) {
		put16(f, i + 1 < s->vlans ? 0x88a8 : 0x8100);
		put16(f, 0x2064 + i); /* priority 1, VLAN 100 and on */
	}
	put16(f, s->family == 4 ? 0x0800 : s->family == 6 ? 0x86dd : 0x0806);
	f->l3 = f->len;
}

static void put_ip4(const struct spec *s, struct frame *f)
{
	uint16_t fragment = s->fragment | (s->more_fragments ? 0x2000 : 0);

	put8(f, 0x40 | (20 + s->ip_options) / 4);
	put8(f, s->tos);
	put16(f, 0); /* length */
	put16(f, s->id);
	put16(f, fragment ?: 0x4000);
	put8(f, s->ttl);
	put8(f, s->proto);
	put16(f, 0); /* checksum */
	put(f, s->from.addr4, 4);
	put(f, s->to.addr4, 4);
	for (unsigned i = 0; i < s->ip_options; i++)
		put8(f, NOP);
}

/* With its next-header byte to be set; returns where that is. */
static size_t put_extension(const struct spec *s, struct frame *f, uint8_t type)
{
	size_t at = f->len;

	put8(f, 0);
	switch (type) {
	case IPPROTO_FRAGMENT:
		put8(f, 0);
		put16(f, s->fragment << 3 | s->more_fragments);
		put32(f, 0x12345678);
		break;
	case IPPROTO_AH:
		put8(f, 4); /* 24 bytes */
		put16(f, 0);
		put32(f, 0x100); /* SPI */
		put32(f, 1);
		for (int i = 0; i < 12; i++)
			put8(f, 0xa0 + i);
		break;
	case IPPROTO_ROUTING:
		put8(f, 2); /* one address */
		put8(f, 2); /* mobility's */
		put8(f, 0); /* no segment left */
		put32(f, 0);
		put(f, s->to.addr6, 16);
		break;
	default: /* options: 16 bytes, one PadN */
		put8(f, 1);
		put8(f, 1);
		put8(f, 12);
		for (int i = 0; i < 12; i++)
			put8(f, 0);
	}
	return at;
}

static void put_ip6(const struct spec *s, struct frame *f)
{
	size_t next;

	put32(f, 6U << 28 | (uint32_t)s->tos << 20 | 0x4711);
	put16(f, 0); /* length */
	next = f->len;
	put8(f, 0);
	put8(f, s->ttl);
	put(f, s->from.addr6, 16);
	put(f, s->to.addr6, 16);
	for (unsigned i = 0; i < s->n_extensions; i++) {
		f->data[next] = s->extensions[i];
		next = put_extension(s, f, s->extensions[i]);
	}
	f->data[next] = s->proto;
}

static void put_transport(const struct spec *s, struct frame *f)
{
	if (s->proto == IPPROTO_TCP) {
		put16(f, s->from.port);
		put16(f, s->to.port);
		put32(f, s->seq);
		put32(f, s->ack);
		put8(f, (20 + s->tcp_options) / 4 << 4);
		put8(f, s->flags);
		put16(f, s->window);
		put32(f, 0); /* checksum, urgent pointer */
		for (unsigned i = 0; i < s->tcp_options; i++)
			put8(f, NOP);
	} else if (s->proto == IPPROTO_UDP) {
		put16(f, s->from.port);
		put16(f, s->to.port);
		put16(f, 8 + s->payload);
		put16(f, 0);
	} else {
		put8(f, 8); /* ICMP echo, or anything */
		put8(f, 0);
		put16(f, 0);
		put32(f, 0x00010002);
	}
}

size_t checksum_at(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

uint16_t transport_sum(const struct spec *s, const uint8_t *frame, size_t l4, size_t end)
{
	uint32_t pseudo = s->proto == IPPROTO_ICMP ? 0 : sum_pseudo(s, s->proto, end - l4);

	return sum_fold(sum_bytes(frame + l4, end - l4, pseudo));
}

static void set_checksum(const struct spec *s, struct frame *f, size_t end)
{
	size_t at = checksum_at(s->proto);
	uint16_t sum;

	if (!at)
		return;
	set16(f, f->l4 + at, 0);
	sum = ~transport_sum(s, f->data, f->l4, end);
	set16(f, f->l4 + at, !sum && s->proto == IPPROTO_UDP ? 0xffff : sum);
}

void frame_checksum(const struct spec *s, struct frame *f)
{
	set_checksum(s, f, f->len - s->padding);
}

void frame_build(const struct spec *s, struct frame *ret)
{
	ret->len = 0;
	put_link(s, ret);
	if (s->family == 4)
		put_ip4(s, ret);
	else if (s->family == 6)
		put_ip6(s, ret);
	ret->l4 = ret->len;
	put_transport(s, ret);
	ret->payload = ret->len;
	for (unsigned i = 0; i < s->payload; i++)
		put8(ret, s->data ? s->data[i] : i * 7 + 3);
	set_checksum(s, ret, ret->len);
	if (s->family == 4) {
		set16(ret, ret->l3 + 2, ret->len - ret->l3);
		set16(ret, ret->l3 + 10, ~sum_fold(sum_bytes(ret->data + ret->l3, ret->l4 - ret->l3, 0)));
	} else if (s->family == 6) {
		set16(ret, ret->l3 + 4, ret->len - ret->l3 - 40);
	}
	for (unsigned i = 0; i < s->padding; i++)
		put8(ret, 0xee);
}
