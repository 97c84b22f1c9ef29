/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/suggest.h"
#include "base/timeutil.h"
#include "base/units.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define UNTOUCHED 0xdeadbeefULL
#define ALWAYS (1ULL << 32)

struct number_case {
	const char *text;
	int err;
	uint64_t value;
};

/* Every case in turn; a failure names it. */
static void check_numbers(int (*parse)(const char *text, uint64_t *ret), const struct number_case *cases,
			  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED, expected = cases[i].err ? UNTOUCHED : cases[i].value;
		int err = parse(cases[i].text, &value);

		if (err != cases[i].err || value != expected)
			fail_msg("\"%s\": %d, %llu; expected %d, %llu", cases[i].text, err,
				 (unsigned long long)value, cases[i].err, (unsigned long long)expected);
	}
}

static void durations(void **state)
{
	static const struct number_case cases[] = {
		{"0s", 0, 0},
		{"10s", 0, 10 * NS_PER_S},
		{"250ms", 0, 250 * NS_PER_MS},
		{"30us", 0, 30 * NS_PER_US},
		{"7ns", 0, 7},
		{"1.5s", 0, 1500 * NS_PER_MS},
		{"2m", 0, 120 * NS_PER_S},
		{"1h", 0, 3600 * NS_PER_S},
		{"1m30s", 0, 90 * NS_PER_S},
		{"1h30m1.5s", 0, 5401500 * NS_PER_MS},
		{"1s1ns", 0, NS_PER_S + 1},
		{"0.000000001s", 0, 1},
		{"1.000000000000s", 0, NS_PER_S},
		{"18446744073709551615ns", 0, UINT64_MAX},
		{"18446744073709551616ns", -ERANGE, 0},
		{"18446744073s709551616ns", -ERANGE, 0},
		{"5124095h34m33.709551615s", 0, UINT64_MAX},
		{"99999999999999999999999s", -ERANGE, 0},
		{"5124096h", -ERANGE, 0},
		{"-1s", -ERANGE, 0},
		{"-x", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"30", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{".5s", -EINVAL, 0},
		{"1.s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{" 1s", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1sec", -EINVAL, 0},
		{"1d", -EINVAL, 0},
		{"0.0000000001s", -EINVAL, 0},
		{"0.5ns", -EINVAL, 0},
		{"1s1m", -EINVAL, 0},
		{"1s1s", -EINVAL, 0},
		{"1.5m30s", -EINVAL, 0},
		{"1e3s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
	};

	(void)state;
	check_numbers(parse_duration, cases, COUNT(cases));
}

static void offsets(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t value;
	} cases[] = {
		{"+80ms", 0, 80 * NS_PER_MS},
		{"-1.5s", 0, -1500 * (int64_t)NS_PER_MS},
		{"+0s", 0, 0},
		{"-1m30s", 0, -90 * (int64_t)NS_PER_S},
		{"+9223372036854775807ns", 0, INT64_MAX},
		{"+9223372036854775808ns", -ERANGE, 0},
		{"-18446744073709551616ns", -ERANGE, 0},
		{"80ms", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"+", -EINVAL, 0},
		{"+-5s", -EINVAL, 0},
		{"--5s", -EINVAL, 0},
		{"+ 5s", -EINVAL, 0},
		{"+5", -EINVAL, 0},
		{"+5s ", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t value = 77, expected = cases[i].err ? 77 : cases[i].value;
		int err = parse_offset(cases[i].text, &value);

		if (err != cases[i].err || value != expected)
			fail_msg("\"%s\": %d, %lld; expected %d, %lld", cases[i].text, err, (long long)value,
				 cases[i].err, (long long)expected);
	}
}

static void frequencies(void **state)
{
	static const struct number_case cases[] = {
		{"1/s", 0, NS_PER_S},
		{"3/s", 0, 333333333},
		{"100/s", 0, 10 * NS_PER_MS},
		{"0.05/min", 0, 1200 * NS_PER_S},
		{"2/h", 0, 1800 * NS_PER_S},
		{"0.001/h", 0, 3600000 * NS_PER_S},
		{"1000000000/s", 0, 1},
		{"2000000001/s", -ERANGE, 0},
		{"1999999999/s", 0, 1},
		{"0/s", -ERANGE, 0},
		{"0.0/min", -ERANGE, 0},
		{"0.000000001/h", -ERANGE, 0},
		{"18446744073709551616/s", -ERANGE, 0},
		{"1", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"/s", -EINVAL, 0},
		{"-1/s", -EINVAL, 0},
		{"1/m", -EINVAL, 0},
		{"1/sec", -EINVAL, 0},
		{"1 /s", -EINVAL, 0},
		{"1./s", -EINVAL, 0},
	};

	(void)state;
	check_numbers(parse_frequency, cases, COUNT(cases));
}

static void percentages(void **state)
{
	static const struct number_case cases[] = {
		{"0%", 0, 0},
		{"0.000%", 0, 0},
		{"100%", 0, ALWAYS},
		{"100.0%", 0, ALWAYS},
		{"50%", 0, ALWAYS / 2},
		{"25 %", 0, ALWAYS / 4},
		{"5%", 0, 214748365},
		{"2.5%", 0, 107374182},
		{"0.05%", 0, 2147484},
		{"0.00000001%", 0, 1},
		{"0.000000001%", 0, 1},
		{"99.999999999%", 0, ALWAYS},
		{"100.0000001%", -ERANGE, 0},
		{"101%", -ERANGE, 0},
		{"-1%", -ERANGE, 0},
		{"99999999999999999999%", -ERANGE, 0},
		{"5", -EINVAL, 0},
		{"%", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"5%%", -EINVAL, 0},
		{"5.%", -EINVAL, 0},
		{"0x5%", -EINVAL, 0},
		{"nan%", -EINVAL, 0},
	};

	(void)state;
	check_numbers(parse_percent, cases, COUNT(cases));
}

static void numbers(void **state)
{
	static const struct number_case cases[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"0xffffFFFFffffFFFF", 0, UINT64_MAX},
		{"0X1f", 0, 31},
		{"0x10000000000000000", -ERANGE, 0},
		{"0x", -EINVAL, 0},
		{"0xg", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"f", -EINVAL, 0},
	};

	(void)state;
	check_numbers(parse_u64, cases, COUNT(cases));
}

static void ports(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint16_t first, last;
	} cases[] = {
		{"1", 0, 1, 1},
		{"65535", 0, 65535, 65535},
		{"30001-30013", 0, 30001, 30013},
		{"80-80", 0, 80, 80},
		{"1-65535", 0, 1, 65535},
		{"0", -ERANGE, 0, 0},
		{"0-80", -ERANGE, 0, 0},
		{"65536", -ERANGE, 0, 0},
		{"70000", -ERANGE, 0, 0},
		{"1-65536", -ERANGE, 0, 0},
		{"30013-30001", -ERANGE, 0, 0},
		{"18446744073709551617", -ERANGE, 0, 0},
		{"80-18446744073709551617", -ERANGE, 0, 0},
		{"", -EINVAL, 0, 0},
		{"-", -EINVAL, 0, 0},
		{"-80", -EINVAL, 0, 0},
		{"80-", -EINVAL, 0, 0},
		{"80 - 90", -EINVAL, 0, 0},
		{"80-90-100", -EINVAL, 0, 0},
		{"http", -EINVAL, 0, 0},
		{"0x50", -EINVAL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct port_range range = {7, 8};
		int err = parse_ports(cases[i].text, &range);
		uint16_t first = cases[i].err ? 7 : cases[i].first, last = cases[i].err ? 8 : cases[i].last;

		if (err != cases[i].err || range.first != first || range.last != last)
			fail_msg("\"%s\": %d, %u-%u", cases[i].text, err, range.first, range.last);
	}
}

static void prefixes(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *network; /* as parse_network() has it; NULL: it fails likewise */
	} cases[] = {
		{"10.1.0.2", 0, "10.1.0.2/32"},
		{"10.2.0.0/16", 0, "10.2.0.0/16"},
		{"0.0.0.0/0", 0, "0.0.0.0/0"},
		{"255.255.255.255/32", 0, "255.255.255.255/32"},
		{"128.0.0.0/1", 0, "128.0.0.0/1"},
		{"fd00:2::/64", 0, "fd00:2::/64"},
		{"::1", 0, "::1/128"},
		{"::/0", 0, "::/0"},
		{"fe80::/10", 0, "fe80::/10"},
		{"FD00::1/128", 0, "fd00::1/128"},
		{"10.2.0.5/16", -EDOM, "10.2.0.0/16"},
		{"10.2.0.1/31", -EDOM, "10.2.0.0/31"},
		{"10.0.0.1/0", -EDOM, "0.0.0.0/0"},
		{"192.0.0.0/1", -EDOM, "128.0.0.0/1"},
		{"fd00:2::1/64", -EDOM, "fd00:2::/64"},
		{"fd00::8000/112", -EDOM, "fd00::/112"},
		{"::ffff:10.0.0.1", -EAFNOSUPPORT, NULL},
		{"::ffff:10.0.0.0/104", -EAFNOSUPPORT, NULL},
		{"::ffff:0:0/96", -EAFNOSUPPORT, NULL},
		{"10.0.0.0/33", -ERANGE, NULL},
		{"fd00::/129", -ERANGE, NULL},
		{"10.0.0.0/99999999999999999999", -ERANGE, NULL},
		{"10.0.0.0/", -EINVAL, NULL},
		{"10.0.0.0/08", -EINVAL, NULL},
		{"10.0.0.0/-1", -EINVAL, NULL},
		{"10.0.0.0/8/8", -EINVAL, NULL},
		{"10.0.0", -EINVAL, NULL},
		{"010.0.0.1", -EINVAL, NULL},
		{"10.0.0.256", -EINVAL, NULL},
		{"fe80::1%eth0", -EINVAL, NULL},
		{"[::1]", -EINVAL, NULL},
		{"", -EINVAL, NULL},
		{"/8", -EINVAL, NULL},
		{"localhost", -EINVAL, NULL},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333", -EINVAL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct prefix prefix = {.family = -1};
		char text[64];
		int err = parse_prefix(cases[i].text, &prefix);

		if (err != cases[i].err)
			fail_msg("\"%s\": %d, expected %d", cases[i].text, err, cases[i].err);
		assert_true(!err == (prefix.family != -1));
		err = parse_network(cases[i].text, &prefix);
		assert_int_equal(err, cases[i].network ? 0 : cases[i].err);
		if (!cases[i].network)
			continue;
		format_prefix(&prefix, text, sizeof(text));
		assert_string_equal(text, cases[i].network);
	}
}

static void prefix_bytes(void **state)
{
	static const uint8_t v4[] = {10, 1, 0, 2}, v6[16] = {0xfd, 0, 0, 2};
	struct prefix prefix;

	(void)state;
	assert_int_equal(parse_prefix("10.1.0.2", &prefix), 0);
	assert_int_equal(prefix.family, AF_INET);
	assert_int_equal(prefix.len, 32);
	assert_memory_equal(prefix.addr, v4, sizeof(v4));
	assert_int_equal(parse_prefix("fd00:2::/64", &prefix), 0);
	assert_int_equal(prefix.family, AF_INET6);
	assert_int_equal(prefix.len, 64);
	assert_memory_equal(prefix.addr, v6, sizeof(v6));
}

static void peers(void **state)
{
	static const struct {
		const char *text, *address; /* NULL: it fails with err */
		uint16_t port;
		int err;
	} cases[] = {
		{"10.0.0.5", "10.0.0.5/32", 0, 0},
		{"10.0.0.5:22", "10.0.0.5/32", 22, 0},
		{"10.0.0.5:65535", "10.0.0.5/32", 65535, 0},
		{"fd00::5", "fd00::5/128", 0, 0},
		{"::", "::/128", 0, 0},
		{"fd00::5:22", "fd00::5:22/128", 0, 0},
		{"[fd00::5]", "fd00::5/128", 0, 0},
		{"[fd00::5]:22", "fd00::5/128", 22, 0},
		{"", NULL, 0, -EINVAL},
		{":", NULL, 0, -EINVAL},
		{":22", NULL, 0, -EINVAL},
		{"10.0.0.5:", NULL, 0, -EINVAL},
		{"10.0.0.5:0", NULL, 0, -ERANGE},
		{"10.0.0.5:65536", NULL, 0, -ERANGE},
		{"10.0.0.5:22-23", NULL, 0, -EINVAL},
		{"10.0.0.5:22x", NULL, 0, -EINVAL},
		{"10.0.0.5:+22", NULL, 0, -EINVAL},
		{"10.0.0.5/32", NULL, 0, -EINVAL},
		{"10.0.0/24:22", NULL, 0, -EINVAL},
		{"[10.0.0.5]:22", NULL, 0, -EINVAL},
		{"[fd00::5", NULL, 0, -EINVAL},
		{"[fd00::5]22", NULL, 0, -EINVAL},
		{"[fd00::5]:", NULL, 0, -EINVAL},
		{"[]:22", NULL, 0, -EINVAL},
		{"[", NULL, 0, -EINVAL},
		{"fd00::5]:22", NULL, 0, -EINVAL},
		{"::ffff:10.0.0.5", NULL, 0, -EAFNOSUPPORT},
		{"front.example:22", NULL, 0, -EINVAL},
		{"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL, 0, -EINVAL},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct prefix address = {0};
		uint16_t port = 7;
		int err = parse_peer(cases[i].text, &address, &port);

		if (err != cases[i].err)
			fail_msg("%s: %d", cases[i].text, err);
		assert_int_equal(port, err ? 7 : cases[i].port);
		assert_int_equal(!address.family, !!err); /* nothing is written on failure */
		if (err)
			continue;
		format_prefix(&address, text, sizeof(text));
		assert_string_equal(text, cases[i].address);
	}
}

static void durations_for_people(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text, *exact;
	} cases[] = {
		{0, "0s", "0s"},
		{1, "1ns", "0.001us"},
		{999, "999ns", "0.999us"},
		{66340, "66.3us", "66.34us"},
		{250 * NS_PER_MS, "250ms", "250ms"},
		{999949999, "1s", "999.949999ms"},
		{NS_PER_S, "1s", "1s"},
		{1234567890, "1.23s", "1.23456789s"},
		{20 * NS_PER_S, "20s", "20s"},
		{12040 * NS_PER_MS, "12s", "12.04s"},
		{59960 * NS_PER_MS, "1m", "59.96s"},
		{60 * NS_PER_S, "1m", "1m"},
		{90 * NS_PER_S, "1m30s", "1m30s"},
		{90250 * NS_PER_MS, "1m30s", "1m30.25s"},
		{60 * NS_PER_S + 1, "1m", "1m0.000000001s"},
		{3600 * NS_PER_S, "1h", "1h"},
		{3605 * NS_PER_S, "1h5s", "1h5s"},
		{90061 * NS_PER_S, "25h1m1s", "25h1m1s"},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t back;

		format_duration(cases[i].ns, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
		format_duration_exact(cases[i].ns, text, sizeof(text));
		assert_string_equal(text, cases[i].exact);
		assert_int_equal(parse_duration(text, &back), 0);
		assert_int_equal(back, cases[i].ns);
	}
}

/* Deterministic numbers of every size: what is written exactly is read back exactly. */
static void exact_durations_round_trip(void **state)
{
	uint64_t x = 1;
	char text[32];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint64_t ns, back;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		ns = x >> (i % 64);
		format_duration_exact(ns, text, sizeof(text));
		assert_int_equal(parse_duration(text, &back), 0);
		assert_true(back == ns);
	}
}

static void utc(void **state)
{
	const uint64_t ns = 1770802200ULL * NS_PER_S + 123999999;
	char text[32];

	(void)state;
	format_utc(ns, text, sizeof(text));
	assert_string_equal(text, "2026-02-11T09:30:00.123Z");
	format_utc_compact(ns, text, sizeof(text));
	assert_string_equal(text, "20260211T093000Z");
	format_utc(0, text, sizeof(text));
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

static void clock_offset(void **state)
{
	uint64_t error_ns = UINT64_MAX;
	int64_t offset = clock_offset_ns(&error_ns);
	uint64_t mono = clock_mono_ns(), real = clock_real_ns();

	(void)state;
	assert_true(error_ns < NS_PER_S);
	/* `real` was read after `mono`, so it can only be later than the offset says, but for the error. */
	assert_true((int64_t)(real - mono) >= offset - (int64_t)error_ns - (int64_t)NS_PER_MS);
	assert_true((int64_t)(real - mono) < offset + (int64_t)(60 * NS_PER_S));
	assert_true(llabs(clock_offset_ns(NULL) - offset) < (int64_t)(60 * NS_PER_S));
}

static const char *nearest(const char *word)
{
	static const char *const known[] = {"interface", "seed", "set", "remote_port", "remote", "at", "for"};
	struct suggest s = {.word = word};

	for (size_t i = 0; i < COUNT(known); i++)
		suggest_try(&s, known[i]);
	return s.best ? s.best : "none";
}

static void suggestions(void **state)
{
	(void)state;
	assert_string_equal(nearest("intreface"), "interface");
	assert_string_equal(nearest("interfaces"), "interface");
	assert_string_equal(nearest("SEED"), "seed");
	assert_string_equal(nearest("sede"), "seed");
	assert_string_equal(nearest("remoteport"), "remote_port");
	assert_string_equal(nearest("remot"), "remote");
	assert_string_equal(nearest("fro"), "for");
	assert_string_equal(nearest("x"), "none");
	assert_string_equal(nearest(""), "none");
	assert_string_equal(nearest("throughput"), "none");
	assert_string_equal(nearest("interfaceinterfaceinterfaceinterfaceinterface"), "none");
}

static void rates(void **state)
{
	static const struct number_case cases[] = {
		{"0bit", 0, 0},
		{"8bit", 0, 1},
		{"1bit", 0, 1}, /* less than a byte, but not none */
		{"12bit", 0, 2},
		{"1kbit", 0, 125},
		{"500kbit", 0, 62500},
		{"1mbit", 0, 125000},
		{"1Mbit", 0, 125000},
		{"1.5gbit", 0, 187500000},
		{"1tbit", 0, 125000000000},
		{"1Kibit", 0, 128},
		{"1mibit", 0, 131072},
		{"1gibit", 0, 134217728},
		{"1tibit", 0, 137438953472},
		{"7bps", 0, 7},
		{"1kbps", 0, 1000},
		{"1MBps", 0, 1000000},
		{"1gbps", 0, 1000000000},
		{"1tbps", 0, 1000000000000},
		{"1KiBps", 0, 1024},
		{"1mibps", 0, 1048576},
		{"1gibps", 0, 1073741824},
		{"1tibps", 0, 1099511627776},
		{"147573952589676412927bit", -ERANGE, 0},
		{"18446744073709551615bps", 0, UINT64_MAX},
		{"18446744073709551616bps", -ERANGE, 0},
		{"18446744073709551615tbps", -ERANGE, 0},
		{"-1mbit", -ERANGE, 0},
		{"-1mb", -EINVAL, 0},
		{"1", -EINVAL, 0},
		{"mbit", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"1 mbit", -EINVAL, 0},
		{"1mbit ", -EINVAL, 0},
		{"1mb", -EINVAL, 0},
		{"1mbits", -EINVAL, 0},
		{"1.mbit", -EINVAL, 0},
		{"5%", -EINVAL, 0},
	};

	(void)state;
	check_numbers(parse_rate, cases, COUNT(cases));
}

static void sizes(void **state)
{
	static const struct number_case cases[] = {
		{"0B", 0, 0},
		{"1500B", 0, 1500},
		{"64KB", 0, 64000},
		{"64kb", 0, 64000},
		{"1.5kB", 0, 1500},
		{"1MiB", 0, 1048576},
		{"1MB", 0, 1000000},
		{"2GB", 0, 2000000000},
		{"1KiB", 0, 1024},
		{"1.5gib", 0, 1610612736},
		{"18446744073709551615B", 0, UINT64_MAX},
		{"18446744073709551615KB", -ERANGE, 0},
		{"99999999999999999999B", -ERANGE, 0},
		{"-1KB", -ERANGE, 0},
		{"0.5B", -EINVAL, 0},
		{"1.0005KB", -EINVAL, 0},
		{"15", -EINVAL, 0},
		{"15K", -EINVAL, 0},
		{"15kbit", -EINVAL, 0},
		{"KB", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	(void)state;
	check_numbers(parse_size, cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(offsets),
		cmocka_unit_test(frequencies),
		cmocka_unit_test(percentages),
		cmocka_unit_test(rates),
		cmocka_unit_test(sizes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(ports),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(prefix_bytes),
		cmocka_unit_test(peers),
		cmocka_unit_test(durations_for_people),
		cmocka_unit_test(exact_durations_round_trip),
		cmocka_unit_test(utc),
		cmocka_unit_test(clock_offset),
		cmocka_unit_test(suggestions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
