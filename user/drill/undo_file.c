/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that was changed is as it was. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "drill/file_state.h"
#include "drill/undo_kinds.h"

static bool get_time(const json_t *data, const char *key, struct timespec *ret)
{
	const json_t *pair = json_object_get(data, key);

	ret->tv_sec = json_integer_value(json_array_get(pair, 0));
	ret->tv_nsec = json_integer_value(json_array_get(pair, 1));
	return json_array_size(pair) == 2;
}

static bool get_content(const json_t *data, struct file_state *ret)
{
	const char *sha256 = json_string_value(json_object_get(data, "sha256"));

	ret->exists = json_is_true(json_object_get(data, "exists"));
	if (!ret->exists)
		return json_is_object(data);
	ret->size = json_integer_value(json_object_get(data, "size"));
	ret->device = json_integer_value(json_object_get(data, "device"));
	ret->inode = json_integer_value(json_object_get(data, "inode"));
	snprintf(ret->sha256, sizeof(ret->sha256), "%s", sha256 ?: "");
	(void)get_time(data, "mtime", &ret->mtime); /* of a change that is not made there is none */
	return strlen(ret->sha256) == FILE_STATE_HEX;
}

static bool get_state(const json_t *data, struct file_state *ret)
{
	if (!get_content(data, ret))
		return false;
	if (!ret->exists)
		return true;
	ret->mode = json_integer_value(json_object_get(data, "mode"));
	ret->uid = json_integer_value(json_object_get(data, "uid"));
	ret->gid = json_integer_value(json_object_get(data, "gid"));
	return get_time(data, "atime", &ret->atime) && get_time(data, "mtime", &ret->mtime);
}

static bool get_change(const json_t *data, struct file_change *ret, bool *ret_always)
{
	const char *path = json_string_value(json_object_get(data, "path"));
	const char *copy = json_string_value(json_object_get(data, "copy"));
	const char *change = json_string_value(json_object_get(data, "change"));

	*ret = (struct file_change){};
	*ret_always = json_is_true(json_object_get(data, "always"));
	ret->applied = json_is_true(json_object_get(data, "applied"));
	ret->is_truncation = change && !strcmp(change, "truncate");
	snprintf(ret->path, sizeof(ret->path), "%s", path ?: "");
	snprintf(ret->copy, sizeof(ret->copy), "%s", copy ?: "");
	return ret->path[0] == '/' && get_state(json_object_get(data, "before"), &ret->before) &&
	       get_content(json_object_get(data, "after"), &ret->after) &&
	       (ret->copy[0] == '/' || !ret->before.exists);
}

/* The number of a file system's device may be another after a boot. */
static bool same_file(const struct file_state *a, const struct file_state *b, bool this_boot)
{
	return a->inode == b->inode && (a->device == b->device || !this_boot);
}

static bool same_content(const struct file_state *a, const struct file_state *b)
{
	return a->exists == b->exists &&
	       (!a->exists || (a->size == b->size && !strcmp(a->sha256, b->sha256)));
}

static bool same_mtime(const struct file_state *a, const struct file_state *b)
{
	return !memcmp(&a->mtime, &b->mtime, sizeof(a->mtime));
}

/* May the rest of what was there before be behind what is written from the beginning? */
static bool is_between(const struct file_state *now, const struct file_state *one,
		       const struct file_state *other)
{
	uint64_t most = one->size > other->size ? one->size : other->size;

	return now->size <= most;
}

/*
 * Is what is there now what the change has left? A file that another change has removed and that was made anew is another, but of
 * the same time.
 */
static bool is_left(const struct file_change *c, const struct file_state *now, bool this_boot)
{
	return same_content(now, &c->after) &&
	       (!now->exists || same_file(now, &c->after, this_boot) || same_mtime(now, &c->after));
}

/* Where the change, or its taking back, was cut short: is it what that may have left? */
static bool is_half_done(const struct file_change *c, const struct file_state *now, bool this_boot)
{
	if (!c->before.exists) /* it comes whole */
		return same_content(now, &c->after);
	if (!now->exists)
		return !c->after.exists;
	if (!same_file(now, &c->before, this_boot))
		return false;
	return same_content(now, &c->before) || same_content(now, &c->after) ||
	       (c->after.exists && !c->is_truncation && is_between(now, &c->before, &c->after));
}

static bool is_ours(const struct file_change *c, const struct file_state *now, bool this_boot)
{
	if (c->before.exists && now->exists && file_state_is_begun(c->copy))
		return same_file(now, &c->before, this_boot) && is_between(now, &c->before, &c->after);
	return c->applied ? is_left(c, now, this_boot) : is_half_done(c, now, this_boot);
}

static enum undo_result say(enum undo_result result, char *ret_reason, size_t size, const char *text)
{
	snprintf(ret_reason, size, "%s", text);
	return result;
}

static enum undo_result put_back(const struct file_change *c, char *ret_reason, size_t size)
{
	int err = file_state_restore(c->path, c->copy, &c->before);

	if (!err)
		return UNDO_TAKEN_BACK;
	if (err == -ENOTSUP)
		return say(UNDO_FAILED, ret_reason, size,
			   "something that is no regular file has its name now");
	if (err == -ENOENT)
		return say(UNDO_FAILED, ret_reason, size, "its folder, or the copy of it, is gone");
	if (err == -EBADMSG)
		return say(UNDO_FAILED, ret_reason, size, "the copy is shorter than the file was");
	return say(UNDO_FAILED, ret_reason, size, strerror(-err));
}

enum undo_result undo_file(void *arg, const json_t *data, bool this_boot, char *ret_reason, size_t size)
{
	struct file_state now;
	struct file_change c;
	bool always;
	int err;

	(void)arg;
	if (!get_change(data, &c, &always))
		return say(UNDO_FAILED, ret_reason, size, "the journal does not say what the file was");
	err = file_state_look(c.path, &now, NULL);
	if (err && err != -ENOTSUP && err != -EFBIG)
		return say(UNDO_FAILED, ret_reason, size, strerror(-err));
	if (!err && file_state_same(&now, &c.before) &&
	    (!now.exists || same_file(&now, &c.before, this_boot)))
		return say(UNDO_NOT_NEEDED, ret_reason, size, "the file is as it was");
	if (always || (!err && is_ours(&c, &now, this_boot)))
		return put_back(&c, ret_reason, size);
	return say(UNDO_NOT_NEEDED, ret_reason, size, "written by somebody else meanwhile");
}
