/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of what must be there when a run starts: the owners that targets name, what answers need, and what changes need. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cmd/preflight.h"
#include "drill/answers.h"
#include "drill/changes.h"
#include "kernel/lifeline.h"
#include "kernel/owned.h"

void preflight_owners(struct preflight *p, const struct plan *plan)
{
	struct owned *owned = NULL;
	char reason[320] = "";
	size_t n;
	int err = owned_open(plan, &owned, reason, sizeof(reason));

	if (err) {
		check(p, p->root ? CHECK_FAIL : CHECK_SKIP, "owners",
		      "start it, or correct the target's `cgroup`, `unit` or `pid`", "%s",
		      *reason ? reason : strerror(-err));
	} else if (owned) {
		owned_items(owned, &n);
		check(p, CHECK_PASS, "owners", NULL, "of %zu targets; all are there", n);
	}
	owned_close(owned);
}

void preflight_answers(struct preflight *p, const struct plan *plan)
{
	struct answers *answers = NULL;
	char reason[320] = "";
	int err = answers_open(plan, &answers, reason, sizeof(reason));

	if (err)
		check(p, CHECK_FAIL, "responder", "correct `certificate` and `key` of the answer", "%s",
		      *reason ? reason : strerror(-err));
	else if (answers)
		check(p, CHECK_PASS, "responder", NULL, "it can listen, and read what certificates it needs");
	answers_close(answers);
}

/* The nearest folder that is there: a run makes the others. */
static void nearest(const char *path, char ret[PATH_MAX])
{
	char *slash;

	snprintf(ret, PATH_MAX, "%s", path);
	while (access(ret, F_OK) && (slash = strrchr(ret, '/')) && slash != ret)
		*slash = '\0';
	if (access(ret, F_OK))
		snprintf(ret, PATH_MAX, "/");
}

/* As a run does, which holds this lock until it ends. */
static bool is_taken(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool taken = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return taken;
}

static bool has_journal(const char *directory)
{
	DIR *list = opendir(directory);
	struct dirent *entry;
	bool found = false;

	while (list && !found && (entry = readdir(list)))
		found = !fnmatch("run-*.jsonl", entry->d_name, 0);
	if (list)
		closedir(list);
	return found;
}

static void check_journal(struct preflight *p)
{
	static const char name[] = "undo journal";
	char folder[PATH_MAX];

	nearest(UNDO_DIRECTORY, folder);
	if (!p->root)
		check(p, CHECK_SKIP, name, NULL, "whether root can write it needs root to tell");
	else if (access(folder, W_OK | X_OK))
		check(p, CHECK_FAIL, name,
		      "mount it writable: what is changed must be known after a power cut",
		      "%s can't be written: %s", folder, strerror(errno));
	else if (is_taken(UNDO_DIRECTORY))
		check(p, CHECK_FAIL, name, "wait for it (shearpin status), or end it: shearpin clear",
		      "another run changes this host (its clock, files, interfaces or processes)");
	else if (has_journal(UNDO_DIRECTORY))
		check(p, CHECK_WARN, name, "shearpin clear",
		      "a dead run left changes; a run takes them back first, and fails if it can't");
	else
		check(p, CHECK_PASS, name, NULL, "can be written below %s", folder);
}

/* A link step must not cut the operator off. */
static void check_links(struct preflight *p, const struct plan *plan)
{
	struct lifeline *lifeline = NULL;
	char flow[160];
	int err = lifeline_open(&lifeline);

	for (size_t i = 0; !err && i < p->protect->count; i++) /* mistakes in them are told with the rules */
		(void)lifeline_protect(lifeline, p->protect->items[i], NULL, 0);
	for (size_t i = 0; !err && i < plan->n_steps; i++) {
		const struct plan_step *step = &plan->steps[i];
		int found = step->kind == STEP_LINK && !step->shadow
				    ? lifeline_through(lifeline, step->link, flow, sizeof(flow))
				    : 0;

		if (found > 0)
			check(p, CHECK_FAIL, "changes", "name another interface, or come in another way",
			      "the step %s would set %s down, and cut %s", step->name, step->link, flow);
		else if (found < 0 && found != -ENODEV)
			err = found;
	}
	if (err)
		check(p, p->root ? CHECK_FAIL : CHECK_SKIP, "changes", "run it as root: sudo shearpin ...",
		      "can't look who uses the interfaces: %s", strerror(-err));
	lifeline_close(lifeline);
}

static void check_changes(struct preflight *p, const struct plan *plan)
{
	char why[400] = "";
	size_t n = 0;

	for (size_t i = 0; i < plan->n_steps; i++)
		n += plan->steps[i].kind >= STEP_SIGNAL && plan->steps[i].kind <= STEP_LINK;
	if (changes_check(plan, why, sizeof(why)))
		check(p, p->root ? CHECK_FAIL : CHECK_SKIP, "changes",
		      p->root ? "correct the step, or bring the host to what it needs"
			      : "run it as root: sudo shearpin ...",
		      "%s", why);
	else
		check(p, CHECK_PASS, "changes", NULL, "as far as can be told, %s %zu step%s can be done",
		      n == 1 ? "the" : "all", n, n == 1 ? "" : "s");
	check_links(p, plan);
}

void preflight_changes(struct preflight *p, const struct plan *plan)
{
	if (changes_wanted(plan))
		check_changes(p, plan);
	if (plan_changes(plan))
		check_journal(p);
}
