/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shearpin plan` says of how a run is watched and judged, on standard output. Each prints nothing if there is nothing. */
#ifndef SHEARPIN_PLAN_WATCH_H
#define SHEARPIN_PLAN_WATCH_H

#include "scenario/plan.h"

/* `width`: of the column of names */
void plan_print_probes(const struct plan *plan, int width);
/*
 * On the line at hand: " for 5s"; a word as output_word() has it, and the words of a program; a text whose marks are its own;
 * "the target front", "[fd00::2]:40001"; "the process of a.pid"; "status 200 and '.*ok'"; " above 5".
 */
void plan_print_duration(const char *before, uint64_t ns);
void plan_print_word(const char *before, const char *word);
void plan_print_command(const char *before, const struct plan_command *command);
void plan_print_text(const char *before, const char *text);
void plan_print_place(const struct plan *plan, int target, const char *host, uint16_t port);
void plan_print_process(const struct plan_process *process);
void plan_print_answer(const struct plan_probe *probe);
void plan_print_compare(const struct plan_compare *compare);
void plan_print_objectives(const struct plan *plan);
void plan_print_aborts(const struct plan *plan);
void plan_print_checks(const struct plan *plan);

#endif
