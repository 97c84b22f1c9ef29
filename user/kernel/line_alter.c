/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/line_alter.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define VLAN_TAGS 2
#define VLAN_BYTES 4
#define IP4_MIN 20
#define IP4_ADDRESSES 12
#define IP6_BYTES 40
#define NO_CHECKSUM 0 /* no offset of one: it would lie in the ports or the type */

struct layout {
	size_t l3, l4, end; /* of the datagram: padding lies behind it */
	size_t header;      /* of the transport */
	size_t checksum_at; /* within it */
};

static uint16_t read16(const unsigned char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return ntohs(value);
}

static bool find_ip4(const unsigned char *frame, size_t len, size_t l3, struct layout *ret)
{
	size_t total;

	if (l3 + IP4_MIN > len)
		return false;
	total = read16(frame + l3 + 2);
	ret->l3 = l3;
	ret->l4 = l3 + (frame[l3] & 0xf) * 4;
	ret->end = l3 + total < len ? l3 + total : len;
	return true;
}

static size_t extension_bytes(const unsigned char *header, uint8_t type)
{
	switch (type) {
	case IPPROTO_FRAGMENT:
		return 8;
	case IPPROTO_AH:
		return (header[1] + 2) * 4;
	default:
		return (header[1] + 1) * 8;
	}
}

static bool find_ip6(const unsigned char *frame, size_t len, size_t l3, uint8_t proto, struct layout *ret)
{
	size_t payload;
	uint8_t type;

	if (l3 + IP6_BYTES > len)
		return false;
	payload = read16(frame + l3 + 4);
	type = frame[l3 + 6];
	ret->l4 = l3 + IP6_BYTES;
	ret->end = payload && ret->l4 + payload < len ? ret->l4 + payload : len;
	while (type != proto) {
		if (ret->l4 + 8 > ret->end || type == IPPROTO_NONE)
			return false;
		size_t bytes = extension_bytes(frame + ret->l4, type);

		type = frame[ret->l4];
		ret->l4 += bytes;
	}
	return true;
}

static bool find_ip(const unsigned char *frame, size_t len, uint8_t proto, struct layout *ret)
{
	size_t at = ETH_ALEN * 2;
	uint16_t type = 0;

	for (int tags = 0; tags <= VLAN_TAGS && at + 2 <= len; tags++, at += VLAN_BYTES) {
		type = read16(frame + at);
		if (type != ETH_P_8021Q && type != ETH_P_8021AD)
			break;
	}
	at += 2;
	if (type == ETH_P_IP)
		return find_ip4(frame, len, at, ret);
	return type == ETH_P_IPV6 && find_ip6(frame, len, at, proto, ret);
}

static bool find_transport(const unsigned char *frame, uint8_t proto, struct layout *layout)
{
	switch (proto) {
	case IPPROTO_TCP:
		if (layout->l4 + 20 > layout->end)
			return false;
		layout->header = (frame[layout->l4 + 12] >> 4) * 4;
		layout->checksum_at = 16;
		break;
	case IPPROTO_UDP:
		layout->header = 8;
		layout->checksum_at = 6;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		layout->header = 8;
		layout->checksum_at = 2;
		break;
	default:
		layout->header = 0;
		layout->checksum_at = NO_CHECKSUM;
		return layout->l4 <= layout->end;
	}
	return layout->header > layout->checksum_at && layout->l4 + layout->header <= layout->end;
}

static void flip(unsigned char *at, uint32_t bit)
{
	at[bit / 8] ^= 1 << bit % 8;
}

static void alter_checksum(unsigned char *checksum, uint8_t proto, uint32_t draw)
{
	flip(checksum, draw % 16);
	if (proto != IPPROTO_UDP || checksum[0] || checksum[1])
		return;
	/* It had one bit, and lost it: it gets that one back, and another. */
	flip(checksum, draw % 16);
	flip(checksum, (draw + 1) % 16);
}

static uint32_t add_words(uint32_t sum, const unsigned char *at, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += read16(at + i);
	return len % 2 ? sum + (at[len - 1] << 8) : sum;
}

/* A datagram that came without a checksum (RFC 768 allows it over IPv4) gets one, and not the right one. */
static void break_checksum(unsigned char *frame, const struct layout *layout)
{
	unsigned char *checksum = frame + layout->l4 + layout->checksum_at;
	uint32_t sum = IPPROTO_UDP + (layout->end - layout->l4);

	sum = add_words(sum, frame + layout->l3 + IP4_ADDRESSES, 8);
	sum = add_words(sum, frame + layout->l4, layout->end - layout->l4);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	checksum[1] = (~sum & 0xffff) == 1 ? 2 : 1;
}

bool line_alter(unsigned char *frame, size_t len, uint8_t proto, uint32_t draw)
{
	struct layout layout = {0};
	size_t payload;

	if (!find_ip(frame, len, proto, &layout) || !find_transport(frame, proto, &layout))
		return false;
	payload = layout.end - layout.l4 - layout.header;
	if (payload) {
		flip(frame + layout.l4 + layout.header, draw % (payload * 8));
		if (proto == IPPROTO_UDP && !read16(frame + layout.l4 + layout.checksum_at))
			break_checksum(frame, &layout);
	} else if (layout.checksum_at != NO_CHECKSUM) {
		alter_checksum(frame + layout.l4 + layout.checksum_at, proto, draw);
	} else {
		return false;
	}
	return true;
}
