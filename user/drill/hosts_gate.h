/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands between an address that a name has got during the run and the target: the policies, the flows that must not be
 * cut, and the interfaces that the run is attached to. It is found out anew with each answer.
 */
#ifndef SHEARPIN_HOSTS_GATE_H
#define SHEARPIN_HOSTS_GATE_H

#include "drill/hosts.h"
#include "drill/setup.h"
#include "drill/windows.h"

struct hosts_gate_context {
	const struct setup *setup;
	const struct plan *plan;
	struct windows *windows;
};

/* The context must outlive the gate. */
struct hosts_gate hosts_gate(struct hosts_gate_context *context);

#endif
