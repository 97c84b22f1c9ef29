/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a command takes place: --netns and --container, or what the scenario says. */
#ifndef SHEARPIN_PLACE_H
#define SHEARPIN_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/options.h"
#include "scenario/plan.h"

/* At most one of the two; NULL, NULL: here. */
struct place {
	const char *netns;     /* a name of `ip netns`, a path, or the number of a process */
	const char *container; /* of docker or podman: a name or an id */
};

/* at: the offset of a struct place among the arguments. */
#define PLACE_OPTIONS(at, what)                                                                              \
	{"netns",                                                                                            \
	 0,                                                                                                  \
	 OPTION_STRING,                                                                                      \
	 (at) + offsetof(struct place, netns),                                                               \
	 "NAME",                                                                                             \
	 NULL,                                                                                               \
	 what " this network namespace (a name of `ip netns`, a path, or the number of a process)"},         \
	{                                                                                                    \
		"container", 0, OPTION_STRING, (at) + offsetof(struct place, container), "NAME", NULL,       \
			what " the network namespace of this container (of docker or podman)"                \
	}

/* The command line's, or else the plan's (which may be NULL). */
struct place place_choose(const struct place *given, const struct plan *plan);
/*
 * The path that the namespace is opened by; "": here. STATUS_OK, or the status to leave with, when all is said: STATUS_USAGE,
 * or STATUS_REFUSED for a container that is not there.
 */
int place_path(const struct command_spec *command, const struct place *place, char *ret_path, size_t size);
/*
 * The inode of the namespace, as of host_netns(); 0: here. STATUS_OK, or the status to leave with, when all is said: as above, and
 * STATUS_USAGE for one that is not there.
 */
int place_find(const struct command_spec *command, const struct place *place, uint64_t *ret_inode);
/*
 * The command line of a command that looks at what is there: options_parse(), and then place_find() of `place`, which is among
 * the values.
 */
bool place_parse(const struct command_spec *command, int argc, char **argv, void *values,
		 const struct place *place, uint64_t *ret_inode, int *ret_status);
/* Go there, for good. The result is as above. */
int place_enter(const struct command_spec *command, const struct place *place);

#endif
