/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "base/write.h"
#include "cmd/metrics_feed.h"
#include "cmd/metrics_listen.h"
#include "drill/libmicrohttpd.h"

#define WRITE_EVERY_S 5
#define CONNECTIONS 16U
#define IDLE_S 30U
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics {
	pthread_mutex_t lock; /* of the feed */
	struct metrics_feed feed;
	struct MHD_Daemon *daemon; /* NULL: none is served */
	char *path;                /* NULL: none is written */
	pthread_t writer;
	bool writes; /* the thread is there */
	pthread_cond_t ended;
	bool ending; /* under the lock */
};

static int fail(char *reason, size_t size, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(char *reason, size_t size, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, size, format, args);
	va_end(args);
	return err;
}

void metrics_text(struct metrics *m, struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	metrics_store_text(&m->feed.store, out);
	pthread_mutex_unlock(&m->lock);
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
			      struct buf *text)
{
	struct MHD_Response *response = mhd.create_response_from_buffer(
		text->len, text->data ? text->data : "", MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	buf_free(text);
	if (response && mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
		result = mhd.queue_response(connection, status, response);
	if (response)
		mhd.destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload, size_t *size,
				  void **context)
{
	static char begun;
	struct metrics *m = arg;
	struct buf text = {0};

	(void)version, (void)upload;
	if (!*context) {
		*context = &begun;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		buf_puts(&text, "only GET and HEAD\n");
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", &text);
	}
	if (strcmp(url, "/metrics") != 0) {
		buf_puts(&text, "shearpin's metrics are at /metrics\n");
		return answer(connection, strcmp(url, "/") ? MHD_HTTP_NOT_FOUND : MHD_HTTP_OK, "text/plain",
			      &text);
	}
	metrics_text(m, &text);
	if (!text.failed)
		return answer(connection, MHD_HTTP_OK, CONTENT_TYPE, &text);
	buf_free(&text);
	return answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain", &text);
}

/* What clients do wrong is theirs. */
static void on_log(void *arg, const char *format, va_list args)
{
	(void)arg, (void)format, (void)args;
}

static int serve(struct metrics *m, const char *address, char *reason, size_t size)
{
	int fd = metrics_listen(address, reason, size);
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, NULL},
		{MHD_OPTION_LISTEN_SOCKET, fd, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL},
		{MHD_OPTION_END, 0, NULL},
	};

	if (fd < 0)
		return fd;
	m->daemon = mhd.start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL,
				     NULL, on_request, m, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (m->daemon)
		return 0;
	close(fd);
	return fail(reason, size, -EIO, "the metrics' server can't be started");
}

static int write_temporary(const char *path, const struct buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644), err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, text->data, text->len);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* Beside it under a name that node_exporter doesn't read, and then in its place. */
static int write_file(struct metrics *m)
{
	struct buf text = {0};
	char *new = NULL;
	int err;

	metrics_text(m, &text);
	if (text.failed || asprintf(&new, "%s.%d.tmp", m->path, getpid()) < 0) {
		buf_free(&text);
		return -ENOMEM;
	}
	err = write_temporary(new, &text);
	if (!err && rename(new, m->path))
		err = -errno;
	if (err)
		unlink(new);
	free(new);
	buf_free(&text);
	return err;
}

static void *writer(void *arg)
{
	struct metrics *m = arg;
	struct timespec until;
	bool ending = false;

	while (!ending) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += WRITE_EVERY_S;
		pthread_mutex_lock(&m->lock);
		while (!m->ending && pthread_cond_timedwait(&m->ended, &m->lock, &until) != ETIMEDOUT)
			;
		ending = m->ending;
		pthread_mutex_unlock(&m->lock);
		(void)write_file(m); /* once more in five seconds, or whoever reads it sees that it is old */
	}
	return NULL;
}

static int start_writer(struct metrics *m, const char *path, char *reason, size_t size)
{
	int err;

	m->path = strdup(path);
	if (!m->path)
		return fail(reason, size, -ENOMEM, "out of memory");
	err = write_file(m);
	if (err)
		return fail(reason, size, err, "%s can't be written: %s", path, strerror(-err));
	err = -pthread_create(&m->writer, NULL, writer, m);
	if (err)
		return fail(reason, size, err, "the metrics' thread can't be started: %s", strerror(-err));
	m->writes = true;
	return 0;
}

static void init(struct metrics *m)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&m->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	metrics_set(&m->feed.store, METRIC_BUILD_INFO,
		    (const char *const[]){"version", SHEARPIN_VERSION, NULL}, 1);
}

int metrics_open(const char *address, const char *path, struct metrics **ret, char *ret_reason, size_t size)
{
	sigset_t all, before;
	struct metrics *m;
	int err = 0;

	*ret = NULL;
	if (!address && !path)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return fail(ret_reason, size, -ENOMEM, "out of memory");
	init(m);
	/* Signals are for the thread that runs the drill. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (address)
		err = libmicrohttpd_load()
			      ? fail(ret_reason, size, -ELIBACC,
				     "the metrics' server needs libmicrohttpd, which can't be loaded")
			      : serve(m, address, ret_reason, size);
	if (!err && path)
		err = start_writer(m, path, ret_reason, size);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		metrics_close(m);
	else
		*ret = m;
	return err;
}

static void stop_writer(struct metrics *m)
{
	pthread_mutex_lock(&m->lock);
	m->ending = true;
	pthread_cond_signal(&m->ended);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->writer, NULL);
}

void metrics_close(struct metrics *m)
{
	if (!m)
		return;
	if (m->daemon)
		mhd.stop_daemon(m->daemon);
	if (m->writes)
		stop_writer(m);
	metrics_feed_free(&m->feed);
	pthread_cond_destroy(&m->ended);
	pthread_mutex_destroy(&m->lock);
	free(m->path);
	free(m);
}

void metrics_run(struct metrics *m, const struct plan *plan)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	metrics_feed_run(&m->feed, plan);
	pthread_mutex_unlock(&m->lock);
}

void metrics_event(struct metrics *m, const struct log_event *event)
{
	if (!m || !metrics_feed_wants(event))
		return;
	pthread_mutex_lock(&m->lock);
	metrics_feed_event(&m->feed, event);
	pthread_mutex_unlock(&m->lock);
}

void metrics_tick(struct metrics *m, const struct drill_progress *state)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	metrics_feed_tick(&m->feed, state);
	pthread_mutex_unlock(&m->lock);
}

void metrics_judged(struct metrics *m, const struct results *results)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	metrics_feed_judged(&m->feed, results);
	pthread_mutex_unlock(&m->lock);
}
