/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

int counters_open(uint32_t map_id, int *ret_fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(map_id);
	int err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno : 0;
	if (!err && (info.type != BPF_MAP_TYPE_PERCPU_ARRAY || info.value_size != sizeof(struct sp_counters)))
		err = -EPROTO;
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static void add(struct sp_counters *to, const struct sp_counters *c)
{
	to->matched += c->matched;
	to->bytes += c->bytes;
	for (int v = 0; v < SP_VERDICTS; v++)
		to->verdict[v] += c->verdict[v];
	if (c->first_ns && (!to->first_ns || c->first_ns < to->first_ns))
		to->first_ns = c->first_ns;
	if (c->last_ns > to->last_ns)
		to->last_ns = c->last_ns;
	to->flows += c->flows;
	to->untracked += c->untracked;
	to->failed += c->failed;
}

int counters_read(int fd, uint32_t first, uint32_t n, struct sp_counters *ret_sum)
{
	int n_cpus = libbpf_num_possible_cpus(), err = 0;
	struct sp_counters *each;

	if (n_cpus < 0)
		return n_cpus;
	each = calloc(n_cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	memset(ret_sum, 0, sizeof(*ret_sum));
	for (uint32_t slot = first; !err && slot < first + n; slot++) {
		err = bpf_map_lookup_elem(fd, &slot, each) ? -errno : 0;
		for (int i = 0; !err && i < n_cpus; i++)
			add(ret_sum, &each[i]);
	}
	free(each);
	return err;
}

bool counters_balanced(const struct sp_counters *c)
{
	uint64_t sum = 0;

	for (int v = 0; v < SP_VERDICTS; v++)
		sum += c->verdict[v];
	return sum == c->matched;
}

void counters_tell(struct json *j, const struct sp_counters *c)
{
	json_u64(j, "matched", c->matched);
	json_u64(j, "passed", c->verdict[SP_PASS]);
	json_u64(j, "dropped", c->verdict[SP_DROP]);
	json_u64(j, "reset", c->verdict[SP_RESET]);
	json_u64(j, "refused", c->verdict[SP_REFUSE]);
	json_u64(j, "delayed", c->verdict[SP_DELAY]);
	json_u64(j, "duplicated", c->verdict[SP_DUPLICATE]);
	json_u64(j, "altered", c->verdict[SP_ALTER]);
	json_u64(j, "suppressed", c->verdict[SP_SUPPRESS]);
	json_u64(j, "bytes", c->bytes);
}
