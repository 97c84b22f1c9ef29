/* SPDX-License-Identifier: BSD-2-Clause */
/* Breaking a packet so that its receiver's checksum finds out. Pure. */
#ifndef SHEARPIN_LINE_ALTER_H
#define SHEARPIN_LINE_ALTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Flip one bit, chosen by `draw`, of an Ethernet frame whose transport checksum is complete: of the payload behind the
 * transport header (of protocols without one that is known here, all that follows IP's), or where there is none of the
 * checksum. A UDP checksum never becomes 0, which would mean that there is none. `proto` is the transport protocol, which
 * ends the search through IPv6's extension headers. Up to two VLAN tags in the frame are skipped.
 * false: nothing was changed, for nothing of it is there.
 */
bool line_alter(unsigned char *frame, size_t len, uint8_t proto, uint32_t draw);

#endif
