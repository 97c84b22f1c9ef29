/* SPDX-License-Identifier: BSD-2-Clause */
/* libcurl, loaded when it is first needed. */
#ifndef SHEARPIN_LIBCURL_H
#define SHEARPIN_LIBCURL_H

#include <curl/curl.h>

#define LIBCURL_CALL(name) __typeof__(curl_##name) *(name);
#define LIBCURL_CALLS(X)                                                                                     \
	X(easy_cleanup)                                                                                      \
	X(easy_getinfo)                                                                                      \
	X(easy_init)                                                                                         \
	X(easy_setopt)                                                                                       \
	X(easy_strerror)                                                                                     \
	X(free)                                                                                              \
	X(global_cleanup)                                                                                    \
	X(global_init)                                                                                       \
	X(multi_add_handle)                                                                                  \
	X(multi_assign)                                                                                      \
	X(multi_cleanup)                                                                                     \
	X(multi_info_read)                                                                                   \
	X(multi_init)                                                                                        \
	X(multi_remove_handle)                                                                               \
	X(multi_setopt)                                                                                      \
	X(multi_socket_action)                                                                               \
	X(slist_append)                                                                                      \
	X(slist_free_all)                                                                                    \
	X(url)                                                                                               \
	X(url_cleanup)                                                                                       \
	X(url_get)                                                                                           \
	X(url_set)

struct libcurl {
	LIBCURL_CALLS(LIBCURL_CALL)
};

/* What a process may call once libcurl_load() has returned 0. Not for several threads at a time; -ELIBACC: it can't be loaded. */
extern struct libcurl curl;
int libcurl_load(void);

#endif
