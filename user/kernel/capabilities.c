/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/capabilities.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>

#include "base/timeutil.h"
#include "kernel/engine.h"

#define LOOPBACK_INDEX 1 /* of `lo` in every network namespace */

static const struct {
	const char *name;
	int number, substitute; /* either will do */
} needed[] = {
	{"CAP_BPF", CAP_BPF, CAP_SYS_ADMIN},
	{"CAP_PERFMON", CAP_PERFMON, CAP_SYS_ADMIN},
	{"CAP_NET_ADMIN", CAP_NET_ADMIN, CAP_NET_ADMIN},
	{"CAP_NET_RAW", CAP_NET_RAW, CAP_NET_RAW},
};

static bool has(const struct __user_cap_data_struct *data, int number)
{
	return data[CAP_TO_INDEX(number)].effective & CAP_TO_MASK(number);
}

int capabilities_missing(char *text, size_t size)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	size_t len = 0;

	text[0] = '\0';
	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed) && len < size; i++)
		if (!has(data, needed[i].number) && !has(data, needed[i].substitute))
			len += snprintf(text + len, size - len, "%s%s", len ? ", " : "", needed[i].name);
	return 0;
}

int capabilities_ring_buffer(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL);
}

int capabilities_bpf_loop(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, NULL);
}

bool capabilities_btf(void)
{
	return !access("/sys/kernel/btf/vmlinux", R_OK);
}

/* The setting is hidden from other network namespaces; a program that is loaded shows what it does. */
int capabilities_jit(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "sp_jit", "GPL", insns, 2, NULL);
	int err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno : 0;
	close(fd);
	return err ?: info.jited_prog_len > 0;
}

/* One rule, for a port that nothing uses. */
struct trial_plan {
	struct plan plan;
	struct plan_target target;
	struct port_range port;
	struct plan_step step;
	struct plan_rule rule;
	size_t first;
};

static void make_plan(struct trial_plan *t, enum trial trial)
{
	*t = (struct trial_plan){
		.port = {1, 1},
		.target = {.name = "trial",
			   .proto = IPPROTO_TCP,
			   .remote_ports = &t->port,
			   .n_remote_ports = 1,
			   .direction = PLAN_BOTH,
			   .share = PLAN_ALWAYS},
		.step = {.name = "trial",
			 .window = {.for_ns = NS_PER_S, .every_ns = NS_PER_S, .times = 1},
			 .targets = &t->first,
			 .n_targets = 1},
		.plan = {.name = "trial",
			 .targets = &t->target,
			 .n_targets = 1,
			 .steps = &t->step,
			 .n_steps = 1,
			 .rules = &t->rule,
			 .n_rules = 1,
			 .n_slots = 1},
	};
	if (trial == TRIAL_RESET)
		t->step.fault = (struct plan_fault){.reset_ends = PLAN_END_LOCAL | PLAN_END_REMOTE,
						    .flow_below = PLAN_ALWAYS};
	else
		t->step.fault = (struct plan_fault){.drop_below = PLAN_ALWAYS};
	plan_choose_hooks(&t->plan, trial == TRIAL_XDP ? HOOK_XDP : HOOK_TC);
}

static void try_here(enum trial trial, struct trial_result *ret_result)
{
	static const enum attach_mode modes[] = {[TRIAL_TCX] = ATTACH_TCX,
						 [TRIAL_CLSACT] = ATTACH_CLSACT,
						 [TRIAL_RESET] = ATTACH_AUTO,
						 [TRIAL_XDP] = ATTACH_AUTO};
	const struct engine_interface interface = {"lo", LOOPBACK_INDEX};
	struct engine *engine = NULL;
	struct trial_plan t;
	const char *culprit;

	make_plan(&t, trial);
	*ret_result = (struct trial_result){0};
	ret_result->load = engine_open(&t.plan, &interface, 1, NULL, &engine);
	if (!ret_result->load)
		ret_result->attach = engine_attach(engine, modes[trial], &culprit);
	engine_close(engine);
}

static void child(enum trial trial, int fd)
{
	struct trial_result result;
	ssize_t n;

	if (unshare(CLONE_NEWNET))
		result = (struct trial_result){.load = -errno};
	else
		try_here(trial, &result);
	n = write(fd, &result, sizeof(result));
	_exit(n != sizeof(result));
}

int capabilities_try(enum trial trial, struct trial_result *ret_result)
{
	int fds[2], err = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		child(trial, fds[1]);
	if (pid < 0)
		err = -errno;
	close(fds[1]);
	if (!err && read(fds[0], ret_result, sizeof(*ret_result)) != sizeof(*ret_result))
		err = -ECHILD;
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return err;
}
