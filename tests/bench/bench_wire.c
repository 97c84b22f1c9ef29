/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to get rid of a packet that comes in over a veth pair, against other ways to do it. The frames are made by
 * BPF_PROG_TEST_RUN with live frames in one network namespace and received in another, on one CPU; the sender's share is in
 * every figure. All ways take turns in every round; the figures are medians. With 64 rules or ports the last one matches.
 *
 * usage: bench_wire [ROUNDS]
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "base/timeutil.h"
#include "bench/figures.h"
#include "packet/frame.h"
#include "packet/scene.h"
#include "tests/bench/bare.skel.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

#define RULES 64
#define FIRST_PORT 20000
#define FRAMES 200000
#define ROUNDS 11
#define ROUNDS_MAX 64
#define LOST_PERCENT_MAX 1.0 /* a run that loses more of its frames measures something else */
#define SETTLE_NS (2 * NS_PER_S)

#define MOST_OVER_BARE 1.5
#define LEAST_IPTABLES 12
#define LEAST_NFT 2

struct wire {
	int sender_ns, receiver_ns; /* descriptors */
	struct bare *bare;
	int bare_link;
	struct scene *xdp, *tc;
	struct frame frame;
};

static int enter(int ns)
{
	return setns(ns, CLONE_NEWNET) ? -errno : 0;
}

static int here(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int nothing(struct wire *w)
{
	(void)w;
	return 0;
}

static int bare_on(struct wire *w)
{
	int fd = bpf_link_create(bpf_program__fd(w->bare->progs.drop_frame), if_nametoindex(FAR_END), BPF_XDP,
				 NULL);

	if (fd < 0)
		return -errno;
	w->bare_link = fd;
	return 0;
}

static int bare_off(struct wire *w)
{
	close(w->bare_link);
	return 0;
}

static struct port_range ports[RULES];

static int ours_on(struct scene **ret, uint8_t hooks)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS};
	const char *culprit;
	int err = scene_new(FAR_END, ret);

	for (unsigned i = 0; !err && i < RULES; i++) {
		struct plan_target t = {.proto = IPPROTO_UDP, .local_ports = &ports[i], .n_local_ports = 1};

		ports[i] = (struct port_range){FIRST_PORT + i, FIRST_PORT + i};
		scene_rule(*ret, &t, &drop, hooks);
	}
	if (!err)
		err = scene_load(*ret);
	if (!err)
		err = engine_attach((*ret)->engine, ATTACH_AUTO, &culprit);
	if (!err)
		scene_arm(*ret);
	return err;
}

static int xdp_on(struct wire *w)
{
	return ours_on(&w->xdp, PLAN_HOOK_XDP);
}

static int xdp_off(struct wire *w)
{
	scene_free(w->xdp);
	w->xdp = NULL;
	return 0;
}

static int tc_on(struct wire *w)
{
	return ours_on(&w->tc, PLAN_HOOK_TC_IN);
}

static int tc_off(struct wire *w)
{
	scene_free(w->tc);
	w->tc = NULL;
	return 0;
}

/* A rule of ours holds on its interface, so the others' do, too. */
static int iptables_on(struct wire *w)
{
	(void)w;
	return world_command("for i in $(seq %u %u); do iptables -A INPUT -i " FAR_END
			     " -p udp --dport $i -j DROP || exit 1; done",
			     FIRST_PORT, FIRST_PORT + RULES - 1);
}

static int iptables_off(struct wire *w)
{
	(void)w;
	return world_command("iptables -F INPUT");
}

static int nft_on(struct wire *w)
{
	(void)w;
	return world_command("nft 'table netdev bench { set ports { type inet_service; elements = { '$(seq "
			     "-s, %u %u)' } }\n"
			     "chain in { type filter hook ingress device " FAR_END " priority 0; "
			     "udp dport @ports drop; }; }'",
			     FIRST_PORT, FIRST_PORT + RULES - 1);
}

static int nft_off(struct wire *w)
{
	(void)w;
	return world_command("nft delete table netdev bench");
}

enum {
	NO_FILTER,
	BARE,
	OURS_XDP,
	OURS_TC,
	IPTABLES,
	NFT,
	WAYS,
};

static const struct way {
	const char *name;
	int (*on)(struct wire *w), (*off)(struct wire *w);
} ways[WAYS] = {
	[NO_FILTER] = {"no filter", nothing, nothing},
	[BARE] = {"bare XDP_DROP", bare_on, bare_off},
	[OURS_XDP] = {"shearpin on XDP, 64 rules", xdp_on, xdp_off},
	[OURS_TC] = {"shearpin on tc, 64 rules", tc_on, tc_off},
	[IPTABLES] = {"iptables INPUT, 64 rules on sp1", iptables_on, iptables_off},
	[NFT] = {"nft netdev ingress, set of 64 ports", nft_on, nft_off},
};

/* Frames that came in at the receiver's end so far. */
static uint64_t received(void)
{
	char line[512];
	uint64_t packets = 0;
	FILE *f = fopen("/proc/thread-self/net/dev", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " " FAR_END ": %*u %" SCNu64, &packets) == 1)
			break;
	fclose(f);
	return packets;
}

static int send_frames(struct wire *w)
{
	struct xdp_md xdp = {.data_end = w->frame.len};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = w->frame.data, .data_size_in = w->frame.len,
		    .ctx_in = &xdp, .ctx_size_in = sizeof(xdp), .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .repeat = FRAMES);

	return bpf_prog_test_run_opts(bpf_program__fd(w->bare->progs.send_frame), &opts);
}

/* Send, in the sender's namespace, and tell what one frame that arrived took. */
static int measure(struct wire *w, double *ret_ns, double *ret_lost)
{
	uint64_t before = received(), begin, took, arrived, until;
	int err = enter(w->sender_ns), e;

	if (err)
		return err;
	begin = clock_mono_ns();
	err = send_frames(w);
	took = clock_mono_ns() - begin;
	e = enter(w->receiver_ns);
	if (err || e)
		return err ?: e;
	until = clock_mono_ns() + SETTLE_NS;
	do {
		arrived = received() - before;
	} while (arrived < FRAMES && clock_mono_ns() < until);
	*ret_ns = arrived ? (double)took / arrived : 0;
	*ret_lost = 100.0 * (FRAMES - (double)arrived) / FRAMES;
	return arrived ? 0 : -ENETDOWN;
}

static int measure_way(struct wire *w, const struct way *way, double *ret_ns, double *ret_lost)
{
	int err = way->on(w), e;

	if (err) {
		fprintf(stderr, "bench_wire: %s: %s\n", way->name, strerror(-err));
		return err;
	}
	err = measure(w, ret_ns, ret_lost);
	e = way->off(w);
	return err ?: e;
}

static int pin_to_a_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* The pair, with its far end in the receiver's namespace, where the thread stays. */
static int make_wire(struct wire *w)
{
	int err = pin_to_a_cpu();

	if (!err)
		err = world_make();
	if (err)
		return err;
	w->sender_ns = here();
	w->bare = bare__open_and_load();
	if (!w->bare)
		return -errno;
	w->bare->bss->out_ifindex = if_nametoindex(NEAR_END);
	if (unshare(CLONE_NEWNET))
		return -errno;
	w->receiver_ns = here();
	err = enter(w->sender_ns);
	/* With GRO on, veth takes frames that XDP redirects to it. */
	if (!err)
		err = world_command("ip link set " NEAR_END " mtu 1500 && ip link set " FAR_END
				    " netns /proc/%d/fd/%d && ethtool -K " NEAR_END " gro on",
				    getpid(), w->receiver_ns);
	if (!err)
		err = enter(w->receiver_ns);
	if (!err)
		err = world_command("ip link set lo up && ip link set " FAR_END
				    " address 02:5e:00:00:00:02 mtu 1500 up && "
				    "ip addr add 192.0.2.77/24 dev " FAR_END " && ethtool -K " FAR_END
				    " gro on");
	return err;
}

static void make_frame(struct frame *f)
{
	struct spec s = packet(4, IPPROTO_UDP, true);

	s.to.port = FIRST_PORT + RULES - 1;
	s.payload = 18;
	frame_build(&s, f);
}

/* How many times what `way` takes `base` takes: the median over the rounds, each by itself. */
static double times(double ns[WAYS][ROUNDS_MAX], unsigned way, unsigned base, unsigned rounds)
{
	double ratios[ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++)
		ratios[i] = ns[way][i] / ns[base][i];
	return median(ratios, rounds);
}

static bool judge(double ns[WAYS][ROUNDS_MAX], double lost[WAYS][ROUNDS_MAX], unsigned rounds)
{
	bool pass = true;

	printf("%u frames a run, medians of %u rounds, sender included\n\n%-38s%14s%10s%10s\n", FRAMES,
	       rounds, "", "ns a packet", "of bare", "lost %");
	for (int i = 0; i < WAYS; i++) {
		printf("%-38s%14.0f%10.2f%10.2f\n", ways[i].name, median(ns[i], rounds),
		       times(ns, i, BARE, rounds), median(lost[i], rounds));
		pass &= median(lost[i], rounds) <= LOST_PERCENT_MAX;
	}
	printf("\n");
	if (!pass)
		printf("FAIL  a way lost more than %.0f %% of the frames\n", LOST_PERCENT_MAX);
	pass &= judge_most("XDP with 64 rules over bare XDP_DROP", times(ns, OURS_XDP, BARE, rounds),
			   MOST_OVER_BARE, " times");
	pass &= judge_least("iptables INPUT over XDP", times(ns, IPTABLES, OURS_XDP, rounds), LEAST_IPTABLES,
			    " times");
	pass &= judge_least("nft netdev ingress over XDP", times(ns, NFT, OURS_XDP, rounds), LEAST_NFT,
			    " times");
	return pass;
}

int main(int argc, char **argv)
{
	static double ns[WAYS][ROUNDS_MAX], lost[WAYS][ROUNDS_MAX];
	unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	struct wire w = {.sender_ns = -1, .receiver_ns = -1};
	int err;

	if (!rounds || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_wire [ROUNDS]\n");
		return 2;
	}
	make_frame(&w.frame);
	err = make_wire(&w);
	for (unsigned round = 0; !err && round < rounds; round++)
		for (int i = 0; !err && i < WAYS; i++)
			err = measure_way(&w, &ways[i], &ns[i][round], &lost[i][round]);
	scene_free(w.xdp);
	scene_free(w.tc);
	bare__destroy(w.bare);
	if (err) {
		fprintf(stderr, "bench_wire: %s\n", strerror(-err));
		return 1;
	}
	return judge(ns, lost, rounds) ? 0 : 1;
}
