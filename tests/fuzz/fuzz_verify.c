/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever a run directory holds: no crash, no leak, and either an error or a list of checks, of which each says something and
 * names a line that there is. The input's first line is plan.json, the rest events.jsonl, chained anew, so that what the chain
 * protects is reached; results.json holds the right head if the last byte is even.
 */
#include <stdio.h>
#include <string.h>

#include "evidence/hash.h"
#include "fuzz/run_dir.h"
#include "slo/verify.h"

#define MOST_BYTES (64 * 1024)

/* The hash of the line before, where a line's own stands, if it stands where it should. */
static void put_prev(char *line, size_t len, const char *head)
{
	char *prev = line;

	if (len <= HASH_HEX + 10)
		return;
	prev += len - HASH_HEX - 2;
	if (!memcmp(prev - 8, "\"prev\":\"", 8))
		memcpy(prev, head, HASH_HEX);
}

static void write_log(const char *text, size_t size, char head[HASH_HEX + 1])
{
	static char log[MOST_BYTES];
	struct line_hash hash = {0};
	char *line = log, *end;

	CHECK(!line_hash_init(&hash));
	line_hash_none(head);
	memcpy(log, text, size);
	for (; (end = memchr(line, '\n', log + size - line)); line = end + 1) {
		put_prev(line, end - line, head);
		CHECK(!line_hash(&hash, line, end - line, head));
	}
	put_prev(line, log + size - line, head);
	line_hash_free(&hash);
	run_dir_put("events.jsonl", log, size);
}

/* Drawing the lots of more takes longer than the fuzzer waits. */
static bool has_long_flow(const char *text, size_t size)
{
	static const char key[] = "\"packets_";
	const char *end = text + size, *at = text;

	while ((at = memmem(at, end - at, key, sizeof(key) - 1))) {
		at += sizeof(key) - 1;
		while (at < end && (*at < '0' || *at > '9'))
			at++;
		for (int digits = 0; at < end && *at >= '0' && *at <= '9'; at++)
			if (++digits > 4)
				return true;
	}
	return false;
}

static void check_result(const struct verification *v)
{
	bool failed = false;

	CHECK(v->n_checks && v->n_checks <= VERIFY_MOST_CHECKS);
	for (size_t i = 0; i < v->n_checks; i++) {
		CHECK(v->checks[i].name && v->checks[i].detail && *v->checks[i].detail);
		CHECK(v->checks[i].line <= v->lines + 1 && v->checks[i].offset <= v->bytes);
		failed |= v->checks[i].result == VERIFY_FAIL;
	}
	CHECK(failed == v->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = memchr(text, '\n', size);
	char head[HASH_HEX + 1], anchor[HASH_HEX + 16], reason[160] = "";
	struct verification *v = NULL;
	int err;

	if (!end || size > MOST_BYTES || has_long_flow(text, size))
		return 0;
	run_dir_put("plan.json", text, end - text);
	write_log(end + 1, size - (end + 1 - text), head);
	snprintf(anchor, sizeof(anchor), "{\"head\":\"%s%s\"}", head, data[size - 1] % 2 ? "x" : "");
	run_dir_put("results.json", anchor, strlen(anchor));
	err = verify_run(run_dir_open(), &v, reason, sizeof(reason));
	CHECK(!err == !!v);
	if (v)
		check_result(v);
	verification_free(v);
	return 0;
}
