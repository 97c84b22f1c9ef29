/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/fetch_error.h"

#include <errno.h>

#include "drill/probe.h"

const char *fetch_error(CURLcode code, long error)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		return "certificate";
	case CURLE_SSL_CACERT_BADFILE:
		return "the authorities' certificates can't be read";
	case CURLE_OPERATION_TIMEDOUT:
		return probe_error(ETIMEDOUT);
	case CURLE_GOT_NOTHING:
		return error ? probe_error(error) : "closed without an answer";
	case CURLE_PARTIAL_FILE:
		return error ? probe_error(error) : "the answer is cut short";
	case CURLE_SSL_CONNECT_ERROR:
		return error ? probe_error(error) : "TLS handshake";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return "no HTTP";
	default:
		return error ? probe_error(error) : curl.easy_strerror(code);
	}
}
