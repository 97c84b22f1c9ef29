/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of results.json (docs/run-directory.md). */
#ifndef SHEARPIN_RESULTS_JSON_H
#define SHEARPIN_RESULTS_JSON_H

#include "base/json.h"
#include "slo/results.h"

/* "outcome", "exit", "reason", "complete" */
void json_outcome(struct json *j, const struct results *r);

/* `missing`: what a sample without a value is called. */
void json_samples(struct json *j, const char *key, const char *missing, const struct result_samples *s);

/* "expectations" alone; and with "phases", "waits", "abort", "disabled". */
void json_expects(struct json *j, const struct results *r);
void json_course(struct json *j, const struct results *r);

/* "probes": what they saw of the window. */
void json_window_probes(struct json *j, const struct results *r, const struct result_window *w);
/* "paths" and "windows" with their flows. */
void json_paths(struct json *j, const struct results *r);
void json_windows(struct json *j, const struct results *r);

#endif
