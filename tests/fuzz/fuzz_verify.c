/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever a run directory holds: no crash, no leak, and either an error or a list of checks, of which each says something and
 * names a line that there is. The input's first line is plan.json, the rest events.jsonl, chained anew, so that what the chain
 * protects is reached; results.json holds the right head if the last byte is even.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evidence/hash.h"
#include "slo/verify.h"

#define MOST_BYTES (64 * 1024)
#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

static char path[] = "/dev/shm/shearpin-fuzz-XXXXXX";
static int dirfd_ = -1;

static void remove_directory(void)
{
	unlinkat(dirfd_, "plan.json", 0);
	unlinkat(dirfd_, "events.jsonl", 0);
	unlinkat(dirfd_, "results.json", 0);
	rmdir(path);
}

static void open_directory(void)
{
	if (dirfd_ >= 0)
		return;
	CHECK(mkdtemp(path));
	dirfd_ = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dirfd_ >= 0 && !atexit(remove_directory));
}

static FILE *create(const char *name)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	CHECK(file);
	return file;
}

/* Each line, up to where its hash stands, if it stands where it should; with the right one. */
static void write_log(const char *text, size_t size, char head[HASH_HEX + 1])
{
	static char line[MOST_BYTES + 128];
	FILE *file = create("events.jsonl");
	struct line_hash hash = {0};

	CHECK(!line_hash_init(&hash));
	line_hash_none(head);
	while (size) {
		const char *end = memchr(text, '\n', size), *prev;
		size_t len = end ? (size_t)(end - text) : size, used = end ? len + 1 : size;

		memcpy(line, text, len);
		prev = len > HASH_HEX + 2 ? text + len - HASH_HEX - 2 : NULL;
		if (prev && !memcmp(prev - 8, "\"prev\":\"", 8) && len > HASH_HEX + 10)
			memcpy(line + len - HASH_HEX - 2, head, HASH_HEX);
		if (end)
			CHECK(!line_hash(&hash, line, len, head));
		fwrite(line, 1, len, file);
		if (end)
			fputc('\n', file);
		text += used;
		size -= used;
	}
	line_hash_free(&hash);
	CHECK(!fclose(file));
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
	char head[HASH_HEX + 1], reason[160] = "";
	struct verification *v = NULL;
	FILE *file;
	int err;

	if (!end || size > MOST_BYTES || has_long_flow(text, size))
		return 0;
	open_directory();
	file = create("plan.json");
	fwrite(text, 1, end - text, file);
	CHECK(!fclose(file));
	write_log(end + 1, size - (end + 1 - text), head);
	file = create("results.json");
	fprintf(file, "{\"head\":\"%s%s\"}", head, data[size - 1] % 2 ? "x" : "");
	CHECK(!fclose(file));
	err = verify_run(dirfd_, &v, reason, sizeof(reason));
	CHECK(!err == !!v);
	if (v)
		check_result(v);
	verification_free(v);
	return 0;
}
