/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of `shearpin inject` as the tree of the scenario that they stand for: one target, one step. From there on
 * all is as with a file, except that each node's origin is the option or word that it comes from.
 */
#include <errno.h>
#include <string.h>

#include "scenario/model.h"
#include "scenario/netem.h"
#include "scenario/text.h"
#include "scenario/word_value.h"

struct words_tree {
	struct arena arena;
	struct errors errors;
};

static bool check_word(struct words_tree *t, const char *origin, const char *text)
{
	struct text_fault fault;

	if (!check_text(text, strlen(text), &fault))
		return true;
	errors_add(&t->errors, 0, 0, origin, "%s in the value, expected plain UTF-8 text", fault.what);
	return false;
}

static void add_text(struct words_tree *t, struct node *map, const char *key, const char *origin,
		     const char *text)
{
	if (text && check_word(t, origin, text))
		node_add(&t->arena, map, key, node_scalar(&t->arena, origin, text));
}

static void add_list(struct words_tree *t, struct node *map, const char *key, const char *origin,
		     const char *text)
{
	if (text && check_word(t, origin, text))
		node_add(&t->arena, map, key, node_split(&t->arena, origin, text));
}

static struct node *add_map(struct words_tree *t, struct node *map, const char *key, const char *origin)
{
	struct node *n = node_new(&t->arena, NODE_MAP, origin);

	node_add(&t->arena, map, key, n);
	return n;
}

/* "3/60s" as a mapping of two keys. */
static void add_pair(struct words_tree *t, struct node *map, const char *key, const char *origin,
		     const char *text, const char *first, const char *second, const char *example)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	char quoted[QUOTED_SIZE];
	struct node *pair;

	if (!text || !check_word(t, origin, text))
		return;
	if (!slash) {
		errors_add(&t->errors, 0, 0, origin, "%s is not of the form %s", quote_value(text, quoted),
			   example);
		return;
	}
	pair = add_map(t, map, key, origin);
	add_text(t, pair, first, origin, arena_text(&t->arena, text, slash - text));
	add_text(t, pair, second, origin, slash + 1);
}

static void add_fault(struct words_tree *t, struct node *fault, const char *word)
{
	const char *equals = strchrnul(word, '=');
	const char *value = *equals ? equals + 1 : "";
	char *key = arena_text(&t->arena, word, equals - word);
	struct node *n;

	if (!key || !check_word(t, "fault", word))
		return;
	if (node_get(fault, key)) {
		errors_add(&t->errors, 0, 0, word, "`%s` is given twice", key);
		return;
	}
	if (!*equals && (!strcmp(key, "drop") || !strcmp(key, "stall") || !strcmp(key, "half_open") ||
			 !strcmp(key, "icmp")))
		value = "true";
	n = word_value(&t->arena, &t->errors, word, key, value);
	if (!n) {
		/* Told already; the key is there all the same, for those that need it. */
		n = node_scalar(&t->arena, word, "");
		if (n)
			n->bad = true;
	}
	node_add(&t->arena, fault, key, n);
}

/* The step's name: its first fault that is one, so not `percent`. */
static const char *step_name(const struct node *fault)
{
	static const char *const others[] = {"percent",     "loss_as",  "jitter", "distribution",
					     "burst",       "checksum", "names",  "paths",
					     "retry_after", "then",     "icmp"};

	for (const struct node *n = fault->first; n; n = n->next) {
		bool other = strstr(n->key->text, "_correlation");

		for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
			other = other || !strcmp(n->key->text, others[i]);
		if (!other)
			return n->key->text;
	}
	return "inject";
}

/* netem's words first, then those of the command line; a mistake in the former leaves nothing to check. */
static struct node *build_fault(struct words_tree *t, struct node *root, const struct inject_words *w)
{
	struct node *fault = node_new(&t->arena, NODE_MAP, "inject"), *seed = NULL;
	bool read = true;

	if (!fault)
		return NULL;
	if (w->netem)
		read = check_word(t, "--netem", w->netem) &&
		       netem_read(&t->arena, &t->errors, w->netem, fault, &seed);
	if (seed && w->seed)
		mistake(&t->errors, seed, "`seed` beside --seed, expected the one or the other");
	else if (seed)
		node_add(&t->arena, root, "seed", seed);
	for (size_t i = 0; i < w->n_faults; i++)
		add_fault(t, fault, w->faults[i]);
	fault->bad = !read;
	return fault;
}

static void add_target(struct words_tree *t, struct node *root, const struct inject_words *w)
{
	struct node *target = add_map(t, add_map(t, root, "targets", "inject"), "target", "inject");

	add_text(t, target, "proto", "--proto", w->proto);
	add_list(t, target, "remote", "--remote", w->remote);
	add_list(t, target, "remote_port", "--remote-port", w->remote_port);
	add_list(t, target, "local_port", "--local-port", w->local_port);
	add_text(t, target, "direction", "--direction", w->direction);
	add_text(t, target, "share", "--share", w->share);
	add_list(t, target, "host", "--host", w->host);
	add_text(t, target, "cgroup", "--cgroup", w->cgroup);
	add_text(t, target, "unit", "--unit", w->unit);
	add_text(t, target, "pid", "--pid", w->pid);
	add_text(t, target, "anything", "--anything", w->anything ? "true" : NULL);
}

static void add_step(struct words_tree *t, struct node *root, const struct inject_words *w)
{
	struct node *steps = node_new(&t->arena, NODE_LIST, "inject"),
		    *step = node_new(&t->arena, NODE_MAP, "inject");
	struct node *fault = build_fault(t, root, w);

	if (!fault)
		return;
	node_add(&t->arena, root, "steps", steps);
	node_add(&t->arena, steps, NULL, step);
	add_text(t, step, "name", "fault", step_name(fault));
	add_text(t, step, "at", "inject", "0s");
	node_add(&t->arena, step, "fault", fault);
	add_text(t, step, "target", "inject", "target");
	add_text(t, step, "for", "--for", w->duration ? w->duration : "");
	add_pair(t, step, "repeat", "--repeat", w->repeat, "times", "every", "TIMES/EVERY, such as 3/60s");
	add_pair(t, step, "burst", "--burst", w->burst, "on", "off", "ON/OFF, such as 5s/15s");
}

static struct node *build(struct words_tree *t, const struct inject_words *w,
			  const struct scenario_options *o)
{
	struct node *root = node_new(&t->arena, NODE_MAP, "inject");
	const char *interface = w->interface ? w->interface : o ? o->interface : NULL;
	struct node *meta = o && o->n_meta ? add_map(t, root, "meta", "--meta") : NULL;

	add_text(t, root, "version", "inject", "1");
	add_text(t, root, "name", "inject", "inject");
	add_text(t, root, "recovery", "inject", "0s");
	add_text(t, root, "seed", "--seed", w->seed);
	add_list(t, root, "interface", "--interface", interface);
	add_text(t, root, "evidence", "--evidence", o ? o->evidence : NULL);
	add_text(t, root, "capture", "--capture", o && o->capture ? "true" : NULL);
	for (size_t i = 0; meta && i < o->n_meta; i++)
		if (check_word(t, "--meta", o->meta[i].key))
			add_text(t, meta, o->meta[i].key, "--meta", o->meta[i].value);
	add_target(t, root, w);
	add_step(t, root, w);
	return root;
}

int scenario_from_words(const struct inject_words *words, const struct scenario_options *options,
			struct plan **ret_plan, struct scenario_errors *ret_errors)
{
	struct words_tree t = {.errors = {.file = "inject"}};
	int err = -ENOMEM, err_text;
	struct node *root;

	*ret_plan = NULL;
	root = build(&t, words, options);
	if (!t.arena.failed)
		err = compile_tree(&t.arena, &t.errors, root, NULL, ret_plan);
	err_text = errors_take(&t.errors, ret_errors);
	arena_free(&t.arena);
	return err_text ? err_text : err;
}
