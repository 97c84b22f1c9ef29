/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenario file -> plan. Pure: no privilege, no kernel; the file is read, nothing else is touched. (A host name in
 * a probe is resolved by getaddrinfo.) Every mistake in the file is reported, not just the first.
 */
#ifndef SHEARPIN_SCENARIO_H
#define SHEARPIN_SCENARIO_H

#include "scenario/plan.h"

#define SCENARIO_MAX_BYTES (1024 * 1024)

struct setting { /* --set K=V, --meta K=V */
	const char *key, *value;
};

struct scenario_options {
	const struct setting *vars;
	size_t n_vars;
	const struct setting *meta;
	size_t n_meta;
	const char *interface; /* --interface: replaces the file's; NULL: the file's */
	const char *evidence;  /* --evidence: the same */
	bool capture;          /* --capture */
	bool lenient;          /* settings of variables that the file does not have are ignored */
	bool *ret_known;       /* [i] is set if the file has the variable vars[i]; NULL: not asked for */
	const char *suffix;    /* of a variant: stands behind the scenario's name; NULL: none */
};

/* One combination of a file's `matrix`. */
struct scenario_variant {
	char *suffix; /* "[loss=5%,hold=3s]"; without a matrix "" */
	struct setting
		*vars; /* the options' own, then the combination's: scenario_options.vars to read it with */
	size_t n_vars;
};

/* Mistakes, in file order. `text` has one "file:line:col: what is wrong, what was expected" a line. */
struct scenario_errors {
	char *text; /* NULL: none; free() it */
	size_t count;
};

/*
 * Read and compile a scenario. 0 and *ret_plan; -EINVAL when the file has mistakes (in ret_errors); another
 * negative errno when it can't be read (-ENOENT, -EACCES, -EFBIG beyond SCENARIO_MAX_BYTES, ...; ret_errors
 * says it in words, too). The seed is drawn with getrandom() if the file has none.
 */
int scenario_load(const char *path, const struct scenario_options *options, struct plan **ret_plan,
		  struct scenario_errors *ret_errors);
int scenario_parse(const char *name, const char *text, size_t len, const struct scenario_options *options,
		   struct plan **ret_plan, struct scenario_errors *ret_errors);

/*
 * The combinations of a file's `matrix`, the last key fastest; without one a single variant without a suffix. A key that the
 * options set has that value alone, and no part in the suffix; one that they set to a list, `[1%, 2%]`, has these values. A
 * variant's first n_vars settings are the options', in their order. Errors as of scenario_parse(), of the matrix alone: what else
 * is wrong is told when a variant is read. (Read without its variants' settings, a file with a matrix is its first combination.)
 */
int scenario_variants(const char *name, const char *text, size_t len, const struct scenario_options *options,
		      struct scenario_variant **ret, size_t *ret_n, struct scenario_errors *ret_errors);
void scenario_variants_free(struct scenario_variant *variants, size_t n);

/* The words of `shearpin inject`: faults as key=value, and its options as given (NULL: not given). */
struct inject_words {
	const char **faults; /* "reset=both", "loss=5%", "drop", "loss={every: 10}" */
	size_t n_faults;
	const char *netem; /* more of the fault, in the words of tc-netem(8) */
	const char *duration, *proto, *remote, *remote_port, *local_port, *direction, *share, *repeat, *burst;
	const char *interface, *seed;
	const char *host, *cgroup, *unit, *pid;
	bool anything;
};

/* As scenario_parse(); a mistake reads "--remote-port: 70000 is no port, expected 1-65535". */
int scenario_from_words(const struct inject_words *words, const struct scenario_options *options,
			struct plan **ret_plan, struct scenario_errors *ret_errors);

#endif
