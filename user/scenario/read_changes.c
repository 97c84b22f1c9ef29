/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: steps that change the host. */
#include <signal.h>
#include <string.h>

#include "scenario/values.h"

#define MOST_STATUS 255
#define MOST_FILE (1ULL << 30)

/* ---- signal ---- */

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"SIGKILL", SIGKILL},     {"SIGTERM", SIGTERM},   {"SIGSTOP", SIGSTOP}, {"SIGCONT", SIGCONT},
	{"SIGINT", SIGINT},       {"SIGHUP", SIGHUP},     {"SIGQUIT", SIGQUIT}, {"SIGABRT", SIGABRT},
	{"SIGUSR1", SIGUSR1},     {"SIGUSR2", SIGUSR2},   {"SIGALRM", SIGALRM}, {"SIGPIPE", SIGPIPE},
	{"SIGSEGV", SIGSEGV},     {"SIGBUS", SIGBUS},     {"SIGFPE", SIGFPE},   {"SIGILL", SIGILL},
	{"SIGTRAP", SIGTRAP},     {"SIGSYS", SIGSYS},     {"SIGTSTP", SIGTSTP}, {"SIGTTIN", SIGTTIN},
	{"SIGTTOU", SIGTTOU},     {"SIGWINCH", SIGWINCH}, {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ},
	{"SIGVTALRM", SIGVTALRM}, {"SIGPROF", SIGPROF},   {"SIGPOLL", SIGPOLL}, {"SIGPWR", SIGPWR},
};

#define N_SIGNALS (sizeof(signals) / sizeof(*signals))

const char *signal_name(int number)
{
	for (size_t i = 0; i < N_SIGNALS; i++)
		if (signals[i].number == number)
			return signals[i].name;
	return NULL;
}

static void read_kill(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "a signal such as SIGTERM"))
		return;
	for (size_t i = 0; i < N_SIGNALS; i++)
		if (!strcmp(signals[i].name, n->text) || !strcmp(signals[i].name + 3, n->text)) {
			*(struct value *)into = (struct value){signals[i].number, n};
			return;
		}
	wrong_value(r, n, "signal", "a name such as SIGKILL, SIGTERM or SIGSTOP");
}

static const struct field signal_fields[] = {
	{"kill", read_kill, offsetof(struct model_signal, number), true},
	PROCESS_KEYS(offsetof(struct model_signal, process)),
};

void read_signal(struct reader *r, const struct node *n, void *into)
{
	struct model_signal *s = into;

	if (!read_map(r, n, "a signal", FIELDS(signal_fields), s))
		return;
	s->node = s->process.node = n;
	check_process(r, n, "a signal");
}

/* ---- exec ---- */

/* 0 to 255, or `any`. */
void read_status_or_any(struct reader *r, const struct node *n, void *into)
{
	if (n->kind == NODE_SCALAR && !n->bad && !strcmp(n->text, "any"))
		*(struct value *)into = (struct value){MODEL_ANY_STATUS, n};
	else
		read_within(r, n, 0, MOST_STATUS, into);
}

/* ---- file ---- */

static void read_text(struct reader *r, const struct node *n, void *into)
{
	if (!n->bad && n->kind == NODE_SCALAR)
		*(struct text *)into = (struct text){node_is_empty(n) ? "" : n->text, n};
	else
		is_scalar(r, n, "a text");
}

/* 0B, too. */
static void read_truncate(struct reader *r, const struct node *n, void *into)
{
	uint64_t bytes;

	if (n->kind == NODE_SCALAR && !n->bad && !parse_size(n->text, &bytes) && !bytes)
		*(struct value *)into = (struct value){0, n};
	else
		read_size_within(r, n, MOST_FILE, "0B to 1GiB", into);
}

static void read_remove(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_bool(r, n, &value);
	if (value.node && !value.n)
		mistake(r->errors, n, "false is no change, expected `remove: true`, or no `remove` at all");
	else
		*(struct value *)into = value;
}

static void read_restore(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"unless_changed", "always"};
	static const uint8_t values[] = {0, 1};

	read_choice(r, n, words, values, 2, into);
}

static const struct field file_fields[] = {
	{"path", read_path, offsetof(struct model_file, path), true},
	{"replace", read_text, offsetof(struct model_file, replace), false},
	{"replace_from", read_path, offsetof(struct model_file, from), false},
	{"truncate", read_truncate, offsetof(struct model_file, truncate), false},
	{"append", read_text, offsetof(struct model_file, append), false},
	{"garbage", read_size, offsetof(struct model_file, garbage), false},
	{"remove", read_remove, offsetof(struct model_file, remove), false},
	{"restore", read_restore, offsetof(struct model_file, restore), false},
};

/* One change a step: otherwise it would be unclear which comes first. */
static void check_changes(struct reader *r, const struct node *n)
{
	static const char *const changes[] = {"replace", "replace_from", "truncate",
					      "append",  "garbage",      "remove"};
	const char *first = NULL;

	for (const struct node *child = n->first; child; child = child->next)
		for (size_t i = 0; i < 6; i++) {
			if (strcmp(child->key->text, changes[i]) != 0)
				continue;
			if (first)
				mistake(r->errors, child->key, "`%s` beside `%s`, expected a step for each",
					changes[i], first);
			else
				first = changes[i];
		}
	if (!first)
		mistake(r->errors, n,
			"a file needs what becomes of it: `replace`, `replace_from`, `truncate`, `append`, "
			"`garbage` or `remove`");
}

void read_file_change(struct reader *r, const struct node *n, void *into)
{
	struct model_file *f = into;

	if (!read_map(r, n, "a file", FIELDS(file_fields), f))
		return;
	f->node = n;
	check_changes(r, n);
}
