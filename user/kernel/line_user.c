/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/line_user.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "kernel/line_alter.h"
#include "kernel/line_frames.h"
#include "kernel/line_heap.h"

#define ETHERNET (LINE_VNET_BYTES) /* where the Ethernet header begins */
#define TICKET_MASK ((1ULL << 48) - 1)

#define BEAT_NS (50 * NS_PER_MS)
#define MAX_WRITES 256 /* a turn: then the TAPs are read, or they overflow */
#define MIN_READS 16   /* a turn, though frames be due */
#define MAX_READS 64
#define FLUSH_NS (5 * NS_PER_S)
#define FLUSH_WAIT_S 6

/* How long before a release time sleep ends and spinning begins. */
#define MIN_LEAD_NS (20 * NS_PER_US)
#define MAX_LEAD_NS (400 * NS_PER_US)
#define MAX_LATE_NS (1 * NS_PER_MS) /* of one wake-up, as far as it is taken into account */

enum { TAP_FULL, TAP_PLAIN };

/* How many frames of a ticket have come, where several do. */
struct place {
	uint64_t ticket;
	uint64_t seen;
};

struct line_user {
	struct line_user_config config;
	struct sp_control *control;
	const struct sp_parcel *parcels;
	size_t mapped;
	struct place *places; /* as many as parcels, if there is a plain TAP */
	struct line_frames *frames;
	struct line_frame *spare; /* for the next read; NULL: the memory had none so large */
	struct line_heap heap;
	uint64_t late_ns, late_deviation_ns; /* of wake-ups, smoothed */
	bool broken;                         /* a TAP is gone */
	pthread_t thread;
	bool started;
	int wake_fd;
	atomic_bool stop, flush, abandoned;
	sem_t flushed;
	struct line_user_stats stats;
	unsigned char sink[LINE_FRAME_MAX]; /* read into when there is no spare */
};

static void count(__u64 *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void beat(struct line_user *u, uint64_t now)
{
	if (u->broken || atomic_load(&u->abandoned))
		now = 0;
	__atomic_store_n(&u->control->beat_ns, now, __ATOMIC_RELAXED);
}

static bool find_parcel(const struct line_user *u, const unsigned char *ethernet, struct sp_parcel *ret)
{
	uint64_t ticket = 0;

	if (memcmp(ethernet, u->control->line_mac, 6) != 0)
		return false;
	for (int i = 6; i < 12; i++)
		ticket = ticket << 8 | ethernet[i];
	*ret = u->parcels[ticket & (u->config.parcels - 1)];
	return ret->ticket && (ret->ticket & TICKET_MASK) == ticket;
}

static uint64_t release_of(struct line_user *u, unsigned tap, const struct sp_parcel *parcel)
{
	struct place *place;

	if (tap != TAP_PLAIN || !parcel->spacing_ns)
		return parcel->release_ns;
	place = &u->places[parcel->ticket & (u->config.parcels - 1)];
	if (place->ticket != parcel->ticket)
		*place = (struct place){.ticket = parcel->ticket};
	return parcel->release_ns + place->seen++ * parcel->spacing_ns;
}

/* The vnet header's word that the checksum is fine holds no more, and what it would fill in is complete on the plain TAP. */
static void alter(struct line_frame *frame, const struct sp_parcel *parcel)
{
	memset(frame->bytes, 0, LINE_VNET_BYTES);
	(void)line_alter(frame->bytes + ETHERNET, frame->len - ETHERNET, parcel->proto, parcel->draw);
}

/* A frame of its own for what was read: the spare itself, if it isn't much too large. */
static struct line_frame *store(struct line_user *u, const unsigned char *bytes, size_t len)
{
	struct line_frame *frame = u->spare;

	if (frame && !line_frames_fits_smaller(frame, len)) {
		u->spare = NULL;
	} else {
		frame = line_frames_get(u->frames, len);
		if (!frame)
			return NULL;
		memcpy(frame->bytes, bytes, len);
	}
	frame->len = len;
	return frame;
}

static void take(struct line_user *u, unsigned tap, const unsigned char *bytes, size_t len)
{
	struct line_frame *frame;
	struct sp_parcel parcel;

	if (len < ETHERNET + 14 || !find_parcel(u, bytes + ETHERNET, &parcel)) {
		count(&u->stats.stale);
		return;
	}
	frame = store(u, bytes, len);
	if (!frame) {
		count(&u->stats.memory_full);
		return;
	}
	frame->tap = tap;
	if (parcel.alter == SP_ALTER_WRONG)
		alter(frame, &parcel);
	if (line_heap_push(&u->heap, release_of(u, tap, &parcel), parcel.ticket, frame)) {
		count(&u->stats.memory_full);
		line_frames_put(u->frames, frame);
		return;
	}
	if (u->heap.n > u->stats.held_max)
		__atomic_store_n(&u->stats.held_max, u->heap.n, __ATOMIC_RELAXED);
}

static bool read_one(struct line_user *u, unsigned tap)
{
	unsigned char *bytes;
	ssize_t len;

	if (!u->spare)
		u->spare = line_frames_get(u->frames, LINE_FRAME_MAX);
	bytes = u->spare ? u->spare->bytes : u->sink;
	len = read(u->config.taps[tap].fd, bytes, LINE_FRAME_MAX);
	if (len < 0) {
		u->broken |= errno != EAGAIN && errno != EINTR;
		return false;
	}
	take(u, tap, bytes, len);
	return true;
}

static bool is_due(const struct line_user *u)
{
	const struct line_due *next = line_heap_top(&u->heap);

	return next && next->release_ns <= clock_mono_ns();
}

static unsigned read_taps(struct line_user *u)
{
	unsigned total = 0;

	for (unsigned tap = 0; tap < LINE_TAPS && !u->broken; tap++) {
		unsigned n = 0;

		if (u->config.taps[tap].fd < 0)
			continue;
		while (n < MAX_READS && (n < MIN_READS || !is_due(u)) && read_one(u, tap))
			n++;
		total += n;
	}
	return total;
}

static unsigned write_until(struct line_user *u, uint64_t release_ns)
{
	const struct line_due *next;
	unsigned n = 0;

	while (n < MAX_WRITES && (next = line_heap_top(&u->heap)) && next->release_ns <= release_ns) {
		struct line_frame *frame = line_heap_pop(&u->heap);

		if (write(u->config.taps[frame->tap].fd, frame->bytes, frame->len) < 0)
			count(&u->stats.write_failed);
		line_frames_put(u->frames, frame);
		n++;
	}
	return n;
}

static void flush_all(struct line_user *u)
{
	uint64_t now = clock_mono_ns(), end = now + FLUSH_NS;

	while (now < end && write_until(u, UINT64_MAX) + read_taps(u)) {
		now = clock_mono_ns();
		beat(u, now);
	}
	atomic_store(&u->flush, false);
	sem_post(&u->flushed);
}

static uint64_t lead_of(const struct line_user *u)
{
	uint64_t lead = u->late_ns + 3 * u->late_deviation_ns;

	return lead < MIN_LEAD_NS ? MIN_LEAD_NS : lead > MAX_LEAD_NS ? MAX_LEAD_NS : lead;
}

/* Smoothed as TCP smooths its round-trip times. */
static void learn_lateness(struct line_user *u, uint64_t late)
{
	uint64_t error;

	if (late > MAX_LATE_NS)
		late = MAX_LATE_NS;
	error = late > u->late_ns ? late - u->late_ns : u->late_ns - late;
	u->late_ns = (7 * u->late_ns + late) / 8;
	u->late_deviation_ns = (3 * u->late_deviation_ns + error) / 4;
}

static void sleep_until(struct line_user *u, uint64_t now, uint64_t then)
{
	const struct timespec timeout = {.tv_nsec = then - now}; /* at most BEAT_NS */
	struct pollfd fds[1 + LINE_TAPS] = {{.fd = u->wake_fd, .events = POLLIN}};
	eventfd_t ignored;
	uint64_t after;
	int n;

	/* Descriptors below 0 are skipped. */
	for (int i = 0; i < LINE_TAPS; i++)
		fds[1 + i] = (struct pollfd){.fd = u->broken ? -1 : u->config.taps[i].fd, .events = POLLIN};
	n = ppoll(fds, 1 + LINE_TAPS, &timeout, NULL);
	after = clock_mono_ns();
	if (!n && after > then)
		learn_lateness(u, after - then);
	if (n > 0 && fds[0].revents)
		(void)eventfd_read(u->wake_fd, &ignored);
}

/* Sleep, or return at once if something is due so soon that the loop itself had better wait for it. */
static void rest(struct line_user *u)
{
	const struct line_due *next = line_heap_top(&u->heap);
	uint64_t now = clock_mono_ns(), then = now + BEAT_NS, lead = lead_of(u);

	if (next && next->release_ns < then + lead) {
		if (next->release_ns <= now + lead)
			return;
		then = next->release_ns - lead;
	}
	sleep_until(u, now, then);
}

static void *run(void *arg)
{
	struct line_user *u = arg;

	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	while (!atomic_load(&u->stop)) {
		uint64_t now = clock_mono_ns();

		beat(u, now);
		if (atomic_load(&u->flush))
			flush_all(u);
		if (!(write_until(u, now) + read_taps(u)))
			rest(u);
	}
	u->broken = true;
	beat(u, 0);
	return NULL;
}

static int set_realtime(pthread_attr_t *attr)
{
	struct sched_param param = {.sched_priority = 1};
	int err = pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);

	err = err ?: pthread_attr_setschedpolicy(attr, SCHED_FIFO);
	return -(err ?: pthread_attr_setschedparam(attr, &param));
}

/* Its signals are the other thread's. */
static int create(pthread_t *ret_thread, bool realtime, void *(*call)(void *), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int err = -pthread_attr_init(&attr);

	if (err)
		return err;
	if (realtime)
		err = set_realtime(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!err)
		err = -pthread_create(ret_thread, &attr, call, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

static void *do_nothing(void *arg)
{
	return arg;
}

int line_user_try_realtime(void)
{
	pthread_t thread;
	int err = create(&thread, true, do_nothing, NULL);

	if (!err)
		pthread_join(thread, NULL);
	return err;
}

static int map_parcels(struct line_user *u, int fd)
{
	size_t page = sysconf(_SC_PAGESIZE), size = u->config.parcels * sizeof(*u->parcels);
	void *mapping;

	u->mapped = (size + page - 1) / page * page;
	mapping = mmap(NULL, u->mapped, PROT_READ, MAP_SHARED, fd, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	u->parcels = mapping;
	return 0;
}

static int prepare(struct line_user *u, int parcels_fd)
{
	int err = map_parcels(u, parcels_fd);

	if (err)
		return err;
	if (u->config.taps[TAP_PLAIN].fd >= 0) {
		u->places = calloc(u->config.parcels, sizeof(*u->places));
		if (!u->places)
			return -ENOMEM;
	}
	u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->wake_fd < 0)
		return -errno;
	return line_frames_open(u->config.memory, &u->frames);
}

int line_user_start(const struct line_user_config *config, int parcels_fd, struct sp_control *control,
		    struct line_user **ret)
{
	struct line_user *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	u->config = *config;
	u->control = control;
	u->wake_fd = -1;
	sem_init(&u->flushed, 0, 0);
	err = prepare(u, parcels_fd);
	if (!err) {
		beat(u, clock_mono_ns());
		err = create(&u->thread, config->realtime, run, u);
	}
	if (err) {
		line_user_stop(u);
		return err;
	}
	u->started = true;
	pthread_setname_np(u->thread, "shearpin line");
	*ret = u;
	return 0;
}

void line_user_abandon(struct line_user *u)
{
	atomic_store(&u->abandoned, true);
}

void line_user_flush(struct line_user *u)
{
	struct timespec until;

	while (!sem_trywait(&u->flushed)) /* of a flush that nobody waited for to its end */
		;
	atomic_store(&u->flush, true);
	eventfd_write(u->wake_fd, 1);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FLUSH_WAIT_S;
	while (sem_clockwait(&u->flushed, CLOCK_MONOTONIC, &until) && errno == EINTR)
		;
}

void line_user_stats(struct line_user *u, struct line_user_stats *ret)
{
	ret->memory_full = __atomic_load_n(&u->stats.memory_full, __ATOMIC_RELAXED);
	ret->stale = __atomic_load_n(&u->stats.stale, __ATOMIC_RELAXED);
	ret->write_failed = __atomic_load_n(&u->stats.write_failed, __ATOMIC_RELAXED);
	ret->held_max = __atomic_load_n(&u->stats.held_max, __ATOMIC_RELAXED);
}

void line_user_stop(struct line_user *u)
{
	if (!u)
		return;
	if (u->started) {
		atomic_store(&u->stop, true);
		eventfd_write(u->wake_fd, 1);
		pthread_join(u->thread, NULL);
	}
	if (u->wake_fd >= 0)
		close(u->wake_fd);
	if (u->parcels)
		munmap((void *)u->parcels, u->mapped);
	sem_destroy(&u->flushed);
	line_heap_free(&u->heap);
	line_frames_close(u->frames);
	free(u->places);
	free(u);
}
