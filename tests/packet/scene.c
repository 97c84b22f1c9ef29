/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/scene.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "base/timeutil.h"

#define SCENE_WINDOW_NS (3600 * NS_PER_S)

int world_command(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) ? -EIO : 0;
}

int world_make(void)
{
	if (unshare(CLONE_NEWNET))
		return -errno;
	if (world_command("ip link set lo up && ip link add " NEAR_END " type veth peer name " FAR_END))
		return -EIO;
	return world_command("for i in " NEAR_END " " FAR_END
			     "; do ip link set $i addrgenmode none arp off mtu 9000 "
			     "&& ip link set $i up || exit 1; done");
}

int scene_new(const char *name, struct scene **ret)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->plan.name = (char *)"scene";
	s->plan.targets = s->targets;
	s->plan.steps = s->steps;
	s->plan.rules = s->rules;
	s->interface.name = name;
	s->interface.ifindex = if_nametoindex(name);
	if (!s->interface.ifindex) {
		free(s);
		return -ENODEV;
	}
	*ret = s;
	return 0;
}

void scene_rule(struct scene *s, const struct plan_target *target, const struct plan_fault *fault,
		uint8_t hooks)
{
	size_t n = s->plan.n_rules++;

	s->targets[n] = *target;
	s->targets[n].share = target->share ?: PLAN_ALWAYS;
	s->steps[n].share = PLAN_ALWAYS;
	s->steps[n].fault = *fault;
	s->steps[n].fault.flow_below = fault->flow_below ?: PLAN_ALWAYS;
	s->steps[n].window =
		(struct plan_window){.for_ns = SCENE_WINDOW_NS, .every_ns = SCENE_WINDOW_NS, .times = 1};
	s->target_of_rule[n] = n;
	s->steps[n].targets = &s->target_of_rule[n];
	s->steps[n].n_targets = 1;
	s->rules[n] = (struct plan_rule){.step = n,
					 .target = n,
					 .first_slot = s->plan.n_slots++,
					 .seed = SCENE_SEED + n,
					 .hooks = hooks};
	s->plan.n_targets = s->plan.n_steps = n + 1;
}

int scene_load(struct scene *s)
{
	int err = engine_open(&s->plan, &s->interface, 1, NULL, &s->engine);

	if (!err)
		s->skel = engine_programs(s->engine);
	return err;
}

void scene_arm(struct scene *s)
{
	engine_set_zero(s->engine, clock_mono_ns(), (struct plan_span){0, UINT64_MAX});
	engine_arm(s->engine);
}

int scene_of(const struct plan_target *target, const struct plan_fault *faults, size_t n, struct scene **ret)
{
	static const struct plan_target anything;
	struct scene *s;
	int err = scene_new(NEAR_END, &s);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		scene_rule(s, target ?: &anything, &faults[i], PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	err = scene_load(s);
	if (err) {
		scene_free(s);
		return err;
	}
	scene_arm(s);
	*ret = s;
	return 0;
}

int scene_program(const struct scene *s, enum sp_hook hook)
{
	const struct bpf_program *programs[SP_HOOKS] = {
		[SP_HOOK_XDP] = s->skel->progs.xdp_in,
		[SP_HOOK_TC_IN] = s->skel->progs.tc_in,
		[SP_HOOK_TC_OUT] = s->skel->progs.tc_out,
	};

	return bpf_program__fd(programs[hook]);
}

void scene_free(struct scene *s)
{
	if (!s)
		return;
	engine_close(s->engine);
	free(s);
}

static int run(int fd, struct bpf_test_run_opts *opts, struct ran *ret)
{
	int err;

	opts->data_out = ret->frame;
	opts->data_size_out = sizeof(ret->frame);
	err = bpf_prog_test_run_opts(fd, opts);
	if (err)
		return err;
	ret->action = (int)opts->retval;
	ret->len = opts->data_size_out;
	ret->ns = opts->duration;
	return 0;
}

int run_skb(int fd, int ifindex, uint32_t flags, uint32_t repeat, const void *frame, size_t len,
	    struct ran *ret)
{
	struct __sk_buff skb = {.ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .flags = flags, .repeat = repeat);

	return run(fd, &opts, ret);
}

int run_xdp(int fd, int ifindex, uint32_t repeat, const void *frame, size_t len, struct ran *ret)
{
	struct xdp_md xdp = {.data_end = len, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &xdp,
		    .ctx_size_in = sizeof(xdp), .repeat = repeat);

	return run(fd, &opts, ret);
}

int run_at(const struct scene *s, enum sp_hook hook, const void *frame, size_t len, struct ran *ret)
{
	int fd = scene_program(s, hook);

	if (hook == SP_HOOK_XDP)
		return run_xdp(fd, s->interface.ifindex, 1, frame, len, ret);
	return run_skb(fd, s->interface.ifindex, 0, 1, frame, len, ret);
}

int run_tc(const struct scene *s, const struct frame *f, bool out, uint32_t flags, struct ran *ret)
{
	return run_skb(scene_program(s, out ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN), s->interface.ifindex, flags, 1,
		       f->data, f->len, ret);
}

bool can_complete(int fd, int ifindex)
{
	static struct ran ran;
	struct spec s = packet(0, IPPROTO_UDP, false);
	struct frame f;

	frame_build(&s, &f);
	return !run_skb(fd, ifindex, TEST_CHECKSUM_COMPLETE, 1, f.data, f.len, &ran);
}
