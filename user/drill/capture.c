/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/timeutil.h"
#include "base/units.h"
#include "evidence/pcapng.h"

#define FLUSH_NS (80 * NS_PER_MS)
#define COMMENT_SIZE 512
#define ADDRESSES 12 /* bytes of an Ethernet header */

/* What the comments of a window's packets begin with: a piece of the capture's text. */
struct heading {
	size_t at, len;
};

struct capture {
	struct pcapng *file;
	const struct journal *journal;
	const struct engine_interface *interfaces;
	size_t n_interfaces;
	uint64_t *written; /* by interface */
	struct buf text;
	struct heading *headings; /* by slot */
	uint32_t n_slots;
	uint64_t start_ns, flushed_ns;
	uint64_t packets, cut, strays;
	int error;
	uint8_t tagged[PCAPNG_SNAPLEN]; /* the frame at hand, with its tag put back */
};

static int make_headings(struct capture *c, const struct plan *plan)
{
	c->n_slots = plan->n_slots;
	c->headings = calloc(plan->n_slots + 1, sizeof(*c->headings));
	if (!c->headings)
		return -ENOMEM;
	for (size_t r = 0; r < plan->n_rules; r++) {
		const struct plan_rule *rule = &plan->rules[r];
		const struct plan_step *step = &plan->steps[rule->step];

		for (uint32_t i = 0; i < step->window.times; i++) {
			struct heading *h = &c->headings[rule->first_slot + i];

			h->at = c->text.len;
			buf_printf(&c->text, "rule %zu, %s #%" PRIu32 " on %s: ", r, step->name, i + 1,
				   plan->targets[rule->target].name);
			h->len = c->text.len - h->at;
		}
	}
	return c->text.failed ? -ENOMEM : 0;
}

static int describe(struct capture *c, int dirfd, const struct plan *plan)
{
	struct utsname host = {0};
	char os[sizeof(host.sysname) + sizeof(host.release) + sizeof(host.version) + 3], comment[512];
	struct pcapng_section section = {.application = "shearpin " SHEARPIN_VERSION, .comment = comment};
	int err;

	if (!uname(&host)) {
		snprintf(os, sizeof(os), "%s %s %s", host.sysname, host.release, host.version);
		section.os = os;
		section.hardware = host.machine;
	}
	snprintf(comment, sizeof(comment), "%s, seed %" PRIu64 ": the packets that a fault hit, as they came",
		 plan->name, plan->seed);
	err = pcapng_open(dirfd, "capture.pcapng", &section, &c->file);
	for (size_t i = 0; !err && i < c->n_interfaces; i++)
		err = pcapng_interface(c->file, c->interfaces[i].name,
				       "the packets that a fault hit, before anything was done to them",
				       section.os);
	return err;
}

int capture_open(int dirfd, const struct plan *plan, const struct engine_interface *interfaces, size_t n,
		 const struct journal *journal, struct capture **ret)
{
	struct capture *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (!c)
		return -ENOMEM;
	c->journal = journal;
	c->interfaces = interfaces;
	c->n_interfaces = n;
	c->start_ns = clock_mono_ns() + journal->offset_ns;
	c->written = calloc(n + 1, sizeof(*c->written));
	if (c->written)
		err = make_headings(c, plan);
	if (!err)
		err = describe(c, dirfd, plan);
	if (err)
		capture_close(c);
	else
		*ret = c;
	return err;
}

static size_t add(char *text, size_t len, const char *more, size_t more_len)
{
	if (more_len > COMMENT_SIZE - len)
		more_len = COMMENT_SIZE - len;
	memcpy(text + len, more, more_len);
	return len + more_len;
}

static size_t add_string(char *text, size_t len, const char *more)
{
	return add(text, len, more, strlen(more));
}

/* "250.013 ms" */
static size_t add_delay(char *text, size_t len, uint64_t ns)
{
	uint64_t us = (ns + 500) / NS_PER_US;
	char digits[24];
	size_t at = sizeof(digits);

	for (int n = 0; n < 4 || us; n++, us /= 10) {
		if (n == 3)
			digits[--at] = '.';
		digits[--at] = '0' + us % 10;
	}
	len = add_string(text, len, "delayed by ");
	len = add(text, len, digits + at, sizeof(digits) - at);
	return add_string(text, len, " ms");
}

static size_t comment_on(const struct capture *c, const struct sp_capture *record, char text[COMMENT_SIZE])
{
	size_t len = 0;

	if (record->slot < c->n_slots)
		len = add(text, len, c->text.data + c->headings[record->slot].at,
			  c->headings[record->slot].len);
	if (record->verdict == SP_DELAY)
		return add_delay(text, len, record->delay_ns);
	len = add_string(text, len, journal_verdict(record->verdict));
	if (!record->delay_ns)
		return len;
	len = add_string(text, len, ", ");
	return add_delay(text, len, record->delay_ns);
}

static size_t find_interface(const struct capture *c, uint32_t ifindex)
{
	size_t i = 0;

	while (i < c->n_interfaces && c->interfaces[i].ifindex != (int)ifindex)
		i++;
	return i;
}

/* The tag goes behind the two addresses. */
static void put_tag(struct capture *c, uint32_t vlan, struct pcapng_packet *packet)
{
	const uint8_t tag[] = {vlan >> 24, vlan >> 16, vlan >> 8, vlan}, *frame = packet->data;
	size_t rest;

	if (packet->captured < ADDRESSES)
		return;
	rest = packet->captured - ADDRESSES;
	if (rest > sizeof(c->tagged) - ADDRESSES - sizeof(tag))
		rest = sizeof(c->tagged) - ADDRESSES - sizeof(tag);
	memcpy(c->tagged, frame, ADDRESSES);
	memcpy(c->tagged + ADDRESSES, tag, sizeof(tag));
	memcpy(c->tagged + ADDRESSES + sizeof(tag), frame + ADDRESSES, rest);
	packet->data = c->tagged;
	packet->captured = ADDRESSES + sizeof(tag) + rest;
	packet->len += sizeof(tag);
}

void capture_take(void *arg, const void *data, size_t size)
{
	const struct sp_capture *record = data;
	struct capture *c = arg;
	char comment[COMMENT_SIZE];
	struct pcapng_packet packet = {
		.interface = find_interface(c, record->ifindex),
		.direction = record->dir == SP_DIR_OUT ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
		.ts_ns = record->ns + c->journal->offset_ns,
		.len = record->len,
		.captured = record->captured,
		.data = record->data,
		.comment = comment,
		.comment_len = comment_on(c, record, comment),
	};

	(void)size; /* it is that of the room, not of the frame */
	if (packet.interface >= c->n_interfaces) {
		c->strays++;
		return;
	}
	if (record->vlan)
		put_tag(c, record->vlan, &packet);
	if (!c->error)
		c->error = pcapng_packet(c->file, &packet);
	if (c->error)
		return;
	c->packets++;
	c->written[packet.interface]++;
	c->cut += packet.captured < packet.len;
}

int capture_flush(struct capture *c, uint64_t now)
{
	if (c->error || now < c->flushed_ns + FLUSH_NS)
		return c->error;
	c->flushed_ns = now;
	c->error = pcapng_flush(c->file);
	return c->error;
}

/* Which of several interfaces they came by, nobody knows. */
static int end_interfaces(struct capture *c, uint64_t lost)
{
	char comment[128];
	struct pcapng_statistics s = {
		.start_ns = c->start_ns,
		.end_ns = clock_mono_ns() + c->journal->offset_ns,
	};
	int err = 0;

	if (lost && c->n_interfaces > 1) {
		snprintf(comment, sizeof(comment),
			 "%" PRIu64 " packets of all interfaces together found no room and are lost", lost);
		s.comment = comment;
	}
	for (size_t i = 0; !err && i < c->n_interfaces; i++) {
		s.delivered = c->written[i];
		s.lost = c->n_interfaces == 1 ? lost : 0;
		s.received = s.delivered + s.lost;
		err = pcapng_statistics(c->file, i, &s);
	}
	return err;
}

int capture_tell(struct capture *c, uint64_t lost, struct journal *journal)
{
	struct json *data;

	lost += c->strays;
	if (!c->error)
		c->error = end_interfaces(c, lost);
	if (!c->error)
		c->error = pcapng_flush(c->file);
	data = journal_data(journal);
	json_u64(data, "packets", c->packets);
	json_u64(data, "lost", lost);
	json_u64(data, "cut", c->cut);
	journal_write(journal, clock_mono_ns(), "capture", NULL);
	return c->error;
}

int capture_close(struct capture *c)
{
	int err;

	if (!c)
		return 0;
	err = pcapng_close(c->file);
	if (c->error)
		err = c->error;
	free(c->written);
	free(c->headings);
	buf_free(&c->text);
	free(c);
	return err;
}
