/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/wrapped.h"

#include <netinet/in.h>

#include "packet/capture.h"
#include "packet/scene.h"

int wrapped_send(int fd, const struct spec *s, const struct frame *f, enum wrapping wrapping)
{
	size_t check = s->proto == IPPROTO_TCP ? 16 : 6;
	struct offload offload = {0};
	struct frame sent = *f;

	if (wrapping != WRAP_FULL) {
		uint16_t sum = sum_fold(sum_pseudo(s, s->proto, f->len - f->l4));

		sent.data[f->l4 + check] = sum >> 8;
		sent.data[f->l4 + check + 1] = sum;
		offload.csum_start = f->l4;
		offload.csum_offset = check;
	}
	if (wrapping == WRAP_GSO) {
		offload.segment = WRAPPED_SEGMENT;
		offload.headers = f->l4 + 20 + s->tcp_options;
		offload.ipv6 = s->family == 6;
	}
	return capture_send(fd, sent.data, sent.len, &offload);
}

int wrapped_offload(bool on)
{
	int err = 0;

	for (int i = 0; i < 2 && !err; i++)
		err = world_command("ethtool -K %s tx %s gro off >/dev/null 2>&1", i ? FAR_END : NEAR_END,
				    on ? "on" : "off");
	return err;
}
