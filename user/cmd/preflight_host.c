/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/delay_backend.h"
#include "cmd/preflight.h"
#include "drill/record.h"
#include "kernel/capabilities.h"
#include "kernel/host.h"

#define MIB (1024 * 1024ULL)
#define MEMORY_BYTES (64 * MIB) /* the maps of a run take about 30 */
#define SPACE_FAIL_BYTES MIB
#define SPACE_WARN_BYTES (100 * MIB)
#define NEEDED_FILES 128
#define OLDEST_MAJOR 6 /* Linux 6.1 is the oldest kernel that runs are tested on */
#define OLDEST_MINOR 1

static void check_privileges(struct preflight *p)
{
	char missing[128];
	int err = capabilities_missing(missing, sizeof(missing));

	p->root = !geteuid();
	if (!p->root)
		check(p, CHECK_FAIL, "root", "run it as root: sudo shearpin ...",
		      "this is user %u; only root may inject faults", geteuid());
	else
		check(p, CHECK_PASS, "root", NULL, "yes");
	if (err)
		check(p, CHECK_SKIP, "capabilities", NULL, "%s", strerror(-err));
	else if (missing[0])
		check(p, CHECK_FAIL, "capabilities",
		      p->root ? "give them to this container or unit (docker: --cap-add, systemd: "
				"CapabilityBoundingSet=)"
			      : "run it as root: sudo shearpin ...",
		      "%s missing", missing);
	else
		check(p, CHECK_PASS, "capabilities", NULL, "BPF, PERFMON, NET_ADMIN and NET_RAW are there");
}

static void check_kernel(struct preflight *p)
{
	unsigned major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		check(p, CHECK_WARN, "kernel", "boot Linux 6.1 or later (6.6 or later has tcx, too)",
		      "Linux %s on %s is older than any that this version was tested on", name.release,
		      name.machine);
	else
		check(p, CHECK_PASS, "kernel", NULL, "Linux %s on %s", name.release, name.machine);
	if (capabilities_btf())
		check(p, CHECK_PASS, "BTF", NULL, "/sys/kernel/btf/vmlinux is there");
	else
		check(p, CHECK_FAIL, "BTF", "boot a kernel with CONFIG_DEBUG_INFO_BTF, as distributions' are",
		      "/sys/kernel/btf/vmlinux can't be read: %s", strerror(errno));
}

static void check_feature(struct preflight *p, const char *name, int has, const char *yes, const char *no,
			  const char *remedy)
{
	if (!p->root)
		check(p, CHECK_SKIP, name, NULL, "needs root");
	else if (has < 0)
		check(p, CHECK_FAIL, name, "see the capabilities above; in a container, its seccomp profile",
		      "can't be tried: %s", strerror(-has));
	else
		check(p, has ? CHECK_PASS : CHECK_FAIL, name, has ? NULL : remedy, "%s", has ? yes : no);
}

static void check_features(struct preflight *p)
{
	bool root = p->root;

	check_feature(p, "BPF JIT", root ? capabilities_jit() : 0, "on", "off; the programs' loops need it",
		      "sysctl net.core.bpf_jit_enable=1");
	check_feature(p, "ring buffer", root ? capabilities_ring_buffer() : 0, "the kernel has it",
		      "the kernel lacks BPF_MAP_TYPE_RINGBUF (Linux 5.8)", "boot Linux 6.1 or later");
	check_feature(p, "bpf_loop", root ? capabilities_bpf_loop() : 0, "the kernel has it",
		      "the kernel lacks the helper (Linux 5.17)", "boot Linux 6.1 or later");
}

static const char *why_not(const struct trial_result *r, char *text, size_t size)
{
	snprintf(text, size, "%s: %s", r->load ? "the programs don't load" : "they load, but don't attach",
		 strerror(-(r->load ?: r->attach)));
	return text;
}

static bool try(enum trial trial, struct trial_result *ret)
{
	int err = capabilities_try(trial, ret);

	if (err)
		*ret = (struct trial_result){.load = err};
	return !ret->load && !ret->attach;
}

/* tcx, or clsact in its place. */
static void check_tc(struct preflight *p)
{
	static const char name[] = "tc programs";
	struct trial_result tcx, clsact;
	char why[160];

	if (p->attach != ATTACH_CLSACT && try(TRIAL_TCX, &tcx)) {
		check(p, CHECK_PASS, name, NULL, "attach with tcx links, which end with the process");
		return;
	}
	p->clsact = true;
	if (p->attach == ATTACH_TCX)
		check(p, CHECK_FAIL, name, "leave --attach away, or boot Linux 6.6 or later", "no tcx: %s",
		      why_not(&tcx, why, sizeof(why)));
	else if (try(TRIAL_CLSACT, &clsact))
		check(p, CHECK_PASS, name, NULL,
		      "attach with clsact%s; after a kill an inert stub stays until the next start or "
		      "`shearpin clear`",
		      p->attach == ATTACH_CLSACT ? "" : ", since this kernel has no tcx");
	else
		check(p, CHECK_FAIL, name,
		      "load the modules sch_ingress and cls_bpf, and see the checks above", "%s",
		      why_not(&clsact, why, sizeof(why)));
}

static void check_programs(struct preflight *p)
{
	struct trial_result r;
	char why[160];

	if (!p->root) {
		p->clsact = p->attach == ATTACH_CLSACT;
		check(p, CHECK_SKIP, "programs", NULL, "need root to be tried");
		return;
	}
	check_tc(p);
	if (try(TRIAL_RESET, &r))
		check(p, CHECK_PASS, "idle connections", NULL, "can be reset (iter/tcp loads)");
	else
		check(p, CHECK_WARN, "idle connections",
		      "boot a kernel with BTF and CONFIG_BPF_SYSCALL, 6.1 or later",
		      "scenarios with `reset` can't run here: %s", why_not(&r, why, sizeof(why)));
	if (try(TRIAL_XDP, &r))
		check(p, CHECK_PASS, "XDP", NULL, "programs load and attach; used with --hook xdp only");
	else
		check(p, CHECK_WARN, "XDP", "leave --hook xdp away: tc does the same", "%s",
		      why_not(&r, why, sizeof(why)));
}

/* Whether a plan can do without is its own check. */
static void check_line(struct preflight *p)
{
	static const char user[] = "delay line (user space)", fq[] = "delay line (in the kernel)";
	int probed = line_probe();

	if (probed == -EPERM) {
		check(p, CHECK_SKIP, user, NULL, "needs root's capabilities to be tried");
		check(p, CHECK_SKIP, fq, NULL, "needs root's capabilities to be tried");
		return;
	}
	if (probed < 0) {
		check(p, CHECK_WARN, user, DELAY_BACKEND_TUN_REMEDY,
		      "scenarios that delay packets can't run here: %s",
		      probed == -ENODEV ? "there is no /dev/net/tun" : strerror(-probed));
		check(p, CHECK_SKIP, fq, NULL, "needs a TAP device, too");
		return;
	}
	check(p, CHECK_PASS, user, NULL, "TAP devices can be made");
	if (probed == LINE_CHOICE_FQ)
		check(p, CHECK_PASS, fq, NULL, "sch_fq, sch_netem and macvlan are there");
	else
		check(p, CHECK_PASS, fq, NULL,
		      "not here (sch_fq, sch_netem or macvlan is missing); user space does the same");
}

static void check_memory(struct preflight *p)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	if (file)
		fclose(file);
	if (!kib)
		check(p, CHECK_SKIP, "memory", NULL, "/proc/meminfo does not tell what is available");
	else if (kib * 1024 < MEMORY_BYTES)
		check(p, CHECK_WARN, "memory", "end something, or drill on a host with more memory",
		      "%" PRIu64 " MiB available; the tables of a run may not fit", kib / 1024);
	else
		check(p, CHECK_PASS, "memory", NULL, "%" PRIu64 " MiB available", kib / 1024);
}

static void check_limits(struct preflight *p)
{
	struct rlimit files = {0}, size = {0};

	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_FSIZE, &size);
	if (files.rlim_cur < NEEDED_FILES)
		check(p, CHECK_WARN, "limits", "ulimit -n 1024", "only %ju open files are allowed",
		      (uintmax_t)files.rlim_cur);
	else if (size.rlim_cur != RLIM_INFINITY)
		check(p, CHECK_WARN, "limits", "ulimit -f unlimited",
		      "files may be no larger than %ju bytes; a longer event log ends the run",
		      (uintmax_t)size.rlim_cur);
	else
		check(p, CHECK_PASS, "limits", NULL, "%ju open files, files of any size",
		      (uintmax_t)files.rlim_cur);
}

static void check_space(struct preflight *p)
{
	const char *where = access("runs", F_OK) ? "." : "runs";
	struct statvfs fs;
	uint64_t bytes;

	if (!p->root) {
		check(p, CHECK_SKIP, "run directory", NULL, "whether root can write here needs root to tell");
		return;
	}
	if (access(where, W_OK | X_OK) || statvfs(where, &fs)) {
		check(p, CHECK_FAIL, "run directory",
		      "change to a directory that can be written, or give `run` --out",
		      "%s can't be written: %s", where, strerror(errno));
		return;
	}
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	check(p,
	      bytes < SPACE_FAIL_BYTES   ? CHECK_FAIL
	      : bytes < SPACE_WARN_BYTES ? CHECK_WARN
					 : CHECK_PASS,
	      "run directory", bytes < SPACE_WARN_BYTES ? "make room, or give `run` --out elsewhere" : NULL,
	      "%" PRIu64 " MiB free for runs/ here", (uint64_t)(bytes / MIB));
}

static bool can_record(void)
{
	return !access(access(HOST_RECORDS, F_OK) ? "/run" : HOST_RECORDS, W_OK | X_OK);
}

static void check_runs(struct preflight *p)
{
	struct host_run *runs;
	unsigned live = 0, dead = 0;
	struct buf names = {0};
	size_t n;
	int err = host_runs(&runs, &n);

	if (err) {
		check(p, CHECK_SKIP, "other runs", NULL, HOST_RECORDS ": %s", strerror(-err));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct record *record = NULL;

		live += runs[i].alive;
		dead += !runs[i].alive;
		record_read(runs[i].json, &record);
		if (runs[i].alive)
			buf_printf(&names, "%s%s (%d)", names.len ? ", " : "", record ? record->name : "?",
				   runs[i].pid);
		record_free(record);
	}
	if (p->root && !can_record())
		check(p, CHECK_FAIL, "other runs", "mount a tmpfs there, or /run writable",
		      "a run can't be recorded in " HOST_RECORDS ": %s", strerror(errno));
	else if (dead)
		check(p, CHECK_WARN, "other runs", "shearpin clear",
		      "%u %s killed and left a record; nothing of that acts", dead,
		      dead == 1 ? "was" : "were");
	else if (live)
		check(p, CHECK_WARN, "other runs",
		      "wait, or end them with `shearpin clear`; on other interfaces they do no harm",
		      "active: %s", names.data ?: "");
	else
		check(p, CHECK_PASS, "other runs", NULL, "none is active");
	buf_free(&names);
	host_runs_free(runs, n);
}

void preflight_host(struct preflight *p)
{
	check_privileges(p);
	check_kernel(p);
	check_features(p);
	check_programs(p);
	check_line(p);
	check_memory(p);
	check_limits(p);
	check_space(p);
	check_runs(p);
}
