/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fault of the plan does to packets, whatever step, window and target it has. Times are nanoseconds; shares and
 * percentages are thresholds for a 32-bit draw: 0 is never, PLAN_ALWAYS (2^32) is always.
 */
#ifndef SHEARPIN_PLAN_FAULT_H
#define SHEARPIN_PLAN_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_ALWAYS (1ULL << 32)

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

#endif
