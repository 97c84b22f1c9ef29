/* SPDX-License-Identifier: BSD-2-Clause */
/* Clock steps on a clock that is the test's own: when it is moved, by how much, and what the undo journal knew by then. */
#include "unit/run_dir.h"

#include <errno.h>
#include <stdbool.h>

#include <linux/types.h>

#include "base/timeutil.h"
#include "drill/clock_step.h"
#include "unit/texts.h"

#define S ((int64_t)NS_PER_S)
#define ZERO (1000 * NS_PER_S)

struct fake {
	int64_t reading, moves[16];
	size_t n;
	int fails; /* the next move gives this error */
	const struct run_dir *dir;
	char armed[1024]; /* the undo journal, as it was at the last move */
};

static void read_journal(const struct run_dir *dir, char *text, size_t size)
{
	DIR *list = opendir(dir->path);
	const struct dirent *entry;

	text[0] = '\0';
	assert_non_null(list);
	while ((entry = readdir(list))) {
		char *content;

		if (strncmp(entry->d_name, "run-", 4) != 0)
			continue;
		content = get_file(dir->fd, entry->d_name, NULL);
		snprintf(text, size, "%s", strchr(content, '\n') + 1); /* without the header */
		free(content);
	}
	closedir(list);
}

static int move(void *arg, int64_t offset_ns)
{
	struct fake *f = arg;
	int err = f->fails;

	f->fails = 0;
	if (err)
		return err;
	if (f->dir)
		read_journal(f->dir, f->armed, sizeof(f->armed));
	assert_true(f->n < 16);
	f->moves[f->n++] = offset_ns;
	f->reading += offset_ns;
	return 0;
}

static int64_t reading(void *arg)
{
	return ((struct fake *)arg)->reading;
}

static void is_taken_back_once(void **state)
{
	static const int64_t offsets[] = {5 * S, -5 * S, 1, -1, 86400 * S, 1500000001};
	bool stepped;

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		struct fake f = {.reading = 77 * S + offsets[i]};
		const struct clock_ops ops = {move, reading, &f};

		assert_int_equal(clock_take_back(&ops, 77 * S, offsets[i], &stepped), 0);
		assert_true(stepped);
		assert_int_equal(f.reading, 77 * S);
		assert_int_equal(clock_take_back(&ops, 77 * S, offsets[i], &stepped), 0);
		assert_false(stepped);
		assert_int_equal(f.n, 1);
	}
}

static void belongs_to_who_moved_it_last(void **state)
{
	static const struct {
		int64_t offset, meanwhile;
		bool stepped;
	} cases[] = {
		{5 * S, -5 * S, false},  {5 * S, -5 * S + 3000, false}, {5 * S, -2 * S, true},
		{5 * S, -3 * S, false},  {5 * S, 400000, true},         {5 * S, 100 * S, true},
		{-5 * S, 5 * S, false},  {-5 * S, 2 * S, true},         {-5 * S, -90 * S, true},
		{5 * S, -90 * S, false},
	};
	bool stepped;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t now = 9 * S + cases[i].offset + cases[i].meanwhile;
		struct fake f = {.reading = now};
		const struct clock_ops ops = {move, reading, &f};

		assert_int_equal(clock_take_back(&ops, 9 * S, cases[i].offset, &stepped), 0);
		assert_int_equal(stepped, cases[i].stepped);
		assert_int_equal(f.reading, stepped ? now - cases[i].offset : now);
	}
}

/* A run with clock steps. */
struct scene {
	struct run_dir *dir;
	struct fake clock;
	struct clock_ops ops;
	struct plan_step steps[3];
	struct plan plan;
	struct journal journal;
	struct fault_events *narrow;
	struct undo *undo;
	struct clock_steps *clock_steps;
};

static void add_step(struct scene *s, const char *name, int64_t offset_ns, uint64_t at_s, uint64_t for_s,
		     uint32_t times, uint64_t every_s)
{
	s->steps[s->plan.n_steps++] = (struct plan_step){
		.name = (char *)name,
		.kind = STEP_CLOCK,
		.clock_offset_ns = offset_ns,
		.window = {.at_ns = at_s * NS_PER_S,
			   .for_ns = for_s * NS_PER_S,
			   .times = times,
			   .every_ns = every_s * NS_PER_S},
	};
}

static void prepare(struct scene *s, void **state)
{
	*s = (struct scene){.dir = *state};
	s->clock = (struct fake){.reading = 100 * S, .dir = s->dir};
	s->ops = (struct clock_ops){move, reading, &s->clock};
	s->plan.steps = s->steps;
}

static void begin(struct scene *s)
{
	assert_int_equal(log_open(s->dir->fd, 0, &s->journal.log), 0);
	assert_int_equal(fault_events_open(s->dir->fd, &s->narrow), 0);
	assert_int_equal(undo_open(s->dir->path, &s->undo), 0);
	assert_int_equal(undo_begin(s->undo, "/runs/mine"), 0);
	assert_int_equal(
		clock_steps_open(&s->plan, &s->ops, s->undo, NULL, &s->journal, s->narrow, &s->clock_steps),
		0);
	clock_steps_set_zero(s->clock_steps, ZERO, (struct plan_span){0, UINT64_MAX});
}

/* With one step, 5 s ahead, which opens first a second behind the zero. */
static void begin_ahead(struct scene *s, void **state, uint64_t for_s, uint32_t times, uint64_t every_s)
{
	prepare(s, state);
	add_step(s, "ahead", 5 * S, 1, for_s, times, every_s);
	begin(s);
}

/* What follows the header in the undo journal, if it is still there; the events. */
static char *end(struct scene *s, char left[1024])
{
	clock_steps_close(s->clock_steps);
	undo_close(s->undo);
	read_journal(s->dir, left, 1024);
	assert_int_equal(s->journal.error, 0);
	assert_int_equal(log_close(s->journal.log), 0);
	assert_int_equal(fault_events_close(s->narrow), 0);
	buf_free(&s->journal.data);
	return get_file(s->dir->fd, "events.jsonl", NULL);
}

/* At a time after the zero; returns when it wants to be called again, after the zero. */
static double at(struct scene *s, double seconds)
{
	uint64_t next;

	assert_int_equal(clock_steps_run(s->clock_steps, ZERO + seconds * NS_PER_S, &next), 0);
	return next == UINT64_MAX ? -1 : (double)(next - ZERO) / NS_PER_S;
}

static void opens_and_closes(void **state)
{
	char left[1024], *log, *narrow;
	struct scene s;

	begin_ahead(&s, state, 2, 2, 4);
	assert_true(at(&s, 0) == 1);
	assert_int_equal(s.clock.n, 0);
	assert_true(at(&s, 1) == 3);
	assert_int_equal(s.clock.reading, 105 * S);
	assert_string_equal(s.clock.armed, "{\"arm\":1,\"kind\":\"clock\",\"data\":{\"offset_ns\":5000000000,"
					   "\"before_ns\":100000000000}}\n");
	assert_true(at(&s, 2.9) == 3);
	assert_int_equal(s.clock.n, 1);
	assert_false(clock_steps_all_done(s.clock_steps));
	assert_true(at(&s, 3.1) == 5);
	assert_int_equal(s.clock.reading, 100 * S);
	assert_null(strstr(s.clock.armed, "done")); /* not before it is true */
	assert_true(at(&s, 5) == 7);
	assert_true(at(&s, 7) == -1);
	assert_int_equal(s.clock.reading, 100 * S);
	assert_int_equal(s.clock.n, 4);
	assert_true(clock_steps_all_done(s.clock_steps));
	assert_true(clock_steps_last_close(s.clock_steps) > 0);
	log = end(&s, left);
	assert_string_equal(left, "");
	assert_int_equal(
		count_of(log, "\"type\":\"step.start\",\"step\":\"ahead\",\"instance\":1,\"data\":{\"kind\":"
			      "\"clock\",\"offset_ns\":5000000000,\"opens_ns\":1001000000000,"
			      "\"closes_ns\":1003000000000,\"cut\":false}"),
		1);
	assert_int_equal(
		count_of(log, "\"type\":\"step.undo\",\"step\":\"ahead\",\"instance\":2,\"data\":{\"kind\":"
			      "\"clock\",\"offset_ns\":5000000000,\"result\":\"taken back\","
			      "\"reason\":null}"),
		1);
	assert_int_equal(count_of(log, "\"type\":\"step.end\""), 2);
	assert_int_equal(count_of(log, "\"type\":\"clock\""), 4);
	free(log);
	narrow = get_file(s.dir->fd, "fault_events.jsonl", NULL);
	assert_int_equal(count_of(narrow, "\n"), 4);
	free(narrow);
}

static void follows_at_once_upon_another(void **state)
{
	char left[1024];
	struct scene s;

	prepare(&s, state);
	add_step(&s, "back", -3 * S, 2, 1, 1, 1);
	add_step(&s, "ahead", 5 * S, 1, 1, 1, 1);
	begin(&s);
	assert_true(at(&s, 1) == 2);
	assert_true(at(&s, 2) == 3);
	assert_int_equal(s.clock.reading, 97 * S);
	assert_true(at(&s, 3) == -1);
	assert_int_equal(s.clock.reading, 100 * S);
	free(end(&s, left));
	assert_string_equal(left, "");
}

static void is_cut(void **state)
{
	char left[1024], *log;
	struct scene s;

	begin_ahead(&s, state, 10, 3, 20);
	at(&s, 1);
	assert_int_equal(clock_steps_cut(s.clock_steps), 0);
	assert_int_equal(s.clock.reading, 100 * S);
	assert_true(at(&s, 21) == -1); /* nothing opens any more */
	assert_int_equal(s.clock.n, 2);
	log = end(&s, left);
	assert_string_equal(left, "");
	assert_int_equal(count_of(log, "\"cut\":true}"), 1);
	free(log);
}

/* What the process forgets to take back goes with the steps themselves. */
static void is_taken_back_by_closing(void **state)
{
	char left[1024];
	struct scene s;

	begin_ahead(&s, state, 10, 1, 10);
	at(&s, 1);
	free(end(&s, left));
	assert_string_equal(left, "");
	assert_int_equal(s.clock.reading, 100 * S);
}

static void was_set_back_meanwhile(void **state)
{
	char left[1024], *log;
	struct scene s;

	begin_ahead(&s, state, 2, 1, 2);
	at(&s, 1);
	s.clock.reading = 100 * S + 12345; /* NTP */
	at(&s, 3);
	assert_int_equal(s.clock.n, 1);
	log = end(&s, left);
	assert_string_equal(left, "");
	assert_int_equal(
		count_of(log, "\"result\":\"not needed\",\"reason\":\"somebody else has set the clock back "
			      "meanwhile\"}"),
		1);
	free(log);
}

static void is_never_opened_too_late(void **state)
{
	char left[1024], *log;
	struct scene s;

	begin_ahead(&s, state, 2, 2, 4);
	assert_true(at(&s, 4) == 5);
	assert_int_equal(s.clock.n, 0);
	assert_true(at(&s, 6) == 7);
	assert_true(at(&s, 60) == -1);
	assert_int_equal(s.clock.n, 2);
	log = end(&s, left);
	assert_int_equal(count_of(log, "\"type\":\"step.end\",\"step\":\"ahead\",\"instance\":1"), 1);
	assert_int_equal(count_of(log, "\"type\":\"step.start\""), 1);
	free(log);
}

static void may_fail(void **state)
{
	char left[1024], *log;
	struct scene s;
	uint64_t next;

	begin_ahead(&s, state, 2, 1, 2);
	s.clock.fails = -EPERM;
	assert_int_equal(clock_steps_run(s.clock_steps, ZERO + NS_PER_S, &next), -EPERM);
	log = end(&s, left);
	assert_string_equal(left, ""); /* nothing was changed */
	assert_null(strstr(log, "step.start"));
	free(log);
}

static void stays_in_the_journal_if_it_cannot_be_taken_back(void **state)
{
	char left[1024], *log;
	struct scene s;
	uint64_t next;

	begin_ahead(&s, state, 2, 1, 2);
	at(&s, 1);
	s.clock.fails = -EPERM;
	assert_int_equal(clock_steps_run(s.clock_steps, ZERO + 3 * NS_PER_S, &next), -EPERM);
	log = end(&s, left);
	assert_non_null(strstr(left, "{\"arm\":1,"));
	assert_null(strstr(left, "done"));
	assert_int_equal(count_of(log, "\"result\":\"failed\",\"reason\":\"Operation not permitted\"}"), 1);
	free(log);
}

static void must_not_overlap(void **state)
{
	const struct plan_step *step;
	struct scene s;
	int err;

	prepare(&s, state);
	assert_false(clock_steps_wanted(&s.plan));
	assert_int_equal(clock_steps_check(&s.plan, &step), 0);
	add_step(&s, "one", 5 * S, 1, 2, 2, 10);
	add_step(&s, "two", 6 * S, 3, 8, 1, 8);
	assert_true(clock_steps_wanted(&s.plan));
	err = clock_steps_check(&s.plan, &step);
	if (err == -EPERM)
		skip();           /* a container: it gets no further */
	assert_int_equal(err, 0); /* one behind the other */
	s.steps[1].window.for_ns++;
	assert_int_equal(clock_steps_check(&s.plan, &step), -EINVAL);
	assert_string_equal(step->name, "one"); /* its second window */
	s.plan.n_steps = 1;
	s.steps[0].clock_offset_ns = INT64_MIN;
	assert_int_equal(clock_steps_check(&s.plan, &step), -ERANGE);
	s.steps[0].clock_offset_ns = -(int64_t)clock_real_ns();
	assert_int_equal(clock_steps_check(&s.plan, &step), -ERANGE);
	s.steps[0].clock_offset_ns = INT64_MAX;
	assert_int_equal(clock_steps_check(&s.plan, &step), -ERANGE);
}

static void may_not_be_there(void **state)
{
	struct clock_steps *steps = (struct clock_steps *)1;
	struct plan plan = {0};
	uint64_t next;

	(void)state;
	assert_int_equal(clock_steps_open(&plan, NULL, NULL, NULL, NULL, NULL, &steps), 0);
	assert_null(steps);
	clock_steps_set_zero(steps, ZERO, (struct plan_span){0, UINT64_MAX});
	assert_int_equal(clock_steps_run(steps, ZERO, &next), 0);
	assert_true(next == UINT64_MAX);
	assert_int_equal(clock_steps_cut(steps), 0);
	assert_true(clock_steps_all_done(steps));
	assert_int_equal(clock_steps_last_close(steps), 0);
	clock_steps_close(steps);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_taken_back_once),
		cmocka_unit_test(belongs_to_who_moved_it_last),
		IN_DIR(opens_and_closes),
		IN_DIR(follows_at_once_upon_another),
		IN_DIR(is_cut),
		IN_DIR(is_taken_back_by_closing),
		IN_DIR(was_set_back_meanwhile),
		IN_DIR(is_never_opened_too_late),
		IN_DIR(may_fail),
		IN_DIR(stays_in_the_journal_if_it_cannot_be_taken_back),
		IN_DIR(must_not_overlap),
		cmocka_unit_test(may_not_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
