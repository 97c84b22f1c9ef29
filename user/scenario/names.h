/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of hosts as DNS has them. */
#ifndef SHEARPIN_SCENARIO_NAMES_H
#define SHEARPIN_SCENARIO_NAMES_H

#include <stdbool.h>

/*
 * What keeps a text from being a name: labels of 1 to 63 letters, digits, `-` and `_`, 253 characters in all (RFC 1035, 2.3.4),
 * a dot behind the last allowed; with `wildcard`, the first label may be `*`. NULL: it is one. Static text that goes on with
 * the name: "has a label of more than 63 characters".
 */
const char *name_fault(const char *name, bool wildcard);

/* What keeps a text from being a plain path of the cgroup file system below its root; as above. */
const char *cgroup_fault(const char *path);

#endif
