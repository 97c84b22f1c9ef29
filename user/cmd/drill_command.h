/* SPDX-License-Identifier: BSD-2-Clause */
/* What `run`, `rehearse` and `inject` share: the options of a run, carrying it out, judging it, and saying how it went. */
#ifndef SHEARPIN_DRILL_COMMAND_H
#define SHEARPIN_DRILL_COMMAND_H

#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/place.h"
#include "drill/drill.h"
#include "scenario/scenario.h"

struct drill_args {
	struct place place;
	const char *interface, *out, *hook, *attach, *line, *evidence;
	struct words meta, protect, policy;
	bool json, realtime, capture, allow_exec;
	bool within; /* one of several: its results are no document of their own on standard output */
	struct metrics *metrics; /* NULL: nobody asked for them */
};

/* A row for commands whose plans may start programs. */
#define ALLOW_EXEC_OPTION(offset)                                                                            \
	{                                                                                                    \
		"allow-exec", 0, OPTION_FLAG, (offset), NULL, NULL,                                          \
			"the scenario may start programs (`exec`, `undo`); one that does is refused "        \
			"otherwise"                                                                          \
	}

/* Rows of an option table, for a struct that has `struct drill_args drill` as a member. */
#define DRILL_OPTIONS(type)                                                                                  \
	{"interface",                                                                                        \
	 'i',                                                                                                \
	 OPTION_STRING,                                                                                      \
	 offsetof(type, drill.interface),                                                                    \
	 "IF",                                                                                               \
	 NULL,                                                                                               \
	 "act on this interface; otherwise the routes to the targets decide"},                               \
		PLACE_OPTIONS(offsetof(type, drill.place), "act inside"),                                    \
		{"out",                                                                                      \
		 'o',                                                                                        \
		 OPTION_STRING,                                                                              \
		 offsetof(type, drill.out),                                                                  \
		 "DIR",                                                                                      \
		 NULL,                                                                                       \
		 "the run directory to make; otherwise runs/<UTC time>-<name>"},                             \
		{"hook",                                                                                     \
		 0,                                                                                          \
		 OPTION_STRING,                                                                              \
		 offsetof(type, drill.hook),                                                                 \
		 "auto|xdp|tc",                                                                              \
		 "auto",                                                                                     \
		 "where faults on arriving packets act"},                                                    \
		{"attach",                                                                                   \
		 0,                                                                                          \
		 OPTION_STRING,                                                                              \
		 offsetof(type, drill.attach),                                                               \
		 "auto|tcx|clsact",                                                                          \
		 "auto",                                                                                     \
		 "how tc programs are attached"},                                                            \
		{"delay-backend",                                                                            \
		 0,                                                                                          \
		 OPTION_STRING,                                                                              \
		 offsetof(type, drill.line),                                                                 \
		 "auto|user|fq",                                                                             \
		 "auto",                                                                                     \
		 "where delayed packets wait: in this process, or in the kernel (sch_fq)"},                  \
		{"realtime",                                                                                 \
		 0,                                                                                          \
		 OPTION_FLAG,                                                                                \
		 offsetof(type, drill.realtime),                                                             \
		 NULL,                                                                                       \
		 NULL,                                                                                       \
		 "the delay line's thread gets a real-time priority (SCHED_FIFO 1): no packet lost to a "    \
		 "busy host, but it may starve a small one"},                                                \
		{"protect",                                                                                  \
		 0,                                                                                          \
		 OPTION_LIST,                                                                                \
		 offsetof(type, drill.protect),                                                              \
		 "ADDR[:PORT]",                                                                              \
		 NULL,                                                                                       \
		 "refuse the run if a rule would hit this peer"},                                            \
		{"policy",                                                                                   \
		 0,                                                                                          \
		 OPTION_LIST,                                                                                \
		 offsetof(type, drill.policy),                                                               \
		 "FILE",                                                                                     \
		 NULL,                                                                                       \
		 "keep this policy, too, in addition to the host's own (/etc/shearpin/policy.yaml)"},        \
		{"evidence",                                                                                 \
		 0,                                                                                          \
		 OPTION_STRING,                                                                              \
		 offsetof(type, drill.evidence),                                                             \
		 "flows|packets",                                                                            \
		 NULL,                                                                                       \
		 "packets: a record of each packet that a fault hits; otherwise as the scenario says"},      \
		{"capture",                                                                                  \
		 0,                                                                                          \
		 OPTION_FLAG,                                                                                \
		 offsetof(type, drill.capture),                                                              \
		 NULL,                                                                                       \
		 NULL,                                                                                       \
		 "write the packets that a fault hits to capture.pcapng"},                                   \
		{"meta", 0, OPTION_LIST, offsetof(type, drill.meta), "K=V", NULL, "goes into the report"},   \
	{                                                                                                    \
		"json", 0, OPTION_FLAG, offsetof(type, drill.json), NULL, NULL,                              \
			"one JSON document on standard output; messages go to standard error"                \
	}

/* K=V words as settings; false: said what is wrong. Free the array and its keys with settings_free(). */
bool settings_parse(const struct command_spec *command, const char *option, const struct words *words,
		    struct setting **ret_settings);
void settings_free(struct setting *settings, size_t n);

/* What the command line says of a scenario (`set` is --set); false: said what is wrong. To be freed in either case. */
bool scenario_options_parse(const struct command_spec *command, const struct drill_args *args,
			    const struct words *set, struct scenario_options *ret);
void scenario_options_free(struct scenario_options *options);

/*
 * "The first of 2 combinations: [loss=5%]", a line of a file with a matrix, for who takes that one alone; false: it has none. The
 * file is one that was read without a mistake; without a text it is read again.
 */
bool print_combination(FILE *out, const char *path, const char *text, size_t len,
		       const struct scenario_options *options);

/* The value of --hook, --attach, --delay-backend; false: said what is wrong. */
bool parse_hook(const struct command_spec *command, const char *text, enum hook_mode *ret_mode);
bool parse_attach(const struct command_spec *command, const char *text, enum attach_mode *ret_mode);
bool parse_line(const struct command_spec *command, const char *text, enum line_choice *ret_choice);

struct metrics;

/* What of the command line can be told before anything is made. STATUS_OK, or the status to leave with, when all is said. */
int drill_check(const struct command_spec *command, const struct drill_args *args);

/* How a run ended. */
struct drill_end {
	int status;
	char *directory;  /* NULL: none was made, since nothing was touched; free() it */
	char reason[320]; /* "": it went to its end */
};

/* Carry out a plan. The text is the scenario file's (NULL for none). */
void drill_one(const struct command_spec *command, const struct drill_args *args, struct plan *plan,
	       const char *text, size_t len, int argc, char **argv, struct drill_end *ret);

/* Carry out a plan; takes it over. The text is the scenario file's (NULL for none). Returns the exit status. */
int drill_command(const struct command_spec *command, const struct drill_args *args, struct plan *plan,
		  const char *text, size_t len, int argc, char **argv);

#endif
