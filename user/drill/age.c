/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/age.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/timeutil.h"

#define MOST_S 1e11 /* more are no seconds: the year 5138 */
#define MOST_TIME_S 9e9

static int of_number(const json_t *value, int64_t *ret_ns)
{
	int64_t scale = NS_PER_S;
	double number = json_number_value(value);

	for (double most = MOST_S; number >= most && scale > 1; most *= 1e3)
		scale /= 1000;
	if (!(number > 0) || number * scale >= MOST_TIME_S * NS_PER_S)
		return -EINVAL;
	/* A double does not hold the nanoseconds of our days. */
	*ret_ns = json_is_integer(value) ? json_integer_value(value) * scale : (int64_t)(number * scale);
	return 0;
}

/* Exactly so many digits. */
static bool digits(const char **text, int n, int *ret)
{
	*ret = 0;
	for (; n; n--, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return false;
		*ret = *ret * 10 + (**text - '0');
	}
	return true;
}

static bool mark(const char **text, const char *any_of)
{
	if (!**text || !strchr(any_of, **text))
		return false;
	(*text)++;
	return true;
}

/* ".123": nanoseconds; what is finer does not count. */
static bool fraction(const char **text, int64_t *ret_ns)
{
	int64_t unit = NS_PER_S;

	*ret_ns = 0;
	if (!mark(text, "."))
		return true;
	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); (*text)++) {
		unit /= 10;
		*ret_ns += (**text - '0') * unit;
	}
	return true;
}

static bool offset(const char **text, int *ret_s)
{
	int hours, minutes, sign = **text == '-' ? -1 : 1;

	*ret_s = 0;
	if (mark(text, "Zz"))
		return true;
	if (!mark(text, "+-") || !digits(text, 2, &hours) || !mark(text, ":") || !digits(text, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int days_of(int month, int year)
{
	if (month == 2)
		return year % 4 || (year % 100 == 0 && year % 400) ? 28 : 29;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

int age_parse_rfc3339(const char *text, int64_t *ret_ns)
{
	struct tm tm = {};
	int64_t ns;
	int shift;

	if (!digits(&text, 4, &tm.tm_year) || !mark(&text, "-") || !digits(&text, 2, &tm.tm_mon) ||
	    !mark(&text, "-") || !digits(&text, 2, &tm.tm_mday) || !mark(&text, "Tt ") ||
	    !digits(&text, 2, &tm.tm_hour) || !mark(&text, ":") || !digits(&text, 2, &tm.tm_min) ||
	    !mark(&text, ":") || !digits(&text, 2, &tm.tm_sec) || !fraction(&text, &ns) ||
	    !offset(&text, &shift) || *text)
		return -EINVAL;
	if (tm.tm_year < 1970 || tm.tm_year > 2200 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > days_of(tm.tm_mon, tm.tm_year) || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret_ns = (timegm(&tm) - shift) * (int64_t)NS_PER_S + ns;
	return 0;
}

int age_time_of(const json_t *value, int64_t *ret_ns)
{
	if (json_is_number(value))
		return of_number(value, ret_ns);
	return json_is_string(value) ? age_parse_rfc3339(json_string_value(value), ret_ns) : -EINVAL;
}

int64_t age_mtime(const struct stat *st)
{
	return st->st_mtim.tv_sec * (int64_t)NS_PER_S + st->st_mtim.tv_nsec;
}

static uint64_t distance(int64_t now, int64_t then)
{
	return now > then ? (uint64_t)now - (uint64_t)then : (uint64_t)then - (uint64_t)now;
}

bool age_is_fresh(int64_t now, int64_t then, uint64_t fresh_ns)
{
	return !fresh_ns || distance(now, then) <= fresh_ns;
}

void age_words(int64_t now, int64_t then, char *ret_text, size_t size)
{
	char text[32];

	format_duration(distance(now, then), text, sizeof(text));
	snprintf(ret_text, size, "%s %s", text, now < then ? "ahead" : "old");
}
