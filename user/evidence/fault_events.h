/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault_events.jsonl: the narrow log that existing recovery reporters read. One line when a window opens, one when it
 * closes, in the form that those readers fix:
 *
 * {"ts_ns": 1795308575503854991, "mode": "run", "scenario": "loss", "phase": "apply", "execute": true,
 *  "parameters": {"duration_sec": "20", "target_ip": "182.254.243.31", "ports": "40001,40011",
 *  "disconnect_mode": "drop", "iface": "eth0", "delay_ms": "0", "jitter_ms": "0", "loss_percent": "2.5"}}
 *
 * (on one line). A line is one write; a line that doesn't fit on the disk is taken back. The readers pair apply and
 * clear by `scenario` alone, so no two open windows have the same one: it is `disconnect`, `loss`, `latency`, `jitter` or
 * `combined` after the fault's kind; while another window has that name, or for a fault of another kind, the step's name; while that is taken, too,
 * the step's name and the instance: `step-2`.
 *
 * All functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_FAULT_EVENTS_H
#define SHEARPIN_FAULT_EVENTS_H

#include <stdint.h>

/* A fault of several parts has the first of these kinds that it is of. */
enum fault_kind {
	FAULT_KIND_DROP,
	FAULT_KIND_RESET,
	FAULT_KIND_REFUSE,
	FAULT_KIND_COMBINED, /* delay, with jitter or without, and loss */
	FAULT_KIND_JITTER,   /* delay and jitter */
	FAULT_KIND_LATENCY,  /* delay */
	FAULT_KIND_LOSS,
	FAULT_KIND_OTHER,
};

/* One window of a step, all its targets together. */
struct fault_window {
	const char *step;
	int instance; /* from 1 */
	enum fault_kind kind;
	uint64_t duration_ns;
	const char *target_ip;        /* "10.1.0.2,10.2.0.0/16"; "": any */
	const char *ports;            /* "40001,30001-30013"; "": any */
	const char *iface;            /* "eth0,eth1" */
	double loss_percent;          /* 0: no loss; written with at most six significant digits */
	uint64_t delay_ns, jitter_ns; /* 0: none; written as exact milliseconds: "250", "0.5" */
};

struct fault_events;

/* Creates the file in the run directory, or appends to it. */
int fault_events_open(int dirfd, struct fault_events **ret_events);
/* real_ns: CLOCK_REALTIME. -EEXIST: this window is open already. */
int fault_events_apply(struct fault_events *events, uint64_t real_ns, const struct fault_window *window);
/* -ENOENT: this window (by step and instance) is not open. The same fields as on apply. */
int fault_events_clear(struct fault_events *events, uint64_t real_ns, const struct fault_window *window);
/* Accepts NULL. */
int fault_events_close(struct fault_events *events);

#endif
