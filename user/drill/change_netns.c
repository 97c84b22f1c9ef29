/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/change_netns.h"

#include <stddef.h>

#include "base/json.h"
#include "kernel/netns.h"

int change_put_netns(struct json *j)
{
	struct netns_identity netns;
	int err = netns_own(&netns);

	if (err)
		return err;
	json_object(j, "netns");
	json_u64(j, "inode", netns.inode);
	json_u64(j, "cookie", netns.cookie);
	json_string(j, "name", netns.name[0] ? netns.name : NULL);
	json_end_object(j);
	return 0;
}
