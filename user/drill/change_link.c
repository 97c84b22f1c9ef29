/* SPDX-License-Identifier: BSD-2-Clause */
/* An interface is set down. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "base/write.h"
#include "drill/change.h"
#include "drill/change_netns.h"
#include "drill/undo_kinds.h"

static int say(int err, const char *name, char *ret_why, size_t size)
{
	snprintf(ret_why, size, "the interface %s: %s", name,
		 err == -ENODEV ? "there is none" : strerror(-err));
	return err;
}

static int check(const struct plan_step *step, char *ret_why, size_t size)
{
	char why[200];
	int err = link_state_check(step->link, why, sizeof(why));

	if (err == -EOPNOTSUPP)
		snprintf(ret_why, size, "the interface %s: %s", step->link, why);
	else if (err)
		return say(err, step->link, ret_why, size);
	return err;
}

static char *key(const struct plan_step *step)
{
	return strdup(step->link);
}

static int write_kept(const char *path, const struct buf *kept)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = fd < 0 ? -errno : write_all(fd, kept->data, kept->len);

	if (!err && fsync(fd))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

static int keep(struct change *c, const char *path)
{
	struct buf kept = {0};
	int err = link_state_keep(c->step->link, &kept, &c->link);

	if (!err)
		err = write_kept(path, &kept);
	if (!err)
		err = sync_folder(c->folder);
	buf_free(&kept);
	return err;
}

static int compose(struct change *c, const char *path)
{
	struct json j;
	int err;

	buf_clear(&c->undo);
	json_begin(&j, &c->undo);
	json_object(&j, NULL);
	json_string(&j, "interface", c->step->link);
	json_i64(&j, "ifindex", c->link.ifindex);
	err = change_put_netns(&j);
	json_string(&j, "kept", path);
	json_end_object(&j);
	return err;
}

static int prepare(struct change *c)
{
	char path[4200];
	int err = check(c->step, c->why, sizeof(c->why));

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/%u", c->folder, c->number);
	err = keep(c, path) ?: compose(c, path);
	return err ? say(err, c->step->link, c->why, sizeof(c->why)) : 0;
}

static int apply(struct change *c)
{
	int err = link_state_set(c->link.ifindex, false);

	c->done_ns = clock_mono_ns();
	return err ? say(err, c->step->link, c->why, sizeof(c->why)) : 0;
}

static void tell(const struct change *c, struct json *data, enum change_event event)
{
	json_string(data, "interface", c->step->link);
	if (event != CHANGE_MADE)
		return;
	json_i64(data, "ifindex", c->link.ifindex);
	json_u64(data, "addresses", c->link.addresses);
	json_u64(data, "neighbours", c->link.neighbours);
	json_u64(data, "routes", c->link.routes);
}

const struct change_kind change_link = {
	.name = UNDO_LINK,
	.slow = true,
	.keeps_copies = true,
	.check = check,
	.key = key,
	.prepare = prepare,
	.apply = apply,
	.tell = tell,
};
