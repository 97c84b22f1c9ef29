/* SPDX-License-Identifier: BSD-2-Clause */
/* A change is taken back in the namespace that it was made in, and in no other that has got its number since. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drill/undo_netns.h"
#include "kernel/netns.h"

#define RESULT 7

static int count(void *arg)
{
	++*(int *)arg;
	return RESULT;
}

static int call(uint64_t inode, uint64_t cookie, int *ret_calls)
{
	json_t *netns = json_pack("{s:I, s:I, s:n}", "inode", (json_int_t)inode, "cookie", (json_int_t)cookie,
				  "name");
	int result;

	assert_non_null(netns);
	*ret_calls = 0;
	result = undo_netns_call(netns, count, ret_calls);
	json_decref(netns);
	return result;
}

static void calls_in_the_same(void **state)
{
	struct netns_identity own;
	int calls;

	(void)state;
	assert_int_equal(netns_own(&own), 0);
	assert_int_equal(call(own.inode, own.cookie, &calls), RESULT);
	assert_int_equal(calls, 1);
}

static void not_in_one_that_has_its_number(void **state)
{
	struct netns_identity own;
	int calls;

	(void)state;
	assert_int_equal(netns_own(&own), 0);
	assert_true(own.cookie > 0);
	assert_int_equal(call(own.inode, own.cookie + 1, &calls), -ENOENT);
	assert_int_equal(calls, 0);
	assert_int_equal(call(1, own.cookie, &calls), -ENOENT);
	assert_int_equal(calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_in_the_same),
		cmocka_unit_test(not_in_one_that_has_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
