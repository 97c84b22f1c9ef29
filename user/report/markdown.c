/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "report/course.h"
#include "report/md.h"
#include "report/report.h"
#include "report/sections.h"
#include "report/words.h"

static void title(const struct results *r, struct buf *out)
{
	if (r->n_incomplete) {
		buf_puts(out, "INCOMPLETE: ");
		md_text(out, r->incomplete[0]);
		if (r->n_incomplete > 1)
			buf_printf(out, " (and %zu more, see Logs and Evidence)", r->n_incomplete - 1);
		buf_puts(out, "\n\n");
	}
	buf_puts(out, "# Reconnect Fault Injection Result\n");
}

static void interfaces(const struct results *r, struct buf *out)
{
	buf_puts(out, "- Interface: ");
	for (size_t i = 0; i < r->n_interfaces; i++) {
		buf_puts(out, i ? ", " : "");
		md_text(out, r->interfaces[i]);
	}
	buf_puts(out, r->n_interfaces ? "\n" : "-\n");
}

/* Meta that has no line of its own. */
static void further_meta(const struct results *r, struct buf *out)
{
	static const char *const own[] = {"operator", "host", "build", "config_profile", "interface", NULL};

	meta_others(r, own, out, md_item);
}

static void turned_off(const struct results *r, struct buf *out)
{
	struct buf steps = {0};

	disabled_steps(r, &steps);
	if (steps.len)
		md_item(out, "Steps turned off", steps.data);
	out->failed |= steps.failed;
	buf_free(&steps);
}

static void section_metadata(const struct results *r, struct buf *out)
{
	const char *name = meta_value(r, "operator"), *host = meta_value(r, "host");

	buf_puts(out, "\n## Metadata\n\n- Date: ");
	md_utc(out, r->start_ts_ns);
	buf_puts(out, "\n");
	md_item(out, "Operator", name ? name : r->operator_name);
	md_item(out, "Host", host ? host : r->host);
	md_item(out, "Build", meta_value(r, "build"));
	md_item(out, "Config profile", meta_value(r, "config_profile"));
	interfaces(r, out);
	md_item(out, "Scenario", r->name);
	if (r->description)
		md_item(out, "Description", r->description);
	if (r->source)
		md_item(out, "Scenario file", r->source);
	buf_printf(out, "- Seed: %" PRIu64 "\n", r->seed);
	md_item(out, "Kernel", r->kernel);
	md_item(out, "Attachment", r->attach);
	md_item(out, "shearpin", r->version);
	md_item(out, "Command", r->command);
	further_meta(r, out);
	for (size_t i = 0; i < r->n_facts; i++)
		md_item(out, r->facts[i].key, r->facts[i].value);
	turned_off(r, out);
}

static void count_items(const char *before, const struct result_count *items, size_t n, const char *unit,
			struct buf *out)
{
	buf_puts(out, before);
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i ? ", " : "");
		md_text(out, items[i].name);
		buf_printf(out, " %" PRIu64 "%s", items[i].count, unit);
	}
	buf_puts(out, n ? "\n" : "-\n");
}

static void untouched(const struct results *r, struct buf *out)
{
	if (r->fragments == NO_NS || r->unparsable == NO_NS || r->own == NO_NS)
		return;
	buf_printf(out,
		   "- Packets passed by rule: %" PRIu64 " fragments, %" PRIu64 " unparsable, %" PRIu64
		   " of shearpin itself\n",
		   r->fragments, r->unparsable, r->own);
}

static void observed(const struct results *r, struct buf *out)
{
	if (r->observed && r->evicted != NO_NS)
		buf_printf(out, "- Connections given up to make room for others: %" PRIu64 "\n", r->evicted);
	if (r->captured != NO_NS)
		buf_printf(out, "- Packets in capture.pcapng: %" PRIu64 "\n", r->captured);
	if (r->captured != NO_NS && r->capture_lost != NO_NS)
		buf_printf(out, "- Packets missing in it: %" PRIu64 "\n", r->capture_lost);
}

static void section_evidence(const struct results *r, struct buf *out)
{
	size_t i;

	buf_puts(out, "\n## Logs and Evidence\n\n");
	md_item(out, "Run directory", r->run);
	count_items("- Files: ", r->files, r->n_files, " bytes", out);
	count_items("- Events: ", r->events, r->n_events, "", out);
	md_item(out, "SHA-256 of the last line of events.jsonl", r->head);
	buf_printf(out, "- Kernel records lost: %" PRIu64 "\n", r->lost);
	untouched(r, out);
	observed(r, out);
	for (i = 0; i < r->n_notes; i++)
		md_item(out, "Note", r->notes[i]);
	for (i = 0; i < r->n_incomplete; i++)
		md_item(out, "INCOMPLETE", r->incomplete[i]);
}

void report_markdown(const struct results *r, struct buf *out)
{
	title(r, out);
	section_metadata(r, out);
	section_summary(r, out);
	section_expects(r, out);
	section_phases(r, out);
	section_matrix(r, out);
	section_acceptance(r, out);
	section_evidence(r, out);
	section_fidelity(r, out);
	section_counters(r, out);
	section_probes(r, out);
	section_flows(r, out);
	section_attempts(r, out);
}
