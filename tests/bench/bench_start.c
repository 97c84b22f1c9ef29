/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the start of the program to an armed fault, and the memory that it takes with 256 rules and 100,000 flows.
 *
 * usage: bench_start SHEARPIN [ROUNDS]
 *
 * The first figure runs from before fork() to the opening of the window that `shearpin inject` logs, both CLOCK_MONOTONIC. The
 * second is the kernel's high-water mark of the process (VmHWM, mapped tables and the ring buffer included), read until
 * it ends, so that the report at the end is in it, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>

#include "base/timeutil.h"
#include "bench/figures.h"
#include "packet/frame.h"
#include "packet/scene.h"

#define ROUNDS 9
#define ROUNDS_MAX 64
#define RULES 256
#define FLOWS 100000
#define FIRST_PORT 20000
#define BATCH 64
#define WINDOW_S 4
#define DEADLINE_NS (60 * NS_PER_S)
#define MOST_START_MS 150
#define MOST_MEMORY_MIB 32

static char directory[] = "/tmp/shearpin-bench.XXXXXX";

static int fork_shearpin(char *const *argv, pid_t *ret_pid)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
			_exit(127);
		execv(argv[0], argv);
		_exit(127);
	}
	*ret_pid = pid;
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ECHILD;
}

/* Call for each event of a run; returns how many there are, 0 as long as there is no log. */
static int each_event(const char *run, void (*call)(void *arg, const json_t *event), void *arg)
{
	char path[256], line[8192];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/events.jsonl", directory, run);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		json_t *event = json_loads(line, 0, NULL);

		if (!event)
			break; /* not written whole yet */
		call(arg, event);
		json_decref(event);
		n++;
	}
	fclose(f);
	return n;
}

static bool is_type(const json_t *event, const char *type)
{
	const char *t = json_string_value(json_object_get(event, "type"));

	return t && !strcmp(t, type);
}

static void take_opening(void *arg, const json_t *event)
{
	if (is_type(event, "fault.open"))
		*(uint64_t *)arg = json_integer_value(json_object_get(event, "mono_ns"));
}

static int measure_start(const char *shearpin, unsigned round, double *ret_ms)
{
	char run[32], out[256];
	char *argv[] = {(char *)shearpin, "inject",        "drop", "--for",
			"50ms",           "--proto",       "udp",  "--remote",
			"192.0.2.77",     "--remote-port", "5432", "--interface",
			NEAR_END,         "--out",         out,    NULL};
	uint64_t begin, opened = 0;
	pid_t pid;
	int err;

	snprintf(run, sizeof(run), "start%u", round);
	snprintf(out, sizeof(out), "%s/%s", directory, run);
	begin = clock_mono_ns();
	err = fork_shearpin(argv, &pid);
	if (!err)
		err = wait_for(pid);
	if (err)
		return err;
	each_event(run, take_opening, &opened);
	if (opened <= begin)
		return -ENODATA;
	*ret_ms = (opened - begin) / 1e6;
	return 0;
}

static int write_scenario(const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	fprintf(f, "version: 1\nname: memory\nseed: 1\ninterface: " NEAR_END
		   "\nbaseline: 0s\nrecovery: 0s\ntargets:\n");
	for (int i = 0; i < RULES; i++)
		fprintf(f, "  t%d: {proto: udp, local_port: %d, direction: in}\n", i, FIRST_PORT + i);
	fprintf(f, "steps:\n  - {name: all, at: 0s, for: %ds, fault: {drop: true}, target: [t0", WINDOW_S);
	for (int i = 1; i < RULES; i++)
		fprintf(f, ", t%d", i);
	fprintf(f, "]}\n");
	return fclose(f) ? -errno : 0;
}

static int open_sender(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	at.sll_ifindex = if_nametoindex(FAR_END);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		close(fd);
		return -errno;
	}
	return fd < 0 ? -errno : fd;
}

/* One packet of each flow: from ever other addresses, to the ports of all rules in turn. */
static int send_flows(void)
{
	static struct frame frames[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	int fd = open_sender(), sent = 0;

	while (fd >= 0 && sent < FLOWS) {
		int n = FLOWS - sent < BATCH ? FLOWS - sent : BATCH;

		for (int i = 0; i < n; i++) {
			struct spec s = packet(4, IPPROTO_UDP, false);
			unsigned flow = sent + i;

			s.from.addr4[0] = 10;
			s.from.addr4[1] = flow >> 16;
			s.from.addr4[2] = flow >> 8;
			s.from.addr4[3] = flow;
			s.to.port = FIRST_PORT + flow % RULES;
			frame_build(&s, &frames[i]);
			parts[i] = (struct iovec){frames[i].data, frames[i].len};
			messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
		}
		n = sendmmsg(fd, messages, n, 0);
		if (n < 0)
			break;
		sent += n;
	}
	if (fd >= 0)
		close(fd);
	return sent == FLOWS ? 0 : -EIO;
}

/* The process's high-water mark in KiB; 0: it has ended. */
static unsigned long memory_of(pid_t pid)
{
	unsigned long kib = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %lu", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

static int wait_for_opening(pid_t pid, const char *run)
{
	uint64_t opened = 0, until = clock_mono_ns() + DEADLINE_NS;

	while (clock_mono_ns() < until && memory_of(pid)) {
		each_event(run, take_opening, &opened);
		if (opened)
			return 0;
		usleep(5000);
	}
	return -ETIMEDOUT;
}

/* Until it ends; as a zombie it has no memory any more. */
static unsigned long watch_memory(pid_t pid)
{
	uint64_t until = clock_mono_ns() + DEADLINE_NS;
	unsigned long most = 0, now;

	while ((now = memory_of(pid)) && clock_mono_ns() < until) {
		most = now > most ? now : most;
		usleep(2000);
	}
	return most;
}

static void add_flows(void *arg, const json_t *event)
{
	if (is_type(event, "fault.close"))
		*(uint64_t *)arg +=
			json_integer_value(json_object_get(json_object_get(event, "data"), "flows"));
}

static int measure_memory(const char *shearpin, double *ret_mib, uint64_t *ret_flows)
{
	char scenario[256], out[256];
	char *argv[] = {(char *)shearpin, "run", scenario, "--out", out, NULL};
	pid_t pid;
	int err;

	snprintf(scenario, sizeof(scenario), "%s/memory.yaml", directory);
	snprintf(out, sizeof(out), "%s/memory", directory);
	err = write_scenario(scenario);
	if (!err)
		err = fork_shearpin(argv, &pid);
	if (err)
		return err;
	err = wait_for_opening(pid, "memory");
	if (!err)
		err = send_flows();
	if (err)
		kill(pid, SIGTERM);
	*ret_mib = watch_memory(pid) / 1024.0;
	*ret_flows = 0;
	each_event("memory", add_flows, ret_flows);
	return wait_for(pid) ?: err;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : ROUNDS;
	double ms[ROUNDS_MAX], mib = 0;
	uint64_t flows = 0;
	bool pass;
	int err;

	if (argc < 2 || !rounds || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_start SHEARPIN [ROUNDS]\n");
		return 2;
	}
	if (!mkdtemp(directory)) {
		perror("bench_start");
		return 1;
	}
	err = world_make();
	if (!err)
		err = world_command("ip addr add 192.0.2.1/24 dev " NEAR_END);
	for (unsigned round = 0; !err && round < rounds; round++)
		err = measure_start(argv[1], round, &ms[round]);
	if (!err)
		err = measure_memory(argv[1], &mib, &flows);
	world_command("rm -rf %s", directory);
	if (err) {
		fprintf(stderr, "bench_start: %s\n", strerror(-err));
		return 1;
	}
	pass = judge_most("from exec to armed (median)", median(ms, rounds), MOST_START_MS, " ms");
	if (flows != FLOWS)
		printf("FAIL  %" PRIu64 " flows were tracked, expected %d\n", flows, FLOWS);
	pass &= flows == FLOWS;
	pass &= judge_most("memory with 256 rules and 100000 flows", mib, MOST_MEMORY_MIB, " MiB");
	return pass ? 0 : 1;
}
