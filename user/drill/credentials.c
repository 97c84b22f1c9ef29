/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define LONGEST (1024 * 1024) /* bytes of a file */

/* Up to `max` bytes; the number read, or a negative errno. */
static ssize_t read_all(int fd, char *to, size_t max)
{
	size_t len = 0;
	ssize_t n;

	while (len < max && (n = read(fd, to + len, max - len)) != 0) {
		if (n < 0)
			return -errno;
		len += n;
	}
	return len;
}

/* -EFBIG: it is no such file. Something to read that is no file, such as a pipe, is none either. */
static int read_text(const char *path, char **ret_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat found;
	ssize_t len;
	char *text;

	if (fd < 0)
		return -errno;
	len = fstat(fd, &found) ? -errno : !S_ISREG(found.st_mode) || found.st_size > LONGEST ? -EFBIG : 0;
	text = len ? NULL : calloc(1, LONGEST + 1);
	if (!len)
		len = text ? read_all(fd, text, LONGEST) : -ENOMEM;
	close(fd);
	if (len < 0) {
		free(text);
		return len;
	}
	*ret_text = text;
	return 0;
}

static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static X509 *parse_certificate(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *parse_key(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static int read_file(const char *what, const char *path, char **ret_text, char *reason, size_t size)
{
	int err = read_text(path, ret_text);

	if (err)
		snprintf(reason, size, "can't read the %s %s: %s", what, path,
			 err == -EFBIG ? "it is no file of a certificate's size" : strerror(-err));
	return err;
}

static int match(const char *certificate_path, const char *key_path, const struct credentials *c,
		 char *reason, size_t size)
{
	X509 *certificate = parse_certificate(c->certificate);
	EVP_PKEY *key = certificate ? parse_key(c->key) : NULL;
	int err = -EINVAL;

	if (!certificate)
		snprintf(reason, size, "%s holds no certificate in PEM form", certificate_path);
	else if (!key)
		snprintf(reason, size, "%s holds no private key in PEM form, or one with a passphrase",
			 key_path);
	else if (X509_check_private_key(certificate, key) != 1)
		snprintf(reason, size, "the key in %s is not that of the certificate in %s", key_path,
			 certificate_path);
	else
		err = 0;
	ERR_clear_error();
	EVP_PKEY_free(key);
	X509_free(certificate);
	return err;
}

int credentials_read(const char *certificate_path, const char *key_path, struct credentials *ret,
		     char *ret_reason, size_t size)
{
	int err;

	*ret = (struct credentials){0};
	err = read_file("certificate", certificate_path, &ret->certificate, ret_reason, size);
	if (!err)
		err = read_file("key", key_path, &ret->key, ret_reason, size);
	if (!err)
		err = match(certificate_path, key_path, ret, ret_reason, size);
	if (err)
		credentials_free(ret);
	return err;
}

void credentials_free(struct credentials *credentials)
{
	free(credentials->certificate);
	if (credentials->key)
		OPENSSL_cleanse(credentials->key, strlen(credentials->key));
	free(credentials->key);
	*credentials = (struct credentials){0};
}
