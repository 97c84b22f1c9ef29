/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define BLOCK_MOST 8192 /* no block is longer: four texts, or a packet and a text */
#define NO_LENGTH UINT64_MAX

enum block {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
};

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SHB_HARDWARE = 2,
	SHB_OS = 3,
	SHB_APPLICATION = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_OS = 12,
	EPB_FLAGS = 2,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define LINKTYPE_ETHERNET 1
#define NANOSECONDS 9 /* 10^-9 s */

struct pcapng {
	int fd;
	int error;
	off_t size; /* of the whole blocks in the file */
	uint32_t n_interfaces;
	size_t len;   /* of the blocks in the buffer, the one under way included */
	size_t start; /* of the block under way */
	uint8_t buffer[BUFFER_BYTES];
};

/* What is written is in this host's byte order, which the section header tells. */
static void put(struct pcapng *f, const void *data, size_t len)
{
	memcpy(f->buffer + f->len, data, len);
	f->len += len;
}

static void put_u16(struct pcapng *f, uint16_t value)
{
	put(f, &value, sizeof(value));
}

static void put_u32(struct pcapng *f, uint32_t value)
{
	put(f, &value, sizeof(value));
}

static void put_u64(struct pcapng *f, uint64_t value)
{
	put(f, &value, sizeof(value));
}

/* The high half first, in any byte order. */
static void put_time(struct pcapng *f, uint64_t ns)
{
	put_u32(f, ns >> 32);
	put_u32(f, ns);
}

static void pad(struct pcapng *f)
{
	static const uint8_t zeros[3];

	put(f, zeros, -f->len & 3);
}

static void put_option(struct pcapng *f, enum option option, const void *data, size_t len)
{
	put_u16(f, option);
	put_u16(f, len);
	put(f, data, len);
	pad(f);
}

/* Not in the middle of a character of UTF-8. */
static size_t cut_text(const char *text, size_t len)
{
	if (len <= PCAPNG_TEXT)
		return len;
	for (len = PCAPNG_TEXT; len && (text[len] & 0xc0) == 0x80;)
		len--;
	return len;
}

static void put_text(struct pcapng *f, enum option option, const char *text, size_t len)
{
	put_option(f, option, text, cut_text(text, len));
}

static void put_string(struct pcapng *f, enum option option, const char *text)
{
	if (text)
		put_text(f, option, text, strlen(text));
}

static void put_time_option(struct pcapng *f, enum option option, uint64_t ns)
{
	put_u16(f, option);
	put_u16(f, sizeof(ns));
	put_time(f, ns);
}

static int begin(struct pcapng *f, enum block type)
{
	int err = f->error;

	if (!err && f->len + BLOCK_MOST > BUFFER_BYTES)
		err = pcapng_flush(f);
	if (err)
		return err;
	f->start = f->len;
	put_u32(f, type);
	put_u32(f, 0); /* its length, which end() knows */
	return 0;
}

static void end(struct pcapng *f)
{
	uint32_t len = f->len - f->start + sizeof(len);

	memcpy(f->buffer + f->start + sizeof(len), &len, sizeof(len));
	put_u32(f, len);
}

static void end_options(struct pcapng *f)
{
	put_option(f, OPTION_END, "", 0);
	end(f);
}

static int put_section(struct pcapng *f, const struct pcapng_section *section)
{
	int err = begin(f, BLOCK_SECTION);

	if (err)
		return err;
	put_u32(f, BYTE_ORDER_MAGIC);
	put_u16(f, 1); /* version 1.0 */
	put_u16(f, 0);
	put_u64(f, NO_LENGTH);
	put_string(f, OPTION_COMMENT, section->comment);
	put_string(f, SHB_HARDWARE, section->hardware);
	put_string(f, SHB_OS, section->os);
	put_string(f, SHB_APPLICATION, section->application);
	end_options(f);
	return 0;
}

int pcapng_open(int dirfd, const char *name, const struct pcapng_section *section, struct pcapng **ret)
{
	struct pcapng *f = malloc(sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	memset(f, 0, offsetof(struct pcapng, buffer));
	f->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (f->fd < 0) {
		err = -errno;
		free(f);
		return err;
	}
	err = put_section(f, section);
	if (err)
		pcapng_close(f);
	else
		*ret = f;
	return err;
}

int pcapng_interface(struct pcapng *f, const char *name, const char *description, const char *os)
{
	static const uint8_t resolution = NANOSECONDS;
	int err = begin(f, BLOCK_INTERFACE);

	if (err)
		return err;
	put_u16(f, LINKTYPE_ETHERNET);
	put_u16(f, 0);
	put_u32(f, PCAPNG_SNAPLEN);
	put_string(f, IF_NAME, name);
	put_string(f, IF_DESCRIPTION, description);
	put_option(f, IF_TSRESOL, &resolution, sizeof(resolution));
	put_string(f, IF_OS, os);
	end_options(f);
	f->n_interfaces++;
	return 0;
}

int pcapng_packet(struct pcapng *f, const struct pcapng_packet *p)
{
	uint32_t flags = p->direction;
	int err;

	if (p->interface >= f->n_interfaces || p->captured > p->len || p->captured > PCAPNG_SNAPLEN)
		return -EINVAL;
	err = begin(f, BLOCK_PACKET);
	if (err)
		return err;
	put_u32(f, p->interface);
	put_time(f, p->ts_ns);
	put_u32(f, p->captured);
	put_u32(f, p->len);
	put(f, p->data, p->captured);
	pad(f);
	put_option(f, EPB_FLAGS, &flags, sizeof(flags));
	if (p->comment_len)
		put_text(f, OPTION_COMMENT, p->comment, p->comment_len);
	end_options(f);
	return 0;
}

int pcapng_statistics(struct pcapng *f, uint32_t interface, const struct pcapng_statistics *s)
{
	int err;

	if (interface >= f->n_interfaces)
		return -EINVAL;
	err = begin(f, BLOCK_STATISTICS);
	if (err)
		return err;
	put_u32(f, interface);
	put_time(f, s->end_ns);
	put_string(f, OPTION_COMMENT, s->comment);
	put_time_option(f, ISB_STARTTIME, s->start_ns);
	put_time_option(f, ISB_ENDTIME, s->end_ns);
	put_option(f, ISB_IFRECV, &s->received, sizeof(s->received));
	put_option(f, ISB_OSDROP, &s->lost, sizeof(s->lost));
	put_option(f, ISB_USRDELIV, &s->delivered, sizeof(s->delivered));
	end_options(f);
	return 0;
}

/* How many of the first `done` bytes in the buffer are whole blocks. */
static size_t whole_blocks(const struct pcapng *f, size_t done)
{
	size_t at = 0;
	uint32_t len;

	while (at < done) {
		memcpy(&len, f->buffer + at + sizeof(len), sizeof(len));
		if (at + len > done)
			break;
		at += len;
	}
	return at;
}

int pcapng_flush(struct pcapng *f)
{
	size_t done = 0;

	while (!f->error && done < f->len) {
		ssize_t n = write(f->fd, f->buffer + done, f->len - done);

		if (n > 0)
			done += n;
		else if (n == 0 || errno != EINTR)
			f->error = n ? -errno : -EIO;
	}
	if (f->error) {
		done = whole_blocks(f, done);
		(void)!ftruncate(f->fd, f->size + done);
	}
	f->size += done;
	f->len = 0;
	return f->error;
}

int pcapng_close(struct pcapng *f)
{
	int err;

	if (!f)
		return 0;
	err = pcapng_flush(f);
	if (fsync(f->fd) && !err)
		err = -errno;
	close(f->fd);
	free(f);
	return err;
}
