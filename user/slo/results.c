/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/results.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct result_chunk {
	struct result_chunk *next;
	_Alignas(max_align_t) char data[];
};

/* clang-format off */
#define COUNTER(name, part, special) {#name, offsetof(struct result_counters, name), part, special}
/* clang-format on */

const struct result_counter result_counters[] = {
	COUNTER(matched, false, false),   COUNTER(passed, true, false),      COUNTER(dropped, true, false),
	COUNTER(reset, true, false),      COUNTER(refused, true, false),     COUNTER(delayed, true, false),
	COUNTER(duplicated, true, false), COUNTER(altered, true, false),     COUNTER(suppressed, true, false),
	COUNTER(bytes, false, false),     COUNTER(flows, false, false),      COUNTER(untracked, false, false),
	COUNTER(failed, false, false),    COUNTER(idle_reset, false, false), COUNTER(resumed, false, true),
	COUNTER(requests, false, true),
};
const size_t n_result_counters = sizeof(result_counters) / sizeof(*result_counters);

uint64_t result_counter(const struct result_counters *counters, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)counters + result_counters[i].offset, sizeof(value));
	return value;
}

const char *result_outcome_name(enum result_outcome outcome)
{
	static const char *const names[] = {
		[OUTCOME_PASS] = "pass",
		[OUTCOME_SLO_MISSED] = "slo-missed",
		[OUTCOME_ABORTED] = "aborted",
		[OUTCOME_INTERRUPTED] = "interrupted",
		[OUTCOME_HOST_FAILED] = "host-failed",
		[OUTCOME_REFUSED] = "refused",
		[OUTCOME_NOT_RUN] = "not-run",
	};

	return names[outcome];
}

bool result_step_acts(const struct result_step *step)
{
	return !step->kind || (strcmp(step->kind, "expect") != 0 && strcmp(step->kind, "wait") != 0);
}

const char *results_origin(const struct results *results, const char *step)
{
	for (size_t i = 0; i < results->n_steps; i++) {
		if (results->steps[i].origin && strcmp(results->steps[i].name, step) == 0)
			return results->steps[i].origin;
	}
	return step;
}

const char *result_notice_name(enum result_notice notice)
{
	static const char *const names[] = {
		[NOTICE_NONE] = "none",     [NOTICE_RESET] = "reset",     [NOTICE_REFUSED] = "refused",
		[NOTICE_CLOSED] = "closed", [NOTICE_ATTEMPT] = "attempt",
	};

	return names[notice];
}

const char *result_backoff_name(enum backoff_kind kind)
{
	static const char *const names[] = {
		[BACKOFF_NONE] = "none",           [BACKOFF_CONSTANT] = "constant",
		[BACKOFF_LINEAR] = "linear",       [BACKOFF_EXPONENTIAL] = "exponential",
		[BACKOFF_IRREGULAR] = "irregular", [BACKOFF_UNKNOWN] = "unknown",
	};

	return names[kind];
}

const char *result_chance_name(enum result_chance_kind kind)
{
	static const char *const names[] = {
		[CHANCE_LOSS] = "loss",
		[CHANCE_DUPLICATE] = "duplicate",
		[CHANCE_CORRUPT] = "corrupt",
		[CHANCE_REORDER] = "reorder",
	};

	return names[kind];
}

struct results *results_new(void)
{
	struct results *results = calloc(1, sizeof(*results));

	if (!results)
		return NULL;
	results->start_ts_ns = results->end_ts_ns = NO_NS;
	results->start_ns = results->zero_ns = results->end_ns = NO_NS;
	results->fragments = results->unparsable = results->own = NO_NS;
	results->evicted = results->captured = results->capture_lost = NO_NS;
	return results;
}

void results_drop_flows(struct results *results)
{
	struct result_window *w;
	size_t i, k;

	for (i = 0; i < results->n_windows; i++) {
		w = results->windows[i];
		for (k = 0; k < w->n_flows; k++)
			free(w->flows[k].attempts_at);
		free(w->flows);
		w->flows = NULL;
		w->n_flows = 0;
	}
	free(results->paths);
	results->paths = NULL;
	results->n_paths = 0;
}

void results_free(struct results *results)
{
	struct result_chunk *chunk;
	size_t i;

	if (!results)
		return;
	results_drop_flows(results);
	for (i = 0; i < results->n_windows; i++)
		free(results->windows[i]->parts);
	for (i = 0; i < results->n_probes; i++)
		free(results->probes[i].changes);
	for (i = 0; i < results->n_steps; i++)
		free(results->steps[i].targets);
	while ((chunk = results->chunks)) {
		results->chunks = chunk->next;
		free(chunk);
	}
	free(results->interfaces);
	free(results->meta);
	free(results->facts);
	free(results->targets);
	free(results->steps);
	free(results->incomplete);
	free(results->notes);
	free(results->windows);
	free(results->probes);
	free(results->slos);
	free(results->expects);
	free(results->phases);
	free(results->waits);
	free(results->disabled);
	free(results->fidelity);
	free(results->events);
	free(results->files);
	free(results);
}

void *results_alloc(struct results *results, size_t size)
{
	struct result_chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (!chunk) {
		results->failed = true;
		return NULL;
	}
	chunk->next = results->chunks;
	results->chunks = chunk;
	return chunk->data;
}

const char *results_keep(struct results *results, const char *text)
{
	size_t size;
	char *copy;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	copy = results_alloc(results, size);
	return copy ? memcpy(copy, text, size) : "";
}

static const char *keep_formatted(struct results *results, const char *format, va_list args)
{
	struct buf text = {0};
	const char *kept = "";

	buf_vprintf(&text, format, args);
	if (text.failed)
		results->failed = true;
	else
		kept = results_keep(results, text.data);
	buf_free(&text);
	return kept;
}

const char *results_keepf(struct results *results, const char *format, ...)
{
	const char *text;
	va_list args;

	va_start(args, format);
	text = keep_formatted(results, format, args);
	va_end(args);
	return text;
}

void results_lack(struct results *results, const char *format, ...)
{
	va_list args;

	if (!results_grow(results, results->incomplete, results->n_incomplete))
		return;
	va_start(args, format);
	results->incomplete[results->n_incomplete++] = keep_formatted(results, format, args);
	va_end(args);
}

void results_note(struct results *results, const char *format, ...)
{
	va_list args;

	if (!results_grow(results, results->notes, results->n_notes))
		return;
	va_start(args, format);
	results->notes[results->n_notes++] = keep_formatted(results, format, args);
	va_end(args);
}

/* The capacity follows from n: it is the next power of two. */
void *results_more(struct results *results, void *items, size_t n, size_t size)
{
	void *more;

	if (n & (n - 1))
		return items;
	more = reallocarray(items, n ? 2 * n : 1, size);
	if (!more) {
		results->failed = true;
		return items;
	}
	return more;
}
