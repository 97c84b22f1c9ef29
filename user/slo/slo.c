/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/slo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "slo/collect.h"
#include "slo/judge.h"
#include "slo/plan_read.h"

/* What there is as evidence. The reports themselves are made from the results, and don't count. */
static void list_files(int dirfd, struct results *r)
{
	static const char *const names[] = {
		"scenario.yaml", "plan.json", "events.jsonl", "fault_events.jsonl", "capture.pcapng",
	};
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (fstatat(dirfd, names[i], &st, 0) < 0 || !results_grow(r, r->files, r->n_files))
			continue;
		r->files[r->n_files++] = (struct result_count){names[i], st.st_size};
	}
}

int slo_compute(int dirfd, const char *run, struct results **ret_results)
{
	struct results *results = results_new();
	int err;

	if (!results)
		return -ENOMEM;
	results->run = results_keep(results, run);
	err = plan_read(dirfd, results);
	if (!err)
		err = collect_events(dirfd, results);
	if (!err)
		err = judge(results);
	list_files(dirfd, results);
	if (!err && results->failed)
		err = -ENOMEM;
	if (err) {
		results_free(results);
		return err;
	}
	*ret_results = results;
	return 0;
}
