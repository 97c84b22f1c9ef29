/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/timeutil.h"
#include "drill/fetch_error.h"
#include "drill/libcurl.h"
#include "drill/lookup.h"
#include "drill/probe.h"

#define MOST_EVENTS 8

struct fetch {
	const struct plan_probe *probe;
	fetch_done *done;
	void *arg;
	bool has_curl; /* curl_global_init() was called */
	CURLM *multi;
	CURLU *url;
	char *host, *port; /* of a name that is to be looked up; NULL: the URL has an address */
	struct curl_slist *headers;
	int epoll_fd, lookup_fd;
	struct lookup *lookup; /* of this request, or of one that did not wait for it */
	bool busy;
	CURL *easy;                 /* NULL: no transfer is under way */
	struct curl_slist *resolve; /* of the transfer */
	uint64_t started;
	uint64_t wake; /* when libcurl wants to be called; UINT64_MAX: never */
	struct buf body;
	bool cut; /* the body is longer */
	char words[CURL_ERROR_SIZE];
};

/* ---- one request ---- */

static void end_transfer(struct fetch *f)
{
	if (f->easy) {
		curl.multi_remove_handle(f->multi, f->easy);
		curl.easy_cleanup(f->easy);
	}
	f->easy = NULL;
	curl.slist_free_all(f->resolve);
	f->resolve = NULL;
}

static void finish(struct fetch *f, struct fetch_answer *answer)
{
	end_transfer(f);
	f->busy = false;
	answer->ended_ns = clock_mono_ns();
	answer->latency_ns = answer->ended_ns - f->started;
	f->done(f->arg, answer);
}

static void fail(struct fetch *f, const char *error)
{
	struct fetch_answer answer = {.error = error};

	finish(f, &answer);
}

static void finish_transfer(struct fetch *f, CURLcode code)
{
	struct fetch_answer answer = {0};
	long status = 0, error = 0;

	if (code == CURLE_WRITE_ERROR && f->cut)
		code = CURLE_OK;
	curl.easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	curl.easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_OK && !f->body.failed) {
		answer.status = status;
		answer.body = f->body.data ?: "";
		answer.len = f->body.len;
	} else {
		answer.error = f->body.failed ? probe_error(ENOMEM) : fetch_error(code, error);
		answer.words = f->words[0] ? f->words : NULL;
	}
	finish(f, &answer);
}

/* Transfers that are over: at most one. */
static void collect(struct fetch *f)
{
	CURLMsg *message;
	int left;

	while ((message = curl.multi_info_read(f->multi, &left))) {
		if (message->msg != CURLMSG_DONE || message->easy_handle != f->easy)
			continue;
		finish_transfer(f, message->data.result);
		return;
	}
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	size_t len = size * n, room = FETCH_BODY - f->body.len;

	f->cut = len > room;
	buf_add(&f->body, data, f->cut ? room : len);
	return f->cut || f->body.failed ? 0 : len;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)arg, (void)purpose;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static bool set_all(struct fetch *f, CURL *e)
{
	const struct plan_probe *p = f->probe;
	long verify = !p->insecure;
	CURLcode err = 0;

	err |= curl.easy_setopt(e, CURLOPT_CURLU, f->url);
	err |= curl.easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	err |= curl.easy_setopt(e, CURLOPT_USERAGENT, "shearpin/" SHEARPIN_VERSION);
	err |= curl.easy_setopt(e, CURLOPT_HTTPHEADER, f->headers);
	err |= curl.easy_setopt(e, CURLOPT_RESOLVE, f->resolve);
	err |= curl.easy_setopt(e, CURLOPT_PROXY, "");
	err |= curl.easy_setopt(e, CURLOPT_NOPROXY, "*");
	err |= curl.easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	err |= curl.easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	err |= curl.easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	err |= curl.easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify);
	err |= curl.easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2 * verify);
	/* With a file alone libcurl keeps what it has read of it (CURLOPT_CA_CACHE_TIMEOUT(3)). */
	err |= curl.easy_setopt(e, CURLOPT_CAPATH, NULL);
	if (p->ca)
		err |= curl.easy_setopt(e, CURLOPT_CAINFO, p->ca);
	err |= curl.easy_setopt(e, CURLOPT_ERRORBUFFER, f->words);
	err |= curl.easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	err |= curl.easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	err |= curl.easy_setopt(e, CURLOPT_WRITEDATA, f);
	return !err;
}

static void start_transfer(struct fetch *f)
{
	CURL *easy = curl.easy_init();

	buf_clear(&f->body);
	f->cut = false;
	f->words[0] = '\0';
	if (easy && set_all(f, easy) && curl.multi_add_handle(f->multi, easy) == CURLM_OK) {
		f->easy = easy;
		return;
	}
	curl.easy_cleanup(easy);
	fail(f, probe_error(ENOMEM));
}

/* ---- names ---- */

/* "host:port:address,address" (CURLOPT_RESOLVE(3)) */
static void resolve(struct fetch *f, const struct answer *answer)
{
	char address[INET6_ADDRSTRLEN];
	struct buf line = {0};

	buf_printf(&line, "%s:%s:", f->host, f->port);
	for (size_t i = 0; i < answer->n; i++) {
		const struct prefix *p = &answer->addresses[i];

		inet_ntop(p->family, p->addr, address, sizeof(address));
		buf_printf(&line, p->family == AF_INET6 ? "%s[%s]" : "%s%s", i ? "," : "", address);
	}
	f->resolve = line.failed ? NULL : curl.slist_append(NULL, line.data);
	buf_free(&line);
}

static void take_lookup(struct fetch *f)
{
	struct answer answer;
	uint64_t count;

	(void)!read(f->lookup_fd, &count, sizeof(count));
	if (!f->lookup || !lookup_take(f->lookup, &answer))
		return;
	f->lookup = NULL;
	if (f->busy && !f->easy) {
		if (!answer.error)
			resolve(f, &answer);
		if (answer.error)
			fail(f, answer.words[0] ? answer.words : "no address");
		else if (f->resolve)
			start_transfer(f);
		else
			fail(f, probe_error(ENOMEM));
	}
	answer_free(&answer);
}

static void start_lookup(struct fetch *f)
{
	int err = f->lookup ? 0 : lookup_start(f->host, f->lookup_fd, answer_find, &f->lookup);

	if (err)
		fail(f, probe_error(-err));
}

/* ---- for the caller ---- */

void fetch_start(struct fetch *f)
{
	fetch_stop(f);
	f->busy = true;
	f->started = clock_mono_ns();
	if (f->host)
		start_lookup(f);
	else
		start_transfer(f);
}

void fetch_stop(struct fetch *f)
{
	end_transfer(f);
	f->busy = false;
}

bool fetch_is_busy(const struct fetch *f)
{
	return f->busy;
}

int fetch_fd(const struct fetch *f)
{
	return f->epoll_fd;
}

uint64_t fetch_run(struct fetch *f, uint64_t now)
{
	uint64_t deadline;
	int running;

	if (now >= f->wake) {
		f->wake = UINT64_MAX;
		curl.multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		collect(f);
	}
	if (!f->busy)
		return f->wake;
	deadline = f->started + f->probe->timeout_ns;
	if (now >= deadline) {
		fetch_ready(f); /* the answer may be there, and nobody has looked */
		if (f->busy)
			fail(f, probe_error(ETIMEDOUT));
		return f->wake;
	}
	return f->wake < deadline ? f->wake : deadline;
}

void fetch_ready(struct fetch *f)
{
	struct epoll_event events[MOST_EVENTS];
	int n = epoll_wait(f->epoll_fd, events, MOST_EVENTS, 0), running, bits;

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == f->lookup_fd) {
			take_lookup(f);
			continue;
		}
		bits = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		       (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		curl.multi_socket_action(f->multi, events[i].data.fd, bits, &running);
	}
	collect(f);
}

/* ---- the client ---- */

static int on_socket(CURL *easy, curl_socket_t s, int what, void *arg, void *known)
{
	struct fetch *f = arg;
	struct epoll_event event = {.events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
					      (what & CURL_POLL_OUT ? EPOLLOUT : 0),
				    .data.fd = s};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(f->epoll_fd, EPOLL_CTL_DEL, s, NULL);
		return 0;
	}
	curl.multi_assign(f->multi, s, f);
	return epoll_ctl(f->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s, &event) ? -1 : 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetch *f = arg;

	(void)multi;
	f->wake = timeout_ms < 0 ? UINT64_MAX : clock_mono_ns() + timeout_ms * NS_PER_MS;
	return 0;
}

static int open_multi(struct fetch *f)
{
	CURLMcode err = 0;

	f->multi = curl.multi_init();
	if (!f->multi)
		return -ENOMEM;
	err |= curl.multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	err |= curl.multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	err |= curl.multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	err |= curl.multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	return err ? -EINVAL : 0;
}

/* Prometheus' HTTP API, "Instant queries": /api/v1/query below the server's URL. */
static CURLUcode ask(CURLU *url, const char *query)
{
	struct buf path = {0}, pair = {0};
	char *before = NULL;
	size_t len;
	CURLUcode err = curl.url_get(url, CURLUPART_PATH, &before, 0);

	if (err)
		return err;
	len = strlen(before);
	while (len && before[len - 1] == '/')
		len--;
	buf_add(&path, before, len);
	buf_puts(&path, "/api/v1/query");
	buf_printf(&pair, "query=%s", query);
	err = path.failed || pair.failed ? CURLUE_OUT_OF_MEMORY
					 : curl.url_set(url, CURLUPART_PATH, path.data, 0);
	if (!err)
		err = curl.url_set(url, CURLUPART_QUERY, pair.data, CURLU_URLENCODE | CURLU_APPENDQUERY);
	curl.free(before);
	buf_free(&path);
	buf_free(&pair);
	return err;
}

static bool is_address(const char *host)
{
	struct in_addr v4;

	return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

static int read_url(struct fetch *f, const char *query)
{
	CURLUcode err;

	f->url = curl.url();
	if (!f->url)
		return -ENOMEM;
	err = curl.url_set(f->url, CURLUPART_URL, f->probe->url, CURLU_NON_SUPPORT_SCHEME);
	if (!err && query)
		err = ask(f->url, query);
	if (!err)
		err = curl.url_get(f->url, CURLUPART_HOST, &f->host, 0);
	if (!err)
		err = curl.url_get(f->url, CURLUPART_PORT, &f->port, CURLU_DEFAULT_PORT);
	if (err)
		return err == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	if (is_address(f->host)) {
		curl.free(f->host);
		f->host = NULL;
	}
	return 0;
}

/* "Name;" sends a header without a value (CURLOPT_HTTPHEADER(3)). */
static int add_header(struct fetch *f, const struct plan_header *h)
{
	struct buf line = {0};
	struct curl_slist *list;

	buf_printf(&line, *h->value ? "%s: %s" : "%s;%s", h->name, h->value);
	list = line.failed ? NULL : curl.slist_append(f->headers, line.data);
	buf_free(&line);
	if (!list)
		return -ENOMEM;
	f->headers = list;
	return 0;
}

static int read_headers(struct fetch *f)
{
	int err = 0;

	for (size_t i = 0; !err && i < f->probe->n_headers; i++)
		err = add_header(f, &f->probe->headers[i]);
	return err;
}

static int open_epoll(struct fetch *f)
{
	struct epoll_event event = {.events = EPOLLIN};

	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	f->lookup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = f->lookup_fd;
	if (f->epoll_fd < 0 || f->lookup_fd < 0 ||
	    epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, f->lookup_fd, &event))
		return -errno;
	return 0;
}

int fetch_open(const struct plan_probe *probe, const char *query, fetch_done *done, void *arg,
	       struct fetch **ret)
{
	struct fetch *f;
	int err = libcurl_load();

	if (err)
		return err;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	*f = (struct fetch){.probe = probe,
			    .done = done,
			    .arg = arg,
			    .epoll_fd = -1,
			    .lookup_fd = -1,
			    .wake = UINT64_MAX};
	f->has_curl = !curl.global_init(CURL_GLOBAL_DEFAULT);
	err = f->has_curl ? open_epoll(f) : -ENOMEM;
	if (!err)
		err = read_url(f, query);
	if (!err)
		err = read_headers(f);
	if (!err)
		err = open_multi(f);
	if (err)
		fetch_close(f);
	else
		*ret = f;
	return err;
}

void fetch_close(struct fetch *f)
{
	if (!f)
		return;
	end_transfer(f);
	curl.multi_cleanup(f->multi);
	curl.slist_free_all(f->headers);
	curl.free(f->host);
	curl.free(f->port);
	curl.url_cleanup(f->url);
	lookup_drop(f->lookup);
	buf_free(&f->body);
	if (f->lookup_fd >= 0)
		close(f->lookup_fd);
	if (f->epoll_fd >= 0)
		close(f->epoll_fd);
	if (f->has_curl)
		curl.global_cleanup();
	free(f);
}
