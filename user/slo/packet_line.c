/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/packet_line.h"

#include <string.h>

#include "evidence/hash.h"

struct cursor {
	const char *at, *end;
};

static bool eat(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
		return false;
	c->at += len;
	return true;
}

static bool eat_number(struct cursor *c, const char *key, uint64_t *ret)
{
	const char *start;

	if (!eat(c, key))
		return false;
	*ret = 0;
	for (start = c->at; c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - start < 19; c->at++)
		*ret = *ret * 10 + (*c->at - '0');
	return c->at > start && c->at < c->end && (*c->at == ',' || *c->at == '}') &&
	       (*start != '0' || c->at == start + 1) && *ret <= INT64_MAX; /* as the parser */
}

/* The key with the first quotation mark of its value. Control characters are left to the parser, too. */
static bool eat_text(struct cursor *c, const char *key, char *ret, size_t size)
{
	size_t len = 0;

	if (!eat(c, key))
		return false;
	for (; c->at < c->end && *c->at != '"'; c->at++, len++) {
		if (len + 1 == size || *c->at == '\\' || (unsigned char)*c->at < 0x20 ||
		    (unsigned char)*c->at >= 0x80)
			return false;
		ret[len] = *c->at;
	}
	ret[len] = '\0';
	return eat(c, "\"");
}

static bool eat_head(struct cursor *c, bool late)
{
	uint64_t number;

	return eat_number(c, "{\"seq\":", &number) && eat_number(c, ",\"ts_ns\":", &number) &&
	       eat_number(c, ",\"mono_ns\":", &number) && (!late || eat(c, ",\"late\":true")) &&
	       eat(c, ",\"type\":\"packet\"");
}

bool packet_line_read(const struct event *event, struct packet_line *ret)
{
	struct cursor c = {event->line, event->line + event->len};
	char hook[16];
	uint64_t bytes, delay;

	return eat_head(&c, event->late) && eat_text(&c, ",\"step\":\"", ret->step, sizeof(ret->step)) &&
	       eat_number(&c, ",\"instance\":", &ret->instance) &&
	       eat_text(&c, ",\"target\":\"", ret->target, sizeof(ret->target)) &&
	       eat_text(&c, ",\"flow\":\"", ret->flow, sizeof(ret->flow)) &&
	       eat_number(&c, ",\"data\":{\"rule\":", &ret->rule) &&
	       eat_text(&c, ",\"verdict\":\"", ret->verdict, sizeof(ret->verdict)) &&
	       eat_text(&c, ",\"hook\":\"", hook, sizeof(hook)) &&
	       eat_text(&c, ",\"direction\":\"", ret->direction, sizeof(ret->direction)) &&
	       eat_number(&c, ",\"index\":", &ret->index) &&
	       eat_number(&c, ",\"segments\":", &ret->segments) && eat_number(&c, ",\"bytes\":", &bytes) &&
	       eat_number(&c, ",\"delay_ns\":", &delay) && eat(&c, "},\"prev\":\"") &&
	       c.end - c.at == HASH_HEX + 2;
}
