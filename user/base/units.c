/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/units.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/timeutil.h"

#define BILLION 1000000000ULL
#define DRAWS (1ULL << 32)

struct unit {
	const char *name;
	uint64_t ns;
};

static const struct unit units[] = {
	{"h", 3600 * NS_PER_S}, {"ms", NS_PER_MS}, {"m", 60 * NS_PER_S},
	{"s", NS_PER_S},        {"us", NS_PER_US}, {"ns", 1},
};

/* A digit or more; *text is moved past all of them. */
static int take_digits(const char **text, uint64_t *ret_value)
{
	uint64_t value = 0;
	int err = 0;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	for (; isdigit((unsigned char)**text); (*text)++) {
		unsigned digit = **text - '0';

		if (value > (UINT64_MAX - digit) / 10)
			err = -ERANGE;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return err;
}

/* "12" or "12.5": the whole and, in billionths, the fraction. */
static int take_decimal(const char **text, uint64_t *ret_whole, uint64_t *ret_billionths)
{
	uint64_t unit = BILLION / 10;
	int err;

	*ret_billionths = 0;
	err = take_digits(text, ret_whole);
	if (err || **text != '.')
		return err;
	(*text)++;
	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	for (; isdigit((unsigned char)**text); (*text)++, unit /= 10) {
		if (!unit && **text != '0')
			return -EINVAL;
		*ret_billionths += (**text - '0') * unit;
	}
	return 0;
}

static const struct unit *take_unit(const char **text)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*text, units[i].name, len) != 0)
			continue;
		*text += len;
		return &units[i];
	}
	return NULL;
}

/* One part, "30s" of "1m30s"; its unit must be smaller than that of the part before. */
static int take_duration_part(const char **text, uint64_t *ret_ns, uint64_t *unit_before)
{
	unsigned __int128 fraction;
	uint64_t whole, billionths;
	const struct unit *unit;
	int err;

	err = take_decimal(text, &whole, &billionths);
	if (err)
		return err;
	unit = take_unit(text);
	if (!unit || unit->ns >= *unit_before || (billionths && **text))
		return -EINVAL;
	fraction = (unsigned __int128)billionths * unit->ns;
	if (fraction % BILLION)
		return -EINVAL;
	fraction /= BILLION;
	if (whole > (UINT64_MAX - fraction) / unit->ns)
		return -ERANGE;
	*ret_ns = whole * unit->ns + fraction;
	*unit_before = unit->ns;
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0, unit_before = UINT64_MAX;
	bool negative = *text == '-';

	text += negative;
	do {
		uint64_t ns;
		int err = take_duration_part(&text, &ns, &unit_before);

		if (err)
			return err;
		if (ns > UINT64_MAX - total)
			return -ERANGE;
		total += ns;
	} while (*text);
	if (negative)
		return -ERANGE;
	*ret_ns = total;
	return 0;
}

int parse_offset(const char *text, int64_t *ret_ns)
{
	bool negative = *text == '-';
	uint64_t ns;
	int err;

	if (!negative && *text != '+')
		return -EINVAL;
	if (!isdigit((unsigned char)text[1]))
		return -EINVAL;
	err = parse_duration(text + 1, &ns);
	if (!err && ns > INT64_MAX)
		err = -ERANGE;
	if (err)
		return err;
	*ret_ns = negative ? -(int64_t)ns : (int64_t)ns;
	return 0;
}

int parse_frequency(const char *text, uint64_t *ret_mean_ns)
{
	static const struct unit per[] = {{"/s", NS_PER_S}, {"/min", 60 * NS_PER_S}, {"/h", 3600 * NS_PER_S}};
	uint64_t whole, billionths;
	unsigned __int128 count, mean;
	int err = take_decimal(&text, &whole, &billionths);

	if (err == -EINVAL)
		return err;
	for (size_t i = 0; i < sizeof(per) / sizeof(*per); i++) {
		if (strcmp(text, per[i].name) != 0)
			continue;
		count = (unsigned __int128)whole * BILLION + billionths;
		if (err || !count)
			return -ERANGE;
		mean = ((unsigned __int128)per[i].ns * BILLION + count / 2) / count;
		if (!mean || mean > UINT64_MAX)
			return -ERANGE;
		*ret_mean_ns = mean;
		return 0;
	}
	return -EINVAL;
}

int parse_percent(const char *text, uint64_t *ret_below)
{
	uint64_t whole, billionths, below;
	bool negative = *text == '-';
	int err;

	text += negative;
	err = take_decimal(&text, &whole, &billionths);
	if (err)
		return err;
	while (*text == ' ')
		text++;
	if (strcmp(text, "%") != 0)
		return -EINVAL;
	if (negative || whole > 100 || (whole == 100 && billionths))
		return -ERANGE;
	/* 100 % is 1e11 billionths; 2^32 of them need more than 64 bits. */
	below = ((unsigned __int128)(whole * BILLION + billionths) * DRAWS + 50 * BILLION) / (100 * BILLION);
	*ret_below = below || !(whole || billionths) ? below : 1;
	return 0;
}

struct scaled_unit {
	const char *name;
	uint64_t scale;
};

#define KI 1024ULL

static const struct scaled_unit rate_units[] = {
	/* in bits per second */
	{"bit", 1},
	{"kbit", 1000},
	{"mbit", 1000000},
	{"gbit", BILLION},
	{"tbit", 1000 * BILLION},
	{"kibit", KI},
	{"mibit", KI *KI},
	{"gibit", KI *KI *KI},
	{"tibit", KI *KI *KI *KI},
	{"bps", 8},
	{"kbps", 8000},
	{"mbps", 8000000},
	{"gbps", 8 * BILLION},
	{"tbps", 8000 * BILLION},
	{"kibps", 8 * KI},
	{"mibps", 8 * KI *KI},
	{"gibps", 8 * KI *KI *KI},
	{"tibps", 8 * KI *KI *KI *KI},
};

static const struct scaled_unit size_units[] = {
	{"B", 1},    {"KB", 1000},    {"MB", 1000000},     {"GB", BILLION},
	{"KiB", KI}, {"MiB", KI *KI}, {"GiB", KI *KI *KI},
};

/* A decimal with one of the units, in billionths of the base unit. */
static int parse_scaled(const char *text, const struct scaled_unit *list, size_t n,
			unsigned __int128 *ret_billionths)
{
	bool negative = *text == '-';
	uint64_t whole, billionths;
	int err;

	text += negative;
	err = take_decimal(&text, &whole, &billionths);
	if (err == -EINVAL)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(text, list[i].name) != 0)
			continue;
		if (err || negative)
			return -ERANGE;
		*ret_billionths = ((unsigned __int128)whole * BILLION + billionths) * list[i].scale;
		return *ret_billionths / list[i].scale / BILLION == whole ? 0 : -ERANGE;
	}
	return -EINVAL;
}

int parse_rate(const char *text, uint64_t *ret_bytes)
{
	const unsigned __int128 byte = 8 * BILLION;
	unsigned __int128 billionths, bytes;
	int err = parse_scaled(text, rate_units, sizeof(rate_units) / sizeof(*rate_units), &billionths);

	if (err)
		return err;
	bytes = (billionths + byte / 2) / byte;
	if (bytes > UINT64_MAX)
		return -ERANGE;
	*ret_bytes = bytes || !billionths ? bytes : 1;
	return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	unsigned __int128 billionths;
	int err = parse_scaled(text, size_units, sizeof(size_units) / sizeof(*size_units), &billionths);

	if (err)
		return err;
	if (billionths % BILLION)
		return -EINVAL;
	if (billionths / BILLION > UINT64_MAX)
		return -ERANGE;
	*ret_bytes = billionths / BILLION;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	int err;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		size_t digits = strspn(text + 2, "0123456789abcdefABCDEF");

		if (!digits || text[2 + digits])
			return -EINVAL;
		for (text += 2; *text; text++) {
			unsigned digit =
				isdigit((unsigned char)*text) ? *text - '0' : (*text | 32) - 'a' + 10;

			if (value >> 60)
				return -ERANGE;
			value = value << 4 | digit;
		}
	} else {
		size_t digits = strspn(text, "0123456789");

		if (!digits || text[digits])
			return -EINVAL;
		err = take_digits(&text, &value);
		if (err)
			return err;
	}
	*ret_value = value;
	return 0;
}

int parse_ports(const char *text, struct port_range *ret_range)
{
	uint64_t first, last;
	int err, err_last = 0;

	err = take_digits(&text, &first);
	if (err == -EINVAL)
		return err;
	last = first;
	if (*text == '-') {
		text++;
		err_last = take_digits(&text, &last);
	}
	if (*text || err_last == -EINVAL)
		return -EINVAL;
	if (err || err_last || !first || first > last || last > UINT16_MAX)
		return -ERANGE;
	*ret_range = (struct port_range){first, last};
	return 0;
}

static int parse_prefix_len(const char *text, unsigned most, unsigned *ret_len)
{
	uint64_t len;
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits] || (digits > 1 && *text == '0'))
		return -EINVAL;
	if (parse_u64(text, &len) || len > most)
		return -ERANGE;
	*ret_len = len;
	return 0;
}

/* Clears what lies beyond the prefix; true when there was something. */
static bool clear_host_bits(struct prefix *p)
{
	unsigned bytes = p->family == AF_INET ? 4 : 16;
	bool any = false;

	for (unsigned i = 0; i < bytes; i++) {
		unsigned kept = p->len <= i * 8 ? 0 : p->len - i * 8;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

		any |= (p->addr[i] & (uint8_t)~mask) != 0;
		p->addr[i] &= mask;
	}
	return any;
}

static bool is_mapped(const struct prefix *p)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return p->family == AF_INET6 && p->len >= 96 && !memcmp(p->addr, mapped, sizeof(mapped));
}

static int parse_address(const char *text, struct prefix *ret)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	size_t len = slash - text;
	unsigned most;

	if (!len || len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	ret->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(ret->family, address, ret->addr) != 1)
		return -EINVAL;
	most = ret->family == AF_INET ? 32 : 128;
	ret->len = most;
	return *slash ? parse_prefix_len(slash + 1, most, &ret->len) : 0;
}

static int parse_any(const char *text, struct prefix *ret_prefix, bool host_bits)
{
	struct prefix p = {0};
	int err;

	err = parse_address(text, &p);
	if (err)
		return err;
	if (is_mapped(&p))
		return -EAFNOSUPPORT;
	if (clear_host_bits(&p) && !host_bits)
		return -EDOM;
	*ret_prefix = p;
	return 0;
}

int parse_prefix(const char *text, struct prefix *ret_prefix)
{
	return parse_any(text, ret_prefix, false);
}

int parse_network(const char *text, struct prefix *ret_prefix)
{
	return parse_any(text, ret_prefix, true);
}

int parse_peer(const char *text, struct prefix *ret_address, uint16_t *ret_port)
{
	const char *colon = strchr(text, ':'), *end = strchrnul(text, '\0');
	struct port_range port = {0};
	char address[INET6_ADDRSTRLEN];
	struct prefix p;
	int err = 0;

	if (*text == '[') {
		end = strchrnul(++text, ']');
		if (!*end || !memchr(text, ':', end - text) || (end[1] && end[1] != ':'))
			return -EINVAL;
		colon = end[1] ? end + 1 : NULL;
	} else if (colon && colon == strrchr(text, ':')) {
		end = colon;
	} else {
		colon = NULL;
	}
	if ((size_t)(end - text) >= sizeof(address) || memchr(text, '/', end - text))
		return -EINVAL;
	memcpy(address, text, end - text);
	address[end - text] = '\0';
	err = parse_prefix(address, &p);
	if (!err && colon)
		err = strchr(colon, '-') ? -EINVAL : parse_ports(colon + 1, &port);
	if (err)
		return err;
	*ret_address = p;
	*ret_port = port.first;
	return 0;
}

void format_prefix(const struct prefix *prefix, char *text, unsigned long size)
{
	char address[INET6_ADDRSTRLEN];

	if (!inet_ntop(prefix->family, prefix->addr, address, sizeof(address)))
		address[0] = '\0';
	snprintf(text, size, "%s/%u", address, prefix->len);
}
