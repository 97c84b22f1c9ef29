/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/deciding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "chance.bpf.h"
#include "packet/scene.h"

#define RECEIPTS 512 /* of the first slots */
#define MANY_FATES 1000000
#define STATES 8192 /* flows of rules with a meaning */

static int on_event(void *arg, void *data, size_t size)
{
	struct deciding *d = arg;

	assert_int_equal(size, sizeof(d->last));
	memcpy(&d->last, data, sizeof(d->last));
	assert_in_range(d->last.type, 1, 2);
	d->events[d->last.type]++;
	return 0;
}

static size_t mapped_fates(const struct deciding *d)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (d->n_fates * sizeof(struct fate) + page - 1) / page * page;
}

static int map_fates(struct deciding *d)
{
	void *map = mmap(NULL, mapped_fates(d), PROT_READ, MAP_SHARED, bpf_map__fd(d->skel->maps.fates), 0);

	if (map == MAP_FAILED)
		return -1;
	d->fates = map;
	return 0;
}

static int open_with(void **state, uint32_t n_fates)
{
	struct deciding *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	*state = d;
	d->n_fates = n_fates;
	d->skel = decide__open();
	if (!d->skel || bpf_map__set_max_entries(d->skel->maps.counters, SP_MAX_SLOTS) ||
	    bpf_map__set_max_entries(d->skel->maps.receipts, RECEIPTS) ||
	    bpf_map__set_max_entries(d->skel->maps.states, STATES) ||
	    bpf_map__set_max_entries(d->skel->maps.fates, n_fates) || decide__load(d->skel) || map_fates(d))
		return -1;
	d->ring = ring_buffer__new(bpf_map__fd(d->skel->maps.events), on_event, d, NULL);
	d->cpus = libbpf_num_possible_cpus();
	d->skel->bss->given.segments = 1;
	d->skel->bss->given.dir = SP_DIR_OUT;
	d->skel->bss->given.now = T0;
	d->skel->bss->control.beat_ns = ~0ULL; /* the line lives */
	return d->ring ? 0 : -1;
}

int deciding_open(void **state)
{
	return open_with(state, 1);
}

int deciding_open_many(void **state)
{
	return open_with(state, MANY_FATES);
}

int deciding_close(void **state)
{
	struct deciding *d = *state;

	if (d->fates)
		munmap((void *)d->fates, mapped_fates(d));
	ring_buffer__free(d->ring);
	decide__destroy(d->skel);
	free(d);
	return 0;
}

static void forget_flows(const struct bpf_map *map)
{
	struct sp_flow_key key;

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), &key), 0);
}

void deciding_reset(struct deciding *d)
{
	static const struct sp_receipt empty;
	struct sp_counters zeros[d->cpus];

	memset(zeros, 0, sizeof(zeros));
	forget_flows(d->skel->maps.flows);
	forget_flows(d->skel->maps.states);
	for (uint32_t slot = 0; slot < RECEIPTS; slot++) {
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(d->skel->maps.counters), &slot, zeros, 0),
				 0);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(d->skel->maps.receipts), &slot, &empty, 0),
				 0);
	}
	memset(d->skel->bss->rate_next, 0, sizeof(d->skel->bss->rate_next));
	memset(d->skel->bss->seconds, 0, sizeof(d->skel->bss->seconds));
}

struct sp_rule *add_rule(struct deciding *d, unsigned i)
{
	struct sp_rule *r = &d->skel->bss->rules[i];

	*r = (struct sp_rule){
		.start_ns = T0,
		.length_ns = HOUR,
		.every_ns = HOUR,
		.times = 1,
		.seed = 7 + i,
		.share = SP_ALWAYS,
		.flow_below = SP_ALWAYS,
		.first_slot = 10 * i,
	};
	d->skel->bss->given.match.w[i / 64] |= 1ULL << i % 64;
	return r;
}

static void run_spec(struct deciding *d, const struct spec *s, uint32_t n)
{
	static struct ran ran;
	struct frame f;

	frame_build(s, &f);
	d->skel->bss->given.dir = memcmp(&s->from, &near_end, sizeof(s->from.mac)) ? SP_DIR_IN : SP_DIR_OUT;
	assert_int_equal(run_skb(bpf_program__fd(d->skel->progs.decide_given), 1, 0, n, f.data, f.len, &ran),
			 0);
	assert_int_equal(d->skel->bss->taken.parsed, 0);
}

const struct fate *decide_run(struct deciding *d, const struct spec *s, uint64_t now, uint32_t n)
{
	assert_in_range(n, 1, d->n_fates);
	d->skel->bss->given.now = now;
	d->skel->bss->n_fates = 0;
	run_spec(d, s, n);
	assert_int_equal(d->skel->bss->n_fates, n);
	return d->fates;
}

int decide_spec(struct deciding *d, const struct spec *s)
{
	run_spec(d, s, 1);
	return d->skel->bss->taken.slot == 0xffffffff ? NONE : (int)d->skel->bss->taken.verdict;
}

int decide_at(struct deciding *d, const struct spec *s, uint64_t now)
{
	d->skel->bss->given.now = now;
	return decide_spec(d, s);
}

struct spec flow_packet(unsigned flow, bool out)
{
	struct spec s = packet(4, IPPROTO_UDP, out);
	struct end *local = out ? &s.from : &s.to;

	local->port = flow;
	local->addr4[2] = flow >> 16;
	return s;
}

struct sp_counters counters_of(struct deciding *d, uint32_t slot)
{
	struct sp_counters each[d->cpus], sum = {0};

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(d->skel->maps.counters), &slot, each), 0);
	for (int i = 0; i < d->cpus; i++) {
		sum.matched += each[i].matched;
		sum.bytes += each[i].bytes;
		for (int v = 0; v < SP_VERDICTS; v++)
			sum.verdict[v] += each[i].verdict[v];
		if (each[i].first_ns && (!sum.first_ns || each[i].first_ns < sum.first_ns))
			sum.first_ns = each[i].first_ns;
		if (each[i].last_ns > sum.last_ns)
			sum.last_ns = each[i].last_ns;
		sum.flows += each[i].flows;
		sum.untracked += each[i].untracked;
		sum.failed += each[i].failed;
	}
	return sum;
}

void expect_balance(const struct sp_counters *c)
{
	uint64_t sum = 0;

	for (int v = 0; v < SP_VERDICTS; v++)
		sum += c->verdict[v];
	assert_int_equal(c->matched, sum);
}

struct sp_receipt receipt_of(struct deciding *d, uint32_t slot)
{
	struct sp_receipt receipt;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(d->skel->maps.receipts), &slot, &receipt), 0);
	return receipt;
}

struct sp_flow flow_state(struct deciding *d, const struct spec *s, bool out, uint32_t slot)
{
	struct sp_flow_key key;
	struct sp_flow flow;

	flow_of(s, out, &key);
	key.slot = slot;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(d->skel->maps.flows), &key, &flow), 0);
	return flow;
}

void set_flow_state(struct deciding *d, const struct spec *s, bool out, uint32_t slot,
		    const struct sp_flow *flow)
{
	struct sp_flow_key key;

	flow_of(s, out, &key);
	key.slot = slot;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(d->skel->maps.flows), &key, flow, BPF_ANY), 0);
}

uint64_t stat_of(struct deciding *d, __u32 which)
{
	__u64 each[d->cpus], sum = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(d->skel->maps.stats), &which, each), 0);
	for (int i = 0; i < d->cpus; i++)
		sum += each[i];
	return sum;
}

void flow_of(const struct spec *s, bool out, struct sp_flow_key *ret)
{
	const struct end *local = out ? &s->from : &s->to, *remote = out ? &s->to : &s->from;

	memset(ret, 0, sizeof(*ret));
	if (s->family == 4) {
		ret->local[2] = ret->remote[2] = htonl(0xffff);
		memcpy(&ret->local[3], local->addr4, 4);
		memcpy(&ret->remote[3], remote->addr4, 4);
	} else {
		memcpy(ret->local, local->addr6, 16);
		memcpy(ret->remote, remote->addr6, 16);
	}
	ret->local_port = local->port;
	ret->remote_port = remote->port;
	ret->proto = s->proto;
}

uint64_t hash_of(const struct spec *s, bool out)
{
	struct sp_flow_key k;

	flow_of(s, out, &k);
	return flow_hash(k.local, k.remote, k.local_port, k.remote_port, k.proto);
}
