/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

struct talk talk;

struct plan_fault http_fault(void)
{
	return (struct plan_fault){
		.meaning = PLAN_MEANS_HTTP, .status = 503, .retry_after_s = -1, .meaning_below = PLAN_ALWAYS};
}

void exchange_open(const struct plan_fault *fault)
{
	open_scene(fault, 1);
	talk = (struct talk){.family = 4, .port = 8080, .sent = {0xffffff00, 0x7ffffff0}};
}

void expect_responses(uint64_t altered, uint64_t failed)
{
	struct sp_counters c = counters();

	assert_int_equal(c.matched, c.verdict[SP_ALTER] + c.verdict[SP_PASS]);
	assert_int_equal(c.verdict[SP_ALTER], altered);
	assert_int_equal(c.failed, failed);
}

static void fill(struct spec *s, const char *text)
{
	s->data = (const uint8_t *)text;
	s->payload = strlen(text);
}

void expect_becomes(struct spec s, bool out, uint32_t flags, const char *after)
{
	struct frame f;

	frame_build(&s, &f);
	pass_frame(&f, out, flags);
	assert_int_equal(strlen(after), s.payload);
	fill(&s, after);
	expect_frame(&s, ran.frame, ran.len);
}

struct spec segment(bool out, const char *text)
{
	struct spec s = packet(talk.family, IPPROTO_TCP, out);

	s.flags = PSH | ACK;
	s.seq = talk.sent[out];
	s.ack = talk.sent[!out];
	if (out)
		s.to.port = talk.port;
	else
		s.from.port = talk.port;
	fill(&s, text);
	return s;
}

void say(bool out, const char *text, const char *after)
{
	struct spec s = segment(out, text);

	talk.sent[out] += s.payload;
	expect_becomes(s, out, 0, after);
}

void ask(const char *request)
{
	say(true, request, request);
}

void answer(bool altered)
{
	say(false, OK, altered ? OK_NOW : OK);
}
