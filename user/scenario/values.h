/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading nodes. A mapping is read by a table of its keys; a reader gets the value's node and the place in the model
 * that the table names, and either fills it or reports a mistake.
 */
#ifndef SHEARPIN_SCENARIO_VALUES_H
#define SHEARPIN_SCENARIO_VALUES_H

#include "scenario/model.h"

typedef void read_fn(struct reader *r, const struct node *n, void *into);

struct field {
	const char *name;
	read_fn *read; /* NULL: a key of a later version */
	size_t offset;
	bool required;
};

/* `what` names the mapping: "a step", "an objective". False: the node is no mapping at all. */
bool read_map(struct reader *r, const struct node *n, const char *what, const struct field *fields,
	      size_t n_fields, void *into);

/*
 * An array of `size`-byte items, one for every child of a mapping or list as `kind` asks (NODE_SCALAR: of a list, or one
 * for a scalar): NULL and a mistake, if n is none, or has no children, or more than `most`.
 */
void *read_items(struct reader *r, const struct node *n, enum node_kind kind, size_t most, size_t size,
		 const char *expected, size_t *ret_count);

/* True, if n is a scalar with something in it; else a mistake is reported, unless it was already. */
bool is_scalar(struct reader *r, const struct node *n, const char *expected);

/* "70000 is no port, expected 1-65535" */
void wrong_value(struct reader *r, const struct node *n, const char *noun, const char *expected);

/* Of words, the one that n is: its index, or -1 and a mistake. */
int read_word(struct reader *r, const struct node *n, const char *const *words, size_t n_words);

/* A whole number, and a size in bytes of at most `most`, which `range` says for people. */
void read_within(struct reader *r, const struct node *n, uint64_t least, uint64_t most, struct value *into);
void read_size_within(struct reader *r, const struct node *n, uint64_t most, const char *range,
		      struct value *into);

/* One of the words; its value is that of the same place. */
void read_choice(struct reader *r, const struct node *n, const char *const *words, const uint8_t *values,
		 size_t count, struct value *into);

/* An address or a prefix; false after a mistake. */
bool read_prefix(struct reader *r, const struct node *n, struct prefix *into);

/*
 * A text or a list of up to `most`, none twice, each of which is_right(), unless that is NULL. `noun` says what one is,
 * with its article, `expected` what makes it right.
 */
void read_texts(struct reader *r, const struct node *n, struct texts *into, size_t most, const char *noun,
		const char *expected, bool (*is_right)(const char *s));

/* Readers of single values; `into` is a struct value or struct text. */
read_fn read_duration, read_positive_duration, read_share, read_count, read_big_count, read_bool, read_seed,
	read_name, read_plain_text, read_version, read_fault;
/* 0% to 99.9%, or 100%: what is between is as good as 100 %. */
read_fn read_correlation;
/* A percentage that may be 0%, and a count that may be 0. */
read_fn read_share_or_none, read_count_or_none;
/* Bytes per second, and bytes. */
read_fn read_rate, read_size;
/* `true` alone. */
read_fn read_true;
/* Into a struct texts. */
read_fn read_interfaces, read_names, read_hosts, read_query_names, read_paths;
/* Into a struct text. */
read_fn read_cgroup, read_unit, read_netns, read_container;
read_fn read_pid;
/* What a fault means. */
read_fn read_dns, read_status, read_retry_after, read_limit, read_then, read_mtu, read_slow_close,
	read_rate_limit, read_disconnects, read_ntp, read_answer;
/* Into a struct offset. */
read_fn read_clock;
/* Parts of a scenario, into the struct model. */
read_fn read_targets, read_steps, read_probes, read_slos;

#define FIELDS(table) (table), sizeof(table) / sizeof(*(table))
#define WORDS(list) (list), sizeof(list) / sizeof(*(list))

#endif
