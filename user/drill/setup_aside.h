/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of setup_open(): what a run needs for what it does beside faults on packets. Outcomes and reasons are as there. */
#ifndef SHEARPIN_SETUP_ASIDE_H
#define SHEARPIN_SETUP_ASIDE_H

#include "drill/setup.h"

/* Are the libraries there that only its probes need? */
enum drill_outcome setup_libraries(const struct plan *plan, char *ret_reason, size_t size);

/*
 * May the plan's clock steps be made, and its changes? Then there is an undo journal, and its guard. To be called before there are
 * threads.
 */
enum drill_outcome setup_changes(struct setup *s, const struct plan *plan, char *ret_reason, size_t size);

/* Would a change cut the operator's own flows (s->lifeline)? */
enum drill_outcome setup_spare(const struct setup *s, const struct plan *plan, char *ret_reason, size_t size);

/* The addresses of the plan's names, written into it. */
enum drill_outcome setup_names(struct setup *s, struct plan *plan, int cancel_fd, char *ret_reason,
			       size_t size);

/*
 * Which of the alternatives of the plan's targets are reached, and what its checks find. To be called when the names have their
 * addresses.
 */
enum drill_outcome setup_checks(struct setup *s, struct plan *plan, const char *out, int cancel_fd,
				char *ret_reason, size_t size);
/* As preflight events. */
void setup_tell_checks(const struct setup *s, struct journal *journal);

#endif
