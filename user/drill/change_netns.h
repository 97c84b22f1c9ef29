/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a change is made, in the words of the undo journal. */
#ifndef SHEARPIN_CHANGE_NETNS_H
#define SHEARPIN_CHANGE_NETNS_H

struct json; /* base/json.h */

/* "netns": this process's network namespace, as undo_netns.h reads it. 0 or a negative errno. */
int change_put_netns(struct json *j);

#endif
