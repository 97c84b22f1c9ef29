/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of what a scenario asks for beside faults on packets: names that have addresses, a clock that may be moved. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#include "cmd/preflight.h"
#include "drill/clock_step.h"
#include "drill/hosts.h"

static size_t count_names(const struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_targets; i++)
		n += plan->targets[i].n_hosts;
	return n;
}

bool preflight_names(struct preflight *p, struct plan *plan)
{
	size_t before = 0, after = 0;
	char reason[320];

	if (!plan_has_hosts(plan))
		return true;
	for (size_t i = 0; i < plan->n_targets; i++)
		before += plan->targets[i].n_remotes;
	if (!drill_resolve(plan, reason, sizeof(reason))) {
		check(p, CHECK_FAIL, "names",
		      "correct the name, or /etc/resolv.conf; of a network namespace: /etc/netns/NAME/ and "
		      "`ip "
		      "netns exec`",
		      "%s", reason);
		return false;
	}
	for (size_t i = 0; i < plan->n_targets; i++)
		after += plan->targets[i].n_remotes;
	check(p, CHECK_PASS, "names", NULL, "%zu looked up, addresses found: %zu", count_names(plan),
	      after - before);
	return true;
}

/* The first process that keeps a clock, as "chronyd (412)". */
static bool find_keeper(char *text, size_t size)
{
	/* As /proc/PID/comm has them, which cuts at 15 characters. */
	static const char *const keepers[] = {"chronyd", "ntpd", "systemd-timesyn", "phc2sys", "ptp4l"};
	const struct dirent *entry;
	DIR *dir = opendir("/proc");
	char path[300], comm[32];
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		FILE *file;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file)) {
			comm[strcspn(comm, "\n")] = '\0';
			for (size_t i = 0; !found && i < sizeof(keepers) / sizeof(*keepers); i++)
				found = !strcmp(comm, keepers[i]);
		}
		fclose(file);
		if (found)
			snprintf(text, size, "%s (%.16s)", comm, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void check_keeper(struct preflight *p)
{
	struct timex state = {0};
	char keeper[64];

	if (find_keeper(keeper, sizeof(keeper)))
		check(p, CHECK_WARN, "clock", "stop it for the drill",
		      "it may be moved, but %s keeps it, and may take an offset back before its time",
		      keeper);
	else if (adjtimex(&state) >= 0 && !(state.status & STA_UNSYNC))
		check(p, CHECK_WARN, "clock", "find out who synchronises it, and stop that for the drill",
		      "it may be moved, but somebody keeps it synchronised, and may take an offset back "
		      "before "
		      "its time");
	else
		check(p, CHECK_PASS, "clock", NULL, "it may be moved, and nobody seems to keep it");
}

void preflight_clock(struct preflight *p, const struct plan *plan)
{
	const struct plan_step *step;
	int err;

	if (!clock_steps_wanted(plan))
		return;
	err = clock_steps_check(plan, &step);
	if (!err)
		check_keeper(p);
	else if (err == -EINVAL || err == -ERANGE)
		check(p, CHECK_FAIL, "clock", NULL, "the step %s %s", step->name,
		      err == -EINVAL ? "moves it while another offset is on it"
				     : "would move it out of what the kernel allows");
	else
		check(p, p->root ? CHECK_FAIL : CHECK_SKIP, "clock",
		      "run on the host itself, as root: containers don't give CAP_SYS_TIME",
		      "this process may not move it: %s", strerror(-err));
}
