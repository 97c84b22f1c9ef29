/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/replay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.bpf.h"

/* A flow and a direction, in one window. */
struct path {
	uint64_t seed, flow;
	uint32_t dir;
};

static struct path path_of(const struct sp_rule *r, uint64_t flow, uint32_t instance, uint32_t dir)
{
	return (struct path){window_seed(r->seed, instance), flow, dir};
}

static uint32_t draw_at(const struct path *p, uint32_t what, uint32_t index)
{
	return draw(p->seed, what, p->flow, p->dir, index);
}

static bool read_end(const char *text, size_t len, uint32_t words[4], uint16_t *ret_port)
{
	bool is_v6 = len && text[0] == '[';
	char copy[INET6_ADDRSTRLEN + 16], *colon, *end;
	unsigned long port;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text + is_v6, len - is_v6);
	copy[len - is_v6] = '\0';
	colon = strrchr(copy, ':');
	if (!colon || colon == copy || (is_v6 && colon[-1] != ']') || !colon[1])
		return false;
	colon[is_v6 ? -1 : 0] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end || port > UINT16_MAX || colon[1] < '0' || colon[1] > '9')
		return false;
	*ret_port = port;
	if (is_v6)
		return inet_pton(AF_INET6, copy, words) == 1;
	words[0] = words[1] = 0;
	words[2] = htonl(0xffff);
	return inet_pton(AF_INET, copy, &words[3]) == 1;
}

static bool read_proto(const char *text, uint8_t *ret_proto)
{
	char *end;
	unsigned long number;

	if (strcmp(text, "tcp") == 0 || strcmp(text, "udp") == 0) {
		*ret_proto = text[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
		return true;
	}
	number = strtoul(text, &end, 10);
	*ret_proto = number;
	return text[0] >= '0' && text[0] <= '9' && !*end && number <= UINT8_MAX;
}

/* "?": not known yet, and no part of the draw. */
static bool read_local(const char *text, size_t len, uint32_t words[4], uint16_t *ret_port)
{
	if (len != 1 || text[0] != '?')
		return read_end(text, len, words, ret_port);
	memset(words, 0, 4 * sizeof(*words));
	*ret_port = 0;
	return true;
}

bool replay_flow(const char *text, uint64_t *ret_flow)
{
	const char *between = strchr(text, '>'), *slash = strrchr(text, '/');
	uint16_t local_port, remote_port;
	uint32_t local[4], remote[4];
	uint8_t proto;

	if (!between || !slash || slash < between || !read_proto(slash + 1, &proto) ||
	    !read_local(text, between - text, local, &local_port) ||
	    !read_end(between + 1, slash - between - 1, remote, &remote_port))
		return false;
	*ret_flow = flow_hash(local, remote, local_port, remote_port, proto);
	return true;
}

static bool is_drawn(const struct sp_rule *r, uint64_t flow, enum draw what, uint64_t below)
{
	return below >= SP_ALWAYS || draw(r->seed, what, flow, 0, 0) < below;
}

bool replay_takes_part(const struct sp_rule *r, uint64_t flow)
{
	return is_drawn(r, flow, DRAW_SHARE, r->share);
}

bool replay_is_answered(const struct sp_rule *r, uint64_t flow)
{
	return is_drawn(r, flow, DRAW_FLOW, r->flow_below);
}

bool replay_is_taken(const struct sp_rule *r, uint64_t flow, uint32_t index)
{
	return (r->share >= SP_ALWAYS || draw(r->seed, DRAW_SHARE, flow, 0, index) < r->share) &&
	       (r->flow_below >= SP_ALWAYS || draw(r->seed, DRAW_TAKEN, flow, 0, index) < r->flow_below);
}

/* With its probability a lot is that of the packet before: back to the one whose lot is its own. */
static uint32_t lot_at(const struct path *p, uint32_t what, uint64_t correlation, uint32_t index)
{
	if (correlation >= SP_ALWAYS)
		index = 0;
	for (int i = 0; correlation && i < LONGEST_WALK && index; i++, index--)
		if (draw_at(p, what | DRAW_AS_BEFORE, index) >= correlation)
			break;
	return draw_at(p, what, index);
}

/* Where a step of Gilbert and Elliott leads to, from either state. */
struct ge_step {
	bool from_good, from_bad;
};

static struct ge_step ge_step(const struct sp_rule *r, const struct path *p, uint32_t index)
{
	uint32_t lot = draw_at(p, DRAW_GE, index);

	return (struct ge_step){lot < r->ge_p, lot < SP_ALWAYS - r->ge_r};
}

/* Back to the last step that leads to one state from both, or to the first packet, which meets the good state. */
static bool is_bad_at(const struct sp_rule *r, const struct path *p, uint32_t index)
{
	bool swapped = false;

	for (int i = 0; i < LONGEST_WALK && index; i++) {
		struct ge_step step = ge_step(r, p, --index);

		if (step.from_good == step.from_bad)
			return step.from_good ^ swapped;
		swapped ^= step.from_good;
	}
	return swapped;
}

static bool has_loss_lots(const struct sp_rule *r)
{
	return r->flags & SP_RULE_GEMODEL || (r->drop_below && r->drop_below < SP_ALWAYS);
}

static bool is_lost_at_random(const struct sp_rule *r, const struct path *p, uint32_t index)
{
	if (r->flags & SP_RULE_GEMODEL)
		return draw_at(p, DRAW_GE_LOSS, index) < (is_bad_at(r, p, index) ? r->ge_bad : r->ge_good);
	return has_loss_lots(r) && lot_at(p, DRAW_LOSS, r->loss_correlation, index) < r->drop_below;
}

static bool wins(const struct path *p, uint32_t what, uint64_t below, uint64_t correlation, uint32_t index)
{
	return below && (below >= SP_ALWAYS || lot_at(p, what, correlation, index) < below);
}

static bool may_reorder(const struct sp_rule *r, uint32_t index, uint32_t segments)
{
	return r->reorder_below &&
	       (!r->reorder_gap || (uint64_t)index % r->reorder_gap + segments >= r->reorder_gap);
}

static bool answers(const struct sp_rule *r)
{
	return r->reset_ends || r->refuse;
}

/* What a rule with a meaning did, beside its losses and its lots of altering and delaying. */
static enum replay_answer replay_meant(const struct sp_rule *r, const struct path *p,
				       const struct replay_packet *packet)
{
	enum draw what = r->meaning == SP_MEANS_DNS ? DRAW_QUERY : DRAW_ANSWER;

	if (!replay_is_answered(r, packet->flow))
		return REPLAY_OTHER;
	if (r->meaning == SP_MEANS_HTTP || r->meaning == SP_MEANS_DISCONNECTS)
		return REPLAY_OPEN; /* of responses and times the log doesn't say enough */
	if (r->meaning_below < SP_ALWAYS)
		return draw_at(p, what, packet->index) < r->meaning_below ? REPLAY_SAME : REPLAY_OTHER;
	return r->flow_below < SP_ALWAYS ? REPLAY_SAME : REPLAY_CERTAIN;
}

static enum replay_answer replay_drop(const struct sp_rule *r, const struct path *p,
				      const struct replay_packet *packet)
{
	if (r->drop_below >= SP_ALWAYS)
		return REPLAY_CERTAIN;
	if (is_lost_at_random(r, p, packet->index))
		return REPLAY_SAME;
	if (r->drop_every && packet->segments == 1 && (packet->index + 1) % r->drop_every == 0)
		return REPLAY_SAME;
	/* Behind a GSO packet that could not be taken as a whole; or a path's queue was full. */
	if (r->drop_every || r->rate)
		return REPLAY_OPEN;
	/* A SYN, where only the other end is told. */
	if (r->reset_ends && r->reset_ends != (SP_END_LOCAL | SP_END_REMOTE) &&
	    replay_is_answered(r, packet->flow))
		return REPLAY_OPEN;
	return r->meaning ? replay_meant(r, p, packet) : REPLAY_OTHER;
}

static enum replay_answer replay_answered(const struct sp_rule *r, const struct replay_packet *packet)
{
	if (packet->verdict == SP_RESET ? !r->reset_ends : !answers(r))
		return REPLAY_OTHER;
	if (!replay_is_answered(r, packet->flow))
		return REPLAY_OTHER;
	return r->flow_below < SP_ALWAYS || has_loss_lots(r) ? REPLAY_SAME : REPLAY_CERTAIN;
}

static enum replay_answer replay_bent(const struct sp_rule *r, const struct path *p,
				      const struct replay_packet *packet)
{
	bool copied = wins(p, DRAW_DUPLICATE, r->duplicate_below, r->duplicate_correlation, packet->index);
	bool altered = wins(p, DRAW_CORRUPT, r->corrupt_below, r->corrupt_correlation, packet->index);

	if (packet->verdict == SP_ALTER)
		return altered ? REPLAY_SAME : r->meaning ? replay_meant(r, p, packet) : REPLAY_OTHER;
	if (packet->verdict == SP_DUPLICATE ? !copied : copied || !(r->flags & SP_RULE_HOLDS))
		return REPLAY_OTHER;
	if (altered)
		return REPLAY_OPEN; /* it had no payload, or the line gave no sign of life */
	if (packet->verdict == SP_DUPLICATE)
		return REPLAY_SAME;
	if (!r->reorder_by_ns && may_reorder(r, packet->index, packet->segments) &&
	    wins(p, DRAW_REORDER, r->reorder_below, r->reorder_correlation, packet->index))
		return REPLAY_OTHER; /* it would have been sent at once */
	return has_loss_lots(r) || r->duplicate_below || r->corrupt_below || r->reorder_below
		       ? REPLAY_SAME
		       : REPLAY_CERTAIN;
}

enum replay_answer replay_packet(const struct sp_rule *r, const struct replay_packet *packet)
{
	struct path p = path_of(r, packet->flow, packet->instance, packet->dir);

	if (packet->verdict == SP_DROP)
		return replay_drop(r, &p, packet);
	if (r->drop_below >= SP_ALWAYS || is_lost_at_random(r, &p, packet->index))
		return REPLAY_OTHER;
	if (packet->verdict == SP_RESET || packet->verdict == SP_REFUSE)
		return r->meaning ? replay_meant(r, &p, packet) : replay_answered(r, packet);
	return replay_bent(r, &p, packet);
}

bool replay_is_closed(const struct sp_rule *r)
{
	return !answers(r) && !r->meaning && !(r->corrupt_below && r->flags & SP_RULE_CORRUPT_VALID);
}

/* Lots of one kind from the first packet on: as lot_at(), without looking back each time. */
struct series {
	uint32_t next; /* packet to look at */
	uint32_t own;  /* the last one whose lot is its own */
};

static uint32_t next_lot(struct series *s, const struct path *p, uint32_t what, uint64_t correlation,
			 uint32_t index)
{
	if (!correlation)
		return draw_at(p, what, index);
	if (correlation >= SP_ALWAYS)
		return draw_at(p, what, 0);
	for (; s->next <= index; s->next++)
		if (draw_at(p, what | DRAW_AS_BEFORE, s->next) >= correlation)
			s->own = s->next;
	return draw_at(p, what, index - s->own > LONGEST_WALK ? index - LONGEST_WALK : s->own);
}

/* The state of Gilbert and Elliott, likewise. */
struct states {
	bool bad;
	uint32_t decided; /* steps up to the last one that led to one state from both */
};

static bool next_state(struct states *s, const struct sp_rule *r, const struct path *p, uint32_t index)
{
	struct ge_step step;

	if (!index)
		return false;
	step = ge_step(r, p, index - 1);
	s->bad = s->bad ? step.from_bad : step.from_good;
	if (step.from_good == step.from_bad)
		s->decided = index;
	return index - s->decided >= LONGEST_WALK ? is_bad_at(r, p, index) : s->bad;
}

struct walk {
	const struct sp_rule *r;
	struct path path;
	struct series loss, duplicate, corrupt, reorder;
	struct states states;
	uint32_t owed; /* packets that drop_every took */
	struct replay_lots *sum;
};

static bool note(struct walk *w, enum sp_chance chance, bool hit)
{
	w->sum->drawn[chance]++;
	w->sum->hit[chance] += hit;
	return hit;
}

static bool step_loss(struct walk *w, uint32_t i)
{
	const struct sp_rule *r = w->r;

	if (r->drop_below >= SP_ALWAYS)
		return true;
	if (r->flags & SP_RULE_GEMODEL) {
		bool bad = next_state(&w->states, r, &w->path, i);

		if (note(w, SP_CHANCE_LOSS,
			 draw_at(&w->path, DRAW_GE_LOSS, i) < (bad ? r->ge_bad : r->ge_good)))
			return true;
	} else if (r->drop_below &&
		   note(w, SP_CHANCE_LOSS,
			next_lot(&w->loss, &w->path, DRAW_LOSS, r->loss_correlation, i) < r->drop_below)) {
		return true;
	}
	if (!r->drop_every || w->owed + 1 > ((uint64_t)i + 1) / r->drop_every)
		return false;
	w->owed++;
	return true;
}

static bool step_chance(struct walk *w, enum sp_chance chance, struct series *s, uint32_t what,
			uint64_t below, uint64_t correlation, uint32_t i)
{
	return below &&
	       note(w, chance, below >= SP_ALWAYS || next_lot(s, &w->path, what, correlation, i) < below);
}

/* False: the packet passes. */
static bool step_bend(struct walk *w, uint32_t i)
{
	const struct sp_rule *r = w->r;
	bool holds = r->flags & SP_RULE_HOLDS, leaves = false, bent;

	bent = step_chance(w, SP_CHANCE_DUPLICATE, &w->duplicate, DRAW_DUPLICATE, r->duplicate_below,
			   r->duplicate_correlation, i);
	bent |= step_chance(w, SP_CHANCE_CORRUPT, &w->corrupt, DRAW_CORRUPT, r->corrupt_below,
			    r->corrupt_correlation, i);
	if (holds && may_reorder(r, i, 1))
		leaves = step_chance(w, SP_CHANCE_REORDER, &w->reorder, DRAW_REORDER, r->reorder_below,
				     r->reorder_correlation, i);
	return bent || (holds && !(leaves && !r->reorder_by_ns));
}

void replay_lots(const struct sp_rule *r, uint64_t flow, uint32_t instance, uint32_t dir, uint32_t n,
		 struct replay_lots *sum)
{
	struct walk w = {.r = r, .path = path_of(r, flow, instance, dir), .sum = sum};

	for (uint32_t i = 0; i < n; i++)
		sum->hits += step_loss(&w, i) || step_bend(&w, i);
}
