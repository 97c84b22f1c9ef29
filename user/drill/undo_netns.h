/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a change was made: {"inode", "cookie": the namespace's (kernel/netns.h), "name": what `ip netns` calls it, or null}. */
#ifndef SHEARPIN_UNDO_NETNS_H
#define SHEARPIN_UNDO_NETNS_H

struct json_t; /* jansson.h */

/*
 * Call in that namespace: this process's own, or that of the name if it is still the same, or one that some process is in. The result
 * of `call`, -ENOENT: there is none such any more, or another negative errno.
 */
int undo_netns_call(const struct json_t *netns, int (*call)(void *arg), void *arg);
/* After a boot numbers mean nothing: that of the name; without a name this process's own. */
int undo_netns_call_by_name(const struct json_t *netns, int (*call)(void *arg), void *arg);

#endif
