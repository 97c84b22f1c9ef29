/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/series.h"

#include <errno.h>
#include <stdlib.h>

#include "slo/backoff.h"
#include "slo/percentile.h"

#define FEW 4 /* attempts: three intervals */

int series_add(struct series *s, uint64_t pid)
{
	uint64_t *more;

	if (!(s->n & (s->n - 1))) {
		more = reallocarray(s->pids, s->n ? 2 * s->n : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->pids = more;
	}
	if (s->broken)
		s->start = s->n;
	s->broken = false;
	s->pids[s->n++] = pid;
	if (s->n - s->start > s->n_longest) {
		s->longest = s->start;
		s->n_longest = s->n - s->start;
	}
	return 0;
}

void series_break(struct series *series)
{
	series->broken = true;
}

/* The process with the most attempts; NO_NS: none has enough. `sorted` has its pids in ascending order. */
static uint64_t busiest(const uint64_t *sorted, size_t n)
{
	uint64_t pid = NO_NS;
	size_t most = FEW - 1, from = 0, i;

	for (i = 1; i <= n; i++) {
		if (i < n && sorted[i] == sorted[from])
			continue;
		if (i - from > most) {
			most = i - from;
			pid = sorted[from];
		}
		from = i;
	}
	return pid;
}

int series_backoff(const struct series *s, const uint64_t *at_ns, bool silent, struct result_backoff *ret)
{
	const uint64_t *pids;
	size_t n = 0, i;
	uint64_t *work, pid;
	int err;

	if (!s->n)
		return backoff_classify(NULL, 0, silent, ret);
	pids = s->pids + s->longest;
	work = calloc(s->n_longest + 1, sizeof(*work));
	if (!work)
		return -ENOMEM;
	for (i = 0; i < s->n_longest; i++)
		work[i] = pids[i];
	qsort(work, s->n_longest, sizeof(*work), compare_u64);
	pid = busiest(work, s->n_longest);
	for (i = 0; i < s->n_longest; i++) {
		if (pid == NO_NS || pids[i] == pid)
			work[n++] = at_ns[s->longest + i];
	}
	err = backoff_classify(work, n, silent, ret);
	free(work);
	return err;
}

void series_clear(struct series *series)
{
	free(series->pids);
	*series = (struct series){0};
}
