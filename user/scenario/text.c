/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Bytes of the character at s, 0 when it is none; *ret_code is what it stands for. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *ret_code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t bytes = *s < 0x80 ? 1 : *s < 0xc0 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf8 ? 4 : 0;
	uint32_t code = bytes == 1 ? *s : *s & (0x7f >> bytes);

	if (!bytes || bytes > len)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return bytes;
}

static const char *fault_of(uint32_t code)
{
	if (code == 0)
		return "a NUL byte";
	if (code < 0x20 && code != '\t' && code != '\n' && code != '\r')
		return "a control character";
	if (code >= 0x7f && code < 0xa0)
		return "a control character";
	if (code == 0xfffe || code == 0xffff || code == 0xfeff)
		return "a byte-order mark or no character at all";
	if (code == 0x2028 || code == 0x2029)
		return "a line separator that editors do not show";
	return NULL;
}

int check_text(const char *text, size_t len, struct text_fault *ret_fault)
{
	unsigned line = 1, col = 1;

	for (size_t i = 0; i < len;) {
		uint32_t code = 0;
		size_t bytes = decode((const unsigned char *)text + i, len - i, &code);
		const char *what = bytes ? fault_of(code) : "a byte that is no UTF-8";

		if (what) {
			*ret_fault = (struct text_fault){line, col, what};
			return -EILSEQ;
		}
		i += bytes;
		col++;
		if (code == '\n' || (code == '\r' && (i >= len || text[i] != '\n'))) {
			line++;
			col = 1;
		}
	}
	return 0;
}

int text_read(const char *path, size_t most, char **ret_text, size_t *ret_len)
{
	const size_t size = most + 1;
	char *text = malloc(size);
	size_t len = 0;
	int fd = -1, err = 0;

	if (!text)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		err = -errno;
	while (!err && len < size) {
		ssize_t got = read(fd, text + len, size - len);

		if (got > 0)
			len += got;
		else if (got == 0)
			break;
		else if (errno != EINTR)
			err = -errno;
	}
	if (fd >= 0)
		close(fd);
	if (err) {
		free(text);
		return err;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}
