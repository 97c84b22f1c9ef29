/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/message.h"

#include <assert.h>
#include <string.h>

void message_put(struct message *m, const void *data, size_t len)
{
	assert(m->len + len <= sizeof(m->data));
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static void put8(struct message *m, uint8_t value)
{
	message_put(m, &value, 1);
}

void message_put16(struct message *m, uint16_t value)
{
	put8(m, value >> 8);
	put8(m, value);
}

void message_put_name(struct message *m, const char *name)
{
	while (*name) {
		size_t size = strcspn(name, ".");

		put8(m, size);
		message_put(m, name, size);
		name += size + (name[size] == '.');
	}
	put8(m, 0);
}

void message_start(uint16_t id, uint16_t flags, const uint16_t counts[4], struct message *ret)
{
	ret->len = 0;
	message_put16(ret, id);
	message_put16(ret, flags);
	for (int i = 0; i < 4; i++)
		message_put16(ret, counts[i]);
}

void message_start_question(struct message *ret)
{
	static const uint16_t one_question[4] = {1};

	message_start(0x2357, RD, one_question, ret);
}

void message_query(const char *name, struct message *ret)
{
	message_start_question(ret);
	message_put_name(ret, name);
	message_put16(ret, 1);
	message_put16(ret, 1);
}

void message_add_edns(struct message *m)
{
	static const uint8_t opt[] = {0,  0, 41, 4, 208, 0, 0, 0x80, 0, 0, 12, 0,
				      10, 0, 8,  1, 2,   3, 4, 5,    6, 7, 8};

	m->data[HEADER_BYTES - 1]++;
	message_put(m, opt, sizeof(opt));
}

void message_set_flags(struct message *m, uint16_t flags)
{
	m->data[FLAGS_AT] = flags >> 8;
	m->data[FLAGS_AT + 1] = flags;
}

void message_frame(const struct message *m, struct message *ret)
{
	ret->len = 0;
	message_put16(ret, m->len);
	message_put(ret, m->data, m->len);
}

static size_t get16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

bool message_is_query(const uint8_t *data, size_t len)
{
	size_t at = NAME_AT;

	if (len <= NAME_AT || data[FLAGS_AT] & 0xf8 || get16(data + 4) != 1 || get16(data + 6))
		return false;
	while (at < len && data[at]) {
		if (data[at] > 63)
			return false;
		at += 1 + data[at];
	}
	return at + 1 - NAME_AT <= 255 && at + 1 + 4 <= len;
}

void message_answer(const struct message *query, uint8_t rcode, struct message *ret)
{
	*ret = *query;
	ret->data[FLAGS_AT] = 0x80 | (query->data[FLAGS_AT] & 0x01);                 /* QR, RD as it was */
	ret->data[FLAGS_AT + 1] = 0x80 | (query->data[FLAGS_AT + 1] & 0x10) | rcode; /* RA, CD as it was */
}
