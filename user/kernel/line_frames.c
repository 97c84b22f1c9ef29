/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/line_frames.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ALIGN 16
#define SIZES (sizeof(sizes) / sizeof(*sizes))

/* Of a frame with its header. The last ones divide a slab well: 7, 15, 31 of them. */
static const uint32_t sizes[] = {128, 256, 512, 1024, 1584, 3168, 8448, 16896, 34928, 74880};

/* Lies at the start of the slab, which is aligned to its size. */
struct slab {
	struct slab *next,
		*previous;       /* among those of its size with room, or (next alone) among the free ones */
	struct line_frame *free; /* chained through their bytes */
	uint32_t size;           /* index; also of the free ones, for nothing */
	uint32_t used;
	uint32_t fresh; /* offset from which on nothing was given out yet */
};

#define SLAB_HEADER ((sizeof(struct slab) + ALIGN - 1) / ALIGN * ALIGN)

struct line_frames {
	void *mapping;
	size_t mapped;
	unsigned char *slabs;
	size_t n_slabs, n_fresh; /* slabs, and those of them that were never used */
	struct slab *free;
	struct slab *with_room[SIZES];
};

_Static_assert(LINE_FRAME_MAX + sizeof(struct line_frame) <= 74880, "the longest frame has a size");
_Static_assert(7 * 74880 + SLAB_HEADER <= LINE_SLAB_BYTES, "seven of the longest to a slab");

static struct slab *slab_of(const struct line_frame *frame)
{
	return (struct slab *)((char *)frame - ((uintptr_t)frame & (LINE_SLAB_BYTES - 1)));
}

static struct line_frame **link_of(struct line_frame *frame)
{
	return (struct line_frame **)(void *)frame->bytes;
}

static bool has_room(const struct slab *slab)
{
	return slab->free || slab->fresh + sizes[slab->size] <= LINE_SLAB_BYTES;
}

static size_t size_for(size_t len)
{
	size_t i = 0;

	while (i < SIZES && sizes[i] < len + sizeof(struct line_frame))
		i++;
	return i;
}

int line_frames_open(size_t cap, struct line_frames **ret)
{
	struct line_frames *frames = calloc(1, sizeof(*frames));

	if (!frames)
		return -ENOMEM;
	frames->n_slabs = (cap + LINE_SLAB_BYTES - 1) / LINE_SLAB_BYTES;
	frames->mapped = (frames->n_slabs + 1) * LINE_SLAB_BYTES;
	frames->mapping = mmap(NULL, frames->mapped, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (frames->mapping == MAP_FAILED) {
		free(frames);
		return -ENOMEM;
	}
	frames->slabs =
		(unsigned char *)frames->mapping + (-(uintptr_t)frames->mapping & (LINE_SLAB_BYTES - 1));
	*ret = frames;
	return 0;
}

static void insert(struct line_frames *frames, struct slab *slab)
{
	struct slab **head = &frames->with_room[slab->size];

	slab->previous = NULL;
	slab->next = *head;
	if (*head)
		(*head)->previous = slab;
	*head = slab;
}

static void withdraw(struct line_frames *frames, struct slab *slab)
{
	if (slab->previous)
		slab->previous->next = slab->next;
	else
		frames->with_room[slab->size] = slab->next;
	if (slab->next)
		slab->next->previous = slab->previous;
}

/* A slab for a size that has none with room. */
static struct slab *dedicate(struct line_frames *frames, uint32_t size)
{
	struct slab *slab = frames->free;

	if (slab)
		frames->free = slab->next;
	else if (frames->n_fresh < frames->n_slabs)
		slab = (struct slab *)(void *)(frames->slabs + frames->n_fresh++ * LINE_SLAB_BYTES);
	else
		return NULL;
	*slab = (struct slab){.size = size, .fresh = SLAB_HEADER};
	insert(frames, slab);
	return slab;
}

struct line_frame *line_frames_get(struct line_frames *frames, size_t len)
{
	size_t size = size_for(len);
	struct line_frame *frame;
	struct slab *slab;

	if (size == SIZES)
		return NULL;
	slab = frames->with_room[size];
	if (!slab)
		slab = dedicate(frames, size);
	if (!slab)
		return NULL;
	frame = slab->free;
	if (frame) {
		slab->free = *link_of(frame);
	} else {
		frame = (struct line_frame *)(void *)((unsigned char *)slab + slab->fresh);
		slab->fresh += sizes[size];
	}
	slab->used++;
	if (!has_room(slab))
		withdraw(frames, slab);
	return frame;
}

int line_frames_fits_smaller(const struct line_frame *frame, size_t len)
{
	return size_for(len) < slab_of(frame)->size;
}

void line_frames_put(struct line_frames *frames, struct line_frame *frame)
{
	struct slab *slab = slab_of(frame);

	if (!has_room(slab))
		insert(frames, slab);
	*link_of(frame) = slab->free;
	slab->free = frame;
	if (--slab->used)
		return;
	withdraw(frames, slab);
	slab->next = frames->free;
	frames->free = slab;
}

size_t line_frames_cap(const struct line_frames *frames)
{
	return frames->n_slabs * LINE_SLAB_BYTES;
}

void line_frames_close(struct line_frames *frames)
{
	if (!frames)
		return;
	munmap(frames->mapping, frames->mapped);
	free(frames);
}
