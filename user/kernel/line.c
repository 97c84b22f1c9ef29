/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/line.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/timeutil.h"
#include "kernel/attach.h"
#include "kernel/line_device.h"
#include "kernel/line_need.h"
#include "kernel/line_user.h"
#include "kernel/occupants.h"
#include "shearpin.skel.h"

#define MIN_HORIZON_NS (10 * NS_PER_S)
#define EXIT_ERRNO 16 /* added to an errno by the child of line_probe() */

struct line {
	enum sp_line kind;
	bool realtime;
	struct line_need need;
	__u8 mac[6];
	struct line_device taps[LINE_TAPS];
	struct line_device macvlan; /* LINE_FQ */
	struct line_user *user;     /* LINE_USER */
	struct sp_control *control; /* within a mapping of the line's own, which outlives the skeleton */
	void *bss;
	size_t bss_mapped;
	int watch_fd; /* a socket, to ask for the devices' state */
	bool lost;    /* a device is gone or down */
	int links[2 * LINE_TAPS];
	size_t n_links;
};

static uint64_t horizon(const struct line_need *need)
{
	uint64_t ns = need->longest_ns + NS_PER_S;

	/* fq takes 32 bits of microseconds; steps that overlap may add up to more than one of them may have. */
	if (ns > UINT32_MAX * NS_PER_US)
		ns = UINT32_MAX * NS_PER_US;
	return ns > MIN_HORIZON_NS ? ns : MIN_HORIZON_NS;
}

static int open_tap(struct line *line, bool offloads, char *ret_reason, size_t size)
{
	int err = line_tap_open(line->mac, offloads, &line->taps[offloads ? 0 : 1]);

	if (err)
		snprintf(ret_reason, size, "the delay line's TAP device can't be made%s: %s",
			 err == -ENOENT || err == -ENODEV ? " (there is no /dev/net/tun: `modprobe tun`, or "
							    "give the container that device)"
							  : "",
			 strerror(-err));
	return err;
}

static void say_no_pacing(int err, char *ret_reason, size_t size)
{
	snprintf(ret_reason, size, "%s: %s",
		 err == -ENOENT ? "this kernel has no sch_netem or no sch_fq (`modprobe sch_netem; modprobe "
				  "sch_fq`; `--delay-backend user` does without)"
				: "fq can't be set up for the delay line",
		 strerror(-err));
}

/*
 * Whether the kernel can is first tried on the TAP: a macvlan in vain costs 30 ms. The macvlan's address is another than the
 * TAP's, which would be refused.
 */
static int open_fq(struct line *line, char *ret_reason, size_t size)
{
	uint32_t limit = line->need.parcels;
	struct line_device macvlan;
	__u8 mac[6];
	int err = line_device_pace(&line->taps[0], limit, horizon(&line->need));

	(void)line_device_unqueue(&line->taps[0]);
	if (err) {
		say_no_pacing(err, ret_reason, size);
		return err == -ENOENT ? -EOPNOTSUPP : err;
	}
	err = line_random_mac(mac);
	if (!err)
		err = line_macvlan_open(&line->taps[0], mac, &macvlan);
	if (err) {
		snprintf(ret_reason, size, "the delay line's macvlan device can't be made: %s",
			 strerror(-err));
		return err;
	}
	err = line_device_pace(&macvlan, limit, horizon(&line->need));
	if (err) {
		say_no_pacing(err, ret_reason, size);
		line_device_close(&macvlan);
		return err;
	}
	line->macvlan = macvlan;
	line->kind = SP_LINE_FQ;
	return 0;
}

static int open_user(struct line *line, char *ret_reason, size_t size)
{
	int err = line->realtime ? line_user_try_realtime() : 0;

	if (err) {
		snprintf(ret_reason, size, "the delay line's thread can't have a real-time priority: %s",
			 strerror(-err));
		return err;
	}
	line->kind = SP_LINE_USER;
	return line->need.user ? open_tap(line, false, ret_reason, size) : 0;
}

static int open_watch(struct line *line)
{
	line->watch_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return line->watch_fd < 0 ? -errno : 0;
}

static int open_devices(struct line *line, enum line_choice choice, char *ret_reason, size_t size)
{
	int err;

	if (choice == LINE_CHOICE_FQ && line->need.user) {
		snprintf(ret_reason, size,
			 "rate, duplicate, and corrupt with a wrong checksum need the delay line in user "
			 "space");
		return -EOPNOTSUPP;
	}
	err = open_watch(line);
	if (!err)
		err = line_random_mac(line->mac);
	if (!err)
		err = open_tap(line, true, ret_reason, size);
	if (err)
		return err;
	if (choice == LINE_CHOICE_FQ)
		return open_fq(line, ret_reason, size);
	if (choice == LINE_CHOICE_AUTO && !line->need.user && !open_fq(line, ret_reason, size))
		return 0;
	return open_user(line, ret_reason, size);
}

static struct line *new_line(bool realtime)
{
	struct line *line = calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	line->realtime = realtime;
	line->watch_fd = -1;
	line->taps[0].fd = line->taps[1].fd = line->macvlan.fd = -1;
	return line;
}

int line_open(const struct plan *plan, enum line_choice choice, bool realtime, struct line **ret,
	      char *ret_reason, size_t size)
{
	struct line_need need;
	struct line *line;
	int err;

	*ret = NULL;
	snprintf(ret_reason, size, "%s", "");
	line_need(plan, &need);
	if (!need.line)
		return 0;
	line = new_line(realtime);
	if (!line)
		return -ENOMEM;
	line->need = need;
	err = open_devices(line, choice, ret_reason, size);
	if (err) {
		if (!*ret_reason)
			snprintf(ret_reason, size, "the delay line can't be made: %s", strerror(-err));
		line_close(line);
		return err;
	}
	*ret_reason = '\0'; /* AUTO may have left there why it isn't fq */
	*ret = line;
	return 0;
}

const char *line_name(const struct line *line)
{
	if (!line)
		return "none";
	return line->kind == SP_LINE_FQ ? "fq" : "user";
}

int line_prepare(const struct line *line, struct shearpin *skel)
{
	bpf_program__set_autoload(skel->progs.line_return, line != NULL);
	bpf_program__set_autoload(skel->progs.line_guard, line != NULL);
	return bpf_map__set_max_entries(skel->maps.parcels, line ? line->need.parcels : 1);
}

static int attach_tcx(struct line *line, int prog_fd, int ifindex, bool egress)
{
	int fd = bpf_link_create(prog_fd, ifindex, egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS, NULL);

	if (fd < 0)
		return -errno;
	line->links[line->n_links++] = fd;
	return 0;
}

/* Without tcx. No stub is needed: the filter goes with the device. */
static int attach_clsact(int prog_fd, int ifindex, bool egress)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .prog_fd = prog_fd);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		return err;
	hook.attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
	return bpf_tc_attach(&hook, &opts);
}

static int attach_one(struct line *line, const struct bpf_program *program, int ifindex, bool egress)
{
	int fd = bpf_program__fd(program);

	return attach_has_tcx(fd) ? attach_tcx(line, fd, ifindex, egress)
				  : attach_clsact(fd, ifindex, egress);
}

/*
 * With fq, what the macvlan sends leaves through the TAP, and is taken at its egress hook: on its way in there it would pass the
 * processor's backlog, which drops what is beyond net.core.netdev_max_backlog.
 */
static int attach(struct line *line, const struct shearpin *skel)
{
	int err = 0;

	if (line->kind == SP_LINE_FQ)
		return attach_one(line, skel->progs.line_return, line->taps[0].ifindex, true);
	for (int i = 0; !err && i < LINE_TAPS; i++) {
		if (line->taps[i].fd < 0)
			continue;
		err = attach_one(line, skel->progs.line_return, line->taps[i].ifindex, false);
		if (!err)
			err = attach_one(line, skel->progs.line_guard, line->taps[i].ifindex, true);
	}
	return err;
}

static int map_control(struct line *line, const struct shearpin *skel)
{
	size_t page = sysconf(_SC_PAGESIZE), size = bpf_map__value_size(skel->maps.bss);
	void *mapping;

	line->bss_mapped = (size + page - 1) / page * page;
	mapping = mmap(NULL, line->bss_mapped, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(skel->maps.bss), 0);
	if (mapping == MAP_FAILED)
		return -errno;
	line->bss = mapping;
	line->control = (void *)((char *)mapping + ((char *)&skel->bss->control - (char *)skel->bss));
	return 0;
}

static void fill_control(struct line *line)
{
	struct sp_control *control = line->control;

	control->parcel_mask = line->need.parcels - 1;
	memcpy(control->line_mac, line->mac, sizeof(line->mac));
	control->plain_ifindex = line->taps[1].ifindex;
	control->line_ifindex = line->kind == SP_LINE_FQ ? line->macvlan.ifindex : line->taps[0].ifindex;
	control->beat_ns = ~0ULL;
	control->line = line->kind;
}

int line_start(struct line *line, struct shearpin *skel)
{
	const struct line_user_config config = {.taps = {line->taps[0], line->taps[1]},
						.parcels = line->need.parcels,
						.memory = line->need.memory,
						.realtime = line->realtime};
	int err = map_control(line, skel);

	if (err)
		return err;
	fill_control(line);
	err = attach(line, skel);
	if (!err && line->kind == SP_LINE_USER)
		err = line_user_start(&config, bpf_map__fd(skel->maps.parcels), line->control, &line->user);
	return err;
}

static bool is_up(int fd, const struct line_device *device)
{
	struct ifreq request = {0};

	return device->ifindex <= 0 || (if_indextoname(device->ifindex, request.ifr_name) &&
					!ioctl(fd, SIOCGIFFLAGS, &request) && request.ifr_flags & IFF_UP);
}

void line_watch(struct line *line)
{
	bool whole;

	if (!line || line->lost)
		return;
	whole = is_up(line->watch_fd, &line->macvlan);
	for (int i = 0; i < LINE_TAPS; i++)
		whole = whole && is_up(line->watch_fd, &line->taps[i]);
	if (whole)
		return;
	line->lost = true;
	if (line->user)
		line_user_abandon(line->user);
	__atomic_store_n(&line->control->beat_ns, 0, __ATOMIC_RELEASE);
}

void line_flush(struct line *line)
{
	if (line && line->user)
		line_user_flush(line->user);
}

/* The drops of one device; one that is gone has none, and is noted. */
static int add_drops(const struct line_device *device, struct line_stats *stats)
{
	struct line_drops drops;
	int err = line_device_drops(device, &drops);

	if (!err)
		stats->device_dropped += drops.tx + drops.qdisc;
	else if (err == -ENODEV)
		stats->lost = true;
	return err == -ENODEV ? 0 : err;
}

static int add_all_drops(const struct line *line, struct line_stats *stats)
{
	int err = line->kind == SP_LINE_FQ ? add_drops(&line->macvlan, stats) : 0;

	for (int i = 0; !err && i < LINE_TAPS; i++)
		if (line->taps[i].fd >= 0)
			err = add_drops(&line->taps[i], stats);
	return err;
}

int line_stats(struct line *line, struct line_stats *ret)
{
	struct line_stats stats = {.parcels = line->need.parcels, .lost = line->lost};
	struct line_user_stats user = {0};
	int err = add_all_drops(line, &stats);

	if (err)
		return err;
	if (line->user)
		line_user_stats(line->user, &user);
	if (line->kind == SP_LINE_USER) {
		stats.memory = line->need.memory;
		stats.realtime = line->realtime;
	}
	stats.memory_full = user.memory_full;
	stats.stale = user.stale;
	stats.write_failed = user.write_failed;
	stats.held_max = user.held_max;
	*ret = stats;
	return 0;
}

void line_close(struct line *line)
{
	if (!line)
		return;
	line_user_stop(line->user);
	if (line->control)
		__atomic_store_n(&line->control->beat_ns, 0, __ATOMIC_RELEASE); /* nothing more comes in */
	for (size_t i = 0; i < line->n_links; i++)
		close(line->links[i]);
	line_device_close(&line->macvlan);
	for (int i = 0; i < LINE_TAPS; i++)
		line_device_close(&line->taps[i]);
	if (line->watch_fd >= 0)
		close(line->watch_fd);
	if (line->bss)
		munmap(line->bss, line->bss_mapped);
	free(line);
}

/* In a network namespace that nobody else sees; what is made there goes with the process. */
static int try_kinds(void)
{
	char reason[256] = "";
	struct line *line;
	int err;

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET))
		return -EPERM;
	line = new_line(false);
	if (!line)
		return -ENOMEM;
	line->need.parcels = 1;
	err = open_devices(line, LINE_CHOICE_AUTO, reason, sizeof(reason));
	if (err == -ENOENT)
		return -ENODEV;
	if (err)
		return err == -EACCES ? -EPERM : err;
	return line->kind == SP_LINE_FQ ? LINE_CHOICE_FQ : LINE_CHOICE_USER;
}

int line_probe(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		int kind = try_kinds();

		_exit(kind < 0 ? EXIT_ERRNO - kind : kind);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -EIO;
	return WEXITSTATUS(status) < EXIT_ERRNO ? WEXITSTATUS(status) : EXIT_ERRNO - WEXITSTATUS(status);
}
