/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/hosts.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/timeutil.h"

struct barred {
	struct prefix address;
	char why[160];
};

/* A name of a target. */
struct host {
	struct plan_target *target;
	const char *name;
	struct lookup *lookup; /* under way; NULL: none */
	uint64_t asked_ns, answered_ns;
	struct answer last;     /* with addresses; n is 0 before the first */
	struct prefix *matched; /* addresses that the target has from this name; they stay */
	size_t n_matched, n_first;
	struct barred *barred; /* of the last answer, what the target must not have */
	size_t n_barred;
	int error; /* of the last lookup */
	char words[sizeof(((struct answer *)0)->words)];
};

struct hosts {
	const struct plan *plan;
	struct host *items;
	size_t n;
	void (*find)(const char *name, struct answer *ret);
	int fd;
	uint64_t zero;    /* 0: not set */
	uint64_t opening; /* the next of any window */
};

static size_t count(const struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_targets; i++)
		n += plan->targets[i].n_hosts;
	return n;
}

static bool same(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && a->len == b->len && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool has(const struct prefix *list, size_t n, const struct prefix *address)
{
	for (size_t i = 0; i < n; i++)
		if (same(&list[i], address))
			return true;
	return false;
}

static int append(struct prefix **list, size_t *n, const struct prefix *address)
{
	struct prefix *more = reallocarray(*list, *n + 1, sizeof(**list));

	if (!more)
		return -ENOMEM;
	*list = more;
	more[(*n)++] = *address;
	return 0;
}

/* The address joins the target. */
static int join(struct host *h, const struct prefix *address)
{
	struct plan_target *t = h->target;
	int err = append(&h->matched, &h->n_matched, address);

	if (!err && !has(t->remotes, t->n_remotes, address))
		err = append(&t->remotes, &t->n_remotes, address);
	return err;
}

static int ask(struct hosts *hosts, struct host *h, uint64_t now)
{
	h->asked_ns = now;
	return lookup_start(h->name, hosts->fd, hosts->find, &h->lookup);
}

static int ask_all(struct hosts *hosts, uint64_t now)
{
	int err = 0;

	for (size_t i = 0; !err && i < hosts->n; i++)
		err = ask(hosts, &hosts->items[i], now);
	return err;
}

static bool is_spare(const struct hosts *hosts, const struct host *h)
{
	return plan_target_is_spare(hosts->plan, h->target - hosts->plan->targets);
}

/* The first answer of a name. */
static int begin(const struct hosts *hosts, struct host *h, struct answer *answer, char *ret_reason,
		 size_t size)
{
	if (answer->error && is_spare(hosts, h)) {
		h->error = answer->error;
		memcpy(h->words, answer->words, sizeof(h->words));
		answer_free(answer);
		return 0;
	}
	if (answer->error) {
		snprintf(ret_reason, size, "the host %s of the target %s has no address: %s", h->name,
			 h->target->name, answer->words);
		answer_free(answer);
		return -ENOENT;
	}
	h->last = *answer;
	return 0;
}

/* In the order of the names, whoever was answered first. */
static int join_first(struct hosts *hosts)
{
	int err = 0;

	for (size_t i = 0; !err && i < hosts->n; i++) {
		struct host *h = &hosts->items[i];

		for (size_t k = 0; !err && k < h->last.n; k++)
			err = join(h, &h->last.addresses[k]);
		h->n_first = h->n_matched;
	}
	return err;
}

static int take_first(struct hosts *hosts, uint64_t now, char *ret_reason, size_t size)
{
	struct answer answer;
	int err = 0;

	for (size_t i = 0; !err && i < hosts->n; i++) {
		struct host *h = &hosts->items[i];

		if (!h->lookup || !lookup_take(h->lookup, &answer))
			continue;
		h->lookup = NULL;
		h->answered_ns = now;
		err = begin(hosts, h, &answer, ret_reason, size);
	}
	return err;
}

static const struct host *unanswered(const struct hosts *hosts, bool needed)
{
	for (size_t i = 0; i < hosts->n; i++)
		if (hosts->items[i].lookup && !(needed && is_spare(hosts, &hosts->items[i])))
			return &hosts->items[i];
	return NULL;
}

/* Those that can be done without; an answer that comes later is one all the same. */
static void give_up(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++) {
		struct host *h = &hosts->items[i];

		if (!h->lookup)
			continue;
		h->error = EAI_AGAIN;
		snprintf(h->words, sizeof(h->words), "no resolver has answered within %u s",
			 (unsigned)(HOSTS_PATIENCE_NS / NS_PER_S));
	}
}

static void drain(const struct hosts *hosts)
{
	uint64_t answers;

	(void)!read(hosts->fd, &answers, sizeof(answers));
}

static int await(struct hosts *hosts, int cancel_fd, char *ret_reason, size_t size)
{
	uint64_t until = clock_mono_ns() + HOSTS_PATIENCE_NS, now;
	const struct host *h;
	int err = 0;

	while (!err && unanswered(hosts, false)) {
		struct pollfd fds[] = {{.fd = hosts->fd, .events = POLLIN},
				       {.fd = cancel_fd, .events = POLLIN}};

		now = clock_mono_ns();
		if (now >= until) {
			h = unanswered(hosts, true);
			if (!h) {
				give_up(hosts);
				return 0;
			}
			snprintf(ret_reason, size,
				 "the host %s of the target %s: no resolver has answered within %u s",
				 h->name, h->target->name, (unsigned)(HOSTS_PATIENCE_NS / NS_PER_S));
			return -ETIMEDOUT;
		}
		if (poll(fds, 2, (until - now) / NS_PER_MS + 1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			return -ECANCELED;
		drain(hosts);
		err = take_first(hosts, clock_mono_ns(), ret_reason, size);
	}
	return err;
}

int hosts_open(struct plan *plan, void (*find)(const char *name, struct answer *ret), int cancel_fd,
	       struct hosts **ret, char *ret_reason, size_t size)
{
	struct hosts *hosts;
	int err = -ENOMEM;

	*ret = NULL;
	if (!plan_has_hosts(plan))
		return 0;
	hosts = calloc(1, sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	hosts->plan = plan;
	hosts->find = find;
	hosts->opening = UINT64_MAX;
	hosts->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hosts->items = calloc(count(plan), sizeof(*hosts->items));
	if (hosts->fd < 0 || !hosts->items) {
		err = hosts->fd < 0 ? -errno : -ENOMEM;
		goto fail;
	}
	for (size_t i = 0; i < plan->n_targets; i++)
		for (size_t k = 0; k < plan->targets[i].n_hosts; k++)
			hosts->items[hosts->n++] =
				(struct host){.target = &plan->targets[i], .name = plan->targets[i].hosts[k]};
	err = ask_all(hosts, clock_mono_ns());
	if (!err)
		err = await(hosts, cancel_fd, ret_reason, size);
	if (!err)
		err = join_first(hosts);
	if (err)
		goto fail;
	*ret = hosts;
	return 0;
fail:
	hosts_close(hosts);
	return err;
}

void hosts_close(struct hosts *hosts)
{
	if (!hosts)
		return;
	for (size_t i = 0; i < hosts->n; i++) {
		lookup_drop(hosts->items[i].lookup);
		answer_free(&hosts->items[i].last);
		free(hosts->items[i].matched);
		free(hosts->items[i].barred);
	}
	free(hosts->items);
	if (hosts->fd >= 0)
		close(hosts->fd);
	free(hosts);
}

static int copy_prefixes(const struct prefix *from, size_t n, struct prefix **ret_to)
{
	*ret_to = n ? calloc(n, sizeof(**ret_to)) : NULL;
	if (n && !*ret_to)
		return -ENOMEM;
	if (n)
		memcpy(*ret_to, from, n * sizeof(**ret_to));
	return 0;
}

/* Only what the start knows is there: no lookup under way, nothing barred. */
static int share(const struct host *from, struct plan_target *to, struct host *ret)
{
	int err;

	*ret = *from;
	ret->target = to;
	ret->lookup = NULL;
	ret->matched = NULL;
	err = copy_prefixes(from->last.addresses, from->last.n, &ret->last.addresses);
	return err ?: copy_prefixes(from->matched, from->n_matched, &ret->matched);
}

int hosts_share(struct hosts *hosts, const struct plan_target *from, struct plan_target *to)
{
	size_t n = hosts ? hosts->n : 0;
	struct host *more;
	int err = 0;

	if (!n || !from->n_hosts)
		return 0;
	more = reallocarray(hosts->items, n + from->n_hosts, sizeof(*more));
	if (!more)
		return -ENOMEM;
	hosts->items = more;
	for (size_t i = 0; !err && i < n; i++)
		if (more[i].target == from)
			err = share(&more[i], to, &more[hosts->n++]);
	return err;
}

int hosts_fd(const struct hosts *hosts)
{
	return hosts ? hosts->fd : -1;
}

/* Addresses of a list that are not in another. */
static void tell_difference(struct json *data, const char *key, const struct prefix *list, size_t n,
			    const struct prefix *without, size_t n_without)
{
	char text[64];

	json_array(data, key);
	for (size_t i = 0; i < n; i++) {
		if (has(without, n_without, &list[i]))
			continue;
		format_prefix(&list[i], text, sizeof(text));
		text[strcspn(text, "/")] = '\0';
		json_string(data, NULL, text);
	}
	json_end_array(data);
}

static void tell_barred(struct json *data, const struct host *h)
{
	char text[64];

	json_array(data, "left_out");
	for (size_t i = 0; i < h->n_barred; i++) {
		format_prefix(&h->barred[i].address, text, sizeof(text));
		text[strcspn(text, "/")] = '\0';
		json_object(data, NULL);
		json_string(data, "address", text);
		json_string(data, "reason", h->barred[i].why);
		json_end_object(data);
	}
	json_end_array(data);
}

/* before: the answer before; the target had n_matched addresses of this name then. */
static void tell(const struct host *h, struct journal *journal, const struct answer *before, size_t n_matched)
{
	struct journal_where at = {.target = h->target->name};
	struct json *data = journal_data(journal);

	json_string(data, "host", h->name);
	tell_difference(data, "addresses", h->last.addresses, h->last.n, NULL, 0);
	tell_difference(data, "added", h->matched + n_matched, h->n_matched - n_matched, NULL, 0);
	tell_difference(data, "gone", before->addresses, before->n, h->last.addresses, h->last.n);
	tell_difference(data, "kept", h->matched, h->n_matched, h->last.addresses, h->last.n);
	tell_barred(data, h);
	json_string(data, "error", h->error ? h->words : NULL);
	journal_write(journal, clock_mono_ns(), "target.resolved", &at);
}

void hosts_tell(const struct hosts *hosts, struct journal *journal)
{
	static const struct answer none;

	for (size_t i = 0; hosts && i < hosts->n; i++)
		tell(&hosts->items[i], journal, &none, 0);
}

/* The first opening of a fault's window after a time. */
static uint64_t next_opening(const struct hosts *hosts, uint64_t after)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < hosts->plan->n_steps; i++) {
		const struct plan_window *w = &hosts->plan->steps[i].window;
		uint64_t first = hosts->zero + w->at_ns, k = 0, opens;

		if (hosts->plan->steps[i].kind != STEP_FAULT)
			continue;
		if (after >= first)
			k = w->every_ns ? (after - first) / w->every_ns + 1 : w->times;
		if (k >= w->times)
			continue;
		opens = first + k * w->every_ns;
		next = opens < next ? opens : next;
	}
	return next;
}

void hosts_set_zero(struct hosts *hosts, uint64_t zero_ns)
{
	if (!hosts)
		return;
	hosts->zero = zero_ns;
	hosts->opening = next_opening(hosts, zero_ns - 1);
}

static bool same_answer(const struct answer *a, const struct answer *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same(&a->addresses[i], &b->addresses[i]))
			return false;
	return true;
}

static bool same_barred(const struct host *h, const struct barred *before, size_t n)
{
	if (h->n_barred != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same(&h->barred[i].address, &before[i].address) ||
		    strcmp(h->barred[i].why, before[i].why))
			return false;
	return true;
}

static int bar(struct host *h, const struct prefix *address, const char *why)
{
	struct barred *more = reallocarray(h->barred, h->n_barred + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	h->barred = more;
	more[h->n_barred].address = *address;
	snprintf(more[h->n_barred++].why, sizeof(more->why), "%s", why);
	return 0;
}

static int admit(struct host *h, const struct hosts_gate *gate, const struct prefix *address)
{
	char text[sizeof(h->barred->why)];
	const char *why;

	if (has(h->matched, h->n_matched, address))
		return 0;
	if (h->n_matched - h->n_first >= HOSTS_MORE)
		why = "the name has had so many addresses that there is no room for more";
	else
		why = gate->bar(gate->arg, h->target, address, text, sizeof(text));
	return why ? bar(h, address, why) : join(h, address);
}

static int on_addresses(struct host *h, const struct hosts_gate *gate, struct journal *journal,
			const struct answer *answer)
{
	struct barred *barred = h->barred;
	struct answer before = h->last;
	size_t n_barred = h->n_barred, n_matched = h->n_matched;
	bool failed = h->error;
	int err = 0;

	h->last = *answer;
	h->error = 0;
	h->barred = NULL;
	h->n_barred = 0;
	for (size_t i = 0; !err && i < answer->n; i++)
		err = admit(h, gate, &answer->addresses[i]);
	if (!err && h->n_matched > n_matched)
		err = gate->grown(gate->arg);
	if (!err && (failed || !same_answer(&h->last, &before) || !same_barred(h, barred, n_barred)))
		tell(h, journal, &before, n_matched);
	answer_free(&before);
	free(barred);
	return err;
}

static int on_answer(struct host *h, const struct hosts_gate *gate, struct journal *journal,
		     struct answer *answer)
{
	bool told = h->error == answer->error;

	if (!answer->error)
		return on_addresses(h, gate, journal, answer);
	h->error = answer->error;
	memcpy(h->words, answer->words, sizeof(h->words));
	answer_free(answer);
	if (!told)
		tell(h, journal, &h->last, h->n_matched);
	return 0;
}

static uint64_t due(const struct hosts *hosts, const struct host *h)
{
	uint64_t regular = h->asked_ns + HOSTS_EVERY_NS;

	if (h->lookup)
		return UINT64_MAX;
	if (hosts->opening < regular && hosts->opening > h->answered_ns + HOSTS_FRESH_NS)
		return hosts->opening;
	return regular;
}

/* A question that can't be asked is one that fails. */
static int ask_again(struct hosts *hosts, struct host *h, const struct hosts_gate *gate,
		     struct journal *journal, uint64_t now)
{
	struct answer answer = {.error = EAI_SYSTEM};
	int err = ask(hosts, h, now);

	if (!err)
		return 0;
	snprintf(answer.words, sizeof(answer.words), "%s", strerror(-err));
	return on_answer(h, gate, journal, &answer);
}

int hosts_run(struct hosts *hosts, const struct hosts_gate *gate, struct journal *journal, uint64_t now,
	      uint64_t *ret_next)
{
	struct answer answer;
	int err = 0;

	*ret_next = UINT64_MAX;
	if (!hosts)
		return 0;
	drain(hosts);
	for (size_t i = 0; !err && i < hosts->n; i++) {
		struct host *h = &hosts->items[i];

		if (h->lookup && lookup_take(h->lookup, &answer)) {
			h->lookup = NULL;
			h->answered_ns = now;
			err = on_answer(h, gate, journal, &answer);
		}
		if (!err && now >= due(hosts, h))
			err = ask_again(hosts, h, gate, journal, now);
	}
	if (now >= hosts->opening)
		hosts->opening = next_opening(hosts, now);
	for (size_t i = 0; i < hosts->n; i++) {
		uint64_t next = due(hosts, &hosts->items[i]);

		*ret_next = next < *ret_next ? next : *ret_next;
	}
	return err;
}
