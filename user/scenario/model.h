/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scenario means, one struct a mapping, before its parts are put together: names still refer, nothing is
 * indexed. Every value remembers the node that it came from, so that a check can name its place. All of it lives
 * in the tree's arena.
 */
#ifndef SHEARPIN_SCENARIO_MODEL_H
#define SHEARPIN_SCENARIO_MODEL_H

#include "scenario/tree.h"
#include "scenario/vars.h"

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
#define MOST_ARGUMENTS 256
#define MOST_ANY_OF 16
#define MOST_ABORTS 64
#define MOST_CHECKS 64
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
	struct texts any_of;
	size_t *any_of_index; /* of each of them; SIZE_MAX: there is no such target */
	struct value timeout; /* of any_of */
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

struct model_headers {
	struct model_header *items;
	size_t count;
};

/* answer: a status, or a mapping */
struct model_answer {
	const struct node *node;
	struct value status;
	struct model_headers headers;
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

struct model_address { /* "host:port", or {target: NAME} */
	const char *host;
	uint16_t port;
	const struct node *node;
	struct text target;
	size_t target_index; /* once checked; SIZE_MAX: none */
};

struct model_process { /* exactly one of the three */
	const struct node *node;
	struct text pidfile, name;
	struct value pid;
};

struct model_compare {
	const struct node *node; /* the value; NULL: nothing is compared */
	enum plan_compare_op op;
	double number;    /* COMPARE_ABOVE to _AT_MOST; of numbers also _EQUALS */
	const char *text; /* COMPARE_MATCHES */
	bool numbers;     /* what is compared are numbers, not JSON values */
};

#define NO_PROBE_KIND (-1)

/*
 * A probe, or what an expectation, a wait or an abort looks at in the same words (a watch). The caller sets `watch` and `own`
 * before read_probe_keys().
 */
struct model_probe {
	const struct node *node;
	struct text name; /* of a watch: none */
	bool watch; /* `log` goes with `matches`, without `healthy` and `unhealthy`; `every` is 200ms if not given */
	const char *const
		*own; /* keys of the mapping that mean something else there, NULL last; NULL: none */
	int kind;     /* enum plan_probe_kind; NO_PROBE_KIND: no kind is named, or it is unclear which */
	struct value every, timeout, rising, falling;
	struct model_address tcp;
	struct text path; /* of log, json, file */
	struct text healthy, unhealthy;
	struct text url; /* of http, prometheus */
	struct value expect_status;
	struct text expect_body, ca;
	struct value insecure;
	struct model_headers headers;
	struct text where, age_field;
	struct model_compare compare;
	struct value fresh;
	struct texts command;
	struct text expect_output; /* of file: `contains` */
	struct value exists;
	struct model_process process;
	struct value restarts; /* 1: unhealthy */
	struct text query;
	struct value transport; /* enum model_transport */
	struct model_address stream;
	struct text number, subscribe;
	struct value binary, silence, complete;
};

enum model_transport {
	TRANSPORT_TCP,
	TRANSPORT_UDP,
	TRANSPORT_UDP_LISTEN,
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

/* One condition of `abort`. */
struct model_abort {
	const struct node *node;
	int kind; /* enum plan_abort_kind; -1: it is unclear which */
	struct value unhealthy_for, length;
	struct text file;
	struct model_probe watch; /* prometheus */
	struct model_slo slo;     /* has the `probe` of ABORT_PROBE, too */
};

/* One entry of `preflight`: a check, or one for each of `names`. */
struct model_check {
	const struct node *node;
	int kind; /* enum plan_check_kind; -1: it is unclear which */
	struct model_address reachable;
	struct value timeout, bytes, clock, level;
	struct texts names; /* of env, command */
	struct text path, file, probe, hint;
	size_t probe_index;
};

struct model_signal {
	const struct node *node;
	struct value number;
	struct model_process process;
};

#define MODEL_ANY_STATUS 256

struct model_exec {
	struct texts command, undo;
	struct value timeout, status;
};

struct model_file {
	const struct node *node;
	struct text path, replace, from, append;
	struct value truncate, garbage, remove, restore;
};

/* What an expectation or a wait is about. */
enum model_about {
	MODEL_NOTHING,
	MODEL_PROBE,
	MODEL_WATCH,
	MODEL_COUNTER,
	MODEL_BACKOFF, /* judged from the packets: it is an objective that stands among the steps */
};

/* `expect`, or `wait` */
struct model_expect {
	const struct node *node;
	enum model_about about;
	struct text probe, counter, step;
	struct value healthy, within, by, throughout, never, again, count, timeout;
	struct model_probe watch;
	struct model_compare compare; /* of the counter */
	struct model_slo slo;         /* MODEL_BACKOFF */
	size_t probe_index, step_index;
};

#define NO_STEP_KIND (-1)

enum model_placing {
	STEP_UNPLACED,
	STEP_BEING_PLACED,
	STEP_PLACED,
};

struct model_step {
	const struct node *node;
	int kind; /* enum plan_step_kind, by the first key that says so; NO_STEP_KIND: none does */
	struct text name, after, with;
	struct value at, length, enabled;
	struct texts phases;
	int phase;  /* index; -1: none */
	bool rests; /* its phase is a shadow, in which it would have a part of its own */
	struct model_fault fault;
	struct texts targets;
	size_t *target_index; /* of each of `targets`; SIZE_MAX: there is no such target */
	struct model_repeat repeat;
	struct model_burst burst;
	struct offset clock;
	struct model_signal signal;
	struct model_exec exec;
	struct model_file file;
	struct text link;
	struct model_expect expect;
	/* place_steps() */
	enum model_placing placing;
	struct plan_window window; /* its missing or wrong values count as 0 */
	bool until_end;
};

struct model_phase {
	const struct node *node;
	struct text name;
	struct value length, share, shadow;
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
	struct model_phase *phases;
	size_t n_phases;
	struct model_step *steps;
	size_t n_steps;
	struct texts disabled; /* settle_model(): the names of steps that are off */
	struct model_slo *slos;
	size_t n_slos;
	struct model_abort *aborts;
	size_t n_aborts;
	struct model_check *checks;
	size_t n_checks;
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
struct named named_steps(const struct model *m);

struct named named_probes(const struct model *m);

/*
 * The keys of a probe's kind out of a mapping, into `p`, whose node becomes the mapping: which kind it is, the values of its keys,
 * keys that belong to another kind and keys that are missing. All other keys are the caller's concern: a table for read_map()
 * takes up those of the probe with PROBE_KEYS (values.h), which only lets them pass. p->kind says whether there was one.
 */
void read_probe_keys(struct reader *r, const struct node *map, struct model_probe *p);
/* What fits together within it, and the target that it names. */
void check_probe(struct reader *r, const struct model *m, struct model_probe *p);
void check_address(struct reader *r, const struct model *m, struct model_address *address);
/* Into a zeroed plan_probe; a host that cannot be resolved is a mistake. 0 or -ENOMEM. */
int compile_probe(struct reader *r, const struct model_probe *m, struct plan_probe *p);
int compile_address(struct reader *r, const struct model_address *m, char **ret_host, uint16_t *ret_port,
		    int *ret_target);
bool compile_process(const struct model_process *m, struct plan_process *p);
bool compile_command(const struct texts *m, struct plan_command *c);
bool compile_compare(const struct model_compare *m, struct plan_compare *c);
/* One more of the plan's watches; its index. 0 or -ENOMEM. */
int add_watch(struct reader *r, const struct model_probe *m, struct plan *plan, size_t *ret_index);
/* Samples of this kind have a latency. */
bool probe_has_latency(int kind);

/* Does the mapping name a kind of probe, the right one or not? */
bool names_probe_kind(const struct node *map);

/* Of the comparisons in a mapping the one that is there: of numbers alone, or of JSON values. read_numbers(): it must be. */
void read_compare(struct reader *r, const struct node *map, bool numbers, struct model_compare *c);
void read_numbers(struct reader *r, const struct node *map, struct model_compare *c);
/* -EINVAL: no number as JSON has them, -ERANGE: one that does not fit. A node in quotation marks is none. */
int text_number(const char *s, double *ret);
int node_number(const struct node *n, double *ret);
/* A node as JSON: what is no truth value, number or null, or stands in quotation marks, is a string. */
void add_node(struct json *j, const char *key, const struct node *n);
/* The same as a text; NULL: no memory. */
char *node_json(const struct node *n);
/* A mapping as the log and the report show it: of its `headers` the names alone, since a value may be a secret. */
void add_entry(struct json *j, const char *key, const struct node *map);
char *entry_json(const struct node *map);

/* Copies for a plan; false: no memory. */
bool copy_text(const char *text, char **ret_copy);
bool copy_texts(const struct texts *from, char ***ret_items, size_t *ret_count);
bool copy_headers(const struct model_headers *from, struct plan_header **ret_items, size_t *ret_count);

void check_abort(struct reader *r, const struct model *m, struct model_abort *a);
void check_check(struct reader *r, const struct model *m, struct model_check *c);
/* Can the target be connected to? A mistake at the name, if not. */
void check_reach(struct reader *r, const struct text *name, const struct model_target *t);
void check_any_of(struct reader *r, const struct model *m, struct model_target *t);
/* All of them, into the plan that has its probes, steps and targets. 0 or -ENOMEM. */
int compile_aborts(struct reader *r, const struct model *m, struct plan *plan);
int compile_checks(struct reader *r, const struct model *m, struct plan *plan);
void compile_slo(const struct model_slo *m, struct plan_slo *s);

/* Parts of the above: names that an objective refers to, and what fits together within it. */
void check_slo(struct reader *r, const struct model *m, struct model_slo *s);
/* The kind that a step's keys name first; NO_STEP_KIND: none. */
int step_kind(const struct node *step);
/* Which keys of a step go with its kind. */
void check_step_keys(struct reader *r, const struct model *m, const struct model_step *s);
void check_expect(struct reader *r, const struct model *m, struct model_expect *e);
void check_phases(struct reader *r, const struct model *m);
/* The windows of all steps, and what they may not be: behind their phase's end, across a wait. */
void place_steps(struct reader *r, struct model *m);
/* Neither off nor at rest. */
bool step_is_on(const struct model_step *s);
/* Of a model without mistakes: steps that are off leave it, with what is about them alone; objectives among the steps join the others. */
void settle_model(struct reader *r, struct model *m);
/* Into the plan, whose array has room. 0 or -ENOMEM. */
int compile_step(struct reader *r, const struct model *m, const struct model_step *from, struct plan *plan);
int compile_phases(const struct model *m, struct plan *plan);
/* The rules of the plan's steps, and its length. */
int compile_rules(const struct model *m, struct plan *plan);
/* "SIGKILL"; NULL: none that a step can send. */
const char *signal_name(int number);
void check_overlaps(struct reader *r, const struct model *m);
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

/* tree.c has the tree; this reads, checks and compiles it. As scenario_parse(); `errors` are left to the caller. */
int compile_tree(struct arena *a, struct errors *errors, struct node *root, const char *source,
		 struct plan **ret_plan);

#endif
