/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/probes.h"
#include "drill/reach.h"
#include "kernel/facts.h"

#define CANCELLED UINT64_MAX /* what epoll says of cancel_fd; probes have their index */

struct making {
	const struct plan *plan;
	const struct plan_check *check;
	const char *out;
	bool allow_exec;
	int cancel_fd;
	struct findings *findings;
};

#define PASS(m, name, ...) findings_add((m)->findings, FINDING_PASS, name, NULL, __VA_ARGS__)
/* `remedy` stands where the scenario has no hint. */
#define FAIL(m, name, remedy, ...)                                                                           \
	findings_add((m)->findings, (m)->check->warn ? FINDING_WARN : FINDING_FAIL, name,                    \
		     (m)->check->hint ?: (remedy), __VA_ARGS__)

static int check_reachable(const struct making *m)
{
	const struct plan_check *c = m->check;
	struct reach items[PLAN_MAX_REACH];
	char name[64], words[64];
	size_t n = 1;
	int err = 0;

	if (c->target >= 0)
		n = reach_target(&m->plan->targets[c->target], items);
	else
		err = reach_address(c->host, c->port, &items[0]);
	if (!err)
		err = reach_try(items, n, c->timeout_ns, false, m->cancel_fd);
	if (err)
		return err;
	if (!n && !m->plan->targets[c->target].n_any_of) /* of those it is told that none is reached */
		FAIL(m, "reachable", "name a target with a single address and a port",
		     "the target %s has no single address with a port", m->plan->targets[c->target].name);
	for (size_t i = 0; i < n; i++) {
		reach_name(&items[i], name, sizeof(name));
		reach_words(&items[i], words, sizeof(words));
		if (items[i].error)
			FAIL(m, "reachable", "start the service, or correct the address", "%s: %s (%s)", name,
			     words, reach_cause(&items[i]));
		else
			PASS(m, "reachable", "%s %s", name, words);
	}
	return 0;
}

static void check_env(const struct making *m)
{
	const char *name = m->check->name, *value = getenv(name);

	if (value && *value)
		PASS(m, "environment", "%s is set", name);
	else
		FAIL(m, "environment", "set it before the run, and let sudo keep it (sudo --preserve-env)",
		     "%s is %s", name, value ? "empty" : "not set");
}

static int check_clock(const struct making *m)
{
	struct clock_facts facts;
	int err = facts_clock(&facts);

	if (err)
		return err;
	if (facts.synchronised)
		PASS(m, "clock", "synchronised, off by %" PRIu64 " us at most",
		     (uint64_t)(facts.max_error_ns / NS_PER_US));
	else
		FAIL(m, "clock", "start chronyd, ntpd or systemd-timesyncd, and wait until it has settled",
		     "not synchronised: times of other hosts' logs can't be compared with the run's");
	return 0;
}

/* The nearest folder that is there; a run makes the others. */
static void existing(const char *path, char ret[PATH_MAX])
{
	struct stat st;
	char *slash;

	snprintf(ret, PATH_MAX, "%s", path);
	while (stat(ret, &st) && (slash = strrchr(ret, '/')))
		*slash = '\0';
	if (!*ret)
		snprintf(ret, PATH_MAX, "%s", *path == '/' ? "/" : ".");
	else if (stat(ret, &st))
		snprintf(ret, PATH_MAX, ".");
}

static void check_disk(const struct making *m)
{
	const struct plan_check *c = m->check;
	struct statvfs fs;
	char path[PATH_MAX];
	uint64_t room;

	existing(c->path ?: m->out ?: ".", path);
	if (statvfs(path, &fs)) {
		FAIL(m, "disk", "correct the path", "%s can't be looked at: %s", path, strerror(errno));
		return;
	}
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= c->bytes)
		PASS(m, "disk", "%" PRIu64 " MB are free in %s", room / 1000000, path);
	else
		FAIL(m, "disk", "make room, or choose another place (--out)",
		     "%" PRIu64 " MB are free in %s, and %" PRIu64 " MB are asked for", room / 1000000, path,
		     c->bytes / 1000000);
}

static void check_file(const struct making *m)
{
	if (!access(m->check->path, F_OK))
		PASS(m, "file", "%s is there", m->check->path);
	else
		FAIL(m, "file",
		     "correct the path, which counts from where shearpin is started, or start what writes it",
		     "%s: %s", m->check->path, strerror(errno));
}

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* As execvp() looks for a name without a slash. */
static bool find_along_path(const char *name, char ret[PATH_MAX])
{
	const char *s = getenv("PATH") ?: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

	for (; *s; s += strcspn(s, ":"), s += *s == ':') {
		size_t len = strcspn(s, ":");

		if (!len || len + 1 + strlen(name) >= PATH_MAX)
			continue;
		snprintf(mempcpy(ret, s, len), PATH_MAX - len, "/%s", name);
		if (is_program(ret))
			return true;
	}
	return false;
}

static void check_command(const struct making *m)
{
	char path[PATH_MAX];

	if (find_along_path(m->check->name, path))
		PASS(m, "command", "%s is %s", m->check->name, path);
	else
		FAIL(m, "command", "install it, or correct PATH", "%s is not along PATH", m->check->name);
}

struct first {
	bool known, healthy;
	char why[160];
};

static void on_sample(void *arg, const struct probe_sample *sample)
{
	struct first *first = arg;
	const char *error = sample->error ?: "", *detail = sample->detail ?: "";

	if (first->known)
		return;
	first->known = true;
	first->healthy = sample->good;
	if (strcmp(detail, error) == 0)
		detail = ""; /* some kinds say it twice */
	snprintf(first->why, sizeof(first->why), "%s%s%s", error, *error && *detail ? ": " : "", detail);
}

static int watch(int epoll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = CANCELLED};

	return fd < 0 || !epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) ? 0 : -errno;
}

static int await_sample(struct probes *probes, int epoll_fd, uint64_t until, struct first *first)
{
	struct epoll_event event;

	for (uint64_t now = clock_mono_ns(), next; now < until; now = clock_mono_ns()) {
		next = probes_run(probes, now);
		if (first->known)
			return 0;
		next = next < until ? next : until;
		if (epoll_wait(epoll_fd, &event, 1, next > now ? (next - now) / NS_PER_MS + 1 : 0) <= 0)
			continue;
		if (event.data.u64 == CANCELLED)
			return -ECANCELED;
		probes_ready(probes, event.data.u64);
	}
	snprintf(first->why, sizeof(first->why), "%s", probes_why(probes, 0) ?: "no sample came");
	return 0;
}

static int first_sample(const struct making *m, const struct plan_probe *probe, struct first *first)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC),
	    err = epoll_fd < 0 ? -errno : watch(epoll_fd, m->cancel_fd);
	uint64_t until = clock_mono_ns() + probe->timeout_ns + 2 * probe->every_ns + NS_PER_S;
	int64_t offset_ns = clock_offset_ns(NULL);
	const struct probe_loop loop = {epoll_fd, 0, &offset_ns, on_sample, first};
	struct probes *probes = NULL;

	if (!err)
		err = probes_open(m->plan, probe, 1, &loop, &probes);
	if (!err)
		err = await_sample(probes, epoll_fd, until, first);
	probes_close(probes);
	if (epoll_fd >= 0)
		close(epoll_fd);
	return err;
}

static int check_probe(const struct making *m)
{
	const struct plan_probe *probe = &m->plan->probes[m->check->index];
	struct first first = {0};
	int err = 0;

	if (probe->kind == PROBE_EXEC && !m->allow_exec) {
		FAIL(m, "probe", "allow it: --allow-exec", "%s starts a program", probe->name);
		return 0;
	}
	err = first_sample(m, probe, &first);
	if (err)
		return err;
	if (first.healthy)
		PASS(m, "probe", "%s is healthy", probe->name);
	else
		FAIL(m, "probe", "see to the system before the drill", "%s is not healthy: %s", probe->name,
		     first.why);
	return 0;
}

static int make(const struct making *m)
{
	switch (m->check->kind) {
	case CHECK_REACHABLE:
		return check_reachable(m);
	case CHECK_ENV:
		check_env(m);
		return 0;
	case CHECK_CLOCK:
		return check_clock(m);
	case CHECK_DISK:
		check_disk(m);
		return 0;
	case CHECK_FILE:
		check_file(m);
		return 0;
	case CHECK_COMMAND:
		check_command(m);
		return 0;
	case CHECK_PROBE:
		return check_probe(m);
	}
	return -EINVAL;
}

int checks_make(const struct plan *plan, const char *out, bool allow_exec, int cancel_fd,
		struct findings *findings)
{
	struct making m = {.plan = plan,
			   .out = out,
			   .allow_exec = allow_exec,
			   .cancel_fd = cancel_fd,
			   .findings = findings};
	int err = 0;

	for (size_t i = 0; !err && i < plan->n_checks; i++) {
		m.check = &plan->checks[i];
		err = make(&m);
	}
	return err ?: findings->no_memory ? -ENOMEM : 0;
}
