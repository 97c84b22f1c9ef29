/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "base/timeutil.h"
#include "gate.bpf.h"
#include "kernel/answer.h"
#include "kernel/attach.h"
#include "kernel/conn_table.h"
#include "kernel/counters.h"
#include "kernel/distribution.h"
#include "kernel/idle.h"
#include "kernel/line.h"
#include "kernel/patterns.h"
#include "kernel/prefixes.h"
#include "kernel/rules.h"
#include "kernel/vectors.h"
#include "shearpin.skel.h"

#define DRAIN_EVENTS 8192               /* at a time: there is other work, too */
#define PACKET_RING (64U * 1024 * 1024) /* bytes, for evidence of each packet, and for a capture */
#define CONNECT_NS                                                                                           \
	(300 * NS_PER_US) /* from a SYN on its way out to the end of connect()'s hold on the socket */

struct engine {
	const struct plan *plan;
	const struct engine_interface *interfaces;
	size_t n_interfaces;
	struct line *line; /* the caller's; NULL: none */
	struct shearpin *skel;
	struct ring_buffer *ring;
	struct attachments *attachments;
	struct raw *raw;
	struct idle *idle;
	struct answer *answer; /* NULL: no rule answers connections */
	int n_cpus;
	struct ring_buffer *capture_ring; /* NULL: no capture */
	engine_record *on_record;
	void *on_record_arg;
	int drained; /* by the call under way */
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static bool uses_hook(const struct plan *plan, int hook)
{
	for (size_t r = 0; r < plan->n_rules; r++)
		if (plan->rules[r].hooks & 1 << hook)
			return true;
	return false;
}

bool engine_has_resets(const struct engine *engine)
{
	for (size_t i = 0; i < engine->plan->n_steps; i++)
		if (plan_step_walks(&engine->plan->steps[i]))
			return true;
	return false;
}

static int size_maps(struct engine *e)
{
	int highest = 1;
	int err;

	for (size_t i = 0; i < e->n_interfaces; i++)
		if (e->interfaces[i].ifindex > highest)
			highest = e->interfaces[i].ifindex;
	err = bpf_map__set_max_entries(e->skel->maps.interfaces, highest + 1);
	if (!err)
		err = prefixes_size(e->plan, e->skel);
	if (!err)
		err = bpf_map__set_max_entries(e->skel->maps.counters, e->plan->n_slots ?: 1);
	if (!err && rules_have_receipts(e->plan))
		err = bpf_map__set_max_entries(e->skel->maps.receipts, e->plan->n_slots ?: 1);
	if (!err && rules_keep_states(e->plan))
		err = bpf_map__set_max_entries(e->skel->maps.states, SP_MAX_FLOWS);
	if (!err && e->plan->packet_evidence)
		err = bpf_map__set_max_entries(e->skel->maps.events, PACKET_RING);
	if (!err && e->plan->capture)
		err = bpf_map__set_max_entries(e->skel->maps.captures, PACKET_RING);
	if (!err)
		err = line_prepare(e->line, e->skel);
	return err;
}

static int fill_patterns(struct engine *e, const struct pattern_rules *list, size_t n)
{
	int err = 0;

	for (size_t i = 0; !err && i < n; i++)
		err = bpf_map_update_elem(bpf_map__fd(e->skel->maps.patterns), &list[i].pattern,
					  &list[i].rules, BPF_ANY);
	return err;
}

static bool rule_uses_interface(const struct plan_target *t, const char *name)
{
	for (size_t i = 0; i < t->n_interfaces; i++)
		if (!strcmp(t->interfaces[i], name))
			return true;
	return !t->n_interfaces;
}

static int fill_interfaces(struct engine *e)
{
	for (size_t i = 0; i < e->n_interfaces; i++) {
		__u32 key = e->interfaces[i].ifindex;
		struct sp_bits bits = {0};
		int err;

		for (int target, bit = 0; (target = vectors_target(e->plan, bit)) >= 0; bit++)
			if (rule_uses_interface(&e->plan->targets[target], e->interfaces[i].name))
				bits_set(&bits, bit);
		err = bpf_map_update_elem(bpf_map__fd(e->skel->maps.interfaces), &key, &bits, BPF_ANY);
		if (err)
			return err;
	}
	return 0;
}

/* The tables that the plan uses. */
static void fill_distributions(const struct plan *plan, int16_t *tables)
{
	bool used[SP_DISTRIBUTIONS] = {false};

	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].fault.jitter_ns)
			used[plan->steps[i].fault.distribution] = true;
	for (int d = SP_NORMAL; d < SP_DISTRIBUTIONS; d++)
		if (used[d])
			distribution_fill(d, tables + d * SP_TABLE_SIZE);
}

static int fill_control(struct sp_control *control, const struct plan *plan)
{
	uint32_t random[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -errno;
	control->mark = random[0] | 1;
	control->magic = random[1] | 1;
	control->max_packets = plan->max_packets;
	control->max_flows = plan->max_flows;
	control->evidence =
		(plan->packet_evidence ? SP_EVIDENCE_PACKETS : 0) | (plan->capture ? SP_EVIDENCE_CAPTURE : 0);
	return 0;
}

static int fill(struct engine *e)
{
	struct shearpin__bss *bss = e->skel->bss;
	struct vectors v = {
		.protocols = bss->protocols,
		.local_ports = bss->local_ports,
		.remote_ports = bss->remote_ports,
		.any_prefix4 = &bss->any_prefix4,
		.any_prefix6 = &bss->any_prefix6,
		.any_owner = &bss->any_owner,
		.owner_rules = &bss->owner_rules,
		.process_rules = &bss->process_rules,
		.control = &bss->control,
	};
	int err = fill_control(&bss->control, e->plan);

	if (!err)
		err = prefixes_fill(e->plan, e->skel);
	if (!err)
		err = fill_interfaces(e);
	if (err)
		return err;
	vectors_fill(e->plan, &v);
	rules_fill(e->plan, bss->rules);
	rules_fill_meanings(e->plan, bss->meanings, &bss->control.content);
	answer_choose_hooks(e->plan, &bss->control);
	fill_distributions(e->plan, bss->distributions);
	return vectors_leave_ports(&v);
}

/* By then connect() has let go of its socket. An error ends here: the programs answer the SYN's retransmission, too. */
static void repeat_unreachable(struct engine *e, const struct sp_event *event)
{
	uint64_t then = event->ns + CONNECT_NS, now = clock_mono_ns();
	struct timespec pause = {.tv_nsec = then > now ? then - now : 0};

	if (pause.tv_nsec)
		nanosleep(&pause, NULL);
	/* Stopped or slow, this process may come to it only after the window. */
	if (!e->skel->bss->control.armed ||
	    window_at(&e->skel->bss->rules[event->rule], clock_mono_ns()) == WINDOW_CLOSED)
		return;
	(void)raw_unreachable(e->raw, event);
}

static int on_record(void *arg, void *data, size_t size)
{
	const struct sp_event *event = data;
	struct engine *e = arg;

	if (size >= sizeof(*event) && event->type == SP_EVENT_UNREACHABLE)
		repeat_unreachable(e, event);
	else if (size >= sizeof(*event))
		e->on_record(e->on_record_arg, data, size);
	return ++e->drained < DRAIN_EVENTS ? 0 : -EAGAIN;
}

static int on_capture(void *arg, void *data, size_t size)
{
	struct engine *e = arg;

	e->on_record(e->on_record_arg, data, size);
	return ++e->drained < DRAIN_EVENTS ? 0 : -EAGAIN;
}

static int open_rings(struct engine *e)
{
	e->ring = ring_buffer__new(bpf_map__fd(e->skel->maps.events), on_record, e, NULL);
	if (!e->ring)
		return -errno;
	if (!e->plan->capture)
		return 0;
	e->capture_ring = ring_buffer__new(bpf_map__fd(e->skel->maps.captures), on_capture, e, NULL);
	return e->capture_ring ? 0 : -errno;
}

/* Programs and maps for targets that name an owner. */
static int choose_owners(struct shearpin *skel, const struct plan *plan)
{
	bool owners = vectors_have_owners(plan), processes = vectors_have_processes(plan);
	int err;

	skel->rodata->without_owners = !owners;
	skel->rodata->without_processes = !processes;
	bpf_program__set_autoload(skel->progs.note_maker, processes);
	bpf_program__set_autoload(skel->progs.note_holders, processes);
	bpf_program__set_autoload(skel->progs.name_process, processes);
	err = bpf_map__set_autocreate(skel->maps.holders, processes);
	if (!err)
		err = bpf_map__set_autocreate(skel->maps.owner_processes, processes);
	if (!err)
		err = bpf_map__set_autocreate(skel->maps.owner_cgroups, owners);
	if (!err)
		err = bpf_map__set_autocreate(skel->maps.owned_flows, owners);
	return err;
}

static int load(struct engine *e)
{
	struct pattern_rules *patterns = NULL;
	size_t n_patterns = 0;
	int err = patterns_list(e->plan, &patterns, &n_patterns);

	if (!err)
		err = size_maps(e);
	if (!err)
		err = bpf_map__set_max_entries(e->skel->maps.patterns, n_patterns ?: 1);
	if (!err)
		err = choose_owners(e->skel, e->plan);
	if (err)
		goto out;
	e->skel->rodata->without_bends = !rules_bend(e->plan);
	e->skel->rodata->without_answers = !rules_answer(e->plan);
	e->skel->rodata->without_meanings = !rules_mean(e->plan);
	e->skel->rodata->without_shadows = !rules_have_shadows(e->plan);
	e->skel->rodata->without_datagrams = !plan_sends_datagrams(e->plan);
	bpf_program__set_autoload(e->skel->progs.sockets, engine_has_resets(e));
	bpf_program__set_autoload(e->skel->progs.note_reset, engine_has_resets(e));
	bpf_program__set_autoload(e->skel->progs.xdp_in, uses_hook(e->plan, SP_HOOK_XDP));
	answer_prepare(e->plan, e->skel);
	err = shearpin__load(e->skel);
	if (!err)
		err = fill(e);
	if (!err)
		err = fill_patterns(e, patterns, n_patterns);
	if (!err && e->line)
		err = line_start(e->line, e->skel);
out:
	free(patterns);
	return err;
}

int engine_open(const struct plan *plan, const struct engine_interface *interfaces, size_t n,
		struct line *line, struct engine **ret_engine)
{
	struct engine *e = calloc(1, sizeof(*e));
	int err = -ENOMEM;

	if (!e)
		return -ENOMEM;
	libbpf_set_print(quiet);
	e->plan = plan;
	e->interfaces = interfaces;
	e->n_interfaces = n;
	e->line = line;
	e->n_cpus = libbpf_num_possible_cpus();
	e->skel = shearpin__open();
	if (!e->skel) {
		err = -errno;
		goto fail;
	}
	err = load(e);
	if (err)
		goto fail;
	err = open_rings(e);
	if (err)
		goto fail;
	*ret_engine = e;
	return 0;
fail:
	engine_close(e);
	return err;
}

void engine_close(struct engine *engine)
{
	if (!engine)
		return;
	if (engine->skel && engine->skel->bss)
		engine_disarm(engine);
	answer_close(engine->answer);
	attach_close(engine->attachments);
	idle_close(engine->idle);
	raw_close(engine->raw);
	ring_buffer__free(engine->ring);
	ring_buffer__free(engine->capture_ring);
	shearpin__destroy(engine->skel);
	free(engine);
}

int engine_attach(struct engine *engine, enum attach_mode mode, const char **ret_culprit)
{
	struct attach_programs programs = {.fd = {-1, -1, -1}};
	int err;

	*ret_culprit = NULL;
	programs.fd[SP_HOOK_TC_IN] = bpf_program__fd(engine->skel->progs.tc_in);
	programs.fd[SP_HOOK_TC_OUT] = bpf_program__fd(engine->skel->progs.tc_out);
	if (uses_hook(engine->plan, SP_HOOK_XDP))
		programs.fd[SP_HOOK_XDP] = bpf_program__fd(engine->skel->progs.xdp_in);
	err = raw_open(engine->skel->bss->control.mark, &engine->raw);
	if (!err && engine_has_resets(engine))
		err = idle_open(engine->skel->progs.sockets, engine->skel->progs.note_reset, engine->raw,
				engine->skel->bss->rules, &engine->idle);
	if (err)
		return err;
	err = attach_open(mode, &programs, &engine->attachments);
	for (size_t i = 0; !err && i < engine->n_interfaces; i++) {
		*ret_culprit = engine->interfaces[i].name;
		err = attach_add(engine->attachments, engine->interfaces[i].ifindex);
	}
	if (!err && answer_is_needed(engine->plan)) {
		*ret_culprit = ANSWER_PLACE;
		err = answer_open(engine->skel, &engine->answer);
	}
	if (err) {
		attach_close(engine->attachments);
		engine->attachments = NULL;
	}
	return err;
}

const char *engine_attached_as(const struct engine *engine)
{
	return attach_uses_tcx(engine->attachments) ? "tcx" : "clsact";
}

static int compare_times(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* When windows open and close; those of several targets of a step do so at one time. */
static void fill_marks(const struct plan *plan, const struct sp_rule *rules, __u64 *ret_marks)
{
	__u64 marks[SP_MAX_MARKS] = {0};
	size_t n = 0, kept = 0;

	for (size_t r = 0; r < plan->n_rules; r++) {
		for (uint32_t i = 0;
		     rules[r].start_ns != RULES_NEVER && i < rules[r].times && n + 2 <= SP_MAX_MARKS; i++) {
			marks[n++] = rules[r].start_ns + i * rules[r].every_ns;
			marks[n++] = rules[r].start_ns + i * rules[r].every_ns + rules[r].length_ns;
		}
	}
	qsort(marks, n, sizeof(*marks), compare_times);
	for (size_t i = 0; i < n; i++)
		if (!kept || marks[kept - 1] != marks[i])
			marks[kept++] = marks[i];
	memset(marks + kept, 0xff, (SP_MAX_MARKS - kept) * sizeof(*marks));
	/* The observer may be at work: behind a wait, what there was before stays at its place. */
	memcpy(ret_marks, marks, sizeof(marks));
}

int engine_retarget(struct engine *engine)
{
	return prefixes_fill(engine->plan, engine->skel);
}

int engine_observe(struct engine *engine)
{
	struct shearpin__bss *bss = engine->skel->bss;
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int err = bpf_prog_test_run_opts(bpf_program__fd(engine->skel->progs.introduce), &opts);

	if (err)
		return err;
	memset(bss->marks, 0xff, sizeof(bss->marks)); /* no window so far */
	__atomic_or_fetch(&bss->control.armed, SP_ARMED_OBSERVER, __ATOMIC_RELEASE);
	return 0;
}

void engine_set_zero(struct engine *engine, uint64_t zero_ns, struct plan_span span)
{
	const struct plan *plan = engine->plan;
	struct shearpin__bss *bss = engine->skel->bss;

	for (size_t r = 0; r < plan->n_rules; r++) {
		uint64_t at_ns = plan->steps[plan->rules[r].step].window.at_ns;

		if (plan_spans(span, at_ns))
			__atomic_store_n(&bss->rules[r].start_ns, zero_ns + at_ns, __ATOMIC_RELEASE);
	}
	if (plan->max_duration_ns && !(bss->control.armed & SP_ARMED_FAULTS)) /* not behind a wait */
		bss->control.deadline_ns = zero_ns + plan->max_duration_ns;
	fill_marks(plan, bss->rules, bss->marks);
}

void engine_arm(struct engine *engine)
{
	__atomic_or_fetch(&engine->skel->bss->control.armed, SP_ARMED_FAULTS, __ATOMIC_RELEASE);
}

void engine_disarm(struct engine *engine)
{
	__atomic_store_n(&engine->skel->bss->control.armed, 0, __ATOMIC_RELEASE);
}

int engine_counters(struct engine *engine, uint32_t slot, struct sp_counters *ret_counters)
{
	return counters_read(bpf_map__fd(engine->skel->maps.counters), slot, 1, ret_counters);
}

int engine_receipt(struct engine *engine, uint32_t slot, struct sp_receipt *ret_receipt)
{
	return bpf_map_lookup_elem(bpf_map__fd(engine->skel->maps.receipts), &slot, ret_receipt);
}

int engine_stats(struct engine *engine, uint64_t ret_stats[SP_STATS])
{
	__u64 each[engine->n_cpus];

	for (__u32 s = 0; s < SP_STATS; s++) {
		int err = bpf_map_lookup_elem(bpf_map__fd(engine->skel->maps.stats), &s, each);

		if (err)
			return err;
		ret_stats[s] = 0;
		for (int i = 0; i < engine->n_cpus; i++)
			ret_stats[s] += each[i];
	}
	return 0;
}

unsigned engine_spent(const struct engine *engine)
{
	return __atomic_load_n(&engine->skel->bss->control.spent, __ATOMIC_ACQUIRE);
}

static int drain(struct engine *engine, struct ring_buffer *ring, engine_record *call, void *arg)
{
	int n;

	engine->on_record = call;
	engine->on_record_arg = arg;
	engine->drained = 0;
	n = ring_buffer__consume(ring);
	return n == -EAGAIN ? DRAIN_EVENTS : n;
}

int engine_drain(struct engine *engine, engine_record *call, void *arg)
{
	return drain(engine, engine->ring, call, arg);
}

int engine_drain_captures(struct engine *engine, engine_record *call, void *arg)
{
	return drain(engine, engine->capture_ring, call, arg);
}

int engine_captures_fd(const struct engine *engine)
{
	return ring_buffer__epoll_fd(engine->capture_ring);
}

int engine_observed_target(const struct engine *engine, unsigned bit)
{
	return vectors_target(engine->plan, bit);
}

int engine_conns_each(struct engine *engine,
		      void (*call)(void *arg, const struct sp_flow_key *key, const struct sp_conn *conn),
		      void *arg)
{
	return conn_table_each(bpf_map__fd(engine->skel->maps.conns), call, arg);
}

int engine_conn_delete(struct engine *engine, const struct sp_flow_key *key, const struct sp_conn *ended)
{
	return conn_table_delete(bpf_map__fd(engine->skel->maps.conns), key, ended);
}

int engine_events_fd(const struct engine *engine)
{
	return ring_buffer__epoll_fd(engine->ring);
}

int engine_flows_open(struct engine *engine, uint32_t slot, struct flows **ret)
{
	return flows_open(bpf_map__fd(engine->skel->maps.flows), slot, ret);
}

int engine_reset_idle(struct engine *engine,
		      void (*call)(void *arg, const struct sp_socket *socket, int error), void *arg)
{
	return idle_reset(engine->idle, call, arg);
}

static int open_window(const void *arg, size_t rule)
{
	const struct shearpin__bss *bss = ((const struct engine *)arg)->skel->bss;
	uint32_t armed = __atomic_load_n(&bss->control.armed, __ATOMIC_ACQUIRE);

	return armed & SP_ARMED_FAULTS ? window_at(&bss->rules[rule], clock_mono_ns()) : WINDOW_CLOSED;
}

int engine_end_states(struct engine *engine, size_t rule, uint32_t slot, struct stalls_told *told)
{
	const struct shearpin__bss *bss = engine->skel->bss;
	const struct stalls stalls = {
		.states_fd = bpf_map__fd(engine->skel->maps.states),
		.conns_fd = bpf_map__fd(engine->skel->maps.conns),
		.raw = bss->rules[rule].meaning == SP_MEANS_STALL ? engine->raw : NULL,
		.rule = rule,
		.rules = bss->rules,
		.stalling = &bss->meanings[SP_MEANS_STALL],
		.window = open_window,
		.arg = engine,
	};

	return stalls_end(&stalls, slot, told);
}

struct shearpin *engine_programs(struct engine *engine)
{
	return engine->skel;
}

int engine_ids(const struct engine *engine, struct engine_ids *ret_ids)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(bpf_map__fd(engine->skel->maps.counters), &info, &len);

	if (!err)
		ret_ids->counters = info.id;
	return err;
}
