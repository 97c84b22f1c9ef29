/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/occupants.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "kernel/rtnl.h"

#define MAX_PROGRAMS 64

struct list {
	struct occupant *items;
	size_t n;
	int ifindex;
	bool egress;
};

static int add(struct list *list, const struct occupant *occupant)
{
	struct occupant *items = realloc(list->items, (list->n + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n++] = *occupant;
	return 0;
}

/* Everything of one kind on one interface. A qdisc that isn't there has no filters. */
static int dump(uint16_t type, uint32_t parent, mnl_cb_t call, struct list *list)
{
	struct rtnl_request request = {0};
	struct tcmsg *tc;
	int err;

	rtnl_begin(&request, type, NLM_F_DUMP);
	tc = mnl_nlmsg_put_extra_header(&request.header, sizeof(*tc));
	tc->tcm_ifindex = list->ifindex;
	tc->tcm_parent = parent;
	err = rtnl_ask(&request.header, call, list);
	return err == -EINVAL ? 0 : err;
}

/* The name of the BPF program in a filter's options, if it is one. */
static void read_filter_name(const struct nlattr *filter_options, char *name, size_t size)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, filter_options)
	{
		if (mnl_attr_get_type(attr) == TCA_BPF_ID)
			occupants_program_name(mnl_attr_get_u32(attr), name, size);
	}
}

static int read_tc(const struct nlmsghdr *message, struct list *list, struct occupant *occupant)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *filter_options = NULL;

	if (tc->tcm_ifindex != list->ifindex)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*tc))
	{
		if (mnl_attr_get_type(attr) == TCA_KIND)
			snprintf(occupant->name, sizeof(occupant->name), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == TCA_OPTIONS)
			filter_options = attr;
	}
	if (filter_options && !strcmp(occupant->name, "bpf"))
		read_filter_name(filter_options, occupant->name, sizeof(occupant->name));
	errno = -add(list, occupant);
	return errno ? MNL_CB_ERROR : MNL_CB_OK;
}

static int on_filter(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct list *list = arg;
	struct occupant occupant = {.kind = OCCUPANT_FILTER,
				    .egress = list->egress,
				    .handle = tc->tcm_handle,
				    .priority = TC_H_MAJ(tc->tcm_info) >> 16};

	/* Without a handle it is the head of a priority, and its filters follow. */
	return tc->tcm_handle ? read_tc(message, list, &occupant) : MNL_CB_OK;
}

static int on_qdisc(const struct nlmsghdr *message, void *arg)
{
	struct occupant occupant = {.kind = OCCUPANT_QDISC};

	return read_tc(message, arg, &occupant);
}

static int add_filters(struct list *list, bool egress)
{
	list->egress = egress;
	return dump(RTM_GETTFILTER, TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
		    on_filter, list);
}

void occupants_program_name(uint32_t id, char *text, size_t size)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.name[0])
		snprintf(text, size, "%s", info.name);
	else
		snprintf(text, size, "program %" PRIu32, id);
	if (fd >= 0)
		close(fd);
}

/* A kernel without tcx has no such programs. */
static int add_tcx(struct list *list, bool egress)
{
	__u32 ids[MAX_PROGRAMS] = {0};
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = MAX_PROGRAMS);
	int err = bpf_prog_query_opts(list->ifindex, egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS, &opts);

	if (err)
		return err == -EINVAL || err == -ENOENT ? 0 : err;
	for (__u32 i = 0; !err && i < opts.prog_cnt && i < MAX_PROGRAMS; i++) {
		struct occupant occupant = {.kind = OCCUPANT_TCX, .egress = egress};

		occupants_program_name(ids[i], occupant.name, sizeof(occupant.name));
		err = add(list, &occupant);
	}
	return err;
}

int occupants_find(int ifindex, struct occupant **ret_list, size_t *ret_n)
{
	struct list list = {.ifindex = ifindex};
	int err = 0;

	for (int egress = 0; !err && egress < 2; egress++) {
		err = add_tcx(&list, egress);
		if (!err)
			err = add_filters(&list, egress);
	}
	if (!err)
		err = dump(RTM_GETQDISC, 0, on_qdisc, &list);
	if (err) {
		free(list.items);
		return err;
	}
	*ret_list = list.items;
	*ret_n = list.n;
	return 0;
}

int occupants_has_filter(int ifindex)
{
	struct list list = {.ifindex = ifindex};
	int err = add_filters(&list, false);

	if (!err)
		err = add_filters(&list, true);
	free(list.items);
	return err ?: list.n > 0;
}
