/* SPDX-License-Identifier: BSD-2-Clause */
/* A server's certificate (with those that it is signed by, if any) and its private key, from PEM files. */
#ifndef SHEARPIN_CREDENTIALS_H
#define SHEARPIN_CREDENTIALS_H

#include <stddef.h>

struct credentials {
	char *certificate, *key; /* the files' text */
};

/*
 * 0, or a negative errno, with ret_reason saying for people what was wrong: a file can't be read, holds nothing of the kind, the key
 * has a passphrase or is another certificate's. Whether anybody trusts the certificate is not asked.
 */
int credentials_read(const char *certificate_path, const char *key_path, struct credentials *ret,
		     char *ret_reason, size_t size);
void credentials_free(struct credentials *credentials); /* all zero: nothing to do */

#endif
