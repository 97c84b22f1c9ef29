/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is attached to an interface of this network namespace, by anybody: XDP and tcx programs, filters of a clsact (or
 * ingress) qdisc, qdiscs. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_OCCUPANTS_H
#define SHEARPIN_OCCUPANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Linux 6.6; the headers of Debian 12 do not have them. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

enum occupant_kind {
	OCCUPANT_TCX,
	OCCUPANT_FILTER,
	OCCUPANT_QDISC,
};

struct occupant {
	enum occupant_kind kind;
	bool egress;       /* of a program or filter */
	uint32_t priority; /* of a filter: a lower one runs earlier */
	uint32_t handle;   /* of a filter */
	char name[64];     /* the program's; else the kind of the filter or qdisc */
};

/* In the order in which packets meet them, ingress first; free() the list. */
int occupants_find(int ifindex, struct occupant **ret_list, size_t *ret_n);

/* Is there a filter on either side of its clsact or ingress qdisc? 1, 0, or a negative errno. */
int occupants_has_filter(int ifindex);

/* The name of a loaded BPF program, or "program ID". */
void occupants_program_name(uint32_t id, char *text, size_t size);

#endif
