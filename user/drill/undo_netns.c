/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/undo_netns.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "kernel/netns.h"

static int call_first(uint64_t inode, const char *name, int (*call)(void *arg), void *arg)
{
	struct netns *list;
	size_t n;
	int err = netns_list(&list, &n), result = -ENOENT;

	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		if (name ? !strcmp(list[i].name, name) : list[i].inode == inode) {
			result = netns_call(&list[i], call, arg);
			break;
		}
	free(list);
	return result;
}

struct guarded {
	uint64_t cookie;
	int (*call)(void *arg);
	void *arg;
};

/* A namespace that is gone leaves its inode's number to others. */
static int call_if_same(void *arg)
{
	const struct guarded *g = arg;
	uint64_t cookie;
	int err = netns_cookie(&cookie);

	if (!err && cookie != g->cookie)
		err = -ENOENT;
	return err ?: g->call(g->arg);
}

int undo_netns_call(const json_t *netns, int (*call)(void *arg), void *arg)
{
	struct guarded guarded = {json_integer_value(json_object_get(netns, "cookie")), call, arg};

	return call_first(json_integer_value(json_object_get(netns, "inode")), NULL, call_if_same, &guarded);
}

int undo_netns_call_by_name(const json_t *netns, int (*call)(void *arg), void *arg)
{
	const char *name = json_string_value(json_object_get(netns, "name"));

	return name ? call_first(0, name, call, arg) : call(arg);
}
