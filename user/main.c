/* SPDX-License-Identifier: BSD-2-Clause */
/* The command table, and the way into it. */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*function)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"run", cmd_run, "run a whole drill from a scenario file"},
	{"rehearse", cmd_rehearse, "count what a scenario would hit; touches nothing"},
	{"inject", cmd_inject, "inject one fault, now"},
	{"plan", cmd_plan, "show what a scenario file would do; needs no privilege"},
	{"preflight", cmd_preflight, "what this host can do, and what would get in the way"},
	{"status", cmd_status, "what is active now, with counters and time left"},
	{"watch", cmd_watch, "the same, live"},
	{"clear", cmd_clear, "end every run on this host and remove what any left behind"},
	{"report", cmd_report, "the evidence report of a run, again"},
	{"verify", cmd_verify, "is a run's evidence whole, unaltered, and what its seed gives"},
	{"lab", cmd_lab, "a drill in a built-in lab; needs nothing but root"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static int print_help(void)
{
	puts("Usage: shearpin COMMAND [ARGUMENT...]\n\n"
	     "Breaks a host's network on purpose, exactly where and exactly as long as asked,\n"
	     "proves what it broke, and measures how the system under test came back.\n\n"
	     "Commands:");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-12s%s\n", commands[i].name, commands[i].summary);
	puts("\nWithout a command: status. `shearpin COMMAND --help` explains one command.");
	return STATUS_OK;
}

static int unknown_command(const char *word)
{
	struct suggest s = {.word = word};

	for (size_t i = 0; i < N_COMMANDS; i++)
		suggest_try(&s, commands[i].name);
	suggest_try(&s, "help");
	if (s.best)
		fprintf(stderr, "shearpin: unknown command `%s`, did you mean `%s`?\n", word, s.best);
	else
		fprintf(stderr, "shearpin: unknown command `%s`; shearpin --help lists them\n", word);
	return STATUS_USAGE;
}

static int run_command(int argc, char **argv)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].function(argc, argv);
	return unknown_command(argv[0]);
}

static int dispatch(int argc, char **argv)
{
	const char *word = argv[1];

	if (argc < 2)
		return run_command(1, (char *[]){"status", NULL});
	if (!strcmp(word, "--version")) {
		puts("shearpin " SHEARPIN_VERSION);
		return STATUS_OK;
	}
	if (!strcmp(word, "help") && argc > 2)
		return run_command(2, (char *[]){argv[2], "--help", NULL});
	if (!strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h"))
		return print_help();
	return run_command(argc - 1, argv + 1);
}

#define LARGE_BYTES (256 * 1024)

/*
 * Large blocks are given back to the system as soon as they are freed. By itself malloc() moves its limits up with the largest block
 * that was freed, and tables and texts that have grown leave holes behind that are too small for what comes next.
 */
static void set_memory_limits(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BYTES);
}

/*
 * A stream that the caller has closed stays one that can't be used; but its number is taken, or the next file that is opened would
 * have it, and get what is printed. Programs that are started inherit it.
 */
static void fill_closed_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	int status;

	fill_closed_streams();
	set_memory_limits();
	status = dispatch(argc, argv);

	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_OK) {
		perror("shearpin: standard output");
		return STATUS_HOST_FAILED;
	}
	return status;
}
