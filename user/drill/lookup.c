/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_BYTES                                                                                          \
	(512UL * 1024) /* getaddrinfo() and the modules of nsswitch.conf keep their buffers on it */

/* Of the thread and of whoever asked; the last of the two frees it. */
struct lookup {
	unsigned owners;
	bool done; /* the answer belongs to whoever asked */
	void (*find)(const char *name, struct answer *ret);
	char *name;
	int done_fd;
	struct answer answer;
};

void answer_free(struct answer *answer)
{
	free(answer->addresses);
	*answer = (struct answer){0};
}

static bool read_address(const struct sockaddr *from, struct prefix *ret)
{
	*ret = (struct prefix){.family = from->sa_family};
	if (from->sa_family == AF_INET) {
		ret->len = 32;
		memcpy(ret->addr, &((const struct sockaddr_in *)from)->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		ret->len = 128;
		memcpy(ret->addr, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
	}
	return ret->len;
}

static int compare(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;

	if (x->family != y->family)
		return x->family == AF_INET ? -1 : 1;
	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

static void add_address(struct answer *answer, const struct prefix *address)
{
	for (size_t i = 0; i < answer->n; i++)
		if (!compare(&answer->addresses[i], address))
			return;
	if (answer->n < LOOKUP_ADDRESSES)
		answer->addresses[answer->n++] = *address;
}

static void take_list(const struct addrinfo *list, struct answer *ret)
{
	struct prefix address;

	ret->addresses = calloc(LOOKUP_ADDRESSES, sizeof(*ret->addresses));
	if (!ret->addresses) {
		ret->error = EAI_MEMORY;
		return;
	}
	for (const struct addrinfo *i = list; i; i = i->ai_next)
		if (read_address(i->ai_addr, &address))
			add_address(ret, &address);
	qsort(ret->addresses, ret->n, sizeof(*ret->addresses), compare);
	if (!ret->n)
		ret->error = EAI_NONAME;
}

/* Without AI_ADDRCONFIG, which asks for the addresses of a family only where this host has one of it, too. */
void answer_find(const char *name, struct answer *ret)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	*ret = (struct answer){.error = getaddrinfo(name, NULL, &hints, &list)};
	if (ret->error == EAI_SYSTEM)
		snprintf(ret->words, sizeof(ret->words), "%s", strerror(errno));
	if (!ret->error)
		take_list(list, ret);
	if (ret->error && !ret->words[0])
		snprintf(ret->words, sizeof(ret->words), "%s", gai_strerror(ret->error));
	if (list)
		freeaddrinfo(list);
}

static void leave(struct lookup *lookup)
{
	if (__atomic_sub_fetch(&lookup->owners, 1, __ATOMIC_ACQ_REL))
		return;
	if (lookup->done_fd >= 0)
		close(lookup->done_fd);
	answer_free(&lookup->answer);
	free(lookup->name);
	free(lookup);
}

static void *run(void *arg)
{
	static const uint64_t one = 1;
	struct lookup *lookup = arg;

	lookup->find(lookup->name, &lookup->answer);
	__atomic_store_n(&lookup->done, true, __ATOMIC_RELEASE);
	/* It fails only if the counter is at its limit, and so readable. */
	(void)!write(lookup->done_fd, &one, sizeof(one));
	leave(lookup);
	return NULL;
}

/* Detached, and deaf to the signals that the drill waits for. */
static int start_thread(struct lookup *lookup)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	err = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (!err)
		err = pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	if (!err)
		err = pthread_sigmask(SIG_BLOCK, &all, &before);
	if (!err) {
		err = pthread_create(&thread, &attr, run, lookup);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	return -err;
}

int lookup_start(const char *name, int done_fd, void (*find)(const char *name, struct answer *ret),
		 struct lookup **ret)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	int err;

	if (!lookup)
		return -ENOMEM;
	lookup->owners = 2;
	lookup->find = find;
	lookup->name = strdup(name);
	lookup->done_fd = fcntl(done_fd, F_DUPFD_CLOEXEC, 0);
	err = !lookup->name ? -ENOMEM : lookup->done_fd < 0 ? -errno : start_thread(lookup);
	if (err) {
		lookup->owners = 1;
		leave(lookup);
		return err;
	}
	*ret = lookup;
	return 0;
}

bool lookup_take(struct lookup *lookup, struct answer *ret)
{
	if (!__atomic_load_n(&lookup->done, __ATOMIC_ACQUIRE))
		return false;
	*ret = lookup->answer;
	lookup->answer = (struct answer){0};
	leave(lookup);
	return true;
}

void lookup_drop(struct lookup *lookup)
{
	if (lookup)
		leave(lookup);
}
