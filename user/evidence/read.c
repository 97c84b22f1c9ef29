/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evidence/hash.h"

#define PREV_KEY ",\"prev\":\""
#define PREV_SIZE (sizeof(PREV_KEY) - 1 + HASH_HEX + 2)

struct reader {
	int fd;
	bool eof;
	bool skipping; /* inside a line that is too long */
	size_t start, end;
	uint64_t seq;       /* of the last line */
	uint64_t offset;    /* of the next line */
	uint64_t latest_ns; /* of all events so far */
	bool after_damage;  /* the line before is no event: that its hash is wrong says nothing new */
	bool is_suspect;    /* the last line doesn't hold the hash of the one before it, the suspect */
	struct read_fault suspect;
	struct line_hash hash;
	struct read_check check;
	char data[READ_MAX_LINE];
};

int read_open(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), err;
	struct stat st;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -ENOENT;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int reader_open(int dirfd, struct reader **ret_reader)
{
	struct reader *reader = malloc(sizeof(*reader));
	int err;

	if (!reader)
		return -ENOMEM;
	memset(reader, 0, offsetof(struct reader, data));
	line_hash_none(reader->check.head);
	reader->fd = -1;
	err = line_hash_init(&reader->hash);
	if (err)
		goto fail;
	reader->fd = read_open(dirfd, "events.jsonl");
	if (reader->fd < 0) {
		err = reader->fd;
		goto fail;
	}
	*ret_reader = reader;
	return 0;
fail:
	reader_close(reader);
	return err;
}

void reader_close(struct reader *reader)
{
	if (!reader)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	line_hash_free(&reader->hash);
	free(reader);
}

const struct read_check *reader_check(const struct reader *reader)
{
	return &reader->check;
}

/* One line has one fault of a kind; that it was changed says more than that its number is wrong. */
static void add_fault(struct reader *reader, struct read_fault fault)
{
	struct read_check *check = &reader->check;
	size_t i;

	for (i = 0; i < check->n_faults; i++) {
		struct read_fault *f = &check->faults[i];

		if (f->line == fault.line &&
		    (f->kind == fault.kind || (f->kind == READ_SEQ && fault.kind == READ_CHANGED))) {
			*f = fault;
			return;
		}
	}
	if (i == READ_MOST_FAULTS)
		return;
	/* A suspect turns out one line later. */
	for (; i && check->faults[i - 1].line > fault.line; i--)
		check->faults[i] = check->faults[i - 1];
	check->faults[i] = fault;
	check->n_faults++;
}

static void fault_at(struct reader *reader, enum read_fault_kind kind, const struct event *event,
		     uint64_t expected)
{
	add_fault(reader, (struct read_fault){kind, event->number, event->offset, event->seq, expected});
}

static void convict(struct reader *reader, enum read_fault_kind kind)
{
	if (reader->is_suspect) {
		reader->suspect.kind = kind;
		add_fault(reader, reader->suspect);
	}
	reader->is_suspect = false;
}

static void damaged(struct reader *reader, uint64_t offset)
{
	if (!reader->check.damaged++)
		reader->check.damaged_line = reader->check.lines;
	convict(reader, READ_CHANGED_OR_NEXT);
	fault_at(reader, READ_DAMAGED, &(struct event){.number = reader->check.lines, .offset = offset}, 0);
	reader->after_damage = true;
}

static int fill(struct reader *reader)
{
	ssize_t n;

	memmove(reader->data, reader->data + reader->start, reader->end - reader->start);
	reader->end -= reader->start;
	reader->start = 0;
	do {
		n = read(reader->fd, reader->data + reader->end, sizeof(reader->data) - reader->end);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	reader->eof = n == 0;
	reader->end += n;
	reader->check.bytes += n;
	return 0;
}

static void at_end(struct reader *reader, size_t left)
{
	convict(reader, READ_CHANGED_OR_NEXT);
	reader->check.cut = left > 0 || reader->skipping;
	if (reader->check.cut && !reader->skipping)
		fault_at(reader, READ_CUT,
			 &(struct event){.number = reader->check.lines + 1, .offset = reader->offset}, 0);
}

/* The next whole line; 0 at the end of the file. A line without an end is `cut`, one that is too long is damaged. */
static int next_line(struct reader *reader, const char **ret_line, size_t *ret_len)
{
	size_t seen = 0;
	char *newline;
	int err;

	for (;;) {
		*ret_line = reader->data + reader->start;
		newline = memchr(*ret_line + seen, '\n', reader->end - reader->start - seen);
		if (newline) {
			*ret_len = newline - *ret_line;
			reader->start += *ret_len + 1;
			reader->offset += *ret_len + 1;
			if (!reader->skipping)
				return 1;
			reader->skipping = false;
			seen = 0;
			continue;
		}
		seen = reader->end - reader->start;
		if (reader->eof) {
			at_end(reader, seen);
			return 0;
		}
		if (seen == sizeof(reader->data)) {
			if (!reader->skipping) {
				reader->check.lines++;
				reader->seq++;
				damaged(reader, reader->offset);
			}
			reader->skipping = true;
			reader->offset += seen;
			reader->start = reader->end;
			seen = 0;
		}
		err = fill(reader);
		if (err)
			return err;
	}
}

static bool eat(const char **at, const char *end, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(end - *at) < len || memcmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool eat_u64(const char **at, const char *end, uint64_t *ret_value)
{
	const char *start = *at;
	uint64_t value = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
			return false;
	}
	*ret_value = value;
	return *at > start && value <= INT64_MAX; /* as JSON's readers take it */
}

static bool eat_type(const char **at, const char *end, char type[READ_MAX_TYPE])
{
	const char *quote = memchr(*at, '"', end - *at);
	size_t len = quote ? (size_t)(quote - *at) : 0;

	if (!len || len >= READ_MAX_TYPE)
		return false;
	memcpy(type, *at, len);
	type[len] = '\0';
	*at = quote + 1;
	return true;
}

/* Does the line end with `,"prev":"<64 hexadecimal digits>"}`? */
static bool has_prev(const char *line, size_t len)
{
	const char *at, *end = line + len;

	if (len < PREV_SIZE)
		return false;
	at = end - PREV_SIZE;
	if (!eat(&at, end, PREV_KEY))
		return false;
	return strspn(at, "0123456789abcdef") == HASH_HEX && memcmp(end - 2, "\"}", 2) == 0;
}

static bool scan(const char *line, size_t len, struct event *ret_event)
{
	const char *at = line, *end = line + len;

	*ret_event = (struct event){.line = line, .len = len};
	if (!eat(&at, end, "{\"seq\":") || !eat_u64(&at, end, &ret_event->seq) ||
	    !eat(&at, end, ",\"ts_ns\":") || !eat_u64(&at, end, &ret_event->ts_ns) ||
	    !eat(&at, end, ",\"mono_ns\":") || !eat_u64(&at, end, &ret_event->mono_ns))
		return false;
	ret_event->late = eat(&at, end, ",\"late\":true");
	return eat(&at, end, ",\"type\":\"") && eat_type(&at, end, ret_event->type) && has_prev(line, len);
}

/* Does the line hold the hash of the one before? */
static bool check_chain(struct reader *reader, const struct event *event)
{
	const char *prev = event->line + event->len - 2 - HASH_HEX;

	if (memcmp(prev, reader->check.head, HASH_HEX) == 0)
		return true;
	if (!reader->check.unchained++)
		reader->check.unchained_line = reader->check.lines;
	return false;
}

/* The number that the line should have. */
static uint64_t check_seq(struct reader *reader, const struct event *event, bool chained)
{
	uint64_t expected = reader->seq + 1;

	reader->seq = event->seq;
	if (event->seq == expected)
		return expected;
	if (!reader->check.missing_line)
		reader->check.missing_line = reader->check.lines;
	if (chained)
		reader->seq = expected; /* it is in its place: the number is wrong */
	else if (event->seq > expected)
		reader->check.missing += event->seq - expected;
	return expected;
}

/*
 * Line k was changed if line k + 1 doesn't hold its hash, and line k + 2 holds that of k + 1, which therefore is as it was. If
 * that link is broken as well, line k + 1 is the one: its `prev` was changed, or the next line became a part of it.
 */
static void check_place(struct reader *reader, const struct event *event, bool chained, uint64_t expected)
{
	const struct read_check *last = &reader->check;

	if (reader->after_damage) {
		if (event->seq > expected)
			fault_at(reader, READ_MISSING, event, expected);
	} else if (chained) {
		convict(reader, READ_CHANGED);
		if (event->seq != expected)
			fault_at(reader, READ_SEQ, event, expected);
	} else if (reader->is_suspect) {
		reader->suspect =
			(struct read_fault){0, last->last_line, last->last_offset, last->last_seq, 0};
		convict(reader, READ_CHANGED);
	} else if (event->seq != expected) {
		fault_at(reader, event->seq > expected ? READ_MISSING : READ_DISORDER, event, expected);
	} else if (!last->last_line) {
		fault_at(reader, READ_CHANGED, event, 0);
	} else {
		reader->suspect =
			(struct read_fault){0, last->last_line, last->last_offset, last->last_seq, 0};
		reader->is_suspect = true;
	}
	reader->after_damage = false;
}

static void check_time(struct reader *reader, const struct event *event)
{
	bool is_late = event->mono_ns < reader->latest_ns;

	if (is_late != event->late) {
		reader->check.disordered++;
		fault_at(reader, READ_TIME, event, 0);
	}
	if (!event->late)
		reader->latest_ns = event->mono_ns;
}

static void check_event(struct reader *reader, const struct event *event)
{
	bool chained = check_chain(reader, event);

	check_place(reader, event, chained, check_seq(reader, event, chained));
	check_time(reader, event);
	reader->check.last_line = event->number;
	reader->check.last_seq = event->seq;
	reader->check.last_offset = event->offset;
}

int reader_next(struct reader *reader, struct event *ret_event)
{
	const char *line = NULL;
	size_t len = 0;
	bool good;
	int err;

	do {
		err = next_line(reader, &line, &len);
		if (err <= 0)
			return err;
		reader->check.lines++;
		good = scan(line, len, ret_event);
		ret_event->number = reader->check.lines;
		ret_event->offset = reader->offset - len - 1;
		if (good) {
			check_event(reader, ret_event);
		} else {
			reader->seq++;
			damaged(reader, ret_event->offset);
		}
		err = line_hash(&reader->hash, line, len, reader->check.head);
		if (err)
			return err;
	} while (!good);
	return 1;
}

json_t *event_json(const struct event *event)
{
	return json_loadb(event->line, event->len, JSON_REJECT_DUPLICATES, NULL);
}
