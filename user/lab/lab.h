/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The built-in lab: two network namespaces joined by a veth pair, a real redis server in one, a client that
 * reconnects in the other.
 *
 *	client 10.1.0.1/24, fd00:1::1/64  lab0 ---- lab0  10.1.0.2/24, fd00:1::2/64 server, port 6379
 *
 * The namespaces have no name: the server's and the client's process and the lab's own handles hold them. Both
 * processes are killed by the kernel when this one ends, however it ends; with them go the namespaces, the pair
 * and everything attached to it. Nothing is written to disk. One lab a process.
 */
#ifndef SHEARPIN_LAB_H
#define SHEARPIN_LAB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lab/client.h"
#include "lab/net.h"

#define LAB_CLIENT4 "10.1.0.1"
#define LAB_CLIENT6 "fd00:1::1"
#define LAB_SERVER4 "10.1.0.2"
#define LAB_SERVER6 "fd00:1::2"
#define LAB_PORT 6379
#define LAB_READY_NS (10 * NS_PER_S) /* for the server, and then the client, to be ready */

/* What was being made when lab_start() failed. */
enum lab_stage {
	LAB_FIND_SERVER, /* there is no redis or valkey */
	LAB_NAMESPACES,
	LAB_NETWORK,
	LAB_SERVER,
	LAB_CLIENT,
};

struct lab_failure {
	enum lab_stage stage;
	char *output; /* LAB_SERVER: what the server printed, or NULL; free() it */
};

struct lab;

/*
 * Make the lab and wait until the client has an answer from the server. The calling thread is in the client's
 * namespace afterwards. on_event is called in the client's process for each change of its state.
 * 0 or a negative errno, with ret_failure filled in; then nothing is left, and the thread is where it was.
 */
int lab_start(void (*on_event)(const struct client_event *event, void *arg), void *arg, struct lab **ret_lab,
	      struct lab_failure *ret_failure);

bool lab_ipv6(const struct lab *lab);
pid_t lab_client_pid(const struct lab *lab);
pid_t lab_server_pid(const struct lab *lab);

/* Wait until the client is connected. 0, -ETIMEDOUT, or -ECHILD when it has died. */
int lab_wait_connected(struct lab *lab, uint64_t timeout_ns);

/* End the client. What it saw; valid until lab_free(). */
const struct client_record *lab_stop_client(struct lab *lab);

/* End everything and leave the namespace. Accepts NULL. */
void lab_free(struct lab *lab);

#endif
