/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/wrapped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packet/pair.h"
#include "packet/scene.h"

void wrapped_offload(bool on)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_command("ethtool -K %s tx %s gro off >/dev/null 2>&1",
					       i ? FAR_END : NEAR_END, on ? "on" : "off"),
				 0);
}

void wrapped_send_at(int fd, const struct spec *s, const struct frame *f, enum wrapping wrapping)
{
	size_t check = checksum_at(s->proto);
	struct offload offload = {0};
	struct frame sent = *f;

	if (wrapping != FULL) {
		uint16_t sum = sum_fold(sum_pseudo(s, s->proto, f->len - f->l4));

		sent.data[f->l4 + check] = sum >> 8;
		sent.data[f->l4 + check + 1] = sum;
		offload.csum_start = f->l4;
		offload.csum_offset = check;
	}
	if (wrapping == GSO) {
		offload.segment = SEGMENT;
		offload.headers = f->payload;
		offload.ipv6 = s->family == 6;
	}
	assert_int_equal(capture_send(fd, sent.data, sent.len, &offload), 0);
}

void wrapped_send(const struct spec *s, const struct frame *f, bool out, enum wrapping wrapping)
{
	wrapped_send_at(out ? near_fd : far_fd, s, f, wrapping);
	/* A capture hears what comes in before tc does. */
	if (!out)
		expect_frame_at(near_fd, f);
}

void wrapped_send_spec(const struct spec *s, bool out, enum wrapping wrapping)
{
	struct frame f;

	frame_build(s, &f);
	wrapped_send(s, &f, out, wrapping);
}

size_t wrapped_next(const struct spec *s, const struct frame *f, size_t done)
{
	size_t len;

	assert_int_equal(capture_next(far_fd, &captured), 0);
	assert_true(captured.len > f->payload);
	len = captured.len - f->payload;
	assert_true(len <= s->payload - done);
	assert_int_equal(transport_sum(s, captured.data, f->l4, captured.len), 0xffff);
	return len;
}
