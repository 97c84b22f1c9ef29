/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads events.jsonl line by line, in memory that doesn't grow with the file, and checks on the way what the log
 * promises: whole lines, no gap in `seq`, the hash chain. A damaged line is skipped and counted; the rest is read.
 *
 * Only the head of a line is looked at; event_json() parses the rest for those who need it.
 */
#ifndef SHEARPIN_READ_H
#define SHEARPIN_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READ_MAX_LINE (1024 * 1024)
#define READ_MAX_TYPE 32

struct reader;

struct event {
	uint64_t seq, ts_ns, mono_ns;
	bool late;
	char type[READ_MAX_TYPE];
	const char *line; /* without its newline; valid until the next reader_next() */
	size_t len;
};

/* What is wrong with the file. Lines count from 1; 0: nothing of the kind. */
struct read_check {
	uint64_t lines, bytes;
	uint64_t missing; /* sequence numbers that no line has */
	uint64_t missing_line;
	uint64_t damaged; /* lines that are no event */
	uint64_t damaged_line;
	uint64_t unchained; /* lines that don't hold the hash of the line before */
	uint64_t unchained_line;
	bool cut;      /* the last line has no end */
	char head[65]; /* SHA-256 of the last whole line: it vouches for all lines */
};

/* 0 or a negative errno; -ENOENT: the directory has no events.jsonl. */
int reader_open(int dirfd, struct reader **ret_reader);
/* 1 and an event; 0 at the end; a negative errno when reading fails. */
int reader_next(struct reader *reader, struct event *ret_event);
/* Complete once reader_next() has returned 0. */
const struct read_check *reader_check(const struct reader *reader);
/* Accepts NULL. */
void reader_close(struct reader *reader);

/* The whole event, to be released with json_decref(); NULL: the line is no JSON (or no memory). */
json_t *event_json(const struct event *event);

#endif
