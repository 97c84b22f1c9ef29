/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A regular file as it is, kept, and put back byte for byte: content, owner, mode, access and modification times and extended
 * attributes (and with them access control lists). What is there is written in place, so that whoever has it open, and its other
 * names, see the same file; only one that is gone is made anew. Symbolic links are not followed.
 *
 * Functions return 0 or a negative errno; -ENOTSUP: it is no regular file; -EFBIG: larger than FILE_STATE_MOST. They read and write
 * all of it, and give up with -ECANCELED once *cancelled (which may be NULL) is true.
 */
#ifndef SHEARPIN_FILE_STATE_H
#define SHEARPIN_FILE_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define FILE_STATE_MOST (1024ULL * 1024 * 1024)
#define FILE_STATE_HEX 64
#define FILE_STATE_BEGUN ".begun"

struct file_state {
	bool exists; /* otherwise the rest is zero */
	uint64_t device, inode, size;
	char sha256[FILE_STATE_HEX + 1];
	mode_t mode; /* the permissions */
	uid_t uid;
	gid_t gid;
	nlink_t links;
	struct timespec atime, mtime;
};

/* A change of a file's content: the first `keep` bytes stay (or zeros, where there are fewer), `tail` comes behind them. */
struct file_content {
	uint64_t keep;
	bool keep_all;
	const char *text; /* the tail; NULL: none, or `source` or garbage */
	size_t len;
	int source;       /* a file that it is read from; -1: none */
	uint64_t garbage; /* bytes of it */
	uint64_t seed;
};

struct file_change {
	char path[4096]; /* absolute */
	char copy[4096];
	struct file_state before,
		after; /* of `after` only what the change sets: exists, size, sha256, device, inode, mtime */
	bool applied;
	bool is_truncation; /* where it is read from a journal */
};

/* A file that is not there is no error: ret->exists. */
int file_state_look(const char *path, struct file_state *ret, const atomic_bool *cancelled);
/* The same without the hash. */
int file_state_stat(const char *path, struct file_state *ret);

/*
 * Copy it, and its extended attributes beside the copy (with ".xattr" behind the name), and sync both. -ENOSPC: there is too little
 * room; -EAGAIN: it changed meanwhile.
 */
int file_state_keep(const char *path, const char *copy, struct file_state *ret, const atomic_bool *cancelled);

/* What the kept file (copy; NULL: there is none) will be after a change: size and hash. */
int file_content_state(const struct file_content *content, const char *copy, struct file_state *ret,
		       const atomic_bool *cancelled);
/* Change the file, in place, or a new one where there is none (0644). Synced. before: as kept; -ESTALE: it is another by now. */
int file_content_write(const char *path, const struct file_content *content, const struct file_state *before,
		       struct file_state *ret_after, const atomic_bool *cancelled);
/* Remove it, if it is what it was. */
int file_state_remove(const char *path, const struct file_state *before);

/*
 * Put a kept file back, whatever is there by now; -ENOTSUP: something that is no regular file has its name. While it is written in
 * place there is a file beside the copy, with FILE_STATE_BEGUN behind the name.
 */
int file_state_restore(const char *path, const char *copy, const struct file_state *before);
/* Somebody has begun to put it back, and did not come to the end. */
bool file_state_is_begun(const char *copy);
/* Is it the same in all that is put back? (of extended attributes: nothing is asked) */
bool file_state_same(const struct file_state *a, const struct file_state *b);

#endif
