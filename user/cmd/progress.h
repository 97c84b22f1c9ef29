/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a run shows itself while it goes: on a terminal one screen, drawn anew ten times a second; otherwise one line an
 * event (a probe's sample only when it changes). Nothing here waits for a reader.
 */
#ifndef SHEARPIN_PROGRESS_H
#define SHEARPIN_PROGRESS_H

#include <stdio.h>

#include "drill/drill.h"

struct progress {
	FILE *out;
	const char *name;
	bool terminal, colour;
	int drawn;       /* lines on the screen */
	int flows;       /* flow.hit events since the last opening */
	unsigned unsaid; /* lines that there was no room for */
};

void progress_open(struct progress *p, FILE *out, const char *name);
void progress_event(void *progress, const struct log_event *event, uint64_t ts_ns);
void progress_tick(void *progress, const struct drill_progress *state);
/* Leave the last screen standing. */
void progress_close(struct progress *p);

#endif
