/* SPDX-License-Identifier: BSD-2-Clause */
#include "lab/client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEY "shearpin:lab"
#define LINE_BYTES 64 /* no answer to what is asked here is longer */
#define NO_VALUE UINT64_MAX

struct client {
	const struct client_options *options;
	struct client_record *record;
	uint64_t random;
	uint64_t counter;      /* the value that was sent last */
	uint64_t acknowledged; /* the value that the server confirmed last; NO_VALUE: none */
	uint64_t next_ns;      /* when the next pair of requests is due */
	int fd;
	char line[LINE_BYTES]; /* received and not yet consumed */
	size_t len;
};

static struct client_time now(void)
{
	return (struct client_time){clock_real_ns(), clock_mono_ns()};
}

static void sleep_until(uint64_t mono_ns)
{
	struct timespec t = {mono_ns / NS_PER_S, mono_ns % NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* splitmix64 */
static uint32_t draw(struct client *c)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) >> 32;
}

uint64_t client_backoff_ns(unsigned attempt, uint32_t draw)
{
	uint64_t wait = CLIENT_BACKOFF_MIN_NS;

	while (--attempt && wait < CLIENT_BACKOFF_MAX_NS)
		wait *= 2;
	if (wait > CLIENT_BACKOFF_MAX_NS)
		wait = CLIENT_BACKOFF_MAX_NS;
	return wait - wait / 10 + (uint64_t)((double)wait / 5 * draw / UINT32_MAX);
}

/* Wait until the socket is ready. 0, or -ETIMEDOUT, or what poll() says. */
static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	do {
		uint64_t t = clock_mono_ns();

		n = poll(&p, 1, t < deadline_ns ? (int)((deadline_ns - t + NS_PER_MS - 1) / NS_PER_MS) : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

int client_connect(const struct client_options *options, uint64_t timeout_ns)
{
	const struct sockaddr *server = (const struct sockaddr *)&options->server;
	int fd = socket(server->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0, r;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return -errno;
	r = connect(fd, server, options->server_len) ? -errno : 0;
	if (r == -EINPROGRESS)
		r = wait_for(fd, POLLOUT, clock_mono_ns() + timeout_ns);
	if (!r)
		r = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -errno : -error;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

/*
 * End a connection at once, with an RST: what is still on its way must not be sent again and reach the server behind the
 * writes of the next connection.
 */
static void hang_up(int fd)
{
	const struct linger at_once = {.l_onoff = 1};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)); /* fails on no TCP socket */
	close(fd);
}

/* The session functions below return 0 or what ended the connection: an errno or CLIENT_*. */

static int send_all(struct client *c, const char *data, size_t len, uint64_t deadline_ns)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(c->fd, POLLOUT, deadline_ns);

			if (r)
				return -r;
			continue;
		}
		if (n < 0)
			return errno;
		data += n;
		len -= n;
	}
	return 0;
}

static int receive_more(struct client *c, uint64_t deadline_ns)
{
	ssize_t n;
	int r;

	if (c->len == sizeof(c->line))
		return CLIENT_WRONG;
	r = wait_for(c->fd, POLLIN, deadline_ns);
	if (r)
		return -r;
	n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, 0);
	if (n < 0)
		return errno;
	c->len += n;
	return n ? 0 : CLIENT_CLOSED;
}

/* The next line of an answer, without its line end. */
static int read_line(struct client *c, char ret_line[LINE_BYTES], uint64_t deadline_ns)
{
	const char *end;
	size_t used;
	int r;

	while (!(end = memmem(c->line, c->len, "\r\n", 2))) {
		r = receive_more(c, deadline_ns);
		if (r)
			return r;
	}
	used = end - c->line;
	memcpy(ret_line, c->line, used);
	ret_line[used] = '\0';
	c->len -= used + 2;
	memmove(c->line, end + 2, c->len);
	return 0;
}

static int set_counter(struct client *c, uint64_t deadline_ns)
{
	char request[128], value[24], line[LINE_BYTES];
	int len, r;

	len = snprintf(value, sizeof(value), "%" PRIu64, ++c->counter);
	len = snprintf(request, sizeof(request), "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n",
		       strlen(KEY), KEY, len, value);
	r = send_all(c, request, len, deadline_ns);
	if (!r)
		r = read_line(c, line, deadline_ns);
	if (r)
		return r;
	if (strcmp(line, "+OK"))
		return CLIENT_WRONG;
	c->acknowledged = c->counter;
	c->record->answers++;
	return 0;
}

/* NO_VALUE, if the server has none. */
static int get_counter(struct client *c, uint64_t *ret_value, uint64_t deadline_ns)
{
	char request[128], line[LINE_BYTES], *end;
	int len, r;

	len = snprintf(request, sizeof(request), "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(KEY), KEY);
	r = send_all(c, request, len, deadline_ns);
	if (!r)
		r = read_line(c, line, deadline_ns);
	if (r)
		return r;
	*ret_value = NO_VALUE;
	if (strcmp(line, "$-1")) {
		if (line[0] != '$')
			return CLIENT_WRONG;
		r = read_line(c, line, deadline_ns);
		if (r)
			return r;
		*ret_value = strtoull(line, &end, 10);
		if (end == line || *end)
			return CLIENT_WRONG;
	}
	c->record->answers++;
	return 0;
}

/*
 * The first request of a connection. What the server confirmed before must still be there; what was on its way when
 * the connection ended may have arrived or not.
 */
static int greet(struct client *c)
{
	uint64_t value;
	int r = get_counter(c, &value, clock_mono_ns() + CLIENT_TIMEOUT_NS);

	if (r)
		return r;
	if (c->acknowledged != NO_VALUE && (value < c->acknowledged || value > c->counter))
		c->record->missing++;
	return 0;
}

static int work(struct client *c)
{
	for (;;) {
		uint64_t value, deadline_ns;
		int r;

		sleep_until(c->next_ns);
		deadline_ns = clock_mono_ns() + CLIENT_TIMEOUT_NS;
		r = set_counter(c, deadline_ns);
		if (!r)
			r = get_counter(c, &value, deadline_ns);
		if (r)
			return r;
		if (value != c->counter)
			c->record->wrong++;
		c->next_ns += CLIENT_PACE_NS;
	}
}

/* Connect until the server answers; the number of attempts it took. */
static unsigned reconnect(struct client *c, bool at_once)
{
	for (unsigned attempt = 1;; attempt++) {
		if (!at_once)
			sleep_until(clock_mono_ns() + client_backoff_ns(attempt, draw(c)));
		at_once = false;
		c->len = 0;
		c->fd = client_connect(c->options, CLIENT_TIMEOUT_NS);
		if (c->fd < 0)
			continue;
		if (!greet(c))
			return attempt;
		hang_up(c->fd);
	}
}

static void note_loss(struct client *c, const struct client_event *event)
{
	size_t i = c->record->outages;

	atomic_store(&c->record->connected, 0);
	if (i < CLIENT_MAX_OUTAGES)
		c->record->outage[i] = (struct client_outage){.lost = event->at, .error = event->error};
	c->record->outages++;
	c->options->on_event(event, c->options->arg);
}

static void note_connection(struct client *c, const struct client_event *event)
{
	size_t i = c->record->outages;

	if (i && i <= CLIENT_MAX_OUTAGES) {
		c->record->outage[i - 1].attempts = event->attempt;
		c->record->outage[i - 1].back = event->at;
	}
	c->options->on_event(event, c->options->arg);
	atomic_store(&c->record->connected, 1);
}

void client_run(const struct client_options *options, struct client_record *record)
{
	struct client c = {
		.options = options, .record = record, .random = options->seed, .acknowledged = NO_VALUE};
	struct client_event event = {0};

	for (bool first = true;; first = false) {
		event.attempt = reconnect(&c, first);
		event.at = now();
		event.error = 0;
		note_connection(&c, &event);
		c.next_ns = event.at.mono_ns;
		event.error = work(&c);
		event.at = now();
		event.attempt = 0;
		hang_up(c.fd);
		note_loss(&c, &event);
	}
}
