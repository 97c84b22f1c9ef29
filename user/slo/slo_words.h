/* SPDX-License-Identifier: BSD-2-Clause */
/* Objectives, and what was found, for people. */
#ifndef SHEARPIN_SLO_WORDS_H
#define SHEARPIN_SLO_WORDS_H

#include "base/buf.h"
#include "slo/results.h"

/* "10 s", "11.204 s", "12.5 ms", "-" */
void slo_words_time(struct buf *out, uint64_t ns);
/* "exponential, factor 1.97, jitter 9.4 %, cap 30 s"; "too few attempts to tell" */
void slo_words_backoff(struct buf *out, const struct result_backoff *backoff);
/* Sets limit_words, and value_words unless they are there. */
void slo_words(struct results *results, struct result_slo *slo);

#endif
