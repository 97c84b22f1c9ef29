/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "evidence/hash.h"

#define BATCH_BYTES (256 * 1024)
#define NO_TEXT SIZE_MAX

/* An event that waits. Its strings are offsets into the log's text, which moves as it grows. */
struct held {
	uint64_t mono_ns, ts_ns;
	uint64_t arrival; /* keeps the order of events of the same time */
	size_t type, step, target, flow, data;
	int instance;
};

struct log {
	int fd;
	int error;
	int64_t offset_ns;
	uint64_t seq, arrivals, last_ns;
	off_t size; /* of the whole lines in the file */

	struct held *held;
	size_t n_held, max_held;
	bool sorted;
	uint64_t oldest_ns; /* of all that is held */
	struct buf text;    /* of the held events, and of written ones until it is compacted */
	size_t dead;        /* written events whose text is still there */

	struct buf batch; /* lines that are being written */
	struct line_hash hash;
	char prev[HASH_HEX + 1];

	void (*on_line)(void *arg, const struct log_event *event, uint64_t ts_ns);
	void *on_line_arg;
};

static void log_free(struct log *log)
{
	if (!log)
		return;
	if (log->fd >= 0)
		close(log->fd);
	free(log->held);
	buf_free(&log->text);
	buf_free(&log->batch);
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
	log->sorted = true;
	log->oldest_ns = UINT64_MAX;
	line_hash_none(log->prev);
	err = line_hash_init(&log->hash);
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

static size_t keep_text(struct buf *text, const char *s)
{
	size_t at = text->len;

	if (!s)
		return NO_TEXT;
	buf_add(text, s, strlen(s) + 1);
	return at;
}

static const char *held_text(const struct log *log, size_t at)
{
	return at == NO_TEXT ? NULL : log->text.data + at;
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

int log_append(struct log *log, const struct log_event *event)
{
	struct held *h;

	if (log->error)
		return log->error;
	if (!event->type)
		return -EINVAL;
	log->error = grow_held(log);
	if (log->error)
		return log->error;
	h = &log->held[log->n_held];
	*h = (struct held){
		.mono_ns = event->mono_ns,
		.ts_ns = event->mono_ns + (uint64_t)log->offset_ns,
		.arrival = log->arrivals++,
		.type = keep_text(&log->text, event->type),
		.step = keep_text(&log->text, event->step),
		.target = keep_text(&log->text, event->target),
		.flow = keep_text(&log->text, event->flow),
		.data = keep_text(&log->text, event->data),
		.instance = event->instance,
	};
	if (log->text.failed) {
		log->error = -ENOMEM;
		return log->error;
	}
	if (log->n_held && h->mono_ns < h[-1].mono_ns)
		log->sorted = false;
	if (h->mono_ns < log->oldest_ns)
		log->oldest_ns = h->mono_ns;
	log->n_held++;
	return 0;
}

static int compare_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->mono_ns != y->mono_ns)
		return x->mono_ns < y->mono_ns ? -1 : 1;
	return x->arrival < y->arrival ? -1 : x->arrival > y->arrival;
}

static void sort_held(struct log *log)
{
	if (!log->sorted)
		qsort(log->held, log->n_held, sizeof(*log->held), compare_held);
	log->sorted = true;
}

static struct log_event held_event(const struct log *log, const struct held *h)
{
	return (struct log_event){
		.mono_ns = h->mono_ns,
		.type = held_text(log, h->type),
		.step = held_text(log, h->step),
		.instance = h->instance,
		.target = held_text(log, h->target),
		.flow = held_text(log, h->flow),
		.data = held_text(log, h->data),
	};
}

/* The data is JSON, so a line feed in it can only be white space between two tokens. */
static void one_line(char *s, size_t len)
{
	for (; (s = memchr(s, '\n', len)); len = strlen(s))
		*s = ' ';
}

/* Add the event's line to the batch. */
static int render(struct log *log, const struct held *h)
{
	struct log_event event = held_event(log, h);
	size_t start = log->batch.len;
	struct json j;

	json_begin(&j, &log->batch);
	json_object(&j, NULL);
	json_u64(&j, "seq", ++log->seq);
	json_u64(&j, "ts_ns", h->ts_ns);
	json_u64(&j, "mono_ns", h->mono_ns);
	if (h->mono_ns < log->last_ns)
		json_bool(&j, "late", true);
	else
		log->last_ns = h->mono_ns;
	json_string(&j, "type", event.type);
	if (event.step)
		json_string(&j, "step", event.step);
	if (event.instance)
		json_i64(&j, "instance", event.instance);
	if (event.target)
		json_string(&j, "target", event.target);
	if (event.flow)
		json_string(&j, "flow", event.flow);
	if (event.data)
		json_raw(&j, "data", event.data);
	json_string(&j, "prev", log->prev);
	json_end_object(&j);
	if (log->batch.failed)
		return -ENOMEM;
	one_line(log->batch.data + start, log->batch.len - start);
	buf_add(&log->batch, "\n", 1);
	if (log->batch.failed)
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
		event = held_event(log, first);
		log->on_line(log->on_line_arg, &event, first->ts_ns);
	}
}

/* Write the first n held events. ret_done: how many were written. */
static int write_held(struct log *log, size_t n, size_t *ret_done)
{
	size_t i, done = 0;
	int err;

	for (i = 0; i < n; i++) {
		err = render(log, &log->held[i]);
		if (!err && (log->batch.len >= BATCH_BYTES || i + 1 == n)) {
			err = write_batch(log);
			if (!err) {
				tell(log, &log->held[done], &log->held[i + 1]);
				done = i + 1;
			}
		}
		if (err)
			break;
	}
	*ret_done = done;
	return i < n ? err : 0;
}

static size_t move_text(struct buf *to, const struct buf *from, size_t at)
{
	return at == NO_TEXT ? NO_TEXT : keep_text(to, from->data + at);
}

/* Forget the text of written events, once they are more than those that are held. */
static int compact(struct log *log)
{
	struct buf text = {0};
	struct held *h;

	if (!log->n_held) {
		buf_clear(&log->text);
		log->dead = 0;
		return 0;
	}
	if (log->n_held > log->dead)
		return 0;
	for (h = log->held; h < log->held + log->n_held; h++) {
		h->type = move_text(&text, &log->text, h->type);
		h->step = move_text(&text, &log->text, h->step);
		h->target = move_text(&text, &log->text, h->target);
		h->flow = move_text(&text, &log->text, h->flow);
		h->data = move_text(&text, &log->text, h->data);
	}
	buf_free(&log->text);
	log->text = text;
	log->dead = 0;
	return text.failed ? -ENOMEM : 0;
}

static int drop_held(struct log *log, size_t n)
{
	log->n_held -= n;
	log->dead += n;
	memmove(log->held, log->held + n, log->n_held * sizeof(*log->held));
	log->oldest_ns = log->n_held ? log->held[0].mono_ns : UINT64_MAX;
	return compact(log);
}

int log_flush(struct log *log, uint64_t now_ns)
{
	uint64_t limit = now_ns == UINT64_MAX ? UINT64_MAX : now_ns - LOG_HOLD_NS;
	size_t n = 0, done;
	int err;

	if (log->error)
		return log->error;
	if (!log->n_held || now_ns < LOG_HOLD_NS || log->oldest_ns > limit)
		return 0;
	sort_held(log);
	while (n < log->n_held && log->held[n].mono_ns <= limit)
		n++;
	log->error = write_held(log, n, &done);
	err = drop_held(log, done);
	if (!log->error)
		log->error = err;
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
