/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the observer costs a packet of a flow that a target matches and no fault hits, by BPF_PROG_TEST_RUN: established TCP
 * connections with new payload in each packet, and UDP, in both directions, with a rule whose window is not open. Every round
 * measures every case; the figures are the medians over the rounds of the difference within a round.
 *
 * usage: bench_observer [ROUNDS]
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/figures.h"
#include "packet/frame.h"
#include "packet/scene.h"
#include "tests/bench/advance.skel.h"
#include "tests/bench/bare.skel.h"

#define REPEAT 200000
#define ROUNDS 15
#define ROUNDS_MAX 64
#define PAYLOAD 1000
#define MOST_NS 100
#define NEVER (1ULL << 62)

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static const struct {
	const char *name;
	int family;
	uint8_t proto;
	bool out;
} packets[] = {
	{"TCP/IPv4 in", 4, IPPROTO_TCP, false}, {"TCP/IPv4 out", 4, IPPROTO_TCP, true},
	{"TCP/IPv6 in", 6, IPPROTO_TCP, false}, {"TCP/IPv6 out", 6, IPPROTO_TCP, true},
	{"UDP/IPv4 in", 4, IPPROTO_UDP, false}, {"UDP/IPv4 out", 4, IPPROTO_UDP, true},
	{"UDP/IPv6 in", 6, IPPROTO_UDP, false}, {"UDP/IPv6 out", 6, IPPROTO_UDP, true},
};

enum state {
	EMPTY, /* the empty program */
	DISARMED,
	FAULTS,
	OBSERVER, /* as in the baseline */
	BOTH,
	STATES,
};

static const uint32_t armed[STATES] = {[FAULTS] = SP_ARMED_FAULTS,
				       [OBSERVER] = SP_ARMED_OBSERVER,
				       [BOTH] = SP_ARMED_FAULTS | SP_ARMED_OBSERVER};

struct bench {
	struct scene *scene;
	struct bare *bare;
	struct advance *advance;
	struct frame frames[COUNT(packets)];
	struct ran ran;
	double ns[STATES][COUNT(packets)][ROUNDS_MAX];
};

static int load_scene(struct bench *b)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS};
	static const struct plan_target any;
	int err = scene_new(NEAR_END, &b->scene);

	if (err)
		return err;
	scene_rule(b->scene, &any, &drop, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	err = scene_load(b->scene);
	if (err)
		return err;
	engine_observe(b->scene->engine);
	scene_arm(b->scene);
	b->scene->skel->bss->rules[0].start_ns = NEVER;
	return 0;
}

static int load(struct bench *b)
{
	int err = load_scene(b);

	if (err)
		return err;
	b->bare = bare__open_and_load();
	b->advance = advance__open();
	if (!b->bare || !b->advance)
		return -errno;
	b->advance->rodata->payload = PAYLOAD;
	for (size_t p = 0; p < COUNT(packets); p++) {
		struct spec s = packet(packets[p].family, packets[p].proto, packets[p].out);

		s.flags = ACK;
		s.payload = PAYLOAD;
		frame_build(&s, &b->frames[p]);
	}
	return advance__load(b->advance);
}

static int measure(struct bench *b, size_t p, enum state state, double *ret_ns)
{
	const struct bpf_program *first = packets[p].proto != IPPROTO_TCP ? b->advance->progs.stay
					  : packets[p].family == 4        ? b->advance->progs.advance4
									  : b->advance->progs.advance6;
	int fd = scene_program(b->scene, packets[p].out ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN), err;
	__u32 key = 0;

	if (state == EMPTY)
		fd = bpf_program__fd(b->bare->progs.pass_skb);
	b->scene->skel->bss->control.armed = armed[state];
	b->advance->bss->which = p;
	err = bpf_map_update_elem(bpf_map__fd(b->advance->maps.next), &key, &fd, BPF_ANY);
	if (!err)
		err = run_skb(bpf_program__fd(first), b->scene->interface.ifindex, 0, REPEAT,
			      b->frames[p].data, b->frames[p].len, &b->ran);
	*ret_ns = b->ran.ns;
	return err;
}

/* The observer has seen each packet of the rounds, and found new payload in it. */
static int check(const struct bench *b, unsigned rounds)
{
	uint64_t expected = (uint64_t)rounds * REPEAT * 2 * PAYLOAD, bytes[COUNT(packets) / 2][SP_DIRS] = {0};
	int fd = bpf_map__fd(b->scene->skel->maps.conns);
	struct sp_flow_key key, *before = NULL;
	struct sp_conn conn;
	size_t n = 0;

	for (; !bpf_map_get_next_key(fd, before, &key) && n < COUNT(bytes); before = &key, n++) {
		if (bpf_map_lookup_elem(fd, &key, &conn))
			return -errno;
		memcpy(bytes[n], conn.bytes, sizeof(bytes[n]));
	}
	for (size_t i = 0; i < COUNT(bytes); i++)
		for (int dir = 0; dir < SP_DIRS; dir++)
			if (bytes[i][dir] != expected)
				return -EBADMSG;
	return 0;
}

static void print_table(const struct bench *b, unsigned rounds)
{
	printf("%-16s%8s%10s%8s%10s%8s   (ns; medians of %u rounds of %u packets)\n", "", "empty", "disarmed",
	       "faults", "observer", "both", rounds, REPEAT);
	for (size_t p = 0; p < COUNT(packets); p++)
		printf("%-16s%8.0f%10.0f%8.0f%10.0f%8.0f\n", packets[p].name, median(b->ns[EMPTY][p], rounds),
		       median(b->ns[DISARMED][p], rounds), median(b->ns[FAULTS][p], rounds),
		       median(b->ns[OBSERVER][p], rounds), median(b->ns[BOTH][p], rounds));
	printf("\n");
}

static bool judge(const struct bench *b, unsigned rounds)
{
	double over[ROUNDS_MAX];
	char what[80];
	bool pass = true;

	for (size_t p = 0; p < COUNT(packets); p++) {
		for (unsigned i = 0; i < rounds; i++)
			over[i] = b->ns[BOTH][p][i] - b->ns[FAULTS][p][i];
		snprintf(what, sizeof(what), "the observer, %s", packets[p].name);
		pass &= judge_most(what, median(over, rounds), MOST_NS, " ns");
	}
	return pass;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	struct bench *b = calloc(1, sizeof(*b));
	bool pass = false;
	int err = -ENOMEM;

	if (!b || !rounds || rounds > ROUNDS_MAX)
		goto out;
	err = world_make();
	if (!err)
		err = load(b);
	for (unsigned round = 0; !err && round < rounds; round++)
		for (size_t p = 0; !err && p < COUNT(packets); p++)
			for (int state = 0; !err && state < STATES; state++)
				err = measure(b, p, state, &b->ns[state][p][round]);
	if (!err)
		err = check(b, rounds);
	if (err)
		goto out;
	print_table(b, rounds);
	pass = judge(b, rounds);
out:
	if (err)
		fprintf(stderr, "bench_observer: %s\n", strerror(-err));
	if (b) {
		advance__destroy(b->advance);
		bare__destroy(b->bare);
		scene_free(b->scene);
	}
	free(b);
	return pass ? 0 : 1;
}
