/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/made_up.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/timeutil.h"

#define ZERO_NS (81230 * NS_PER_S)
#define REAL_NS (1795308575 * NS_PER_S)
#define BASELINE_MS 10000
#define EVERY_MS 60000
#define CUT_MS 20000

uint64_t made_up_ns(int64_t ms)
{
	return ZERO_NS + ms * (int64_t)NS_PER_MS;
}

static uint64_t real_ns(int64_t ms)
{
	return REAL_NS + (ms + BASELINE_MS) * (int64_t)NS_PER_MS;
}

/* An array of n, as results_free() wants it. */
static void *array(size_t n, size_t size)
{
	void *items = calloc(n ? n : 1, size);

	assert_non_null(items);
	return items;
}

static const char *text(struct results *r, const struct made_up *what, const char *harmless)
{
	return results_keep(r, what->name ? what->name : harmless);
}

static void make_head(struct results *r, const struct made_up *what)
{
	r->name = text(r, what, "ctp-reconnect");
	r->description = text(r, what, "Cut, slow and thin the trading front; it must be back within 10 s.");
	r->source = text(r, what, "scenarios/ctp/reconnect.yaml");
	r->run = text(r, what, "runs/20261122T093000Z-ctp-reconnect");
	r->version = "0.1.0";
	r->command = text(r, what, "shearpin run scenarios/ctp/reconnect.yaml --meta build=20260211");
	r->host = text(r, what, "trade-1");
	r->operator_name = text(r, what, "ops");
	r->kernel = "6.18.0";
	r->attach = "tcx";
	r->seed = 7;
	r->start_ts_ns = real_ns(-BASELINE_MS);
	r->start_ns = made_up_ns(-BASELINE_MS);
	r->zero_ns = made_up_ns(0);
	r->interfaces = array(1, sizeof(*r->interfaces));
	r->interfaces[r->n_interfaces++] = text(r, what, "eth0");
	r->meta = array(2, sizeof(*r->meta));
	r->meta[r->n_meta++] = (struct result_pair){"build", text(r, what, "20260211")};
	r->meta[r->n_meta++] = (struct result_pair){text(r, what, "config_profile"), "configs/sim/ctp.yaml"};
	r->facts = array(3, sizeof(*r->facts));
	r->facts[r->n_facts++] =
		(struct result_pair){"clock", "synchronised, off by 12us, error at most 4ms"};
	r->facts[r->n_facts++] = (struct result_pair){"driver of eth0", text(r, what, "virtio_net")};
	r->facts[r->n_facts++] = (struct result_pair){"qdisc of eth0", "fq_codel"};
	r->head = "e4002c01be3757ce6e71eacc12b518a5b18bfd52309b672861b74d79276b22a4";
	r->fragments = r->unparsable = 0;
	r->own = 12;
	r->balanced = true;
	r->observed = true;
	r->evicted = 0;
	r->captured = r->capture_lost = NO_NS;
}

static void make_plan(struct results *r, const struct made_up *what)
{
	r->targets = array(1, sizeof(*r->targets));
	r->targets[r->n_targets++] = (struct result_target){
		.name = text(r, what, "front"), .words = "tcp 10.1.0.2/32 ports 40001,30001-30013"};
	r->probes = array(2, sizeof(*r->probes));
	r->probes[0].name = text(r, what, "gateway");
	r->probes[1].name = "trader";
	r->n_probes = 2;
	r->paths = array(what->paths, sizeof(*r->paths));
	for (unsigned i = 0; i < what->paths; i++) {
		r->paths[i] = (struct result_path){
			.target = r->targets[0].name,
			.name = what->name ? what->name
					   : results_keepf(r, "10.1.0.1>10.1.0.2:%u/tcp", 40001 + i),
			.process =
				i % 2 ? NULL : text(r, what, "redis-cli[4711] /system.slice/feeder.service"),
			.before = 1,
			.bytes_in = 1234567890 + i,
			.bytes_out = 4567,
			.resent_out = 12,
			.packets_in = 998877,
			.open = 1,
		};
	}
	r->n_paths = what->paths;
}

static uint64_t last_seq;

static uint64_t next_seq(void)
{
	return last_seq += 7;
}

static void change(struct results *r, size_t probe, int64_t ms, bool healthy)
{
	struct result_probe_summary *p = &r->probes[probe];

	if (results_grow(r, p->changes, p->n_changes))
		p->changes[p->n_changes++] = (struct result_change){made_up_ns(ms), next_seq(), healthy};
}

static void see(struct result_window *w, size_t probe, int64_t unhealthy_ms, int64_t healthy_ms,
		bool recovered)
{
	struct result_probe *p = &w->probes[probe];

	p->unhealthy_at = made_up_ns(unhealthy_ms);
	p->detection_ns = p->unhealthy_at - w->opened_ns;
	p->unhealthy_seq = next_seq();
	p->healthy_at = p->recovery_ns = p->recovery_after_inject_ns = NO_NS;
	p->healthy_seq = NO_NS;
	p->up = 4;
	p->down = 96;
	p->censored = !recovered;
	if (!recovered)
		return;
	p->healthy_at = made_up_ns(healthy_ms);
	p->healthy_seq = next_seq();
	p->recovery_ns = p->healthy_at - w->closed_ns;
	p->recovery_after_inject_ns = p->healthy_at - w->opened_ns;
}

static void make_part(struct results *r, struct result_window *w)
{
	struct result_part *p = array(1, sizeof(*p));

	*p = (struct result_part){
		.target = r->targets[0].name,
		.open_seq = next_seq(),
		.close_seq = next_seq(),
		.opened_ns = w->opened_ns,
		.closed_ns = w->closed_ns,
		.opened_ts_ns = w->opened_ts_ns,
		.closed_ts_ns = w->closed_ts_ns,
		.first_hit_ns = w->opened_ns + 1234567,
		.last_hit_ns = w->closed_ns - 7654321,
		.closed = true,
		.counted = true,
		.balanced = true,
		.n = {.matched = 1120,
		      .passed = 20,
		      .reset = 1100,
		      .bytes = 98765432,
		      .flows = 12,
		      .idle_reset = 3,
		      .resumed = NO_NS,
		      .requests = NO_NS},
	};
	w->parts = p;
	w->n_parts = 1;
}

static struct result_window *make_window(struct results *r, const char *step, unsigned instance, int64_t from,
					 int64_t to)
{
	struct result_window *w = results_alloc(r, sizeof(*w));

	assert_non_null(w);
	*w = (struct result_window){
		.step = step,
		.instance = instance,
		.fault = "{\"reset\":\"both\"}",
		.words = "reset=both",
		.opened_ns = made_up_ns(from),
		.closed_ns = made_up_ns(to),
		.opened_ts_ns = real_ns(from),
		.closed_ts_ns = real_ns(to),
		.closed = true,
		.probes = results_alloc(r, 2 * sizeof(*w->probes)),
	};
	assert_non_null(w->probes);
	make_part(r, w);
	assert_true(results_grow(r, r->windows, r->n_windows));
	r->windows[r->n_windows++] = w;
	return w;
}

/* 0.2, 0.4, 0.8 ... s, at most 5 s; of many attempts, as many evenly over 20 s. */
static uint64_t nth_attempt_ms(unsigned i, unsigned n)
{
	uint64_t at = 250, wait = 200;

	if (n > 32)
		return 250 + 20000ULL * i / n;
	for (; i; i--) {
		at += wait;
		wait = wait * 2 < 5000 ? wait * 2 : 5000;
	}
	return at;
}

static void make_attempts(struct result_flow *f, unsigned n, int64_t from)
{
	f->attempts = n;
	f->attempts_at = array(n < RESULT_MOST_ATTEMPTS ? n : RESULT_MOST_ATTEMPTS, sizeof(uint64_t));
	for (unsigned i = 0; i < n && i < RESULT_MOST_ATTEMPTS; i++)
		f->attempts_at[i] = made_up_ns(from + nth_attempt_ms(i, n));
	f->attempts_seq = next_seq();
	f->refused = n ? n - 1 : 0;
	f->peak_per_s = n > 32 ? n / 20 : 3;
	f->storm = f->peak_per_s > RESULT_STORM;
	f->backoff = (struct result_backoff){
		.kind = n > 3 ? BACKOFF_EXPONENTIAL : BACKOFF_UNKNOWN,
		.intervals = n ? n - 1 : 0,
		.first_ns = n > 1 ? 200 * NS_PER_MS : NO_NS,
		.median_ns = n > 1 ? 800 * NS_PER_MS : NO_NS,
		.max_ns = n > 1 ? 5 * NS_PER_S : NO_NS,
		.factor = 2.01,
		.cap_ns = 5 * NS_PER_S,
		.jitter = 0.1,
		.has_jitter = true,
	};
}

static void make_flow(struct result_window *w, size_t path, unsigned attempts, int64_t from, int64_t to,
		      bool recovered)
{
	struct result_flow *f = &w->flows[path];

	*f = (struct result_flow){
		.path = path,
		.is_hit = true,
		.hit_at = made_up_ns(from + 1),
		.hit_seq = next_seq(),
		.notice = NOTICE_RESET + path % 4,
		.noticed_at = made_up_ns(from + 40 + 400 * (int64_t)(path % 9)),
		.noticed_seq = next_seq(),
		.resent_at = NO_NS,
		.resent_seq = NO_NS,
		.recovered_at = recovered ? made_up_ns(to + 300 + 730 * (int64_t)(path % 11)) : NO_NS,
		.recovered_seq = next_seq(),
		.survived = path % 3 == 2,
		.censored = !recovered,
		.recovery_ns = NO_NS,
		.recovery_after_inject_ns = NO_NS,
		.gap_ns = made_up_ns(to + 300) - made_up_ns(from),
		.gap_seq = next_seq(),
	};
	f->detection_ns = f->noticed_at - w->opened_ns;
	if (recovered) {
		f->recovery_ns = f->recovered_at - w->closed_ns;
		f->recovery_after_inject_ns = f->recovered_at - w->opened_ns;
	}
	make_attempts(f, path ? attempts / 2 : attempts, from);
}

static void make_cut(struct results *r, const struct made_up *what, unsigned i, const char *step)
{
	int64_t from = (int64_t)i * EVERY_MS, to = from + CUT_MS;
	struct result_window *w = make_window(r, step, i + 1, from, to);
	bool recovered = !what->last_unrecovered || i + 1 < what->windows;

	see(w, 0, from + 120, to + 180 + 200 * (i % 5), recovered);
	see(w, 1, from + 900, to + 2400 + 900 * (i % 7), recovered);
	for (unsigned k = 0; k + 1 < what->changes; k++)
		change(r, 0, from + 120 + (int64_t)k * CUT_MS / what->changes, k % 2);
	if (recovered)
		change(r, 0, to + 180 + 200 * (i % 5), true);
	change(r, 1, from + 900, false);
	if (recovered)
		change(r, 1, to + 2400 + 900 * (i % 7), true);
	w->flows = array(what->paths, sizeof(*w->flows));
	w->n_flows = what->paths;
	for (unsigned p = 0; p < what->paths; p++)
		make_flow(w, p, what->attempts, from, to, recovered || p);
}

static struct result_samples made_samples(uint64_t n, uint64_t missing, uint64_t p50_ms, uint64_t p99_ms)
{
	return (struct result_samples){n,
				       missing,
				       p50_ms * NS_PER_MS,
				       p99_ms * NS_PER_MS,
				       missing ? NO_NS : p99_ms * NS_PER_MS,
				       missing ? NO_NS : p99_ms * NS_PER_MS};
}

static void make_slos(struct results *r, const struct made_up *what)
{
	bool pass = !what->last_unrecovered;

	r->slos = array(3, sizeof(*r->slos));
	r->slos[0] = (struct result_slo){.key = "recovery_p99",
					 .unit = UNIT_NS,
					 .limit = 10 * NS_PER_S,
					 .value = pass ? 7800 * NS_PER_MS : NO_NS,
					 .limit_words = "<= 10 s",
					 .value_words = pass ? "7.800 s" : "-",
					 .worst = text(r, what, "disconnect #2, trader"),
					 .worst_seq = 417,
					 .samples = r->recovery.samples,
					 .missing = r->recovery.missing,
					 .pass = pass};
	r->slos[1] = (struct result_slo){.key = "detection_max",
					 .unit = UNIT_NS,
					 .limit = 5 * NS_PER_S,
					 .value = 900 * NS_PER_MS,
					 .step = text(r, what, "disconnect"),
					 .limit_words = "<= 5 s",
					 .value_words = "0.900 s",
					 .worst = "disconnect #1, trader",
					 .worst_seq = 97,
					 .samples = 6,
					 .pass = true};
	r->slos[2] = (struct result_slo){.key = "backoff",
					 .unit = UNIT_WORDS,
					 .limit = NO_NS,
					 .value = NO_NS,
					 .by_flow = true,
					 .target = text(r, what, "front"),
					 .limit_words = "exponential, factor 1.8 to 2.2, at most 60 s",
					 .value_words = "exponential, factor 2.01",
					 .worst = "disconnect #1, 10.1.0.1>10.1.0.2:40001/tcp",
					 .worst_seq = 61,
					 .samples = 3,
					 .pass = true};
	r->n_slos = 3;
	r->outcome = pass ? OUTCOME_PASS : OUTCOME_SLO_MISSED;
	r->exit = pass ? 0 : 1;
}

static void make_totals(struct results *r, const struct made_up *what, int64_t end_ms)
{
	uint64_t missing = what->last_unrecovered ? 2 : 0, n = 2ULL * what->windows;

	r->end_ns = made_up_ns(end_ms);
	r->end_ts_ns = real_ns(end_ms);
	r->recovery = made_samples(n, missing, 980, 7800);
	r->detection = made_samples(n, 0, 120, 900);
	r->flow_recovery = made_samples(what->windows * what->paths, missing / 2, 1030, 7600);
	r->flow_detection = made_samples(what->windows * what->paths, 0, 40, 3240);
	r->unrecovered = r->flow_unrecovered = missing / 2;
	r->peak_per_s = what->attempts > 32 ? what->attempts / 20 : 3;
	for (size_t i = 0; i < r->n_probes; i++) {
		r->probes[i].up = 812;
		r->probes[i].down = 288;
		r->probes[i].recovery = made_samples(what->windows, missing / 2, 980, 7800);
		r->probes[i].detection = made_samples(what->windows, 0, 120, 900);
		r->probes[i].baseline = (struct result_latency){
			.samples = 50, .p50_ns = 310000, .p95_ns = 402000, .p99_ns = 519000};
		r->probes[i].faults = (struct result_latency){
			.samples = 288, .p50_ns = NO_NS, .p95_ns = NO_NS, .p99_ns = NO_NS};
	}
	r->events = array(2, sizeof(*r->events));
	r->events[r->n_events++] = (struct result_count){"probe.up", 812};
	r->events[r->n_events++] = (struct result_count){text(r, what, "conn.attempt"), 40};
	r->files = array(1, sizeof(*r->files));
	r->files[r->n_files++] = (struct result_count){"events.jsonl", 1199475};
}

struct results *made_up_results(const struct made_up *what)
{
	struct results *r = results_new();
	const char *step;

	assert_non_null(r);
	last_seq = 40;
	make_head(r, what);
	make_plan(r, what);
	step = text(r, what, "disconnect");
	change(r, 0, -BASELINE_MS + 200, true);
	change(r, 1, -BASELINE_MS + 500, true);
	for (unsigned i = 0; i < what->windows; i++)
		make_cut(r, what, i, step);
	make_totals(r, what, (int64_t)what->windows * EVERY_MS);
	make_slos(r, what);
	if (what->incomplete)
		results_lack(r, "%s: the log has no fault.close",
			     text(r, what, "disconnect #1, target front"));
	results_note(r, "the wall clock moved by 12 ms during the run");
	assert_false(r->failed);
	return r;
}
