/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `evidence: packets`: the kernel's records of packets that were not passed, on their way into the log. Hundreds of thousands
 * come each second: nothing is allocated or formatted for one.
 */
#ifndef SHEARPIN_PACKETS_H
#define SHEARPIN_PACKETS_H

#include "drill/journal.h"

struct packets;

/* The plan must outlive the log. 0 or a negative errno. */
int packets_open(const struct plan *plan, struct packets **ret);
void packets_close(struct packets *packets); /* accepts NULL */

/* An error of the log stays in journal->error. */
void packets_event(struct packets *packets, const struct sp_packet_event *event, struct journal *journal);

#endif
