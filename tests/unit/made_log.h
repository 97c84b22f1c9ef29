/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs of the event log's tests, made with the real writer, and an independent reading of their lines. */
#ifndef TESTS_MADE_LOG_H
#define TESTS_MADE_LOG_H

#include "unit/run_dir.h"

#include <arpa/inet.h>
#include <openssl/evp.h>

#include "base/timeutil.h"
#include "evidence/log.h"

#define OFFSET 1795308575000000000LL

static inline void append(struct log *log, uint64_t mono_ns, const char *type)
{
	const struct log_event event = {.mono_ns = mono_ns, .type = type};

	assert_int_equal(log_append(log, &event), 0);
}

static inline char *next_line(char **rest)
{
	char *line = *rest, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return line;
}

static inline void sha256(const char *line, char hex[65])
{
	unsigned char bytes[32];

	assert_true(EVP_Digest(line, strlen(line), bytes, NULL, EVP_sha256(), NULL));
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

static uint64_t random_state = 1;

/* SplitMix64. Half of the numbers are short ones. */
static inline uint64_t any_number(uint64_t below)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return (z & 1 ? z >> 1 : z >> (1 + z % 63)) % below;
}

#define ANY(list) ((list)[any_number(sizeof(list) / sizeof(*(list)))])

static inline void any_end(uint32_t *words, uint16_t *port)
{
	if (any_number(2)) {
		words[0] = words[1] = 0;
		words[2] = htonl(0xffff);
		words[3] = any_number(1ULL << 32);
	} else {
		for (int i = 0; i < 4; i++)
			words[i] = any_number(3) ? any_number(1ULL << 32) : 0;
	}
	*port = any_number(65536);
}

/* From an IPv4 address to an IPv6 one, so that both are there. */
static inline struct log_packet one_packet(void)
{
	return (struct log_packet){
		.mono_ns = 81230144551,
		.step = "thin",
		.target = "front",
		.instance = 2,
		.rule = 3,
		.local = {0, 0, htonl(0xffff), htonl(0x0a010001)},
		.remote = {htonl(0xfd000002), 0, 0, htonl(5)},
		.local_port = 53122,
		.remote_port = 40001,
		.proto = 6,
		.verdict = "dropped",
		.hook = "tc-egress",
		.direction = "out",
		.index = 17,
		.segments = 1,
		.bytes = 60,
	};
}

static inline struct log_packet any_packet(void)
{
	static const char *const names[] = {"cut", "a \"b\"", "\xc3\xa9t\xc3\xa9", "back\\slash\ttab", NULL};
	static const char *const verdicts[] = {"dropped", "reset",      "refused",
					       "altered", "duplicated", "delayed"};
	static const char *const hooks[] = {"xdp", "tc-ingress", "tc-egress"};
	static const char *const directions[] = {"in", "out"};
	static const uint8_t protos[] = {6, 17, 1, 58, 255, 0};
	struct log_packet p = {
		.mono_ns = NS_PER_S + any_number(NS_PER_S),
		.step = ANY(names),
		.target = ANY(names),
		.instance = any_number(4),
		.rule = any_number(256),
		.proto = ANY(protos),
		.verdict = ANY(verdicts),
		.hook = ANY(hooks),
		.direction = ANY(directions),
		.index = any_number(1ULL << 32),
		.segments = any_number(65536),
		.bytes = any_number(1ULL << 32),
		.delay_ns = any_number(UINT64_MAX),
	};

	any_end(p.local, &p.local_port);
	any_end(p.remote, &p.remote_port);
	return p;
}

#endif
