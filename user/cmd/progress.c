/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/progress.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/probes.h"

#define WINDOW_ROWS 12
#define DEFAULT_ROWS 24
#define HEAD_ROWS 3
#define FLOW_LINES 8 /* of a window; events.jsonl has them all */

enum colour { PLAIN, RED, GREEN, YELLOW, DIM };

static const char *paint(const struct progress *p, enum colour colour)
{
	static const char *const codes[] = {"\033[0m", "\033[31m", "\033[32m", "\033[33m", "\033[2m"};

	return p->colour ? codes[colour] : "";
}

void progress_open(struct progress *p, FILE *out, const char *name)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	memset(p, 0, sizeof(*p));
	p->out = out;
	p->name = name;
	p->terminal = isatty(fileno(out)) && term && strcmp(term, "dumb");
	p->colour = p->terminal && !(no_color && *no_color);
}

/* What is worth telling of an event's data, in this order. */
static const struct {
	const char *type;
	const char *keys[12];
	bool counts; /* which, but for the first, are left out when they are 0 */
} told[] = {
	{"run.start", {"name", "seed", "kernel", "attach", "line"}, false},
	{"preflight", {"check", "result", "detail"}, false},
	{"fault.open", {"fault"}, false},
	{"fault.close",
	 {"matched", "passed", "dropped", "reset", "refused", "altered", "duplicated", "delayed",
	  "suppressed", "idle_reset", "flows"},
	 true},
	{"flow.hit", {"verdict", "hook", "idle"}, false},
	{"probe.up", {"probe", "latency_ns", "source", "value"}, false},
	{"probe.down", {"probe", "error", "source", "value", "detail"}, false},
	{"target.resolved", {"host", "addresses", "added", "gone", "left_out", "error"}, false},
	{"step.start", {"kind", "offset_ns", "pid", "comm", "signal", "argv", "path", "interface"}, false},
	{"step.exit", {"kind", "status", "error"}, false},
	{"step.end", {"kind", "status", "error", "cut"}, false},
	{"step.undo", {"kind", "offset_ns", "path", "interface", "result", "reason"}, false},
	{"expect.pass", {"how", "samples", "seen", "value"}, false},
	{"expect.fail", {"how", "samples", "seen", "value"}, false},
	{"phase.start", {"name", "share", "shadow"}, false},
	{"phase.end", {"name", "result"}, false},
	{"budget", {"limit"}, false},
	{"lost", {"count"}, false},
	{"packets", {"fragments", "unparsable", "own"}, false},
	{"conns", {"seen", "evicted", "untracked"}, true},
	{"capture", {"packets", "lost", "cut"}, true},
	{"line", {"backend", "held_max", "device_dropped", "memory_full", "write_failed"}, true},
	{"abort.watch", {"condition", "answered", "error"}, false},
	{"abort", {"reason", "condition", "value"}, false},
	{"run.end", {"outcome", "reason", "balanced", "lost"}, false},
};

static void print_value(FILE *out, const char *key, const json_t *value)
{
	char *text;

	if (!value || json_is_null(value))
		return;
	text = json_is_string(value) ? strdup(json_string_value(value))
				     : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	if (text)
		fprintf(out, "  %s=%s", key, text);
	free(text);
}

/* What comes in thousands, and isn't worth being read before it is left out. */
static bool is_of_many(const struct log_event *event)
{
	return !strncmp(event->type, "conn.", 5) || !strcmp(event->type, "flow.end") ||
	       !strcmp(event->type, "clock");
}

/* What comes in numbers is left to the log, too: unchanged samples, flows beyond the first few of a window. */
static bool is_left_out(struct progress *p, const struct log_event *event, const json_t *data)
{
	if (!strcmp(event->type, "fault.open"))
		p->flows = 0;
	if (!strcmp(event->type, "flow.hit"))
		return ++p->flows > FLOW_LINES;
	if (!strncmp(event->type, "probe.", 6))
		return !json_is_true(json_object_get(data, "changed"));
	return false;
}

static void print_time(FILE *out, const char *what, const json_t *ns)
{
	if (json_is_integer(ns))
		fprintf(out, "  %s=%.3fms", what, (double)json_integer_value(ns) / NS_PER_MS);
}

/* Of how well the fault was kept, the essentials. */
static void print_receipt(FILE *out, const json_t *receipt)
{
	const json_t *achieved = json_object_get(receipt, "achieved"),
		     *late = json_object_get(receipt, "late");

	print_time(out, "delay_mean", json_object_get(achieved, "mean_ns"));
	print_time(out, "error_p50", json_object_get(late, "p50_ns"));
	print_time(out, "error_p99", json_object_get(late, "p99_ns"));
	if (json_integer_value(json_object_get(receipt, "lost")))
		print_value(out, "line_lost", json_object_get(receipt, "lost"));
}

static void print_data(FILE *out, const char *type, const json_t *data)
{
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
		if (strcmp(told[i].type, type))
			continue;
		for (size_t k = 0; k < 12 && told[i].keys[k]; k++) {
			const json_t *value = json_object_get(data, told[i].keys[k]);

			if (!k || !told[i].counts || !json_is_integer(value) || json_integer_value(value))
				print_value(out, told[i].keys[k], value);
		}
	}
	print_receipt(out, json_object_get(data, "receipt"));
}

/* Room for a line: a pipe has then at least PIPE_BUF bytes. Whoever reads must not hold up the run. */
static bool has_room(const struct progress *p)
{
	struct pollfd out = {.fd = fileno(p->out), .events = POLLOUT};

	return poll(&out, 1, 0) != 0;
}

void progress_event(void *progress, const struct log_event *event, uint64_t ts_ns)
{
	struct progress *p = progress;
	time_t seconds = ts_ns / NS_PER_S;
	struct tm utc;
	json_t *data;

	if (p->terminal || is_of_many(event))
		return;
	data = event->data ? json_loads(event->data, 0, NULL) : NULL;
	if (is_left_out(p, event, data)) {
		json_decref(data);
		return;
	}
	if (!has_room(p)) {
		p->unsaid++;
		json_decref(data);
		return;
	}
	if (p->unsaid)
		fprintf(p->out, "(%u lines that nobody read in time are in events.jsonl)\n", p->unsaid);
	p->unsaid = 0;
	gmtime_r(&seconds, &utc);
	fprintf(p->out, "%02d:%02d:%02d.%03" PRIu64 "  %-12s", utc.tm_hour, utc.tm_min, utc.tm_sec,
		(uint64_t)(ts_ns % NS_PER_S / NS_PER_MS), event->type);
	if (event->step)
		fprintf(p->out, "  %s", event->step);
	if (event->instance)
		fprintf(p->out, " #%d", event->instance);
	if (event->target)
		fprintf(p->out, "  %s", event->target);
	if (event->flow)
		fprintf(p->out, "  %s", event->flow);
	print_data(p->out, event->type, data);
	if (p->flows == FLOW_LINES && !strcmp(event->type, "flow.hit"))
		fputs("  (more are in events.jsonl)", p->out);
	fputc('\n', p->out);
	fflush(p->out);
	json_decref(data);
}

static void format_left(uint64_t now, uint64_t then, char *text, size_t size)
{
	uint64_t left = then > now ? then - now : 0;

	snprintf(text, size, "%" PRIu64 ".%" PRIu64 " s", (uint64_t)(left / NS_PER_S),
		 (uint64_t)(left % NS_PER_S / (100 * NS_PER_MS)));
}

static void draw_window(struct progress *p, const struct drill_window *w, uint64_t now)
{
	const char *state = w->open ? "open" : w->closed ? "closed" : "waits";
	enum colour colour = w->open ? RED : w->closed ? DIM : PLAIN;
	char left[32] = "", name[64];

	if (w->open)
		format_left(now, w->closes_ns, left, sizeof(left));
	else if (!w->closed && w->opens_ns)
		format_left(now, w->opens_ns, left, sizeof(left));
	snprintf(name, sizeof(name), "%.40s %u/%u", w->step->name, w->instance + 1, w->step->window.times);
	fprintf(p->out, "  %-32s %-14.14s %s%-7s%s %8s  %12" PRIu64 "\033[K\n", name, w->target->name,
		paint(p, colour), state, paint(p, PLAIN), left, w->hit);
	p->drawn++;
}

/* With many windows, those around the first that is not over. */
static size_t first_row(const struct drill_progress *state, size_t shown)
{
	size_t first = 0;

	while (first + shown < state->n_windows && state->windows[first].closed &&
	       state->windows[first + 1].closed)
		first++;
	return first;
}

static void draw_probe(struct progress *p, const struct drill_probe *probe)
{
	char latency[32] = "";

	if (probe->known && probe->healthy && probe->latency_ns != PROBE_NO_LATENCY)
		format_duration(probe->latency_ns, latency, sizeof(latency));
	fprintf(p->out, "  probe %-26s %s%-7s%s %8s  %12" PRIu64 " samples\033[K\n", probe->name,
		paint(p, !probe->known    ? DIM
			 : probe->healthy ? GREEN
					  : RED),
		!probe->known    ? "unknown"
		: probe->healthy ? "up"
				 : "down",
		paint(p, PLAIN), latency, probe->samples);
	p->drawn++;
}

static void draw_target(struct progress *p, const struct drill_target *target)
{
	fprintf(p->out, "  target %-25s %" PRIu64 " open, %" PRIu64 " attempts in the last second\033[K\n",
		target->name, target->open, target->attempts);
	p->drawn++;
}

/* What the cursor can go back over: all rows but the one that it stands in. */
static int terminal_rows(const struct progress *p)
{
	struct winsize size;

	if (ioctl(fileno(p->out), TIOCGWINSZ, &size) || !size.ws_row)
		return DEFAULT_ROWS - 1;
	return size.ws_row - 1;
}

static void draw_head(struct progress *p, const struct drill_progress *state)
{
	static const char *const phases[] = {"baseline", "faults", "recovery"};
	char left[32];

	format_left(state->now_ns, state->phase_ends_ns, left, sizeof(left));
	fprintf(p->out, "shearpin  %s  ", p->name);
	if (state->wait)
		fprintf(p->out, "waits for %.60s", state->wait);
	else
		fprintf(p->out, "%s, %s left", phases[state->phase], left);
	fputs("  (Ctrl-C ends every fault at once)\033[K\n\033[K\n", p->out);
}

void progress_tick(void *progress, const struct drill_progress *state)
{
	struct progress *p = progress;
	int rows = terminal_rows(p), room = rows - HEAD_ROWS - (int)(state->n_probes + state->n_targets);
	size_t shown = room < 1 ? 1 : room < WINDOW_ROWS ? room : WINDOW_ROWS;
	size_t first = first_row(state, shown);

	if (!p->terminal || !has_room(p))
		return;
	fprintf(p->out, "\033[?7l"); /* a line too long is cut, not wrapped */
	if (p->drawn)
		fprintf(p->out, "\033[%dA", p->drawn);
	draw_head(p, state);
	fprintf(p->out, "  %-32s %-14s %-7s %8s  %12s\033[K\n", "window", "target", "state", "left",
		"packets hit");
	p->drawn = HEAD_ROWS;
	for (size_t i = first; i < state->n_windows && i < first + shown && p->drawn < rows; i++)
		draw_window(p, &state->windows[i], state->now_ns);
	for (size_t i = 0; i < state->n_probes && p->drawn < rows; i++)
		draw_probe(p, &state->probes[i]);
	for (size_t i = 0; i < state->n_targets && p->drawn < rows; i++)
		draw_target(p, &state->targets[i]);
	fprintf(p->out, "\033[J\033[?7h");
	fflush(p->out);
}

void progress_close(struct progress *p)
{
	if (p->drawn)
		fputc('\n', p->out);
	fflush(p->out);
}
