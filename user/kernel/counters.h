/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters of a run: this process's, or another's by the id of the map that its record names (CAP_SYS_ADMIN). */
#ifndef SHEARPIN_COUNTERS_H
#define SHEARPIN_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "abi.h"
#include "base/json.h"

/* -ENOENT: the map is gone, and so is the run; -EPROTO: a map of another version of this program. */
int counters_open(uint32_t map_id, int *ret_fd);

/* The sum over all CPUs of n slots from first on. 0 or a negative errno. */
int counters_read(int fd, uint32_t first, uint32_t n, struct sp_counters *ret_sum);

/* Do the verdicts add up to what matched? */
bool counters_balanced(const struct sp_counters *c);

/* The members "matched", what became of those packets ("passed", ..., "suppressed"), and "bytes". */
void counters_tell(struct json *j, const struct sp_counters *c);

#endif
