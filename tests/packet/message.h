/* SPDX-License-Identifier: BSD-2-Clause */
/* DNS messages (RFC 1035, 4), and what shearpin takes for a query: the rules of bpf/dns.bpf.h, written down a second time. */
#ifndef TESTS_MESSAGE_H
#define TESTS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NXDOMAIN 3
#define DNS_SERVFAIL 2
#define DNS_REFUSED 5

#define HEADER_BYTES 12
#define FLAGS_AT 2
#define NAME_AT 12
#define RD 0x0100

#define LABEL63 "123456789012345678901234567890123456789012345678901234567890123"
#define LABEL61 "1234567890123456789012345678901234567890123456789012345678901"
#define LONGEST LABEL63 "." LABEL63 "." LABEL63 "." LABEL61 /* 255 bytes in a message */

struct message {
	size_t len;
	uint8_t data[1024];
};

void message_put(struct message *m, const void *data, size_t len);
void message_put16(struct message *m, uint16_t value);
/* "a.example"; "" is the root. Labels are as long as they are, and the name is, too. */
void message_put_name(struct message *m, const char *name);

/* A header with these flags and counts of questions, answers, authorities and additionals. */
void message_start(uint16_t id, uint16_t flags, const uint16_t counts[4], struct message *ret);
/* For one question, which is to follow. */
void message_start_question(struct message *ret);
/* For the name's IPv4 address, recursion desired. */
void message_query(const char *name, struct message *ret);
/* EDNS (RFC 6891) with a client's cookie (RFC 7873), as dig has it. */
void message_add_edns(struct message *m);
void message_set_flags(struct message *m, uint16_t flags);
/* For TCP: the length before it. */
void message_frame(const struct message *m, struct message *ret);

bool message_is_query(const uint8_t *data, size_t len);
/* The answer that a query becomes. */
void message_answer(const struct message *query, uint8_t rcode, struct message *ret);

#endif
