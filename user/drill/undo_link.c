/* SPDX-License-Identifier: BSD-2-Clause */
/* An interface that was set down is up again, with all that it had. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/read_file.h"
#include "drill/undo_kinds.h"
#include "drill/undo_netns.h"
#include "kernel/link_state.h"

#define KEPT_MOST (256 * 1024 * 1024)

struct link {
	const char *name;
	int ifindex;
	struct buf kept;
	bool changed;
};

static int put_back(void *arg)
{
	struct link *l = arg;

	return link_state_put_back(l->name, l->ifindex, l->kept.data, l->kept.len, &l->changed);
}

static enum undo_result say(enum undo_result result, char *ret_reason, size_t size, const char *text)
{
	snprintf(ret_reason, size, "%s", text);
	return result;
}

static enum undo_result put_back_there(struct link *l, const json_t *netns, char *ret_reason, size_t size)
{
	int err = undo_netns_call(netns, put_back, l);

	if (err == -ENODEV)
		return say(UNDO_NOT_NEEDED, ret_reason, size, "the interface is gone");
	if (err == -ENOENT)
		return say(UNDO_FAILED, ret_reason, size, "its network namespace is not found any more");
	if (err == -EBADMSG)
		return say(UNDO_FAILED, ret_reason, size, "what was kept of it can't be read");
	if (err)
		return say(UNDO_FAILED, ret_reason, size, strerror(-err));
	if (!l->changed)
		return say(UNDO_NOT_NEEDED, ret_reason, size, "the interface is up, and nothing is missing");
	return UNDO_TAKEN_BACK;
}

enum undo_result undo_link(void *arg, const json_t *data, bool this_boot, char *ret_reason, size_t size)
{
	const char *kept = json_string_value(json_object_get(data, "kept"));
	struct link l = {
		.name = json_string_value(json_object_get(data, "interface")),
		.ifindex = json_integer_value(json_object_get(data, "ifindex")),
	};
	enum undo_result result;
	int err;

	(void)arg;
	if (!l.name || !kept)
		return say(UNDO_FAILED, ret_reason, size, "the journal does not say which interface");
	if (!this_boot)
		return say(UNDO_NOT_NEEDED, ret_reason, size, "this host has been booted since");
	err = read_file(kept, KEPT_MOST, &l.kept, NULL);
	result = err ? say(UNDO_FAILED, ret_reason, size, strerror(-err))
		     : put_back_there(&l, json_object_get(data, "netns"), ret_reason, size);
	buf_free(&l.kept);
	return result;
}
