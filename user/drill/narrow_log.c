/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/narrow_log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "drill/receipts.h"

#define ALL_PACKETS 4294967296.0

/* slow_close holds nothing but the end of a connection. */
static bool delays_path(const struct plan_fault *f)
{
	return f->delay_below && f->meaning != PLAN_MEANS_SLOW_CLOSE;
}

static enum fault_kind kind_of(const struct plan_fault *f)
{
	bool loss = f->drop_below || f->drop_every || f->gemodel;

	if (f->reset_ends)
		return FAULT_KIND_RESET;
	if (f->refuse)
		return FAULT_KIND_REFUSE;
	if (f->drop_below >= PLAN_ALWAYS)
		return FAULT_KIND_DROP;
	if (delays_path(f))
		return loss ? FAULT_KIND_COMBINED : f->jitter_ns ? FAULT_KIND_JITTER : FAULT_KIND_LATENCY;
	return loss ? FAULT_KIND_LOSS : FAULT_KIND_OTHER;
}

static double loss_percent(const struct plan_fault *fault)
{
	if (fault->gemodel)
		return 100 * receipts_gemodel_loss(fault);
	if (fault->drop_every)
		return 100.0 / fault->drop_every;
	return fault->drop_below * 100.0 / ALL_PACKETS;
}

static void add_word(struct buf *b, const char *word)
{
	if (b->len)
		buf_puts(b, ",");
	buf_puts(b, word);
}

static void add_target(const struct plan_target *t, struct buf *addresses, struct buf *ports)
{
	char text[64];

	for (size_t i = 0; i < t->n_remotes; i++) {
		format_prefix(&t->remotes[i], text, sizeof(text));
		if (t->remotes[i].len == (t->remotes[i].family == AF_INET ? 32 : 128))
			text[strcspn(text, "/")] = 0;
		add_word(addresses, text);
	}
	for (size_t i = 0; i < t->n_remote_ports + t->n_local_ports; i++) {
		const struct port_range *range =
			i < t->n_remote_ports ? &t->remote_ports[i] : &t->local_ports[i - t->n_remote_ports];

		if (range->first == range->last)
			snprintf(text, sizeof(text), "%u", range->first);
		else
			snprintf(text, sizeof(text), "%u-%u", range->first, range->last);
		add_word(ports, text);
	}
}

int narrow_log_tell(struct fault_events *log, const struct plan *plan, const struct plan_step *step,
		    uint32_t instance, uint64_t ts_ns,
		    int (*tell)(struct fault_events *, uint64_t, const struct fault_window *))
{
	struct buf addresses = {0}, ports = {0}, interfaces = {0};
	struct fault_window fault = {
		.step = step->name,
		.instance = instance + 1,
		.kind = kind_of(&step->fault),
		.duration_ns = step->window.for_ns,
		.loss_percent = loss_percent(&step->fault),
		.delay_ns = delays_path(&step->fault) ? step->fault.delay_ns : 0,
		.jitter_ns = step->fault.jitter_ns,
	};
	int err = -ENOMEM;

	for (size_t i = 0; i < step->n_targets; i++)
		add_target(&plan->targets[step->targets[i]], &addresses, &ports);
	for (size_t i = 0; i < plan->n_interfaces; i++)
		add_word(&interfaces, plan->interfaces[i]);
	fault.target_ip = addresses.data ?: "";
	fault.ports = ports.data ?: "";
	fault.iface = interfaces.data ?: "";
	if (!addresses.failed && !ports.failed && !interfaces.failed)
		err = tell(log, ts_ns, &fault);
	buf_free(&addresses);
	buf_free(&ports);
	buf_free(&interfaces);
	return err;
}
