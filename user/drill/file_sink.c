/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/file_sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/write.h"

#define PIECE 65536

int sink_open(struct sink *s)
{
	s->hash = EVP_MD_CTX_new();
	return s->hash && EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

void sink_close(struct sink *s, char *ret_hex)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (s->hash && ret_hex && EVP_DigestFinal_ex(s->hash, digest, &len) == 1)
		for (unsigned i = 0; i < len && i < FILE_STATE_HEX / 2; i++)
			sprintf(ret_hex + 2 * i, "%02x", digest[i]);
	EVP_MD_CTX_free(s->hash);
	s->hash = NULL;
}

int sink_give(struct sink *s, const void *data, size_t len)
{
	int err = s->cancelled && atomic_load(s->cancelled) ? -ECANCELED : 0;

	if (!err && s->hash && EVP_DigestUpdate(s->hash, data, len) != 1)
		err = -ENOMEM;
	if (!err && s->take)
		err = s->take(s, data, len);
	s->at += len;
	s->size += len;
	return err;
}

int sink_write_at(struct sink *s, const void *data, size_t len)
{
	const char *from = data;
	uint64_t at = s->at;

	while (len) {
		ssize_t n = pwrite(s->fd, from, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		from += n;
		at += n;
		len -= n;
	}
	return 0;
}

int sink_write_end(struct sink *s, const void *data, size_t len)
{
	return write_all(s->fd, data, len);
}

int sink_write_sparse(struct sink *s, const void *data, size_t len)
{
	static const char zeros[PIECE];

	return len <= sizeof(zeros) && !memcmp(data, zeros, len) ? 0 : sink_write_at(s, data, len);
}

int sink_write_over(struct sink *s, const void *data, size_t len)
{
	struct stat st;

	if (fstat(s->fd, &st))
		return -errno;
	return s->at >= (uint64_t)st.st_size ? sink_write_sparse(s, data, len) : sink_write_at(s, data, len);
}

int sink_give_file(struct sink *s, int fd, uint64_t most)
{
	char piece[PIECE];
	uint64_t at = 0;
	int err = 0;

	while (!err && at < most) {
		size_t want = most - at < sizeof(piece) ? most - at : sizeof(piece);
		ssize_t n = pread(fd, piece, want, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		err = at + n > FILE_STATE_MOST ? -EFBIG : sink_give(s, piece, n);
		at += n;
	}
	return err;
}

int sink_give_zeros(struct sink *s, uint64_t n)
{
	static const char zeros[PIECE];
	int err = 0;

	for (; !err && n; n -= n < PIECE ? n : PIECE)
		err = sink_give(s, zeros, n < PIECE ? n : PIECE);
	return err;
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t next_word(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

int sink_give_garbage(struct sink *s, uint64_t n, uint64_t seed)
{
	uint64_t words[512];
	int err = 0;

	for (size_t len; !err && n; n -= len) {
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			words[i] = next_word(&seed);
		len = n < sizeof(words) ? n : sizeof(words);
		err = sink_give(s, words, len);
	}
	return err;
}
