/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static bool read_u64(const json_t *object, const char *key, uint64_t *ret)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret = json_integer_value(value);
	return true;
}

static bool read_u32(const json_t *object, const char *key, uint32_t *ret)
{
	uint64_t value;

	if (!read_u64(object, key, &value) || value > UINT32_MAX)
		return false;
	*ret = value;
	return true;
}

static bool read_text(const json_t *object, const char *key, char **ret)
{
	const char *text = json_string_value(json_object_get(object, key));

	*ret = text ? strdup(text) : NULL;
	return *ret;
}

static bool read_interfaces(const json_t *list, struct record *record)
{
	size_t n = json_array_size(list);

	record->interfaces = calloc(n + 1, sizeof(*record->interfaces));
	for (; record->interfaces && record->n_interfaces < n; record->n_interfaces++)
		if (!read_text(json_array_get(list, record->n_interfaces), "name",
			       &record->interfaces[record->n_interfaces]))
			return false;
	return record->interfaces;
}

static bool read_window(const json_t *step, struct plan_window *ret)
{
	return read_u64(step, "at_ns", &ret->at_ns) && read_u64(step, "for_ns", &ret->for_ns) &&
	       read_u64(step, "every_ns", &ret->every_ns) && ret->every_ns &&
	       read_u32(step, "times", &ret->times) && ret->times && ret->times <= PLAN_MAX_SLOTS &&
	       read_u64(step, "burst_on_ns", &ret->burst_on_ns) &&
	       read_u64(step, "burst_off_ns", &ret->burst_off_ns);
}

static bool add_rule(struct record *record, const json_t *step, const json_t *target, uint32_t *slot)
{
	struct record_rule *rule = &record->rules[record->n_rules];

	if (record->n_rules == PLAN_MAX_RULES || !json_is_string(target))
		return false;
	record->n_rules++;
	rule->target = strdup(json_string_value(target));
	if (!rule->target || !read_text(step, "name", &rule->step) || !read_window(step, &rule->window))
		return false;
	rule->first_slot = *slot;
	*slot += rule->window.times;
	return true;
}

static bool read_offset(const json_t *step, int64_t *ret)
{
	const json_t *value = json_object_get(step, "clock_offset_ns");

	*ret = json_integer_value(value);
	return json_is_integer(value);
}

static bool add_clock(struct record *record, const json_t *step)
{
	struct record_clock *clock = &record->clocks[record->n_clocks++];

	return read_text(step, "name", &clock->step) && read_offset(step, &clock->offset_ns) &&
	       read_window(step, &clock->window);
}

static bool is_clock(const json_t *step)
{
	const char *kind = json_string_value(json_object_get(step, "kind"));

	return kind && !strcmp(kind, "clock");
}

static bool read_clocks(const json_t *plan, struct record *record)
{
	const json_t *steps = json_object_get(plan, "steps"), *step;
	size_t i;

	record->clocks = calloc(json_array_size(steps) + 1, sizeof(*record->clocks));
	if (!record->clocks)
		return false;
	json_array_foreach(steps, i, step) if (is_clock(step) && !add_clock(record, step)) return false;
	return true;
}

/* Each step makes a rule for each of its targets, in their order; each rule has a slot for each of its windows. */
static bool read_rules(const json_t *plan, struct record *record)
{
	const json_t *steps = json_object_get(plan, "steps"), *step, *target;
	uint32_t slot = 0;
	size_t i, k;

	record->rules = calloc(PLAN_MAX_RULES, sizeof(*record->rules));
	if (!record->rules || !json_is_array(steps))
		return false;
	json_array_foreach(steps, i, step)
	{
		const json_t *targets = json_object_get(step, "targets");

		if (!json_is_array(targets))
			return false;
		json_array_foreach(targets, k,
				   target) if (!add_rule(record, step, target, &slot)) return false;
	}
	return true;
}

static bool read_wait(const json_t *document, struct record *record)
{
	if (!json_is_string(json_object_get(document, "wait")))
		return true;
	return read_text(document, "wait", &record->wait) &&
	       read_u64(document, "wait_at_ns", &record->wait_at_ns) &&
	       read_u64(document, "wait_timeout_ns", &record->wait_timeout_ns);
}

static bool read_head(const json_t *document, struct record *record)
{
	const json_t *plan = json_object_get(document, "plan");

	return read_text(document, "name", &record->name) && read_text(document, "run", &record->directory) &&
	       read_text(document, "attach", &record->attach) &&
	       read_u64(document, "netns", &record->netns) &&
	       read_u64(document, "zero_ns", &record->zero_ns) &&
	       read_u32(document, "counters_map", &record->counters_map) && read_wait(document, record) &&
	       read_u64(plan, "length_ns", &record->length_ns) &&
	       read_u64(plan, "recovery_ns", &record->recovery_ns);
}

int record_read(const char *json, struct record **ret)
{
	struct record *record = calloc(1, sizeof(*record));
	json_t *document = json_loads(json, 0, NULL);
	int err = 0;

	if (!record)
		err = -ENOMEM;
	else if (!document || !read_head(document, record) ||
		 !read_interfaces(json_object_get(document, "interfaces"), record) ||
		 !read_rules(json_object_get(document, "plan"), record) ||
		 !read_clocks(json_object_get(document, "plan"), record))
		err = -EBADMSG;
	json_decref(document);
	if (err) {
		record_free(record);
		return err;
	}
	*ret = record;
	return 0;
}

void record_free(struct record *record)
{
	if (!record)
		return;
	for (size_t i = 0; i < record->n_interfaces; i++)
		free(record->interfaces[i]);
	for (size_t i = 0; i < record->n_rules; i++) {
		free(record->rules[i].step);
		free(record->rules[i].target);
	}
	for (size_t i = 0; i < record->n_clocks; i++)
		free(record->clocks[i].step);
	free(record->clocks);
	free(record->interfaces);
	free(record->rules);
	free(record->wait);
	free(record->name);
	free(record->directory);
	free(record->attach);
	free(record);
}

static bool is_waiting(const struct record *record, uint64_t now)
{
	return record->wait && now >= record->zero_ns + record->wait_at_ns;
}

enum record_phase record_phase(const struct record *record, uint64_t now, uint64_t *ret_ends_ns)
{
	*ret_ends_ns = record->zero_ns;
	if (now < *ret_ends_ns)
		return RECORD_BASELINE;
	if (is_waiting(record, now)) {
		*ret_ends_ns += record->wait_at_ns + record->wait_timeout_ns;
		return RECORD_WAIT;
	}
	*ret_ends_ns += record->length_ns;
	if (now < *ret_ends_ns)
		return RECORD_FAULTS;
	*ret_ends_ns += record->recovery_ns;
	return RECORD_RECOVERY;
}

static bool in_burst(const struct plan_window *w, uint64_t since_opening)
{
	return !w->burst_off_ns || since_opening % (w->burst_on_ns + w->burst_off_ns) < w->burst_on_ns;
}

struct record_window record_window(const struct record *record, const struct plan_window *w, uint64_t now)
{
	struct record_window ret = {.state = WINDOW_OVER};

	if (is_waiting(record, now))
		now = record->zero_ns + record->wait_at_ns;
	while (ret.over < w->times && record->zero_ns + plan_closes(w, ret.over) <= now)
		ret.over++;
	ret.instance = ret.over < w->times ? ret.over : w->times - 1;
	ret.opens_ns = record->zero_ns + plan_opens(w, ret.instance);
	ret.closes_ns = record->zero_ns + plan_closes(w, ret.instance);
	if (now < ret.opens_ns || (is_waiting(record, now) && w->at_ns >= record->wait_at_ns)) {
		ret.state = WINDOW_WAITS;
		ret.left_ns = ret.opens_ns - now;
	} else if (now < ret.closes_ns) {
		ret.state = in_burst(w, now - ret.opens_ns) ? WINDOW_OPEN : WINDOW_PAUSED;
		ret.left_ns = ret.closes_ns - now;
	}
	return ret;
}
