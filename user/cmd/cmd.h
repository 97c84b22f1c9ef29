/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands. Each gets its own arguments (argv[0] is the command's name), prints, and returns the exit status:
 * one of enum status below, unless a signal's. Only this layer writes text for people.
 */
#ifndef SHEARPIN_CMD_H
#define SHEARPIN_CMD_H

enum status {
	STATUS_OK = 0,
	STATUS_SLO_MISSED = 1,
	STATUS_USAGE = 2,
	STATUS_REFUSED = 3,
	STATUS_ABORTED = 4,
	STATUS_HOST_FAILED = 5,
	STATUS_INTERRUPTED = 130,
};

int cmd_run(int argc, char **argv);
int cmd_rehearse(int argc, char **argv);
int cmd_inject(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_preflight(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_clear(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_lab(int argc, char **argv);

#endif
