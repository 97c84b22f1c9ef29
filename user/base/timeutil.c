/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/timeutil.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define READINGS 16

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t clock_offset_ns(uint64_t *ret_error_ns)
{
	uint64_t narrowest = UINT64_MAX;
	int64_t offset = 0;

	for (int i = 0; i < READINGS; i++) {
		uint64_t before = clock_mono_ns(), real = clock_real_ns(), after = clock_mono_ns();

		if (after - before >= narrowest)
			continue;
		narrowest = after - before;
		offset = (int64_t)(real - (before + narrowest / 2));
	}
	if (ret_error_ns)
		*ret_error_ns = (narrowest + 1) / 2;
	return offset;
}

void format_utc(uint64_t real_ns, char *text, size_t size)
{
	time_t seconds = real_ns / NS_PER_S;
	char date[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, size, "%s.%03uZ", date, (unsigned)(real_ns % NS_PER_S / NS_PER_MS));
}

void format_utc_compact(uint64_t real_ns, char *text, size_t size)
{
	time_t seconds = real_ns / NS_PER_S;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	if (!strftime(text, size, "%Y%m%dT%H%M%SZ", &tm) && size)
		text[0] = '\0';
}

/* "1h", "1m30s", "2h5s": the units that are not zero, to the nearest second. */
static void format_long(uint64_t ns, char *text, size_t size)
{
	uint64_t s = (ns + NS_PER_S / 2) / NS_PER_S;
	uint64_t parts[] = {s / 3600, s / 60 % 60, s % 60};
	size_t len = 0;

	for (int i = 0; i < 3; i++) {
		if (!parts[i] || len >= size)
			continue;
		len += snprintf(text + len, size - len, "%" PRIu64 "%c", parts[i], "hms"[i]);
	}
}

/* In units of a power of ten, without zeros at the end of the fraction. */
static void add_decimal(uint64_t ns, uint64_t unit, const char *name, char *text, size_t size)
{
	char fraction[24];
	int digits;

	digits = snprintf(fraction, sizeof(fraction), "%09llu", ns % unit * (NS_PER_S / unit));
	while (digits && fraction[digits - 1] == '0')
		digits--;
	fraction[digits] = '\0';
	snprintf(text, size, "%" PRIu64 "%s%s%s", ns / unit, digits ? "." : "", fraction, name);
}

void format_duration_exact(uint64_t ns, char *text, size_t size)
{
	uint64_t minutes = ns / NS_PER_S / 60, rest = ns - minutes * 60 * NS_PER_S;
	char head[48] = "", tail[64] = "";

	if (minutes >= 60 && minutes % 60)
		snprintf(head, sizeof(head), "%" PRIu64 "h%" PRIu64 "m", minutes / 60, minutes % 60);
	else if (minutes)
		snprintf(head, sizeof(head), "%" PRIu64 "%c", minutes >= 60 ? minutes / 60 : minutes,
			 minutes >= 60 ? 'h' : 'm');
	if (rest >= NS_PER_S || (minutes && rest) || !ns)
		add_decimal(rest, NS_PER_S, "s", tail, sizeof(tail));
	else if (rest >= NS_PER_MS)
		add_decimal(rest, NS_PER_MS, "ms", tail, sizeof(tail));
	else if (rest)
		add_decimal(rest, NS_PER_US, "us", tail, sizeof(tail));
	snprintf(text, size, "%s%s", head, tail);
}

/* Three significant digits of ns / unit; false when they round up to what the next unit says better. */
static int format_short(uint64_t ns, uint64_t unit, uint64_t limit, const char *name, char *text, size_t size)
{
	uint64_t whole = ns / unit, step = whole >= 100 ? unit : whole >= 10 ? unit / 10 : unit / 100;
	uint64_t rounded, fraction;

	if (!step)
		step = 1;
	rounded = (ns + step / 2) / step * step;
	if (rounded >= limit)
		return 0;
	fraction = rounded % unit * 100 / unit;
	if (!fraction)
		snprintf(text, size, "%" PRIu64 "%s", rounded / unit, name);
	else if (fraction % 10)
		snprintf(text, size, "%" PRIu64 ".%02" PRIu64 "%s", rounded / unit, fraction, name);
	else
		snprintf(text, size, "%" PRIu64 ".%" PRIu64 "%s", rounded / unit, fraction / 10, name);
	return 1;
}

void format_duration(uint64_t ns, char *text, size_t size)
{
	static const struct {
		uint64_t ns, limit;
		const char *name;
	} units[] = {
		{1, NS_PER_US, "ns"},
		{NS_PER_US, NS_PER_MS, "us"},
		{NS_PER_MS, NS_PER_S, "ms"},
		{NS_PER_S, 60 * NS_PER_S, "s"},
	};

	if (!ns) {
		snprintf(text, size, "0s");
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (ns < units[i].limit &&
		    format_short(ns, units[i].ns, units[i].limit, units[i].name, text, size))
			return;
	format_long(ns, text, size);
}
