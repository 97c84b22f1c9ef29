/* SPDX-License-Identifier: BSD-2-Clause */
/* A file is replaced, truncated, added to or removed. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "base/utf8.h"
#include "drill/change.h"
#include "drill/undo_kinds.h"

#define TRIES 5 /* of copying what somebody writes */

static const char *const words[] = {[FILE_REPLACE] = "replace",
				    [FILE_TRUNCATE] = "truncate",
				    [FILE_APPEND] = "append",
				    [FILE_REMOVE] = "remove"};

static bool makes_new(const struct plan_file *f)
{
	return f->change == FILE_REPLACE || f->change == FILE_APPEND;
}

/* The folder's own path, and the name in it: links on the way are followed now, and not again. */
static int find_path(const char *path, char *ret, size_t size)
{
	char folder[PATH_MAX], name[PATH_MAX], *real;
	int len;

	if (strlen(path) >= sizeof(folder))
		return -ENAMETOOLONG;
	strcpy(folder, path);
	strcpy(name, path);
	real = realpath(dirname(folder), NULL);
	if (!real)
		return -errno;
	len = snprintf(ret, size, "%s/%s", strcmp(real, "/") ? real : "", basename(name));
	free(real);
	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

static int say(int err, const char *path, char *ret_why, size_t size)
{
	static const struct {
		int err;
		const char *words;
	} all[] = {
		{-ENOTSUP, "it is no regular file, and links are not followed"},
		{-EFBIG, "it would have to be kept, and is larger than 1 GiB"},
		{-ENOSPC, "there is no room for a copy beside the undo journal"},
		{-EMLINK, "it has other names (hard links), which a restored file would not share"},
		{-EAGAIN, "it is written all the time, and can't be kept as it is"},
		{-EILSEQ, "its path is no UTF-8"},
	};
	const char *text = strerror(-err);

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].err == err)
			text = all[i].words;
	snprintf(ret_why, size, "the file %.200s: %s", path, text);
	return err;
}

static int check_state(const struct plan_file *f, const struct file_state *st)
{
	if (!st->exists)
		return makes_new(f) ? 0 : -ENOENT;
	return f->change == FILE_REMOVE && st->links > 1 ? -EMLINK : 0;
}

static int check_source(const char *from, char *ret_why, size_t size)
{
	struct file_state st;
	int fd, err = file_state_stat(from, &st);

	if (!err && !st.exists)
		err = -ENOENT;
	if (err)
		return say(err, from, ret_why, size);
	fd = open(from, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return say(-errno, from, ret_why, size);
	close(fd);
	return 0;
}

/* A file that is not there yet may be by then; what stands in the way now is told at once. */
static int check(const struct plan_step *step, char *ret_why, size_t size)
{
	char path[PATH_MAX];
	struct file_state st;
	int err = find_path(step->file.path, path, sizeof(path));

	if (!err)
		err = file_state_stat(path, &st);
	if (!err && st.exists)
		err = check_state(&step->file, &st);
	if (err)
		return say(err, step->file.path, ret_why, size);
	return step->file.from ? check_source(step->file.from, ret_why, size) : 0;
}

static bool is_utf8(const char *text)
{
	size_t len = 1;

	for (; len && *text; text += len)
		len = utf8_len((const unsigned char *)text);
	return len;
}

static char *key(const struct plan_step *step)
{
	char path[PATH_MAX];

	return strdup(find_path(step->file.path, path, sizeof(path)) ? step->file.path : path);
}

/* ---- what will be there ---- */

static int open_content(const struct change *c, struct file_content *ret)
{
	const struct plan_file *f = &c->step->file;
	bool text = f->text && (f->change == FILE_REPLACE || f->change == FILE_APPEND);

	*ret = (struct file_content){
		.keep = f->change == FILE_TRUNCATE ? f->size : 0,
		.keep_all = f->change == FILE_APPEND,
		.text = text || f->change == FILE_TRUNCATE ? f->text ?: "" : NULL,
		.len = text ? strlen(f->text) : 0,
		.source = -1,
		.garbage = f->change == FILE_APPEND && !text ? f->size : 0,
		.seed = c->seed,
	};
	if (f->change != FILE_REPLACE || !f->from)
		return 0;
	ret->source = open(f->from, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return ret->source < 0 ? -errno : 0;
}

static void close_content(const struct file_content *content)
{
	if (content->source >= 0)
		close(content->source);
}

static void put_time(struct json *j, const char *key, const struct timespec *t)
{
	json_array(j, key);
	json_i64(j, NULL, t->tv_sec);
	json_i64(j, NULL, t->tv_nsec);
	json_end_array(j);
}

static void put_content(struct json *j, const struct file_state *st)
{
	json_bool(j, "exists", st->exists);
	if (!st->exists)
		return;
	json_u64(j, "size", st->size);
	json_string(j, "sha256", st->sha256);
	json_i64(j, "device", (int64_t)st->device);
	json_i64(j, "inode", (int64_t)st->inode);
}

static void put_state(struct json *j, const struct file_state *st)
{
	put_content(j, st);
	if (!st->exists)
		return;
	json_u64(j, "mode", st->mode);
	json_u64(j, "uid", st->uid);
	json_u64(j, "gid", st->gid);
	put_time(j, "atime", &st->atime);
	put_time(j, "mtime", &st->mtime);
}

static int compose(struct change *c)
{
	struct json j;

	buf_clear(&c->undo);
	json_begin(&j, &c->undo);
	json_object(&j, NULL);
	json_string(&j, "path", c->file.path);
	json_string(&j, "change", words[c->step->file.change]);
	json_bool(&j, "always", c->step->file.always);
	json_bool(&j, "applied", c->file.applied);
	json_string(&j, "copy", c->file.before.exists ? c->file.copy : NULL);
	json_object(&j, "before");
	put_state(&j, &c->file.before);
	json_end_object(&j);
	json_object(&j, "after");
	put_content(&j, &c->file.after);
	if (c->file.applied && c->file.after.exists)
		put_time(&j, "mtime", &c->file.after.mtime);
	json_end_object(&j);
	json_end_object(&j);
	return c->undo.failed ? -ENOMEM : 0;
}

/* ---- the change ---- */

static int keep(struct change *c)
{
	const struct plan_file *f = &c->step->file;
	int err = -EAGAIN;

	/* Who adds to a log that is being written adds to whatever it is by then. */
	for (int i = 0; i < TRIES && err == -EAGAIN; i++)
		err = file_state_keep(c->file.path, c->file.copy, &c->file.before, &c->is_cancelled);
	if (err == -EAGAIN && f->change == FILE_APPEND)
		err = 0;
	return err ?: check_state(f, &c->file.before);
}

static int foresee(struct change *c)
{
	struct file_content content;
	const char *copy = c->file.before.exists ? c->file.copy : NULL;
	int err;

	c->file.after = (struct file_state){};
	if (c->step->file.change == FILE_REMOVE)
		return 0;
	err = open_content(c, &content);
	if (!err)
		err = file_content_state(&content, copy, &c->file.after, &c->is_cancelled);
	c->file.after.device = c->file.before.device;
	c->file.after.inode = c->file.before.inode;
	close_content(&content);
	return err;
}

static int prepare(struct change *c)
{
	int err = find_path(c->step->file.path, c->file.path, sizeof(c->file.path));

	if (!err && !is_utf8(c->file.path))
		err = -EILSEQ;
	snprintf(c->file.copy, sizeof(c->file.copy), "%s/%u", c->folder, c->number);
	if (!err)
		err = keep(c);
	if (!err)
		err = foresee(c);
	if (!err)
		err = compose(c);
	return err ? say(err, c->step->file.path, c->why, sizeof(c->why)) : 0;
}

static int make(struct change *c)
{
	struct file_content content;
	int err;

	if (c->step->file.change == FILE_REMOVE)
		return file_state_remove(c->file.path, &c->file.before);
	err = open_content(c, &content);
	if (!err)
		err = file_content_write(c->file.path, &content, &c->file.before, &c->file.after,
					 &c->is_cancelled);
	close_content(&content);
	return err;
}

static int apply(struct change *c)
{
	int err = make(c);

	c->done_ns = clock_mono_ns();
	if (err == -ESTALE) /* it is to be kept anew */
		return say(-EAGAIN, c->step->file.path, c->why, sizeof(c->why));
	if (err)
		return say(err, c->step->file.path, c->why, sizeof(c->why));
	c->file.applied = true;
	return compose(c);
}

static void tell(const struct change *c, struct json *data, enum change_event event)
{
	json_string(data, "path", c->file.path);
	json_string(data, "change", words[c->step->file.change]);
	if (event != CHANGE_MADE)
		return;
	json_object(data, "before");
	put_content(data, &c->file.before);
	json_end_object(data);
	json_object(data, "after");
	put_content(data, &c->file.after);
	json_end_object(data);
}

const struct change_kind change_file = {
	.name = UNDO_FILE,
	.slow = true,
	.in_parts = true,
	.keeps_copies = true,
	.check = check,
	.key = key,
	.prepare = prepare,
	.apply = apply,
	.tell = tell,
};
