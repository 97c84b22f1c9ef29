/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/suite_report.h"
#include "slo/slo.h"

/* The run ended before it had evidence, or never began. */
static enum result_outcome outcome_of(const struct suite_entry *e)
{
	if (strcmp(e->outcome, "not-run") == 0)
		return OUTCOME_NOT_RUN;
	if (strcmp(e->outcome, "refused") == 0)
		return OUTCOME_REFUSED;
	return strcmp(e->outcome, "interrupted") == 0 ? OUTCOME_INTERRUPTED : OUTCOME_HOST_FAILED;
}

static int exit_of(enum result_outcome outcome)
{
	switch (outcome) {
	case OUTCOME_NOT_RUN:
		return STATUS_OK;
	case OUTCOME_REFUSED:
		return STATUS_REFUSED;
	case OUTCOME_INTERRUPTED:
		return STATUS_INTERRUPTED;
	default:
		return STATUS_HOST_FAILED;
	}
}

static int without_evidence(const struct suite_entry *e, struct results **ret)
{
	struct results *r = results_new();

	if (!r)
		return -ENOMEM;
	r->name = results_keep(r, e->name);
	r->run = results_keep(r, e->directory);
	r->source = results_keep(r, e->file);
	r->outcome = outcome_of(e);
	r->exit = exit_of(r->outcome);
	r->balanced = true;
	if (r->outcome == OUTCOME_NOT_RUN)
		r->reason = "the suite had ended before";
	else
		r->reason = results_keep(r, e->reason ? e->reason : "it left no evidence");
	if (e->started_ts_ns)
		r->start_ts_ns = r->end_ts_ns = e->started_ts_ns;
	if (e->ended_ts_ns)
		r->end_ts_ns = e->ended_ts_ns;
	*ret = r;
	if (!r->failed)
		return 0;
	results_free(r);
	*ret = NULL;
	return -ENOMEM;
}

static int load(int dirfd, const struct suite_entry *e, struct results **ret)
{
	int fd = openat(dirfd, e->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int err = fd < 0 ? -ENOENT : slo_compute(fd, e->directory, ret);

	if (fd >= 0)
		close(fd);
	return err == -ENOENT || err == -EBADMSG ? without_evidence(e, ret) : err;
}

/* A scenario that nothing before it kept from being run: the suite was interrupted in a gap, and none of its runs tells so. */
static void note_interrupted(struct suite_results *s)
{
	for (size_t i = 1; i < s->suite->n; i++) {
		if (s->runs[i]->outcome != OUTCOME_NOT_RUN)
			continue;
		if (s->suite->entries[i - 1].status && !s->suite->keep_going)
			return;
		s->runs[i]->exit = STATUS_INTERRUPTED;
	}
}

int suite_results_load(int dirfd, struct suite_results *ret)
{
	int err;

	*ret = (struct suite_results){0};
	err = suite_read(dirfd, &ret->suite);
	if (err)
		return err;
	ret->runs = calloc(ret->suite->n + 1, sizeof(*ret->runs));
	if (!ret->runs)
		return -ENOMEM;
	for (size_t i = 0; !err && i < ret->suite->n; i++)
		err = load(dirfd, &ret->suite->entries[i], &ret->runs[i]);
	if (!err)
		note_interrupted(ret);
	return err;
}

void suite_results_free(struct suite_results *results)
{
	for (size_t i = 0; results->runs && i < results->suite->n; i++)
		results_free(results->runs[i]);
	free(results->runs);
	suite_free(results->suite);
	*results = (struct suite_results){0};
}
