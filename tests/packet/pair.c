/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/pair.h"

#include <unistd.h>

#include "packet/capture.h"
#include "packet/scene.h"

int near_fd, far_fd;

int pair_open(void **state)
{
	(void)state;
	if (world_make() ||
	    world_command("ip link set " NEAR_END " address 02:5e:00:00:00:01 && ip link set " FAR_END
			  " address 02:5e:00:00:00:02 && ip addr add 192.0.2.1/24 dev " NEAR_END))
		return -1;
	near_fd = capture_open(NEAR_END);
	far_fd = capture_open(FAR_END);
	return near_fd < 0 || far_fd < 0;
}

int pair_close(void **state)
{
	(void)state;
	close(near_fd);
	close(far_fd);
	return 0;
}
