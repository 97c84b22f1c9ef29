/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "evidence/hash.h"
#include "evidence/log_packet.h"

#define BATCH_BYTES (256 * 1024)
#define CHUNK_BYTES (256 * 1024)
#define MOST_IDLE 2 /* chunks that are kept for what comes next */
#define NO_TEXT 0
#define MOVES_EACH 32 /* that putting late events into their places may cost, on average */

#define RECORD_ALIGN 8

/* Records, in the order of their arrival. They are written in nearly the same, so a chunk is soon free again. */
struct chunk {
	struct chunk *next; /* the one that was begun after it; of idle ones, any */
	uint64_t number;    /* counts from the first one begun */
	size_t size, used;  /* bytes of data */
	size_t waits;       /* records that are not written yet */
	_Alignas(RECORD_ALIGN) char data[];
};

/* A record is one of these, with a packet or texts behind it. */
struct record {
	uint64_t ts_ns;
	struct chunk *chunk;
	bool is_packet;
};

/* What waits, in the order of time. Records of the same time keep the order of their arrival. */
struct held {
	uint64_t mono_ns;
	const struct record *record;
};

struct packet_record {
	struct record record;
	struct log_packet packet;
};

/* Offsets from the record's start. */
struct event_record {
	struct record record;
	size_t type, step, target, flow, data;
	int instance;
	char texts[];
};

struct log {
	int fd;
	int error;
	int64_t offset_ns;
	uint64_t seq, last_ns;
	off_t size; /* of the whole lines in the file */

	struct held *held;
	size_t first, n_held, max_held; /* those from first to n_held - 1 wait */
	size_t n_sorted;
	uint64_t oldest_ns;          /* of all that wait */
	struct chunk *oldest, *last; /* of their records; NULL: none */
	struct chunk *idle;
	size_t n_idle;

	struct buf batch; /* lines that are being written */
	struct packet_text *packets;
	struct line_hash hash;
	char prev[HASH_HEX + 1];

	void (*on_line)(void *arg, const struct log_event *event, uint64_t ts_ns);
	void *on_line_arg;
};

static void free_chunks(struct chunk *chunk)
{
	struct chunk *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

static void log_free(struct log *log)
{
	if (!log)
		return;
	if (log->fd >= 0)
		close(log->fd);
	free(log->held);
	free_chunks(log->oldest);
	free_chunks(log->idle);
	buf_free(&log->batch);
	packet_text_free(log->packets);
	line_hash_free(&log->hash);
	free(log);
}

int log_open(int dirfd, int64_t offset_ns, struct log **ret_log)
{
	struct log *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return -ENOMEM;
	log->fd = -1;
	log->offset_ns = offset_ns;
	log->oldest_ns = UINT64_MAX;
	log->packets = packet_text_new();
	line_hash_none(log->prev);
	err = log->packets ? line_hash_init(&log->hash) : -ENOMEM;
	if (err)
		goto fail;
	log->fd = openat(dirfd, "events.jsonl", O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (log->fd < 0) {
		err = -errno;
		goto fail;
	}
	*ret_log = log;
	return 0;
fail:
	log_free(log);
	return err;
}

void log_set_offset(struct log *log, int64_t offset_ns)
{
	log->offset_ns = offset_ns;
}

void log_on_line(struct log *log, void (*call)(void *arg, const struct log_event *event, uint64_t ts_ns),
		 void *arg)
{
	log->on_line = call;
	log->on_line_arg = arg;
}

static int grow_held(struct log *log)
{
	size_t max = log->max_held ? log->max_held * 2 : 1024;
	struct held *held;

	if (log->n_held < log->max_held)
		return 0;
	held = reallocarray(log->held, max, sizeof(*held));
	if (!held)
		return -ENOMEM;
	log->held = held;
	log->max_held = max;
	return 0;
}

static struct chunk *take_idle(struct log *log)
{
	struct chunk *chunk = log->idle;

	log->idle = chunk->next;
	log->n_idle--;
	return chunk;
}

/* A last chunk that has room for so much. */
static int grow_chunks(struct log *log, size_t size)
{
	size_t data = size > CHUNK_BYTES ? size : CHUNK_BYTES;
	struct chunk *chunk, *last = log->last;

	if (last && last->size - last->used >= size)
		return 0;
	chunk = data == CHUNK_BYTES && log->idle ? take_idle(log) : malloc(sizeof(*chunk) + data);
	if (!chunk)
		return -ENOMEM;
	*chunk = (struct chunk){.number = last ? last->number + 1 : 0, .size = data};
	if (last)
		last->next = chunk;
	else
		log->oldest = chunk;
	log->last = chunk;
	return 0;
}

/* A place in the queue, and a record of at least `size` bytes for it; NULL: the log has an error. */
static void *hold(struct log *log, uint64_t mono_ns, size_t size)
{
	struct record *record;

	if (log->error)
		return NULL;
	size = (size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
	log->error = grow_held(log);
	if (!log->error)
		log->error = grow_chunks(log, size);
	if (log->error)
		return NULL;
	record = (struct record *)(log->last->data + log->last->used);
	log->last->used += size;
	log->last->waits++;
	record->ts_ns = mono_ns + (uint64_t)log->offset_ns;
	record->chunk = log->last;
	log->held[log->n_held++] = (struct held){mono_ns, record};
	if (mono_ns < log->oldest_ns)
		log->oldest_ns = mono_ns;
	return record;
}

int log_append_packet(struct log *log, const struct log_packet *packet)
{
	struct packet_record *to = hold(log, packet->mono_ns, sizeof(*to));

	if (!to)
		return log->error;
	to->record.is_packet = true;
	to->packet = *packet;
	return 0;
}

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

/* Its offset in the record; *at is where there is room. */
static size_t keep_text(struct event_record *to, size_t *at, const char *s, size_t size)
{
	size_t start = *at;

	if (!size)
		return NO_TEXT;
	memcpy((char *)to + start, s, size);
	*at += size;
	return start;
}

int log_append(struct log *log, const struct log_event *e)
{
	size_t type = text_size(e->type), step = text_size(e->step), target = text_size(e->target);
	size_t flow = text_size(e->flow), data = text_size(e->data),
	       at = offsetof(struct event_record, texts);
	struct event_record *to;

	if (log->error)
		return log->error;
	if (!e->type)
		return -EINVAL;
	to = hold(log, e->mono_ns, at + type + step + target + flow + data);
	if (!to)
		return log->error;
	to->record.is_packet = false;
	to->instance = e->instance;
	to->type = keep_text(to, &at, e->type, type);
	to->step = keep_text(to, &at, e->step, step);
	to->target = keep_text(to, &at, e->target, target);
	to->flow = keep_text(to, &at, e->flow, flow);
	to->data = keep_text(to, &at, e->data, data);
	return 0;
}

static int compare_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->mono_ns != y->mono_ns)
		return x->mono_ns < y->mono_ns ? -1 : 1;
	if (x->record->chunk != y->record->chunk)
		return x->record->chunk->number < y->record->chunk->number ? -1 : 1;
	return x->record < y->record ? -1 : x->record > y->record;
}

/* Where in [first, end), which is sorted, one of this time belongs that came after all of them. */
static size_t place_of(const struct log *log, size_t first, size_t end, uint64_t mono_ns)
{
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (log->held[middle].mono_ns <= mono_ns)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

/* Events come nearly in order: each new one is put into its place, unless that moves too many others. */
static void sort_held(struct log *log)
{
	size_t i = log->n_sorted > log->first ? log->n_sorted : log->first, left = log->n_held - i;

	left *= MOVES_EACH;
	for (i = i > log->first ? i : i + 1; i < log->n_held; i++) {
		struct held h = log->held[i];
		size_t place;

		if (log->held[i - 1].mono_ns <= h.mono_ns)
			continue;
		place = place_of(log, log->first, i, h.mono_ns);
		if (i - place > left) {
			qsort(log->held + log->first, log->n_held - log->first, sizeof(h), compare_held);
			break;
		}
		left -= i - place;
		memmove(log->held + place + 1, log->held + place, (i - place) * sizeof(h));
		log->held[place] = h;
	}
	log->n_sorted = log->n_held;
}

static const char *text_at(const struct event_record *from, size_t at)
{
	return at == NO_TEXT ? NULL : (const char *)from + at;
}

static struct log_event event_of(const struct event_record *from, uint64_t mono_ns)
{
	return (struct log_event){
		.mono_ns = mono_ns,
		.type = text_at(from, from->type),
		.step = text_at(from, from->step),
		.instance = from->instance,
		.target = text_at(from, from->target),
		.flow = text_at(from, from->flow),
		.data = text_at(from, from->data),
	};
}

/* The data is JSON, so a line feed in it can only be white space between two tokens. */
static void one_line(char *s, size_t len)
{
	for (; (s = memchr(s, '\n', len)); len = strlen(s))
		*s = ' ';
}

/* Add the event's line to the batch. */
static void render_event(struct log *log, const struct log_event *event, const struct line_place *place)
{
	size_t start = log->batch.len;
	struct json j;

	json_begin(&j, &log->batch);
	json_object(&j, NULL);
	json_u64(&j, "seq", place->seq);
	json_u64(&j, "ts_ns", place->ts_ns);
	json_u64(&j, "mono_ns", event->mono_ns);
	if (place->late)
		json_bool(&j, "late", true);
	json_string(&j, "type", event->type);
	if (event->step)
		json_string(&j, "step", event->step);
	if (event->instance)
		json_i64(&j, "instance", event->instance);
	if (event->target)
		json_string(&j, "target", event->target);
	if (event->flow)
		json_string(&j, "flow", event->flow);
	if (event->data)
		json_raw(&j, "data", event->data);
	json_string(&j, "prev", place->prev);
	json_end_object(&j);
	if (!log->batch.failed)
		one_line(log->batch.data + start, log->batch.len - start);
}

static int render(struct log *log, const struct held *h)
{
	const struct record *record = h->record;
	struct line_place place = {++log->seq, record->ts_ns, h->mono_ns < log->last_ns, log->prev};
	size_t start = log->batch.len;
	struct log_event event;

	if (!place.late)
		log->last_ns = h->mono_ns;
	if (record->is_packet) {
		packet_text_add(log->packets, &((const struct packet_record *)record)->packet, &place,
				&log->batch);
	} else {
		event = event_of((const struct event_record *)record, h->mono_ns);
		render_event(log, &event, &place);
	}
	buf_add(&log->batch, "\n", 1);
	if (log->batch.failed || log->batch.len == start + 1)
		return -ENOMEM;
	return line_hash(&log->hash, log->batch.data + start, log->batch.len - start - 1, log->prev);
}

/* Write the batch. On failure the file is cut back to the last whole line that fitted. */
static int write_batch(struct log *log)
{
	size_t done = 0;
	ssize_t n;
	int err = 0;

	while (done < log->batch.len) {
		n = write(log->fd, log->batch.data + done, log->batch.len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : -EIO;
			break;
		}
		done += n;
	}
	while (err && done > 0 && log->batch.data[done - 1] != '\n')
		done--;
	log->size += done;
	if (err)
		(void)!ftruncate(log->fd, log->size);
	buf_clear(&log->batch);
	return err;
}

static void tell(struct log *log, const struct held *first, const struct held *end)
{
	struct log_event event;

	if (!log->on_line)
		return;
	for (; first < end; first++) {
		const struct record *record = first->record;

		if (record->is_packet)
			continue;
		event = event_of((const struct event_record *)record, first->mono_ns);
		log->on_line(log->on_line_arg, &event, record->ts_ns);
	}
}

/* Write what waits up to `end`, and forget what was written. */
static int write_held(struct log *log, size_t end)
{
	size_t i = log->first;
	int err = 0;

	for (; !err && i < end; i++) {
		err = render(log, &log->held[i]);
		if (err || (log->batch.len < BATCH_BYTES && i + 1 < end))
			continue;
		err = write_batch(log);
		if (err)
			break;
		tell(log, log->held + log->first, log->held + i + 1);
		for (; log->first <= i; log->first++)
			log->held[log->first].record->chunk->waits--;
	}
	return err;
}

static void let_go(struct log *log, struct chunk *chunk)
{
	if (chunk->size != CHUNK_BYTES || log->n_idle == MOST_IDLE) {
		free(chunk);
		return;
	}
	chunk->next = log->idle;
	log->idle = chunk;
	log->n_idle++;
}

/* Of the chunks whose records are all written, the last is filled anew. */
static void empty_chunks(struct log *log)
{
	struct chunk *chunk;

	while ((chunk = log->oldest) && !chunk->waits) {
		if (chunk == log->last) {
			chunk->used = 0;
			return;
		}
		log->oldest = chunk->next;
		let_go(log, chunk);
	}
}

/* Give up the room of what was written, once that is more than what waits. */
static void compact(struct log *log)
{
	size_t waits = log->n_held - log->first;

	log->oldest_ns = waits ? log->held[log->first].mono_ns : UINT64_MAX;
	if (log->first > waits) {
		memmove(log->held, log->held + log->first, waits * sizeof(*log->held));
		log->first = 0;
		log->n_held = log->n_sorted = waits;
	}
	empty_chunks(log);
}

int log_flush(struct log *log, uint64_t now_ns)
{
	uint64_t limit = now_ns == UINT64_MAX ? UINT64_MAX : now_ns - LOG_HOLD_NS;

	if (log->error)
		return log->error;
	if (log->first == log->n_held || now_ns < LOG_HOLD_NS || log->oldest_ns > limit)
		return 0;
	sort_held(log);
	log->error = write_held(log, place_of(log, log->first, log->n_held, limit));
	if (!log->error)
		compact(log);
	return log->error;
}

int log_close(struct log *log)
{
	int err;

	if (!log)
		return 0;
	err = log_flush(log, UINT64_MAX);
	if (fsync(log->fd) < 0 && !err)
		err = -errno;
	log_free(log);
	return err;
}
