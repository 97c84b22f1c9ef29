/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic for bench_line.py and bench_evidence.py, and its times. It starts in the network namespace of the one end; FAR is a
 * path of the other's.
 *
 * usage: bench_load trips FAR ADDRESS PORT COUNT GAP_NS SLEEP_NS
 *            round trips of a datagram, one at a time; with SLEEP_NS each after a bare sleep of that length. Prints a line
 *            each: nanoseconds of the trip, nanoseconds that the sleep was late.
 *        bench_load flows FAR ADDRESS PORT COUNT GAP_NS
 *            datagrams, each from a socket of its own. Prints how many nanoseconds each was under way.
 *        bench_load flood FAR ADDRESS PORT COUNT GAP_NS
 *            datagrams in bursts of BURST, GAP_NS apart on average. Prints how many arrived, how many of them behind a later
 *            one, how many twice, and how many nanoseconds the sending took.
 *        bench_load pour FAR ADDRESS PORT COUNT GAP_NS SENDERS
 *            datagrams that nobody takes, from so many processes, in bursts of SPLASH, GAP_NS apart on average. Prints how many
 *            nanoseconds the sending took.
 *
 * All of it runs with a real-time priority, if it may; but for the bare sleep, which is there for comparison.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"

#define BURST 10
#define SPLASH 64
#define ROOM (1U << 30)
#define PATIENCE_MS 2000
#define OPEN_FILES 20000

struct far {
	struct sockaddr_storage address;
	socklen_t len;
	int fd; /* bound to the address, in the far namespace */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec ts = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void set_realtime(bool on)
{
	const struct sched_param param = {.sched_priority = on ? 1 : 0};

	(void)sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param);
}

static bool parse_address(const char *text, const char *port, struct far *ret)
{
	struct sockaddr_in *v4 = (void *)&ret->address;
	struct sockaddr_in6 *v6 = (void *)&ret->address;
	in_port_t number = htons(atoi(port));

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = number;
		ret->len = sizeof(*v4);
		return true;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = number;
	ret->len = sizeof(*v6);
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

static int bind_far(const char *path, struct far *far)
{
	int near_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int far_ns = open(path, O_RDONLY | O_CLOEXEC), room = ROOM, err = 0;

	if (near_ns < 0 || far_ns < 0 || setns(far_ns, CLONE_NEWNET))
		return -errno;
	far->fd = socket(far->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (far->fd < 0 || setsockopt(far->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(far->fd, (struct sockaddr *)&far->address, far->len))
		err = -errno;
	if (setns(near_ns, CLONE_NEWNET))
		err = -errno;
	close(near_ns);
	close(far_ns);
	return err;
}

static int connect_near(const struct far *far)
{
	int fd = socket(far->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&far->address, far->len)) {
		close(fd);
		return -errno;
	}
	return fd < 0 ? -errno : fd;
}

static void echo(int fd)
{
	struct sockaddr_storage from;
	char data[64];

	set_realtime(true);
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);

		if (n < 0 || sendto(fd, data, n, 0, (struct sockaddr *)&from, len) != n)
			_exit(1);
	}
}

/* Lateness of a sleep as the line's thread sleeps. */
static uint64_t bare_sleep(uint64_t ns)
{
	uint64_t due;

	set_realtime(false);
	due = now_ns() + ns;
	sleep_until(due);
	due = now_ns() - due;
	set_realtime(true);
	return due;
}

static int make_trips(int fd, uint64_t count, uint64_t gap, uint64_t sleep)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	set_realtime(true);
	for (uint64_t i = 0, got; i < count; i++) {
		uint64_t late = sleep ? bare_sleep(sleep) : 0, start;

		if (gap)
			sleep_until(now_ns() + gap);
		start = now_ns();
		if (send(fd, &i, sizeof(i), 0) != sizeof(i))
			return -errno;
		if (poll(&poll_fd, 1, PATIENCE_MS) != 1 || recv(fd, &got, sizeof(got), 0) != sizeof(got) ||
		    got != i)
			return -ETIMEDOUT;
		printf("%" PRIu64 " %" PRIu64 "\n", now_ns() - start, late);
	}
	return 0;
}

static int trips(struct far *far, uint64_t count, uint64_t gap, uint64_t sleep)
{
	int fd = connect_near(far), err;
	pid_t pid;

	if (fd < 0)
		return fd;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		echo(far->fd);
	}
	err = pid < 0 ? -errno : make_trips(fd, count, gap, sleep);
	if (pid > 0)
		kill(pid, SIGKILL);
	return err;
}

static int take_times(int fd, uint64_t count)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	uint64_t sent;

	set_realtime(true);
	for (uint64_t i = 0; i < count; i++) {
		if (poll(&poll_fd, 1, PATIENCE_MS) != 1 || recv(fd, &sent, sizeof(sent), 0) != sizeof(sent))
			return -ETIMEDOUT;
		printf("%" PRIu64 "\n", now_ns() - sent);
	}
	return 0;
}

static int send_flows(const struct far *far, uint64_t count, uint64_t gap)
{
	uint64_t due = now_ns();

	for (uint64_t i = 0; i < count; i++) {
		int fd = connect_near(far);
		uint64_t now;

		if (fd < 0)
			return fd;
		due += gap;
		sleep_until(due);
		now = now_ns();
		if (send(fd, &now, sizeof(now), 0) != sizeof(now))
			return -errno;
	}
	return 0;
}

static int flows(struct far *far, uint64_t count, uint64_t gap)
{
	const struct rlimit files = {OPEN_FILES, OPEN_FILES};
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setrlimit(RLIMIT_NOFILE, &files);
		set_realtime(true);
		_exit(send_flows(far, count, gap) ? 1 : 0);
	}
	return take_times(far->fd, count);
}

/* In bursts, so that the sender does not take a processor for itself. */
static int send_flood(int fd, uint64_t count, uint64_t gap, uint64_t *ret_took)
{
	uint64_t number = 0, start, due;
	struct mmsghdr messages[BURST];
	struct iovec parts[BURST];
	uint64_t numbers[BURST];

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BURST; i++) {
		parts[i] = (struct iovec){&numbers[i], sizeof(numbers[i])};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	set_realtime(true);
	start = due = now_ns();
	while (number < count) {
		for (int i = 0; i < BURST; i++)
			numbers[i] = number++;
		if (sendmmsg(fd, messages, BURST, 0) != BURST)
			return errno ? -errno : -EIO;
		due += BURST * gap;
		sleep_until(due);
	}
	*ret_took = now_ns() - start;
	return 0;
}

static int flood(struct far *far, uint64_t count, uint64_t gap)
{
	uint64_t number, highest = 0, arrived = 0, reordered = 0, twice = 0, took = 0;
	struct pollfd poll_fd = {.fd = far->fd, .events = POLLIN};
	bool *seen = calloc(count + BURST, sizeof(*seen));
	int fd = connect_near(far), err;

	err = fd < 0 ? fd : !seen ? -ENOMEM : send_flood(fd, count, gap, &took);
	while (!err && poll(&poll_fd, 1, PATIENCE_MS) == 1 &&
	       recv(far->fd, &number, sizeof(number), 0) == sizeof(number) && number < count + BURST) {
		arrived++;
		reordered += number < highest;
		twice += seen[number];
		seen[number] = true;
		if (number > highest)
			highest = number;
	}
	free(seen);
	if (!err)
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", arrived, reordered, twice, took);
	return err;
}

static int pour_share(const struct far *far, uint64_t count, uint64_t gap)
{
	static struct mmsghdr messages[SPLASH];
	static struct iovec part; /* nothing */
	int fd = connect_near(far);
	uint64_t due = now_ns();

	if (fd < 0)
		return fd;
	set_realtime(true);
	for (int i = 0; i < SPLASH; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
	for (uint64_t sent = 0; sent < count;) {
		int n = sendmmsg(fd, messages, count - sent < SPLASH ? count - sent : SPLASH, 0);

		if (n < 0)
			return -errno;
		sent += n;
		due += n * gap;
		sleep_until(due);
	}
	return 0;
}

static int pour(const struct far *far, uint64_t count, uint64_t gap, uint64_t senders)
{
	uint64_t start = now_ns();
	int status, err = 0;

	for (uint64_t i = 0; i < senders; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(pour_share(far, count * (i + 1) / senders - count * i / senders, gap * senders) ? 1
												      : 0);
	}
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			err = -EIO;
	if (!err)
		printf("%" PRIu64 "\n", now_ns() - start);
	return err;
}

static int run(int argc, char **argv)
{
	uint64_t count, gap;
	struct far far;
	int err;

	if (argc < 7 || !parse_address(argv[3], argv[4], &far))
		return -EINVAL;
	count = strtoull(argv[5], NULL, 10);
	gap = strtoull(argv[6], NULL, 10);
	err = bind_far(argv[2], &far);
	if (err)
		return err;
	prctl(PR_SET_TIMERSLACK, 1);
	if (!strcmp(argv[1], "trips"))
		return trips(&far, count, gap, argc > 7 ? strtoull(argv[7], NULL, 10) : 0);
	if (!strcmp(argv[1], "flows"))
		return flows(&far, count, gap);
	if (!strcmp(argv[1], "pour"))
		return argc > 7 ? pour(&far, count, gap, strtoull(argv[7], NULL, 10)) : -EINVAL;
	return strcmp(argv[1], "flood") ? -EINVAL : flood(&far, count, gap);
}

int main(int argc, char **argv)
{
	int err = run(argc, argv);

	if (err)
		fprintf(stderr, "bench_load: %s\n", strerror(-err));
	return err ? 1 : 0;
}
