/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiled plan: what a scenario file or an `inject` command line means, checked and complete. Everything
 * after the scenario layer works from this and never sees YAML.
 *
 * Times are nanoseconds; offsets (`at_ns`) count from the end of the baseline. Shares and percentages are
 * thresholds for a 32-bit draw: 0 is never, PLAN_ALWAYS (2^32) is always.
 * A plan owns all it points to; plan_free() accepts NULL.
 */
#ifndef SHEARPIN_PLAN_H
#define SHEARPIN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

#define PLAN_MAX_RULES 256
#define PLAN_MAX_SLOTS 4096
#define PLAN_ALWAYS (1ULL << 32)

enum plan_direction {
	PLAN_IN = 1,
	PLAN_OUT = 2,
	PLAN_BOTH = 3,
};

struct plan_target {
	char *name;
	unsigned line;          /* of the scenario file; 0 for a target from the command line */
	uint8_t proto;          /* IPPROTO_TCP, _UDP, _ICMP (then ICMPv6, too); 0: any */
	struct prefix *remotes; /* none: any */
	size_t n_remotes;
	struct port_range *remote_ports; /* none: any */
	size_t n_remote_ports;
	struct port_range *local_ports;
	size_t n_local_ports;
	char **interfaces; /* none: all of the plan's */
	size_t n_interfaces;
	enum plan_direction direction;
	uint64_t share; /* of flows */
	/*
	 * Names whose addresses belong to `remotes`. They are resolved by drill/hosts.h when the run starts, and again
	 * while it lasts; the plan as compiled has none of these addresses.
	 */
	char **hosts;
	size_t n_hosts;
	/* Whose flows alone are meant; at most one of the three. With NULL, NULL and 0: anybody's. */
	char *cgroup; /* a path below the root of cgroup v2, "/system.slice/feeder.service" */
	char *unit;   /* of systemd: "feeder.service" */
	uint32_t pid; /* a process, all its threads, not its children */
};

static inline bool plan_target_has_owner(const struct plan_target *t)
{
	return t->cgroup || t->unit || t->pid;
}

enum plan_refuse { /* the values of enum sp_refuse */
		   PLAN_REFUSE_NONE,
		   PLAN_REFUSE_TCP_RESET,
		   PLAN_REFUSE_ICMP_PORT,
		   PLAN_REFUSE_ICMP_HOST,
		   PLAN_REFUSE_ICMP_ADMIN,
};

enum plan_distribution { /* the values of enum sp_distribution */
			 PLAN_UNIFORM,
			 PLAN_NORMAL,
			 PLAN_PARETO,
			 PLAN_PARETONORMAL,
};

enum plan_meaning { /* the values of enum sp_meaning */
		    PLAN_MEANS_NOTHING,
		    PLAN_MEANS_DNS,
		    PLAN_MEANS_HTTP,
		    PLAN_MEANS_NTP,
		    PLAN_MEANS_STALL,
		    PLAN_MEANS_LIMIT,
		    PLAN_MEANS_MTU,
		    PLAN_MEANS_SLOW_CLOSE,
		    PLAN_MEANS_HALF_OPEN,
		    PLAN_MEANS_RATE_LIMIT,
		    PLAN_MEANS_DISCONNECTS,
		    PLAN_MEANS_ANSWER,
};

enum plan_then { /* the values of enum sp_then */
		 PLAN_THEN_DROP,
		 PLAN_THEN_RESET,
		 PLAN_THEN_FIN,
		 PLAN_THEN_REFUSE,
		 PLAN_THEN_ICMP,
};

#define PLAN_DNS_TIMEOUT 0xff

struct plan_header {
	char *name, *value;
};

/* What the responder says to each request on a connection that it was given. */
struct plan_answer {
	unsigned status; /* 200 to 599 */
	struct plan_header *headers;
	size_t n_headers;
	char *body;              /* NULL: none */
	char *certificate, *key; /* PEM files, read when the run starts; NULL: plain HTTP alone */
};

/* The longest that a packet may be delayed: delay + jitter, and reorder's `by`. */
#define PLAN_HORIZON_NS (60ULL * 1000000000ULL)

#define PLAN_END_LOCAL 1
#define PLAN_END_REMOTE 2

/* Keys of one `fault:`. Several may be set; of those that hit a packet the hardest wins. */
struct plan_fault {
	uint64_t drop_below; /* drop, loss: share of packets; 0: none */
	uint32_t drop_every; /* loss: {every: n}; 0: none */
	bool loss_local;     /* loss_as: local */
	uint8_t reset_ends;  /* PLAN_END_*, or'ed; 0: none */
	enum plan_refuse refuse;
	uint64_t flow_below; /* reset, refuse: share of connections (`percent`), PLAN_ALWAYS without it */
	/* Each *_correlation is the share of packets whose lot is that of the packet before. */
	uint64_t loss_correlation;
	bool gemodel; /* loss: {gemodel: ...}, instead of drop_below and drop_every */
	uint64_t ge_p, ge_r, ge_bad, ge_good;
	uint64_t delay_ns, jitter_ns; /* jitter_ns <= delay_ns */
	uint64_t delay_below;         /* share of packets that are delayed (`percent`); 0: no delay */
	uint64_t delay_correlation;
	enum plan_distribution distribution;
	uint64_t rate;  /* bytes per second; 0: any */
	uint64_t burst; /* bytes */
	uint64_t duplicate_below, duplicate_correlation;
	uint64_t corrupt_below, corrupt_correlation;
	bool corrupt_valid;
	uint64_t reorder_below, reorder_correlation;
	uint64_t reorder_by_ns;    /* held back by so much; 0: sent at once, without the delay */
	uint32_t reorder_gap;      /* only every n-th packet; 0: any */
	bool reorder_jitter;       /* reorder: jitter */
	enum plan_meaning meaning; /* of the rest, what it uses: see enum sp_meaning and struct sp_rule */
	uint64_t meaning_below;
	enum plan_then then;
	uint8_t rcode;         /* or PLAN_DNS_TIMEOUT */
	uint64_t amount;       /* bytes, connections a second, or the mean time between disconnects in ns */
	unsigned status;       /* PLAN_MEANS_HTTP */
	int64_t retry_after_s; /* PLAN_MEANS_HTTP; -1: none */
	int64_t ntp_from_ns, ntp_to_ns;
	uint64_t ntp_over_ns; /* 0: the offset does not drift */
	char **patterns;      /* names or paths, as written; none: any */
	size_t n_patterns;
	struct plan_answer *answer; /* PLAN_MEANS_ANSWER */
	char *text; /* as JSON object, e.g. {"reset":"both"}: what the log and the report say */
};

/* Does the fault hold packets back, so that they go through the delay line? */
static inline bool plan_fault_holds(const struct plan_fault *f)
{
	return f->delay_below || f->rate || f->reorder_by_ns;
}

/* Does a meaning change packets that arrive all the same? */
static inline bool plan_fault_alters(const struct plan_fault *f)
{
	return f->meaning == PLAN_MEANS_HTTP || f->meaning == PLAN_MEANS_NTP ||
	       f->meaning == PLAN_MEANS_STALL || f->meaning == PLAN_MEANS_LIMIT ||
	       f->meaning == PLAN_MEANS_HALF_OPEN;
}

/* Does a meaning keep anything of a flow? */
static inline bool plan_fault_keeps_state(const struct plan_fault *f)
{
	return f->meaning == PLAN_MEANS_HTTP || f->meaning == PLAN_MEANS_STALL ||
	       f->meaning == PLAN_MEANS_LIMIT || f->meaning == PLAN_MEANS_RATE_LIMIT ||
	       f->meaning == PLAN_MEANS_DISCONNECTS;
}

/* Does the fault answer packets in somebody's place? */
static inline bool plan_fault_answers(const struct plan_fault *f)
{
	return f->reset_ends || f->refuse || f->meaning == PLAN_MEANS_DNS || f->meaning == PLAN_MEANS_LIMIT ||
	       f->meaning == PLAN_MEANS_MTU || f->meaning == PLAN_MEANS_RATE_LIMIT ||
	       f->meaning == PLAN_MEANS_DISCONNECTS;
}

/* Does the fault reset connections that send nothing, so that sockets are looked for? */
static inline bool plan_fault_walks(const struct plan_fault *f)
{
	return f->reset_ends || f->meaning == PLAN_MEANS_DISCONNECTS;
}

/* Does the fault do something to packets that arrive all the same? */
static inline bool plan_fault_bends(const struct plan_fault *f)
{
	return plan_fault_holds(f) || f->duplicate_below || f->corrupt_below;
}

/* Is there something in it whose fidelity can be told: times, or lots a packet? */
static inline bool plan_fault_has_receipt(const struct plan_fault *f)
{
	return plan_fault_bends(f) || f->gemodel || (f->drop_below && f->drop_below < PLAN_ALWAYS);
}

/* Does it need the line: to hold packets, or to break a checksum that the sender's device is yet to fill in? */
static inline bool plan_fault_needs_line(const struct plan_fault *f)
{
	return plan_fault_holds(f) || (f->corrupt_below && !f->corrupt_valid);
}

/*
 * Where there is a line, does the fault need one in user space? Only that breaks checksums and takes GSO packets apart; and fq
 * tells a copy, which belongs to no socket, from its original, so that it may put either before the packets between them.
 */
static inline bool plan_fault_needs_user_line(const struct plan_fault *f)
{
	return f->rate || f->duplicate_below || (f->corrupt_below && !f->corrupt_valid);
}

struct plan_window {
	uint64_t at_ns;
	uint64_t for_ns;
	uint64_t every_ns; /* distance of two openings; >= for_ns; equal to for_ns when times is 1 */
	uint32_t times;
	uint64_t burst_on_ns; /* 0: no bursts */
	uint64_t burst_off_ns;
};

enum plan_step_kind {
	STEP_FAULT,
	STEP_CLOCK,
};

struct plan_step {
	char *name;
	unsigned line;
	struct plan_fault fault;
	struct plan_window window;
	size_t *targets; /* indices */
	size_t n_targets;
	/* A step that is no fault on packets has no targets, no rules, and an empty fault. */
	enum plan_step_kind kind;
	int64_t clock_offset_ns; /* STEP_CLOCK: CLOCK_REALTIME goes ahead by so much at the opening, and back at the closing */
};

/* Where a rule acts, as bits. */
#define PLAN_HOOK_XDP 1
#define PLAN_HOOK_TC_IN 2
#define PLAN_HOOK_TC_OUT 4
#define PLAN_HOOK_CONNECT 8 /* no hook of packets: PLAN_MEANS_ANSWER alone, and then no other */

/* One rule a (step, target) pair. Instance i of rule r counts in slot r.first_slot + i. */
struct plan_rule {
	size_t step, target;
	uint32_t first_slot;
	uint64_t seed;
	uint8_t hooks;      /* PLAN_HOOK_*; set by plan_choose_hooks() */
	const char *why_in; /* static text: why the ingress side is where it is; NULL: no ingress side */
	const char *why_out;
};

enum hook_mode {
	HOOK_AUTO,
	HOOK_XDP,
	HOOK_TC,
};

enum plan_probe_kind {
	PROBE_TCP, /* connects and hangs up */
	PROBE_LOG, /* follows a file that the system under test writes */
};

struct plan_probe {
	char *name;
	unsigned line;
	enum plan_probe_kind kind;
	char *host; /* PROBE_TCP: a numeric address; names are resolved when the plan is compiled */
	uint16_t port;
	uint64_t every_ns, timeout_ns;
	char *path;                /* PROBE_LOG */
	char *healthy, *unhealthy; /* PROBE_LOG: POSIX extended regular expressions, checked */
};

enum plan_slo_key {
	SLO_RECOVERY_P50,
	SLO_RECOVERY_P95,
	SLO_RECOVERY_P99,
	SLO_RECOVERY_MAX,
	SLO_DETECTION_MAX,
	SLO_UNRECOVERED,    /* limit is a count */
	SLO_ATTEMPTS_PER_S, /* limit is a count */
	SLO_BACKOFF,
	SLO_AVAILABILITY, /* limit is a share, and the least */
	SLO_PROBE_P95,
	SLO_PROBE_P99,
	SLO_KEYS,
};

/* Whose samples an objective is about. */
enum plan_by {
	BY_ANY, /* probes if there are any (in the scenario), otherwise flows; with `probe` or `target` what that says */
	BY_PROBE,
	BY_FLOW,
};

enum plan_backoff { /* the values of enum backoff_kind */
		    PLAN_BACKOFF_NONE,
		    PLAN_BACKOFF_CONSTANT,
		    PLAN_BACKOFF_LINEAR,
		    PLAN_BACKOFF_EXPONENTIAL,
};

struct plan_slo {
	enum plan_slo_key key;
	unsigned line;
	/*
	 * ns, or a count, or for SLO_AVAILABILITY a share as a threshold. The value must be <= limit, of
	 * SLO_AVAILABILITY >= limit. UINT64_MAX: SLO_BACKOFF, or relative.
	 */
	uint64_t limit;
	bool relative; /* SLO_PROBE_P95, _P99: to the same percentile of the baseline */
	double over;   /* ... that may be exceeded by this share of it: 0.15 is 15 % */
	enum plan_backoff backoff;
	double factor_low, factor_high; /* 0: any; SLO_BACKOFF: exponential */
	uint64_t cap_ns;                /* SLO_BACKOFF: the longest interval that is allowed; 0: any */
	int step;                       /* index, or -1: all steps */
	int probe;                      /* index, or -1: all probes */
	int target;                     /* index, or -1: all targets */
	enum plan_by by;
};

struct plan_meta {
	char *key, *value;
};

struct plan {
	char *name, *description;
	char *source; /* path of the scenario file; NULL for `inject` */
	uint64_t seed;
	bool seed_given;
	char **interfaces; /* none: the route to the targets decides (kernel/route) */
	size_t n_interfaces;
	/* Where the run takes place, unless the command line says so; at most one of the two. NULL, NULL: here. */
	char *netns;     /* a name of `ip netns`, or a path */
	char *container; /* of docker or podman: a name or an id */
	struct plan_meta *meta;
	size_t n_meta;
	uint64_t max_packets, max_flows, max_duration_ns; /* 0: no limit */
	struct plan_target *targets;
	size_t n_targets;
	struct plan_probe *probes;
	size_t n_probes;
	struct plan_step *steps;
	size_t n_steps;
	struct plan_rule *rules;
	size_t n_rules;
	uint32_t n_slots;
	struct plan_slo *slos;
	size_t n_slos;
	uint64_t baseline_ns, recovery_ns;
	bool packet_evidence; /* evidence: packets */
	bool capture;         /* capture: true */
	uint64_t length_ns;   /* end of the last window */
};

/* Opening and closing of instance i, as offsets from the end of the baseline. */
static inline uint64_t plan_opens(const struct plan_window *w, uint32_t i)
{
	return w->at_ns + i * w->every_ns;
}

static inline uint64_t plan_closes(const struct plan_window *w, uint32_t i)
{
	return plan_opens(w, i) + w->for_ns;
}

/*
 * The one place that decides between XDP and tc, and says why. XDP acts on packets that come in, and only for drop and
 * loss; everything else needs tc. HOOK_AUTO is tc throughout: attaching XDP changes the interface for
 * everybody (veth: GSO and MTU of the peer; most drivers: a restart of the queues). HOOK_XDP uses XDP wherever it can.
 */
void plan_choose_hooks(struct plan *plan, enum hook_mode mode);

/* The plan as the JSON document of docs/run-directory.md. 0 or -ENOMEM; free() the text. */
/* Does any target name hosts? */
bool plan_has_hosts(const struct plan *plan);
int plan_to_json(const struct plan *plan, char **ret_text);

void plan_free(struct plan *plan);

#endif
