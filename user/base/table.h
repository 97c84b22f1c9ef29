/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table with a limit: keys and values are so many bytes each, and when it is full the entry that was used longest ago
 * makes way. It takes memory as it fills. All bytes of a key count, padding included.
 */
#ifndef SHEARPIN_TABLE_H
#define SHEARPIN_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct table;

/* max: entries, 1 to 2^24. 0 or a negative errno. */
int table_open(size_t key_size, size_t value_size, size_t max, struct table **ret);
void table_close(struct table *table); /* accepts NULL */

/* Told of each entry that makes way, before it goes; it leaves the table alone. */
void table_on_evict(struct table *table, void (*call)(void *arg, const void *key, void *value), void *arg);

/* Pointers to values hold until the next table_put() or table_remove(), and are aligned to 8 bytes; those to keys to 4. */
void *table_find(struct table *table, const void *key); /* NULL: not there */
/* The key's value, all zero if it is new. NULL: out of memory, nothing has changed. */
void *table_put(struct table *table, const void *key, bool *ret_new);
bool table_remove(struct table *table, const void *key); /* was it there? */
size_t table_count(const struct table *table);

/* From the one used last to the one used longest ago; prev is NULL for the first. NULL: no more. */
void *table_next(struct table *table, const void *prev, const void **ret_key);

#endif
