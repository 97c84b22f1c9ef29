/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows and their parts, from the events that open and close them. */
#ifndef SHEARPIN_PARTS_H
#define SHEARPIN_PARTS_H

#include <jansson.h>

#include "evidence/read.h"
#include "slo/results.h"
#include "slo/track.h"

/* A fault.open, a fault.close, with its whole document. False: it is not as documented, and changed nothing. */
bool parts_open(struct results *results, struct track *track, const struct event *event, const json_t *json);
bool parts_close(struct results *results, struct track *track, const struct event *event, const json_t *json);

/* {"reset":"both","loss":"5%"} -> reset=both loss=5%; {"contains":"all is well"} -> contains='all is well' */
const char *parts_words(struct results *results, json_t *object);

/*
 * A step.start or step.end of a step that changes something on the host: a window without parts, from the one event to the other; and
 * its step.undo. False: as above.
 */
bool parts_change(struct results *results, struct track *track, const struct event *event, const json_t *json,
		  bool closes);
bool parts_undo(struct results *results, struct track *track, const json_t *json);

/*
 * A step.start or step.end of a step that moves the clock: a window without parts, from the one move to the other, in the time
 * that the clock would have shown unmoved. False: as above.
 */
bool parts_clock(struct results *results, struct track *track, const struct event *event, const json_t *json,
		 bool closes);

#endif
