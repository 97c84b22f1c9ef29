/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs cost a packet, by BPF_PROG_TEST_RUN over the empty program of the same type: nothing armed, armed and
 * not matching (1 to 256 rules), armed and dropping. Every round measures every case; the figures are the medians over the
 * rounds of the difference to the empty program of the same round.
 *
 * usage: bench_cost [ROUNDS]
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/figures.h"
#include "packet/frame.h"
#include "packet/scene.h"
#include "tests/bench/bare.skel.h"

#define REPEAT 200000
#define ROUNDS 15
#define ROUNDS_MAX 64
#define MOST_DISARMED_NS 10
#define MOST_MISS_NS 60
#define FLAT_PERCENT 10

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

enum rules {
	PORTS,    /* each names one remote port */
	PREFIXES, /* each names one remote prefix of each family, and no port */
	EVERY,    /* drop everything */
};

struct setting {
	enum rules rules;
	unsigned count;
	bool armed;
	struct scene *scene;
};

static struct setting settings[] = {
	{PORTS, 64, false, NULL},   {PORTS, 1, true, NULL},     {PORTS, 16, true, NULL},
	{PORTS, 64, true, NULL},    {PORTS, 256, true, NULL},   {PREFIXES, 1, true, NULL},
	{PREFIXES, 16, true, NULL}, {PREFIXES, 64, true, NULL}, {PREFIXES, 256, true, NULL},
	{EVERY, 1, true, NULL},
};

static const struct {
	const char *name;
	int family;
	uint8_t proto;
} packets[] = {{"TCP/IPv4", 4, IPPROTO_TCP}, {"UDP/IPv4", 4, IPPROTO_UDP}, {"TCP/IPv6", 6, IPPROTO_TCP}};

static const char *const hooks[SP_HOOKS] = {"xdp", "tc in", "tc out"};

/* ns a run over the empty program, by setting, packet and hook. */
struct figures {
	double over[COUNT(settings)][COUNT(packets)][SP_HOOKS][ROUNDS_MAX];
	double empty[2][ROUNDS_MAX]; /* XDP, tc */
};

static struct port_range ports[PLAN_MAX_RULES];
static struct prefix prefixes[PLAN_MAX_RULES][2];
static struct frame frames[COUNT(packets)][SP_HOOKS];
static struct ran ran;

static void make_parts(void)
{
	for (unsigned i = 0; i < PLAN_MAX_RULES; i++) {
		ports[i] = (struct port_range){20000 + i, 20000 + i};
		prefixes[i][0] = (struct prefix){.family = AF_INET, .addr = {198, 18, i}, .len = 24};
		prefixes[i][1] = (struct prefix){.family = AF_INET6, .addr = {0xfd, 0, 0, i}, .len = 64};
	}
	for (size_t p = 0; p < COUNT(packets); p++)
		for (int hook = 0; hook < SP_HOOKS; hook++) {
			struct spec s = packet(packets[p].family, packets[p].proto, hook == SP_HOOK_TC_OUT);

			s.flags = ACK;
			s.payload = 100;
			frame_build(&s, &frames[p][hook]);
		}
}

static int load(struct setting *set)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS};
	int err = scene_new(NEAR_END, &set->scene);

	if (err)
		return err;
	for (unsigned i = 0; i < set->count; i++) {
		struct plan_target t = {0};

		if (set->rules == PORTS) {
			t.remote_ports = &ports[i];
			t.n_remote_ports = 1;
		} else if (set->rules == PREFIXES) {
			t.remotes = prefixes[i];
			t.n_remotes = 2;
		}
		scene_rule(set->scene, &t, &drop, PLAN_HOOK_XDP | PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	}
	err = scene_load(set->scene);
	if (!err && set->armed)
		scene_arm(set->scene);
	return err;
}

static int measure(int fd, enum sp_hook hook, const struct frame *f, double *ret_ns)
{
	int ifindex = settings[0].scene->interface.ifindex, err;

	if (hook == SP_HOOK_XDP)
		err = run_xdp(fd, ifindex, REPEAT, f->data, f->len, &ran);
	else
		err = run_skb(fd, ifindex, 0, REPEAT, f->data, f->len, &ran);
	*ret_ns = ran.ns;
	return err;
}

static int measure_round(const struct bare *bare, struct figures *f, unsigned round)
{
	for (size_t p = 0; p < COUNT(packets); p++)
		for (int hook = 0; hook < SP_HOOKS; hook++) {
			const struct bpf_program *empty =
				hook == SP_HOOK_XDP ? bare->progs.pass_frame : bare->progs.pass_skb;
			double base, ns;
			int err = measure(bpf_program__fd(empty), hook, &frames[p][hook], &base);

			f->empty[hook != SP_HOOK_XDP][round] = base;
			for (size_t s = 0; !err && s < COUNT(settings); s++) {
				err = measure(scene_program(settings[s].scene, hook), hook, &frames[p][hook],
					      &ns);
				f->over[s][p][hook][round] = ns - base;
			}
			if (err)
				return err;
		}
	return 0;
}

static const char *describe(const struct setting *s, char *text, size_t size)
{
	if (!s->armed)
		snprintf(text, size, "not armed");
	else if (s->rules == EVERY)
		snprintf(text, size, "dropping");
	else
		snprintf(text, size, "%u rules by %s, none matches", s->count,
			 s->rules == PORTS ? "port" : "prefix");
	return text;
}

static void print_table(const struct figures *f, unsigned rounds)
{
	char text[64];

	printf("empty program: xdp %.0f ns, tc %.0f ns; below, ns over it (medians of %u rounds of %u "
	       "runs)\n\n%-36s",
	       median(f->empty[0], rounds), median(f->empty[1], rounds), rounds, REPEAT, "");
	for (size_t p = 0; p < COUNT(packets); p++)
		printf("%24s", packets[p].name);
	printf("\n%-36s", "");
	for (size_t p = 0; p < COUNT(packets); p++)
		for (int hook = 0; hook < SP_HOOKS; hook++)
			printf("%8s", hooks[hook]);
	printf("\n");
	for (size_t s = 0; s < COUNT(settings); s++) {
		printf("%-36s", describe(&settings[s], text, sizeof(text)));
		for (size_t p = 0; p < COUNT(packets); p++)
			for (int hook = 0; hook < SP_HOOKS; hook++)
				printf("%8.0f", median(f->over[s][p][hook], rounds));
		printf("\n");
	}
	printf("\n");
}

static double worst(const struct figures *f, size_t setting, unsigned rounds)
{
	double most = 0;

	for (size_t p = 0; p < COUNT(packets); p++)
		for (int hook = 0; hook < SP_HOOKS; hook++) {
			double ns = median(f->over[setting][p][hook], rounds);

			most = ns > most ? ns : most;
		}
	return most;
}

/* A whole run at a hook, the empty program included: the mean over the packets. */
static double whole_run(const struct figures *f, size_t setting, int hook, unsigned rounds)
{
	double sum = 0;

	for (size_t p = 0; p < COUNT(packets); p++)
		sum += median(f->over[setting][p][hook], rounds);
	return median(f->empty[hook != SP_HOOK_XDP], rounds) + sum / COUNT(packets);
}

/* By how many per cent the dearest number of rules exceeds the cheapest, at the hook where that is most. */
static double growth(const struct figures *f, enum rules rules, unsigned rounds)
{
	double most = 0;

	for (int hook = 0; hook < SP_HOOKS; hook++) {
		double low = 0, high = 0;

		for (size_t s = 0; s < COUNT(settings); s++) {
			double ns = whole_run(f, s, hook, rounds);

			if (!settings[s].armed || settings[s].rules != rules)
				continue;
			low = !low || ns < low ? ns : low;
			high = ns > high ? ns : high;
		}
		most = 100 * (high / low - 1) > most ? 100 * (high / low - 1) : most;
	}
	return most;
}

static bool judge(const struct figures *f, unsigned rounds)
{
	char text[64];
	bool pass = true;

	for (size_t s = 0; s < COUNT(settings); s++)
		if (settings[s].rules != EVERY)
			pass &= judge_most(describe(&settings[s], text, sizeof(text)), worst(f, s, rounds),
					   settings[s].armed ? MOST_MISS_NS : MOST_DISARMED_NS, " ns");
	pass &= judge_most("dearest over cheapest of 1 to 256 rules by port", growth(f, PORTS, rounds),
			   FLAT_PERCENT, " %");
	pass &= judge_most("dearest over cheapest of 1 to 256 rules by prefix", growth(f, PREFIXES, rounds),
			   FLAT_PERCENT, " %");
	return pass;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	struct figures *f = calloc(1, sizeof(*f));
	struct bare *bare = NULL;
	bool pass = false;
	int err = -ENOMEM;

	if (!f || !rounds || rounds > ROUNDS_MAX)
		goto out;
	err = world_make();
	make_parts();
	for (size_t s = 0; !err && s < COUNT(settings); s++)
		err = load(&settings[s]);
	if (err)
		goto out;
	bare = bare__open_and_load();
	err = bare ? 0 : -errno;
	for (unsigned round = 0; !err && round < rounds; round++)
		err = measure_round(bare, f, round);
	if (err)
		goto out;
	print_table(f, rounds);
	pass = judge(f, rounds);
out:
	if (err)
		fprintf(stderr, "bench_cost: %s\n", strerror(-err));
	bare__destroy(bare);
	for (size_t s = 0; s < COUNT(settings); s++)
		scene_free(settings[s].scene);
	free(f);
	return pass ? 0 : 1;
}
