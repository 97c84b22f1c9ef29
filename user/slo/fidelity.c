/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/fidelity.h"

#include <inttypes.h>
#include <string.h>

#include "evidence/receipt.h"
#include "slo/get.h"
#include "slo/wilson.h"

#define MAX_NAMED 20 /* windows whose losses in the line are told one by one */

static bool read_number(const json_t *object, const char *key, uint64_t *ret)
{
	*ret = get_u64(object, key);
	return *ret < FIDELITY_MAX;
}

/* A number, or HISTOGRAM_NONE if nothing was counted, or the key isn't there. */
static bool read_time(const json_t *object, const char *key, uint64_t count, uint64_t *ret)
{
	*ret = HISTOGRAM_NONE;
	return !count || !json_object_get(object, key) || read_number(object, key, ret);
}

static bool read_bucket(struct histogram *h, const json_t *pair)
{
	const json_t *low = json_array_get(pair, 0), *count = json_array_get(pair, 1);
	unsigned bucket;

	if (!json_is_integer(low) || !json_is_integer(count) || json_integer_value(low) < 0 ||
	    json_integer_value(count) <= 0 || json_integer_value(count) >= (json_int_t)FIDELITY_MAX)
		return false;
	bucket = histogram_find(json_integer_value(low));
	if (bucket == HISTOGRAM_BUCKETS || h->bucket[bucket])
		return false;
	h->bucket[bucket] = json_integer_value(count);
	h->count += h->bucket[bucket];
	return true;
}

static bool read_histogram(const json_t *receipt, const char *key, struct histogram *h)
{
	const json_t *json = json_object_get(receipt, key), *list = json_object_get(json, "histogram"), *pair;
	uint64_t count;
	size_t i;

	histogram_clear(h);
	if (!read_number(json, "count", &count) || !json_is_array(list))
		return false;
	json_array_foreach(list, i, pair)
	{
		if (!read_bucket(h, pair))
			return false;
	}
	return h->count == count && read_time(json, "mean_ns", count, &h->mean_ns) &&
	       read_time(json, "max_ns", count, &h->max_ns);
}

static bool read_line_part(const json_t *json, struct result_receipt *r)
{
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {
		{"entered", &r->entered}, {"returned", &r->returned}, {"lost", &r->lost},
		{"full", &r->full},       {"stale", &r->stale},       {"overflow", &r->overflow},
		{"clipped", &r->clipped}, {"raised", &r->raised},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (!read_number(json, numbers[i].key, numbers[i].value))
			return false;
	}
	return r->lost == (r->entered > r->returned ? r->entered - r->returned : 0) &&
	       read_histogram(json, "requested", &r->requested) &&
	       read_histogram(json, "achieved", &r->achieved) && read_histogram(json, "late", &r->late);
}

static bool read_chance(const json_t *json, struct result_chance *chance)
{
	const json_t *requested = json_object_get(json, "requested"),
		     *spread = json_object_get(json, "spread");

	if (!json)
		return true;
	chance->asked = true;
	chance->requested = json_number_value(requested);
	chance->spread = spread ? json_number_value(spread) : 1;
	return json_is_number(requested) && chance->requested >= 0 && chance->requested <= 1 &&
	       chance->spread >= 1 && chance->spread <= RECEIPT_MAX_SPREAD &&
	       read_number(json, "drawn", &chance->drawn) && read_number(json, "hit", &chance->hit) &&
	       chance->hit <= chance->drawn;
}

static struct result_receipt *new_receipt(struct results *r)
{
	struct result_receipt *receipt = results_alloc(r, sizeof(*receipt));

	if (!receipt)
		return NULL;
	histogram_clear(&receipt->requested);
	histogram_clear(&receipt->achieved);
	histogram_clear(&receipt->late);
	return receipt;
}

bool fidelity_read(struct results *r, const json_t *data, struct result_receipt **ret)
{
	const json_t *json = json_object_get(data, "receipt"), *chances = json_object_get(json, "chance");
	struct result_receipt *receipt;
	int i;

	*ret = NULL;
	if (!json || json_is_null(json))
		return true;
	if (!json_is_object(json) || (chances && !json_is_object(chances)))
		return false;
	receipt = new_receipt(r);
	if (!receipt)
		return true;
	receipt->line = json_object_get(json, "entered");
	if (receipt->line && !read_line_part(json, receipt))
		return false;
	for (i = 0; i < CHANCES; i++) {
		if (!read_chance(json_object_get(chances, result_chance_name(i)), &receipt->chance[i]))
			return false;
	}
	*ret = receipt;
	return true;
}

bool fidelity_read_line(struct results *r, const json_t *data)
{
	const char *backend = get_string(data, "backend");
	struct result_line *line;

	if (!backend)
		return false;
	line = results_alloc(r, sizeof(*line));
	if (!line)
		return true;
	*line = (struct result_line){
		.backend = results_keep(r, backend),
		.realtime = get_true(data, "realtime"),
		.device_lost = get_true(data, "device_lost"),
		.parcels = get_u64(data, "parcels"),
		.memory = get_u64(data, "memory"),
		.held_max = get_u64(data, "held_max"),
		.device_dropped = get_u64(data, "device_dropped"),
		.memory_full = get_u64(data, "memory_full"),
		.write_failed = get_u64(data, "write_failed"),
	};
	r->line = line;
	return true;
}

static void judge_chances(struct result_receipt *receipt)
{
	for (int i = 0; i < CHANCES; i++) {
		struct result_chance *c = &receipt->chance[i];

		if (!c->drawn)
			continue;
		c->achieved = (double)c->hit / c->drawn;
		wilson(c->hit, c->drawn, c->spread, &c->low, &c->high);
		c->inside = c->requested >= c->low && c->requested <= c->high;
	}
}

static void add_chance(struct result_chance *sum, const struct result_chance *chance)
{
	if (!chance->asked)
		return;
	sum->asked = true;
	sum->requested = chance->requested;
	sum->spread = chance->spread;
	sum->drawn += chance->drawn;
	sum->hit += chance->hit;
}

static void add_receipt(struct result_receipt *sum, const struct result_receipt *receipt)
{
	histogram_add(&sum->requested, &receipt->requested);
	histogram_add(&sum->achieved, &receipt->achieved);
	histogram_add(&sum->late, &receipt->late);
	sum->line |= receipt->line;
	sum->entered += receipt->entered;
	sum->returned += receipt->returned;
	sum->lost += receipt->lost;
	sum->full += receipt->full;
	sum->stale += receipt->stale;
	sum->overflow += receipt->overflow;
	sum->clipped += receipt->clipped;
	sum->raised += receipt->raised;
	for (int i = 0; i < CHANCES; i++)
		add_chance(&sum->chance[i], &receipt->chance[i]);
}

static struct result_fidelity *find_step(struct results *r, const char *step)
{
	struct result_fidelity *f;

	for (size_t i = 0; i < r->n_fidelity; i++) {
		if (strcmp(r->fidelity[i].step, step) == 0)
			return &r->fidelity[i];
	}
	if (!results_grow(r, r->fidelity, r->n_fidelity))
		return NULL;
	f = &r->fidelity[r->n_fidelity];
	*f = (struct result_fidelity){.step = step, .sum = new_receipt(r)};
	if (!f->sum)
		return NULL;
	r->n_fidelity++;
	return f;
}

/* What the line did to packets that no fault asked for. */
static bool note_part(struct results *r, const struct result_window *w, const struct result_part *p,
		      bool tell)
{
	const struct result_receipt *receipt = p->receipt;
	uint64_t lost = receipt->lost + receipt->full;

	if (lost && tell)
		results_note(r,
			     "%s #%u, target %s: the delay line lost %" PRIu64
			     " packets apart from the fault (%" PRIu64 " did not come back, %" PRIu64
			     " found it full)",
			     w->step, w->instance, p->target, lost, receipt->lost, receipt->full);
	if (receipt->stale && tell)
		results_note(r,
			     "%s #%u, target %s: %" PRIu64
			     " packets passed undelayed, since the delay line gave no sign of life",
			     w->step, w->instance, p->target, receipt->stale);
	return lost || receipt->stale;
}

static uint64_t counted(uint64_t count)
{
	return count == NO_NS ? 0 : count;
}

static void note_line(struct results *r)
{
	const struct result_line *line = r->line;
	uint64_t dropped, no_room, unsent;

	if (!line)
		return;
	if (line->device_lost)
		results_note(r, "a device of the delay line was removed or set down: from then on packets "
				"passed undelayed");
	dropped = counted(line->device_dropped);
	no_room = counted(line->memory_full);
	unsent = counted(line->write_failed);
	if (dropped || no_room || unsent)
		results_note(r,
			     "frames lost on their way through the delay line: %" PRIu64
			     " dropped by its devices, %" PRIu64 " without room in its memory, %" PRIu64
			     " that could not be sent back",
			     dropped, no_room, unsent);
}

void judge_fidelity(struct results *r)
{
	struct result_fidelity *f;
	struct result_part *p;
	uint64_t told = 0;
	size_t i, k;

	for (i = 0; i < r->n_windows; i++) {
		for (k = 0; k < r->windows[i]->n_parts; k++) {
			p = &r->windows[i]->parts[k];
			if (!p->receipt)
				continue;
			judge_chances(p->receipt);
			told += note_part(r, r->windows[i], p, told < MAX_NAMED);
			f = find_step(r, r->windows[i]->step);
			if (!f)
				return;
			add_receipt(f->sum, p->receipt);
			f->receipts++;
		}
	}
	for (i = 0; i < r->n_fidelity; i++)
		judge_chances(r->fidelity[i].sum);
	if (told > MAX_NAMED)
		results_note(r,
			     "the delay line lost packets, or passed them undelayed, for %" PRIu64
			     " more windows",
			     told - MAX_NAMED);
	note_line(r);
}
