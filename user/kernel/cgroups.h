/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The paths of cgroups (v2) by the ids that bpf_get_current_cgroup_id() gives: an id is the file handle of the cgroup's
 * directory (kernfs, include/linux/exportfs.h: FILEID_KERNFS), which leads to it in any mount of the hierarchy.
 */
#ifndef SHEARPIN_CGROUPS_H
#define SHEARPIN_CGROUPS_H

#include <stdint.h>

struct cgroups;

/* 0, also where no cgroup2 is mounted, or a negative errno. */
int cgroups_open(struct cgroups **ret);
void cgroups_close(struct cgroups *cgroups); /* accepts NULL */

/*
 * "/system.slice/x.service", relative to the root of the mount; NULL: unknown, such as a cgroup that is gone. pid: one that
 * was in it, or 0; asked where file handles can't be. The last thousand are kept. The text holds until the next call.
 */
const char *cgroups_path(struct cgroups *cgroups, uint64_t id, uint32_t pid);

#endif
