/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pieces of report.html, and its sections. Every text that comes from outside goes through html_text(). The page has
 * neither script nor reference to anything outside of it, and its Content-Security-Policy says so to the browser.
 *
 * Pictures are SVG with horizontal places in percent and vertical ones in pixels: they take any width, and their text stays
 * as large as it is. What a mark stands for is in its data-* attributes; times there are CLOCK_MONOTONIC, as in events.jsonl.
 */
#ifndef SHEARPIN_HTML_H
#define SHEARPIN_HTML_H

#include "base/buf.h"
#include "slo/results.h"

#define HTML_MAX_ROWS 500 /* of a table; where there are more, it says so */

/* What stands in the page's only <style>, and the shapes that marks refer to. */
extern const char html_style[];
extern const char html_marks[];

/* A page from its head to <main>, and its end. Its title is `before`, as it is, and then the title, escaped. */
void html_page(struct buf *out, const char *before, const char *title);
void html_page_end(struct buf *out);

/* Escaped for an element or a quoted attribute; NULL and "" are a dash, or as attribute nothing. */
void html_text(struct buf *out, const char *text);
void html_attribute(struct buf *out, const char *name, const char *value); /* with a space before it */
void html_ns_attribute(struct buf *out, const char *name, uint64_t ns);    /* NO_NS: empty */
/* Digits in groups of three; NO_NS is a dash. */
void html_count(struct buf *out, uint64_t count);
/* Seconds, milliseconds, with three digits behind the point, without the unit; NO_NS is a dash. */
void html_seconds(struct buf *out, uint64_t ns);
void html_millis(struct buf *out, uint64_t ns);
void html_percent(struct buf *out, double share);
/* The number of an event, in small print: "#17"; nothing for NO_NS. */
void html_seq(struct buf *out, uint64_t seq);

void html_section(struct buf *out, const char *id, const char *heading);
void html_section_end(struct buf *out);

/* A table; columns are separated by '|', those that begin with '>' hold numbers. `label` is for those who hear the page. */
void html_table(struct buf *out, const char *label, const char *columns);
void html_table_end(struct buf *out);
/* Cells of it. */
void html_row_head(struct buf *out, const char *text);
void html_cell(struct buf *out, const char *text);
void html_cell_count(struct buf *out, uint64_t count);
void html_cell_seconds(struct buf *out, uint64_t ns, uint64_t seq);
void html_cell_millis(struct buf *out, uint64_t ns);
void html_cell_time(struct buf *out, uint64_t ts_ns,
		    uint64_t seq);             /* UTC; the date may stand above the time */
void html_cell_yes(struct buf *out, bool yes); /* "yes", or "no" in the colour of failure */
/* "disconnect #2", a row's head that leads to the window's row in the Scenario Matrix. */
void html_window_head(struct buf *out, const struct results *r, const struct result_window *w);
/* A line below a table that lacks rows: nothing if it doesn't. */
void html_more_rows(struct buf *out, uint64_t shown, uint64_t all, const char *what);

/* An item of a <dl>. */
void html_item(struct buf *out, const char *label, const char *text);
void html_item_count(struct buf *out, const char *label, uint64_t count); /* nothing for NO_NS */

/* A stretch of time as the width of a picture. */
struct html_scale {
	uint64_t from_ns, to_ns;
};

double html_place(const struct html_scale *s, uint64_t ns); /* percent, 0 to 100 */
/* The distance of the marks of an axis over so much time, of at most `most`: 1, 2 or 5 times a power of ten. */
uint64_t html_tick(uint64_t length_ns, unsigned most);

/* Sections. Those that have nothing to say are not there. */
void html_verdict(const struct results *r, struct buf *out);
void html_objectives(const struct results *r, struct buf *out);
void html_expects(const struct results *r, struct buf *out);
void html_phases(const struct results *r, struct buf *out);
void html_time_line(const struct results *r, struct buf *out);
void html_recovery(const struct results *r, struct buf *out);
void html_matrix(const struct results *r, struct buf *out);
void html_probes(const struct results *r, struct buf *out);
void html_flows(const struct results *r, struct buf *out);
void html_counters(const struct results *r, struct buf *out);
void html_fidelity(const struct results *r, struct buf *out);
void html_evidence(const struct results *r, struct buf *out);

#define HTML_MAX_MARKED 120 /* windows of a lane with all their marks */

/* Lanes of the time line. Each takes the height that is used so far, and returns that behind it. */
struct html_lanes {
	const struct results *r;
	struct html_scale scale;
	struct buf *out;
	unsigned y;      /* pixels used */
	bool simplified; /* something is drawn summed up */
	bool unmarked;   /* a lane has marks only where something was not recovered from */
};

/* In one line, which ends in an ellipsis where it is too long. */
void html_lane_label(struct html_lanes *l, const char *name, const char *more);
/* "12.345 s": from the end of the baseline. */
void html_lane_time(struct html_lanes *l, uint64_t ns);
/* A mark of html_marks, with what it stands for. */
void html_mark(struct html_lanes *l, const char *kind, uint64_t ns, uint64_t seq,
	       const struct result_window *w, const char *words);
/* A dashed line from the window's closing to where the search for a recovery ended, with nothing found. */
void html_unrecovered(struct html_lanes *l, const struct result_window *w);
void html_course_lanes(struct html_lanes *l); /* of phases, waits, expectations */
void html_step_lanes(struct html_lanes *l);
void html_probe_lanes(struct html_lanes *l);
void html_path_lanes(struct html_lanes *l);

#endif
