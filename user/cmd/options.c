/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cmd/cmd.h"

#define MAX_OPTIONS 48
#define FIRST_CODE 256 /* getopt_long()'s code of option i is this plus i: no letter is that large */
#define HELP_CODE 'h'
#define HELP_COLUMN 30
#define HELP_WIDTH 96

/* What getopt_long() wants, made from the table. */
struct getopt_table {
	struct option longs[MAX_OPTIONS + 2];
	char shorts[2 * MAX_OPTIONS + 3];
};

static void build(const struct command_spec *command, struct getopt_table *ret)
{
	char *s = ret->shorts;
	size_t i;

	*s++ = ':'; /* tells a missing argument from an unknown option */
	*s++ = HELP_CODE;
	for (i = 0; i < command->n_options && i < MAX_OPTIONS; i++) {
		const struct option_spec *o = &command->options[i];
		int has_arg = o->kind == OPTION_FLAG ? no_argument : required_argument;

		ret->longs[i] = (struct option){o->name, has_arg, NULL, FIRST_CODE + (int)i};
		if (!o->letter)
			continue;
		*s++ = o->letter;
		if (has_arg)
			*s++ = ':';
	}
	ret->longs[i] = (struct option){"help", no_argument, NULL, HELP_CODE};
	ret->longs[i + 1] = (struct option){0};
	*s = '\0';
}

static const struct option_spec *by_code(const struct command_spec *command, int code)
{
	if (code >= FIRST_CODE)
		return &command->options[code - FIRST_CODE];
	for (size_t i = 0; i < command->n_options; i++)
		if (command->options[i].letter == code)
			return &command->options[i];
	return NULL;
}

static void set_initial(const struct command_spec *command, char *values)
{
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_spec *o = &command->options[i];

		if (o->kind == OPTION_STRING)
			*(const char **)(values + o->offset) = o->initial;
	}
}

static int append(struct words *list, const char *word)
{
	const char **items = reallocarray(list->items, list->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count++] = word;
	return 0;
}

static int store(const struct option_spec *o, char *values, const char *argument)
{
	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)(values + o->offset) = true;
		return 0;
	case OPTION_STRING:
		*(const char **)(values + o->offset) = argument;
		return 0;
	case OPTION_LIST:
		return append((struct words *)(values + o->offset), argument);
	}
	return -EINVAL;
}

/* Help text from HELP_COLUMN on, broken between words. */
static void print_wrapped(const char *text, int column)
{
	while (*text) {
		int len = strcspn(text, " ");

		if (column + len > HELP_WIDTH) {
			printf("\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		}
		printf("%.*s", len, text);
		text += len;
		column += len;
		if (*text == ' ') {
			putchar(' ');
			text++;
			column++;
		}
	}
	putchar('\n');
}

static void print_option(const struct option_spec *o)
{
	char letter[8] = "   ", left[80], text[400];
	int len;

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c,", o->letter);
	len = snprintf(left, sizeof(left), "  %s --%s%s%s", letter, o->name, o->argument ? " " : "",
		       o->argument ? o->argument : "");
	if (len > HELP_COLUMN - 2)
		printf("%s\n%*s", left, HELP_COLUMN, "");
	else
		printf("%-*s", HELP_COLUMN, left);
	snprintf(text, sizeof(text), "%s%s%s%s", o->help, o->initial ? " (default: " : "",
		 o->initial ? o->initial : "", o->initial ? ")" : "");
	print_wrapped(text, HELP_COLUMN);
}

static int print_help(const struct command_spec *command)
{
	static const struct option_spec help = {.name = "help", .letter = 'h', .help = "show this text"};

	printf("Usage: shearpin %s%s%s\n\n%s\n\nOptions:\n", command->name, *command->synopsis ? " " : "",
	       command->synopsis, command->about);
	for (size_t i = 0; i < command->n_options; i++)
		print_option(&command->options[i]);
	print_option(&help);
	return STATUS_OK;
}

int usage_error(const struct command_spec *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "shearpin %s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nUsage: shearpin %s%s%s; see shearpin %s --help\n", command->name,
		*command->synopsis ? " " : "", command->synopsis, command->name);
	return STATUS_USAGE;
}

/* `given` is what the user wrote: "--intreface=eth0", "-x", or a shortened option that is not unique. */
static int unknown_option(const struct command_spec *command, const char *given, int letter)
{
	char word[64];
	struct suggest s = {.word = word};
	size_t len;

	if (letter >= FIRST_CODE)
		return usage_error(command, "option --%s takes no argument", by_code(command, letter)->name);
	if (letter)
		return usage_error(command, "unknown option -%c", letter);
	len = strcspn(given, "=");
	snprintf(word, sizeof(word), "%.*s", (int)len - 2, given + 2);
	for (size_t i = 0; i < command->n_options; i++)
		suggest_try(&s, command->options[i].name);
	suggest_try(&s, "help");
	if (s.best)
		return usage_error(command, "unknown option --%s, did you mean --%s?", word, s.best);
	return usage_error(command, "unknown option --%s", word);
}

static int missing_argument(const struct command_spec *command, int code)
{
	const struct option_spec *o = by_code(command, code);

	return usage_error(command, "option --%s needs an argument: --%s %s", o->name, o->name,
			   o->argument ? o->argument : "VALUE");
}

/* A negative errno, or the status to leave with in *ret_status (then 1), or 0 to go on. */
static int parse_options(const struct command_spec *command, int argc, char **argv, char *values,
			 int *ret_status)
{
	struct getopt_table table = {0};
	int code;

	build(command, &table);
	opterr = 0;
	optind = 0;
	while ((code = getopt_long(argc, argv, table.shorts, table.longs, NULL)) != -1) {
		int err;

		if (code == HELP_CODE) {
			*ret_status = print_help(command);
			return 1;
		}
		if (code == '?') {
			*ret_status = unknown_option(command, argv[optind - 1], optopt);
			return 1;
		}
		if (code == ':') {
			*ret_status = missing_argument(command, optopt);
			return 1;
		}
		err = store(by_code(command, code), values, optarg);
		if (err)
			return err;
	}
	return 0;
}

static bool count_fits(const struct command_spec *command, const struct words *words)
{
	if (words->count < command->min_words)
		usage_error(command, "missing argument: %s", command->words ? command->words : "a word");
	else if (command->max_words != ANY_WORDS && words->count > command->max_words)
		usage_error(command, "superfluous argument `%s`", words->items[command->max_words]);
	else
		return true;
	return false;
}

bool options_parse(const struct command_spec *command, int argc, char **argv, void *values,
		   struct words *ret_words, int *ret_status)
{
	int err;

	set_initial(command, values);
	err = parse_options(command, argc, argv, values, ret_status);
	if (err < 0) {
		fprintf(stderr, "shearpin %s: %s\n", command->name, strerror(-err));
		*ret_status = STATUS_HOST_FAILED;
	}
	if (err)
		goto fail;
	*ret_words = (struct words){(const char **)argv + optind, argc - optind};
	if (count_fits(command, ret_words))
		return true;
	*ret_status = STATUS_USAGE;
fail:
	options_free(command, values);
	return false;
}

void options_free(const struct command_spec *command, void *values)
{
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_spec *o = &command->options[i];
		struct words *list;

		if (o->kind != OPTION_LIST)
			continue;
		list = (struct words *)((char *)values + o->offset);
		free(list->items);
		*list = (struct words){0};
	}
}

bool split_setting(const char *text, char **ret_key, const char **ret_value)
{
	const char *equals = strchr(text, '=');
	char *key;

	if (!equals || equals == text)
		return false;
	key = strndup(text, equals - text);
	if (!key)
		return false;
	*ret_key = key;
	*ret_value = equals + 1;
	return true;
}
