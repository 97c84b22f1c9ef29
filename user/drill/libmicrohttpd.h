/* SPDX-License-Identifier: BSD-2-Clause */
/* libmicrohttpd, loaded when it is first needed. */
#ifndef SHEARPIN_LIBMICROHTTPD_H
#define SHEARPIN_LIBMICROHTTPD_H

#include <microhttpd.h>

#define LIBMICROHTTPD_CALL(name) __typeof__(MHD_##name) *(name);
#define LIBMICROHTTPD_CALLS(X)                                                                               \
	X(add_response_header)                                                                               \
	X(create_response_from_buffer)                                                                       \
	X(destroy_response)                                                                                  \
	X(get_connection_info)                                                                               \
	X(queue_response)                                                                                    \
	X(start_daemon)                                                                                      \
	X(stop_daemon)

struct libmicrohttpd {
	LIBMICROHTTPD_CALLS(LIBMICROHTTPD_CALL)
};

/* What a process may call once libmicrohttpd_load() has returned 0. Not for several threads at a time; -ELIBACC: it can't be loaded. */
extern struct libmicrohttpd mhd;
int libmicrohttpd_load(void);

#endif
