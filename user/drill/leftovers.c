/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/leftovers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/timeutil.h"
#include "drill/clock_set.h"

/* The kernel reads the clock anew from the hardware when it boots, and an offset is never written there. */
enum undo_result undo_clock(void *arg, const json_t *data, bool this_boot, char *ret_reason, size_t size)
{
	const json_t *offset = json_object_get(data, "offset_ns"),
		     *before = json_object_get(data, "before_ns");
	bool stepped;
	int err;

	if (!json_is_integer(offset) || !json_is_integer(before)) {
		snprintf(ret_reason, size, "the journal does not say by how much");
		return UNDO_FAILED;
	}
	if (!this_boot) {
		snprintf(ret_reason, size, "this host has been booted since");
		return UNDO_NOT_NEEDED;
	}
	err = clock_take_back(arg, json_integer_value(before), json_integer_value(offset), &stepped);
	if (err) {
		snprintf(ret_reason, size, "%s", strerror(-err));
		return UNDO_FAILED;
	}
	if (!stepped)
		snprintf(ret_reason, size, "the clock is back already");
	return stepped ? UNDO_TAKEN_BACK : UNDO_NOT_NEEDED;
}

static const struct undo_kind kinds[] = {
	{UNDO_CLOCK, undo_clock, (void *)&clock_of_host},
	{UNDO_SIGNAL, undo_signal, NULL},
	{UNDO_EXEC, undo_exec, NULL},
	{UNDO_FILE, undo_file, NULL},
	{UNDO_LINK, undo_link, NULL},
};

#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

int leftovers_take_back(const char *directory, void (*call)(void *arg, const struct undone *undone),
			void *arg)
{
	return undo_replay(directory, kinds, N_KINDS, false, call, arg);
}

int leftovers_take_back_or_forget(const char *directory, void (*call)(void *arg, const struct undone *undone),
				  void *arg)
{
	return undo_replay(directory, kinds, N_KINDS, true, call, arg);
}

int leftovers_take_one(const char *journal, unsigned id, enum undo_result *ret)
{
	return undo_replay_one(journal, id, kinds, N_KINDS, ret);
}

enum undo_result leftovers_take_data(const char *kind, const char *data, char *ret_reason, size_t size)
{
	json_t *object = json_loads(data, 0, NULL);
	enum undo_result result = UNDO_FAILED;

	for (size_t i = 0; i < N_KINDS; i++)
		if (!strcmp(kinds[i].name, kind))
			result = kinds[i].take_back(kinds[i].arg, object, true, ret_reason, size);
	json_decref(object);
	return result;
}

static void describe_clock(const json_t *data, char *text, size_t size)
{
	json_int_t offset = json_integer_value(json_object_get(data, "offset_ns"));
	char by[32];

	format_duration_exact(llabs(offset), by, sizeof(by));
	snprintf(text, size, "the clock, which was put %s by %s", offset < 0 ? "back" : "ahead", by);
}

static const char *text_of(const json_t *data, const char *key)
{
	return json_string_value(json_object_get(data, key)) ?: "?";
}

static void describe_signal(const json_t *data, char *text, size_t size)
{
	snprintf(text, size, "the process %d (%s), which was stopped",
		 (int)json_integer_value(json_object_get(data, "pid")), text_of(data, "comm"));
}

static void describe_exec(const json_t *data, char *text, size_t size)
{
	const json_t *argv = json_object_get(data, "argv"), *word;
	size_t len = snprintf(text, size, "what a program did, by `"), i;

	json_array_foreach((json_t *)argv, i, word)
	{
		if (len < size)
			len += snprintf(text + len, size - len, "%s%s", i ? " " : "",
					json_string_value(word) ?: "?");
	}
	if (len < size)
		snprintf(text + len, size - len, "`");
}

static void describe_file(const json_t *data, char *text, size_t size)
{
	static const struct {
		const char *change, *words;
	} words[] = {{"replace", "replaced"},
		     {"truncate", "truncated"},
		     {"append", "added to"},
		     {"remove", "removed"}};
	const char *change = text_of(data, "change"), *what = "changed";

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].change, change))
			what = words[i].words;
	snprintf(text, size, "the file %s, which was %s", text_of(data, "path"), what);
}

static void describe_link(const json_t *data, char *text, size_t size)
{
	const char *netns = json_string_value(json_object_get(json_object_get(data, "netns"), "name"));

	snprintf(text, size, "the interface %s%s%s, which was set down", text_of(data, "interface"),
		 netns ? " in the network namespace " : "", netns ?: "");
}

void leftovers_describe(const struct undone *undone, char *text, size_t size)
{
	static const struct {
		const char *kind;
		void (*describe)(const json_t *data, char *text, size_t size);
	} all[] = {{UNDO_CLOCK, describe_clock},
		   {UNDO_SIGNAL, describe_signal},
		   {UNDO_EXEC, describe_exec},
		   {UNDO_FILE, describe_file},
		   {UNDO_LINK, describe_link}};
	json_t *data = json_loads(undone->data ?: "", 0, NULL);

	snprintf(text, size, "what %s holds", undone->path);
	for (size_t i = 0; undone->kind && i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(all[i].kind, undone->kind))
			all[i].describe(data, text, size);
	json_decref(data);
}
