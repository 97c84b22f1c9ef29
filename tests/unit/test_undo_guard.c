/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard of a run that is late: what it takes back, what it leaves to the run, and that no change is taken back twice. */
#include "unit/run_dir.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include "base/timeutil.h"
#include "drill/clock_step.h"

#define S ((int64_t)NS_PER_S)

/* A clock that the guard shares; how often the guard was at it, and has taken something back. */
struct fake {
	int64_t reading;
	unsigned moves, looked, taken;
};

struct scene {
	struct run_dir *dir;
	struct fake *clock;
	struct clock_ops ops;
	struct undo *undo;
	struct undo_guard *guard;
	struct undo_guard_work work;
};

static int move(void *arg, int64_t offset_ns)
{
	struct fake *f = arg;

	f->moves++;
	f->reading += offset_ns;
	return 0;
}

static int64_t reading(void *arg)
{
	return __atomic_load_n(&((struct fake *)arg)->reading, __ATOMIC_ACQUIRE);
}

static void nothing(void)
{
}

static bool take_late(void *arg, const struct undo_late *late)
{
	struct scene *s = arg;
	bool stepped = false;
	int err = clock_take_back(&s->ops, late->before_ns, late->offset_ns, &stepped);

	if (!err && stepped)
		err = undo_done_beside(s->undo, late->id);
	__atomic_add_fetch(&s->clock->taken, !err && stepped, __ATOMIC_RELEASE);
	__atomic_add_fetch(&s->clock->looked, 1, __ATOMIC_RELEASE);
	return !err && stepped;
}

static void begin(struct scene *s, void **state)
{
	*s = (struct scene){.dir = *state};
	s->clock = mmap(NULL, sizeof(*s->clock), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(s->clock != MAP_FAILED);
	s->clock->reading = 100 * S;
	s->ops = (struct clock_ops){move, reading, s->clock};
	s->work = (struct undo_guard_work){nothing, take_late, s};
	assert_int_equal(undo_open(s->dir->path, &s->undo), 0);
	assert_int_equal(undo_begin(s->undo, "/runs/mine"), 0);
	assert_int_equal(undo_guard_start(&s->work, &s->guard), 0);
}

static void end(struct scene *s)
{
	undo_close(s->undo);
	undo_guard_stop(s->guard);
	munmap(s->clock, sizeof(*s->clock));
}

static void await(const unsigned *counter, unsigned n)
{
	static const struct timespec moment = {.tv_nsec = NS_PER_MS};

	for (int i = 0; __atomic_load_n(counter, __ATOMIC_ACQUIRE) < n; i++) {
		assert_true(i < 60000);
		nanosleep(&moment, NULL);
	}
}

/* A change of 5 s whose window is over, or is not. */
static struct undo_late change(struct scene *s, uint64_t ends_ns)
{
	struct undo_late late = {.ends_ns = ends_ns, .before_ns = s->clock->reading, .offset_ns = 5 * S};

	assert_int_equal(undo_arm(s->undo, "clock", "{}", &late.id), 0);
	undo_guard_watch(s->guard, &late);
	move(s->clock, 5 * S);
	undo_guard_watch(s->guard, &late);
	return late;
}

static void takes_back_what_is_late(void **state)
{
	struct scene s;
	uint64_t ns = 0, before = clock_mono_ns();

	begin(&s, state);
	(void)change(&s, before); /* the guard waits for the grace */
	await(&s.clock->taken, 1);
	assert_true(undo_guard_claim(s.guard, &ns));
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->moves, 2);
	assert_true(ns >= before + UNDO_GUARD_GRACE_NS && ns <= clock_mono_ns());
	assert_false(undo_guard_claim(s.guard, &ns)); /* it is told once */
	end(&s);
}

static void leaves_what_is_claimed(void **state)
{
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	(void)change(&s, clock_mono_ns() + 3600 * NS_PER_S);
	assert_false(undo_guard_claim(s.guard, &ns));
	assert_int_equal(s.clock->reading, 105 * S);
	/* One behind it, which is late: the guard is awake, and has done nothing else. */
	s.clock->reading = 100 * S;
	(void)change(&s, clock_mono_ns() - UNDO_GUARD_GRACE_NS);
	await(&s.clock->taken, 1);
	(void)undo_guard_claim(s.guard, &ns);
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->moves, 3);
	end(&s);
}

/* Nothing was on the clock when the guard looked: the run was stopped between its word and its deed. */
static void looks_again_behind_the_change(void **state)
{
	struct undo_late late = {.before_ns = 100 * S, .offset_ns = -5 * S};
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	assert_int_equal(undo_arm(s.undo, "clock", "{}", &late.id), 0);
	undo_guard_watch(s.guard, &late);
	await(&s.clock->looked, 1);
	assert_int_equal(s.clock->moves, 0);
	move(s.clock, -5 * S);
	undo_guard_watch(s.guard, &late);
	await(&s.clock->taken, 1);
	assert_true(undo_guard_claim(s.guard, &ns));
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->moves, 2);
	end(&s);
}

static void is_the_runs_when_the_guard_is_dead(void **state)
{
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	undo_guard_stop(s.guard);
	s.guard = NULL;
	(void)change(&s, 0);
	assert_false(undo_guard_claim(s.guard, &ns));
	assert_int_equal(s.clock->reading, 105 * S);
	end(&s);
}

static char *journal_of(const struct run_dir *dir)
{
	DIR *list = opendir(dir->path);
	const struct dirent *entry;
	char *text = NULL;

	assert_non_null(list);
	while ((entry = readdir(list)))
		if (!strncmp(entry->d_name, "run-", 4))
			text = get_file(dir->fd, entry->d_name, NULL);
	closedir(list);
	return text;
}

/* A run that sleeps through the end of its window finds it closed, writes down when that was, and does not move the clock. */
static void run_finds_it_done(void **state)
{
	struct plan_step step = {
		.name = (char *)"ahead",
		.kind = STEP_CLOCK,
		.clock_offset_ns = 5 * S,
		.window = {.at_ns = 0, .for_ns = NS_PER_S / 4, .times = 1, .every_ns = NS_PER_S}};
	struct plan plan = {.steps = &step, .n_steps = 1};
	struct journal journal = {0};
	struct fault_events *narrow;
	struct clock_steps *steps;
	uint64_t next, zero;
	struct scene s;
	char *text;

	begin(&s, state);
	assert_int_equal(log_open(s.dir->fd, 0, &journal.log), 0);
	assert_int_equal(fault_events_open(s.dir->fd, &narrow), 0);
	assert_int_equal(clock_steps_open(&plan, &s.ops, s.undo, &journal, narrow, &steps), 0);
	clock_steps_guard(steps, s.guard);
	zero = clock_mono_ns();
	clock_steps_set_zero(steps, zero);
	assert_int_equal(clock_steps_run(steps, zero, &next), 0);
	assert_true(next == zero + NS_PER_S / 4);
	await(&s.clock->taken, 1);
	assert_int_equal(s.clock->reading, 100 * S);
	text = journal_of(s.dir);
	assert_non_null(strstr(text, "{\"done\":1}\n"));
	free(text);
	assert_int_equal(clock_steps_run(steps, clock_mono_ns(), &next), 0);
	assert_true(clock_steps_all_done(steps));
	assert_true(clock_steps_last_close(steps) >= zero + NS_PER_S / 4 + UNDO_GUARD_GRACE_NS);
	assert_int_equal(s.clock->moves, 2);
	clock_steps_close(steps);
	assert_int_equal(log_close(journal.log), 0);
	assert_int_equal(fault_events_close(narrow), 0);
	buf_free(&journal.data);
	text = get_file(s.dir->fd, "events.jsonl", NULL);
	assert_non_null(strstr(
		text, "\"result\":\"taken back\",\"reason\":\"by the guard: the run was stopped or late\""));
	free(text);
	end(&s);
	assert_null(journal_of(s.dir));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(takes_back_what_is_late),
		IN_DIR(leaves_what_is_claimed),
		IN_DIR(looks_again_behind_the_change),
		IN_DIR(is_the_runs_when_the_guard_is_dead),
		IN_DIR(run_finds_it_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
