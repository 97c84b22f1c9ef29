/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/packets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	const char *step, *target;
	int instance;
};

struct packets {
	uint32_t n_slots;
	struct slot slots[];
};

int packets_open(const struct plan *plan, struct packets **ret)
{
	struct packets *p = calloc(1, sizeof(*p) + plan->n_slots * sizeof(*p->slots));

	if (!p)
		return -ENOMEM;
	p->n_slots = plan->n_slots;
	for (size_t r = 0; r < plan->n_rules; r++) {
		const struct plan_rule *rule = &plan->rules[r];
		const struct plan_step *step = &plan->steps[rule->step];

		for (uint32_t i = 0; i < step->window.times; i++)
			p->slots[rule->first_slot + i] = (struct slot){
				.step = step->name,
				.target = plan->targets[rule->target].name,
				.instance = i + 1,
			};
	}
	*ret = p;
	return 0;
}

void packets_close(struct packets *packets)
{
	free(packets);
}

void packets_event(struct packets *packets, const struct sp_packet_event *event, struct journal *journal)
{
	const struct slot *slot;
	struct log_packet packet;
	int err;

	if (event->flow.slot >= packets->n_slots)
		return;
	slot = &packets->slots[event->flow.slot];
	packet = (struct log_packet){
		.mono_ns = event->ns,
		.step = slot->step,
		.target = slot->target,
		.instance = slot->instance,
		.rule = event->rule,
		.local_port = event->flow.local_port,
		.remote_port = event->flow.remote_port,
		.proto = event->flow.proto,
		.verdict = journal_verdict(event->verdict),
		.hook = journal_hook(event->hook),
		.direction = event->dir == SP_DIR_OUT ? "out" : "in",
		.index = event->index,
		.segments = event->segments,
		.bytes = event->bytes,
		.delay_ns = event->delay_ns,
	};
	memcpy(packet.local, event->flow.local, sizeof(packet.local));
	memcpy(packet.remote, event->flow.remote, sizeof(packet.remote));
	err = log_append_packet(journal->log, &packet);
	if (err && !journal->error)
		journal->error = err;
}
