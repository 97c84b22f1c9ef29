/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/totals.h"

#include "base/timeutil.h"
#include "kernel/line.h"

void tell_packets(struct engine *engine, struct journal *journal)
{
	uint64_t stats[SP_STATS];
	struct json *data;

	if (engine_stats(engine, stats))
		return;
	data = journal_data(journal);
	json_u64(data, "fragments", stats[SP_STAT_FRAGMENT]);
	json_u64(data, "unparsable", stats[SP_STAT_UNPARSABLE]);
	json_u64(data, "own", stats[SP_STAT_OWN]);
	journal_write(journal, clock_mono_ns(), "packets", NULL);
}

void tell_line(struct line *line, struct journal *journal)
{
	struct line_stats stats;
	struct json *data;

	if (!line || line_stats(line, &stats))
		return;
	data = journal_data(journal);
	json_string(data, "backend", line_name(line));
	json_bool(data, "realtime", stats.realtime);
	json_u64(data, "parcels", stats.parcels);
	json_u64(data, "memory", stats.memory);
	json_u64(data, "held_max", stats.held_max);
	json_u64(data, "device_dropped", stats.device_dropped);
	json_u64(data, "memory_full", stats.memory_full);
	json_u64(data, "stale", stats.stale);
	json_u64(data, "write_failed", stats.write_failed);
	json_bool(data, "device_lost", stats.lost);
	journal_write(journal, clock_mono_ns(), "line", NULL);
}
