/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "slo/backoff.h"
#include "slo/paths.h"
#include "slo/rate.h"
#include "slo/series.h"

/* A path in one window, until it is back, or the next window of the step opens. */
struct watch {
	struct watch *next; /* of the path */
	size_t step;        /* index */
	struct result_window *window;
	size_t at; /* in its flows */
	struct rate rate;
	struct series series;
};

/* Of a step's current window. */
struct watch_step {
	struct result_window *window;
	struct rate *rates; /* by target; NULL: none yet */
	uint64_t pending;   /* paths that it hit, and that are not back */
};

struct watchers {
	struct results *results;
	const struct current *current;
	struct paths paths;
	struct watch_step *steps; /* as many as `current` has */
	size_t n_steps;
	size_t n_flows; /* of all windows */
	uint64_t lost;  /* flows that there was no room for */
	uint64_t latest_ns;
	bool is_late; /* the moment came too late for its place */
};

int watch_new(struct results *results, const struct current *current, struct watchers **ret)
{
	struct watchers *ws = calloc(1, sizeof(*ws));
	int err;

	if (!ws)
		return -ENOMEM;
	ws->results = results;
	ws->current = current;
	err = paths_init(&ws->paths, results);
	if (err) {
		watch_free(ws);
		return err;
	}
	*ret = ws;
	return 0;
}

static void clear_rates(struct watchers *ws, struct watch_step *step)
{
	for (size_t t = 0; step->rates && t < ws->results->n_targets; t++)
		rate_clear(&step->rates[t]);
}

static struct result_flow *flow_of(const struct watch *watch)
{
	return &watch->window->flows[watch->at];
}

static void free_watch(struct watch *watch)
{
	rate_clear(&watch->rate);
	series_clear(&watch->series);
	free(watch);
}

void watch_free(struct watchers *ws)
{
	struct watch *watch;

	if (!ws)
		return;
	for (size_t i = 0; ws->paths.items && i < ws->results->n_paths; i++) {
		while ((watch = ws->paths.items[i].watches)) {
			ws->paths.items[i].watches = watch->next;
			free_watch(watch);
		}
	}
	for (size_t i = 0; i < ws->n_steps; i++) {
		clear_rates(ws, &ws->steps[i]);
		free(ws->steps[i].rates);
	}
	free(ws->steps);
	paths_free(&ws->paths);
	free(ws);
}

/* It is back, or isn't any more looked at: what the whole of its attempts tell. */
static void settle(struct watchers *ws, struct watch *watch)
{
	struct result_flow *f = flow_of(watch);
	struct watch_step *step = &ws->steps[watch->step];

	if (series_backoff(&watch->series, f->attempts_at, 2 * f->refused < f->attempts, &f->backoff))
		ws->results->failed = true;
	if (f->is_hit && step->window == watch->window)
		step->pending--;
	free_watch(watch);
}

/* Off those that are superseded by the step's next window, or have nothing to wait for. */
static void sweep(struct watchers *ws, struct path *path, uint64_t ns)
{
	struct watch **at = &path->watches, *watch;
	const struct result_flow *f;

	while ((watch = *at)) {
		f = flow_of(watch);
		if (ws->current->steps[watch->step].window == watch->window && f->recovered_at == NO_NS &&
		    (f->is_hit || ns < watch->window->closed_ns)) {
			at = &watch->next;
			continue;
		}
		*at = watch->next;
		settle(ws, watch);
	}
}

static void follow_steps(struct watchers *ws)
{
	struct watch_step *step;

	while (ws->n_steps < ws->current->n_steps) {
		if (!results_grow(ws->results, ws->steps, ws->n_steps))
			return;
		ws->steps[ws->n_steps++] = (struct watch_step){0};
	}
	for (size_t i = 0; i < ws->n_steps; i++) {
		step = &ws->steps[i];
		if (step->window == ws->current->steps[i].window)
			continue;
		step->window = ws->current->steps[i].window;
		step->pending = 0;
		clear_rates(ws, step);
	}
}

static const struct result_flow no_flow = {
	.hit_at = NO_NS,
	.hit_seq = NO_NS,
	.noticed_at = NO_NS,
	.noticed_seq = NO_NS,
	.resent_at = NO_NS,
	.resent_seq = NO_NS,
	.recovered_at = NO_NS,
	.recovered_seq = NO_NS,
	.greeted_at = NO_NS,
	.greeted_seq = NO_NS,
	.detection_ns = NO_NS,
	.recovery_ns = NO_NS,
	.recovery_after_inject_ns = NO_NS,
	.gap_ns = NO_NS,
	.gap_seq = NO_NS,
	.attempts_seq = NO_NS,
	.backoff = {.kind = BACKOFF_UNKNOWN,
		    .first_ns = NO_NS,
		    .median_ns = NO_NS,
		    .max_ns = NO_NS,
		    .cap_ns = NO_NS},
};

/* Was it settled already? Only a late moment meets such a one. */
static bool is_settled(const struct result_window *w, size_t path)
{
	for (size_t i = w->n_flows; i--;) {
		if (w->flows[i].path == path)
			return true;
	}
	return false;
}

/* The path's watch for the step's window, made if there is none. NULL: none any more, no room, no memory. */
static struct watch *get_watch(struct watchers *ws, size_t path, size_t step)
{
	struct result_window *w = ws->steps[step].window;
	struct path *p = &ws->paths.items[path];
	struct watch *watch;

	for (watch = p->watches; watch; watch = watch->next) {
		if (watch->window == w)
			return watch;
	}
	if (ws->is_late && is_settled(w, path))
		return NULL;
	if (ws->n_flows >= WATCH_MOST_FLOWS) {
		ws->lost++;
		return NULL;
	}
	watch = calloc(1, sizeof(*watch));
	if (!watch || !results_grow(ws->results, w->flows, w->n_flows)) {
		ws->results->failed = true;
		free(watch);
		return NULL;
	}
	ws->n_flows++;
	w->flows[w->n_flows] = no_flow;
	w->flows[w->n_flows].path = path;
	*watch = (struct watch){.next = p->watches, .step = step, .window = w, .at = w->n_flows++};
	p->watches = watch;
	return watch;
}

static void notice(struct path *path, const struct moment *m, enum result_notice kind)
{
	for (struct watch *watch = path->watches; watch; watch = watch->next) {
		struct result_flow *f = flow_of(watch);

		if (!f->is_hit || f->notice != NOTICE_NONE || m->ns < f->hit_at)
			continue;
		f->notice = kind;
		f->noticed_at = m->ns;
		f->noticed_seq = m->seq;
	}
}

static void add_attempt(struct watchers *ws, struct watch *watch, const struct moment *m)
{
	struct result_flow *f = flow_of(watch);
	size_t in_a_second = rate_add(&watch->rate, m->ns);

	if (in_a_second > f->peak_per_s)
		f->peak_per_s = in_a_second;
	if (!f->attempts)
		f->attempts_seq = m->seq;
	if (f->attempts < RESULT_MOST_ATTEMPTS && results_grow(ws->results, f->attempts_at, f->attempts)) {
		f->attempts_at[f->attempts] = m->ns;
		if (series_add(&watch->series, m->process.pid))
			ws->results->failed = true;
	}
	f->attempts++;
}

/* Attempts by target count whatever the window's fault is for: a client may have turned to another one. */
static void count_rates(struct watchers *ws, struct watch_step *step, const struct moment *m)
{
	struct result_window *w = step->window;
	size_t n = ws->results->n_targets, t, in_a_second;

	if (!step->rates)
		step->rates = calloc(n, sizeof(*step->rates));
	if (!w->rates)
		w->rates = results_alloc(ws->results, n * sizeof(*w->rates));
	if (!step->rates || !w->rates) {
		ws->results->failed = true;
		return;
	}
	for (t = 0; t < n && t < RESULT_MOST_TARGETS; t++) {
		if (!(m->targets->bits[t / 64] >> t % 64 & 1))
			continue;
		w->rates[t].attempts++;
		in_a_second = rate_add(&step->rates[t], m->ns);
		if (in_a_second > w->rates[t].peak_per_s) {
			w->rates[t].peak_per_s = in_a_second;
			w->rates[t].peak_seq = m->seq;
		}
	}
}

static bool concerns(const struct current_step *step, const struct moment_targets *targets)
{
	uint64_t common = 0;

	for (size_t i = 0; i < RESULT_TARGET_WORDS; i++)
		common |= step->targets[i] & targets->bits[i];
	return common;
}

static void on_attempt(struct watchers *ws, size_t path, const struct moment *m)
{
	struct path *p = &ws->paths.items[path];
	struct watch *watch;
	bool open;

	ws->results->paths[path].attempts++;
	notice(p, m, NOTICE_ATTEMPT);
	for (watch = p->watches; watch; watch = watch->next)
		add_attempt(ws, watch, m);
	for (size_t i = 0; i < ws->n_steps; i++) {
		open = current_is_open(&ws->current->steps[i], m->ns);
		if (open || ws->steps[i].pending)
			count_rates(ws, &ws->steps[i], m);
		if (!open || !concerns(&ws->current->steps[i], m->targets))
			continue;
		watch = get_watch(ws, path, i);
		if (watch && !flow_of(watch)->attempts)
			add_attempt(ws, watch, m);
	}
}

static void on_hit(struct watchers *ws, size_t path, const struct moment *m)
{
	struct result_flow *f;
	struct watch *watch;
	size_t i;

	for (i = 0; i < ws->n_steps; i++) {
		if (ws->steps[i].window && ws->steps[i].window->instance == m->hit.instance && m->hit.step &&
		    strcmp(ws->steps[i].window->step, m->hit.step) == 0)
			break;
	}
	watch = i < ws->n_steps ? get_watch(ws, path, i) : NULL;
	if (!watch || flow_of(watch)->is_hit)
		return;
	f = flow_of(watch);
	f->is_hit = true;
	f->hit_at = m->ns;
	f->hit_seq = m->seq;
	ws->steps[i].pending++;
}

static void take_gap(struct path *path, uint64_t ended_ns, uint64_t gap_ns, uint64_t seq)
{
	for (struct watch *watch = path->watches; watch; watch = watch->next) {
		struct result_flow *f = flow_of(watch);

		if (gap_ns == NO_NS || ended_ns < watch->window->opened_ns ||
		    (f->gap_ns != NO_NS && f->gap_ns >= gap_ns))
			continue;
		f->gap_ns = gap_ns;
		f->gap_seq = seq;
	}
}

static uint64_t since(uint64_t ns, uint64_t from_ns)
{
	return from_ns <= ns ? ns - from_ns : NO_NS;
}

/* Times without payload that end with this one, or have ended since the last opening or closing. */
static void take_gaps(struct path *path, const struct conn *conn, const struct moment *m)
{
	const struct moment_passage *p = &m->passage;
	uint64_t ended_ns;

	if (p->from_ns != NO_NS)
		take_gap(path, m->ns, since(m->ns, p->from_ns), m->seq);
	else if (conn->payload_ns[p->way] == NO_NS && path->live == conn->live)
		take_gap(path, m->ns, since(m->ns, path->ended_payload_ns[p->way]), m->seq);
	if (p->gap_ns != NO_NS && p->gap_from_ns != NO_NS &&
	    !__builtin_add_overflow(p->gap_from_ns, p->gap_ns, &ended_ns) && ended_ns <= m->ns)
		take_gap(path, ended_ns, p->gap_ns, m->seq);
}

static bool is_since(uint64_t ns, uint64_t from_ns)
{
	return ns != NO_NS && ns >= from_ns;
}

/*
 * Payload the other way since the closing as well, if only again: this may be the answer to it. Or none that way before the
 * opening, on a path that had some this way: what a client asks of a new connection does not make a feed anything else.
 */
static bool is_back(const struct watch *watch, const struct path *path, const struct conn *conn,
		    enum moment_way way)
{
	uint64_t closed_ns = watch->window->closed_ns;

	if (is_since(conn->payload_ns[1 - way], closed_ns) || is_since(conn->resent_ns[1 - way], closed_ns))
		return true;
	return path->first_payload_ns[1 - way] >= watch->window->opened_ns &&
	       path->first_payload_ns[way] < watch->window->opened_ns;
}

static void on_payload(struct watchers *ws, size_t path, struct conn *conn, const struct moment *m)
{
	struct path *p = &ws->paths.items[path];
	enum moment_way way = m->passage.way;
	struct result_flow *f;

	if (m->passage.established_ns != NO_NS)
		conn->since_ns = m->passage.established_ns;
	take_gaps(p, conn, m);
	conn->payload_ns[way] = m->ns;
	if (!conn->live)
		p->live++;
	conn->live = true;
	if (m->ns < p->first_payload_ns[way])
		p->first_payload_ns[way] = m->ns;
	for (struct watch *watch = p->watches; watch; watch = watch->next) {
		f = flow_of(watch);
		if (!f->is_hit || m->ns < watch->window->closed_ns || !is_back(watch, p, conn, way))
			continue;
		f->recovered_at = m->ns;
		f->recovered_seq = m->seq;
		f->survived = conn->since_ns < watch->window->closed_ns;
	}
	sweep(ws, p, m->ns);
}

static void on_retransmit(struct path *path, struct conn *conn, const struct moment *m)
{
	conn->resent_ns[m->passage.way] = m->ns;
	for (struct watch *watch = path->watches; watch; watch = watch->next) {
		struct result_flow *f = flow_of(watch);

		if (!f->is_hit || f->resent_at != NO_NS || m->ns < f->hit_at)
			continue;
		f->resent_at = m->ns;
		f->resent_seq = m->seq;
	}
}

static uint64_t number(uint64_t value)
{
	return value == NO_NS ? 0 : value;
}

/* The sum of a connection, told once, when it is over or the run is. */
static void add_totals(struct result_path *path, const struct moment *m)
{
	const struct moment_summary *s = &m->summary;

	path->before += m->opener == OPENER_UNKNOWN && m->flow.proto == IPPROTO_TCP;
	path->packets_in += number(s->packets[WAY_IN]);
	path->packets_out += number(s->packets[WAY_OUT]);
	path->bytes_in += number(s->bytes[WAY_IN]);
	path->bytes_out += number(s->bytes[WAY_OUT]);
	path->resent_in += number(s->resent[WAY_IN]);
	path->resent_out += number(s->resent[WAY_OUT]);
}

static void on_summary(struct watchers *ws, size_t path, struct conn *conn, const struct moment *m)
{
	struct path *p = &ws->paths.items[path];
	const struct moment_summary *s = &m->summary;

	for (int way = 0; way < WAYS; way++) {
		if (s->last_ns[way] != NO_NS && s->gap_ns[way])
			take_gap(p, m->ns, s->gap_ns[way], m->seq);
		if (s->last_ns[way] != NO_NS && s->last_ns[way] < p->first_payload_ns[way])
			p->first_payload_ns[way] = s->last_ns[way];
		if (s->last_ns[way] != NO_NS &&
		    (p->ended_payload_ns[way] == NO_NS || s->last_ns[way] > p->ended_payload_ns[way]))
			p->ended_payload_ns[way] = s->last_ns[way];
	}
	if (m->kind != MOMENT_OPEN)
		paths_quiet(&ws->paths, conn);
	if (m->kind != MOMENT_FIN)
		add_totals(&ws->results->paths[path], m);
}

static void on_end(struct watchers *ws, size_t path, const struct moment *m)
{
	struct result_path *totals = &ws->results->paths[path];
	bool by_opener = m->summary.by == (totals->incoming ? BY_REMOTE : BY_LOCAL);
	struct path *p = &ws->paths.items[path];

	switch (m->kind) {
	case MOMENT_OPEN:
		totals->open++;
		break;
	case MOMENT_REFUSED:
		totals->refused++;
		for (struct watch *watch = p->watches; watch; watch = watch->next)
			flow_of(watch)->refused++;
		notice(p, m, NOTICE_REFUSED);
		break;
	case MOMENT_RESET:
		totals->reset++;
		notice(p, m, NOTICE_RESET);
		break;
	case MOMENT_CLOSED:
		totals->closed++;
		/* fall through */
	default:
		if (by_opener)
			notice(p, m, NOTICE_CLOSED);
	}
}

static void on_established(struct path *path, const struct moment *m)
{
	for (struct watch *watch = path->watches; watch; watch = watch->next) {
		struct result_flow *f = flow_of(watch);

		series_break(&watch->series);
		if (f->greeted_at != NO_NS || m->ns < watch->window->closed_ns)
			continue;
		f->greeted_at = m->ns;
		f->greeted_seq = m->seq;
	}
}

static void on_conn(struct watchers *ws, size_t path, struct conn *conn, const struct moment *m)
{
	struct path *p = &ws->paths.items[path];

	if (m->process.pid)
		p->process = m->process;
	switch (m->kind) {
	case MOMENT_ATTEMPT:
		on_attempt(ws, path, m);
		break;
	case MOMENT_ESTABLISHED:
		conn->since_ns = m->ns;
		ws->results->paths[path].established++;
		on_established(p, m);
		break;
	case MOMENT_FIRST_DATA:
	case MOMENT_DATA:
	case MOMENT_STALL:
		on_payload(ws, path, conn, m);
		break;
	case MOMENT_RETRANSMIT:
		on_retransmit(p, conn, m);
		break;
	default:
		on_summary(ws, path, conn, m);
		on_end(ws, path, m);
	}
}

void watch_moment(struct watchers *ws, const struct moment *m)
{
	struct conn *conn;
	size_t path;

	follow_steps(ws);
	ws->is_late = m->ns < ws->latest_ns;
	if (!ws->is_late)
		ws->latest_ns = m->ns;
	if (m->kind == MOMENT_HIT) {
		if (!paths_hit(&ws->paths, m, &path))
			return;
		sweep(ws, &ws->paths.items[path], m->ns);
		on_hit(ws, path, m);
		return;
	}
	conn = paths_conn(&ws->paths, m);
	if (conn && !conn->lost) {
		sweep(ws, &ws->paths.items[conn->path], m->ns);
		on_conn(ws, conn->path, conn, m);
	}
	if (m->kind == MOMENT_REFUSED || m->kind == MOMENT_RESET || m->kind == MOMENT_CLOSED)
		paths_forget(&ws->paths, &m->flow);
}

static int by_path(const void *a, const void *b)
{
	const struct result_flow *x = a, *y = b;

	return x->path < y->path ? -1 : x->path > y->path;
}

/* A path that never has payload, such as a check that connects and hangs up, is back with its handshake. */
static void greet(const struct watchers *ws, struct result_flow *f)
{
	const struct path *path = &ws->paths.items[f->path];

	if (f->recovered_at != NO_NS || path->first_payload_ns[WAY_IN] != NO_NS ||
	    path->first_payload_ns[WAY_OUT] != NO_NS)
		return;
	f->recovered_at = f->greeted_at;
	f->recovered_seq = f->greeted_seq;
}

static void end_window(const struct watchers *ws, struct result_window *w)
{
	if (w->n_flows)
		qsort(w->flows, w->n_flows, sizeof(*w->flows), by_path);
	for (size_t i = 0; ws->paths.items && i < w->n_flows; i++)
		greet(ws, &w->flows[i]);
}

void watch_end(struct watchers *ws)
{
	struct results *r = ws->results;
	struct watch *watch;
	size_t i;

	for (i = 0; ws->paths.items && i < r->n_paths; i++) {
		while ((watch = ws->paths.items[i].watches)) {
			ws->paths.items[i].watches = watch->next;
			settle(ws, watch);
		}
	}
	for (i = 0; i < r->n_windows; i++)
		end_window(ws, r->windows[i]);
	paths_end(&ws->paths);
	if (ws->paths.lost)
		results_note(r, "there were more than %d paths: %" PRIu64 " events of others are left out",
			     PATHS_MOST, ws->paths.lost);
	if (ws->lost)
		results_note(r, "more than %d paths in windows: %" PRIu64 " events of others are left out",
			     WATCH_MOST_FLOWS, ws->lost);
}
