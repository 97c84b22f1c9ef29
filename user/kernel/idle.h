/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resetting connections that send nothing: a BPF iterator walks this network namespace's TCP sockets and yields those
 * that an open reset rule matches (bpf/sockets.bpf.h), and each end is sent the RST that it believes. Connections
 * without a socket here (forwarded ones) are reset with their next packet.
 */
#ifndef SHEARPIN_IDLE_H
#define SHEARPIN_IDLE_H

#include <linux/types.h>

#include "abi.h"
#include "kernel/raw.h"

struct bpf_program;
struct idle;

/* note: the program that the observer learns from; rules: the programs' own, in their mapped memory; all outlive the walks. */
int idle_open(struct bpf_program *program, struct bpf_program *note, const struct raw *raw,
	      const struct sp_rule *rules, struct idle **ret);
void idle_close(struct idle *idle); /* accepts NULL */

/* One walk. `call` is told of every connection, and with which error (0, or a negative errno; -ETIME: the window has closed
 * meanwhile) its segments were sent. Returns their number, or a negative errno if the walk itself failed. */
int idle_reset(struct idle *idle, void (*call)(void *arg, const struct sp_socket *socket, int error),
	       void *arg);

#endif
