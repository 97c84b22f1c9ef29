/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests and responses of HTTP through the programs, packet by packet, under one rule. Near asks, far answers. What fails ends
 * the test.
 */
#ifndef TESTS_EXCHANGE_H
#define TESTS_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/frame.h"
#include "packet/single.h"

#define REQUEST "GET /index HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
#define OK_NOW "HTTP/1.1 503 OK\r\nContent-Length: 3\r\n\r\nabc"

/* A connection's two directions, with what each has sent so far. */
extern struct talk {
	int family;
	uint16_t port;
	uint32_t sent[2]; /* by out */
} talk;

/* 503 for each response, with nothing else. */
struct plan_fault http_fault(void);
void exchange_open(const struct plan_fault *fault);
void expect_responses(uint64_t altered, uint64_t failed);

/* Of the connection, with the text as payload. */
struct spec segment(bool out, const char *text);
/* The packet comes out with the text `after` in it, and is else as it went in. flags: BPF_F_TEST_*. */
void expect_becomes(struct spec s, bool out, uint32_t flags, const char *after);
void say(bool out, const char *text, const char *after);
void ask(const char *request);
void answer(bool altered);

#endif
