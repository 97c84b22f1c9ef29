/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "gate.bpf.h"
#include "kernel/engine.h"
#include "shearpin.skel.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* since Linux 5.14 */
#endif

#define FAMILIES 2 /* of answer_ports: enum answer_family */
#define PROGRAMS 4

struct answer {
	struct bpf_link *links[PROGRAMS];
};

static void list_programs(const struct shearpin *skel, struct bpf_program *ret_programs[PROGRAMS])
{
	/* Who asks for its peer is told the truth from the first connection on. */
	ret_programs[0] = skel->progs.answer_peer4;
	ret_programs[1] = skel->progs.answer_peer6;
	ret_programs[2] = skel->progs.answer_connect4;
	ret_programs[3] = skel->progs.answer_connect6;
}

static bool answers(const struct plan *plan, size_t rule)
{
	return plan->steps[plan->rules[rule].step].fault.meaning == PLAN_MEANS_ANSWER;
}

bool answer_is_needed(const struct plan *plan)
{
	for (size_t r = 0; r < plan->n_rules; r++)
		if (answers(plan, r))
			return true;
	return false;
}

void answer_choose_hooks(const struct plan *plan, struct sp_control *control)
{
	for (size_t r = 0; r < plan->n_rules; r++)
		for (int hook = 0; answers(plan, r) && hook < SP_HOOKS; hook++)
			control->hook[hook].w[r / 64] &= ~(1ULL << (r % 64));
}

void answer_prepare(const struct plan *plan, struct shearpin *skel)
{
	struct bpf_program *programs[PROGRAMS];
	bool needed = answer_is_needed(plan);

	list_programs(skel, programs);
	for (int i = 0; i < PROGRAMS; i++)
		bpf_program__set_autoload(programs[i], needed);
}

/* A mount of our own, which has no place in the tree of files and goes with its descriptor. */
static int open_root(int *ret_fd)
{
	int fs = fsopen("cgroup2", FSOPEN_CLOEXEC), mount = -1, fd = -1, err = 0;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		err = -errno;
	if (!err) {
		mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
		err = mount < 0 ? -errno : 0;
	}
	if (!err) {
		fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = fd < 0 ? -errno : 0;
	}
	if (mount >= 0)
		close(mount);
	close(fs);
	*ret_fd = fd;
	return err;
}

static int own_cookie(__u64 *ret_cookie)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	socklen_t len = sizeof(*ret_cookie);

	if (fd < 0)
		return -errno;
	err = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &len) ? -errno : 0;
	close(fd);
	return err;
}

int answer_open(struct shearpin *skel, struct answer **ret)
{
	struct bpf_program *programs[PROGRAMS];
	struct answer *a = calloc(1, sizeof(*a));
	int root = -1, err;

	if (!a)
		return -ENOMEM;
	err = own_cookie(&skel->bss->netns_cookie);
	if (!err)
		err = open_root(&root);
	list_programs(skel, programs);
	for (int i = 0; !err && i < PROGRAMS; i++) {
		a->links[i] = bpf_program__attach_cgroup(programs[i], root);
		err = a->links[i] ? 0 : -errno;
	}
	if (root >= 0)
		close(root);
	if (err) {
		answer_close(a);
		return err;
	}
	*ret = a;
	return 0;
}

void answer_close(struct answer *answer)
{
	if (!answer)
		return;
	for (int i = PROGRAMS; i--;)
		bpf_link__destroy(answer->links[i]);
	free(answer);
}

void answer_set_port(struct engine *engine, size_t rule, int family, uint16_t port)
{
	engine_programs(engine)->bss->answer_ports[rule * FAMILIES + (family == AF_INET6)] = htons(port);
}

void answer_beat(struct engine *engine, uint64_t now)
{
	__atomic_store_n(&engine_programs(engine)->bss->answer_beat_ns, now, __ATOMIC_RELAXED);
}

/* After a time at which the rule's window is closed; UINT64_MAX: it does not open again. */
static uint64_t next_opening(const struct sp_rule *r, uint64_t now)
{
	uint64_t period = r->burst_on_ns + r->burst_off_ns, n, into, burst;

	if (now < r->start_ns)
		return r->start_ns;
	n = (now - r->start_ns) / r->every_ns;
	into = now - r->start_ns - n * r->every_ns;
	if (n >= r->times)
		return UINT64_MAX;
	burst = r->burst_off_ns ? (into / period + 1) * period : UINT64_MAX;
	if (burst < r->length_ns)
		return r->start_ns + n * r->every_ns + burst;
	return n + 1 < r->times ? r->start_ns + (n + 1) * r->every_ns : UINT64_MAX;
}

int answer_slot(struct engine *engine, size_t rule, uint64_t now, uint64_t *ret_changes)
{
	const struct shearpin__bss *bss = engine_programs(engine)->bss;
	int slot;

	*ret_changes = UINT64_MAX;
	if (!(__atomic_load_n(&bss->control.armed, __ATOMIC_ACQUIRE) & SP_ARMED_FAULTS))
		return WINDOW_CLOSED;
	slot = window_at(&bss->rules[rule], now);
	*ret_changes = slot != WINDOW_CLOSED ? window_ends(&bss->rules[rule], now, slot)
					     : next_opening(&bss->rules[rule], now);
	return slot;
}
