/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/undo_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"

enum late_state {
	LATE_NONE,
	LATE_WATCHED,
	LATE_TAKING, /* the guard is at it */
	LATE_TAKEN,
};

/* Several changes may come and go in a place while the guard looks at one: each has a number. */
#define LATE_KIND 3U
#define LATE_NEXT 4U

struct place {
	uint64_t state; /* the number, and enum late_state in the bits of LATE_KIND */
	bool stepped;
	uint64_t taken_ns;
	struct undo_late late;
};

struct shared {
	unsigned used; /* no place from here on has ever been */
	struct place places[UNDO_GUARD_MOST];
};

struct undo_guard {
	pid_t pid;
	int end; /* of a pipe: DONE tells it to go, WATCH to look at the page, its end that the run is dead */
	struct shared *shared;
};

#define DONE 'd'
#define WATCH 'w'

/* Descriptors are copies of the run's, and with them its locks: none may stay but the two. */
static void keep_only(int from, int run)
{
	int low = from < run ? from : run, high = from < run ? run : from;

	if (low > 0)
		close_range(0, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, UINT_MAX, 0);
}

static uint64_t state_of(struct place *p)
{
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
}

/* False: it is another by now. */
static bool move_state(struct place *p, uint64_t from, enum late_state to)
{
	return __atomic_compare_exchange_n(&p->state, &from, (from & ~(uint64_t)LATE_KIND) | to, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Do it if it is due. Returns when it will be; UINT64_MAX: never. */
static uint64_t look_at(struct place *p, const struct undo_guard_work *work)
{
	uint64_t state = state_of(p), due;

	if ((state & LATE_KIND) != LATE_WATCHED)
		return UINT64_MAX;
	due = p->late.ends_ns + UNDO_GUARD_GRACE_NS;
	if (clock_mono_ns() < due)
		return due;
	if (!move_state(p, state, LATE_TAKING))
		return UINT64_MAX; /* it has been claimed; of the next there will be word */
	p->stepped = work->take_late(work->arg, &p->late);
	p->taken_ns = clock_mono_ns();
	(void)move_state(p, (state & ~(uint64_t)LATE_KIND) | LATE_TAKING, LATE_TAKEN);
	return UINT64_MAX;
}

/* Do what is due, the newest first. Returns how many ms to sleep for; -1: until something comes. */
static int look(struct shared *s, const struct undo_guard_work *work)
{
	uint64_t due = UINT64_MAX, next, now, ms;

	for (unsigned i = __atomic_load_n(&s->used, __ATOMIC_ACQUIRE); i-- > 0;) {
		next = look_at(&s->places[i], work);
		due = next < due ? next : due;
	}
	if (due == UINT64_MAX)
		return -1;
	now = clock_mono_ns();
	ms = due > now ? (due - now) / NS_PER_MS + 1 : 0;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Returns when the run is done (true), or dies. */
static bool keep_watch(int from, struct shared *s, const struct undo_guard_work *work)
{
	struct pollfd heard = {.fd = from, .events = POLLIN};
	char byte;
	ssize_t n;

	for (;;) {
		if (poll(&heard, 1, look(s, work)) <= 0)
			continue;
		n = read(from, &byte, 1);
		if (!n || (n > 0 && byte == DONE))
			return n;
	}
}

/* The pipe ends while the dying process still has locks; its descriptor tells when it is done. */
static void guard(int from, int run, struct shared *shared, const struct undo_guard_work *work)
{
	struct pollfd dead = {.fd = run, .events = POLLIN};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "shearpin-undo");
	keep_only(from, run);
	if (chdir("/"))
		_exit(1);
	if (keep_watch(from, shared, work))
		_exit(0);
	while (poll(&dead, 1, -1) < 0 && errno == EINTR)
		;
	work->take_back();
	_exit(0);
}

static void free_guard(struct undo_guard *g)
{
	if (g->shared != MAP_FAILED)
		munmap(g->shared, sizeof(*g->shared));
	free(g);
}

int undo_guard_start(const struct undo_guard_work *work, struct undo_guard **ret)
{
	struct undo_guard *g = calloc(1, sizeof(*g));
	int ends[2] = {-1, -1}, run = -1, err = 0;

	if (!g)
		return -ENOMEM;
	g->shared = mmap(NULL, sizeof(*g->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->shared == MAP_FAILED || pipe2(ends, O_CLOEXEC) || (run = pidfd_open(getpid(), 0)) < 0 ||
	    (g->pid = fork()) < 0)
		err = -errno;
	else if (!g->pid)
		guard(ends[0], run, g->shared, work);
	if (run >= 0)
		close(run);
	if (ends[0] >= 0)
		close(ends[0]);
	if (err) {
		if (ends[1] >= 0)
			close(ends[1]);
		free_guard(g);
		return err;
	}
	g->end = ends[1];
	*ret = g;
	return 0;
}

static void say(const struct undo_guard *guard, char what)
{
	(void)!write(guard->end, &what, 1);
}

void undo_guard_stop(struct undo_guard *guard)
{
	if (!guard)
		return;
	say(guard, DONE);
	close(guard->end);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free_guard(guard);
}

static bool is_dead(const struct undo_guard *guard)
{
	siginfo_t info = {0};

	return waitid(P_PID, guard->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static struct place *find_place(struct shared *s, unsigned id)
{
	for (unsigned i = 0; i < s->used; i++)
		if ((state_of(&s->places[i]) & LATE_KIND) != LATE_NONE && s->places[i].late.id == id)
			return &s->places[i];
	return NULL;
}

static struct place *free_place(struct shared *s)
{
	for (unsigned i = 0; i < s->used; i++)
		if ((state_of(&s->places[i]) & LATE_KIND) == LATE_NONE)
			return &s->places[i];
	return s->used < UNDO_GUARD_MOST ? &s->places[s->used] : NULL;
}

bool undo_guard_claim(struct undo_guard *guard, unsigned id, uint64_t *ret_ns)
{
	static const struct timespec moment = {.tv_nsec = NS_PER_MS};
	struct place *p = guard ? find_place(guard->shared, id) : NULL;
	uint64_t state;

	if (!p)
		return false;
	for (;;) {
		state = state_of(p);
		if ((state & LATE_KIND) == LATE_TAKING && !is_dead(guard))
			nanosleep(&moment, NULL);
		else if (move_state(p, state, LATE_NONE))
			break;
	}
	*ret_ns = p->taken_ns;
	return (state & LATE_KIND) == LATE_TAKEN && p->stepped;
}

int undo_guard_watch(struct undo_guard *guard, const struct undo_late *late)
{
	struct place *p;
	uint64_t ns;

	if (!guard)
		return 0;
	p = find_place(guard->shared, late->id);
	if (p && undo_guard_claim(guard, late->id, &ns) && !late->in_parts) {
		(void)move_state(p, state_of(p), LATE_TAKEN);
		return 0;
	}
	if (!p)
		p = free_place(guard->shared);
	if (!p)
		return -ENOSPC;
	p->late = *late;
	__atomic_store_n(&p->state, (state_of(p) & ~(uint64_t)LATE_KIND) + LATE_NEXT + LATE_WATCHED,
			 __ATOMIC_RELEASE);
	if (p == &guard->shared->places[guard->shared->used])
		__atomic_store_n(&guard->shared->used, guard->shared->used + 1, __ATOMIC_RELEASE);
	say(guard, WATCH);
	return 0;
}
