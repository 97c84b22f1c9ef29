/* SPDX-License-Identifier: BSD-2-Clause */
/* The SHA-256 that chains the lines of the event log. Set up once: fetching the algorithm costs more than a line. */
#ifndef SHEARPIN_HASH_H
#define SHEARPIN_HASH_H

#include <openssl/evp.h>
#include <stddef.h>

#define HASH_HEX 64 /* digits, without the NUL */

struct line_hash {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

/* 0 or -ENOMEM. Also after a failure line_hash_free() is due; it accepts a zeroed struct. */
int line_hash_init(struct line_hash *hash);
void line_hash_free(struct line_hash *hash);

/* The hash of the bytes in lower-case hexadecimal digits. 0 or -ENOMEM. */
int line_hash(const struct line_hash *hash, const char *line, size_t len, char ret_hex[HASH_HEX + 1]);

/* What the first line holds: the hash of no line. */
void line_hash_none(char ret_hex[HASH_HEX + 1]);

#endif
