/* SPDX-License-Identifier: BSD-2-Clause */
/* The observer's table in the kernel. */
#ifndef SHEARPIN_CONN_TABLE_H
#define SHEARPIN_CONN_TABLE_H

#include <linux/types.h>

#include "abi.h"

/* Every entry, once; one that comes or goes meanwhile may be left out. 0 or a negative errno. */
int conn_table_each(int map_fd,
		    void (*call)(void *arg, const struct sp_flow_key *key, const struct sp_conn *conn),
		    void *arg);

/* Remove the entry if it still is this connection, which has ended. 1; 0: it isn't, or is gone; or a negative errno. */
int conn_table_delete(int map_fd, const struct sp_flow_key *key, const struct sp_conn *ended);

#endif
