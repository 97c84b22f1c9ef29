/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/histogram.h"

#include <string.h>

#include "base/json.h"
#include "histogram.bpf.h"

void histogram_clear(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->mean_ns = h->max_ns = HISTOGRAM_NONE;
}

void histogram_fill(struct histogram *h, const __u64 *buckets, uint64_t sum_ns, uint64_t max_ns)
{
	histogram_clear(h);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		h->bucket[i] = buckets[i];
		h->count += buckets[i];
	}
	if (!h->count)
		return;
	if (sum_ns != HISTOGRAM_NONE)
		h->mean_ns = sum_ns / h->count + (sum_ns % h->count >= (h->count + 1) / 2);
	h->max_ns = max_ns;
}

static uint64_t mean_of_both(const struct histogram *a, const struct histogram *b)
{
	unsigned __int128 n = (unsigned __int128)a->count + b->count;

	if (a->mean_ns == HISTOGRAM_NONE || b->mean_ns == HISTOGRAM_NONE)
		return HISTOGRAM_NONE;
	return ((unsigned __int128)a->mean_ns * a->count + (unsigned __int128)b->mean_ns * b->count + n / 2) /
	       n;
}

void histogram_add(struct histogram *sum, const struct histogram *h)
{
	if (!h->count)
		return;
	if (!sum->count) {
		*sum = *h;
		return;
	}
	sum->mean_ns = mean_of_both(sum, h);
	if (h->max_ns > sum->max_ns) /* HISTOGRAM_NONE is larger than all */
		sum->max_ns = h->max_ns;
	sum->count += h->count;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->bucket[i] += h->bucket[i];
}

uint64_t histogram_percentile(const struct histogram *h, unsigned percent)
{
	uint64_t rank = h->count / 100 * percent + (h->count % 100 * percent + 99) / 100, seen = 0, high;
	unsigned i;

	if (!h->count)
		return HISTOGRAM_NONE;
	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			break;
	}
	high = histogram_high(i);
	return high < h->max_ns ? high : h->max_ns;
}

uint64_t histogram_low(unsigned bucket)
{
	return bucket_low(bucket);
}

uint64_t histogram_high(unsigned bucket)
{
	return bucket_low(bucket + 1);
}

unsigned histogram_find(uint64_t low_ns)
{
	unsigned bucket = bucket_of(low_ns);

	return bucket_low(bucket) == low_ns ? bucket : HISTOGRAM_BUCKETS;
}

static void put_time(struct json *j, const char *key, uint64_t ns)
{
	if (ns == HISTOGRAM_NONE)
		json_null(j, key);
	else
		json_u64(j, key, ns);
}

void histogram_write(struct json *j, const char *key, const struct histogram *h, bool mean, bool max)
{
	json_object(j, key);
	json_u64(j, "count", h->count);
	if (mean)
		put_time(j, "mean_ns", h->mean_ns);
	put_time(j, "p50_ns", histogram_percentile(h, 50));
	put_time(j, "p99_ns", histogram_percentile(h, 99));
	if (max)
		put_time(j, "max_ns", h->max_ns);
	json_array(j, "histogram");
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!h->bucket[i])
			continue;
		json_array(j, NULL);
		json_u64(j, NULL, histogram_low(i));
		json_u64(j, NULL, h->bucket[i]);
		json_end_array(j);
	}
	json_end_array(j);
	json_end_object(j);
}
