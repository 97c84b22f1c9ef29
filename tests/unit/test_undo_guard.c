/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard of a run that is late: what it takes back, what it leaves to the run, and that no change is taken back twice. */
#include "unit/run_dir.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "base/timeutil.h"
#include "drill/clock_step.h"

#define S ((int64_t)NS_PER_S)

/* A clock that the guard shares; how often the guard was at it, and has taken something back. */
struct fake {
	int64_t reading;
	unsigned moves, looked, taken;
	bool kills; /* whoever looks */
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
	int err;

	if (s->clock->kills) {
		__atomic_add_fetch(&s->clock->looked, 1, __ATOMIC_RELEASE);
		_exit(1);
	}
	err = clock_take_back(&s->ops, late->before_ns, late->offset_ns, &stepped);
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
	struct undo_late late;
	struct scene s;
	uint64_t ns = 0, before = clock_mono_ns();

	begin(&s, state);
	late = change(&s, before); /* the guard waits for the grace */
	await(&s.clock->taken, 1);
	assert_true(undo_guard_claim(s.guard, late.id, &ns));
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->moves, 2);
	assert_true(ns >= before + UNDO_GUARD_GRACE_NS && ns <= clock_mono_ns());
	assert_false(undo_guard_claim(s.guard, late.id, &ns)); /* it is told once */
	end(&s);
}

static void leaves_what_is_claimed(void **state)
{
	struct undo_late late;
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	late = change(&s, clock_mono_ns() + 3600 * NS_PER_S);
	assert_false(undo_guard_claim(s.guard, late.id, &ns));
	assert_int_equal(s.clock->reading, 105 * S);
	/* One behind it, which is late: the guard is awake, and has done nothing else. */
	s.clock->reading = 100 * S;
	late = change(&s, clock_mono_ns() - UNDO_GUARD_GRACE_NS);
	await(&s.clock->taken, 1);
	(void)undo_guard_claim(s.guard, late.id, &ns);
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
	assert_true(undo_guard_claim(s.guard, late.id, &ns));
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->moves, 2);
	end(&s);
}

/* The run had no turn between its deed and its word: it is told what the guard did then. */
static void tells_what_it_took_in_between(void **state)
{
	struct undo_late late = {.before_ns = 100 * S, .offset_ns = 5 * S};
	struct scene s;
	uint64_t ns = 0;

	begin(&s, state);
	assert_int_equal(undo_arm(s.undo, "clock", "{}", &late.id), 0);
	move(s.clock, 5 * S);
	undo_guard_watch(s.guard, &late);
	await(&s.clock->taken, 1);
	undo_guard_watch(s.guard, &late);
	assert_true(undo_guard_claim(s.guard, late.id, &ns));
	assert_true(ns > 0 && ns <= clock_mono_ns());
	assert_false(undo_guard_claim(s.guard, late.id, &ns));
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->moves, 2);
	/* Of another change it is not told. */
	(void)change(&s, 0);
	await(&s.clock->taken, 2);
	late.id += 2;
	late.ends_ns = clock_mono_ns() + 3600 * NS_PER_S;
	undo_guard_watch(s.guard, &late);
	assert_false(undo_guard_claim(s.guard, late.id, &ns));
	end(&s);
}

/* Several at one time: each by its own end, and each is claimed for itself. */
static void keeps_several_apart(void **state)
{
	struct undo_late late[3] = {{.before_ns = 100 * S, .offset_ns = 5 * S},
				    {.before_ns = 100 * S, .offset_ns = 5 * S},
				    {.before_ns = 100 * S, .offset_ns = 5 * S}};
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	for (int i = 0; i < 3; i++)
		assert_int_equal(undo_arm(s.undo, "clock", "{}", &late[i].id), 0);
	late[0].ends_ns = late[2].ends_ns = clock_mono_ns() + 3600 * NS_PER_S;
	move(s.clock, 5 * S);
	for (int i = 0; i < 3; i++)
		assert_int_equal(undo_guard_watch(s.guard, &late[i]), 0);
	await(&s.clock->taken, 1);
	assert_false(undo_guard_claim(s.guard, late[0].id, &ns));
	assert_true(undo_guard_claim(s.guard, late[1].id, &ns));
	assert_false(undo_guard_claim(s.guard, late[1].id, &ns));
	/* Its place is another's now. */
	late[1].id = late[2].id + 1;
	late[1].ends_ns = 0;
	move(s.clock, 5 * S);
	assert_int_equal(undo_guard_watch(s.guard, &late[1]), 0);
	await(&s.clock->taken, 2);
	assert_true(undo_guard_claim(s.guard, late[1].id, &ns));
	assert_false(undo_guard_claim(s.guard, late[2].id, &ns));
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->looked, 2);
	end(&s);
}

/* What takes time is looked at again behind it: the first look may have seen a part of it. */
static void looks_twice_at_what_has_parts(void **state)
{
	struct undo_late late = {.before_ns = 100 * S, .offset_ns = 5 * S, .in_parts = true};
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	assert_int_equal(undo_arm(s.undo, "clock", "{}", &late.id), 0);
	move(s.clock, 5 * S);
	assert_int_equal(undo_guard_watch(s.guard, &late), 0);
	await(&s.clock->taken, 1);
	move(s.clock, 5 * S);
	assert_int_equal(undo_guard_watch(s.guard, &late), 0);
	await(&s.clock->taken, 2);
	assert_true(undo_guard_claim(s.guard, late.id, &ns));
	assert_int_equal(s.clock->reading, 100 * S);
	end(&s);
}

static void has_room_for_so_many(void **state)
{
	struct undo_late late = {.ends_ns = clock_mono_ns() + 3600 * NS_PER_S, .offset_ns = 5 * S};
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	for (late.id = 1; late.id <= UNDO_GUARD_MOST; late.id++)
		assert_int_equal(undo_guard_watch(s.guard, &late), 0);
	assert_int_equal(undo_guard_watch(s.guard, &late), -ENOSPC);
	assert_false(undo_guard_claim(s.guard, 7, &ns));
	assert_int_equal(undo_guard_watch(s.guard, &late), 0);
	end(&s);
}

static void accepts_none(void **state)
{
	const struct undo_late late = {.id = 1};
	uint64_t ns;

	(void)state;
	assert_int_equal(undo_guard_watch(NULL, &late), 0);
	assert_false(undo_guard_claim(NULL, 1, &ns));
	undo_guard_stop(NULL);
}

/* It dies when it has claimed the change, and before it takes it back. */
static void is_the_runs_when_the_guard_is_dead(void **state)
{
	struct undo_late late = {.before_ns = 100 * S, .offset_ns = 5 * S};
	bool stepped = false;
	struct scene s;
	uint64_t ns;

	begin(&s, state);
	s.clock->kills = true;
	assert_int_equal(undo_arm(s.undo, "clock", "{}", &late.id), 0);
	move(s.clock, 5 * S);
	undo_guard_watch(s.guard, &late);
	await(&s.clock->looked, 1);
	assert_false(undo_guard_claim(s.guard, late.id, &ns));
	assert_int_equal(s.clock->reading, 105 * S);
	undo_guard_watch(s.guard, &late); /* nobody is there */
	assert_false(undo_guard_claim(s.guard, late.id, &ns));
	assert_int_equal(clock_take_back(&s.ops, late.before_ns, late.offset_ns, &stepped), 0);
	assert_true(stepped);
	assert_int_equal(s.clock->reading, 100 * S);
	assert_int_equal(s.clock->moves, 2);
	assert_int_equal(undo_done(s.undo, late.id), 0);
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

/* A run of one window of 250 ms. */
struct sleeper {
	struct plan_step step;
	struct plan plan;
	struct journal journal;
	struct fault_events *narrow;
	struct clock_steps *steps;
	uint64_t closed_ns;
};

/* It opens the window, and sleeps until the guard has counted one. Returns when it began. */
static uint64_t sleep_through(struct sleeper *r, struct scene *s, const unsigned *counter)
{
	uint64_t zero, next;

	*r = (struct sleeper){
		.step = {.name = (char *)"ahead",
			 .kind = STEP_CLOCK,
			 .clock_offset_ns = 5 * S,
			 .window = {.at_ns = 0, .for_ns = NS_PER_S / 4, .times = 1, .every_ns = NS_PER_S}},
		.plan = {.steps = &r->step, .n_steps = 1}};
	assert_int_equal(log_open(s->dir->fd, 0, &r->journal.log), 0);
	assert_int_equal(fault_events_open(s->dir->fd, &r->narrow), 0);
	assert_int_equal(
		clock_steps_open(&r->plan, &s->ops, s->undo, s->guard, &r->journal, r->narrow, &r->steps), 0);
	zero = clock_mono_ns();
	clock_steps_set_zero(r->steps, zero, (struct plan_span){0, UINT64_MAX});
	assert_int_equal(clock_steps_run(r->steps, zero, &next), 0);
	assert_true(next == zero + NS_PER_S / 4);
	await(counter, 1);
	return zero;
}

/* It finds the window's end. Its log, to be freed. */
static char *wake(struct sleeper *r, struct scene *s)
{
	uint64_t next;

	assert_int_equal(clock_steps_run(r->steps, clock_mono_ns(), &next), 0);
	assert_true(clock_steps_all_done(r->steps));
	assert_int_equal(s->clock->reading, 100 * S);
	assert_int_equal(s->clock->moves, 2);
	r->closed_ns = clock_steps_last_close(r->steps);
	clock_steps_close(r->steps);
	assert_int_equal(log_close(r->journal.log), 0);
	assert_int_equal(fault_events_close(r->narrow), 0);
	buf_free(&r->journal.data);
	return get_file(s->dir->fd, "events.jsonl", NULL);
}

/* It writes down when the guard closed the window, and does not move the clock. */
static void run_finds_it_done(void **state)
{
	struct sleeper r;
	struct scene s;
	uint64_t zero;
	char *text;

	begin(&s, state);
	zero = sleep_through(&r, &s, &s.clock->taken);
	assert_int_equal(s.clock->reading, 100 * S);
	text = journal_of(s.dir);
	assert_non_null(strstr(text, "{\"done\":1}\n"));
	free(text);
	text = wake(&r, &s);
	assert_non_null(strstr(
		text, "\"result\":\"taken back\",\"reason\":\"by the guard: the run was stopped or late\""));
	free(text);
	assert_true(r.closed_ns >= zero + NS_PER_S / 4 + UNDO_GUARD_GRACE_NS);
	end(&s);
	assert_null(journal_of(s.dir));
}

/* It finds the guard dead in the middle, and closes the window itself. */
static void run_does_it_for_a_dead_guard(void **state)
{
	struct sleeper r;
	struct scene s;
	char *text;

	begin(&s, state);
	s.clock->kills = true;
	(void)sleep_through(&r, &s, &s.clock->looked);
	assert_int_equal(s.clock->reading, 105 * S);
	text = wake(&r, &s);
	assert_non_null(strstr(text, "\"result\":\"taken back\",\"reason\":null"));
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
		IN_DIR(tells_what_it_took_in_between),
		IN_DIR(is_the_runs_when_the_guard_is_dead),
		IN_DIR(run_finds_it_done),
		IN_DIR(run_does_it_for_a_dead_guard),
		IN_DIR(keeps_several_apart),
		IN_DIR(looks_twice_at_what_has_parts),
		IN_DIR(has_room_for_so_many),
		cmocka_unit_test(accepts_none),
	};

	signal(SIGPIPE, SIG_IGN); /* as of a run: drill/signals.h */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
