/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "packet/scene.h"

int near_fd = -1, far_fd = -1;
struct captured captured;

int pair_listen(void)
{
	near_fd = capture_open(NEAR_END);
	if (near_fd < 0)
		return near_fd;
	far_fd = capture_open(FAR_END);
	return far_fd < 0 ? far_fd : 0;
}

int pair_open(void **state)
{
	(void)state;
	if (world_make() ||
	    world_command("ip link set " NEAR_END " address 02:5e:00:00:00:01 && ip link set " FAR_END
			  " address 02:5e:00:00:00:02 && ip addr add 192.0.2.1/24 dev " NEAR_END))
		return -1;
	return pair_listen();
}

int pair_close(void **state)
{
	(void)state;
	close(near_fd);
	close(far_fd);
	return 0;
}

void expect_frame_at(int fd, const struct frame *f)
{
	assert_int_equal(capture_next(fd, &captured), 0);
	assert_int_equal(captured.len, f->len);
	assert_memory_equal(captured.data, f->data, f->len);
}

void expect_captured(int fd, const struct spec *s)
{
	struct frame f;

	frame_build(s, &f);
	expect_frame_at(fd, &f);
}

void expect_silence(void)
{
	assert_true(capture_is_silent(far_fd, near_fd));
	assert_true(capture_is_silent(near_fd, far_fd));
}
