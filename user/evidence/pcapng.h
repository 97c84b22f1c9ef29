/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A capture file of one section: Ethernet frames with times in nanoseconds, whence they came and a comment each. The format
 * is that of draft-ietf-opsawg-pcapng; numbers in brackets are those of its blocks and options.
 *
 * pcapng_open() -> pcapng_interface() for each interface -> pcapng_packet() ... -> pcapng_statistics() -> pcapng_close().
 * Packets are gathered in memory that is allocated once, and written in whole blocks. All functions return 0 or a negative
 * errno; once writing has failed the file keeps the error, every later call returns it, and what is in the file ends with the
 * last whole block that had room. One thread uses a file. A text of more than PCAPNG_TEXT bytes is cut off there.
 */
#ifndef SHEARPIN_PCAPNG_H
#define SHEARPIN_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#define PCAPNG_SNAPLEN 2048
#define PCAPNG_TEXT 1000

struct pcapng;

/* The section header [0x0a0d0d0a]; NULL: without the option. */
struct pcapng_section {
	const char *hardware;    /* [2] */
	const char *os;          /* [3] */
	const char *application; /* [4] */
	const char *comment;     /* [1] */
};

/*
 * Create the file (O_EXCL) in the directory, for its owner's eyes only: it holds what others said. Nothing is in it before the
 * first flush.
 */
int pcapng_open(int dirfd, const char *name, const struct pcapng_section *section, struct pcapng **ret);

/* An interface description [1]; interfaces count from 0 in the order of the calls. os: NULL: without. */
int pcapng_interface(struct pcapng *file, const char *name, const char *description, const char *os);

enum pcapng_direction { /* epb_flags, bits 0 and 1 */
			PCAPNG_UNKNOWN,
			PCAPNG_INBOUND,
			PCAPNG_OUTBOUND,
};

struct pcapng_packet {
	uint32_t interface;
	enum pcapng_direction direction;
	uint64_t ts_ns; /* CLOCK_REALTIME */
	uint32_t len;   /* on the wire */
	uint32_t captured;
	const void *data;    /* the first `captured` bytes of it */
	const char *comment; /* need not be terminated */
	size_t comment_len;  /* 0: none */
};

/* An enhanced packet [6]. -EINVAL: no such interface, or captured is above len or PCAPNG_SNAPLEN; nothing is written. */
int pcapng_packet(struct pcapng *file, const struct pcapng_packet *packet);

struct pcapng_statistics {
	uint64_t start_ns, end_ns; /* of the capture; CLOCK_REALTIME */
	uint64_t received;         /* isb_ifrecv [4]: written or lost */
	uint64_t lost;             /* isb_osdrop [7] */
	uint64_t delivered;        /* isb_usrdeliv [8]: written */
	const char *comment;       /* NULL: none */
};

/* Interface statistics [5]. -EINVAL: no such interface. */
int pcapng_statistics(struct pcapng *file, uint32_t interface, const struct pcapng_statistics *statistics);

int pcapng_flush(struct pcapng *file);
/* Flush, fsync, close. Accepts NULL. */
int pcapng_close(struct pcapng *file);

#endif
