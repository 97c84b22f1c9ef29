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

	*ret = (struct file_change){};
	*ret_always = json_is_true(json_object_get(data, "always"));
	ret->applied = json_is_true(json_object_get(data, "applied"));
	snprintf(ret->path, sizeof(ret->path), "%s", path ?: "");
	snprintf(ret->copy, sizeof(ret->copy), "%s", copy ?: "");
	return ret->path[0] == '/' && get_state(json_object_get(data, "before"), &ret->before) &&
	       get_content(json_object_get(data, "after"), &ret->after) &&
	       (ret->copy[0] == '/' || !ret->before.exists);
}

static bool same_inode(const struct file_state *a, const struct file_state *b)
{
	return a->inode == b->inode && a->device == b->device;
}

static bool same_content(const struct file_state *a, const struct file_state *b)
{
	return a->exists == b->exists &&
	       (!a->exists || (a->size == b->size && !strcmp(a->sha256, b->sha256)));
}

/* Is what is there now what the change has left, or, where it was cut short, what it may have? */
static bool is_ours(const struct file_change *c, const struct file_state *now)
{
	if (c->applied)
		return same_content(now, &c->after) && (!now->exists || same_inode(now, &c->after));
	if (!now->exists)
		return true;
	return c->before.exists ? same_inode(now, &c->before) : now->size <= c->after.size;
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
	(void)this_boot;
	if (!get_change(data, &c, &always))
		return say(UNDO_FAILED, ret_reason, size, "the journal does not say what the file was");
	err = file_state_look(c.path, &now, NULL);
	if (err && err != -ENOTSUP && err != -EFBIG)
		return say(UNDO_FAILED, ret_reason, size, strerror(-err));
	if (!err && file_state_same(&now, &c.before) && (!now.exists || same_inode(&now, &c.before)))
		return say(UNDO_NOT_NEEDED, ret_reason, size, "the file is as it was");
	if (always || (!err && is_ours(&c, &now)))
		return put_back(&c, ret_reason, size);
	return say(UNDO_NOT_NEEDED, ret_reason, size, "written by somebody else meanwhile");
}
