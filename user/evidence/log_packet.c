/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/log_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "evidence/hash.h"

#define PARTS 256         /* a power of two */
#define ADDRESSES 256     /* a power of two */
#define MOST_NUMBERS 1024 /* bytes for all of a line but its parts: 8 numbers, 2 addresses, keys, `prev` */

/* Two texts that all packets have that a rule's window treats alike: from `type` to `target`, and from `rule` to `direction`. */
struct part {
	struct log_packet of;
	struct buf head, tail;
};

struct address {
	uint32_t words[4];
	unsigned len; /* 0: none */
	char text[INET6_ADDRSTRLEN];
};

struct packet_text {
	struct part parts[PARTS];
	struct address addresses[ADDRESSES];
};

struct packet_text *packet_text_new(void)
{
	return calloc(1, sizeof(struct packet_text));
}

void packet_text_free(struct packet_text *text)
{
	if (!text)
		return;
	for (size_t i = 0; i < PARTS; i++) {
		buf_free(&text->parts[i].head);
		buf_free(&text->parts[i].tail);
	}
	free(text);
}

static char *put(char *to, const char *text, size_t len)
{
	memcpy(to, text, len);
	return to + len;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_u64(char *to, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char digits[20], *at = digits + sizeof(digits);

	while (value >= 100) {
		at -= 2;
		memcpy(at, pairs + 2 * (value % 100), 2);
		value /= 100;
	}
	if (value >= 10) {
		at -= 2;
		memcpy(at, pairs + 2 * value, 2);
	} else {
		*--at = '0' + value;
	}
	return put(to, at, digits + sizeof(digits) - at);
}

static char *put_v4(char *to, uint32_t address)
{
	const uint8_t *bytes = (const uint8_t *)&address;

	for (int i = 0; i < 4; i++) {
		to = put_u64(to, bytes[i]);
		*to++ = '.';
	}
	return to - 1;
}

static uint32_t spread(uint32_t x)
{
	return (x * 0x9e3779b1U) >> 16;
}

static char *put_v6(struct packet_text *text, char *to, const uint32_t *words)
{
	uint32_t sum = words[0] ^ words[1] ^ words[2] * 31 ^ words[3];
	struct address *a = &text->addresses[spread(sum) & (ADDRESSES - 1)];

	if (!a->len || memcmp(a->words, words, sizeof(a->words)) != 0) {
		memcpy(a->words, words, sizeof(a->words));
		inet_ntop(AF_INET6, words, a->text, sizeof(a->text));
		a->len = strlen(a->text);
	}
	return put(to, a->text, a->len);
}

static char *put_end(struct packet_text *text, char *to, const uint32_t *words, uint16_t port)
{
	if (!words[0] && !words[1] && words[2] == htonl(0xffff)) {
		to = put_v4(to, words[3]);
	} else {
		*to++ = '[';
		to = put_v6(text, to, words);
		*to++ = ']';
	}
	*to++ = ':';
	return put_u64(to, port);
}

static char *put_flow(struct packet_text *text, char *to, const struct log_packet *p)
{
	to = put_end(text, to, p->local, p->local_port);
	*to++ = '>';
	to = put_end(text, to, p->remote, p->remote_port);
	if (p->proto == IPPROTO_TCP)
		return PUT(to, "/tcp");
	if (p->proto == IPPROTO_UDP)
		return PUT(to, "/udp");
	*to++ = '/';
	return put_u64(to, p->proto);
}

static bool is_alike(const struct log_packet *a, const struct log_packet *b)
{
	return a->verdict == b->verdict && a->rule == b->rule && a->instance == b->instance &&
	       a->direction == b->direction && a->hook == b->hook && a->step == b->step &&
	       a->target == b->target;
}

/* The members of an object that is open, and stays so: json_end_object() is not for us. */
static void write_head(struct buf *head, const struct log_packet *p)
{
	struct json j;

	buf_clear(head);
	json_begin(&j, head);
	json_object(&j, NULL);
	json_string(&j, "type", "packet");
	if (p->step)
		json_string(&j, "step", p->step);
	if (p->instance)
		json_i64(&j, "instance", p->instance);
	if (p->target)
		json_string(&j, "target", p->target);
}

static void write_tail(struct buf *tail, const struct log_packet *p)
{
	struct json j;

	buf_clear(tail);
	json_begin(&j, tail);
	json_object(&j, NULL);
	json_u64(&j, "rule", p->rule);
	json_string(&j, "verdict", p->verdict);
	json_string(&j, "hook", p->hook);
	json_string(&j, "direction", p->direction);
}

static const struct part *find_part(struct packet_text *text, const struct log_packet *p)
{
	uint32_t key = p->rule ^ (uint32_t)p->instance << 8 ^ (uint32_t)(uintptr_t)p->verdict ^
		       (uint32_t)(uintptr_t)p->direction << 4 ^ (uint32_t)(uintptr_t)p->hook << 2;
	struct part *part = &text->parts[spread(key) & (PARTS - 1)];

	if (part->head.len && is_alike(&part->of, p))
		return part;
	part->of = *p;
	write_tail(&part->tail, p);
	write_head(&part->head, p);
	if (part->head.failed || part->tail.failed)
		buf_free(&part->head);
	return part->head.len ? part : NULL;
}

int packet_text_add(struct packet_text *text, const struct log_packet *p, const struct line_place *place,
		    struct buf *out)
{
	const struct part *part = find_part(text, p);
	char *to;

	if (!part || !buf_reserve(out, part->head.len + part->tail.len + MOST_NUMBERS))
		return -ENOMEM;
	to = PUT(out->data + out->len, "{\"seq\":");
	to = put_u64(to, place->seq);
	to = PUT(to, ",\"ts_ns\":");
	to = put_u64(to, place->ts_ns);
	to = PUT(to, ",\"mono_ns\":");
	to = put_u64(to, p->mono_ns);
	if (place->late)
		to = PUT(to, ",\"late\":true");
	*to++ = ',';
	to = put(to, part->head.data + 1, part->head.len - 1);
	to = PUT(to, ",\"flow\":\"");
	to = put_flow(text, to, p);
	to = PUT(to, "\",\"data\":");
	to = put(to, part->tail.data, part->tail.len);
	to = PUT(to, ",\"index\":");
	to = put_u64(to, p->index);
	to = PUT(to, ",\"segments\":");
	to = put_u64(to, p->segments);
	to = PUT(to, ",\"bytes\":");
	to = put_u64(to, p->bytes);
	to = PUT(to, ",\"delay_ns\":");
	to = put_u64(to, p->delay_ns);
	to = PUT(to, "},\"prev\":\"");
	to = put(to, place->prev, HASH_HEX);
	to = PUT(to, "\"}");
	out->len = to - out->data;
	*to = '\0';
	return 0;
}
