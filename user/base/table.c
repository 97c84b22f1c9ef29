/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/table.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_ENTRIES 64
#define MOST_ENTRIES (1U << 24)
#define NONE UINT32_MAX
#define ALIGN(n) (((n) + 7) & ~(size_t)7)

/* Followed by the key and the value. */
struct entry {
	uint32_t next;         /* in its bucket; of a free one, the next free one */
	uint32_t newer, older; /* by use */
};

struct table {
	size_t key_size, value_size, value_at, stride, max;
	uint32_t n, room; /* entries, and those there is room for: a power of two, or max */
	uint32_t fresh;   /* from here on none was ever used: their memory isn't touched */
	uint32_t n_buckets;
	uint32_t free, newest, oldest;
	uint64_t seed;
	char *entries;
	uint32_t *buckets;
	void (*on_evict)(void *arg, const void *key, void *value);
	void *on_evict_arg;
};

static struct entry *entry_at(const struct table *t, uint32_t i)
{
	return (struct entry *)(t->entries + i * t->stride);
}

static char *key_at(const struct table *t, uint32_t i)
{
	return t->entries + i * t->stride + sizeof(struct entry);
}

static char *value_at(const struct table *t, uint32_t i)
{
	return t->entries + i * t->stride + t->value_at;
}

/* MurmurHash64A's mixing (Austin Appleby, public domain), with a seed that nobody outside knows. */
static uint32_t hash_of(const struct table *t, const char *key)
{
	static const uint64_t m = 0xc6a4a7935bd1e995ULL;
	uint64_t h = t->seed ^ (t->key_size * m), k;

	for (size_t at = 0; at < t->key_size; at += sizeof(k)) {
		size_t left = t->key_size - at;

		k = 0;
		memcpy(&k, key + at, left < sizeof(k) ? left : sizeof(k));
		k *= m;
		k ^= k >> 47;
		k *= m;
		h ^= k;
		h *= m;
	}
	h ^= h >> 47;
	h *= m;
	return h ^ h >> 47;
}

int table_open(size_t key_size, size_t value_size, size_t max, struct table **ret)
{
	struct table *t;

	if (!key_size || !max || max > MOST_ENTRIES)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed)) {
		int err = -errno;

		free(t);
		return err;
	}
	t->key_size = key_size;
	t->value_size = value_size;
	t->value_at = ALIGN(sizeof(struct entry) + key_size);
	t->stride = t->value_at + ALIGN(value_size);
	t->max = max;
	t->free = t->newest = t->oldest = NONE;
	*ret = t;
	return 0;
}

void table_close(struct table *table)
{
	if (!table)
		return;
	free(table->entries);
	free(table->buckets);
	free(table);
}

void table_on_evict(struct table *table, void (*call)(void *arg, const void *key, void *value), void *arg)
{
	table->on_evict = call;
	table->on_evict_arg = arg;
}

static uint32_t *bucket_of(const struct table *t, uint32_t hash)
{
	return &t->buckets[hash & (t->n_buckets - 1)];
}

static void link_bucket(struct table *t, uint32_t i, uint32_t hash)
{
	uint32_t *bucket = bucket_of(t, hash);

	entry_at(t, i)->next = *bucket;
	*bucket = i;
}

static void unlink_bucket(struct table *t, uint32_t i)
{
	uint32_t *at = bucket_of(t, hash_of(t, key_at(t, i)));

	while (*at != i)
		at = &entry_at(t, *at)->next;
	*at = entry_at(t, i)->next;
}

static void link_newest(struct table *t, uint32_t i)
{
	struct entry *e = entry_at(t, i);

	e->newer = NONE;
	e->older = t->newest;
	if (t->newest == NONE)
		t->oldest = i;
	else
		entry_at(t, t->newest)->newer = i;
	t->newest = i;
}

static void unlink_use(struct table *t, uint32_t i)
{
	struct entry *e = entry_at(t, i);

	if (e->newer == NONE)
		t->newest = e->older;
	else
		entry_at(t, e->newer)->older = e->older;
	if (e->older == NONE)
		t->oldest = e->newer;
	else
		entry_at(t, e->older)->newer = e->newer;
}

static void use(struct table *t, uint32_t i)
{
	if (t->newest == i)
		return;
	unlink_use(t, i);
	link_newest(t, i);
}

/* Buckets as many as entries, or up to twice. */
static int grow(struct table *t)
{
	uint32_t room = t->room ? t->room * 2 : FIRST_ENTRIES, n_buckets = room, *buckets;
	char *entries;

	if (room > t->max)
		room = t->max;
	entries = realloc(t->entries, room * t->stride);
	if (!entries)
		return -ENOMEM;
	t->entries = entries;
	buckets = malloc(n_buckets * sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	memset(buckets, 0xff, n_buckets * sizeof(*buckets));
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n_buckets;
	for (uint32_t i = t->newest; i != NONE; i = entry_at(t, i)->older)
		link_bucket(t, i, hash_of(t, key_at(t, i)));
	t->room = room;
	return 0;
}

static uint32_t find(const struct table *t, const void *key, uint32_t hash)
{
	uint32_t i = t->n_buckets ? *bucket_of(t, hash) : NONE;

	while (i != NONE && memcmp(key_at(t, i), key, t->key_size) != 0)
		i = entry_at(t, i)->next;
	return i;
}

/* NONE: out of memory. */
static uint32_t take_free(struct table *t)
{
	uint32_t i = t->free;

	if (i != NONE)
		t->free = entry_at(t, i)->next;
	else if (t->fresh < t->room || !grow(t))
		i = t->fresh++;
	return i;
}

static void release(struct table *t, uint32_t i)
{
	unlink_bucket(t, i);
	unlink_use(t, i);
	entry_at(t, i)->next = t->free;
	t->free = i;
	t->n--;
}

void *table_find(struct table *table, const void *key)
{
	uint32_t i = find(table, key, hash_of(table, key));

	if (i == NONE)
		return NULL;
	use(table, i);
	return value_at(table, i);
}

void *table_put(struct table *table, const void *key, bool *ret_new)
{
	uint32_t hash = hash_of(table, key), i = find(table, key, hash);

	*ret_new = i == NONE;
	if (i != NONE) {
		use(table, i);
		return value_at(table, i);
	}
	if (table->n == table->max) {
		if (table->on_evict)
			table->on_evict(table->on_evict_arg, key_at(table, table->oldest),
					value_at(table, table->oldest));
		release(table, table->oldest);
	}
	i = take_free(table);
	if (i == NONE)
		return NULL;
	memcpy(key_at(table, i), key, table->key_size);
	memset(value_at(table, i), 0, ALIGN(table->value_size));
	link_bucket(table, i, hash);
	link_newest(table, i);
	table->n++;
	return value_at(table, i);
}

bool table_remove(struct table *table, const void *key)
{
	uint32_t i = find(table, key, hash_of(table, key));

	if (i == NONE)
		return false;
	release(table, i);
	return true;
}

size_t table_count(const struct table *table)
{
	return table->n;
}

void *table_next(struct table *table, const void *prev, const void **ret_key)
{
	uint32_t i = table->newest;

	if (prev)
		i = entry_at(table, ((const char *)prev - table->entries) / table->stride)->older;
	if (i == NONE)
		return NULL;
	if (ret_key)
		*ret_key = key_at(table, i);
	return value_at(table, i);
}
