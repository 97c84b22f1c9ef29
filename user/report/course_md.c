/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "report/course.h"
#include "report/md.h"
#include "report/sections.h"
#include "report/words.h"

/* Seconds from the end of the baseline. */
static void put_time(const struct results *r, uint64_t ns, struct buf *out)
{
	if (ns == NO_NS || r->zero_ns == NO_NS) {
		buf_puts(out, "-");
		return;
	}
	buf_puts(out, ns < r->zero_ns ? "-" : "");
	md_seconds(out, ns < r->zero_ns ? r->zero_ns - ns : ns - r->zero_ns);
}

static void expect_row(const struct results *r, const struct result_expect *e, struct buf *out)
{
	struct buf words = {0};

	buf_puts(out, "| ");
	md_text(out, e->step);
	buf_printf(out, " #%u | ", e->instance);
	md_text(out, e->words);
	buf_puts(out, " | ");
	put_time(r, e->opens_ns, out);
	buf_puts(out, " | ");
	put_time(r, e->closes_ns, out);
	buf_puts(out, " | ");
	put_time(r, e->decided_ns, out);
	buf_printf(out, " | %" PRIu64 " | ", e->samples);
	expect_seen(e, &words);
	md_text(out, words.data);
	md_seq(out, e->seq);
	buf_printf(out, " | %s |\n", e->pass ? "PASS" : "FAIL");
	out->failed |= words.failed;
	buf_free(&words);
}

void section_expects(const struct results *r, struct buf *out)
{
	if (!r->n_expects)
		return;
	buf_puts(out, "\n## Expectations\n\nTimes are seconds from the end of the baseline.\n\n");
	md_table(out, "Expectation|Condition|From (s)|To (s)|Decided (s)|Samples|Seen|Result");
	for (size_t i = 0; i < r->n_expects; i++)
		expect_row(r, &r->expects[i], out);
}

static void phase_row(const struct result_phase *p, struct buf *out)
{
	struct buf share = {0};

	buf_puts(out, "| ");
	md_text(out, p->name);
	buf_puts(out, " | ");
	phase_share(p, &share);
	md_text(out, share.data);
	buf_puts(out, " | ");
	md_text(out, p->words);
	buf_puts(out, " | ");
	md_utc(out, p->started_ts_ns);
	buf_puts(out, " | ");
	md_utc(out, p->ended_ts_ns);
	buf_puts(out, " | ");
	md_text(out, p->result);
	md_seq(out, p->seq);
	buf_puts(out, " |\n");
	out->failed |= share.failed;
	buf_free(&share);
}

void section_phases(const struct results *r, struct buf *out)
{
	if (!r->n_phases)
		return;
	buf_puts(out, "\n## Phases\n\n");
	md_table(out, "Phase|Flows|Sets|Start Time (UTC)|End Time (UTC)|Result");
	for (size_t i = 0; i < r->n_phases; i++)
		phase_row(&r->phases[i], out);
}
