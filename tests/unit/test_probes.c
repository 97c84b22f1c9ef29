/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all kinds of probes have in common: thresholds, watches that are started and stopped, also by who hears of their samples, and
 * where a probe of a target goes to. Log probes give the samples where only their order matters; TCP probes connect to this process.
 */
#include "unit/work_dir.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/timeutil.h"
#include "drill/probes.h"

#define EVERY (10 * NS_PER_MS)
#define PATIENCE_MS 120000
#define MOST_SAMPLES 64

struct told {
	size_t index;
	bool healthy, good, changed;
};

static struct told told[MOST_SAMPLES];
static size_t n_told;
static int64_t offset_ns;
static struct probes *probes;
static enum { LISTEN, STOP, START_AGAIN } reaction;

static void on_sample(void *arg, const struct probe_sample *s)
{
	(void)arg;
	assert_true(n_told < MOST_SAMPLES);
	assert_int_equal(s->good, !s->error);
	told[n_told++] = (struct told){s->index, s->healthy, s->good, s->changed};
	if (reaction != LISTEN)
		probes_stop(probes, s->index);
	if (reaction == START_AGAIN)
		probes_start(probes, s->index, clock_mono_ns());
}

static int enter(void **state)
{
	n_told = 0;
	reaction = LISTEN;
	return work_dir_enter(state);
}

static int leave(void **state)
{
	probes_close(probes);
	probes = NULL;
	unlink("log");
	return work_dir_leave(state);
}

static void append(const char *text)
{
	write_text("log", "ae", "%s", text);
}

/* What its log has at the start tells the first sample. */
static void open_log(uint32_t rising, uint32_t falling, const char *before)
{
	static struct plan_probe probe;
	static struct plan plan;
	const struct probe_loop loop = {-1, 0, &offset_ns, on_sample, NULL};

	probe = (struct plan_probe){.name = (char *)"trader",
				    .kind = PROBE_LOG,
				    .every_ns = EVERY,
				    .rising = rising,
				    .falling = falling,
				    .path = (char *)"log",
				    .healthy = (char *)"^up",
				    .unhealthy = (char *)"^down"};
	plan = (struct plan){.probes = &probe, .n_probes = 1};
	append(before);
	assert_int_equal(probes_open(&plan, &probe, 1, &loop, &probes), 0);
}

/* Each character is a line: `+` healthy, `-` not. Returns what was told, two characters a sample: itself, and the state. */
static const char *samples_of(const char *lines)
{
	static char text[2 * MOST_SAMPLES + 1];
	static uint64_t now;

	now = (now ?: clock_mono_ns()) + NS_PER_S;
	n_told = 0;
	for (; *lines; lines++)
		append(*lines == '+' ? "up\n" : "down\n");
	while (probes_run(probes, now) <= now)
		;
	for (size_t i = 0; i < n_told; i++) {
		text[2 * i] = told[i].good ? '+' : '-';
		text[2 * i + 1] = told[i].healthy ? 'U' : 'D';
	}
	text[2 * n_told] = '\0';
	return text;
}

static void each_sample_is_the_state(void **state)
{
	(void)state;
	open_log(1, 1, "up\nup\n");
	assert_string_equal(samples_of(""), "+U");
	assert_true(told[0].changed);
	assert_string_equal(samples_of("-+-"), "-D+U-D");
	for (size_t i = 0; i < 3; i++)
		assert_true(told[i].changed);
}

static void thresholds(void **state)
{
	(void)state;
	open_log(2, 3, "up\nup\n");
	assert_string_equal(samples_of(""), "+U");
	assert_string_equal(samples_of("--+---"), "-U-U+U-U-U-D");
	assert_true(told[5].changed);
	for (size_t i = 0; i < 5; i++)
		assert_false(told[i].changed);
	assert_string_equal(probes_why(probes, 0), "unhealthy");
}

static void back_again(void **state)
{
	size_t index;

	(void)state;
	open_log(3, 1, "down\ndown\n");
	assert_string_equal(samples_of(""), "-D");
	assert_string_equal(samples_of("++"), "+D+D");
	assert_string_equal(probes_why(probes, 0), "2 of 3 healthy samples in a row");
	assert_false(probes_healthy(probes, &index));
	assert_string_equal(samples_of("-++"), "-D+D+D");
	assert_string_equal(samples_of("+"), "+U");
	assert_true(probes_healthy(probes, &index));
	assert_null(probes_why(probes, 0));
}

/* Who has seen bad samples, and too few of them for its state to be another, has not seen a recovery. */
static void bad_samples_in_a_healthy_state(void **state)
{
	size_t index;

	(void)state;
	open_log(1, 3, "up\nup\n");
	assert_string_equal(samples_of(""), "+U");
	assert_true(probes_healthy_since(probes, 0));
	assert_string_equal(samples_of("-"), "-U");
	assert_true(probes_healthy(probes, &index));
	assert_false(probes_healthy_since(probes, 0));
	assert_string_equal(samples_of("+"), "+U");
	assert_true(probes_healthy_since(probes, 0));
}

/* The first sample is the state, whatever the thresholds. */
static void first_sample(void **state)
{
	(void)state;
	open_log(5, 5, "down\ndown\n");
	assert_string_equal(samples_of(""), "-D");
	assert_string_equal(samples_of("+"), "+D");
}

/* ---- over TCP ---- */

static int epoll_fd = -1, listener = -1;
static struct plan_probe watch;
static struct plan plan;
static struct prefix remotes[2];
static struct port_range ports[1];
static struct plan_target target;

static void set_up_target(uint16_t port)
{
	remotes[0] = (struct prefix){.family = AF_INET, .addr = {127}, .len = 8};
	remotes[1] = (struct prefix){.family = AF_INET, .addr = {127, 0, 0, 1}, .len = 32};
	ports[0] = (struct port_range){port, port};
	target = (struct plan_target){.name = (char *)"front",
				      .remotes = remotes,
				      .n_remotes = 2,
				      .remote_ports = ports,
				      .n_remote_ports = 1};
}

static int listen_here(void **state)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(here);
	const struct probe_loop loop = {epoll_create1(EPOLL_CLOEXEC), 100, &offset_ns, on_sample, NULL};

	if (enter(state))
		return -1;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	epoll_fd = loop.epoll_fd;
	if (bind(listener, (struct sockaddr *)&here, len) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&here, &len))
		return -1;
	set_up_target(ntohs(here.sin_port));
	watch = (struct plan_probe){.kind = PROBE_TCP,
				    .every_ns = EVERY,
				    .timeout_ns = PATIENCE_MS * NS_PER_MS,
				    .rising = 1,
				    .falling = 1};
	plan = (struct plan){.watches = &watch, .n_watches = 1, .targets = &target, .n_targets = 1};
	return probes_open(&plan, &watch, 1, &loop, &probes);
}

static int hang_up(void **state)
{
	int err = leave(state);

	close(listener);
	close(epoll_fd);
	return err;
}

static size_t count_connections(void)
{
	size_t n = 0;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		n++;
	}
	return n;
}

/* One round of the caller's loop. */
static void turn(void)
{
	struct epoll_event events[4];
	int n = epoll_wait(epoll_fd, events, 4, 1);

	for (int i = 0; i < n; i++)
		probes_ready(probes, events[i].data.u64 - 100);
	probes_run(probes, clock_mono_ns());
}

static void run_until_told(size_t n)
{
	uint64_t deadline = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;

	while (n_told < n && clock_mono_ns() < deadline)
		turn();
	assert_int_equal(n_told, n);
}

static void rests_until_started(void **state)
{
	uint64_t now = clock_mono_ns() + NS_PER_S;

	(void)state;
	assert_true(probes_run(probes, now) == UINT64_MAX);
	assert_string_equal(probes_why(probes, 0), "no sample yet");
	probes_start(probes, 0, clock_mono_ns());
	run_until_told(2);
	assert_true(told[0].healthy && told[0].changed && !told[1].changed);
	probes_stop(probes, 0);
	count_connections();
	assert_true(probes_run(probes, now) == UINT64_MAX);
	assert_int_equal(count_connections(), 0);
	assert_int_equal(n_told, 2);
}

/* Its state begins anew. */
static void started_again(void **state)
{
	(void)state;
	probes_start(probes, 0, clock_mono_ns());
	run_until_told(1);
	probes_start(probes, 0, clock_mono_ns());
	run_until_told(2);
	assert_true(told[1].changed);
}

static void stopped_by_its_sample(void **state)
{
	(void)state;
	reaction = STOP;
	probes_start(probes, 0, clock_mono_ns());
	run_until_told(1);
	assert_true(probes_run(probes, clock_mono_ns() + NS_PER_S) == UINT64_MAX);
	assert_int_equal(count_connections(), 1);
}

static void started_by_its_sample(void **state)
{
	(void)state;
	reaction = START_AGAIN;
	probes_start(probes, 0, clock_mono_ns());
	run_until_told(3);
	for (size_t i = 0; i < 3; i++)
		assert_true(told[i].changed);
}

/* The first single address of the target, and nobody else's. */
static void target_without_address(void **state)
{
	(void)state;
	target.n_remotes = 1;
	probes_start(probes, 0, clock_mono_ns());
	run_until_told(1);
	assert_false(told[0].healthy);
	assert_string_equal(probes_why(probes, 0), "its target has no address");
	target.n_remotes = 2; /* it is known by now */
	run_until_told(2);
	assert_true(told[1].healthy && told[1].changed);
	assert_int_equal(count_connections(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_sample_is_the_state, enter, leave),
		cmocka_unit_test_setup_teardown(thresholds, enter, leave),
		cmocka_unit_test_setup_teardown(back_again, enter, leave),
		cmocka_unit_test_setup_teardown(bad_samples_in_a_healthy_state, enter, leave),
		cmocka_unit_test_setup_teardown(first_sample, enter, leave),
		cmocka_unit_test_setup_teardown(rests_until_started, listen_here, hang_up),
		cmocka_unit_test_setup_teardown(started_again, listen_here, hang_up),
		cmocka_unit_test_setup_teardown(stopped_by_its_sample, listen_here, hang_up),
		cmocka_unit_test_setup_teardown(started_by_its_sample, listen_here, hang_up),
		cmocka_unit_test_setup_teardown(target_without_address, listen_here, hang_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
