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
	uint64_t number, offset; /* of the line, from 1, and of its first byte */
	uint64_t seq, ts_ns, mono_ns;
	bool late;
	char type[READ_MAX_TYPE];
	const char *line; /* without its newline; valid until the next reader_next() */
	size_t len;
};

enum read_fault_kind {
	READ_DAMAGED, /* the line is no event */
	READ_CHANGED, /* the line was changed: a neighbour's hash and its own disagree */
	READ_CHANGED_OR_NEXT, /* that line, or the one behind it, which is the last: nothing in the file tells which */
	READ_MISSING,  /* lines are missing before this one: `expected` is the first */
	READ_DISORDER, /* its seq is below that of the line before, or the same: reordered, or repeated */
	READ_SEQ,      /* a line that is in its place has a seq other than `expected` */
	READ_TIME,     /* it is older than a line before it and not marked late, or marked and not older */
	READ_CUT,      /* the last line has no end */
};

/* A place where the file is not as it was written. */
struct read_fault {
	enum read_fault_kind kind;
	uint64_t line, offset; /* from 1; of the line's first byte */
	uint64_t seq, expected;
};

#define READ_MOST_FAULTS 16

/* What is wrong with the file. Lines count from 1; 0: nothing of the kind. */
struct read_check {
	uint64_t lines, bytes;
	uint64_t missing; /* sequence numbers that no line has */
	uint64_t missing_line;
	uint64_t damaged; /* lines that are no event */
	uint64_t damaged_line;
	uint64_t unchained; /* lines that don't hold the hash of the line before */
	uint64_t unchained_line;
	uint64_t disordered;                        /* lines out of the order of time */
	bool cut;                                   /* the last line has no end */
	uint64_t last_line, last_seq, last_offset;  /* of the last event; line 0: none */
	struct read_fault faults[READ_MOST_FAULTS]; /* the first ones, in the order of the lines */
	size_t n_faults;
	char head[65]; /* SHA-256 of the last whole line: it vouches for all lines */
};

/*
 * A file of a run directory, to be closed; or a negative errno. What is no regular file, and may never end or never answer, is
 * -ENOENT as well.
 */
int read_open(int dirfd, const char *name);

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
