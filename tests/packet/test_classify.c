/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classification against a naive one that goes through the rules one by one: 256 random rules over all dimensions at a time,
 * many packets that lie near them, through the production programs in rehearsal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/rehearse.h"
#include "packet/frame.h"
#include "packet/scene.h"

#define SETS 12
#define PACKETS_A_SET 20000
#define REMOTES 4
#define RANGES 3

static uint64_t random_state;

static uint32_t pick(uint32_t below)
{
	random_state += 0x9e3779b97f4a7c15;
	uint64_t x = random_state;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(x >> 32) % below;
}

/* Few different values, so that rules and packets meet. */
static const uint16_t ports[] = {1, 53, 79, 80, 81, 443, 1023, 1024, 40000, 65534, 65535};
static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP};

#define PICK(list) ((list)[pick(sizeof(list) / sizeof(*(list)))])

static void pick_address(int family, uint8_t *ret)
{
	static const uint8_t start4[] = {10, 192}, bytes[] = {0, 1, 2, 127, 128, 254, 255};

	memset(ret, 0, 16);
	if (family == AF_INET) {
		ret[0] = PICK(start4);
		for (int i = 1; i < 4; i++)
			ret[i] = PICK(bytes);
		return;
	}
	ret[0] = 0x20;
	ret[1] = 1;
	for (int i = 6; i < 16; i += 3)
		ret[i] = PICK(bytes);
}

static struct prefix pick_prefix(void)
{
	struct prefix p = {.family = pick(2) ? AF_INET : AF_INET6};
	unsigned bits = p.family == AF_INET ? 32 : 128;

	p.len = pick(3) ? pick(bits + 1) : bits;
	pick_address(p.family, p.addr);
	for (unsigned i = p.len; i < 128; i++)
		p.addr[i / 8] &= ~(0x80 >> i % 8);
	return p;
}

static struct port_range pick_range(void)
{
	struct port_range r = {PICK(ports), PICK(ports)};

	if (pick(2))
		r.last = r.first;
	if (r.last < r.first)
		r = (struct port_range){r.last, r.first};
	return r;
}

/* What a rule's target points to. */
struct parts {
	struct prefix remotes[REMOTES];
	struct port_range remote_ports[RANGES], local_ports[RANGES];
	char *interface;
};

static char *const interfaces[] = {(char *)NEAR_END, (char *)"elsewhere"};

static struct plan_target pick_target(struct parts *parts, unsigned dimensions)
{
	struct plan_target t = {
		.remotes = parts->remotes,
		.remote_ports = parts->remote_ports,
		.local_ports = parts->local_ports,
		.interfaces = &parts->interface,
	};

	for (size_t i = 0; i < REMOTES; i++)
		parts->remotes[i] = pick_prefix();
	for (size_t i = 0; i < RANGES; i++) {
		parts->remote_ports[i] = pick_range();
		parts->local_ports[i] = pick_range();
	}
	parts->interface = PICK(interfaces);
	t.proto = dimensions & 1 && pick(2) ? PICK(protocols) : 0;
	t.n_remotes = dimensions & 2 && pick(2) ? 1 + pick(REMOTES) : 0;
	t.n_remote_ports = dimensions & 4 && pick(2) ? 1 + pick(RANGES) : 0;
	t.n_local_ports = dimensions & 8 && pick(2) ? 1 + pick(RANGES) : 0;
	t.n_interfaces = dimensions & 16 && !pick(4);
	return t;
}

static struct spec pick_packet(bool out)
{
	struct spec s = packet(pick(2) ? 6 : 4, PICK(protocols), out);
	struct end *remote = out ? &s.to : &s.from;

	s.vlans = pick(3);
	s.flags = ACK;
	s.from.port = PICK(ports);
	s.to.port = PICK(ports);
	if (s.family == 4)
		pick_address(AF_INET, remote->addr4);
	else
		pick_address(AF_INET6, remote->addr6);
	return s;
}

static bool in_prefix(const struct prefix *p, const struct spec *s, const struct end *remote)
{
	const uint8_t *addr = s->family == 4 ? remote->addr4 : remote->addr6;

	if ((p->family == AF_INET) != (s->family == 4))
		return false;
	for (unsigned i = 0; i < p->len; i++)
		if ((p->addr[i / 8] ^ addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool in_ranges(const struct port_range *ranges, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	return !n;
}

static bool matches(const struct plan_target *t, const struct spec *s, bool out)
{
	const struct end *remote = out ? &s->to : &s->from, *local = out ? &s->from : &s->to;
	bool has_ports = s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP, near = !t->n_remotes;

	if (t->proto && t->proto != s->proto && !(t->proto == IPPROTO_ICMP && s->proto == IPPROTO_ICMPV6))
		return false;
	for (size_t i = 0; i < t->n_remotes; i++)
		near |= in_prefix(&t->remotes[i], s, remote);
	if (!near || (t->n_interfaces && strcmp(t->interfaces[0], NEAR_END)))
		return false;
	return in_ranges(t->remote_ports, t->n_remote_ports, has_ports ? remote->port : 0) &&
	       in_ranges(t->local_ports, t->n_local_ports, has_ports ? local->port : 0);
}

/* The first rule from `first` on that matches at the hook: all have the same verdict, and the first stays the winner. */
static int naive(const struct scene *s, const struct spec *p, enum sp_hook hook, size_t first)
{
	for (size_t r = first; r < s->plan.n_rules; r++)
		if (s->rules[r].hooks & 1 << hook && matches(&s->targets[r], p, hook == SP_HOOK_TC_OUT))
			return r;
	return -1;
}

static void compare(struct scene *s, unsigned *hits, unsigned *misses)
{
	enum sp_hook hook = pick(SP_HOOKS);
	struct spec p = pick_packet(hook == SP_HOOK_TC_OUT);
	struct sp_bits *enabled = &s->skel->bss->control.hook[hook], all = *enabled;
	size_t first = pick(s->plan.n_rules);
	int found, expected = naive(s, &p, hook, first);
	struct frame f;

	frame_build(&p, &f);
	for (size_t r = 0; r < first; r++)
		enabled->w[r / 64] &= ~(1ULL << r % 64);
	assert_int_equal(rehearse(s->skel, hook, s->interface.ifindex, f.data, f.len, &found), 0);
	assert_int_equal(found, expected);
	*enabled = all;
	++*(found >= 0 ? hits : misses);
}

static void agrees_with_a_naive_one(void **state)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS};
	struct parts *parts = calloc(PLAN_MAX_RULES, sizeof(*parts));
	unsigned hits = 0, misses = 0;

	(void)state;
	assert_non_null(parts);
	for (unsigned set = 0; set < SETS; set++) {
		size_t n = set % 3 == 0 ? PLAN_MAX_RULES : set % 3 == 1 ? 1 + pick(70) : 1 + pick(4);
		struct scene *s;

		random_state = set;
		assert_int_equal(scene_new(NEAR_END, &s), 0);
		for (size_t r = 0; r < n; r++) {
			struct plan_target t = pick_target(&parts[r], set ? pick(32) : 31);

			/* With many rules that ask little, the first would always win. */
			if (n > 4 && !(t.n_remotes && (t.n_remote_ports || t.n_local_ports)) && pick(20))
				t = pick_target(&parts[r], 31);
			scene_rule(s, &t, &drop, 1 + pick(7));
		}
		assert_int_equal(scene_load(s), 0);
		for (int i = 0; i < PACKETS_A_SET; i++)
			compare(s, &hits, &misses);
		scene_free(s);
	}
	free(parts);
	assert_int_equal(hits + misses, SETS * PACKETS_A_SET);
	assert_in_range(hits, SETS * PACKETS_A_SET / 20, SETS * PACKETS_A_SET * 19 / 20);
}

/* Each rule by itself is found, whatever its place in the vector. */
static void finds_each_of_256(void **state)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS};
	static struct port_range ranges[PLAN_MAX_RULES];
	struct scene *s;

	(void)state;
	assert_int_equal(scene_new(NEAR_END, &s), 0);
	for (int r = 0; r < PLAN_MAX_RULES; r++) {
		struct plan_target t = {
			.proto = IPPROTO_UDP, .remote_ports = &ranges[r], .n_remote_ports = 1};

		ranges[r] = (struct port_range){1000 + r, 1000 + r};
		scene_rule(s, &t, &drop, PLAN_HOOK_XDP | PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	}
	assert_int_equal(scene_load(s), 0);
	for (int r = -1; r <= PLAN_MAX_RULES; r++)
		for (int hook = 0; hook < SP_HOOKS; hook++) {
			struct spec p = packet(4, IPPROTO_UDP, hook == SP_HOOK_TC_OUT);
			int found;
			struct frame f;

			*(hook == SP_HOOK_TC_OUT ? &p.to.port : &p.from.port) = 1000 + r;
			frame_build(&p, &f);
			assert_int_equal(rehearse(s->skel, hook, s->interface.ifindex, f.data, f.len, &found),
					 0);
			assert_int_equal(found, r < PLAN_MAX_RULES ? r : -1);
		}
	scene_free(s);
}

/* Only on the plan's interfaces, and only there where the rule says so. */
static void knows_its_interfaces(void **state)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS};
	static const struct plan_target anything;
	struct spec p = packet(6, IPPROTO_TCP, false);
	struct scene *s;
	struct frame f;
	int found;

	(void)state;
	assert_int_equal(scene_new(NEAR_END, &s), 0);
	scene_rule(s, &anything, &drop, PLAN_HOOK_TC_IN);
	assert_int_equal(scene_load(s), 0);
	frame_build(&p, &f);
	assert_int_equal(rehearse(s->skel, SP_HOOK_TC_IN, s->interface.ifindex, f.data, f.len, &found), 0);
	assert_int_equal(found, 0);
	assert_int_equal(rehearse(s->skel, SP_HOOK_TC_IN, 1 /* lo */, f.data, f.len, &found), 0);
	assert_int_equal(found, -1);
	assert_int_equal(rehearse(s->skel, SP_HOOK_TC_OUT, s->interface.ifindex, f.data, f.len, &found), 0);
	assert_int_equal(found, -1);
	scene_free(s);
}

static int set_up(void **state)
{
	(void)state;
	return world_make();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_naive_one),
		cmocka_unit_test(finds_each_of_256),
		cmocka_unit_test(knows_its_interfaces),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
