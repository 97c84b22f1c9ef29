/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What faults that know a protocol cost a matching packet, beside the older ones: single BPF_PROG_TEST_RUNs, since many of them
 * make another packet of it. Every round runs every case once; the figures are the medians over the rounds, less that of
 * the empty program. The order of magnitude is judged: no packet may cost more than MOST_NS.
 *
 * usage: bench_meanings [ROUNDS]
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
#include "tests/bench/bare.skel.h"

#define ROUNDS 3000
#define ROUNDS_MAX MEDIAN_MOST
#define MOST_NS 6000

#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define TEXT(text) .payload = (text), .payload_len = sizeof(text) - 1
#define QUERY                                                                                                \
	"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"                                                   \
	"\x03www\x07"                                                                                        \
	"example\x03"                                                                                        \
	"com\x00\x00\x01\x00\x01"
#define RESPONSE "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\nok"
#define ALWAYS .flow_below = PLAN_ALWAYS, .meaning_below = PLAN_ALWAYS

static char *covering[] = {"*.example.com"}, *other[] = {"*.example.org"};

static struct example {
	const char *name;
	struct plan_fault fault;
	uint8_t proto;
	bool out;
	uint8_t flags; /* TCP; 0: ACK */
	const char *payload;
	size_t payload_len;
	struct scene *scene;
	struct frame frame;
	double ns[ROUNDS_MAX];
} examples[] = {
	{.name = "drop",
	 .fault = {.drop_below = PLAN_ALWAYS},
	 .proto = IPPROTO_UDP,
	 .out = true,
	 TEXT(QUERY)},
	{.name = "reset",
	 .fault = {.reset_ends = 3, ALWAYS},
	 .proto = IPPROTO_TCP,
	 .out = true,
	 TEXT("hello")},
	{.name = "refuse: tcp-reset",
	 .fault = {.refuse = PLAN_REFUSE_TCP_RESET, ALWAYS},
	 .proto = IPPROTO_TCP,
	 .out = true,
	 .flags = SYN},
	{.name = "dns: every query answered",
	 .fault = {.meaning = PLAN_MEANS_DNS, .rcode = 3, ALWAYS},
	 .proto = IPPROTO_UDP,
	 .out = true,
	 TEXT(QUERY)},
	{.name = "dns: by name, answered",
	 .fault = {.meaning = PLAN_MEANS_DNS, .rcode = 3, .patterns = covering, .n_patterns = 1, ALWAYS},
	 .proto = IPPROTO_UDP,
	 .out = true,
	 TEXT(QUERY)},
	{.name = "dns: by name, another one passes",
	 .fault = {.meaning = PLAN_MEANS_DNS, .rcode = 3, .patterns = other, .n_patterns = 1, ALWAYS},
	 .proto = IPPROTO_UDP,
	 .out = true,
	 TEXT(QUERY)},
	{.name = "http: a response",
	 .fault = {.meaning = PLAN_MEANS_HTTP, .status = 503, .retry_after_s = -1, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT(RESPONSE)},
	{.name = "http: a response, with Retry-After",
	 .fault = {.meaning = PLAN_MEANS_HTTP, .status = 503, .retry_after_s = 30, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT(RESPONSE)},
	{.name = "http: any other segment passes",
	 .fault = {.meaning = PLAN_MEANS_HTTP, .status = 503, .retry_after_s = -1, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT("a piece of a body")},
	{.name = "ntp: an answer",
	 .fault = {.meaning = PLAN_MEANS_NTP, .ntp_from_ns = 80000000, ALWAYS},
	 .proto = IPPROTO_UDP,
	 TEXT("\x24\x01\x03\xe8\0\0\0\0\0\0\0\0LOCLaaaaaaaabbbbbbbbccccccccdddddddd")},
	{.name = "stall",
	 .fault = {.meaning = PLAN_MEANS_STALL, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT("hello")},
	{.name = "limit: within it",
	 .fault = {.meaning = PLAN_MEANS_LIMIT, .then = PLAN_THEN_RESET, .amount = 1 << 30, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT("hello")},
	{.name = "mtu: short enough",
	 .fault = {.meaning = PLAN_MEANS_MTU, .amount = 1400, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT("hello")},
	{.name = "mtu: too long, the sender is told",
	 .fault = {.meaning = PLAN_MEANS_MTU, .then = PLAN_THEN_ICMP, .amount = 68, ALWAYS},
	 .proto = IPPROTO_TCP,
	 .out = true,
	 TEXT("more than sixty-eight bytes with the headers of IP and of TCP, it has to be")},
	{.name = "half_open: no end in it",
	 .fault = {.meaning = PLAN_MEANS_HALF_OPEN, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT("hello")},
	{.name = "rate_limit: a SYN too many",
	 .fault = {.meaning = PLAN_MEANS_RATE_LIMIT, .then = PLAN_THEN_REFUSE, .amount = 0, ALWAYS},
	 .proto = IPPROTO_TCP,
	 .out = true,
	 .flags = SYN},
	{.name = "disconnects: not yet",
	 .fault = {.meaning = PLAN_MEANS_DISCONNECTS, .amount = 3600000000000000, ALWAYS},
	 .proto = IPPROTO_TCP,
	 TEXT("hello")},
};

static double empty[ROUNDS_MAX];
static struct ran ran;

/* The described packet with a payload of the example's own, and its checksum. */
static void build(struct example *e)
{
	struct spec s = packet(4, e->proto, e->out);
	size_t header = e->proto == IPPROTO_TCP ? 20 : 8, len = header + e->payload_len;
	uint8_t *transport;
	uint16_t sum;

	s.flags = e->flags ?: ACK;
	s.payload = e->payload_len;
	frame_build(&s, &e->frame);
	transport = e->frame.data + e->frame.l4;
	memcpy(transport + header, e->payload, e->payload_len);
	memset(transport + (e->proto == IPPROTO_TCP ? 16 : 6), 0, 2);
	sum = htons(~sum_fold(sum_bytes(transport, len, sum_pseudo(&s, e->proto, len))) & 0xffff);
	memcpy(transport + (e->proto == IPPROTO_TCP ? 16 : 6), &sum, sizeof(sum));
}

static int load(struct example *e)
{
	static const struct plan_target any;
	int err = scene_new(NEAR_END, &e->scene);

	if (err)
		return err;
	scene_rule(e->scene, &any, &e->fault, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	err = scene_load(e->scene);
	if (!err)
		scene_arm(e->scene);
	return err;
}

static int run_round(const struct bare *bare, unsigned round)
{
	int ifindex = examples[0].scene->interface.ifindex;
	int err = run_skb(bpf_program__fd(bare->progs.pass_skb), ifindex, 0, 1, examples[0].frame.data,
			  examples[0].frame.len, &ran);

	empty[round] = ran.ns;
	for (size_t i = 0; !err && i < COUNT(examples); i++) {
		struct example *e = &examples[i];

		err = run_skb(scene_program(e->scene, e->out ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN),
			      e->scene->interface.ifindex, 0, 1, e->frame.data, e->frame.len, &ran);
		e->ns[round] = ran.ns;
	}
	return err;
}

static bool report(unsigned rounds)
{
	double base = median(empty, rounds);
	bool pass = true;

	printf("ns a packet over the empty program (%.0f), medians of %u single runs, TCP and UDP over "
	       "IPv4\n\n",
	       base, rounds);
	for (size_t i = 0; i < COUNT(examples); i++)
		printf("%-40s%8.0f\n", examples[i].name, median(examples[i].ns, rounds) - base);
	printf("\n");
	for (size_t i = 0; i < COUNT(examples); i++)
		pass &= judge_most(examples[i].name, median(examples[i].ns, rounds) - base, MOST_NS, " ns");
	return pass;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	struct bare *bare = NULL;
	bool pass = false;
	int err = rounds && rounds <= ROUNDS_MAX ? world_make() : -EINVAL;

	for (size_t i = 0; !err && i < COUNT(examples); i++) {
		build(&examples[i]);
		err = load(&examples[i]);
	}
	if (err)
		goto out;
	bare = bare__open_and_load();
	err = bare ? 0 : -errno;
	for (unsigned round = 0; !err && round < rounds; round++)
		err = run_round(bare, round);
	if (!err)
		pass = report(rounds);
out:
	if (err)
		fprintf(stderr, "bench_meanings: %s\n", strerror(-err));
	for (size_t i = 0; i < COUNT(examples); i++)
		scene_free(examples[i].scene);
	bare__destroy(bare);
	return err || !pass;
}
