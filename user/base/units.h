/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values as the scenario file and the command line write them. Each parser takes a whole string and returns 0 or
 * -EINVAL (not of this form) or -ERANGE (of this form, but out of range); nothing is written on failure.
 */
#ifndef SHEARPIN_UNITS_H
#define SHEARPIN_UNITS_H

#include <stdint.h>

struct port_range {
	uint16_t first, last;
};

struct prefix {
	int family;       /* AF_INET or AF_INET6 */
	uint8_t addr[16]; /* network order; the first 4 bytes for AF_INET */
	unsigned len;     /* bits */
};

/*
 * "10s", "250ms", "30us", "1.5s", "2m", "1h", "0s", also "1m30s" (units descending, a fraction only in the last).
 * A bare number is -EINVAL, a negative duration -ERANGE. Exact to the nanosecond; what is finer is -EINVAL.
 */
int parse_duration(const char *text, uint64_t *ret_ns);

/*
 * "5%", "0.05%", "100%" -> threshold for a 32-bit draw (100 % is 2^32), rounded to the nearest, but never to 0
 * unless it is 0. The percent sign is needed.
 */
int parse_percent(const char *text, uint64_t *ret_below);

/*
 * "1mbit", "500kbit", "1.5gbit" -> bytes per second, rounded to the nearest. Units as tc(8) has them, in any case: bit, kbit,
 * mbit, gbit and tbit are bits per second, bps, kbps, mbps, gbps and tbps bytes per second; prefixes are decimal, and binary
 * with an i behind (kibit, mibps). The unit is needed. Less than a byte per second that is not 0 becomes 1.
 */
int parse_rate(const char *text, uint64_t *ret_bytes);

/*
 * "64KB", "1MiB", "1.5kB", "1500B" -> bytes; units in any case, KB, MB and GB are decimal, KiB, MiB and GiB binary. The unit
 * is needed; a fraction of a byte is -EINVAL.
 */
int parse_size(const char *text, uint64_t *ret_bytes);

/* "+80ms", "-1.5s": a duration behind a sign, which is needed. */
int parse_offset(const char *text, int64_t *ret_ns);

/*
 * "0.05/min", "3/s", "1/h" -> the mean time between two, in nanoseconds, rounded to the nearest. Nothing, and more than one a
 * nanosecond or fewer than one in 2^64 of them, are -ERANGE.
 */
int parse_frequency(const char *text, uint64_t *ret_mean_ns);

/* Decimal, or hexadecimal with 0x. */
int parse_u64(const char *text, uint64_t *ret_value);

/* "443" or "30001-30013"; 1 to 65535, ascending. */
int parse_ports(const char *text, struct port_range *ret_range);

/*
 * "10.1.0.2", "10.2.0.0/16", "fd00::/64". Host bits set: -EDOM. An IPv4-mapped IPv6 address (::ffff:10.1.0.2):
 * -EAFNOSUPPORT, since no packet carries one. parse_network() clears the host bits instead.
 */
int parse_prefix(const char *text, struct prefix *ret_prefix);
int parse_network(const char *text, struct prefix *ret_prefix);
/*
 * "10.0.0.5", "10.0.0.5:22", "fd00::5", "[fd00::5]", "[fd00::5]:22": an address (a prefix of full length, errors as of
 * parse_prefix()) and a port, 0 when none is named.
 */
int parse_peer(const char *text, struct prefix *ret_address, uint16_t *ret_port);

void format_prefix(const struct prefix *prefix, char *text, unsigned long size); /* at least 50 bytes */

#endif
