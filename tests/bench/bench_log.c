/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many events the log takes on one processor: packets, as `evidence: packets` makes them, and a connection's events. Times
 * are of this thread on the processor, so that what else runs on the machine counts little. The file is on the file system of
 * TMPDIR (/tmp).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "bench/figures.h"
#include "evidence/log.h"

#define ROUNDS 7
#define EVENTS 300000
#define FLOWS 1000
#define BETWEEN_NS 2000 /* 500,000 a second */
#define DRAINED 1024    /* events that the reader takes from the ring buffer at one time */
#define LEAST_A_SECOND 700000

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Two processors, whose events come a little out of order. */
static uint64_t time_of(unsigned i)
{
	return NS_PER_S + (uint64_t)i * BETWEEN_NS - (i % 2) * 3 * BETWEEN_NS;
}

static int append_packet(struct log *log, unsigned i)
{
	const uint64_t ns = time_of(i);
	const unsigned flow = i * 7 % FLOWS;
	const struct log_packet packet = {
		.mono_ns = ns,
		.step = "thin",
		.target = "market-data",
		.instance = 1 + i / (EVENTS / 3),
		.rule = flow % 3,
		.local = {0, 0, htonl(0xffff), htonl(0x0a010001)},
		.remote = {0, 0, htonl(0xffff), htonl(0x0a010002)},
		.local_port = 30000 + flow,
		.remote_port = 40001,
		.proto = 6,
		.verdict = i % 5 ? "dropped" : "delayed",
		.hook = flow % 2 ? "tc-ingress" : "tc-egress",
		.direction = flow % 2 ? "in" : "out",
		.index = i / FLOWS,
		.segments = 1,
		.bytes = 1500,
		.delay_ns = i % 5 ? 0 : 20000000 + i,
	};

	return log_append_packet(log, &packet);
}

static int append_event(struct log *log, unsigned i)
{
	char flow[64];
	const struct log_event event = {
		.mono_ns = time_of(i),
		.type = "conn.data",
		.step = "thin",
		.instance = 1,
		.target = "market-data",
		.flow = flow,
		.data = "{\"direction\":\"in\",\"opener\":\"out\",\"established_ns\":81230144551,"
			"\"from_ns\":81230144551,\"gap_ns\":1200345,\"gap_from_ns\":81230144551}",
	};

	snprintf(flow, sizeof(flow), "10.1.0.1:%u>10.1.0.2:40001/tcp", 30000 + i * 7 % FLOWS);
	return log_append(log, &event);
}

/* Events per second; 0: it failed. */
static double measure(int dirfd, int (*append)(struct log *log, unsigned i))
{
	struct log *log;
	double start;
	int err = log_open(dirfd, 0, &log);

	if (err)
		return 0;
	start = cpu_s();
	for (unsigned i = 0; !err && i < EVENTS; i++) {
		err = append(log, i);
		if (!err && i % DRAINED == DRAINED - 1)
			err = log_flush(log, time_of(i));
	}
	if (!err)
		err = log_flush(log, UINT64_MAX);
	start = cpu_s() - start;
	if (log_close(log) || err)
		return 0;
	return unlinkat(dirfd, "events.jsonl", 0) ? 0 : EVENTS / start;
}

int main(void)
{
	const char *tmp = getenv("TMPDIR") ?: "/tmp";
	double packets[ROUNDS], events[ROUNDS];
	char path[4096];
	bool failed = false;
	int dirfd;

	if (snprintf(path, sizeof(path), "%s/bench_log.XXXXXX", tmp) >= (int)sizeof(path) || !mkdtemp(path))
		return perror(tmp), 1;
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < ROUNDS; i++) {
		packets[i] = measure(dirfd, append_packet);
		events[i] = measure(dirfd, append_event);
		failed |= !packets[i] || !events[i];
	}
	close(dirfd);
	if (failed || rmdir(path))
		return fprintf(stderr, "bench_log: can't write under %s\n", path), 1;
	printf("medians of %d rounds of %d events each, on one processor\n", ROUNDS, EVENTS);
	printf("events of connections: %.2f million a second\n", median(events, ROUNDS) / 1e6);
	return judge_least("packet events, million a second", median(packets, ROUNDS) / 1e6,
			   LEAST_A_SECOND / 1e6, "")
		       ? 0
		       : 1;
}
