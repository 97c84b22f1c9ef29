/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel tells of the host that a run is on: devices, the wall clock, the programs. All of it is read, nothing set. */
#ifndef SHEARPIN_KERNEL_FACTS_H
#define SHEARPIN_KERNEL_FACTS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;

enum facts_offload {
	OFFLOAD_RX_CHECKSUM,
	OFFLOAD_TX_CHECKSUM,
	OFFLOAD_GRO,
	OFFLOAD_GSO,
	OFFLOAD_TSO,
	OFFLOAD_LRO,
	OFFLOADS,
};

/* What a driver doesn't tell is empty, or 0. */
struct device_facts {
	char driver[32], firmware[32], bus[32];
	uint32_t mtu;
	uint32_t speed_mbit;
	bool offloads_known;
	bool offloads[OFFLOADS];
	char qdisc[IF_NAMESIZE]; /* the root's kind: "fq_codel", "mq", "noqueue" */
};

/* Of an interface of the current network namespace. 0 or a negative errno. */
int facts_device(const char *name, int ifindex, struct device_facts *ret_facts);
const char *facts_offload_name(enum facts_offload offload); /* "gro" */

/* CLOCK_REALTIME as adjtimex(2) has it. */
struct clock_facts {
	bool synchronised; /* by NTP or PTP, as whoever does it tells the kernel */
	int64_t offset_ns; /* that is still to be slewed away */
	uint64_t max_error_ns, error_ns;
	int32_t tai_s;   /* TAI minus UTC; 0: nobody has told the kernel */
	char source[32]; /* the clocksource: "tsc" */
};

int facts_clock(struct clock_facts *ret_facts);

/* The loaded programs by name, each with its tag: a hash of its instructions (bpf_prog_info.tag), in 16 digits. */
int facts_programs(struct engine *engine, void (*call)(void *arg, const char *name, const char *tag),
		   void *arg);

#endif
