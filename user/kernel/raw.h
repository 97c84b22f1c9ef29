/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of our own making, sent through raw sockets of the current network namespace: to the remote end along the route,
 * to the local end, in the remote's name, through lo. All carry the mark that the programs let pass.
 * Functions return 0 or a negative errno. Ports are in host order, addresses IPv4-mapped for IPv4.
 */
#ifndef SHEARPIN_RAW_H
#define SHEARPIN_RAW_H

#include <linux/types.h>
#include <stdint.h>

#include "abi.h"

struct raw;

int raw_open(__u32 mark, struct raw **ret);
void raw_close(struct raw *raw); /* accepts NULL */

/* Reset a connection at the ends that `s` names. */
int raw_reset(const struct raw *raw, const struct sp_socket *s);

/* Answer the local SYN that the event tells of with the ICMP error of its rule (RFC 792, RFC 4443). */
int raw_unreachable(const struct raw *raw, const struct sp_event *event);

/*
 * The pure ACK that the newest segment of the flow in this direction (enum sp_dir) was, as struct sp_state has it, from its sender
 * to its receiver; both along the route, where neither is of this host.
 */
int raw_acknowledge(const struct raw *raw, const struct sp_flow_key *flow, int dir,
		    const struct sp_state *state);

#endif
