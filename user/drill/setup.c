/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/timeutil.h"
#include "base/write.h"
#include "drill/facts.h"
#include "drill/setup_aside.h"
#include "kernel/attach.h"
#include "kernel/lifeline.h"

struct refusal {
	char *text;
	size_t size;
};

static enum drill_outcome refuse(const struct refusal *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum drill_outcome refuse(const struct refusal *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->text, r->size, format, args);
	va_end(args);
	return DRILL_REFUSED;
}

static int add_interface(struct plan *plan, const char *name)
{
	char **names;

	for (size_t i = 0; i < plan->n_interfaces; i++)
		if (!strcmp(plan->interfaces[i], name))
			return 0;
	names = realloc(plan->interfaces, (plan->n_interfaces + 1) * sizeof(*names));
	if (!names)
		return -ENOMEM;
	plan->interfaces = names;
	names[plan->n_interfaces] = strdup(name);
	if (!names[plan->n_interfaces])
		return -ENOMEM;
	plan->n_interfaces++;
	return 0;
}

static enum drill_outcome route_target(struct plan *plan, const struct plan_target *t,
				       const struct refusal *r)
{
	char name[IF_NAMESIZE], address[64];

	if (!t->n_remotes)
		return refuse(r,
			      "the target %s names no address, so no route tells its interface; name it with "
			      "`interface:` or --interface",
			      t->name);
	for (size_t i = 0; i < t->n_remotes; i++) {
		int err = netdev_route(&t->remotes[i], name);

		format_prefix(&t->remotes[i], address, sizeof(address));
		if (err)
			return refuse(r,
				      "no route to %s of the target %s: %s; name the interface with "
				      "`interface:` or "
				      "--interface",
				      address, t->name, strerror(-err));
		if (add_interface(plan, name))
			return refuse(r, "out of memory");
	}
	return DRILL_DONE;
}

static enum drill_outcome find_interfaces(struct plan *plan, const struct refusal *r)
{
	bool given = plan->n_interfaces > 0;

	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct plan_target *t = &plan->targets[i];
		enum drill_outcome outcome = DRILL_DONE;

		if (plan_target_is_spare(plan, i))
			continue;
		for (size_t k = 0; k < t->n_interfaces; k++)
			if (add_interface(plan, t->interfaces[k]))
				return refuse(r, "out of memory");
		if (!given && !t->n_interfaces)
			outcome = route_target(plan, t, r);
		if (outcome != DRILL_DONE)
			return outcome;
	}
	return DRILL_DONE;
}

bool drill_interfaces(struct plan *plan, char *ret_reason, size_t size)
{
	struct refusal r = {ret_reason, size};

	return find_interfaces(plan, &r) == DRILL_DONE;
}

/* A broken policy may forbid anything: it allows nothing. */
static enum drill_outcome read_policies(struct setup *s, const struct drill_options *options,
					const struct refusal *r)
{
	if (!policies_open(&s->policies, options->policies, options->n_policies, &s->mistakes))
		return DRILL_DONE;
	return refuse(r, s->mistakes ? "a broken policy allows no run" : "out of memory");
}

static enum drill_outcome check_policies(const struct setup *s, const struct plan *plan,
					 const struct refusal *r)
{
	return policies_check(&s->policies, plan, r->text, r->size) ? DRILL_REFUSED : DRILL_DONE;
}

static bool uses_xdp(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].hooks & PLAN_HOOK_XDP)
			return true;
	return false;
}

/* Another's XDP program stays where it is; the rules move to tc. */
static void avoid_xdp(struct setup *s, struct plan *plan)
{
	if (!uses_xdp(plan))
		return;
	for (size_t i = 0; i < s->n_interfaces; i++)
		if (s->devices[i].xdp_prog) {
			s->xdp_taken = s->interfaces[i].name;
			plan_choose_hooks(plan, HOOK_TC);
			for (size_t k = 0; k < plan->n_rules; k++)
				if (plan->rules[k].why_in)
					plan->rules[k].why_in = "the interface has another's XDP program";
			return;
		}
}

static bool is_line(const char *name)
{
	size_t prefix = strlen(LINE_NAME);

	return !strncmp(name, LINE_NAME, prefix) && name[prefix] &&
	       !name[prefix + strspn(name + prefix, "0123456789")];
}

static enum drill_outcome claim(struct setup *s, struct plan *plan, const struct refusal *r)
{
	s->interfaces = calloc(plan->n_interfaces + 1, sizeof(*s->interfaces));
	s->devices = calloc(plan->n_interfaces + 1, sizeof(*s->devices));
	s->claims = calloc(plan->n_interfaces + 1, sizeof(*s->claims));
	if (!s->interfaces || !s->devices || !s->claims)
		return refuse(r, "out of memory");
	for (size_t i = 0; i < plan->n_interfaces; i++) {
		const char *name = plan->interfaces[i];
		int err = netdev_find(name, &s->devices[i]);

		if (err == -ENODEV)
			return refuse(r, "there is no interface %s here; `ip link` lists those there are",
				      name);
		if (err)
			return refuse(r, "can't look up the interface %s: %s", name, strerror(-err));
		if (is_line(name))
			return refuse(r, "the interface %s is a delay line of shearpin's own", name);
		if (!netdev_is_ethernet(&s->devices[i]))
			return refuse(r,
				      "the interface %s carries no Ethernet frames, which this version needs",
				      name);
		err = host_claim(s->devices[i].ifindex, &s->claims[i]);
		if (err == -EADDRINUSE)
			return refuse(r, "another run has the interface %s; see `shearpin status`", name);
		if (err)
			return refuse(r, "can't claim the interface %s: %s", name, strerror(-err));
		s->interfaces[i] = (struct engine_interface){name, s->devices[i].ifindex};
		s->n_interfaces++;
	}
	avoid_xdp(s, plan);
	return DRILL_DONE;
}

static enum drill_outcome open_line(struct setup *s, const struct plan *plan,
				    const struct drill_options *options, const struct refusal *r)
{
	char why[200] = "";
	int err;

	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan_step_needs_line(&plan->steps[i])) {
			err = line_open(plan, options->line, options->realtime, &s->line, why, sizeof(why));
			return err ? refuse(r, "%s", why[0] ? why : strerror(-err)) : DRILL_DONE;
		}
	return DRILL_DONE;
}

static enum drill_outcome open_answers(struct setup *s, const struct plan *plan, const struct refusal *r)
{
	return answers_open(plan, &s->answers, r->text, r->size) ? DRILL_REFUSED : DRILL_DONE;
}

static enum drill_outcome load(struct setup *s, const struct plan *plan, const struct refusal *r)
{
	int err = engine_open(plan, s->interfaces, s->n_interfaces, s->line, &s->engine);

	if (!err)
		return DRILL_DONE;
	if (err == -EPERM)
		return refuse(r, "the kernel won't load BPF programs for this user: run as root "
				 "(CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)");
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return refuse(
			r,
			"this kernel has no BTF (/sys/kernel/btf/vmlinux); idle connections can't be reset "
			"without: boot one with CONFIG_DEBUG_INFO_BTF");
	return refuse(r, "can't load the BPF programs: %s; `shearpin preflight` tells what this host lacks",
		      strerror(-err));
}

/* -ENOENT: the scenario is to be corrected, or the host; all else is the kernel's. Nothing was touched either way. */
static enum drill_outcome find_owners(struct setup *s, const struct plan *plan, const struct refusal *r)
{
	return owned_open(plan, &s->owned, r->text, r->size) ? DRILL_REFUSED : DRILL_DONE;
}

static enum drill_outcome tell_owners(struct setup *s, const struct refusal *r)
{
	return owned_tell(s->owned, s->engine, r->text, r->size) ? DRILL_REFUSED : DRILL_DONE;
}

static enum drill_outcome check_lifeline(struct setup *s, const struct plan *plan,
					 const struct drill_options *options, const struct refusal *r)
{
	struct lifeline_hit hit = {0};
	enum drill_outcome outcome = DRILL_DONE;
	int err = lifeline_open(&s->lifeline);

	for (size_t i = 0; !err && i < options->n_protect; i++) {
		err = lifeline_protect(s->lifeline, options->protect[i], NULL, 0);
		if (err == -EINVAL)
			outcome = refuse(r, "--protect %s: expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT",
					 options->protect[i]);
	}
	if (outcome == DRILL_DONE && !err)
		err = policies_protect(&s->policies, s->lifeline);
	if (outcome == DRILL_DONE && !err)
		outcome = setup_spare(s, plan, r->text, r->size);
	if (outcome == DRILL_DONE && !err)
		err = lifeline_check(s->lifeline, s->engine, plan, s->interfaces, s->n_interfaces, &hit);
	if (outcome != DRILL_DONE)
		return outcome;
	if (err < 0)
		return refuse(r, "can't check the operator's own flows: %s", strerror(-err));
	if (err > 0)
		return refuse(r, "rule %d (step %s, target %s) would hit %s; narrow the target", hit.rule,
			      plan->steps[plan->rules[hit.rule].step].name,
			      plan->targets[plan->rules[hit.rule].target].name, hit.flow);
	return DRILL_DONE;
}

static int make_parents(const char *path)
{
	char partial[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(partial, sizeof(partial), "%.*s", (int)(slash - path), path);
		if (mkdir(partial, 0755) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Asked before anything is touched; making the directory, the last step, finds out again. */
static enum drill_outcome check_out(const struct drill_options *options, const struct refusal *r)
{
	struct stat found;

	if (!options->out || lstat(options->out, &found))
		return DRILL_DONE;
	return refuse(r, "%s is there already; --out wants a new directory", options->out);
}

static char *default_directory(const struct plan *plan)
{
	char when[32], *path;

	format_utc_compact(clock_real_ns(), when, sizeof(when));
	return asprintf(&path, "runs/%s-%s", when, plan->name) < 0 ? NULL : path;
}

/* Two runs within a second must not share a directory: the second gets a number. */
static int make_numbered(struct setup *s)
{
	char *base = s->directory, *path;

	for (int i = 2; i < 100; i++) {
		if (asprintf(&path, "%s-%d", base, i) < 0)
			return -ENOMEM;
		if (!mkdir(path, 0755)) {
			free(base);
			s->directory = path;
			return 0;
		}
		free(path);
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int write_file(int dirfd, const char *name, const char *text, size_t len)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, text, len);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int make_directory(struct setup *s, const struct plan *plan, const struct drill_options *options)
{
	char *text = NULL;
	int err;

	s->directory = options->out ? directory_name(options->out) : default_directory(plan);
	if (!s->directory)
		return -ENOMEM;
	err = make_parents(s->directory);
	if (!err && mkdir(s->directory, 0755))
		err = errno == EEXIST && !options->out ? make_numbered(s) : -errno;
	if (err)
		return err;
	s->dirfd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return -errno;
	if (options->scenario_text)
		err = write_file(s->dirfd, "scenario.yaml", options->scenario_text, options->scenario_len);
	if (!err)
		err = plan_to_json(plan, &text);
	if (!err)
		err = write_file(s->dirfd, "plan.json", text, strlen(text));
	free(text);
	return err;
}

static enum drill_outcome attach(struct setup *s, const struct drill_options *options,
				 const struct refusal *r)
{
	const char *culprit;
	int err;

	/* What a killed owner may have left on a kernel without tcx. */
	for (size_t i = 0; i < s->n_interfaces; i++)
		attach_sweep(s->interfaces[i].ifindex);
	err = engine_attach(s->engine, options->attach, &culprit);
	if (!err)
		err = answers_start(s->answers, s->engine);
	if (!err)
		return DRILL_DONE;
	if (err == -EOPNOTSUPP && options->attach == ATTACH_TCX)
		return refuse(r, "this kernel has no tcx (Linux 6.6 and later have); leave --attach away");
	return refuse(r, "can't attach to %s: %s", culprit ?: "the interfaces", strerror(-err));
}

static const char *exec_name(const struct plan_probe *probes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (probes[i].kind == PROBE_EXEC)
			return probes[i].name ?: "of an expectation";
	return NULL;
}

/* Programs are started as root: only if somebody said so on the command line. */
static enum drill_outcome check_exec(const struct plan *plan, const struct drill_options *options,
				     const struct refusal *r)
{
	const char *probe =
		exec_name(plan->probes, plan->n_probes) ?: exec_name(plan->watches, plan->n_watches);

	if (options->allow_exec || !plan_execs(plan))
		return DRILL_DONE;
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind == STEP_EXEC)
			return refuse(r, "the step %s starts a program, which --allow-exec allows",
				      plan->steps[i].name);
	return refuse(r, "the probe %s starts a program, which --allow-exec allows", probe);
}

enum drill_outcome setup_open(struct setup *s, struct plan *plan, const struct drill_options *options,
			      int cancel_fd, char *ret_reason, size_t size)
{
	struct refusal r = {ret_reason, size};
	enum drill_outcome outcome;
	int err;

	memset(s, 0, sizeof(*s));
	s->dirfd = -1;
	if (geteuid())
		return refuse(&r, "only root may inject faults (BPF programs and raw sockets): use sudo");
	outcome = check_exec(plan, options, &r);
	if (outcome == DRILL_DONE)
		outcome = check_out(options, &r);
	if (outcome == DRILL_DONE)
		outcome = read_policies(s, options, &r);
	s->interfaces_given = plan->n_interfaces > 0;
	if (outcome == DRILL_DONE)
		outcome = setup_libraries(plan, ret_reason, size);
	if (outcome == DRILL_DONE)
		outcome = setup_changes(s, plan, ret_reason, size);
	if (outcome == DRILL_DONE)
		outcome = setup_names(s, plan, cancel_fd, ret_reason, size);
	if (outcome == DRILL_DONE)
		outcome = setup_checks(s, plan, options->out, cancel_fd, ret_reason, size);
	if (outcome == DRILL_DONE)
		outcome = find_interfaces(plan, &r);
	if (outcome == DRILL_DONE)
		outcome = check_policies(s, plan, &r);
	if (outcome == DRILL_DONE)
		outcome = open_answers(s, plan, &r);
	if (outcome == DRILL_DONE)
		outcome = find_owners(s, plan, &r);
	if (outcome == DRILL_DONE)
		outcome = claim(s, plan, &r);
	if (outcome == DRILL_DONE)
		outcome = open_line(s, plan, options, &r);
	if (outcome == DRILL_DONE)
		outcome = load(s, plan, &r);
	if (outcome == DRILL_DONE)
		outcome = tell_owners(s, &r);
	if (outcome == DRILL_DONE)
		outcome = check_lifeline(s, plan, options, &r);
	if (outcome == DRILL_DONE)
		outcome = attach(s, options, &r);
	if (outcome != DRILL_DONE)
		return outcome;
	err = make_directory(s, plan, options);
	if (err) {
		refuse(&r, "can't make the run directory %s: %s", s->directory ?: "", strerror(-err));
		return DRILL_HOST_FAILED;
	}
	return DRILL_DONE;
}

int setup_publish(struct setup *s, const struct plan *plan, const char *directory, uint64_t zero_ns,
		  const struct plan_step *wait)
{
	struct engine_ids ids = {0};
	struct buf text = {0};
	uint64_t netns = 0;
	char *document = NULL, *real = realpath(directory, NULL);
	struct json j;
	int err = plan_to_json(plan, &document);

	if (!err)
		err = engine_ids(s->engine, &ids);
	if (!err)
		err = host_netns(getpid(), &netns);
	if (!err) {
		json_begin(&j, &text);
		json_object(&j, NULL);
		json_u64(&j, "pid", getpid());
		json_string(&j, "name", plan->name);
		json_string(&j, "run", real ?: directory);
		json_u64(&j, "netns", netns);
		json_u64(&j, "zero_ns", zero_ns);
		json_string(&j, "wait", wait ? wait->name : NULL);
		json_u64(&j, "wait_at_ns", wait ? wait->window.at_ns : 0);
		json_u64(&j, "wait_timeout_ns", wait ? wait->expect.timeout_ns : 0);
		json_u64(&j, "counters_map", ids.counters);
		json_string(&j, "attach", engine_attached_as(s->engine));
		json_array(&j, "interfaces");
		for (size_t i = 0; i < s->n_interfaces; i++) {
			json_object(&j, NULL);
			json_string(&j, "name", s->interfaces[i].name);
			json_u64(&j, "ifindex", s->interfaces[i].ifindex);
			json_end_object(&j);
		}
		json_end_array(&j);
		json_raw(&j, "plan", document);
		json_end_object(&j);
		err = text.failed ? -ENOMEM
		      : s->record ? host_record_update(s->record, text.data)
				  : host_record_open(text.data, &s->record);
	}
	buf_free(&text);
	free(document);
	free(real);
	return err;
}

static const char *operator_name(void)
{
	const char *name = getenv("SUDO_USER") ?: getenv("USER");
	const struct passwd *user = name ? NULL : getpwuid(getuid());

	return name ? name : user ? user->pw_name : "unknown";
}

void setup_tell(const struct setup *s, const struct plan *plan, const struct drill_options *options,
		struct journal *journal)
{
	struct json *data = journal_data(journal);
	struct utsname host;
	char detail[128];

	uname(&host);
	json_string(data, "name", plan->name);
	json_u64(data, "seed", plan->seed);
	json_string(data, "version", SHEARPIN_VERSION);
	json_u64(data, "format", LOG_FORMAT);
	facts_command(data, plan, options->command, options->n_command);
	json_string(data, "host", host.nodename);
	json_string(data, "operator", operator_name());
	json_array(data, "interfaces");
	for (size_t i = 0; i < s->n_interfaces; i++)
		json_string(data, NULL, s->interfaces[i].name);
	json_end_array(data);
	json_string(data, "kernel", host.release);
	json_string(data, "attach", engine_attached_as(s->engine));
	json_string(data, "line", line_name(s->line));
	json_u64(data, "pid", getpid());
	facts_tell(data, s->engine, s->interfaces, s->n_interfaces);
	json_object(data, "meta");
	for (size_t i = 0; i < plan->n_meta; i++)
		json_string(data, plan->meta[i].key, plan->meta[i].value);
	json_end_object(data);
	journal_write(journal, clock_mono_ns(), "run.start", NULL);
	setup_tell_checks(s, journal);
	if (!s->xdp_taken)
		return;
	data = journal_data(journal);
	json_string(data, "check", "xdp");
	json_string(data, "result", "warn");
	snprintf(detail, sizeof(detail), "%s has another's XDP program, which stays; the rules act at tc",
		 s->xdp_taken);
	json_string(data, "detail", detail);
	journal_write(journal, clock_mono_ns(), "preflight", NULL);
}

void setup_detach(struct setup *s)
{
	if (s->engine)
		engine_disarm(s->engine);
	if (s->line)
		line_flush(s->line);
	answers_close(s->answers); /* its threads use the engine's maps */
	s->answers = NULL;
	line_close(s->line); /* and so does its */
	s->line = NULL;
	owned_close(s->owned);
	s->owned = NULL;
	engine_close(s->engine);
	s->engine = NULL;
}

void setup_close(struct setup *s)
{
	setup_detach(s);
	host_record_close(s->record);
	policies_close(&s->policies);
	hosts_close(s->hosts);
	lifeline_close(s->lifeline);
	undo_close(s->undo);
	undo_guard_stop(s->guard);
	free(s->mistakes);
	findings_free(&s->findings);
	for (size_t i = 0; i < s->n_interfaces; i++)
		close(s->claims[i]);
	if (s->dirfd >= 0)
		close(s->dirfd);
	free(s->directory);
	free(s->interfaces);
	free(s->devices);
	free(s->claims);
}
