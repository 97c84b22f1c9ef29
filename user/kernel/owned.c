/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/types.h>

#include "abi.h"
#include "base/timeutil.h"
#include "kernel/cgroups.h"
#include "kernel/engine.h"
#include "kernel/vectors.h"
#include "shearpin.skel.h"

#define LOOK_NS NS_PER_S
#define MAX_LEVEL 31 /* control.cgroup_levels has 32 bits */

struct owned {
	const struct plan *plan;
	struct owned_item *items;
	size_t n;
	struct cgroups *cgroups;
	int epoll_fd; /* of the pidfds */
	uint64_t next_look;
	struct bpf_link *maker;
	struct shearpin *skel; /* the engine's; NULL: not told */
};

struct reason {
	char *text;
	size_t size;
};

static int fail(const struct reason *r, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct reason *r, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->text, r->size, format, args);
	va_end(args);
	return err;
}

static int find_cgroup(struct owned *o, const struct plan_target *t, struct owned_item *item,
		       const struct reason *r)
{
	int err = cgroups_root(o->cgroups);

	if (err == -ENOENT)
		return fail(r, err, "the target %s names a cgroup, and no cgroup v2 is mounted here",
			    t->name);
	if (err)
		return fail(r, -ENOENT,
			    "the target %s names a cgroup, and only a part of the host's cgroups can be seen "
			    "from here: run outside of the container",
			    t->name);
	if (t->unit)
		err = cgroups_find_unit(o->cgroups, t->unit, &item->path);
	else
		item->path = strdup(t->cgroup);
	if (err == -ENOENT)
		return fail(r, err,
			    "the target %s: the unit %s has no cgroup: `systemctl status` tells "
			    "whether it runs",
			    t->name, t->unit);
	if (err == -EEXIST)
		return fail(r, -ENOENT, "the target %s: there are several units %s; name its `cgroup:`",
			    t->name, t->unit);
	if (err || !item->path)
		return fail(r, err ?: -ENOMEM, "can't look for the unit %s: %s", t->unit,
			    strerror(err ? -err : ENOMEM));
	item->kind = t->unit ? OWNED_UNIT : OWNED_CGROUP;
	item->fd = cgroups_find(o->cgroups, item->path, &item->id, &item->level);
	if (item->fd == -ENOENT || item->fd == -ENOTDIR)
		return fail(r, -ENOENT, "the target %s: there is no cgroup %s below %s", t->name, item->path,
			    cgroups_mount(o->cgroups));
	if (item->fd < 0)
		return fail(r, item->fd, "can't open the cgroup %s: %s", item->path, strerror(-item->fd));
	if (item->level > MAX_LEVEL)
		return fail(r, -ENOENT, "the target %s: the cgroup %s lies more than %d levels deep", t->name,
			    item->path, MAX_LEVEL);
	return 0;
}

static void read_comm(uint32_t pid, char *ret, size_t size)
{
	char path[64];
	FILE *file;

	ret[0] = 0;
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(ret, size, file))
		ret[strcspn(ret, "\n")] = 0;
	if (file)
		fclose(file);
}

static bool has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* -ENOENT: it is gone. */
static int is_in_this_netns(uint32_t pid, bool *ret)
{
	struct stat own, its;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	if (stat("/proc/thread-self/ns/net", &own) || stat(path, &its))
		return -errno;
	*ret = own.st_ino == its.st_ino && own.st_dev == its.st_dev;
	return 0;
}

static int find_process(struct owned *o, const struct plan_target *t, struct owned_item *item,
			const struct reason *r)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
	bool here = false;
	int err;

	item->kind = OWNED_PROCESS;
	item->pid = t->pid;
	item->fd = syscall(SYS_pidfd_open, t->pid, 0);
	/* What a thread gives, on older kernels and on newer ones. */
	if (item->fd < 0 && (errno == EINVAL || errno == ENOENT))
		return fail(r, -ENOENT, "the target %s: %u is a thread; name its process", t->name, t->pid);
	if (item->fd < 0 && errno != ESRCH)
		return fail(r, -errno, "can't open the process %u: %s", t->pid, strerror(errno));
	if (item->fd < 0 || has_ended(item->fd))
		return fail(r, -ENOENT, "the target %s: there is no process %u", t->name, t->pid);
	err = is_in_this_netns(t->pid, &here);
	if (err)
		return fail(r, -ENOENT, "the target %s: the namespaces of the process %u can't be read: %s",
			    t->name, t->pid, strerror(-err));
	read_comm(t->pid, item->comm, sizeof(item->comm));
	if (!here)
		return fail(r, -ENOENT,
			    "the target %s: the process %u (%s) is in another network namespace; --netns %u "
			    "goes there",
			    t->name, t->pid, item->comm, t->pid);
	event.data.u64 = item - o->items;
	return epoll_ctl(o->epoll_fd, EPOLL_CTL_ADD, item->fd, &event)
		       ? fail(r, -errno, "can't watch the process %u: %s", t->pid, strerror(errno))
		       : 0;
}

static int find_all(struct owned *o, const struct reason *r)
{
	int err = 0;

	for (size_t i = 0; !err && i < o->plan->n_targets; i++) {
		const struct plan_target *t = &o->plan->targets[i];
		struct owned_item *item = &o->items[o->n];

		if (!plan_target_has_owner(t) || plan_target_is_spare(o->plan, i))
			continue;
		*item = (struct owned_item){.target = i, .fd = -1};
		o->n++;
		err = t->pid ? find_process(o, t, item, r) : find_cgroup(o, t, item, r);
	}
	return err;
}

int owned_open(const struct plan *plan, struct owned **ret, char *ret_reason, size_t size)
{
	const struct reason r = {ret_reason, size};
	struct owned *o;
	int err;

	*ret = NULL;
	if (!vectors_have_owners(plan))
		return 0;
	o = calloc(1, sizeof(*o));
	if (!o)
		return fail(&r, -ENOMEM, "out of memory");
	o->plan = plan;
	o->items = calloc(plan->n_targets, sizeof(*o->items));
	o->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = !o->items ? -ENOMEM : o->epoll_fd < 0 ? -errno : cgroups_open(&o->cgroups);
	if (err)
		fail(&r, err, "can't look for the targets' owners: %s", strerror(-err));
	else
		err = find_all(o, &r);
	if (err) {
		owned_close(o);
		return err;
	}
	*ret = o;
	return 0;
}

void owned_close(struct owned *owned)
{
	if (!owned)
		return;
	bpf_link__destroy(owned->maker);
	for (size_t i = 0; i < owned->n; i++) {
		if (owned->items[i].fd >= 0)
			close(owned->items[i].fd);
		free(owned->items[i].path);
	}
	free(owned->items);
	cgroups_close(owned->cgroups);
	if (owned->epoll_fd >= 0)
		close(owned->epoll_fd);
	free(owned);
}

/* The rules, and the observer's bits, of all targets with this owner so far, and of this one. */
static int add_bits(int map, const void *key, const struct sp_bits *bits)
{
	struct sp_bits all = {0};

	if (bpf_map_lookup_elem(map, key, &all) && errno != ENOENT)
		return -errno;
	bits_or_all(&all, bits);
	return bpf_map_update_elem(map, key, &all, BPF_ANY);
}

/* A walk of an iterator to its end; up to `size` bytes of what it says. The number of bytes, or a negative errno. */
static ssize_t walk(const struct bpf_program *program, const struct bpf_iter_attach_opts *opts, void *ret,
		    size_t size)
{
	struct bpf_link *link = bpf_program__attach_iter(program, opts);
	char rest[64];
	ssize_t len = 0, got;
	int fd, err;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : 0;
	while (!err) {
		got = (size_t)len < size ? read(fd, (char *)ret + len, size - len)
					 : read(fd, rest, sizeof(rest));
		if (got > 0 && (size_t)len < size)
			len += got;
		else if (got < 0 && errno != EAGAIN)
			err = -errno;
		else if (!got)
			break;
	}
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err ?: len;
}

static int tell_process(const struct owned *o, const struct owned_item *item, const struct sp_bits *bits)
{
	union bpf_iter_link_info info = {.task.pid_fd = item->fd};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	__u32 tgid;
	ssize_t len = walk(o->skel->progs.name_process, &opts, &tgid, sizeof(tgid));

	if (len < (ssize_t)sizeof(tgid))
		return len < 0 ? len : -ESRCH;
	return add_bits(bpf_map__fd(o->skel->maps.owner_processes), &tgid, bits);
}

static int tell_cgroup(const struct owned *o, const struct owned_item *item, const struct sp_bits *bits)
{
	__u64 id = item->id;

	o->skel->bss->control.cgroup_levels |= 1U << item->level;
	return add_bits(bpf_map__fd(o->skel->maps.owner_cgroups), &id, bits);
}

/* Sockets that are made from here on, then those there are. */
static int tell_sockets(struct owned *o)
{
	int root = cgroups_root(o->cgroups) ? -1 : cgroups_mount_fd(o->cgroups);
	ssize_t len;

	if (root < 0)
		return -ENOENT;
	o->maker = bpf_program__attach_cgroup(o->skel->progs.note_maker, root);
	if (!o->maker)
		return -errno;
	len = walk(o->skel->progs.note_holders, NULL, NULL, 0);
	return len < 0 ? len : 0;
}

int owned_tell(struct owned *owned, struct engine *engine, char *ret_reason, size_t size)
{
	const struct reason r = {ret_reason, size};
	bool processes = false;
	int err = 0;

	if (!owned)
		return 0;
	owned->skel = engine_programs(engine);
	for (size_t i = 0; !err && i < owned->n; i++) {
		const struct owned_item *item = &owned->items[i];
		struct sp_bits bits = {0};

		vectors_bits(owned->plan, item->target, &bits);
		processes |= item->kind == OWNED_PROCESS;
		err = item->kind == OWNED_PROCESS ? tell_process(owned, item, &bits)
						  : tell_cgroup(owned, item, &bits);
		if (err == -ESRCH)
			return fail(&r, -ENOENT, "the target %s: there is no process %u any more",
				    owned->plan->targets[item->target].name, item->pid);
	}
	if (err)
		return fail(&r, err, "can't tell the programs the targets' owners: %s", strerror(-err));
	err = processes ? tell_sockets(owned) : 0;
	if (err == -ENOENT)
		return fail(&r, err,
			    "a target that is a process needs cgroup v2, mounted, to see the sockets that it "
			    "makes");
	return err ? fail(&r, err, "can't follow the sockets of the targets' processes: %s", strerror(-err))
		   : 0;
}

int owned_fd(const struct owned *owned)
{
	return owned->epoll_fd;
}

const struct owned_item *owned_items(const struct owned *owned, size_t *ret_n)
{
	*ret_n = owned ? owned->n : 0;
	return owned ? owned->items : NULL;
}

/* Its rules match nothing any more: one word after the other, of which each is whole. */
static void forget(struct owned *o, struct owned_item *item)
{
	struct sp_bits bits = {0};

	item->gone = true;
	if (!o->skel)
		return;
	vectors_bits(o->plan, item->target, &bits);
	for (int i = 0; i < SP_WORDS; i++)
		__atomic_and_fetch(&o->skel->bss->owner_rules.w[i], ~bits.w[i], __ATOMIC_RELEASE);
}

/* A directory that was removed has no files any more. The root, which never is, has none of that name. */
static bool is_removed(const struct owned_item *item)
{
	return item->level && faccessat(item->fd, "cgroup.events", F_OK, 0) &&
	       (errno == ENOENT || errno == ENODEV);
}

const struct owned_item *owned_next_gone(struct owned *owned, uint64_t now)
{
	struct epoll_event event;

	if (!owned)
		return NULL;
	if (epoll_wait(owned->epoll_fd, &event, 1, 0) > 0) {
		forget(owned, &owned->items[event.data.u64]);
		return &owned->items[event.data.u64];
	}
	if (now < owned->next_look)
		return NULL;
	for (size_t i = 0; i < owned->n; i++) {
		struct owned_item *item = &owned->items[i];

		if (item->gone || item->kind == OWNED_PROCESS || !is_removed(item))
			continue;
		forget(owned, item);
		return item;
	}
	owned->next_look = now + LOOK_NS;
	return NULL;
}
