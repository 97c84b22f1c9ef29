/* SPDX-License-Identifier: BSD-2-Clause */
/* The capture file, byte by byte, against draft-ietf-opsawg-pcapng. */
#include "unit/run_dir.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "evidence/pcapng.h"

#define NAME "capture.pcapng"
#define TS 0x18ea4fd4f1e2a3b4ULL

static const struct pcapng_section empty;

static struct pcapng *open_file(const struct run_dir *dir, const struct pcapng_section *section)
{
	struct pcapng *file = NULL;

	assert_int_equal(pcapng_open(dir->fd, NAME, section, &file), 0);
	assert_non_null(file);
	return file;
}

static uint32_t word(const char *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

/* Every block is whole and says its length at both ends. Returns how many blocks of the type there are. */
static int count_blocks(const char *data, size_t len, uint32_t type)
{
	size_t at = 0, n;
	int found = 0;

	for (; at < len; at += n) {
		assert_true(len - at >= 12);
		n = word(data + at + 4);
		assert_true(n % 4 == 0 && n >= 12 && n <= len - at);
		assert_int_equal(word(data + at + n - 4), n);
		found += word(data + at) == type;
	}
	assert_int_equal(at, len);
	return found;
}

/* clang-format off */
static const uint8_t whole[] = {
	/* section */
	0x0a, 0x0d, 0x0d, 0x0a, 80, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	1, 0, 5, 0, 'd', 'r', 'i', 'l', 'l', 0, 0, 0,
	2, 0, 6, 0, 'x', '8', '6', '_', '6', '4', 0, 0,
	3, 0, 5, 0, 'L', 'i', 'n', 'u', 'x', 0, 0, 0,
	4, 0, 8, 0, 's', 'h', 'e', 'a', 'r', 'p', 'i', 'n',
	0, 0, 0, 0, 80, 0, 0, 0,
	/* interface 0, with all it may have */
	1, 0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0, 0x08, 0, 0,
	2, 0, 4, 0, 'e', 't', 'h', '0',
	3, 0, 3, 0, 'h', 'i', 't', 0,
	9, 0, 1, 0, 9, 0, 0, 0,
	12, 0, 5, 0, 'L', 'i', 'n', 'u', 'x', 0, 0, 0,
	0, 0, 0, 0, 60, 0, 0, 0,
	/* interface 1, with the least */
	1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0x08, 0, 0,
	2, 0, 2, 0, 'l', 'o', 0, 0,
	9, 0, 1, 0, 9, 0, 0, 0,
	0, 0, 0, 0, 40, 0, 0, 0,
	/* 5 of 1514 bytes that go out by interface 1, with a comment */
	6, 0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0xd4, 0x4f, 0xea, 0x18, 0xb4, 0xa3, 0xe2, 0xf1,
	5, 0, 0, 0, 0xea, 0x05, 0, 0, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0, 0, 0,
	2, 0, 4, 0, 2, 0, 0, 0,
	1, 0, 4, 0, 'g', 'o', 'n', 'e',
	0, 0, 0, 0, 60, 0, 0, 0,
	/* 4 of 4 bytes that came in by interface 0 */
	6, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 0xd4, 0x4f, 0xea, 0x18, 0xb5, 0xa3, 0xe2, 0xf1,
	4, 0, 0, 0, 4, 0, 0, 0, 0xa1, 0xb2, 0xc3, 0xd4,
	2, 0, 4, 0, 1, 0, 0, 0,
	0, 0, 0, 0, 48, 0, 0, 0,
	/* statistics of interface 1 */
	5, 0, 0, 0, 96, 0, 0, 0, 1, 0, 0, 0, 0xd4, 0x4f, 0xea, 0x18, 0xb6, 0xa3, 0xe2, 0xf1,
	1, 0, 3, 0, 'a', 'l', 'l', 0,
	2, 0, 8, 0, 0xd4, 0x4f, 0xea, 0x18, 0xb4, 0xa3, 0xe2, 0xf1,
	3, 0, 8, 0, 0xd4, 0x4f, 0xea, 0x18, 0xb6, 0xa3, 0xe2, 0xf1,
	4, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0,
	7, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0,
	8, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 96, 0, 0, 0,
};
/* clang-format on */

static void writes_the_documented_bytes(void **state)
{
	static const uint8_t frame[] = {0xa1, 0xb2, 0xc3, 0xd4, 0xe5};
	const struct run_dir *dir = *state;
	const struct pcapng_section section = {
		.hardware = "x86_64", .os = "Linux", .application = "shearpin", .comment = "drill"};
	const struct pcapng_packet out = {.interface = 1,
					  .direction = PCAPNG_OUTBOUND,
					  .ts_ns = TS,
					  .len = 1514,
					  .captured = 5,
					  .data = frame,
					  .comment = "gone for good",
					  .comment_len = 4};
	const struct pcapng_packet in = {
		.direction = PCAPNG_INBOUND, .ts_ns = TS + 1, .len = 4, .captured = 4, .data = frame};
	const struct pcapng_statistics statistics = {
		.start_ns = TS, .end_ns = TS + 2, .received = 3, .lost = 2, .delivered = 1, .comment = "all"};
	struct pcapng *file = open_file(dir, &section);
	struct stat st;
	size_t len;
	char *data;

	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		skip();
	assert_int_equal(pcapng_interface(file, "eth0", "hit", "Linux"), 0);
	assert_int_equal(pcapng_interface(file, "lo", NULL, NULL), 0);
	assert_int_equal(pcapng_packet(file, &out), 0);
	assert_int_equal(pcapng_packet(file, &in), 0);
	assert_int_equal(pcapng_statistics(file, 1, &statistics), 0);
	assert_int_equal(pcapng_close(file), 0);
	data = get_file(dir->fd, NAME, &len);
	assert_int_equal(len, sizeof(whole));
	assert_memory_equal(data, whole, sizeof(whole));
	assert_int_equal(fstatat(dir->fd, NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	free(data);
}

static void refuses_what_it_cannot_describe(void **state)
{
	static const uint8_t frame[PCAPNG_SNAPLEN + 1];
	static const struct pcapng_packet bad[] = {
		{.interface = 1, .data = frame},
		{.len = 4, .captured = 5, .data = frame},
		{.len = PCAPNG_SNAPLEN + 1, .captured = PCAPNG_SNAPLEN + 1, .data = frame},
	};
	static const struct pcapng_packet good = {
		.len = PCAPNG_SNAPLEN, .captured = PCAPNG_SNAPLEN, .data = frame};
	static const struct pcapng_statistics none;
	const struct run_dir *dir = *state;
	struct pcapng *file = open_file(dir, &empty), *other = NULL;
	size_t len;
	char *data;

	assert_int_equal(pcapng_open(dir->fd, NAME, &empty, &other), -EEXIST);
	assert_int_equal(pcapng_open(dir->fd, "none/" NAME, &empty, &other), -ENOENT);
	assert_null(other);
	assert_int_equal(pcapng_interface(file, "eth0", NULL, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(pcapng_packet(file, &bad[i]), -EINVAL);
	assert_int_equal(pcapng_statistics(file, 1, &none), -EINVAL);
	assert_int_equal(pcapng_packet(file, &good), 0);
	assert_int_equal(pcapng_close(file), 0);
	assert_int_equal(pcapng_close(NULL), 0);
	data = get_file(dir->fd, NAME, &len);
	assert_int_equal(count_blocks(data, len, 6), 1);
	assert_int_equal(count_blocks(data, len, 5), 0);
	free(data);
}

/* At a length that the option holds, between two characters. */
static void cuts_long_texts(void **state)
{
	const struct run_dir *dir = *state;
	char text[3 * PCAPNG_TEXT];
	size_t len;
	char *data;

	for (size_t i = 0; i < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	for (size_t more = 0; more < 3; more++) {
		const struct pcapng_packet packet = {
			.data = "", .comment = text + more, .comment_len = sizeof(text) - more};
		struct pcapng *file = open_file(dir, &empty);

		assert_int_equal(pcapng_interface(file, "eth0", NULL, NULL), 0);
		assert_int_equal(pcapng_packet(file, &packet), 0);
		assert_int_equal(pcapng_close(file), 0);
		data = get_file(dir->fd, NAME, &len);
		assert_int_equal(count_blocks(data, len, 6), 1);
		len = word(data + len - 12 - (PCAPNG_TEXT + 3) / 4 * 4) >> 16;
		assert_int_equal((len + more) % 3, 0);
		assert_in_range(len, PCAPNG_TEXT - 2, PCAPNG_TEXT);
		free(data);
		assert_int_equal(unlinkat(dir->fd, NAME, 0), 0);
	}
}

/* More than fits into the buffer, in blocks of every size; nothing is allocated meanwhile. */
static void writes_many(void **state)
{
	static const uint8_t frame[PCAPNG_SNAPLEN];
	const struct run_dir *dir = *state;
	struct pcapng *file = open_file(dir, &empty);
	size_t before, len;
	char *data;

	assert_int_equal(pcapng_interface(file, "eth0", NULL, NULL), 0);
	before = mallinfo2().uordblks;
	for (uint32_t i = 0; i < 5000; i++) {
		const struct pcapng_packet packet = {.ts_ns = TS + i,
						     .len = 60 + i,
						     .captured = i % (PCAPNG_SNAPLEN + 1),
						     .data = frame,
						     .comment = "four",
						     .comment_len = i % 5};

		assert_int_equal(pcapng_packet(file, &packet), packet.captured > packet.len ? -EINVAL : 0);
	}
	assert_int_equal(mallinfo2().uordblks, before);
	assert_int_equal(pcapng_close(file), 0);
	data = get_file(dir->fd, NAME, &len);
	assert_int_equal(count_blocks(data, len, 6), 5000);
	free(data);
}

#define FULL 300000 /* bytes that a full disk has room for; within the second batch */

/* In a process of its own: the limit holds for all its files. */
static int fill_disk(const struct run_dir *dir)
{
	static const uint8_t frame[1000];
	static const struct pcapng_packet packet = {.len = 1000, .captured = 1000, .data = frame};
	const struct rlimit limit = {FULL, FULL};
	struct pcapng *file;
	int err = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) || pcapng_open(dir->fd, NAME, &empty, &file) ||
	    pcapng_interface(file, "eth0", NULL, NULL))
		return 1;
	for (int i = 0; !err && i < 1000; i++)
		err = pcapng_packet(file, &packet);
	if (err != -EFBIG)
		return 2;
	if (pcapng_packet(file, &packet) != -EFBIG || pcapng_flush(file) != -EFBIG ||
	    pcapng_interface(file, "eth1", NULL, NULL) != -EFBIG)
		return 3;
	return pcapng_close(file) == -EFBIG ? 0 : 4;
}

static void ends_with_a_whole_block_on_a_full_disk(void **state)
{
	const struct run_dir *dir = *state;
	pid_t pid = fork();
	size_t len;
	char *data;
	int status;

	assert_true(pid >= 0);
	if (!pid)
		_exit(fill_disk(dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	data = get_file(dir->fd, NAME, &len);
	assert_in_range(len, FULL - 1044, FULL);
	assert_int_equal(count_blocks(data, len, 6), (len - 28 - 44) / 1044);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_the_documented_bytes, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(refuses_what_it_cannot_describe, run_dir_setup,
						run_dir_teardown),
		cmocka_unit_test_setup_teardown(cuts_long_texts, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(writes_many, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(ends_with_a_whole_block_on_a_full_disk, run_dir_setup,
						run_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
