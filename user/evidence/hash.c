/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/hash.h"

#include <errno.h>
#include <string.h>

int line_hash_init(struct line_hash *hash)
{
	hash->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	hash->ctx = EVP_MD_CTX_new();
	return hash->md && hash->ctx ? 0 : -ENOMEM;
}

void line_hash_free(struct line_hash *hash)
{
	EVP_MD_CTX_free(hash->ctx);
	EVP_MD_free(hash->md);
}

int line_hash(const struct line_hash *hash, const char *line, size_t len, char ret_hex[HASH_HEX + 1])
{
	unsigned char bytes[HASH_HEX / 2];
	size_t i;

	if (!EVP_DigestInit_ex2(hash->ctx, hash->md, NULL) || !EVP_DigestUpdate(hash->ctx, line, len) ||
	    !EVP_DigestFinal_ex(hash->ctx, bytes, NULL))
		return -ENOMEM;
	for (i = 0; i < sizeof(bytes); i++) {
		ret_hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		ret_hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	ret_hex[HASH_HEX] = '\0';
	return 0;
}

void line_hash_none(char ret_hex[HASH_HEX + 1])
{
	memset(ret_hex, '0', HASH_HEX);
	ret_hex[HASH_HEX] = '\0';
}
