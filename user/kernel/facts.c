/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "kernel/engine.h"
#include "kernel/rtnl.h"
#include "shearpin.skel.h"

#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define NS_PER_US 1000

const char *facts_offload_name(enum facts_offload offload)
{
	static const char *const names[] = {
		[OFFLOAD_RX_CHECKSUM] = "rx_checksum",
		[OFFLOAD_TX_CHECKSUM] = "tx_checksum",
		[OFFLOAD_GRO] = "gro",
		[OFFLOAD_GSO] = "gso",
		[OFFLOAD_TSO] = "tso",
		[OFFLOAD_LRO] = "lro",
	};

	return names[offload];
}

/* 0 or a negative errno; -EOPNOTSUPP is common. */
static int ask_ethtool(int fd, const char *name, void *command)
{
	struct ifreq request = {.ifr_data = command};

	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static void copy_name(char *to, size_t size, const char *from, size_t most)
{
	snprintf(to, size, "%.*s", (int)strnlen(from, most), from);
}

static void read_driver(int fd, const char *name, struct device_facts *f)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};

	if (ask_ethtool(fd, name, &info))
		return;
	copy_name(f->driver, sizeof(f->driver), info.driver, sizeof(info.driver));
	copy_name(f->firmware, sizeof(f->firmware), info.fw_version, sizeof(info.fw_version));
	copy_name(f->bus, sizeof(f->bus), info.bus_info, sizeof(info.bus_info));
}

static void read_offloads(int fd, const char *name, struct device_facts *f)
{
	static const struct {
		uint32_t command, mask;
	} asks[OFFLOADS] = {
		[OFFLOAD_RX_CHECKSUM] = {ETHTOOL_GRXCSUM, ~0U},
		[OFFLOAD_TX_CHECKSUM] = {ETHTOOL_GTXCSUM, ~0U},
		[OFFLOAD_GRO] = {ETHTOOL_GGRO, ~0U},
		[OFFLOAD_GSO] = {ETHTOOL_GGSO, ~0U},
		[OFFLOAD_TSO] = {ETHTOOL_GTSO, ~0U},
		[OFFLOAD_LRO] = {ETHTOOL_GFLAGS, ETH_FLAG_LRO},
	};

	for (int i = 0; i < OFFLOADS; i++) {
		struct ethtool_value value = {.cmd = asks[i].command};

		if (ask_ethtool(fd, name, &value))
			return;
		f->offloads[i] = value.data & asks[i].mask;
	}
	f->offloads_known = true;
}

/* The first call tells how many words its masks have, as a negative number. */
static void read_speed(int fd, const char *name, struct device_facts *f)
{
	union {
		struct ethtool_link_settings settings;
		uint32_t words[sizeof(struct ethtool_link_settings) / 4 + 3 * 128];
	} ask = {.settings = {.cmd = ETHTOOL_GLINKSETTINGS}};

	if (ask_ethtool(fd, name, &ask) || ask.settings.link_mode_masks_nwords >= 0)
		return;
	ask.settings.link_mode_masks_nwords = -ask.settings.link_mode_masks_nwords;
	ask.settings.cmd = ETHTOOL_GLINKSETTINGS;
	if (!ask_ethtool(fd, name, &ask) && ask.settings.speed != (uint32_t)SPEED_UNKNOWN)
		f->speed_mbit = ask.settings.speed;
}

static int read_mtu(int fd, const char *name, struct device_facts *f)
{
	struct ifreq request = {0};

	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		return -errno;
	f->mtu = request.ifr_mtu;
	return 0;
}

struct root {
	int ifindex;
	char *kind; /* of IF_NAMESIZE bytes */
};

static int on_qdisc(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct root *root = arg;
	const struct nlattr *attr;

	if (tc->tcm_ifindex != root->ifindex || tc->tcm_parent != TC_H_ROOT)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*tc))
	{
		if (mnl_attr_get_type(attr) == TCA_KIND)
			snprintf(root->kind, IF_NAMESIZE, "%s", mnl_attr_get_str(attr));
	}
	return MNL_CB_OK;
}

static int read_qdisc(int ifindex, struct device_facts *f)
{
	struct root root = {ifindex, f->qdisc};
	struct rtnl_request request = {0};
	struct tcmsg *tc;

	rtnl_begin(&request, RTM_GETQDISC, NLM_F_DUMP);
	tc = mnl_nlmsg_put_extra_header(&request.header, sizeof(*tc));
	tc->tcm_ifindex = ifindex;
	return rtnl_ask(&request.header, on_qdisc, &root);
}

int facts_device(const char *name, int ifindex, struct device_facts *ret_facts)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct device_facts f = {0};
	int err;

	if (fd < 0)
		return -errno;
	err = read_mtu(fd, name, &f);
	if (!err) {
		read_driver(fd, name, &f);
		read_offloads(fd, name, &f);
		read_speed(fd, name, &f);
		err = read_qdisc(ifindex, &f);
	}
	close(fd);
	if (!err)
		*ret_facts = f;
	return err;
}

static void read_clock_source(char *text, size_t size)
{
	int fd = open(CLOCK_SOURCE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

int facts_clock(struct clock_facts *ret_facts)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	if (state < 0)
		return -errno;
	*ret_facts = (struct clock_facts){
		.synchronised = state != TIME_ERROR && !(t.status & STA_UNSYNC),
		.offset_ns = t.status & STA_NANO ? t.offset : t.offset * NS_PER_US,
		.max_error_ns = (uint64_t)t.maxerror * NS_PER_US,
		.error_ns = (uint64_t)t.esterror * NS_PER_US,
		.tai_s = t.tai,
	};
	read_clock_source(ret_facts->source, sizeof(ret_facts->source));
	return 0;
}

int facts_programs(struct engine *engine, void (*call)(void *arg, const char *name, const char *tag),
		   void *arg)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, engine_programs(engine)->obj)
	{
		struct bpf_prog_info info = {0};
		char tag[2 * BPF_TAG_SIZE + 1];
		__u32 len = sizeof(info);
		int fd = bpf_program__fd(program);

		if (fd < 0) /* this plan has no use for it */
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &len))
			return -errno;
		for (int i = 0; i < BPF_TAG_SIZE; i++)
			snprintf(tag + 2 * i, 3, "%02x", info.tag[i]);
		call(arg, bpf_program__name(program), tag);
	}
	return 0;
}
