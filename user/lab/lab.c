/* SPDX-License-Identifier: BSD-2-Clause */
#include "lab/lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lab/process.h"
#include "lab/server.h"

#define RETRY_NS (10 * NS_PER_MS)
#define MAX_OUTPUT 8192

struct lab {
	struct lab_process server, client;
	struct server_program program;
	struct client_options options;
	struct client_record *record; /* shared with the client's process; NULL: none */
	int output;                   /* what the server prints */
	int home;                     /* the namespace that the thread came from */
	bool ipv6;
};

static int become_server(void *arg)
{
	struct lab *lab = arg;

	return server_exec(&lab->program, LAB_PORT, lab->output);
}

static int become_client(void *arg)
{
	struct lab *lab = arg;

	client_run(&lab->options, lab->record);
}

static int prepare(struct lab *lab)
{
	struct sockaddr_in *server = (struct sockaddr_in *)&lab->options.server;

	server->sin_family = AF_INET;
	server->sin_port = htons(LAB_PORT);
	inet_pton(AF_INET, LAB_SERVER4, &server->sin_addr);
	lab->options.server_len = sizeof(*server);
	if (getrandom(&lab->options.seed, sizeof(lab->options.seed), 0) < 0)
		return -errno;
	lab->record =
		mmap(NULL, sizeof(*lab->record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lab->record == MAP_FAILED) {
		lab->record = NULL;
		return -errno;
	}
	lab->output = memfd_create("server", MFD_CLOEXEC);
	if (lab->output < 0)
		return -errno;
	lab->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return lab->home < 0 ? -errno : 0;
}

static int make_namespaces(struct lab *lab)
{
	int r = lab_process_start(&lab->server, become_server, lab);

	return r ? r : lab_process_start(&lab->client, become_client, lab);
}

static int make_network(struct lab *lab)
{
	static const struct lab_end server = {LAB_SERVER4, LAB_SERVER6}, client = {LAB_CLIENT4, LAB_CLIENT6};
	bool server6 = false, client6 = false;
	int r = lab_net_enter(lab->server.netns);

	if (!r)
		r = lab_net_pair(lab->client.netns);
	if (!r)
		r = lab_net_configure(&server, &server6);
	if (!r)
		r = lab_net_enter(lab->client.netns);
	if (!r)
		r = lab_net_configure(&client, &client6);
	lab->ipv6 = server6 && client6;
	return r;
}

static void pause_ns(uint64_t ns)
{
	nanosleep(&(struct timespec){ns / NS_PER_S, ns % NS_PER_S}, NULL);
}

static int start_server(struct lab *lab)
{
	uint64_t deadline_ns = clock_mono_ns() + LAB_READY_NS;
	int r = lab_process_go(&lab->server, true);

	if (r)
		return r;
	for (;;) {
		r = client_connect(&lab->options, NS_PER_S);
		if (r >= 0)
			return close(r) ? -errno : 0;
		if (!lab_process_alive(&lab->server))
			return -ECHILD;
		if (clock_mono_ns() > deadline_ns)
			return -ETIMEDOUT;
		pause_ns(RETRY_NS);
	}
}

static int start_client(struct lab *lab)
{
	int r = lab_process_go(&lab->client, false);

	return r ? r : lab_wait_connected(lab, LAB_READY_NS);
}

static char *server_output(struct lab *lab)
{
	struct stat s;
	off_t from;
	ssize_t n;
	char *text;

	if (lab->output < 0 || fstat(lab->output, &s) || !s.st_size)
		return NULL;
	text = malloc(MAX_OUTPUT + 1);
	if (!text)
		return NULL;
	from = s.st_size > MAX_OUTPUT ? s.st_size - MAX_OUTPUT : 0;
	n = pread(lab->output, text, MAX_OUTPUT, from);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int build(struct lab *lab, enum lab_stage *ret_stage)
{
	static const struct {
		enum lab_stage stage;
		int (*make)(struct lab *lab);
	} parts[] = {
		{LAB_NAMESPACES, prepare},  {LAB_NAMESPACES, make_namespaces}, {LAB_NETWORK, make_network},
		{LAB_SERVER, start_server}, {LAB_CLIENT, start_client},
	};
	int r;

	*ret_stage = LAB_FIND_SERVER;
	r = server_find(&lab->program);
	for (size_t i = 0; !r && i < sizeof(parts) / sizeof(*parts); i++) {
		*ret_stage = parts[i].stage;
		r = parts[i].make(lab);
	}
	return r;
}

int lab_start(void (*on_event)(const struct client_event *event, void *arg), void *arg, struct lab **ret_lab,
	      struct lab_failure *ret_failure)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	int r;

	*ret_failure = (struct lab_failure){.stage = LAB_NAMESPACES};
	if (!lab)
		return -ENOMEM;
	lab->server = lab->client = (struct lab_process)LAB_NO_PROCESS;
	lab->output = lab->home = -1;
	lab->options.on_event = on_event;
	lab->options.arg = arg;
	r = build(lab, &ret_failure->stage);
	if (r) {
		ret_failure->output = server_output(lab);
		lab_free(lab);
		return r;
	}
	*ret_lab = lab;
	return 0;
}

bool lab_ipv6(const struct lab *lab)
{
	return lab->ipv6;
}

pid_t lab_client_pid(const struct lab *lab)
{
	return lab->client.pid;
}

pid_t lab_server_pid(const struct lab *lab)
{
	return lab->server.pid;
}

int lab_wait_connected(struct lab *lab, uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_mono_ns() + timeout_ns;

	while (!atomic_load(&lab->record->connected)) {
		if (!lab_process_alive(&lab->client))
			return -ECHILD;
		if (clock_mono_ns() > deadline_ns)
			return -ETIMEDOUT;
		pause_ns(RETRY_NS);
	}
	return 0;
}

const struct client_record *lab_stop_client(struct lab *lab)
{
	lab_process_end(&lab->client);
	return lab->record;
}

void lab_free(struct lab *lab)
{
	if (!lab)
		return;
	lab_process_end(&lab->client);
	lab_process_end(&lab->server);
	if (lab->home >= 0) {
		lab_net_enter(lab->home);
		close(lab->home);
	}
	if (lab->output >= 0)
		close(lab->output);
	if (lab->record)
		munmap(lab->record, sizeof(*lab->record));
	free(lab);
}
