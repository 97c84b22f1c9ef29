/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: faults that know a protocol, or the life of a connection. */
#include <errno.h>
#include <string.h>

#include "base/timeutil.h"
#include "scenario/names.h"
#include "scenario/values.h"

/* RFC 1035, 4.1.1 */
#define RCODE_SERVFAIL 2
#define RCODE_NXDOMAIN 3
#define RCODE_REFUSED 5

#define LONGEST_PATH 200
#define MOST_LIMIT (1ULL << 40)
#define LEAST_MTU 68 /* RFC 791 */
#define MOST_MTU 65535
#define MOST_CONNECTIONS 1000000
#define LEAST_MEAN_NS (NS_PER_S / 100)
#define MOST_MEAN_NS (1000 * 3600 * NS_PER_S)
#define MOST_NTP_S (1LL << 17)
#define MOST_DRIFT_NS (24 * 3600 * NS_PER_S)
#define MOST_CLOCK_S (3652LL * 86400)

void read_dns(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"nxdomain", "servfail", "refused", "timeout"};
	static const uint8_t codes[] = {RCODE_NXDOMAIN, RCODE_SERVFAIL, RCODE_REFUSED, PLAN_DNS_TIMEOUT};

	read_choice(r, n, words, codes, 4, into);
}

static void check_query_name(struct reader *r, struct text *name)
{
	const char *fault = name_fault(name->s, true);
	size_t len = strlen(name->s);
	char text[QUOTED_SIZE];

	if (fault)
		mistake(r->errors, name->node, "%s %s, expected such as api.example.org or *.example.com",
			quote_value(name->s, text), fault);
	else if (name->s[len - 1] == '.')
		name->s = arena_text(r->arena, name->s, len - 1);
}

void read_query_names(struct reader *r, const struct node *n, void *into)
{
	struct texts *names = into;

	read_texts(r, n, names, MOST_PATTERNS, "a name", "", NULL);
	for (size_t i = 0; i < names->count; i++)
		check_query_name(r, &names->items[i]);
}

/* A response keeps its body: no status that says that there is none (RFC 9112, 6.3). */
void read_status(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_within(r, n, 200, 999, &value);
	if (value.node && (value.n == 204 || value.n == 304))
		mistake(r->errors, n,
			"%.40s stands for a response without a body, and every response keeps its own",
			n->text);
	else
		*(struct value *)into = value;
}

/* RFC 3986, 3.3: what a request line can have before its query. */
static const char *path_fault(const char *path)
{
	size_t len = strlen(path), stars = 0;

	if (*path != '/')
		return "does not start with `/`";
	if (len > LONGEST_PATH)
		return "is longer than 200 bytes";
	for (const char *s = path; *s; s++) {
		if (*s <= ' ' || *s >= 0x7f)
			return "has a character that a request does not carry; write it as %XX";
		if (*s == '?' || *s == '#')
			return "has a query or a fragment, which are no part of the path";
		stars += *s == '*';
	}
	if (stars > 1 || (stars && path[len - 1] != '*'))
		return "has a `*` that is not at its end";
	return NULL;
}

void read_paths(struct reader *r, const struct node *n, void *into)
{
	struct texts *paths = into;
	char text[QUOTED_SIZE];

	read_texts(r, n, paths, MOST_PATTERNS, "a path", "", NULL);
	for (size_t i = 0; i < paths->count; i++) {
		const struct text *path = &paths->items[i];
		const char *fault = path_fault(path->s);

		if (fault)
			mistake(r->errors, path->node, "%s %s, expected such as /health or /api/*",
				quote_value(path->s, text), fault);
	}
}

void read_retry_after(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_duration(r, n, &value);
	if (value.node && value.n % NS_PER_S)
		mistake(r->errors, n,
			"%.40s is no whole number of seconds, which is all that Retry-After has", n->text);
	else
		*(struct value *)into = value;
}

void read_limit(struct reader *r, const struct node *n, void *into)
{
	read_size_within(r, n, MOST_LIMIT, "1B to 1024GiB", into);
}

void read_then(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"reset", "drop", "fin", "refuse"};
	static const uint8_t ends[] = {PLAN_THEN_RESET, PLAN_THEN_DROP, PLAN_THEN_FIN, PLAN_THEN_REFUSE};

	read_choice(r, n, words, ends, 4, into);
}

void read_mtu(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, LEAST_MTU, MOST_MTU, into);
}

void read_slow_close(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_positive_duration(r, n, &value);
	if (value.node && value.n > PLAN_HORIZON_NS)
		mistake(r->errors, n, "%.40s is too long, expected 60s at most", n->text);
	else
		*(struct value *)into = value;
}

/* "10/s" */
void read_rate_limit(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a whole number of connections a second, such as 10/s";
	const char *slash = strchr(n->text, '/');
	uint64_t count = 0;
	char *digits;
	int err;

	if (!is_scalar(r, n, expected))
		return;
	digits = arena_text(r->arena, n->text, slash ? (size_t)(slash - n->text) : 0);
	if (!digits)
		return;
	err = slash && !strcmp(slash, "/s") ? parse_u64(digits, &count) : -EINVAL;
	if (err == -EINVAL)
		wrong_value(r, n, "limit of connections", expected);
	else if (err || count > MOST_CONNECTIONS)
		mistake(r->errors, n, "%.40s is out of range, expected 0/s to 1000000/s", n->text);
	else
		*(struct value *)into = (struct value){count, n};
}

/* "0.05/min" */
void read_disconnects(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a number and `/s`, `/min` or `/h`, such as 0.05/min";
	uint64_t mean_ns = 0;
	int err;

	if (!is_scalar(r, n, expected))
		return;
	err = parse_frequency(n->text, &mean_ns);
	if (err == -EINVAL)
		wrong_value(r, n, "frequency", expected);
	else if (err || mean_ns < LEAST_MEAN_NS || mean_ns > MOST_MEAN_NS)
		mistake(r->errors, n, "%.40s is out of range, expected 0.001/h to 100/s", n->text);
	else
		*(struct value *)into = (struct value){mean_ns, n};
}

/* The text from `from` up to `to`, without the spaces around it. */
static char *trimmed(struct reader *r, const char *from, const char *to)
{
	while (from < to && *from == ' ')
		from++;
	while (to > from && to[-1] == ' ')
		to--;
	return arena_text(r->arena, from, to - from);
}

/* "+80ms..-80ms over 60s"; as the parsers of base/units.h. */
static int parse_drift(struct reader *r, const char *text, struct model_ntp *ret)
{
	const char *dots = strstr(text, ".."), *over = dots ? strstr(dots, " over ") : NULL;
	char *from, *to, *time;
	int err;

	if (!over)
		return parse_offset(text, &ret->from_ns);
	from = trimmed(r, text, dots);
	to = trimmed(r, dots + 2, over);
	time = trimmed(r, over + 6, text + strlen(text));
	if (!from || !to || !time)
		return -ENOMEM;
	err = parse_offset(from, &ret->from_ns);
	if (!err)
		err = parse_offset(to, &ret->to_ns);
	return err ? err : parse_duration(time, &ret->over_ns);
}

static bool is_within(int64_t ns, int64_t most_s)
{
	return ns <= most_s * (int64_t)NS_PER_S && ns >= -most_s * (int64_t)NS_PER_S;
}

void read_ntp(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "such as +80ms, or +80ms..-80ms over 60s";
	struct model_ntp ntp = {.node = n};
	char text[QUOTED_SIZE];
	int err;

	if (!is_scalar(r, n, expected))
		return;
	err = parse_drift(r, n->text, &ntp);
	quote_value(n->text, text);
	if (err == -EINVAL)
		wrong_value(r, n, "offset", expected);
	else if (err || !is_within(ntp.from_ns, MOST_NTP_S) || !is_within(ntp.to_ns, MOST_NTP_S))
		mistake(r->errors, n, "%s is out of range, expected -131072s to +131072s (2^17)", text);
	else if (!ntp.from_ns && !ntp.to_ns)
		mistake(r->errors, n, "%s changes nothing, expected %s", text, expected);
	else if (ntp.over_ns > MOST_DRIFT_NS || (strstr(n->text, "..") && !ntp.over_ns))
		mistake(r->errors, n,
			"%s drifts over no time or too long, expected more than 0s and at most 24h", text);
	else
		*(struct model_ntp *)into = ntp;
}

void read_clock(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a sign, a number and a unit, such as +5s or -500ms";
	int64_t ns = 0;
	int err;

	if (!is_scalar(r, n, "an offset such as +5s"))
		return;
	err = parse_offset(n->text, &ns);
	if (err == -EINVAL)
		wrong_value(r, n, "offset", expected);
	else if (err || !is_within(ns, MOST_CLOCK_S))
		mistake(r->errors, n, "%.40s is too much, expected ten years (87648h) at most", n->text);
	else if (!ns)
		mistake(r->errors, n, "%.40s does not move the clock, expected %s", n->text, expected);
	else
		*(struct offset *)into = (struct offset){ns, n};
}
