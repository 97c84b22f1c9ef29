/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A probe that receives numbered messages (drill/numbers.h): healthy is that they come, and that enough of them have come.
 * docs/definitions.md says what counts. What is counted goes on across connections.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "base/units.h"
#include "drill/numbers.h"
#include "drill/probe.h"
#include "drill/reach.h"

#define LONGEST_LINE 65536
#define MOST_BYTES (256 * 1024) /* read in one go: the run's own loop waits */
#define MOST_MESSAGES 4096
#define BUFFER_BYTES (8 * 1024 * 1024) /* of the socket: what overflows looks like a loss */

struct stream {
	int fd; /* -1: not connected */
	bool connecting;
	const char *error; /* since the last message; NULL: none */
	uint64_t started;  /* connecting, or listening */
	uint64_t began;    /* the first try; 0: none yet */
	uint64_t last;     /* message; 0: none yet */
	uint64_t messages, connections;
	uint64_t overflowed; /* datagrams that found no room in the sockets before this one */
	regex_t number;
	bool has_number; /* it is compiled */
	struct numbers numbers;
	size_t len; /* of the line that is not ended yet */
	bool cut;   /* it is too long: the rest of it is left out */
	char buffer[LONGEST_LINE + 1];
};

/* ---- messages ---- */

static void count(struct stream *s, uint64_t now)
{
	s->last = now;
	s->messages++;
	s->error = NULL;
}

static void take_text(struct stream *s, const char *text, size_t len, uint64_t now)
{
	regmatch_t match[2] = {{.rm_eo = len}};
	char digits[24];
	uint64_t number;

	if (!s->has_number) {
		count(s, now);
		return;
	}
	if (regexec(&s->number, text, 2, match, REG_STARTEND) || match[1].rm_so < 0)
		return;
	len = match[1].rm_eo - match[1].rm_so;
	if (!len || len >= sizeof(digits) || !isdigit((unsigned char)text[match[1].rm_so]))
		return;
	memcpy(digits, text + match[1].rm_so, len);
	digits[len] = '\0';
	if (parse_u64(digits, &number))
		return;
	count(s, now);
	numbers_add(&s->numbers, number);
}

static void take_datagram(struct probe *p, size_t len, uint64_t now)
{
	struct stream *s = p->state;
	uint64_t number;

	if (p->plan->read == STREAM_LINES) {
		take_text(s, s->buffer, len, now);
	} else if (len >= sizeof(number)) {
		memcpy(&number, s->buffer, sizeof(number));
		count(s, now);
		numbers_add(&s->numbers, be64toh(number));
	}
}

static void take_lines(struct stream *s, uint64_t now)
{
	char *line = s->buffer, *end = s->buffer + s->len, *newline;

	while ((newline = memchr(line, '\n', end - line))) {
		if (!s->cut)
			take_text(s, line, newline - line, now);
		s->cut = false;
		line = newline + 1;
	}
	s->len = end - line;
	memmove(s->buffer, line, s->len);
	if (s->len == LONGEST_LINE) {
		if (!s->cut)
			take_text(s, s->buffer, s->len, now);
		s->cut = true;
		s->len = 0;
	}
}

/* ---- the socket ---- */

static uint64_t overflows(const struct stream *s)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (s->fd < 0 || getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len))
		return 0;
	return info[SK_MEMINFO_DROPS];
}

static void hang_up(struct probe *p, const char *error)
{
	struct stream *s = p->state;

	if (s->fd >= 0 && p->plan->udp)
		s->overflowed += overflows(s);
	if (s->fd >= 0)
		close(s->fd); /* takes it off the epoll, too */
	s->fd = -1;
	s->connecting = false;
	s->error = error;
	s->len = 0;
	s->cut = false;
	p->held_port = 0;
}

/* How many bytes; negative: none are there. */
static ssize_t read_tcp(struct probe *p, uint64_t now)
{
	struct stream *s = p->state;
	ssize_t n = recv(s->fd, s->buffer + s->len, LONGEST_LINE - s->len, 0);

	if (n > 0) {
		s->len += n;
		take_lines(s, now);
		return n;
	}
	if (n == 0)
		hang_up(p, "closed");
	else if (errno != EAGAIN && errno != EINTR)
		hang_up(p, probe_error(errno));
	return -1;
}

static ssize_t read_udp(struct probe *p, uint64_t now)
{
	struct stream *s = p->state;
	ssize_t n = recv(s->fd, s->buffer, LONGEST_LINE, 0);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		s->error = probe_error(errno); /* an ICMP message; the socket goes on */
	if (n >= 0)
		take_datagram(p, n, now);
	return n;
}

/* What is there, up to a limit. */
static void take(struct probe *p)
{
	struct stream *s = p->state;
	uint64_t now = clock_mono_ns();
	size_t bytes = 0;
	ssize_t n = 0;

	for (size_t i = 0; n >= 0 && s->fd >= 0 && !s->connecting && i < MOST_MESSAGES && bytes < MOST_BYTES;
	     i++) {
		n = p->plan->udp ? read_udp(p, now) : read_tcp(p, now);
		bytes += n > 0 ? n : 0;
	}
}

static void subscribe(struct probe *p)
{
	struct stream *s = p->state;
	const char *text = p->plan->subscribe;
	ssize_t n = text && s->fd >= 0 ? send(s->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

	if (n < 0 && p->plan->udp)
		s->error = probe_error(errno);
	else if (n < 0 || (text && s->fd >= 0 && (size_t)n < strlen(text)))
		hang_up(p, n < 0 ? probe_error(errno) : "the subscription finds no room");
}

static void connected(struct probe *p, int error)
{
	struct stream *s = p->state;
	int err;

	if (!error && !p->plan->udp && reach_is_own(s->fd))
		error = ECONNREFUSED;
	if (error) {
		hang_up(p, probe_error(error));
		return;
	}
	s->connecting = false;
	s->error = NULL;
	s->connections++;
	err = probe_watch(p, s->fd, EPOLLIN);
	if (err)
		hang_up(p, probe_error(-err));
	else if (!p->plan->udp)
		subscribe(p);
}

/* A group is joined on the interface that the route to it leads through. */
static int join(int fd, const struct sockaddr_storage *address, bool *ret_group)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	struct group_req group = {0};
	int level = address->ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;

	*ret_group = level == IPPROTO_IP ? IN_MULTICAST(ntohl(v4->sin_addr.s_addr))
					 : IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
	if (!*ret_group)
		return 0;
	memcpy(&group.gr_group, address, sizeof(*address));
	return setsockopt(fd, level, MCAST_JOIN_GROUP, &group, sizeof(group)) ? -errno : 0;
}

static int bind_to(int fd, const struct sockaddr_storage *address, socklen_t len)
{
	static const int on = 1;
	bool is_group;
	int err = join(fd, address, &is_group);

	/* Others may listen to a group, too; from another's own port this would take datagrams away. */
	if (!err && is_group && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		err = -errno;
	if (!err && bind(fd, (const struct sockaddr *)address, len))
		err = -errno;
	return err;
}

/* 0; -EINPROGRESS; or another error. */
static int prepare(struct probe *p, int fd, const struct sockaddr_storage *address, socklen_t len)
{
	static const int bytes = BUFFER_BYTES;

	if (p->plan->udp && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		(void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
				  sizeof(bytes)); /* as much as is allowed */
	if (p->plan->listen)
		return bind_to(fd, address, len);
	return connect(fd, (const struct sockaddr *)address, len) ? -errno : 0;
}

/* The port at this end: connections of probes are none of the system under test. */
static void note_port(struct probe *p, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} own = {.v6 = {0}};
	socklen_t len = sizeof(own);

	if (p->plan->listen || getsockname(fd, &own.any, &len))
		return;
	p->held_port = ntohs(own.any.sa_family == AF_INET ? own.v4.sin_port : own.v6.sin6_port);
}

static void start(struct probe *p, uint64_t now)
{
	struct stream *s = p->state;
	struct sockaddr_storage address;
	socklen_t len;
	int err = probe_address(p, &address, &len);

	s->started = now;
	if (!s->began)
		s->began = now;
	if (!err) {
		s->fd = socket(address.ss_family,
			       (p->plan->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		err = s->fd < 0 ? -errno : prepare(p, s->fd, &address, len);
	}
	if (s->fd >= 0)
		note_port(p, s->fd);
	if (err == -EINPROGRESS) {
		s->connecting = true;
		err = probe_watch(p, s->fd, EPOLLOUT);
		if (err)
			hang_up(p, probe_error(-err));
	} else {
		connected(p, -err);
	}
}

/* ---- samples ---- */

static void add_words(char *text, size_t size, uint64_t number, const char *words)
{
	size_t len = strlen(text);

	if (number)
		snprintf(text + len, size - len, ", %" PRIu64 " %s", number, words);
}

static void describe(const struct probe *p, char *text, size_t size)
{
	const struct stream *s = p->state;
	const struct numbers *n = &s->numbers;

	if (s->has_number || p->plan->read == STREAM_BINARY_64)
		snprintf(text, size,
			 "%" PRIu64 " received, %" PRIu64 " missing, %" PRIu64 " twice, %" PRIu64 " late",
			 n->received, numbers_missing(n), n->twice, n->late);
	else
		snprintf(text, size, "%" PRIu64 " received", s->messages);
	add_words(text, size, n->stray, "before the first");
	add_words(text, size, p->plan->udp ? s->overflowed + overflows(s) : 0, "lost by the probe itself");
	add_words(text, size, s->connections > 1 ? s->connections : 0, "connections");
}

/* NULL: all is as it should be. False: nothing can be said yet. */
static bool judge(const struct probe *p, uint64_t now, const char **ret_error)
{
	const struct stream *s = p->state;
	const struct plan_probe *plan = p->plan;
	uint64_t since = s->last ? s->last : s->began;

	*ret_error = s->error;
	if (!s->error && s->fd < 0)
		*ret_error = "closed";
	if (*ret_error)
		return true;
	if (plan->silence_ns && now > since && now - since > plan->silence_ns)
		*ret_error = "silent";
	else if (s->last && numbers_completeness(&s->numbers) < plan->complete_least)
		*ret_error = "incomplete";
	return s->last || *ret_error;
}

static void sample(struct probe *p)
{
	const struct stream *s = p->state;
	uint64_t now = clock_mono_ns();
	char detail[256];
	struct probe_sample sample = {
		.mono_ns = now,
		.latency_ns = PROBE_NO_LATENCY,
		.has_value = s->numbers.received,
		.value = numbers_completeness(&s->numbers),
	};

	if (!judge(p, now, &sample.error))
		return;
	sample.healthy = !sample.error;
	if (s->messages) {
		describe(p, detail, sizeof(detail));
		sample.detail = detail;
	}
	probe_tell(p, &sample);
}

/* ---- the kind ---- */

static int stream_open(struct probe *p)
{
	struct stream *s = calloc(1, sizeof(*s));
	int err = 0;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	if (p->plan->number && p->plan->read == STREAM_LINES)
		err = regcomp(&s->number, p->plan->number, REG_EXTENDED);
	if (err) {
		free(s);
		return err == REG_ESPACE ? -ENOMEM : -EINVAL;
	}
	s->has_number = p->plan->number && p->plan->read == STREAM_LINES;
	p->state = s;
	return 0;
}

static void stream_stop(struct probe *p)
{
	struct stream *s = p->state;

	hang_up(p, NULL);
	s->began = s->last = 0;
	s->messages = s->connections = s->overflowed = 0;
	memset(&s->numbers, 0, sizeof(s->numbers));
}

static void stream_close(struct probe *p)
{
	struct stream *s = p->state;

	hang_up(p, NULL);
	if (s->has_number)
		regfree(&s->number);
	free(s);
}

static void stream_ready(struct probe *p)
{
	struct stream *s = p->state;
	socklen_t len = sizeof(int);
	int error = 0;

	if (s->connecting) {
		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len))
			error = errno;
		connected(p, error);
	}
	take(p);
}

static uint64_t next_call(const struct probe *p)
{
	const struct stream *s = p->state;
	uint64_t gives_up = s->connecting ? s->started + p->plan->timeout_ns : UINT64_MAX;

	return gives_up < p->due ? gives_up : p->due;
}

static uint64_t stream_run(struct probe *p, uint64_t now)
{
	struct stream *s = p->state;

	if (s->connecting && now >= next_call(p))
		probe_look(p, s->fd, POLLOUT); /* the connection may be there, and nobody has looked */
	if (s->connecting && now >= s->started + p->plan->timeout_ns)
		hang_up(p, probe_error(ETIMEDOUT));
	if (now < p->due)
		return next_call(p);
	take(p);
	if (s->began)
		sample(p);
	if (s->fd < 0)
		start(p, now);
	if (p->plan->udp)
		subscribe(p);
	probe_rest(p, now);
	return next_call(p);
}

const struct probe_kind probe_stream = {
	.open = stream_open,
	.close = stream_close,
	.run = stream_run,
	.ready = stream_ready,
	.stop = stream_stop,
};
