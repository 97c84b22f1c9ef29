/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command lines. One table a command drives parsing, defaults and --help:
 *
 *	struct clear_args {
 *		bool json;
 *		const char *netns;
 *		struct words protect;
 *	};
 *	static const struct option_spec options[] = {
 *		{"json", 0, OPTION_FLAG, offsetof(struct clear_args, json), NULL, NULL, "one JSON document"},
 *		{"netns", 0, OPTION_STRING, offsetof(struct clear_args, netns), "NAME", NULL, "act in ..."},
 *		{"protect", 0, OPTION_LIST, offsetof(struct clear_args, protect), "ADDR[:PORT]", NULL, "..."},
 *	};
 *	static const struct command_spec command = {
 *		.name = "clear", .synopsis = "[OPTION...]", .about = "Ends every run on this host.",
 *		.options = options, .n_options = sizeof(options) / sizeof(*options), .max_words = 0,
 *	};
 *
 *	struct clear_args args = {0};
 *	struct words words;
 *	int status;
 *
 *	if (!options_parse(&command, argc, argv, &args, &words, &status))
 *		return status;
 *	...
 *	options_free(&command, &args);
 *
 * --help (-h) is understood by every command and stands in no table. Options and words may be mixed; `--` ends
 * the options; long options may be shortened as long as they stay unique.
 */
#ifndef SHEARPIN_OPTIONS_H
#define SHEARPIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_kind {
	OPTION_FLAG,   /* bool */
	OPTION_STRING, /* const char *; the last one given counts */
	OPTION_LIST,   /* struct words; every one given counts, in order */
};

struct option_spec {
	const char *name;
	char letter; /* 0: no short form */
	enum option_kind kind;
	size_t offset;        /* of the value in the command's struct */
	const char *argument; /* as --help shows it, e.g. "FILE"; NULL for a flag */
	const char *initial;  /* default of an OPTION_STRING, shown by --help; NULL: none */
	const char *help;
};

/* Words of the command line; they point into argv. */
struct words {
	const char **items;
	size_t count;
};

#define ANY_WORDS ((size_t)-1)

struct command_spec {
	const char *name;
	const char *synopsis; /* what follows the name, e.g. "FILE [OPTION...]" */
	const char *about;    /* a paragraph or more; no newline at the end */
	const struct option_spec *options;
	size_t n_options;
	size_t min_words, max_words; /* that are no options; ANY_WORDS: no upper bound */
	const char *words;           /* what they are, for messages: "a scenario file" */
};

/*
 * Parse argv (argv[0] is the command) into the caller's struct `values`, which must be zeroed. True: go on.
 * False: everything is said (help on standard output, a usage error on standard error), nothing needs to be
 * freed, and *ret_status is what the command returns. ret_words points into argv.
 */
bool options_parse(const struct command_spec *command, int argc, char **argv, void *values,
		   struct words *ret_words, int *ret_status);

/* Frees the lists. */
void options_free(const struct command_spec *command, void *values);

/* "shearpin run: <message>" and where help is, on standard error; returns STATUS_USAGE. */
int usage_error(const struct command_spec *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Split "K=V". False, if there is no '=' or nothing before it; else *ret_key is to be freed. */
bool split_setting(const char *text, char **ret_key, const char **ret_value);

#endif
