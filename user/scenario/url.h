/* SPDX-License-Identifier: BSD-2-Clause */
/* URLs that are asked over HTTP. */
#ifndef SHEARPIN_SCENARIO_URL_H
#define SHEARPIN_SCENARIO_URL_H

#include <stdbool.h>

/*
 * What keeps a text from being the URL of a server: http:// or https://, a host, perhaps a port, a path and a query (RFC 3986, 3),
 * without a user or a password, 2048 characters at most. NULL: it is one. Static text that goes on with the URL: "names no host".
 */
const char *url_fault(const char *url);

bool url_is_https(const char *url);
/* Of a URL without a fault: is its host a name, and no address? */
bool url_has_name(const char *url);

#endif
