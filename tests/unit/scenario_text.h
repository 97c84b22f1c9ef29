/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of the scenario layer: a resolver of their own, and plans out of texts. Included once in a program. */
#ifndef SHEARPIN_UNIT_SCENARIO_TEXT_H
#define SHEARPIN_UNIT_SCENARIO_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "scenario/scenario.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define HEAD "version: 1\nname: t\nseed: 1\n"
#define TARGET "targets: {a: {proto: tcp, remote_port: 80}}\n"
#define STEP "steps: [{name: s, at: 0s, fault: {drop: true}, target: a, for: 1s}]\n"

/*
 * libfyaml 0.7.12 loses a buffer when it reads a scalar of many pieces, such as twenty doubled quotation marks: that is
 * no failure under LeakSanitizer. (The fuzzer is stricter, at the price of slower stacks.)
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so\n";
}

/* ---- a resolver of the test's own: it knows one name ---- */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	struct sockaddr_in6 *v6 = calloc(1, sizeof(*v6));
	struct sockaddr_in *v4 = (struct sockaddr_in *)v6;
	struct addrinfo *info = calloc(1, sizeof(*info));

	(void)service;
	assert_non_null(v6);
	assert_non_null(info);
	if (!strcmp(node, "db.example") && !(hints->ai_flags & AI_NUMERICHOST))
		node = "10.9.8.7";
	if (inet_pton(AF_INET, node, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		info->ai_addrlen = sizeof(*v4);
	} else if (inet_pton(AF_INET6, node, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		info->ai_addrlen = sizeof(*v6);
	} else {
		free(v6);
		free(info);
		return EAI_NONAME;
	}
	info->ai_addr = (struct sockaddr *)v6;
	*res = info;
	return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
	free(info->ai_addr);
	free(info);
}

/* ---- helpers ---- */

static inline struct plan *parse(const char *text, const struct scenario_options *options)
{
	struct scenario_errors errors;
	struct plan *plan;
	int err = scenario_parse("t.yaml", text, strlen(text), options, &plan, &errors);

	if (err)
		fail_msg("refused: %s", errors.text);
	assert_non_null(plan);
	assert_null(errors.text);
	return plan;
}

static inline void refuse(const char *text, size_t len, const struct scenario_options *options,
			  const char *expected)
{
	struct scenario_errors errors;
	struct plan *plan;
	int err = scenario_parse("t.yaml", text, len, options, &plan, &errors);

	assert_int_equal(err, -EINVAL);
	assert_null(plan);
	assert_string_equal(errors.text, expected);
	free(errors.text);
}

/* A text of n times the same, in quotation marks or not. */
static inline char *repeated(const char *before, char letter, size_t n, const char *behind)
{
	char *text = malloc(strlen(before) + n + strlen(behind) + 1);

	assert_non_null(text);
	sprintf(text, "%s%*s%s", before, (int)n, "", behind);
	memset(text + strlen(before), letter, n);
	return text;
}

#endif
