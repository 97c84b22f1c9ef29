/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiled plan: what a scenario file or an `inject` command line means, checked and complete. Everything
 * after the scenario layer works from this and never sees YAML.
 *
 * Times are nanoseconds; offsets (`at_ns`) count from the end of the baseline. Shares and percentages are as in plan_fault.h.
 * A plan owns all it points to; plan_free() accepts NULL.
 */
#ifndef SHEARPIN_PLAN_H
#define SHEARPIN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"
#include "scenario/plan_fault.h"

#define PLAN_MAX_RULES 256
#define PLAN_MAX_SLOTS 4096
#define PLAN_MAX_REACH 16

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
	/*
	 * Other targets, of which this one is the first that can be reached (drill/reach.h): then it has their matches. The
	 * plan as compiled has none.
	 */
	size_t *any_of;
	size_t n_any_of;
	uint64_t reach_timeout_ns; /* for each of them to accept a connection */
};

static inline bool plan_target_has_owner(const struct plan_target *t)
{
	return t->cgroup || t->unit || t->pid;
}

/* A part of the plan's time: from `from_ns` on, before `until_ns`. */
struct plan_span {
	uint64_t from_ns, until_ns;
};

static inline bool plan_spans(struct plan_span span, uint64_t at_ns)
{
	return at_ns >= span.from_ns && at_ns < span.until_ns;
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
	STEP_SIGNAL,
	STEP_EXEC,
	STEP_FILE,
	STEP_LINK,
	STEP_WAIT, /* the plan's time stands still until it is fulfilled: its window takes none of it. What is planned at its time or later comes behind it. */
	STEP_EXPECT, /* the window is the time in which it is decided */
};

/* A process: exactly one of the three. Found when the window opens. */
struct plan_process {
	char *pidfile;
	uint32_t pid; /* 0: none */
	char *name; /* of the program (comm, or the file name of argv[0]); exactly one process must have it */
};

/* STEP_SIGNAL. SIGSTOP is taken back by SIGCONT at the closing, no other signal is. */
struct plan_signal {
	struct plan_process process;
	int number;
};

/* argv of a program, found along PATH; n >= 1, argv[n] is NULL. */
struct plan_command {
	char **argv;
	size_t n;
};

/* STEP_EXEC: runs at the opening, `undo` at the closing. Only with --allow-exec. */
struct plan_exec {
	struct plan_command command;
	struct plan_command undo; /* n is 0: nothing to take back */
	uint64_t timeout_ns;      /* after which it is killed, and has failed */
	int expect_status;        /* any other fails the run (exit 4); -1: whatever */
};

enum plan_file_change {
	FILE_REPLACE,  /* by `text`, or by what the file `from` holds */
	FILE_TRUNCATE, /* to `size` bytes */
	FILE_APPEND,   /* `text`, or `size` bytes of garbage that the plan's seed gives */
	FILE_REMOVE,
};

/*
 * STEP_FILE: at the closing bytes, owner, mode, times and extended attributes are as before, unless somebody has written the file
 * meanwhile; with `always`, even then.
 */
struct plan_file {
	char *path;
	enum plan_file_change change;
	char *text, *from; /* NULL: none */
	uint64_t size;
	bool always;
};

enum plan_expect_what {
	EXPECT_PROBE,   /* the state of a probe of the scenario */
	EXPECT_WATCH,   /* the state of one of the plan's watches */
	EXPECT_COUNTER, /* of a fault step, when the window closes (`within`: at the latest then) */
};

enum plan_expect_how {
	EXPECT_WITHIN,     /* at some time of the window; `by` is the same with an absolute end */
	EXPECT_THROUGHOUT, /* each sample of the window, and there is one */
	EXPECT_NEVER,      /* no sample of the window, and there is one (of a log: no line) */
};

enum plan_compare_op {
	COMPARE_NONE,
	COMPARE_EQUALS,  /* the JSON value `json` */
	COMPARE_DIFFERS, /* any other */
	COMPARE_ABOVE,
	COMPARE_BELOW,
	COMPARE_AT_LEAST,
	COMPARE_AT_MOST,
	COMPARE_MATCHES,  /* a string that the expression `text` matches */
	COMPARE_CONTAINS, /* an array with the JSON value `json` in it */
};

struct plan_compare {
	enum plan_compare_op op;
	char *json;    /* as JSON text */
	double number; /* COMPARE_ABOVE to _AT_MOST */
	char *text;    /* POSIX extended regular expression, checked */
};

/* STEP_EXPECT, STEP_WAIT. */
struct plan_expect {
	enum plan_expect_what what;
	enum plan_expect_how how; /* STEP_WAIT: EXPECT_WITHIN */
	size_t index;             /* of the probe or the watch; EXPECT_COUNTER: of the step */
	bool healthy;             /* the state that is meant; a line that matches is a healthy sample */
	bool again;               /* EXPECT_WITHIN: only behind a sample of the window that says otherwise */
	uint32_t count;           /* EXPECT_WITHIN on the lines of a log: so many of them; otherwise 1 */
	char *counter;            /* EXPECT_COUNTER: "dropped" */
	struct plan_compare compare; /* EXPECT_COUNTER: _EQUALS to _AT_MOST, by `number` */
	uint64_t timeout_ns;         /* STEP_WAIT: then the run is aborted */
};

struct plan_step {
	char *name;
	unsigned line;
	struct plan_fault fault;
	struct plan_window window;
	size_t *targets; /* indices */
	size_t n_targets;
	/* A step that is no fault on packets has no targets, no rules, and an empty fault but for its text. */
	enum plan_step_kind kind;
	int64_t clock_offset_ns; /* STEP_CLOCK: CLOCK_REALTIME goes ahead by so much at the opening, and back at the closing */
	struct plan_signal signal;
	struct plan_exec exec;
	struct plan_file file;
	char *link; /* STEP_LINK: the interface that is down while the window is open */
	struct plan_expect expect;
	/*
	 * A change whose window has no end of its own (for_ns is 0) stays until the run ends, and is taken back then: file, link and
	 * exec without `for`. A signal without `for` is not taken back.
	 */
	bool until_end;
	size_t phase;   /* index; SIZE_MAX: none */
	uint64_t share; /* of flows, instead of the targets' own; PLAN_ALWAYS: theirs */
	bool shadow;    /* its rules count what they would hit (as `suppressed`), and touch nothing */
};

/* Phases follow each other without a gap; each has its own copies of the steps. */
struct plan_phase {
	char *name;
	unsigned line;
	uint64_t at_ns, for_ns;
	uint64_t share; /* PLAN_ALWAYS: the targets' own */
	bool shadow;
	char *text; /* as JSON object: what the phase sets */
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
	size_t seed_of; /* the rule whose seed it is: that of the step in its first phase, otherwise its own */
	uint8_t hooks;  /* PLAN_HOOK_*; set by plan_choose_hooks() */
	const char *why_in; /* static text: why the ingress side is where it is; NULL: no ingress side */
	const char *why_out;
};

enum hook_mode {
	HOOK_AUTO,
	HOOK_XDP,
	HOOK_TC,
};

enum plan_probe_kind {
	PROBE_TCP,        /* connects and hangs up */
	PROBE_LOG,        /* follows a file that the system under test writes */
	PROBE_HTTP,       /* a request over libcurl */
	PROBE_JSON,       /* a value in a file */
	PROBE_EXEC,       /* a program; only with --allow-exec */
	PROBE_FILE,       /* is it there, how old is it, what does it say */
	PROBE_PROCESS,    /* does it live */
	PROBE_STREAM,     /* numbered messages */
	PROBE_PROMETHEUS, /* an instant query */
};

/* PROBE_JSON: what the age is measured by. */
enum plan_age_by {
	AGE_MTIME,
	AGE_FIELD, /* Unix time in seconds, milli-, micro- or nanoseconds (by its size), or RFC 3339 */
};

enum plan_stream_read {
	STREAM_LINES,     /* one message a line or datagram; `number` catches its number */
	STREAM_BINARY_64, /* messages that begin with a 64-bit number, network order; UDP alone */
};

/* Which fields a kind uses is said beside them; times of 0 and NULLs: not asked for. */
struct plan_probe {
	char *name; /* NULL of a watch */
	unsigned line;
	enum plan_probe_kind kind;
	char *host; /* _TCP, _STREAM: a numeric address; names are resolved when the plan is compiled */
	uint16_t port;
	int target; /* _TCP: the first address and port of this target, once it is known; -1: host and port */
	uint64_t every_ns, timeout_ns;
	uint32_t rising,
		falling; /* so many samples in a row change the state to healthy, to unhealthy; >= 1 */
	char *path;      /* _LOG, _JSON, _FILE */
	char *healthy,
		*unhealthy; /* _LOG: POSIX extended regular expressions, checked; a watch has no `unhealthy` */
	char *url;          /* _HTTP; _PROMETHEUS: the server's, without /api/v1/query */
	int expect_status;  /* _HTTP: 0: 200 to 399; _EXEC: 0 to 255 */
	char *expect_body;  /* _HTTP: expression that must match somewhere in the body */
	struct plan_header *headers; /* _HTTP, _PROMETHEUS: of the request */
	size_t n_headers;
	char *ca;      /* _HTTP, _PROMETHEUS: file with the authorities' certificates; NULL: the system's */
	bool insecure; /* _HTTP, _PROMETHEUS: any certificate will do */
	char *where; /* _JSON: path of the value, ".dor" (base/json_path.h); NULL: that it can be read is enough */
	struct plan_compare
		compare; /* _JSON, _PROMETHEUS (_ABOVE to _AT_MOST, _EQUALS by number; of an abort also _DIFFERS): what is healthy */
	uint64_t fresh_ns; /* _JSON, _FILE: not older than this */
	enum plan_age_by age_by;
	char *age_field;             /* AGE_FIELD: a path as in `where` */
	struct plan_command command; /* _EXEC */
	char *expect_output; /* _EXEC, _FILE: expression that must match somewhere in the output, in the file */
	bool absent;         /* _FILE: healthy is that it is not there */
	struct plan_process process; /* _PROCESS */
	bool restarts_fail; /* _PROCESS: another start time than at the last sample is an unhealthy sample */
	char *query;        /* _PROMETHEUS */
	bool udp;           /* _STREAM */
	enum plan_stream_read read;
	char *number;    /* STREAM_LINES: expression whose group 1 is the number */
	char *subscribe; /* _STREAM: sent once connected, or in one datagram every `every`; NULL: nothing */
	bool listen;     /* _STREAM, udp: host and port are the local ones */
	uint64_t silence_ns; /* _STREAM: unhealthy after so long without a message */
	double complete_least; /* _STREAM: unhealthy with fewer of the numbers received, 0 to 1 (0: not asked for) */
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

enum plan_abort_kind {
	ABORT_PROBE, /* unhealthy for so long without a healthy sample between */
	ABORT_FILE,  /* it is there */
	ABORT_PROMETHEUS, /* the watch `index` is unhealthy (the query's value is not as it should be) for so long */
	ABORT_SLO,        /* is missed by what has been seen so far, for so long */
};

/* One condition that ends every fault at once, and the run with exit 4. */
struct plan_abort {
	enum plan_abort_kind kind;
	unsigned line;
	size_t index;    /* ABORT_PROBE: of the probe; ABORT_PROMETHEUS: of the watch */
	uint64_t for_ns; /* ABORT_FILE: 0 */
	char *path;      /* ABORT_FILE */
	/*
	 * ABORT_SLO: SLO_PROBE_P95, _P99 (over the samples of the windows so far), SLO_AVAILABILITY, SLO_ATTEMPTS_PER_S,
	 * SLO_RECOVERY_MAX (a window is closed for longer without a healthy sample behind it).
	 */
	struct plan_slo slo;
	char *text; /* as JSON object: what the log and the report say */
};

enum plan_check_kind {
	CHECK_REACHABLE, /* a TCP connection is accepted */
	CHECK_ENV,       /* a variable is set and not empty; its value is never told */
	CHECK_CLOCK,     /* CLOCK_REALTIME is synchronised */
	CHECK_DISK,      /* so much is free where `path` is */
	CHECK_FILE,      /* it is there */
	CHECK_COMMAND,   /* a program of that name is along PATH */
	CHECK_PROBE,     /* the probe `index` is healthy */
};

/* What must be so before a run begins; otherwise it is refused (exit 3), or with `warn` told of. */
struct plan_check {
	enum plan_check_kind kind;
	unsigned line;
	char *host; /* CHECK_REACHABLE: as in a probe */
	uint16_t port;
	int target; /* ... or all addresses and ports of this target, up to 16; -1: host and port */
	uint64_t timeout_ns;
	char *name, *path; /* CHECK_ENV, _COMMAND; _DISK (NULL: the run directory's), _FILE */
	uint64_t bytes;
	size_t index;
	char *hint; /* what the operator can do; NULL: shearpin's own words */
	bool warn;
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
	/* Probes of expectations and aborts: no part of the system's health, and their samples are no events. */
	struct plan_probe *watches;
	size_t n_watches;
	struct plan_abort *aborts;
	size_t n_aborts;
	struct plan_check *checks;
	size_t n_checks;
	struct plan_phase *phases;
	size_t n_phases;
	struct plan_step *steps;
	size_t n_steps;
	char **disabled; /* names of steps that are off (`enabled: false`): nothing else is left of them */
	size_t n_disabled;
	char **hidden; /* names of variables whose values may be secrets: parts of headers, and settings of other scenarios */
	size_t n_hidden;
	struct plan_rule *rules;
	size_t n_rules;
	enum hook_mode hook; /* by which their hooks were chosen */
	uint32_t n_slots;
	struct plan_slo *slos;
	size_t n_slos;
	uint64_t baseline_ns, recovery_ns;
	bool packet_evidence; /* evidence: packets */
	bool capture;         /* capture: true */
	uint64_t length_ns;   /* end of the last window */
};

/* Of a shadow, nothing is so. */
static inline bool plan_step_needs_line(const struct plan_step *s)
{
	return !s->shadow && plan_fault_needs_line(&s->fault);
}

static inline bool plan_step_walks(const struct plan_step *s)
{
	return !s->shadow && plan_fault_walks(&s->fault);
}

/* The share of flows that a step acts on among those of a target. */
static inline uint64_t plan_share(const struct plan_step *s, const struct plan_target *t)
{
	return s->share < PLAN_ALWAYS ? s->share : t->share;
}

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

/* Is it there only to be picked by `any_of`, so that no rule and no objective is about it? */
bool plan_target_is_spare(const struct plan *plan, size_t target);
/* Does any target name hosts? */
bool plan_has_hosts(const struct plan *plan);
/* Does the run send datagrams of its own: to name servers, or of a probe? */
bool plan_sends_datagrams(const struct plan *plan);
/* Does any part of it start a program (a step, a probe, a watch)? */
bool plan_execs(const struct plan *plan);
/* Does any step change something that an undo journal must know of? */
bool plan_changes(const struct plan *plan);
/*
 * Make every fault a shadow, and leave out what would change, expect or end anything: what remains counts, on live traffic, what
 * the plan would hit. Without a baseline and a recovery.
 */
void plan_rehearse(struct plan *plan);
/* The plan as the JSON document of docs/run-directory.md. 0 or -ENOMEM; free() the text. */
int plan_to_json(const struct plan *plan, char **ret_text);

void plan_free(struct plan *plan);

#endif
