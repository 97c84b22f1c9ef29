/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A probe that looks at a value in a JSON file. A file that is being written as it is read may be half of a document: what can't be
 * parsed is read once more, a little later, before it counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_path.h"
#include "base/read_file.h"
#include "base/timeutil.h"
#include "drill/age.h"
#include "drill/compare.h"
#include "drill/probe.h"

#define MOST_BYTES (1024 * 1024)
#define SECOND_LOOK_NS (20 * NS_PER_MS)
#define VALUE_SHOWN 60
#define DETAIL 256

struct json_probe {
	struct compare compare;
	bool again;   /* the first look found no JSON */
	uint64_t due; /* ... the second look */
	struct buf text;
	char error[DETAIL], detail[DETAIL];
};

static void json_free(struct json_probe *s)
{
	compare_close(&s->compare);
	buf_free(&s->text);
	free(s);
}

static int json_open(struct probe *p)
{
	struct json_probe *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = compare_open(&s->compare, &p->plan->compare);
	if (err)
		json_free(s);
	else
		p->state = s;
	return err;
}

static void json_close(struct probe *p)
{
	json_free(p->state);
}

static void json_stop(struct probe *p)
{
	struct json_probe *s = p->state;

	s->again = false;
}

/* NULL: there is nothing at that place. */
static const json_t *find(const json_t *value, const char *path)
{
	char name[JSON_PATH_NAME];
	long index;

	while (value) {
		switch (json_path_next(&path, name, sizeof(name), &index)) {
		case JSON_PATH_END:
			return value;
		case JSON_PATH_KEY:
			value = json_object_get(value, name);
			break;
		case JSON_PATH_INDEX:
			if (index < 0)
				index += json_array_size(value);
			value = index < 0 ? NULL : json_array_get(value, index);
			break;
		default:
			return NULL;
		}
	}
	return NULL;
}

/* ".dor is false" */
static void describe(char *ret_text, size_t size, const char *where, const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(12));
	size_t len = text ? strlen(text) : 0, shown = len;

	if (len > VALUE_SHOWN)
		for (shown = VALUE_SHOWN; shown && (text[shown] & 0xc0) == 0x80; shown--)
			;
	snprintf(ret_text, size, "%s is %.*s%s", where, (int)shown, text ?: "", shown < len ? "..." : "");
	free(text);
}

/* False: `error` says why. */
static bool is_fresh(const struct plan_probe *plan, struct json_probe *s, const json_t *document,
		     const struct stat *st)
{
	int64_t now = clock_real_ns(), then = age_mtime(st);
	const json_t *stated;
	char words[48];

	if (plan->age_by == AGE_FIELD) {
		stated = find(document, plan->age_field);
		if (!stated || age_time_of(stated, &then)) {
			snprintf(s->error, sizeof(s->error), "%s %s", plan->age_field,
				 stated ? "is no time" : "is not there");
			return false;
		}
	}
	if (age_is_fresh(now, then, plan->fresh_ns))
		return true;
	age_words(now, then, words, sizeof(words));
	snprintf(s->error, sizeof(s->error), "it is %s", words);
	return false;
}

static void tell(struct probe *p, struct probe_sample *sample)
{
	struct json_probe *s = p->state;

	sample->detail = s->detail[0] ? s->detail : NULL;
	probe_tell_now(p, sample, s->error);
}

static void judge(struct probe *p, const json_t *document, const struct stat *st)
{
	const struct plan_probe *plan = p->plan;
	const char *where = plan->where ?: ".";
	const json_t *value = find(document, where);
	struct json_probe *s = p->state;
	struct probe_sample sample = {
		.has_value = json_is_number(value),
		.value = json_number_value(value),
	};

	s->error[0] = s->detail[0] = 0;
	if (!value) {
		snprintf(s->error, sizeof(s->error), "%s is not there", where);
	} else {
		if (plan->where)
			describe(s->detail, sizeof(s->detail), where, value);
		if (is_fresh(plan, s, document, st)) {
			sample.healthy = compare_value(&s->compare, value);
			snprintf(s->error, sizeof(s->error), "%s", s->detail);
		}
	}
	tell(p, &sample);
}

static void tell_unreadable(struct probe *p, int err)
{
	struct json_probe *s = p->state;
	struct probe_sample sample = {};

	s->detail[0] = 0;
	if (err == -ENOENT)
		snprintf(s->error, sizeof(s->error), "it is not there");
	else if (err == -EFBIG)
		snprintf(s->error, sizeof(s->error), "it is larger than 1 MiB");
	else if (err == -ENOTSUP)
		snprintf(s->error, sizeof(s->error), "it is no regular file");
	else
		snprintf(s->error, sizeof(s->error), "it can't be read: %s",
			 strerrordesc_np(-err) ?: "unknown error");
	tell(p, &sample);
}

static void tell_no_json(struct probe *p, const json_error_t *why)
{
	struct json_probe *s = p->state;
	struct probe_sample sample = {};

	snprintf(s->error, sizeof(s->error), "it is no JSON");
	snprintf(s->detail, sizeof(s->detail), "line %d, column %d: %s", why->line, why->column, why->text);
	tell(p, &sample);
}

static void look(struct probe *p, uint64_t now)
{
	struct json_probe *s = p->state;
	bool again = s->again;
	json_error_t why;
	json_t *document;
	struct stat st;
	int err;

	buf_clear(&s->text);
	s->text.failed = false;
	s->again = false;
	err = read_file(p->plan->path, MOST_BYTES, &s->text, &st);
	if (err) {
		tell_unreadable(p, err);
		return;
	}
	document = json_loadb(s->text.data ?: "", s->text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (document) {
		judge(p, document, &st);
		json_decref(document);
	} else if (again) {
		tell_no_json(p, &why);
	} else {
		s->again = true;
		s->due = now + SECOND_LOOK_NS;
	}
}

static uint64_t json_run(struct probe *p, uint64_t now)
{
	struct json_probe *s = p->state;

	if (now >= (s->again ? s->due : p->due))
		look(p, now);
	return s->again ? s->due : p->due;
}

const struct probe_kind probe_json = {
	.open = json_open,
	.close = json_close,
	.run = json_run,
	.stop = json_stop,
};
