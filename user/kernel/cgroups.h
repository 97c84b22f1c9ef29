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

/* 0: the mount shows the whole hierarchy; -ENOENT: there is none; -EXDEV: it shows a part, as in a container. */
int cgroups_root(const struct cgroups *cgroups);
/* Of the mount: holds as long as `cgroups`; NULL, -1: there is none. */
const char *cgroups_mount(const struct cgroups *cgroups);
int cgroups_mount_fd(const struct cgroups *cgroups);

/* The cgroup of a path as above: a descriptor of its directory, or a negative errno; its id, and how many levels it lies below the root. */
int cgroups_find(const struct cgroups *cgroups, const char *path, uint64_t *ret_id, unsigned *ret_level);
/*
 * The path of the cgroup of a systemd unit; free() it. System units come first, which are children of /system.slice; else any
 * cgroup of that name. 0, -ENOENT, -EEXIST: there are several, or another negative errno.
 */
int cgroups_find_unit(const struct cgroups *cgroups, const char *unit, char **ret_path);

#endif
