/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/fault_events.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/timeutil.h"

struct open_window {
	char *step, *scenario;
	int instance;
	struct open_window *next;
};

struct fault_events {
	int fd;
	struct open_window *windows;
};

int fault_events_open(int dirfd, struct fault_events **ret_events)
{
	struct fault_events *events = calloc(1, sizeof(*events));
	int err;

	if (!events)
		return -ENOMEM;
	events->fd = openat(dirfd, "fault_events.jsonl", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (events->fd < 0) {
		err = -errno;
		free(events);
		return err;
	}
	*ret_events = events;
	return 0;
}

static void free_window(struct open_window *w)
{
	if (!w)
		return;
	free(w->step);
	free(w->scenario);
	free(w);
}

int fault_events_close(struct fault_events *events)
{
	struct open_window *w;
	int err = 0;

	if (!events)
		return 0;
	while ((w = events->windows)) {
		events->windows = w->next;
		free_window(w);
	}
	if (fsync(events->fd) < 0)
		err = -errno;
	close(events->fd);
	free(events);
	return err;
}

static bool taken(const struct fault_events *events, const char *scenario)
{
	const struct open_window *w;

	for (w = events->windows; w; w = w->next) {
		if (strcmp(w->scenario, scenario) == 0)
			return true;
	}
	return false;
}

static struct open_window **find(struct fault_events *events, const struct fault_window *window)
{
	struct open_window **w;

	for (w = &events->windows; *w; w = &(*w)->next) {
		if ((*w)->instance == window->instance && strcmp((*w)->step, window->step) == 0)
			break;
	}
	return w;
}

static char *choose_scenario(const struct fault_events *events, const struct fault_window *window)
{
	const char *by_kind[] = {
		[FAULT_KIND_DROP] = "disconnect",   [FAULT_KIND_RESET] = "disconnect",
		[FAULT_KIND_REFUSE] = "disconnect", [FAULT_KIND_COMBINED] = "combined",
		[FAULT_KIND_JITTER] = "jitter",     [FAULT_KIND_LATENCY] = "latency",
		[FAULT_KIND_LOSS] = "loss",         [FAULT_KIND_OTHER] = window->step,
	};
	struct buf name = {0};

	if (!taken(events, by_kind[window->kind]))
		return strdup(by_kind[window->kind]);
	buf_puts(&name, window->step);
	while (!name.failed && taken(events, name.data))
		buf_printf(&name, "-%d", window->instance);
	return buf_take(&name);
}

/* `"key": "value"` */
static void add_text(struct buf *line, const char *before, const char *value)
{
	struct json j;

	buf_puts(line, before);
	json_begin(&j, line);
	json_string(&j, NULL, value);
}

/* ns / unit without trailing zeros, `digits` of them behind the point at most: 20, 1.5 */
static void add_decimal(struct buf *line, uint64_t ns, uint64_t unit, int digits)
{
	buf_printf(line, "%" PRIu64 ".%0*" PRIu64, (uint64_t)(ns / unit), digits, (uint64_t)(ns % unit));
	while (!line->failed && line->data[line->len - 1] == '0')
		line->len--;
	if (!line->failed && line->data[line->len - 1] == '.')
		line->len--;
}

static void add_seconds(struct buf *line, uint64_t ns)
{
	add_decimal(line, ns, NS_PER_S, 9);
}

static void add_millis(struct buf *line, uint64_t ns)
{
	add_decimal(line, ns, NS_PER_MS, 6);
}

static void render(struct buf *line, uint64_t real_ns, const char *scenario, const char *phase,
		   const struct fault_window *w)
{
	bool reset = w->kind == FAULT_KIND_RESET || w->kind == FAULT_KIND_REFUSE;

	buf_printf(line, "{\"ts_ns\": %" PRIu64 ", \"mode\": \"run\", ", real_ns);
	add_text(line, "\"scenario\": ", scenario);
	buf_printf(line, ", \"phase\": \"%s\", \"execute\": true, \"parameters\": {\"duration_sec\": \"",
		   phase);
	add_seconds(line, w->duration_ns);
	add_text(line, "\", \"target_ip\": ", w->target_ip);
	add_text(line, ", \"ports\": ", w->ports);
	add_text(line, ", \"disconnect_mode\": ", reset ? "reset" : "drop");
	add_text(line, ", \"iface\": ", w->iface);
	buf_puts(line, ", \"delay_ms\": \"");
	add_millis(line, w->delay_ns);
	buf_puts(line, "\", \"jitter_ms\": \"");
	add_millis(line, w->jitter_ns);
	buf_printf(line, "\", \"loss_percent\": \"%.6g\"}}\n", w->loss_percent);
}

static int write_line(int fd, const struct buf *line)
{
	off_t before = lseek(fd, 0, SEEK_END);
	ssize_t n;

	if (line->failed)
		return -ENOMEM;
	if (before < 0)
		return -errno;
	do {
		n = write(fd, line->data, line->len);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)line->len)
		return 0;
	if (n < 0)
		return -errno;
	if (ftruncate(fd, before) < 0)
		return -errno;
	return -ENOSPC;
}

static int put(const struct fault_events *events, uint64_t real_ns, const char *scenario, const char *phase,
	       const struct fault_window *window)
{
	struct buf line = {0};
	int err;

	render(&line, real_ns, scenario, phase, window);
	err = write_line(events->fd, &line);
	buf_free(&line);
	return err;
}

int fault_events_apply(struct fault_events *events, uint64_t real_ns, const struct fault_window *window)
{
	struct open_window *w;
	int err;

	if (*find(events, window))
		return -EEXIST;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->instance = window->instance;
	w->step = strdup(window->step);
	w->scenario = choose_scenario(events, window);
	err = w->step && w->scenario ? put(events, real_ns, w->scenario, "apply", window) : -ENOMEM;
	if (err) {
		free_window(w);
		return err;
	}
	w->next = events->windows;
	events->windows = w;
	return 0;
}

int fault_events_clear(struct fault_events *events, uint64_t real_ns, const struct fault_window *window)
{
	struct open_window **at = find(events, window), *w = *at;
	int err;

	if (!w)
		return -ENOENT;
	err = put(events, real_ns, w->scenario, "clear", window);
	if (err)
		return err;
	*at = w->next;
	free_window(w);
	return 0;
}
