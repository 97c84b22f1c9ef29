/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "base/timeutil.h"
#include "report/compare.h"

static const char rule[] = "============================================================\n";

/* Rounded up, so that what is over the objective doesn't read as within it. */
static void put_seconds(struct buf *out, uint64_t ns, uint64_t parts)
{
	uint64_t part_ns = NS_PER_S / parts, n = ns / part_ns + (ns % part_ns != 0);

	buf_printf(out, "%" PRIu64 ".%0*" PRIu64 "s", n / parts, parts == 10 ? 1 : 2, n % parts);
}

void score_recovery(const struct compare_score *score, struct buf *out)
{
	if (!score->opened)
		buf_puts(out, "not run");
	else if (!score->measured)
		buf_puts(out, "not measured");
	else if (score->slowest_ns == NO_NS)
		buf_puts(out, "not recovered");
	else
		put_seconds(out, score->slowest_ns, 100);
}

void score_count(uint64_t count, struct buf *out)
{
	if (count == NO_NS)
		buf_puts(out, "n/a");
	else
		buf_printf(out, "%" PRIu64, count);
}

/* A line of its own stays one: in Markdown the card stands between fences. */
static void put_name(const char *name, struct buf *out)
{
	for (; *name; name++)
		buf_add(out, (unsigned char)*name < 0x20 || *name == 0x7f ? " " : name, 1);
}

static void put_score(const struct comparison *c, const struct compare_score *score, struct buf *out)
{
	put_name(score->scenario, out);
	buf_puts(out, " ");
	put_name(score->step, out);
	buf_printf(out, ":\n  Status: %s\n  Recovery Time: ", score->pass ? "\u2713 PASS" : "\u2717 FAIL");
	score_recovery(score, out);
	buf_puts(out, " / ");
	put_seconds(out, c->objective_ns, 10);
	buf_puts(out, "\n  Data Loss: ");
	score_count(score->data_loss, out);
	buf_puts(out, "\n  Order Violations: ");
	score_count(score->order_violations, out);
	buf_puts(out, "\n");
	if (score->failed)
		buf_printf(out, "  Expectations Failed: %" PRIu64 "\n", score->failed);
	buf_puts(out, "\n");
}

void compare_scorecard(const struct comparison *c, struct buf *out)
{
	if (c->incomplete)
		buf_printf(out, "INCOMPLETE: the evidence of %" PRIu64 " of %zu runs\n", c->incomplete, c->n);
	buf_printf(out, "%sRECOVERY SCORECARD\n%s\n", rule, rule);
	for (size_t i = 0; i < c->n_scores; i++)
		put_score(c, &c->scores[i], out);
	buf_printf(out, "%sOVERALL: %" PRIu64 " passed, %" PRIu64 " failed\nSuccess Rate: %u%%\n%s", rule,
		   c->passed, c->n_scores - c->passed, success_rate(c), rule);
}
