/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/timeutil.h"
#include "kernel/counters.h"

static int load(struct shearpin *skel, int ifindex)
{
	struct bpf_program *program;
	int err = bpf_map__set_max_entries(skel->maps.interfaces, ifindex + 1);

	if (!err)
		err = bpf_map__set_max_entries(skel->maps.counters, BARE_SLOTS);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.receipts, BARE_SLOTS);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.parcels, BARE_PARCELS);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.states, BARE_STATES);
	for (program = NULL; (program = bpf_object__next_program(skel->obj, program));)
		if (bpf_program__type(program) != BPF_PROG_TYPE_SCHED_CLS)
			bpf_program__set_autoload(program, false);
	return err ? err : shearpin__load(skel);
}

static int match_all(struct bare *b)
{
	struct shearpin__bss *bss = b->skel->bss;
	struct sp_bits all = {.w = {~0ULL, ~0ULL, ~0ULL, ~0ULL}};
	__u32 key = b->ifindex;

	for (int i = 0; i < 256; i++)
		bss->protocols[i] = all;
	return bpf_map_update_elem(bpf_map__fd(b->skel->maps.interfaces), &key, &all, BPF_ANY);
}

static void fill_control(struct bare *b, const struct bare_line *line)
{
	struct sp_control *control = &b->skel->bss->control;

	*control = (struct sp_control){
		.armed = 1,
		.mark = 0x5eed0001,
		.magic = 0x5a5b,
		.line = line->kind,
		.beat_ns = ~0ULL,
		.line_ifindex = line->ifindex,
		.plain_ifindex = line->plain_ifindex,
		.parcel_mask = BARE_PARCELS - 1,
	};
	memcpy(control->line_mac, line->mac, sizeof(control->line_mac));
}

int bare_open(const struct bare_line *line, struct bare *ret)
{
	int err;

	*ret = (struct bare){.ifindex = if_nametoindex(NEAR_END), .skel = shearpin__open()};
	if (!ret->skel)
		return -errno;
	err = load(ret->skel, ret->ifindex);
	if (!err)
		err = match_all(ret);
	if (err) {
		bare_close(ret);
		return err;
	}
	fill_control(ret, line);
	return 0;
}

static void clear_array(const struct bpf_map *map, const void *zeros)
{
	for (uint32_t i = 0; i < bpf_map__max_entries(map); i++)
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &i, zeros, BPF_ANY), 0);
}

void bare_reset(struct bare *b, const struct bare_line *line)
{
	struct sp_counters zeros[libbpf_num_possible_cpus()];
	static const struct sp_receipt no_receipt;
	static const struct sp_parcel no_parcel;
	struct sp_flow_key key;

	memset(zeros, 0, sizeof(zeros));
	clear_array(b->skel->maps.counters, zeros);
	clear_array(b->skel->maps.stats, zeros);
	clear_array(b->skel->maps.receipts, &no_receipt);
	clear_array(b->skel->maps.parcels, &no_parcel);
	while (!bpf_map_get_next_key(bpf_map__fd(b->skel->maps.flows), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(b->skel->maps.flows), &key), 0);
	while (!bpf_map_get_next_key(bpf_map__fd(b->skel->maps.states), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(b->skel->maps.states), &key), 0);
	memset(b->skel->bss->seconds, 0, sizeof(b->skel->bss->seconds));
	memset(b->skel->bss->rules, 0, sizeof(b->skel->bss->rules));
	memset(b->skel->bss->rate_next, 0, sizeof(b->skel->bss->rate_next));
	b->skel->bss->tickets = 0;
	fill_control(b, line);
}

struct sp_rule *bare_rule(struct bare *b, unsigned i)
{
	struct sp_rule *r = &b->skel->bss->rules[i];

	*r = (struct sp_rule){
		.start_ns = clock_mono_ns(),
		.length_ns = 3600 * NS_PER_S,
		.every_ns = 3600 * NS_PER_S,
		.times = 1,
		.seed = 99 + i,
		.share = SP_ALWAYS,
		.flow_below = SP_ALWAYS,
		.first_slot = i,
	};
	b->skel->bss->control.hook[SP_HOOK_TC_IN].w[0] |= 1ULL << i;
	b->skel->bss->control.hook[SP_HOOK_TC_OUT].w[0] |= 1ULL << i;
	return r;
}

int bare_attach(struct bare *b)
{
	struct attach_programs programs = {.fd = {-1, -1, -1}};
	int err;

	programs.fd[SP_HOOK_TC_IN] = bpf_program__fd(b->skel->progs.tc_in);
	programs.fd[SP_HOOK_TC_OUT] = bpf_program__fd(b->skel->progs.tc_out);
	err = attach_open(ATTACH_AUTO, &programs, &b->attachments);
	return err ? err : attach_add(b->attachments, b->ifindex);
}

void bare_close(struct bare *b)
{
	attach_close(b->attachments);
	shearpin__destroy(b->skel);
	*b = (struct bare){0};
}

struct sp_counters bare_counters(const struct bare *b, uint32_t slot)
{
	struct sp_counters c;

	assert_int_equal(counters_read(bpf_map__fd(b->skel->maps.counters), slot, 1, &c), 0);
	return c;
}

struct sp_receipt bare_receipt(const struct bare *b, uint32_t slot)
{
	struct sp_receipt receipt;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.receipts), &slot, &receipt), 0);
	return receipt;
}

uint64_t bare_stat(const struct bare *b, uint32_t which)
{
	__u64 each[libbpf_num_possible_cpus()], sum = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.stats), &which, each), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += each[i];
	return sum;
}
