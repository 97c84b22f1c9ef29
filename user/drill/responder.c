/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/responder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drill/credentials.h"
#include "drill/libmicrohttpd.h"

#define FAMILIES 2
#define IDLE_S 75U /* that a connection is kept alive without a request, as nginx does */
#define WAITING 4096

struct connection {
	struct connection *next, **prev;
	int fd;
};

struct side {
	struct MHD_Daemon *daemon;
	uint16_t port;
};

struct responder {
	struct responder_gate gate;
	unsigned status;
	struct MHD_Response *response;
	struct credentials credentials;
	struct side sides[FAMILIES]; /* IPv4, IPv6 */
	pthread_mutex_t lock;        /* of the list */
	struct connection *connections;
	char log[160]; /* the last complaint of a daemon that starts */
	bool started;
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

static void on_log(void *arg, const char *format, va_list args)
{
	struct responder *r = arg;

	if (r->started) /* what clients do wrong is theirs */
		return;
	vsnprintf(r->log, sizeof(r->log), format, args);
	r->log[strcspn(r->log, "\n")] = 0;
}

/* Called at a request's head, for each part of its body, and at its end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload, size_t *size,
				  void **context)
{
	static char begun;
	struct responder *r = arg;

	(void)url, (void)method, (void)version, (void)upload;
	if (!r->gate.is_open(r->gate.arg))
		return MHD_NO;
	if (!*context) {
		*context = &begun;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	r->gate.answered(r->gate.arg);
	return mhd.queue_response(connection, r->status, r->response);
}

/* Under the lock: a connection that comes while the others are dropped finds the gate closed, or is dropped, too. */
static void add(struct responder *r, struct connection *c)
{
	pthread_mutex_lock(&r->lock);
	c->next = r->connections;
	c->prev = &r->connections;
	if (c->next)
		c->next->prev = &c->next;
	r->connections = c;
	if (!r->gate.is_open(r->gate.arg))
		shutdown(c->fd, SHUT_RDWR);
	pthread_mutex_unlock(&r->lock);
}

static void take_out(struct responder *r, struct connection *c)
{
	pthread_mutex_lock(&r->lock);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&r->lock);
	free(c);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c)
			take_out(arg, c);
		return;
	}
	c = calloc(1, sizeof(*c));
	*context = c;
	if (c) {
		c->fd = info->connect_fd;
		add(arg, c);
	} else {
		shutdown(info->connect_fd, SHUT_RDWR); /* nobody could close it in time */
	}
}

static int make_response(struct responder *r, const struct plan_answer *answer, char *reason, size_t size)
{
	const char *body = answer->body ?: "";

	r->status = answer->status;
	r->response = mhd.create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
	if (!r->response)
		return fail(reason, size, -ENOMEM, "out of memory");
	for (size_t i = 0; i < answer->n_headers; i++)
		if (mhd.add_response_header(r->response, answer->headers[i].name, answer->headers[i].value) !=
		    MHD_YES)
			return fail(
				reason, size, -EINVAL,
				"an answer can't have the header '%s: %s'; its length, the way that it is "
				"sent, and what holds a control character are not to be chosen",
				answer->headers[i].name, answer->headers[i].value);
	return 0;
}

/* 127.0.0.1 can be bound to while the loopback interface is down, but has no route. */
static int find_route(int family, const void *address, socklen_t len)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = connect(fd, address, len) ? -EADDRNOTAVAIL : 0;
	close(fd);
	return err;
}

/* At a port that is free, on the loopback alone. */
static int listen_at(int family, uint16_t *ret_port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	void *address = family == AF_INET ? (void *)&v4 : (void *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	err = bind(fd, address, len) || listen(fd, WAITING) || getsockname(fd, address, &len)
		      ? -errno
		      : find_route(family, address, len);
	if (err) {
		close(fd);
		return err;
	}
	*ret_port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return fd;
}

static struct MHD_Daemon *start_daemon(struct responder *r, int fd)
{
	bool tls = r->credentials.certificate;
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, r},
		{MHD_OPTION_LISTEN_SOCKET, fd, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, RESPONDER_CONNECTIONS, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, r},
		{tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, r->credentials.certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, r->credentials.key},
		{MHD_OPTION_END, 0, NULL},
	};

	return mhd.start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG |
					(tls ? MHD_USE_TLS : 0),
				0, NULL, NULL, on_request, r, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static int open_side(struct responder *r, int family, bool may_lack, char *reason, size_t size)
{
	struct side *side = &r->sides[family == AF_INET6];
	const char *address = family == AF_INET ? "127.0.0.1" : "::1";
	int fd = listen_at(family, &side->port);

	if (may_lack && (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT))
		return 0;
	if (fd == -EADDRNOTAVAIL)
		return fail(
			reason, size, fd,
			"the responder can't listen on %s: there is no such address here; is the loopback "
			"interface up?",
			address);
	if (fd < 0)
		return fail(reason, size, fd, "the responder can't listen on %s: %s", address, strerror(-fd));
	side->daemon = start_daemon(r, fd);
	if (side->daemon)
		return 0;
	close(fd);
	return fail(reason, size, -EIO, "the responder can't be started: %s",
		    r->log[0] ? r->log : "libmicrohttpd doesn't say why");
}

int responder_open(const struct plan_answer *answer, unsigned families, unsigned may_lack,
		   const struct responder_gate *gate, struct responder **ret, char *ret_reason, size_t size)
{
	struct responder *r;
	int err = libmicrohttpd_load();

	if (err)
		return fail(ret_reason, size, err,
			    "the responder needs libmicrohttpd, which can't be loaded");
	r = calloc(1, sizeof(*r));
	if (!r)
		return fail(ret_reason, size, -ENOMEM, "out of memory");
	pthread_mutex_init(&r->lock, NULL);
	r->gate = *gate;
	err = make_response(r, answer, ret_reason, size);
	if (!err && answer->certificate)
		err = credentials_read(answer->certificate, answer->key ?: answer->certificate,
				       &r->credentials, ret_reason, size);
	if (!err && families & RESPONDER_V4)
		err = open_side(r, AF_INET, may_lack & RESPONDER_V4, ret_reason, size);
	if (!err && families & RESPONDER_V6)
		err = open_side(r, AF_INET6, may_lack & RESPONDER_V6, ret_reason, size);
	if (err) {
		responder_close(r);
		return err;
	}
	r->started = true;
	*ret = r;
	return 0;
}

uint16_t responder_port(const struct responder *responder, int family)
{
	const struct side *side = &responder->sides[family == AF_INET6];

	return side->daemon ? side->port : 0;
}

void responder_drop(struct responder *responder, bool at_once)
{
	pthread_mutex_lock(&responder->lock);
	for (struct connection *c = responder->connections; c; c = c->next)
		shutdown(c->fd, at_once ? SHUT_RDWR : SHUT_RD);
	pthread_mutex_unlock(&responder->lock);
}

bool responder_is_idle(struct responder *responder)
{
	bool idle;

	pthread_mutex_lock(&responder->lock);
	idle = !responder->connections;
	pthread_mutex_unlock(&responder->lock);
	return idle;
}

void responder_close(struct responder *responder)
{
	if (!responder)
		return;
	for (int i = 0; i < FAMILIES; i++)
		if (responder->sides[i].daemon)
			mhd.stop_daemon(responder->sides[i].daemon);
	if (responder->response)
		mhd.destroy_response(responder->response);
	credentials_free(&responder->credentials);
	pthread_mutex_destroy(&responder->lock);
	free(responder);
}
