/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/attach.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "kernel/occupants.h"
#include "stub.skel.h"

#define STUB_HANDLE 0x5350
#define STUB_HANDLE_ALONE 0x5351 /* the clsact qdisc was made for the stub, and goes with it */

#define TCX_BEFORE (1 << 3) /* in front of all others */

struct attachment {
	int ifindex;
	int links[SP_HOOKS]; /* XDP and tcx; -1: none */
	bool stubs, created_clsact;
};

struct attachments {
	struct attach_programs programs;
	bool tcx;
	struct stub *stub;
	struct attachment *items;
	size_t n;
};

bool attach_has_tcx(int tc_prog_fd)
{
	int fd = bpf_link_create(tc_prog_fd, INT_MAX, ATTACH_TCX_INGRESS, NULL);
	int error = errno;

	if (fd >= 0)
		close(fd);
	/* A kernel that knows tcx looks for the interface first; another finds the attach type wrong. */
	return fd >= 0 || error == ENODEV;
}

static int load_stub(struct attachments *a)
{
	static const enum sp_hook hooks[] = {SP_HOOK_TC_IN, SP_HOOK_TC_OUT};
	int err;

	a->stub = stub__open_and_load();
	if (!a->stub)
		return -errno;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		__u32 key = hooks[i];
		int fd = a->programs.fd[key];

		err = fd < 0 ? 0
			     : bpf_map_update_elem(bpf_map__fd(a->stub->maps.programs), &key, &fd, BPF_ANY);
		if (err)
			return err;
	}
	return 0;
}

int attach_open(enum attach_mode mode, const struct attach_programs *programs, struct attachments **ret)
{
	struct attachments *a = calloc(1, sizeof(*a));
	bool has_tcx = attach_has_tcx(programs->fd[SP_HOOK_TC_IN]);
	int err;

	if (!a)
		return -ENOMEM;
	a->programs = *programs;
	a->tcx = mode == ATTACH_TCX || (mode == ATTACH_AUTO && has_tcx);
	err = a->tcx ? (has_tcx ? 0 : -EOPNOTSUPP) : load_stub(a);
	if (err) {
		attach_close(a);
		return err;
	}
	*ret = a;
	return 0;
}

bool attach_uses_tcx(const struct attachments *a)
{
	return a->tcx;
}

static void tc_hook(struct bpf_tc_hook *hook, int ifindex, enum sp_hook where)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = ifindex;
	hook->attach_point = where == SP_HOOK_TC_IN ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static __u32 stub_handle(const struct attachment *at)
{
	return at->created_clsact ? STUB_HANDLE_ALONE : STUB_HANDLE;
}

static int attach_stub(struct attachment *at, enum sp_hook where, int fd)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = stub_handle(at), .priority = ATTACH_STUB_PRIORITY,
		    .prog_fd = fd);
	struct bpf_tc_hook hook;

	tc_hook(&hook, at->ifindex, where);
	return bpf_tc_attach(&hook, &opts);
}

static int attach_clsact(struct attachments *a, struct attachment *at)
{
	struct bpf_tc_hook hook;
	int err;

	tc_hook(&hook, at->ifindex, SP_HOOK_TC_IN);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	at->created_clsact = !err;
	at->stubs = true;
	err = attach_stub(at, SP_HOOK_TC_IN, bpf_program__fd(a->stub->progs.sp_stub_in));
	return err ?: attach_stub(at, SP_HOOK_TC_OUT, bpf_program__fd(a->stub->progs.sp_stub_out));
}

static int attach_tcx(struct attachments *a, struct attachment *at, enum sp_hook where)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	int fd;

	if (a->programs.fd[where] < 0)
		return 0;
	fd = bpf_link_create(a->programs.fd[where], at->ifindex,
			     where == SP_HOOK_TC_IN ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS, &opts);
	if (fd < 0)
		return -errno;
	at->links[where] = fd;
	return 0;
}

static int attach_xdp(struct attachments *a, struct attachment *at)
{
	int fd;

	if (a->programs.fd[SP_HOOK_XDP] < 0)
		return 0;
	fd = bpf_link_create(a->programs.fd[SP_HOOK_XDP], at->ifindex, BPF_XDP, NULL);
	if (fd < 0)
		return -errno;
	at->links[SP_HOOK_XDP] = fd;
	return 0;
}

int attach_add(struct attachments *a, int ifindex)
{
	struct attachment *items = realloc(a->items, (a->n + 1) * sizeof(*items)), *at;
	int err;

	if (!items)
		return -ENOMEM;
	a->items = items;
	at = &items[a->n++];
	*at = (struct attachment){.ifindex = ifindex, .links = {-1, -1, -1}};
	err = attach_xdp(a, at);
	if (err)
		return err;
	if (!a->tcx)
		return attach_clsact(a, at);
	err = attach_tcx(a, at, SP_HOOK_TC_IN);
	return err ?: attach_tcx(a, at, SP_HOOK_TC_OUT);
}

static int detach_stub(int ifindex, enum sp_hook where, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = ATTACH_STUB_PRIORITY);
	struct bpf_tc_hook hook;

	tc_hook(&hook, ifindex, where);
	return bpf_tc_detach(&hook, &opts);
}

/* Others may have come to use the qdisc that was made for the stub; then it stays. */
static int destroy_clsact(int ifindex)
{
	struct bpf_tc_hook hook;
	int used = occupants_has_filter(ifindex);

	if (used)
		return used < 0 ? used : 0;

	tc_hook(&hook, ifindex, SP_HOOK_TC_IN);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	return bpf_tc_hook_destroy(&hook);
}

/* Is the filter at our place ours? Others may use the same priority and handle. */
static bool is_stub(int ifindex, enum sp_hook where, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = ATTACH_STUB_PRIORITY);
	char name[BPF_OBJ_NAME_LEN];
	struct bpf_tc_hook hook;

	tc_hook(&hook, ifindex, where);
	if (bpf_tc_query(&hook, &opts))
		return false;
	occupants_program_name(opts.prog_id, name, sizeof(name));
	return !strncmp(name, ATTACH_STUB_NAME, strlen(ATTACH_STUB_NAME));
}

static const enum sp_hook stub_hooks[] = {SP_HOOK_TC_IN, SP_HOOK_TC_OUT};

bool attach_has_stub(int ifindex)
{
	libbpf_set_print(NULL);
	for (size_t i = 0; i < sizeof(stub_hooks) / sizeof(*stub_hooks); i++)
		if (is_stub(ifindex, stub_hooks[i], STUB_HANDLE) ||
		    is_stub(ifindex, stub_hooks[i], STUB_HANDLE_ALONE))
			return true;
	return false;
}

static int sweep(int ifindex, __u32 handle)
{
	int removed = 0, err;

	for (size_t i = 0; i < sizeof(stub_hooks) / sizeof(*stub_hooks); i++) {
		if (!is_stub(ifindex, stub_hooks[i], handle))
			continue;
		err = detach_stub(ifindex, stub_hooks[i], handle);
		if (err)
			return err;
		removed = 1;
	}
	return removed;
}

void attach_close(struct attachments *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++) {
		struct attachment *at = &a->items[i];

		for (int hook = 0; hook < SP_HOOKS; hook++)
			if (at->links[hook] >= 0)
				close(at->links[hook]);
		if (at->stubs)
			sweep(at->ifindex, stub_handle(at));
		if (at->created_clsact)
			destroy_clsact(at->ifindex);
	}
	stub__destroy(a->stub);
	free(a->items);
	free(a);
}

int attach_sweep(int ifindex)
{
	int shared, alone, err;

	libbpf_set_print(NULL);
	shared = sweep(ifindex, STUB_HANDLE);
	if (shared < 0)
		return shared;
	alone = sweep(ifindex, STUB_HANDLE_ALONE);
	if (alone <= 0)
		return alone ?: shared;
	err = destroy_clsact(ifindex);
	return err ?: 1;
}
