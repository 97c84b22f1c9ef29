/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/plan_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "evidence/read.h"
#include "slo/get.h"
#include "slo/judge_slo.h"
#include "slo/parts.h"

#define MOST_WINDOWS 4096 /* that a plan can have (PLAN_MAX_SLOTS) */

void take_meta(struct results *r, json_t *meta)
{
	const char *key;
	json_t *value;

	free(r->meta);
	r->meta = NULL;
	r->n_meta = 0;
	json_object_foreach(meta, key, value)
	{
		if (!json_is_string(value) || !results_grow(r, r->meta, r->n_meta))
			continue;
		r->meta[r->n_meta++] = (struct result_pair){
			.key = results_keep(r, key),
			.value = results_keep(r, json_string_value(value)),
		};
	}
}

void take_interfaces(struct results *r, const json_t *list)
{
	const char *name;
	size_t i;

	free(r->interfaces);
	r->interfaces = NULL;
	r->n_interfaces = 0;
	for (i = 0; i < json_array_size(list); i++) {
		name = json_string_value(json_array_get(list, i));
		if (name && results_grow(r, r->interfaces, r->n_interfaces))
			r->interfaces[r->n_interfaces++] = results_keep(r, name);
	}
}

static void add_list(struct buf *words, const char *before, const json_t *list)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const char *item = json_string_value(json_array_get(list, i));

		buf_puts(words, i ? "," : before);
		buf_puts(words, item ? item : "?");
	}
}

/* What is no range of ports is left out. */
static const struct port_range *take_ports(struct results *r, const json_t *list, size_t *ret_n)
{
	struct port_range *ports = results_alloc(r, (json_array_size(list) + 1) * sizeof(*ports));
	const char *text;

	*ret_n = 0;
	for (size_t i = 0; ports && i < json_array_size(list); i++) {
		text = json_string_value(json_array_get(list, i));
		*ret_n += text && !parse_ports(text, &ports[*ret_n]);
	}
	return ports;
}

static void add_owner(struct buf *words, const json_t *target)
{
	static const char *const keys[] = {"cgroup", "unit"};
	uint64_t pid = get_u64(target, "pid");

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (get_string(target, keys[i]))
			buf_printf(words, " of the %s %s", keys[i], get_string(target, keys[i]));
	if (pid != NO_NS)
		buf_printf(words, " of the process %" PRIu64, pid);
}

static void add_target(struct results *r, const json_t *json)
{
	const json_t *remote = json_object_get(json, "remote_port"),
		     *local = json_object_get(json, "local_port");
	const char *name = get_string(json, "name"), *proto = get_string(json, "proto");
	struct result_target *target;
	struct buf words = {0};

	if (!name || !results_grow(r, r->targets, r->n_targets))
		return;
	buf_puts(&words, proto ? proto : "any");
	add_list(&words, " ", json_object_get(json, "remote"));
	add_list(&words, " ", json_object_get(json, "host"));
	add_list(&words, " ports ", remote);
	add_list(&words, " local ports ", local);
	add_owner(&words, json);
	r->failed |= words.failed;
	target = &r->targets[r->n_targets++];
	*target = (struct result_target){.name = results_keep(r, name), .words = results_keep(r, words.data)};
	target->remote_ports = take_ports(r, remote, &target->n_remote_ports);
	target->local_ports = take_ports(r, local, &target->n_local_ports);
	buf_free(&words);
}

static bool is_untimed(const char *kind)
{
	static const char *const untimed[] = {"log", "json", "file", "process", "stream"};

	for (size_t i = 0; kind && i < sizeof(untimed) / sizeof(*untimed); i++)
		if (strcmp(kind, untimed[i]) == 0)
			return true;
	return false;
}

static void add_probe(struct results *r, const json_t *probe)
{
	const char *name = get_string(probe, "name"), *kind = get_string(probe, "kind");

	if (!name || !results_grow(r, r->probes, r->n_probes))
		return;
	r->probes[r->n_probes++] = (struct result_probe_summary){
		.name = results_keep(r, name),
		.every_ns = get_u64(probe, "every_ns"),
		.timeout_ns = get_u64(probe, "timeout_ns"),
		.untimed = is_untimed(kind),
	};
}

/* It acts at once, or stays to the run's end. */
static bool stands(const json_t *json, const char *kind)
{
	if (!kind || strcmp(kind, "fault") == 0 || strcmp(kind, "clock") == 0)
		return false;
	return get_true(json, "until_end") || !json_integer_value(json_object_get(json, "for_ns"));
}

static void put_text(struct results *r, json_t *object, const char *key, const char *text)
{
	if (text)
		r->failed |= json_object_set_new(object, key, json_pack("s", text)) != 0;
}

/* Arguments as one text. */
static void put_command(struct results *r, json_t *object, const char *key, const json_t *argv)
{
	struct buf text = {0};

	for (size_t i = 0; i < json_array_size(argv); i++) {
		const char *word = json_string_value(json_array_get(argv, i));

		buf_printf(&text, "%s%s", i ? " " : "", word ? word : "?");
	}
	put_text(r, object, key, text.data);
	r->failed |= text.failed;
	buf_free(&text);
}

static void put_process(struct results *r, json_t *object, const json_t *process)
{
	uint64_t pid = get_u64(process, "pid");

	put_text(r, object, "pidfile", get_string(process, "pidfile"));
	put_text(r, object, "name", get_string(process, "name"));
	if (pid != NO_NS)
		r->failed |= json_object_set_new(object, "pid", json_pack("I", (json_int_t)pid)) != 0;
}

/* {"signal":"SIGKILL","pidfile":"run/feeder.pid"}: the essentials of what the plan has of a change. */
static json_t *describe_change(struct results *r, const char *kind, const json_t *step)
{
	const json_t *value = json_object_get(step, kind);
	json_t *object = json_pack("{}");

	if (strcmp(kind, "signal") == 0) {
		put_text(r, object, kind, get_string(value, "name"));
		put_process(r, object, json_object_get(value, "process"));
	} else if (strcmp(kind, "exec") == 0) {
		put_command(r, object, kind, json_object_get(value, "argv"));
		put_command(r, object, "undo", json_object_get(value, "undo"));
	} else if (strcmp(kind, "file") == 0) {
		put_text(r, object, kind, get_string(value, "path"));
		put_text(r, object, "change", get_string(value, "change"));
	} else if (strcmp(kind, "link") == 0) {
		put_text(r, object, kind, json_string_value(value));
	}
	return object;
}

static void take_change(struct results *r, struct result_step *step, const json_t *json)
{
	json_t *change = describe_change(r, step->kind, json);
	char *text = json_object_size(change) ? json_dumps(change, JSON_COMPACT) : NULL;

	r->failed |= !change || (json_object_size(change) && !text);
	step->change = results_keep(r, text);
	step->change_words = text ? parts_words(r, change) : NULL;
	free(text);
	json_decref(change);
}

/* "cut" of "cut (canary)". */
static const char *origin_of(struct results *r, const char *name, const char *phase)
{
	size_t len = strlen(name), tail = phase ? strlen(phase) + strlen(" ()") : 0;

	return tail && len > tail ? results_keepf(r, "%.*s", (int)(len - tail), name) : NULL;
}

static void add_step(struct results *r, const json_t *json)
{
	const json_t *targets = json_object_get(json, "targets");
	uint64_t times = get_u64(json, "times");
	const char *kind = get_string(json, "kind");
	const char *name = get_string(json, "name"), *target;
	struct result_step *step;
	size_t i;

	if (!name || !results_grow(r, r->steps, r->n_steps))
		return;
	step = &r->steps[r->n_steps++];
	*step = (struct result_step){
		.name = results_keep(r, name),
		.kind = results_keep(r, kind ? kind : "fault"),
		.origin = origin_of(r, name, get_string(json, "phase")),
		.shadow = get_true(json, "shadow"),
		.until_end = get_true(json, "until_end"),
		.stands = stands(json, kind),
		.times = times == NO_NS         ? 1
			 : times > MOST_WINDOWS ? MOST_WINDOWS + 1
						: times,
		.for_ns = get_u64(json, "for_ns"),
	};
	take_change(r, step, json);
	for (i = 0; i < json_array_size(targets); i++) {
		target = json_string_value(json_array_get(targets, i));
		if (target && results_grow(r, step->targets, step->n_targets))
			step->targets[step->n_targets++] = results_keep(r, target);
	}
}

static enum backoff_kind read_kind(const char *name)
{
	for (int kind = BACKOFF_NONE; name && kind <= BACKOFF_EXPONENTIAL; kind++) {
		if (strcmp(result_backoff_name(kind), name) == 0)
			return kind;
	}
	return BACKOFF_UNKNOWN;
}

/* Of a share, parts of a million. */
static uint64_t read_limit(const json_t *json, enum slo_unit unit)
{
	const json_t *limit = json_object_get(json, "limit");
	double share = json_number_value(limit);

	if (unit != UNIT_SHARE)
		return get_u64(json, "limit");
	return json_is_number(limit) && share >= 0 && share <= 1 ? (uint64_t)(share * 1e6 + 0.5) : NO_NS;
}

static void add_slo(struct results *r, const json_t *json)
{
	const json_t *over = json_object_get(json, "over_baseline"),
		     *factor = json_object_get(json, "factor");
	const char *key = get_string(json, "key"), *probe = get_string(json, "probe");
	const char *target = get_string(json, "target");

	if (!key || !results_grow(r, r->slos, r->n_slos))
		return;
	r->slos[r->n_slos++] = (struct result_slo){
		.key = results_keep(r, key),
		.step = results_keep(r, get_string(json, "step")),
		.probe = results_keep(r, probe),
		.target = results_keep(r, target),
		.by_flow = slo_is_by_flow(r, key, probe, target, get_string(json, "by")),
		.unit = slo_unit(key),
		.limit = read_limit(json, slo_unit(key)),
		.relative = json_is_number(over),
		.over = json_number_value(over),
		.backoff = read_kind(get_string(json, "kind")),
		.factor_low = json_number_value(json_array_get(factor, 0)),
		.factor_high = json_number_value(json_array_get(factor, 1)),
		.cap_ns = get_u64(json, "cap_ns"),
		.value = NO_NS,
		.worst_seq = NO_NS,
	};
}

static void add_disabled(struct results *r, const json_t *json)
{
	if (json_is_string(json) && results_grow(r, r->disabled, r->n_disabled))
		r->disabled[r->n_disabled++] = results_keep(r, json_string_value(json));
}

static void for_each(struct results *r, const json_t *plan, const char *key,
		     void (*add)(struct results *r, const json_t *item))
{
	const json_t *list = json_object_get(plan, key);
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		add(r, json_array_get(list, i));
}

/* Reports have a line for each window that is planned. */
static bool has_too_many_windows(const struct results *r)
{
	uint64_t windows = 0;

	for (size_t i = 0; i < r->n_steps; i++)
		windows += r->steps[i].times;
	return windows > MOST_WINDOWS;
}

int plan_read(int dirfd, struct results *r)
{
	int fd = read_open(dirfd, "plan.json");
	json_t *plan;

	if (fd < 0)
		return fd;
	plan = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	close(fd);
	if (!json_is_object(plan) || get_u64(plan, "version") != 1 || !get_string(plan, "name")) {
		json_decref(plan);
		return -EBADMSG;
	}
	r->name = results_keep(r, get_string(plan, "name"));
	r->description = results_keep(r, get_string(plan, "description"));
	r->source = results_keep(r, get_string(plan, "source"));
	r->seed = json_integer_value(json_object_get(plan, "seed"));
	take_meta(r, json_object_get(plan, "meta"));
	take_interfaces(r, json_object_get(plan, "interfaces"));
	for_each(r, plan, "targets", add_target);
	for_each(r, plan, "probes", add_probe);
	for_each(r, plan, "steps", add_step);
	for_each(r, plan, "slo", add_slo);
	for_each(r, plan, "disabled", add_disabled);
	json_decref(plan);
	if (has_too_many_windows(r))
		return -EBADMSG;
	return r->failed ? -ENOMEM : 0;
}
