/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to know whose a packet is: ns over the same rule without an owner, with a rule that does nothing more to the
 * packet than to match. Medians over the rounds. The order of magnitude is judged: MOST_NS.
 *
 * usage: bench_owner [ROUNDS]
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/figures.h"
#include "kernel/owned.h"
#include "packet/frame.h"
#include "packet/scene.h"

#define ROUNDS 15
#define ROUNDS_MAX 200
#define REPEAT 100000
#define MOST_NS 600

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

enum owner {
	NOBODY, /* is named */
	CGROUP,
	OWNERS,
};

static struct example {
	const char *name;
	enum sp_hook hook;
	uint8_t proto;
	uint16_t port; /* of this end */
	struct frame frame;
	double ns[OWNERS][ROUNDS_MAX];
} examples[] = {
	{.name = "going out, TCP", .hook = SP_HOOK_TC_OUT, .proto = IPPROTO_TCP, .port = 40000},
	{.name = "going out, UDP", .hook = SP_HOOK_TC_OUT, .proto = IPPROTO_UDP, .port = 40001},
	{.name = "coming in, TCP (remembered)", .hook = SP_HOOK_TC_IN, .proto = IPPROTO_TCP, .port = 40000},
	{.name = "coming in, UDP (looked up)", .hook = SP_HOOK_TC_IN, .proto = IPPROTO_UDP, .port = 40001},
};

static struct scene *scenes[OWNERS];
static struct owned *owned[OWNERS];
static struct ran ran;

static int load(enum owner owner)
{
	static const struct plan_fault loss = {.drop_every = UINT32_MAX};
	struct plan_target t = {.name = (char *)"target"};
	char reason[320];
	int err = scene_new(NEAR_END, &scenes[owner]);

	if (err)
		return err;
	t.cgroup = owner == CGROUP ? (char *)"/" : NULL;
	scene_rule(scenes[owner], &t, &loss, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	err = scene_load(scenes[owner]);
	if (!err)
		err = owned_open(&scenes[owner]->plan, &owned[owner], reason, sizeof(reason));
	if (!err)
		err = owned_tell(owned[owner], scenes[owner]->engine, reason, sizeof(reason));
	if (!err)
		scene_arm(scenes[owner]);
	return err;
}

static int measure_round(unsigned round)
{
	int err = 0;

	for (size_t i = 0; i < COUNT(examples); i++)
		for (int owner = 0; !err && owner < OWNERS; owner++) {
			struct example *e = &examples[i];

			err = run_skb(scene_program(scenes[owner], e->hook), scenes[0]->interface.ifindex, 0,
				      REPEAT, e->frame.data, e->frame.len, &ran);
			e->ns[owner][round] = ran.ns;
		}
	return err;
}

static void make_frames(void)
{
	for (size_t i = 0; i < COUNT(examples); i++) {
		bool out = examples[i].hook == SP_HOOK_TC_OUT;
		struct spec s = packet(4, examples[i].proto, out);

		(out ? &s.from : &s.to)->port = examples[i].port;
		s.flags = ACK;
		s.payload = 100;
		frame_build(&s, &examples[i].frame);
	}
}

/* Where the datagrams go. */
static int make_socket(int *ret_fd)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(40001)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ret_fd = fd;
	return fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ? -errno : 0;
}

static bool print(unsigned rounds)
{
	double most = 0;

	printf("ns a packet that a rule matches (medians of %u rounds of %u runs)\n\n%-32s%12s%12s\n", rounds,
	       REPEAT, "", "anybody's", "a cgroup's");
	for (size_t i = 0; i < COUNT(examples); i++) {
		double base = median(examples[i].ns[NOBODY], rounds);
		double ns = median(examples[i].ns[CGROUP], rounds);

		printf("%-32s%12.0f%12.0f\n", examples[i].name, base, ns);
		most = ns - base > most ? ns - base : most;
	}
	printf("\n");
	return judge_most("more to know whose a packet is", most, MOST_NS, " ns");
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	int fd = -1, err = rounds && rounds <= ROUNDS_MAX ? world_make() : -EINVAL;
	bool pass = false;

	make_frames();
	if (!err)
		err = world_command("ip addr add %d.%d.%d.%d/24 dev " NEAR_END, near_end.addr4[0],
				    near_end.addr4[1], near_end.addr4[2], near_end.addr4[3]);
	if (!err)
		err = make_socket(&fd);
	for (int owner = 0; !err && owner < OWNERS; owner++)
		err = load(owner);
	for (unsigned round = 0; !err && round < rounds; round++)
		err = measure_round(round);
	if (err)
		fprintf(stderr, "bench_owner: %s\n", strerror(-err));
	else
		pass = print(rounds);
	for (int owner = 0; owner < OWNERS; owner++) {
		owned_close(owned[owner]);
		scene_free(scenes[owner]);
	}
	if (fd >= 0)
		close(fd);
	return pass ? 0 : 1;
}
