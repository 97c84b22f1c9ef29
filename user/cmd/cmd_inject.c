/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin inject: one fault, now. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/drill_command.h"

struct inject_args {
	struct drill_args drill;
	const char *duration, *proto, *remote, *remote_port, *local_port, *direction, *share, *repeat, *burst,
		*seed, *netem, *host, *cgroup, *unit, *pid;
	bool anything;
};

#define WORD(name, member, argument, help)                                                                   \
	{                                                                                                    \
		name, 0, OPTION_STRING, offsetof(struct inject_args, member), argument, NULL, help           \
	}

static const struct option_spec options[] = {
	WORD("for", duration, "D", "how long: 20s, 250ms (must be given)"),
	WORD("proto", proto, "P", "tcp, udp or icmp; otherwise any"),
	WORD("remote", remote, "A[,A]", "addresses or prefixes of the other side"),
	WORD("host", host, "NAME[,NAME]",
	     "names of the other side, looked up at the start and again during the run"),
	WORD("remote-port", remote_port, "P[,P]", "its ports, or ranges like 30001-30013"),
	WORD("local-port", local_port, "P[,P]", "this side's ports"),
	WORD("cgroup", cgroup, "PATH",
	     "only what processes of this cgroup send and receive: /system.slice/a.service"),
	WORD("unit", unit, "UNIT", "... of this unit of systemd: a.service"),
	WORD("pid", pid, "PID", "... this process alone"),
	WORD("direction", direction, "in|out|both", "otherwise both"),
	WORD("share", share, "PERCENT", "only this share of the flows"),
	WORD("repeat", repeat, "N/D", "N times, D from opening to opening: 3/60s"),
	WORD("burst", burst, "ON/OFF", "within the window, ON of fault and OFF of none: 5s/15s"),
	WORD("netem", netem, "WORDS",
	     "more of the fault, in the words of tc-netem: 'delay 100ms 10ms 25% loss 5%'"),
	WORD("seed", seed, "N", "the same seed gives the same faults; otherwise drawn"),
	{"anything", 0, OPTION_FLAG, offsetof(struct inject_args, anything), NULL, NULL,
	 "allow a fault that names no address, port or owner"},
	DRILL_OPTIONS(struct inject_args),
};

static const struct command_spec command = {
	.name = "inject",
	.synopsis = "FAULT...|--netem WORDS --for D [OPTION...]",
	.about =
		"Injects one fault now. FAULT is one or more of\n"
		"  drop                      lose every packet (with percent=25%: that share)\n"
		"  loss=5%                   lose at random; loss=every:10; loss=gemodel:p=1%,r=10%\n"
		"  reset=both|local|remote   reset connections\n"
		"  refuse=tcp-reset|icmp-port|icmp-host|icmp-admin\n"
		"  delay=250ms               with jitter=30ms, "
		"distribution=uniform|normal|pareto|paretonormal,\n"
		"                            percent=10%\n"
		"  rate=1mbit                with burst=15KB\n"
		"  duplicate=1%  corrupt=1%  with checksum=wrong|valid\n"
		"  reorder=25%               with delay; reorder=jitter; reorder=percent=25%,by=3ms,gap=5\n"
		"  dns=nxdomain|servfail|refused|timeout\n"
		"                            with names=*.example.com,api.example.org\n"
		"  http=503                  with paths=/api/*,/health retry_after=30s (HTTP/1.x in the "
		"clear)\n"
		"  answer=503                new connections get this answer, HTTPS too:\n"
		"                            'answer={status: 429, headers: {Retry-After: 30}, body: \"slow "
		"down\",\n"
		"                            certificate: cert.pem, key: key.pem}'\n"
		"  ntp=+80ms                 'ntp=+80ms..-80ms over 60s'\n"
		"  stall                     a peer that reads nothing\n"
		"  limit=64KB                with then=reset|drop|fin\n"
		"  rate_limit=10/s           with then=refuse|reset\n"
		"  disconnects=0.05/min      slow_close=5s  half_open\n"
		"  mtu=1400                  with icmp=true: the sender is told\n"
		"and loss_correlation=, jitter_correlation=, duplicate_correlation=, corrupt_correlation=,\n"
		"reorder_correlation=, loss_as=wire|local. Values of several keys may be in braces, as in a\n"
		"scenario: 'reorder={percent: 25%, by: 3ms}'.\n\n"
		"  shearpin inject reset=both --proto tcp --remote 10.1.0.2 --remote-port 40001 --for 20s\n"
		"  shearpin inject delay=250ms jitter=30ms --remote 10.2.0.0/16 --remote-port 5432 --for "
		"30s\n"
		"  shearpin inject --netem 'delay 100ms 10ms 25% loss 5%' --remote 10.2.0.0/16 --for 30s",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.max_words = ANY_WORDS,
	.words = "a fault",
};

static int inject(const struct inject_args *args, const struct words *faults,
		  const struct scenario_options *scenario, int argc, char **argv)
{
	const struct inject_words words = {
		.faults = faults->items,
		.n_faults = faults->count,
		.netem = args->netem,
		.duration = args->duration,
		.proto = args->proto,
		.remote = args->remote,
		.remote_port = args->remote_port,
		.local_port = args->local_port,
		.direction = args->direction,
		.share = args->share,
		.repeat = args->repeat,
		.burst = args->burst,
		.seed = args->seed,
		.host = args->host,
		.cgroup = args->cgroup,
		.unit = args->unit,
		.pid = args->pid,
		.interface = args->drill.interface,
		.anything = args->anything,
	};
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;
	int err = scenario_from_words(&words, scenario, &plan, &errors);

	if (err) {
		fprintf(stderr, "%s", errors.text ?: "shearpin inject: out of memory\n");
		free(errors.text);
		return err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE;
	}
	return drill_command(&command, &args->drill, plan, NULL, 0, argc, argv);
}

int cmd_inject(int argc, char **argv)
{
	struct inject_args args = {0};
	struct setting *meta = NULL;
	struct words words;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	status = STATUS_USAGE;
	if (!words.count && !args.netem) {
		usage_error(&command, "missing argument: %s", command.words);
	} else if (settings_parse(&command, "meta", &args.drill.meta, &meta)) {
		const struct scenario_options scenario = {.meta = meta,
							  .n_meta = args.drill.meta.count,
							  .evidence = args.drill.evidence,
							  .capture = args.drill.capture};

		status = inject(&args, &words, &scenario, argc, argv);
	}
	settings_free(meta, args.drill.meta.count);
	options_free(&command, &args);
	return status;
}
