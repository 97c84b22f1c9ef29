/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The production programs without the engine, for what its plans don't reach: rules as the programs have them, and a delay
 * line whose devices, clock and heartbeat are the test's. Rules match every packet of the near end's interface.
 */
#ifndef TESTS_BARE_H
#define TESTS_BARE_H

#include <stdint.h>

#include "kernel/attach.h"
#include "packet/scene.h"

#define BARE_PARCELS 64
#define BARE_SLOTS 16
#define BARE_STATES 64

struct bare {
	struct shearpin *skel;
	struct attachments *attachments;
	int ifindex;
};

struct bare_line {
	enum sp_line kind;
	int ifindex, plain_ifindex;
	uint8_t mac[6];
};

/* Loaded and armed; nothing is attached. */
int bare_open(const struct bare_line *line, struct bare *ret);
/* As if just opened, with this line: no rules, no parcels, nothing counted, no flows. */
void bare_reset(struct bare *b, const struct bare_line *line);
/* Rule i, open for an hour from now on, with slot i; it does nothing yet. */
struct sp_rule *bare_rule(struct bare *b, unsigned i);
/* At both hooks of the interface. */
int bare_attach(struct bare *b);
void bare_close(struct bare *b);

struct sp_counters bare_counters(const struct bare *b, uint32_t slot);
struct sp_receipt bare_receipt(const struct bare *b, uint32_t slot);
uint64_t bare_stat(const struct bare *b, uint32_t which);

#endif
