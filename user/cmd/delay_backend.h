/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the delayed packets of a plan would wait on this host, for people. */
#ifndef SHEARPIN_DELAY_BACKEND_H
#define SHEARPIN_DELAY_BACKEND_H

#include "kernel/line.h"

struct delay_backend {
	bool needed;        /* by the plan; if not, nothing else is filled in */
	bool refused;       /* a run would be */
	bool unknown;       /* this user can't tell */
	const char *name;   /* "user", "fq"; NULL when refused or unknown */
	const char *remedy; /* NULL: none */
	char why[240];
};

/* Tries it out (line_probe()): needs no privilege, touches nothing. */
void delay_backend_choose(const struct plan *plan, enum line_choice choice, struct delay_backend *ret);

#define DELAY_BACKEND_TUN_REMEDY                                                                             \
	"modprobe tun; in a container, let it have /dev/net/tun (docker: --device /dev/net/tun)"
#define DELAY_BACKEND_FQ_REMEDY "modprobe -a sch_fq sch_netem macvlan, where the kernel has them"

#endif
