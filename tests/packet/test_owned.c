/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that name an owner, through the production programs. What a test run sends out has a socket of this process's cgroup;
 * what it lets in is this process's if it has made a socket for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/owned.h"
#include "kernel/rehearse.h"
#include "packet/frame.h"
#include "packet/scene.h"

#define GROUP "shearpin-test-owned"
#define HOOKS (PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT)

static char own[4096];            /* this process's cgroup */
static char other_path[2 * 4096]; /* the directory of one below it, with nobody in it */
static char other[2 * 4096];
static char mounted[4096];

enum rule {
	MINE,
	ABOVE, /* of the root */
	OTHERS,
	ANYBODYS,
	N_RULES,
};

struct world {
	struct scene *scene;
	struct owned *owned;
};

static void load(struct world *w, bool told)
{
	static const struct plan_fault loss = {.drop_every = 1000000};
	struct plan_target targets[N_RULES] = {
		[MINE] = {.cgroup = own}, [ABOVE] = {.cgroup = (char *)"/"}, [OTHERS] = {.cgroup = other}};
	char reason[320] = "";

	w->owned = NULL;
	assert_int_equal(scene_new(NEAR_END, &w->scene), 0);
	for (int r = 0; r < N_RULES; r++) {
		targets[r].name = (char *)"target";
		scene_rule(w->scene, &targets[r], &loss, HOOKS);
	}
	assert_int_equal(scene_load(w->scene), 0);
	if (told) {
		assert_int_equal(owned_open(&w->scene->plan, &w->owned, reason, sizeof(reason)), 0);
		assert_int_equal(owned_tell(w->owned, w->scene->engine, reason, sizeof(reason)), 0);
	}
	scene_arm(w->scene);
}

static void drop_world(struct world *w)
{
	owned_close(w->owned);
	scene_free(w->scene);
}

/* Which of the rules have matched the packet, as bits. */
static unsigned match(const struct world *w, const struct spec *s, enum sp_hook hook)
{
	static struct ran ran;
	struct sp_counters before, after;
	static struct frame f;
	unsigned found = 0;
	uint64_t was[N_RULES];

	for (int r = 0; r < N_RULES; r++) {
		assert_int_equal(engine_counters(w->scene->engine, r, &before), 0);
		was[r] = before.matched;
	}
	frame_build(s, &f);
	assert_int_equal(run_at(w->scene, hook, f.data, f.len, &ran), 0);
	assert_int_equal(ran.len, f.len);
	assert_memory_equal(ran.frame, f.data, f.len);
	for (int r = 0; r < N_RULES; r++) {
		assert_int_equal(engine_counters(w->scene->engine, r, &after), 0);
		assert_in_range(after.matched - was[r], 0, 1);
		found |= (after.matched - was[r]) << r;
	}
	return found;
}

#define NOBODYS (1U << ANYBODYS)
#define OURS (NOBODYS | 1U << MINE | 1U << ABOVE)

static struct spec segment(int family, bool out, uint8_t flags)
{
	struct spec s = packet(family, IPPROTO_TCP, out);

	s.flags = flags;
	s.vlans = family == 6; /* a tag is in nobody's way */
	return s;
}

/* A socket of this end; of TCP, it listens. */
static int make_socket(int family, int kind)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(near_end.port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(near_end.port)};
	int fd = socket(family == 4 ? AF_INET : AF_INET6, kind | SOCK_CLOEXEC, 0);

	memcpy(&a4.sin_addr, near_end.addr4, 4);
	memcpy(&a6.sin6_addr, near_end.addr6, 16);
	assert_true(fd >= 0);
	if (family == 4)
		assert_int_equal(bind(fd, (struct sockaddr *)&a4, sizeof(a4)), 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&a6, sizeof(a6)), 0);
	if (kind == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* Before the owners are told: nobody's. */
static void matches_nobody_at_first(void **state)
{
	struct spec s = segment(4, true, ACK);
	struct world w;

	(void)state;
	load(&w, false);
	assert_int_equal(match(&w, &s, SP_HOOK_TC_OUT), NOBODYS);
	drop_world(&w);
}

/* A flow that was seen going out is known when it comes in, until a SYN begins another one. */
static void remembers_connections(void **state)
{
	struct world w;

	(void)state;
	load(&w, true);
	for (int family = 4; family <= 6; family += 2) {
		struct spec in = segment(family, false, ACK), out = segment(family, true, ACK);
		struct spec syn = segment(family, false, SYN);

		assert_int_equal(match(&w, &in, SP_HOOK_TC_IN), NOBODYS);
		assert_int_equal(match(&w, &out, SP_HOOK_TC_OUT), OURS);
		assert_int_equal(match(&w, &in, SP_HOOK_TC_IN), OURS);
		in.from.port++;
		assert_int_equal(match(&w, &in, SP_HOOK_TC_IN), NOBODYS);
		in.from.port--;
		assert_int_equal(match(&w, &syn, SP_HOOK_TC_IN), NOBODYS);
		assert_int_equal(match(&w, &in, SP_HOOK_TC_IN), NOBODYS);
	}
	drop_world(&w);
}

/* A datagram has no memory: it is the socket's that is there when it comes. */
static void looks_sockets_up(void **state)
{
	static const struct {
		uint8_t proto;
		int kind;
		uint8_t flags;
	} kinds[] = {{IPPROTO_UDP, SOCK_DGRAM, 0}, {IPPROTO_TCP, SOCK_STREAM, SYN}};
	struct world w;

	(void)state;
	load(&w, true);
	for (int family = 4; family <= 6; family += 2)
		for (size_t k = 0; k < 2; k++) {
			struct spec s = packet(family, kinds[k].proto, false);
			int fd;

			s.flags = kinds[k].flags;
			s.vlans = family == 4;
			assert_int_equal(match(&w, &s, SP_HOOK_TC_IN), NOBODYS);
			fd = make_socket(family, kinds[k].kind);
			assert_int_equal(match(&w, &s, SP_HOOK_TC_IN), OURS);
			s.to.port++;
			assert_int_equal(match(&w, &s, SP_HOOK_TC_IN), NOBODYS);
			s.to.port--;
			close(fd);
			if (kinds[k].proto == IPPROTO_TCP)
				assert_int_equal(match(&w, &s, SP_HOOK_TC_IN), NOBODYS);
		}
	drop_world(&w);
}

/* No TCP, no UDP: by the socket that it leaves by. */
static void knows_other_protocols(void **state)
{
	struct spec out = packet(4, IPPROTO_ICMP, true), in = packet(4, IPPROTO_ICMP, false);
	struct world w;

	(void)state;
	load(&w, true);
	assert_int_equal(match(&w, &in, SP_HOOK_TC_IN), NOBODYS);
	assert_int_equal(match(&w, &out, SP_HOOK_TC_OUT), OURS);
	assert_int_equal(match(&w, &in, SP_HOOK_TC_IN), OURS);
	drop_world(&w);
}

/* The owner is gone: at once, also for what is remembered. */
static void forgets_who_is_gone(void **state)
{
	struct spec out = segment(4, true, ACK), in = segment(4, false, ACK);
	const struct owned_item *gone;
	struct world w;
	size_t n;

	(void)state;
	load(&w, true);
	assert_int_equal(owned_items(w.owned, &n)[OTHERS].gone, false);
	assert_int_equal(n, N_RULES - 1);
	assert_int_equal(match(&w, &out, SP_HOOK_TC_OUT), OURS);
	assert_null(owned_next_gone(w.owned, 1));
	w.scene->skel->bss->owner_rules.w[0] &= ~(1ULL << MINE);
	assert_int_equal(match(&w, &out, SP_HOOK_TC_OUT), OURS & ~(1U << MINE));
	assert_int_equal(match(&w, &in, SP_HOOK_TC_IN), OURS & ~(1U << MINE));
	assert_int_equal(rmdir(other_path), 0);
	assert_null(owned_next_gone(w.owned, 2)); /* not yet looked at again */
	gone = owned_next_gone(w.owned, UINT64_MAX - 1);
	assert_non_null(gone);
	assert_int_equal(gone->target, OTHERS);
	assert_true(gone->gone);
	assert_null(owned_next_gone(w.owned, UINT64_MAX));
	assert_false(w.scene->skel->bss->owner_rules.w[0] & 1ULL << OTHERS);
	assert_int_equal(mkdir(other_path, 0755), 0);
	drop_world(&w);
}

/* In rehearsal an owner might be anybody's, unless a connected socket says whose the flow is. */
static void is_careful_in_rehearsal(void **state)
{
	struct spec out = segment(4, true, ACK);
	static struct frame f;
	struct world w;
	int rule;

	(void)state;
	load(&w, true);
	engine_disarm(w.scene->engine);
	frame_build(&out, &f);
	w.scene->skel->bss->any_owner = (struct sp_bits){0};
	assert_int_equal(
		rehearse(w.scene->skel, SP_HOOK_TC_OUT, w.scene->interface.ifindex, f.data, f.len, &rule), 0);
	assert_int_equal(rule, MINE);
	w.scene->skel->bss->owner_rules = (struct sp_bits){0};
	assert_int_equal(
		rehearse(w.scene->skel, SP_HOOK_TC_OUT, w.scene->interface.ifindex, f.data, f.len, &rule), 0);
	assert_int_equal(rule, -1);
	drop_world(&w);
}

/* The mount of cgroup2; one of this process's own, where there is none. */
static int find_mount(char *text, size_t size)
{
	FILE *file = fopen("/proc/self/mounts", "re");
	char line[4096], type[64];
	bool found = false;

	if (!file)
		return -errno;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s %4095s %63s", text, type) == 2 && !strcmp(type, "cgroup2");
	fclose(file);
	if (found)
		return 0;
	snprintf(mounted, sizeof(mounted), "/tmp/shearpin-test-XXXXXX");
	snprintf(text, size, "%s", mkdtemp(mounted) ?: "");
	return mount("none", mounted, "cgroup2", 0, NULL) ? -errno : 0;
}

static int set_up(void **state)
{
	char line[4096] = "", at[4096];
	FILE *file = fopen("/proc/self/cgroup", "re");

	(void)state;
	if (!file || find_mount(at, sizeof(at)))
		return -1;
	while (strncmp(line, "0::", 3) && fgets(line, sizeof(line), file))
		;
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	snprintf(own, sizeof(own), "%.4000s", line + 3);
	snprintf(other, sizeof(other), "%s/" GROUP ".%d", own[1] ? own : "", getpid());
	snprintf(other_path, sizeof(other_path), "%.4000s%.4090s", at, other);
	if (mkdir(other_path, 0755) || world_make())
		return -1;
	return world_command("ip addr add %d.%d.%d.%d/24 dev " NEAR_END, near_end.addr4[0], near_end.addr4[1],
			     near_end.addr4[2], near_end.addr4[3])
		       ?: world_command("ip addr add "
					"%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%"
					"02x/64 "
					"dev " NEAR_END " nodad",
					near_end.addr6[0], near_end.addr6[1], near_end.addr6[2],
					near_end.addr6[3], near_end.addr6[4], near_end.addr6[5],
					near_end.addr6[6], near_end.addr6[7], near_end.addr6[8],
					near_end.addr6[9], near_end.addr6[10], near_end.addr6[11],
					near_end.addr6[12], near_end.addr6[13], near_end.addr6[14],
					near_end.addr6[15]);
}

static int tear_down(void **state)
{
	(void)state;
	rmdir(other_path);
	if (mounted[0]) {
		umount2(mounted, MNT_DETACH);
		rmdir(mounted);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_nobody_at_first), cmocka_unit_test(remembers_connections),
		cmocka_unit_test(looks_sockets_up),        cmocka_unit_test(knows_other_protocols),
		cmocka_unit_test(forgets_who_is_gone),     cmocka_unit_test(is_careful_in_rehearsal),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
