/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/pipe.h"

#define SECOND 1000000000ULL

static uint32_t draw_at(const struct pipe *pipe, uint32_t what, uint32_t index)
{
	uint64_t seed = window_seed(pipe->rule->seed, pipe->instance);

	return draw(seed, what, pipe->flow, pipe->dir, index);
}

uint32_t chain_lot(struct chain *chain, const struct pipe *pipe, enum draw what, uint64_t correlation)
{
	for (; chain->next <= pipe->index; chain->next++)
		if (!chain->next || draw_at(pipe, what | DRAW_AS_BEFORE, chain->next) >= correlation)
			chain->lot = draw_at(pipe, what, chain->next);
	return chain->lot;
}

static bool is_hit(struct pipe *pipe, enum sp_chance chance, bool hit)
{
	pipe->chance[chance].drawn++;
	pipe->chance[chance].hit += hit;
	return hit;
}

static bool is_lost_at_random(struct pipe *pipe)
{
	const struct sp_rule *r = pipe->rule;

	for (; pipe->steps < pipe->index; pipe->steps++) {
		uint32_t lot = draw_at(pipe, DRAW_GE, pipe->steps);

		pipe->bad = pipe->bad ? lot < SP_ALWAYS - r->ge_r : lot < r->ge_p;
	}
	if (r->flags & SP_RULE_GEMODEL)
		return is_hit(pipe, SP_CHANCE_LOSS,
			      draw_at(pipe, DRAW_GE_LOSS, pipe->index) <
				      (pipe->bad ? r->ge_bad : r->ge_good));
	return r->drop_below &&
	       is_hit(pipe, SP_CHANCE_LOSS,
		      chain_lot(&pipe->loss, pipe, DRAW_LOSS, r->loss_correlation) < r->drop_below);
}

/* Every n-th packet; those that are lost in another way come on top. */
static bool is_lost(struct pipe *pipe, uint32_t segments)
{
	uint32_t every = pipe->rule->drop_every;

	if (is_lost_at_random(pipe))
		return true;
	if (!every || (pipe->index + segments) / every == pipe->index / every ||
	    pipe->owed + segments > (pipe->index + segments) / every)
		return false;
	pipe->owed += segments;
	return true;
}

static uint64_t delay(struct pipe *pipe)
{
	const struct sp_rule *r = pipe->rule;
	uint32_t lot = chain_lot(&pipe->jitter, pipe, DRAW_JITTER, r->delay_correlation);
	int64_t more;

	if (draw_at(pipe, DRAW_DELAYED, pipe->index) >= r->delay_below)
		return 0;
	if (!pipe->table) /* of 24 bits */
		return r->delay_ns - r->jitter_ns + (__uint128_t)2 * r->jitter_ns * (lot >> 8) / (1 << 24);
	more = (int64_t)r->jitter_ns * pipe->table[lot / ((1ULL << 32) / SP_TABLE_SIZE)];
	more = more >= 0 ? more / SP_TABLE_SCALE : -((-more + SP_TABLE_SCALE - 1) / SP_TABLE_SCALE);
	return (int64_t)r->delay_ns + more > 0 ? r->delay_ns + more : 0;
}

/*
 * false: its queue is full. Packets pass in the order in which they arrive, whatever delays there are. At the end of the window
 * the path is free, whatever waits. A GSO packet's segments come one after the other.
 */
static bool narrow(struct pipe *pipe, struct crossing *c, uint64_t closes)
{
	const struct sp_rule *r = pipe->rule;
	uint64_t length = (__uint128_t)c->bytes * (1 + c->copies) * SECOND / r->rate;
	uint64_t at = c->arrives ? c->arrives : c->now, begin = at - r->burst_ns, first, end;

	if (pipe->free > begin)
		begin = pipe->free;
	if (begin > at + r->queue_ns) {
		pipe->overflow += c->segments;
		return false;
	}
	end = begin + length;
	pipe->free = end < closes ? end : closes;
	first = begin + length / c->segments;
	if (first < at)
		first = at;
	c->first += first - at;
	c->release += first - at;
	if (end > first && c->release < c->first + end - first)
		c->release = c->first + end - first;
	c->arrives = first;
	return true;
}

static uint64_t closing(const struct sp_rule *r, const struct crossing *c)
{
	uint64_t on = c->opened, closes = c->opened + r->length_ns;

	if (!r->burst_off_ns)
		return closes;
	while (on + r->burst_on_ns + r->burst_off_ns <= c->now)
		on += r->burst_on_ns + r->burst_off_ns;
	return on + r->burst_on_ns < closes ? on + r->burst_on_ns : closes;
}

/* What does not keep its place in the flow goes at once, or later by so much. */
static bool leaves_place(struct pipe *pipe, const struct crossing *c)
{
	const struct sp_rule *r = pipe->rule;

	if (!r->reorder_below)
		return false;
	if (r->reorder_gap) {
		bool has_chance = false;

		for (uint32_t i = 0; i < c->segments; i++)
			has_chance |= (pipe->index + i) % r->reorder_gap == r->reorder_gap - 1;
		if (!has_chance)
			return false;
	}
	return is_hit(pipe, SP_CHANCE_REORDER,
		      chain_lot(&pipe->reorder, pipe, DRAW_REORDER, r->reorder_correlation) <
			      r->reorder_below);
}

enum holding {
	SENT_AT_ONCE,
	HELD,
	QUEUE_FULL,
};

/* In its turn, and not beyond the end. */
static void settle(struct pipe *pipe, struct crossing *c, bool in_order, uint64_t closes)
{
	if (in_order && c->first < pipe->last) {
		pipe->raised += c->segments;
		c->first = pipe->last;
		c->release = c->release < c->first ? c->first : c->release;
	}
	if (c->release > closes) {
		pipe->clipped += c->segments;
		c->release = closes;
		c->first = c->first > closes ? closes : c->first;
	}
	if (in_order)
		pipe->last = c->release;
}

static enum holding hold(struct pipe *pipe, struct crossing *c)
{
	const struct sp_rule *r = pipe->rule;
	uint64_t closes = closing(r, c), more;
	bool leaves = leaves_place(pipe, c);

	if (leaves && !r->reorder_by_ns)
		return SENT_AT_ONCE;
	if (!c->release)
		c->first = c->release = c->now;
	/* What another pipe holds longer than this one's window lasts is not this one's to let go. */
	if (closes < c->release)
		closes = c->release;
	if (r->rate && !narrow(pipe, c, closes))
		return QUEUE_FULL;
	more = delay(pipe) + (leaves ? r->reorder_by_ns : 0);
	c->requested += more;
	c->first += more;
	c->release += more;
	settle(pipe, c, !leaves && !(r->flags & SP_RULE_REORDER_JITTER), closes);
	return HELD;
}

static enum sp_verdict alter(struct pipe *pipe, struct crossing *c)
{
	const struct sp_rule *r = pipe->rule;
	bool valid = r->flags & SP_RULE_CORRUPT_VALID;
	enum sp_verdict verdict = SP_PASS;

	if (r->duplicate_below && is_hit(pipe, SP_CHANCE_DUPLICATE,
					 chain_lot(&pipe->duplicate, pipe, DRAW_DUPLICATE,
						   r->duplicate_correlation) < r->duplicate_below)) {
		c->copies++;
		verdict = SP_DUPLICATE;
	}
	if (r->corrupt_below && (c->has_payload || !valid) &&
	    is_hit(pipe, SP_CHANCE_CORRUPT,
		   chain_lot(&pipe->corrupt, pipe, DRAW_CORRUPT, r->corrupt_correlation) <
			   r->corrupt_below)) {
		c->draw = draw_at(pipe, DRAW_BIT, pipe->index);
		if (c->alter != SP_ALTER_WRONG)
			c->alter = valid ? SP_ALTER_VALID : SP_ALTER_WRONG;
		verdict = SP_ALTER;
	}
	return verdict;
}

static enum sp_verdict cross(struct pipe *pipe, struct crossing *c)
{
	enum sp_verdict verdict;

	if (is_lost(pipe, c->segments))
		return SP_DROP;
	verdict = alter(pipe, c);
	if (!(pipe->rule->flags & SP_RULE_HOLDS))
		return verdict;
	switch (hold(pipe, c)) {
	case QUEUE_FULL:
		return SP_DROP;
	case HELD:
		return verdict ? verdict : SP_DELAY;
	default:
		return verdict;
	}
}

enum sp_verdict pipe_cross(struct pipe *pipe, struct crossing *c)
{
	enum sp_verdict verdict;

	pipe->instance = (c->opened - pipe->rule->start_ns) / pipe->rule->every_ns;
	verdict = cross(pipe, c);
	pipe->index += c->segments;
	return verdict;
}
