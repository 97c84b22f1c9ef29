/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/journal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timeutil.h"

/* The end of a window with 100,000 flows writes as many events in one go: they must not pile up in memory. */
#define FLUSH_EVENTS 1024
#define CLOCK_MOVED_NS ((int64_t)NS_PER_MS)

struct json *journal_data(struct journal *j)
{
	buf_clear(&j->data);
	json_begin(&j->json, &j->data);
	json_object(&j->json, NULL);
	return &j->json;
}

void journal_write(struct journal *j, uint64_t mono_ns, const char *type, const struct journal_where *where)
{
	struct log_event event = {.mono_ns = mono_ns, .type = type};
	int err;

	json_end_object(&j->json);
	if (where) {
		event.step = where->step;
		event.instance = where->instance;
		event.target = where->target;
		event.flow = where->flow;
	}
	event.data = j->data.failed ? NULL : j->data.data;
	err = j->data.failed ? -ENOMEM : log_append(j->log, &event);
	if (!err && ++j->unflushed >= FLUSH_EVENTS) {
		j->unflushed = 0;
		err = log_flush(j->log, clock_mono_ns());
	}
	if (err && !j->error)
		j->error = err;
}

bool journal_clock_moved(const struct journal *j)
{
	return llabs(clock_offset_ns(NULL) - j->offset_ns) > CLOCK_MOVED_NS;
}

void journal_clock(struct journal *j)
{
	uint64_t error_ns;
	int64_t offset = clock_offset_ns(&error_ns);
	struct json *data = journal_data(j);

	json_i64(data, "offset_ns", offset);
	json_u64(data, "error_ns", error_ns);
	j->offset_ns = offset;
	log_set_offset(j->log, offset);
	journal_write(j, clock_mono_ns(), "clock", NULL);
}

void journal_probe(struct journal *j, const struct probe_sample *sample)
{
	struct json *data = journal_data(j);

	json_string(data, "probe", sample->probe->name);
	if (sample->latency_ns != PROBE_NO_LATENCY)
		json_u64(data, "latency_ns", sample->latency_ns);
	json_bool(data, "changed", sample->changed);
	if (sample->good != sample->healthy)
		json_bool(data, "good", sample->good);
	if (sample->error)
		json_string(data, "error", sample->error);
	if (sample->has_value)
		json_double(data, "value", sample->value);
	if (sample->detail)
		json_string(data, "detail", sample->detail);
	if (sample->source != PROBE_SELF)
		json_string(data, "source", probe_source_name(sample->source));
	if (sample->stated_ns)
		json_u64(data, "stated_ns", sample->stated_ns);
	journal_write(j, sample->mono_ns, sample->healthy ? "probe.up" : "probe.down", NULL);
}

static void format_end(const __u32 *addr, uint16_t port, char *text, size_t size)
{
	const struct in6_addr *v6 = (const struct in6_addr *)addr;
	char address[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(v6)) {
		inet_ntop(AF_INET, &addr[3], address, sizeof(address));
		snprintf(text, size, "%s:%u", address, port);
	} else {
		inet_ntop(AF_INET6, v6, address, sizeof(address));
		snprintf(text, size, "[%s]:%u", address, port);
	}
}

static void format_flow(const char *local, const struct sp_flow_key *key, char *text, size_t size)
{
	char remote[64], proto[8];

	format_end(key->remote, key->remote_port, remote, sizeof(remote));
	snprintf(proto, sizeof(proto), "%u", key->proto);
	snprintf(text, size, "%s>%s/%s", local, remote,
		 key->proto == IPPROTO_TCP   ? "tcp"
		 : key->proto == IPPROTO_UDP ? "udp"
					     : proto);
}

void journal_flow(const struct sp_flow_key *key, char *text, size_t size)
{
	char local[64];

	format_end(key->local, key->local_port, local, sizeof(local));
	format_flow(local, key, text, size);
}

void journal_flow_to(const struct sp_flow_key *key, char *text, size_t size)
{
	format_flow("?", key, text, size);
}

const char *journal_verdict(unsigned verdict)
{
	switch (verdict) {
	case SP_DELAY:
		return "delayed";
	case SP_DUPLICATE:
		return "duplicated";
	case SP_ALTER:
		return "altered";
	case SP_DROP:
		return "dropped";
	case SP_RESET:
		return "reset";
	case SP_REFUSE:
		return "refused";
	default:
		return "passed";
	}
}

const char *journal_hook(unsigned hook)
{
	static const char *const words[] = {"xdp", "tc-ingress", "tc-egress", "sockets"};

	return hook < sizeof(words) / sizeof(*words) ? words[hook] : "unknown";
}
