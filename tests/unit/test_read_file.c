/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that others write are read in part, and never waited for. */
#include "unit/work_dir.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/read_file.h"

static void put(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void test_whole_files(void **state)
{
	static const size_t sizes[] = {1, 4095, 4096, 4097, 200000};
	char *data = malloc(200000);
	struct buf b = {};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < 200000; i++)
		data[i] = i % 251;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		put("file", data, sizes[i]);
		buf_clear(&b);
		assert_int_equal(read_file("file", sizes[i], &b, &st), 0);
		assert_int_equal(b.len, sizes[i]);
		assert_memory_equal(b.data, data, sizes[i]);
		assert_int_equal(b.data[b.len], 0);
		assert_int_equal(st.st_size, sizes[i]);
	}
	unlink("file");
	buf_free(&b);
	free(data);
}

static void test_empty(void **state)
{
	struct buf b = {};

	(void)state;
	put("file", "", 0);
	assert_int_equal(read_file("file", 10, &b, NULL), 0);
	assert_int_equal(b.len, 0);
	buf_free(&b);
	unlink("file");
}

static void test_only_so_much(void **state)
{
	struct buf b = {};

	(void)state;
	put("file", "0123456789", 10);
	buf_puts(&b, ">");
	assert_int_equal(read_file("file", 9, &b, NULL), -EFBIG);
	assert_string_equal(b.data, ">012345678");
	assert_int_equal(read_file("file", 10, &b, NULL), 0);
	assert_string_equal(b.data, ">0123456780123456789");
	buf_free(&b);
	unlink("file");
}

/* As long as nobody knows how long they are. */
static void test_proc(void **state)
{
	struct buf b = {};

	(void)state;
	assert_int_equal(read_file("/proc/self/status", 1 << 20, &b, NULL), 0);
	assert_int_equal(strncmp(b.data, "Name:\t", 6), 0);
	assert_non_null(strstr(b.data, "\nPid:\t"));
	buf_free(&b);
}

static void test_no_files(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buf b = {};

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	put("file", "", 0);
	assert_int_equal(read_file("fifo", 10, &b, NULL), -ENOTSUP);
	assert_int_equal(read_file("socket", 10, &b, NULL), -ENOTSUP);
	assert_int_equal(read_file("/dev/zero", 10, &b, NULL), -ENOTSUP);
	assert_int_equal(read_file(".", 10, &b, NULL), -ENOTSUP);
	assert_int_equal(read_file("missing", 10, &b, NULL), -ENOENT);
	assert_int_equal(read_file("file/below", 10, &b, NULL), -ENOTDIR);
	assert_int_equal(read_file("loop", 10, &b, NULL), -ELOOP);
	assert_int_equal(b.len, 0);
	buf_free(&b);
	close(fd);
	unlink("fifo");
	unlink("socket");
	unlink("loop");
	unlink("file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_files),  cmocka_unit_test(test_empty),
		cmocka_unit_test(test_only_so_much), cmocka_unit_test(test_proc),
		cmocka_unit_test(test_no_files),
	};

	return cmocka_run_group_tests(tests, work_dir_enter, work_dir_leave);
}
