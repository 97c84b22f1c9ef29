/* SPDX-License-Identifier: BSD-2-Clause */
/* One request to rtnetlink in the current network namespace, and its answers. */
#ifndef SHEARPIN_RTNL_H
#define SHEARPIN_RTNL_H

#include <stdint.h>

#include <libmnl/libmnl.h>

struct rtnl_request {
	union {
		struct nlmsghdr header;
		char bytes[1024];
	};
};

/* Start a request; the caller puts a header and attributes behind it. flags: NLM_F_CREATE, NLM_F_DUMP, ... */
struct nlmsghdr *rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags);

/* Send it, hand every message of the answer to `call` (NULL: none is expected), wait for the end. 0 or a negative errno. */
int rtnl_ask(struct nlmsghdr *request, mnl_cb_t call, void *arg);

#endif
