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

/* Is every key of a mapping in the table? */
bool knows_keys(const struct node *map, const struct field *fields, size_t n_fields);

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

/* Is there no control character in it (C0, DEL, C1)? */
bool is_printable(const char *text);

/* A name of at most `most` bytes that shows in one line of a report. */
void read_name_within(struct reader *r, const struct node *n, size_t most, struct text *into);

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

/*
 * Rows for the keys that read_probe_keys() reads behind read_map(); a row before them has precedence. And for the keys of a
 * struct model_process that lies at `at`.
 */
#define PROBE_KEYS                                                                                           \
	{"tcp", pass_key, 0, false}, {"log", pass_key, 0, false}, {"http", pass_key, 0, false},              \
		{"json", pass_key, 0, false}, {"exec", pass_key, 0, false}, {"file", pass_key, 0, false},    \
		{"process", pass_key, 0, false}, {"stream", pass_key, 0, false},                             \
		{"prometheus", pass_key, 0, false}, {"every", pass_key, 0, false},                           \
		{"timeout", pass_key, 0, false}, {"healthy", pass_key, 0, false},                            \
		{"unhealthy", pass_key, 0, false}, {"expect_status", pass_key, 0, false},                    \
		{"expect_body", pass_key, 0, false}, {"headers", pass_key, 0, false},                        \
		{"ca", pass_key, 0, false}, {"insecure", pass_key, 0, false}, {"where", pass_key, 0, false}, \
		{"equals", pass_key, 0, false}, {"differs", pass_key, 0, false},                             \
		{"above", pass_key, 0, false}, {"below", pass_key, 0, false},                                \
		{"at_least", pass_key, 0, false}, {"at_most", pass_key, 0, false},                           \
		{"matches", pass_key, 0, false}, {"contains", pass_key, 0, false},                           \
		{"fresh", pass_key, 0, false}, {"age_by", pass_key, 0, false},                               \
		{"expect_output", pass_key, 0, false}, {"exists", pass_key, 0, false},                       \
		{"restarts", pass_key, 0, false}, {"query", pass_key, 0, false},                             \
		{"number", pass_key, 0, false}, {"binary", pass_key, 0, false},                              \
		{"subscribe", pass_key, 0, false}, {"silence", pass_key, 0, false},                          \
	{                                                                                                    \
		"complete", pass_key, 0, false                                                               \
	}

#define PROCESS_KEYS(at)                                                                                     \
	{"pidfile", read_path, (at) + offsetof(struct model_process, pidfile), false},                       \
		{"name", read_process_name, (at) + offsetof(struct model_process, name), false},             \
	{                                                                                                    \
		"pid", read_pid, (at) + offsetof(struct model_process, pid), false                           \
	}

/* That exactly one of them is there; `what` names the mapping: "a signal". */
void check_process(struct reader *r, const struct node *map, const char *what);

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
/* The path of a file; of a file or a directory; a text of 1 to 4096 bytes; the name of a program; where in JSON a value is. */
read_fn read_path, read_any_path, read_short_text, read_process_name, read_json_path, read_age_by;
read_fn read_url, read_server_url;
/* Regular expressions that tell lines apart; texts, perhaps empty ones; that have a group. */
read_fn read_line_expression, read_expression, read_number_expression;
/* A mapping of headers, into a struct model_headers; a program and its arguments, into a struct texts. */
read_fn read_headers, read_command;
/* "host:port" or {target: NAME}, into a struct model_address. */
read_fn read_address;
/* 10ms or more; 1 to 1000; a status of HTTP, of a program. */
read_fn read_probe_time, read_in_a_row, read_http_status, read_exit_status, read_restarts;
/* Into a struct model_probe, a struct model_process. */
read_fn read_stream, read_process;
/* Reads nothing. */
read_fn pass_key;
/* Into a struct model_slo. */
read_fn read_probe_p95, read_probe_p99, read_by;
/* What a fault means. */
read_fn read_dns, read_status, read_retry_after, read_limit, read_then, read_mtu, read_slow_close,
	read_rate_limit, read_disconnects, read_ntp, read_answer;
/* Into a struct offset. */
read_fn read_clock;
/* What a step does, and when. */
read_fn read_signal, read_status_or_any, read_file_change, read_interface, read_expect, read_wait;
/* The name of a step, which may be that of a step in a phase. */
read_fn read_reference;
read_fn read_backoff, read_factor;
/* Parts of a scenario, into the struct model. */
read_fn read_targets, read_phases, read_steps, read_probes, read_slos, read_aborts, read_checks;

#define FIELDS(table) (table), sizeof(table) / sizeof(*(table))
#define WORDS(list) (list), sizeof(list) / sizeof(*(list))

#endif
