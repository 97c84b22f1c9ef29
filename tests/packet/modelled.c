/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/modelled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "kernel/distribution.h"

#define ETHERNET 14

static int16_t tables[SP_DISTRIBUTIONS][SP_TABLE_SIZE];

void fill_distributions(struct deciding *d)
{
	if (!tables[SP_NORMAL][0])
		for (int i = SP_NORMAL; i < SP_DISTRIBUTIONS; i++)
			distribution_fill(i, tables[i]);
	memcpy(d->skel->bss->distributions, tables, sizeof(tables));
}

void model_flow(struct modelled *m, struct deciding *d, const struct spec *s, bool out, unsigned n)
{
	*m = (struct modelled){.d = d, .spec = *s, .out = out, .n_pipes = n};
	fill_distributions(d);
	for (unsigned i = 0; i < n; i++) {
		const struct sp_rule *r = &d->skel->bss->rules[i];

		m->pipes[i] = (struct pipe){
			.rule = r,
			.table = r->distribution == SP_UNIFORM ? NULL : tables[r->distribution],
			.flow = hash_of(s, out),
			.dir = out ? SP_DIR_OUT : SP_DIR_IN,
		};
	}
}

/* Every segment has all headers. */
static uint32_t wire_bytes(const struct modelled *m, const struct frame *f)
{
	uint32_t segments = m->d->skel->bss->given.segments;
	uint32_t headers = f->l4 + (m->spec.proto == IPPROTO_TCP ? 20 + m->spec.tcp_options : 8);

	return headers * segments + (f->len - headers) - 4 * m->spec.vlans * segments;
}

static struct crossing arrival(const struct modelled *m, uint64_t now, uint64_t opened)
{
	struct frame f;

	frame_build(&m->spec, &f);
	return (struct crossing){
		.now = now,
		.opened = opened,
		.segments = m->d->skel->bss->given.segments,
		.bytes = wire_bytes(m, &f),
		.has_payload = m->spec.payload > 0,
	};
}

/* All pipes have the packet, even if one before drops it: each counts for itself. */
static enum sp_verdict cross_all(struct modelled *m, struct crossing *c)
{
	enum sp_verdict hardest = SP_PASS;

	for (unsigned i = 0; i < m->n_pipes; i++) {
		enum sp_verdict verdict = pipe_cross(&m->pipes[i], c);

		if (verdict > hardest)
			hardest = verdict;
	}
	m->verdicts[hardest] += c->segments;
	return hardest;
}

enum sp_verdict model_packet(struct modelled *m, uint64_t now, uint64_t opened)
{
	struct crossing c = arrival(m, now, opened);
	enum sp_verdict verdict = cross_all(m, &c);

	assert_int_equal(decide_at(m->d, &m->spec, now), verdict);
	if (verdict == SP_DROP)
		return verdict;
	assert_int_equal(m->d->skel->bss->taken.release, c.release);
	assert_int_equal(m->d->skel->bss->taken.first, c.first);
	if (c.segments > 1)
		assert_int_equal(m->d->skel->bss->taken.spacing, (c.release - c.first) / (c.segments - 1));
	assert_int_equal(m->d->skel->bss->taken.requested, c.requested);
	assert_int_equal(m->d->skel->bss->taken.copies, c.copies);
	assert_int_equal(m->d->skel->bss->taken.alter, c.alter);
	assert_int_equal(m->d->skel->bss->taken.draw, c.draw);
	return verdict;
}

static bool is_as_modelled(const struct fate *f, enum sp_verdict verdict, const struct crossing *c)
{
	return f->verdict == verdict &&
	       (verdict == SP_DROP || (f->copies == c->copies && f->alter == c->alter && f->draw == c->draw &&
				       f->release == c->release && f->requested == c->requested));
}

const struct fate *model_run(struct modelled *m, uint32_t n)
{
	const struct fate *fates = decide_run(m->d, &m->spec, T0, n);
	struct crossing first = arrival(m, T0, T0);

	for (uint32_t i = 0; i < n; i++) {
		struct crossing c = first;
		const struct fate *f = &fates[i];
		enum sp_verdict verdict;

		c.now += i * m->d->skel->bss->given.step;
		verdict = cross_all(m, &c);
		if (!is_as_modelled(f, verdict, &c))
			fail_msg("packet %u: verdict %u, %u copies, alter %u, draw %#x, release +%ld "
				 "instead of %u, %u, %u, %#x, +%ld",
				 i, f->verdict, f->copies, f->alter, f->draw, (long)(f->release - c.now),
				 verdict, c.copies, c.alter, c.draw, (long)(c.release - c.now));
	}
	return fates;
}

void expect_counts_as_modelled(const struct modelled *m)
{
	const struct pipe *pipe = &m->pipes[0];
	struct sp_counters c = counters_of(m->d, pipe->rule->first_slot);
	struct sp_receipt receipt = receipt_of(m->d, pipe->rule->first_slot);

	expect_balance(&c);
	for (int v = 0; v < SP_VERDICTS; v++)
		assert_int_equal(c.verdict[v], m->verdicts[v]);
	for (int i = 0; i < SP_CHANCES; i++) {
		assert_int_equal(receipt.chance[i].drawn, pipe->chance[i].drawn);
		assert_int_equal(receipt.chance[i].hit, pipe->chance[i].hit);
	}
	assert_int_equal(receipt.raised, pipe->raised);
	assert_int_equal(receipt.clipped, pipe->clipped);
	assert_int_equal(receipt.overflow, pipe->overflow);
}
