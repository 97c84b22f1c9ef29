/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flows that a run must not cut: the operator's SSH connection, the established TCP connections of this process's
 * ancestors, and what --protect names. Each is put through the very programs and maps that are about to be attached.
 */
#ifndef SHEARPIN_LIFELINE_H
#define SHEARPIN_LIFELINE_H

#include "kernel/engine.h"

struct lifeline;

/* Collect the operator's own flows, from SSH_CONNECTION (this process's and its ancestors') and /proc. 0 or a negative errno. */
int lifeline_open(struct lifeline **ret);
void lifeline_close(struct lifeline *lifeline);

/*
 * parse_peer(): anything with that peer, or with that port on either side. file (must outlive the lifeline) and line name
 * the policy that asks for it; NULL: --protect does. 0, -EINVAL or -ENOMEM.
 */
int lifeline_protect(struct lifeline *lifeline, const char *text, const char *file, unsigned line);

/*
 * Does one of these flows go through an interface (or one that is made on top of it)? Its own address is there, or the route to its
 * peer leads there. Then ret_flow says which, for people. 1, 0 or a negative errno.
 */
int lifeline_through(const struct lifeline *lifeline, const char *interface, char *ret_flow, size_t size);

struct lifeline_hit {
	char flow[160]; /* what would be hit, for people */
	int rule;
};

/*
 * By its protocol and its ports, would a target with this address as its peer cover one of these flows? Then ret_flow says
 * which, for people. Asked about an address that joins when the programs are attached, and cannot be tried out any more.
 */
bool lifeline_covers(const struct lifeline *lifeline, const struct plan_target *target,
		     const struct prefix *address, char *ret_flow, size_t size);

/* 0: nothing of it would be hit; 1: *ret_hit would be; or a negative errno. */
int lifeline_check(struct lifeline *lifeline, struct engine *engine, const struct plan *plan,
		   const struct engine_interface *interfaces, size_t n, struct lifeline_hit *ret_hit);

#endif
