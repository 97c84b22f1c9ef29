/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scenario means, one struct a mapping, before its parts are put together: names still refer, nothing is
 * indexed. Every value remembers the node that it came from, so that a check can name its place. All of it lives
 * in the tree's arena.
 */
#ifndef SHEARPIN_SCENARIO_MODEL_H
#define SHEARPIN_SCENARIO_MODEL_H

#include "scenario/tree.h"

struct json;

static inline bool given(const struct node *map, const char *key)
{
	return map && node_get(map, key);
}

#define MOST_TARGETS 256
#define MOST_STEPS 256
#define MOST_PROBES 64
#define MOST_SLOS 256
#define MOST_META 256
#define MOST_INTERFACES 64
#define MOST_ITEMS 4096 /* addresses or ports of one target */
#define MOST_HOSTS 64
#define MOST_PATTERNS 64
#define MOST_HEADERS 32
#define NAME_SIZE 64

/* A scalar: a time in nanoseconds, a count, a threshold, a word's number. node is NULL: not given, or wrong. */
struct value {
	uint64_t n;
	const struct node *node;
};

/* A time that may be negative, in nanoseconds. */
struct offset {
	int64_t ns;
	const struct node *node;
};

struct text {
	const char *s;
	const struct node *node;
};

struct texts {
	struct text *items;
	size_t count;
	const struct node *node;
};

struct model_remotes {
	struct prefix *items;
	size_t count;
	const struct node *node;
};

struct model_ports {
	struct port_range *items;
	size_t count;
	const struct node *node;
};

struct model_target {
	const struct node *node;
	struct text name;
	struct value proto, direction, share, anything;
	struct model_remotes remotes;
	struct model_ports remote_ports, local_ports;
	struct texts interfaces, hosts;
	struct text cgroup, unit;
	struct value pid;
};

struct model_gemodel {
	const struct node *node;
	struct value p, r, bad, good;
};

/* reorder: a percentage alone, a mapping, or the word `jitter` */
struct model_reorder {
	const struct node *node;
	struct value percent, by, gap, jitter;
};

/* ntp: `+80ms`, or `+80ms..-80ms over 60s` */
struct model_ntp {
	const struct node *node;
	int64_t from_ns, to_ns;
	uint64_t over_ns;
};

struct model_header {
	const char *name, *value;
};

/* answer: a status, or a mapping */
struct model_answer {
	const struct node *node;
	struct value status;
	struct model_header *headers;
	size_t n_headers;
	struct text body, certificate, key;
};

struct model_fault {
	const struct node *node;
	struct value drop, loss, loss_every, loss_correlation, reset, refuse, percent, loss_as;
	struct model_gemodel gemodel;
	struct value delay, jitter, distribution, jitter_correlation;
	struct value rate, burst;
	struct value duplicate, duplicate_correlation;
	struct value corrupt, corrupt_correlation, checksum;
	struct model_reorder reorder;
	struct value reorder_correlation;
	struct value dns, http, retry_after, stall, limit, then, mtu, icmp, slow_close, half_open, rate_limit,
		disconnects;
	struct texts names, paths;
	struct model_ntp ntp;
	struct model_answer answer;
};

struct model_repeat {
	const struct node *node;
	struct value times, every;
};

struct model_burst {
	const struct node *node;
	struct value on, off;
};

struct model_step {
	const struct node *node;
	struct text name;
	struct value at, length;
	struct offset clock;
	bool is_later; /* it has a key of a later version, so that what it needs is not known */
	struct model_fault fault;
	struct texts targets;
	size_t *target_index; /* of each of `targets`; SIZE_MAX: there is no such target */
	struct model_repeat repeat;
	struct model_burst burst;
};

struct model_address { /* "host:port" of a probe */
	const char *host;
	uint16_t port;
	const struct node *node;
};

struct model_probe {
	const struct node *node;
	struct text name;
	struct model_address tcp;
	struct text log, healthy, unhealthy;
	struct value every, timeout;
};

struct model_factor {
	double low, high;
	const struct node *node;
};

struct model_slo {
	const struct node *node;
	struct value limits[SLO_KEYS]; /* one of them is given; of SLO_BACKOFF it is an enum plan_backoff */
	bool relative;                 /* to the baseline, by `over`; the limit is UINT64_MAX */
	double over;
	struct model_factor factor;
	struct value cap, by;
	struct text step, probe, target;
	int step_index, probe_index, target_index; /* -1: all */
};

struct model_meta {
	const char *key, *value;
};

struct model {
	const struct node *node;
	struct text name, description;
	struct value version, seed, anything, baseline, recovery, evidence, capture;
	struct texts interfaces;
	struct text netns, container;
	struct model_meta *meta;
	size_t n_meta;
	struct {
		struct value packets, flows, duration;
	} limits;
	struct model_target *targets;
	size_t n_targets;
	struct model_probe *probes;
	size_t n_probes;
	struct model_step *steps;
	size_t n_steps;
	struct model_slo *slos;
	size_t n_slos;
};

struct reader {
	struct arena *arena;
	struct errors *errors;
};

#define MODEL_PROTO_ANY 0
#define MODEL_LOSS_WIRE 1
#define MODEL_LOSS_LOCAL 2
#define MODEL_FLOWS 1
#define MODEL_PACKETS 2
#define MODEL_CHECKSUM_WRONG 1
#define MODEL_CHECKSUM_VALID 2

/* Tree -> model. Mistakes go to the reader's errors; what is wrong or missing is left out of the model. */
void read_scenario(struct reader *r, struct node *root, struct model *ret);

/* The checks that need more than one mapping: names that refer, what fits together, limits. Fills in the indices. */
void check_model(struct reader *r, struct model *m);

/*
 * A model without mistakes -> plan, hooks chosen as HOOK_AUTO. Names of hosts are resolved here; one that is unknown goes to
 * `errors`, and there is no plan. 0 or a negative errno (-ENOMEM, or of getrandom()).
 */
int compile_model(struct reader *r, const struct model *m, const char *source, struct plan **ret_plan);

struct named { /* how find_name() sees an array of targets, steps or probes */
	const char *what;
	const struct node *node; /* their section; NULL: there is none */
	const void *items;
	size_t count, size, name_offset;
};

/* The index, or SIZE_MAX and a mistake: unless the whole section is wrong, which is told already. */
size_t find_name(struct reader *r, const struct named *list, const struct text *name);
struct named named_targets(const struct model *m);

/* Parts of the above: names that an objective refers to, and what fits together within it. */
void check_slo(struct reader *r, const struct model *m, struct model_slo *s);
/* A step is a fault on targets, or a move of the clock; and what goes with either. */
void check_step_kind(struct reader *r, const struct model_step *s);
void check_clocks(struct reader *r, const struct model *m);
/* What fits together within a fault, and with its target; a fault into the plan (false: no memory). */
void check_fault(struct reader *r, const struct model_fault *f);
void check_fit(struct reader *r, const struct model_fault *f, const struct model_target *t);
bool compile_fault(const struct model_fault *m, struct plan_fault *f);

/* The key of the fault's meaning, "dns"; NULL: it has none. */
const char *meaning_key(const struct node *fault);
/* The same three for what a fault means; nothing, where it means nothing. */
void check_meaning(struct reader *r, const struct model_fault *f);
void check_meaning_fit(struct reader *r, const struct model_fault *f, const struct model_target *t);
bool compile_meaning(const struct model_fault *m, struct plan_fault *f);
/* Its keys, as those of a fault's text. */
void add_meaning(struct json *j, const struct model_fault *f);

/* The windows of a step; its missing or wrong values count as 0. */
struct plan_window model_window(const struct model_step *s);

/* tree.c has the tree; this reads, checks and compiles it. As scenario_parse(); `errors` are left to the caller. */
int compile_tree(struct arena *a, struct errors *errors, struct node *root, const char *source,
		 struct plan **ret_plan);

#endif
