/* SPDX-License-Identifier: BSD-2-Clause */
/* Names and paths as entries of a trie: their bytes, and the rules that a look-up for the longest entry finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/patterns.h"

#define MAX_STEPS 4
#define LABEL63 "123456789012345678901234567890123456789012345678901234567890123"
#define LABEL61 "1234567890123456789012345678901234567890123456789012345678901"

static struct plan_step steps[MAX_STEPS];
static struct plan_rule rules[2 * MAX_STEPS];
static struct plan plan;
static struct pattern_rules *list;
static size_t n;

static int clean(void **state)
{
	(void)state;
	memset(steps, 0, sizeof(steps));
	memset(rules, 0, sizeof(rules));
	plan = (struct plan){.steps = steps, .rules = rules};
	list = NULL;
	n = 0;
	return 0;
}

static int forget(void **state)
{
	(void)state;
	free(list);
	return 0;
}

/* A step with one rule, which has the step's number. */
static void add(enum plan_meaning meaning, char **patterns, size_t count)
{
	size_t i = plan.n_steps++;

	steps[i].fault.meaning = meaning;
	steps[i].fault.patterns = patterns;
	steps[i].fault.n_patterns = count;
	rules[plan.n_rules++].step = i;
}

#define add_names(...)                                                                                       \
	add(PLAN_MEANS_DNS, (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))
#define add_paths(...)                                                                                       \
	add(PLAN_MEANS_HTTP, (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static void make_list(void)
{
	assert_int_equal(patterns_list(&plan, &list, &n), 0);
}

/* As the kernel does it: the longest entry that the bytes begin with. 0: there is none. */
static uint64_t look_up(const void *bytes, size_t len)
{
	const struct pattern_rules *best = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t size = list[i].pattern.len / 8;

		if (size <= len && !memcmp(list[i].pattern.bytes, bytes, size) &&
		    (!best || list[i].pattern.len > best->pattern.len))
			best = &list[i];
	}
	return best ? best->rules.w[0] : 0;
}

/* By a name in wire format (RFC 1035, 3.1), read backwards. */
static uint64_t find_wire(const uint8_t *wire, size_t len)
{
	uint8_t key[SP_PATTERN_SIZE + 1];
	size_t left = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = wire[i];

		if (!left) {
			left = c;
			c |= 0x80;
		} else {
			left--;
			c = c & 0x80 ? 0x7f : c >= 'A' && c <= 'Z' ? c | 0x20 : c;
		}
		key[len - 1 - i] = c;
	}
	key[len] = SP_PATTERN_END;
	return look_up(key, len + 1);
}

static uint64_t find_name(const char *name)
{
	uint8_t wire[256];
	size_t len = 0;

	for (const char *label = name; *label;) {
		size_t size = strcspn(label, ".");

		wire[len++] = size;
		memcpy(wire + len, label, size);
		len += size;
		label += size + (label[size] == '.');
	}
	return find_wire(wire, len);
}

static uint64_t find_path(const char *path)
{
	uint8_t key[SP_PATTERN_SIZE + 1];
	size_t len = strlen(path);

	memcpy(key, path, len);
	key[len] = SP_PATTERN_END;
	return look_up(key, len + 1);
}

static void expect_entry(size_t i, const char *bytes, size_t size, uint64_t expected)
{
	assert_int_equal(list[i].pattern.len, size * 8);
	assert_memory_equal(list[i].pattern.bytes, bytes, size);
	assert_int_equal(list[i].rules.w[0], expected);
}

#define ENTRY(bytes) bytes, sizeof(bytes) - 1

static void writes_a_name_backwards(void **state)
{
	(void)state;
	add_names((char *)"Api.Example.COM");
	make_list();
	assert_int_equal(n, 1);
	expect_entry(0,
		     ENTRY("moc\x83"
			   "elpmaxe\x87"
			   "ipa\x83\xff"),
		     1);
}

static void spares_the_name_behind_the_star(void **state)
{
	(void)state;
	add_names((char *)"*.example.com.");
	make_list();
	assert_int_equal(n, 2);
	expect_entry(0,
		     ENTRY("moc\x83"
			   "elpmaxe\x87"),
		     1);
	expect_entry(1,
		     ENTRY("moc\x83"
			   "elpmaxe\x87\xff"),
		     0);
}

static void a_star_stands_for_one_or_more_labels(void **state)
{
	(void)state;
	add_names((char *)"*.example.com");
	make_list();
	assert_int_equal(find_name("a.example.com"), 1);
	assert_int_equal(find_name("A.B.C.eXample.Com"), 1);
	assert_int_equal(find_name("*.example.com"), 1);
	assert_int_equal(find_name("example.com"), 0);
	assert_int_equal(find_name("notexample.com"), 0);
	assert_int_equal(find_name("a.example.org"), 0);
	assert_int_equal(find_name("example.com.org"), 0);
	assert_int_equal(find_name("com"), 0);
	assert_int_equal(find_name(""), 0);
}

static void a_star_alone_is_every_name_but_the_root(void **state)
{
	(void)state;
	add_names((char *)"*");
	make_list();
	assert_int_equal(find_name("com"), 1);
	assert_int_equal(find_name("a.b.example"), 1);
	assert_int_equal(find_name(""), 0);
}

static void the_root_is_a_name(void **state)
{
	(void)state;
	add_names((char *)".");
	make_list();
	assert_int_equal(find_name(""), 1);
	assert_int_equal(find_name("com"), 0);
}

static void a_star_that_is_not_first_is_a_letter(void **state)
{
	(void)state;
	add_names((char *)"a.*.example", (char *)"*x.example");
	make_list();
	assert_int_equal(n, 2);
	assert_int_equal(find_name("a.*.example"), 1);
	assert_int_equal(find_name("a.b.example"), 0);
	assert_int_equal(find_name("*x.example"), 1);
	assert_int_equal(find_name("yx.example"), 0);
}

static void the_longest_entry_has_the_rules_of_all(void **state)
{
	(void)state;
	add_names((char *)"*", (char *)"example.com");
	add_names((char *)"*.com");
	add_names((char *)"*.example.com", (char *)"api.example.com");
	add_names((char *)"api.example.com", (char *)"x.api.example.com");
	make_list();
	assert_int_equal(find_name("com"), 1);
	assert_int_equal(find_name("other.com"), 3);
	assert_int_equal(find_name("example.com"), 3);
	assert_int_equal(find_name("www.example.com"), 7);
	assert_int_equal(find_name("api.example.com"), 15);
	assert_int_equal(find_name("x.api.example.com"), 15);
	assert_int_equal(find_name("y.api.example.com"), 7);
	assert_int_equal(find_name("example.org"), 1);
}

/* The base of one wildcard may be covered by another, or be named itself. */
static void the_spared_name_may_be_named(void **state)
{
	(void)state;
	add_names((char *)"*.example.com", (char *)"example.com");
	add_names((char *)"*.example.com");
	make_list();
	assert_int_equal(n, 2);
	assert_int_equal(find_name("example.com"), 1);
	assert_int_equal(find_name("a.example.com"), 3);
}

static void all_rules_of_a_step_have_its_names(void **state)
{
	(void)state;
	add_names((char *)"a");
	add_names((char *)"a");
	rules[plan.n_rules++].step = 0;
	make_list();
	assert_int_equal(find_name("a"), 7);
}

static void a_label_is_no_part_of_another(void **state)
{
	static const uint8_t dotted[] = {5, 'a', '.', 'c', 'o', 'm'};
	static const uint8_t high[] = {1, 0x83}, low[] = {1, 0x7f};

	(void)state;
	add_names((char *)"*.com", (char *)"\x83");
	make_list();
	assert_int_equal(find_wire(dotted, sizeof(dotted)), 0);
	assert_int_equal(find_wire(high, sizeof(high)), 1);
	assert_int_equal(find_wire(low, sizeof(low)), 1);
}

static void matches_paths(void **state)
{
	(void)state;
	add_paths((char *)"/api/*", (char *)"/health");
	add_paths((char *)"/api/v2*");
	add_paths((char *)"/*");
	make_list();
	assert_int_equal(find_path("/api/"), 5);
	assert_int_equal(find_path("/api/v1"), 5);
	assert_int_equal(find_path("/api/v2"), 7);
	assert_int_equal(find_path("/api/v23/x"), 7);
	assert_int_equal(find_path("/api"), 4);
	assert_int_equal(find_path("/health"), 5);
	assert_int_equal(find_path("/health/x"), 4);
	assert_int_equal(find_path("/Health"), 4);
	assert_int_equal(find_path("*"), 0);
}

/* They share a trie; a rule has names or paths. */
static void keeps_names_and_paths_apart(void **state)
{
	(void)state;
	add_names((char *)"*");
	add_paths((char *)"/a");
	add_paths((char *)"*");
	make_list();
	assert_int_equal(find_name("x") & 1, 1);
	assert_int_equal(find_name("") & 1, 0);
	assert_int_equal(find_path("/a") & 6, 6);
	assert_int_equal(find_path("/b") & 6, 4);
}

static void finds_nothing_without_patterns(void **state)
{
	(void)state;
	add_names((char *)"x");
	steps[0].fault.n_patterns = 0;
	make_list();
	assert_int_equal(n, 0);
	plan.n_steps = 0;
	free(list);
	make_list();
	assert_int_equal(n, 0);
}

static void takes_the_longest(void **state)
{
	static char path[SP_PATTERN_SIZE + 2];

	(void)state;
	memset(path, '/', SP_PATTERN_SIZE - 1);
	add_names((char *)LABEL63 "." LABEL63 "." LABEL63 "." LABEL61);
	add_paths(path);
	make_list();
	assert_int_equal(find_name(LABEL63 "." LABEL63 "." LABEL63 "." LABEL61), 1);
	assert_int_equal(find_path(path), 2);
	path[SP_PATTERN_SIZE - 1] = '/';
	path[SP_PATTERN_SIZE] = '*';
	free(list);
	make_list();
	assert_int_equal(look_up(path, SP_PATTERN_SIZE), 2);
}

static void refuses_what_is_no_name(void **state)
{
	static char *const bad[] = {
		"",    "..",   ".a",        "a..",         "a..b",
		"*..", "*..a", LABEL63 "4", LABEL63 "4.b", LABEL63 "." LABEL63 "." LABEL63 "." LABEL61 "x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *name = bad[i];

		plan.n_steps = plan.n_rules = 0;
		add_names(name);
		assert_int_equal(patterns_list(&plan, &list, &n), -EINVAL);
		assert_null(list);
	}
}

static void refuses_paths_that_do_not_fit(void **state)
{
	static char path[SP_PATTERN_SIZE + 3];

	(void)state;
	memset(path, '/', SP_PATTERN_SIZE);
	add_paths((char *)"/a", path);
	assert_int_equal(patterns_list(&plan, &list, &n), -EINVAL);
	memcpy(path + SP_PATTERN_SIZE, "/*", 2);
	assert_int_equal(patterns_list(&plan, &list, &n), -EINVAL);
	assert_null(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_a_name_backwards, clean, forget),
		cmocka_unit_test_setup_teardown(spares_the_name_behind_the_star, clean, forget),
		cmocka_unit_test_setup_teardown(a_star_stands_for_one_or_more_labels, clean, forget),
		cmocka_unit_test_setup_teardown(a_star_alone_is_every_name_but_the_root, clean, forget),
		cmocka_unit_test_setup_teardown(the_root_is_a_name, clean, forget),
		cmocka_unit_test_setup_teardown(a_star_that_is_not_first_is_a_letter, clean, forget),
		cmocka_unit_test_setup_teardown(the_longest_entry_has_the_rules_of_all, clean, forget),
		cmocka_unit_test_setup_teardown(the_spared_name_may_be_named, clean, forget),
		cmocka_unit_test_setup_teardown(all_rules_of_a_step_have_its_names, clean, forget),
		cmocka_unit_test_setup_teardown(a_label_is_no_part_of_another, clean, forget),
		cmocka_unit_test_setup_teardown(matches_paths, clean, forget),
		cmocka_unit_test_setup_teardown(keeps_names_and_paths_apart, clean, forget),
		cmocka_unit_test_setup_teardown(finds_nothing_without_patterns, clean, forget),
		cmocka_unit_test_setup_teardown(takes_the_longest, clean, forget),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_name, clean, forget),
		cmocka_unit_test_setup_teardown(refuses_paths_that_do_not_fit, clean, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
