/* SPDX-License-Identifier: BSD-2-Clause */
/* What is counted over a whole run, as events at its end. */
#ifndef SHEARPIN_TOTALS_H
#define SHEARPIN_TOTALS_H

#include "drill/journal.h"

void tell_packets(struct engine *engine, struct journal *journal);
void tell_line(struct line *line, struct journal *journal); /* NULL: there is none, and nothing is told */

#endif
