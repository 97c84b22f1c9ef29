/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the bytes of a file go, one piece after the other: into a hash, into another file, or both. Functions return 0 or a negative
 * errno: -ECANCELED once *cancelled is true, -EFBIG if a file that is read has more than FILE_STATE_MOST.
 */
#ifndef SHEARPIN_FILE_SINK_H
#define SHEARPIN_FILE_SINK_H

#include <openssl/evp.h>

#include "drill/file_state.h"

struct sink {
	int (*take)(struct sink *s, const void *data, size_t len); /* one of sink_write_*(); NULL: none */
	const atomic_bool *cancelled;                              /* may be NULL */
	EVP_MD_CTX *hash;                                          /* NULL: it takes none */
	int fd;                                                    /* that take() writes to */
	uint64_t at;                                               /* in the file: of the next piece */
	uint64_t size;                                             /* of all that was given */
};

/* It takes a hash (SHA-256) of what is given from here on. */
int sink_open(struct sink *s);
/* ret_hex (FILE_STATE_HEX characters and the NUL, or NULL): the hash; untouched if it has taken none. */
void sink_close(struct sink *s, char *ret_hex);

int sink_write_at(struct sink *s, const void *data, size_t len);
int sink_write_end(struct sink *s, const void *data, size_t len);
/* Where there are zeros alone a copy has a hole. */
int sink_write_sparse(struct sink *s, const void *data, size_t len);
/* The same behind the end that the file has; before it everything is written. */
int sink_write_over(struct sink *s, const void *data, size_t len);

int sink_give(struct sink *s, const void *data, size_t len);
/* Up to `most` bytes of a file from its beginning. */
int sink_give_file(struct sink *s, int fd, uint64_t most);
int sink_give_zeros(struct sink *s, uint64_t n);
/* n bytes that look like none in particular: the same for the same seed. */
int sink_give_garbage(struct sink *s, uint64_t n, uint64_t seed);

#endif
