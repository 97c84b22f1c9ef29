/* SPDX-License-Identifier: BSD-2-Clause */
/* A certificate and its key from files, and what is wrong with others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "drill/credentials.h"

static char directory[] = "/tmp/shearpin-credentials-XXXXXX";

static FILE *create(const char *name)
{
	FILE *file = fopen(name, "we");

	assert_non_null(file);
	return file;
}

static void write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
	FILE *file = create(name);

	assert_int_equal(PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL,
					      (const unsigned char *)passphrase,
					      passphrase ? strlen(passphrase) : 0, NULL, NULL),
			 1);
	fclose(file);
}

static void add_certificate(FILE *file, EVP_PKEY *key, const char *common_name)
{
	X509 *x = X509_new();

	assert_non_null(x);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(file, x), 1);
	X509_free(x);
}

static void write_certificate(const char *name, EVP_PKEY *key)
{
	FILE *file = create(name);

	add_certificate(file, key, "api.example.com");
	fclose(file);
}

static int make_files(void **state)
{
	EVP_PKEY *mine = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	FILE *both, *chain, *text;

	(void)state;
	if (!mkdtemp(directory) || chdir(directory) || !mine || !other)
		return -1;
	write_key("key.pem", mine, NULL);
	write_key("other.pem", other, NULL);
	write_key("locked.pem", mine, "secret");
	write_certificate("cert.pem", mine);
	both = create("both.pem");
	PEM_write_PrivateKey(both, mine, NULL, NULL, 0, NULL, NULL);
	add_certificate(both, mine, "api.example.com");
	fclose(both);
	chain = create("chain.pem");
	add_certificate(chain, mine, "api.example.com");
	add_certificate(chain, other, "the one above");
	fclose(chain);
	text = create("text.pem");
	fputs("-----BEGIN CERTIFICATE-----\nnonsense\n", text);
	fclose(text);
	fclose(create("empty.pem"));
	fclose(create("large.pem"));
	EVP_PKEY_free(mine);
	EVP_PKEY_free(other);
	return truncate("large.pem", 2 * 1024 * 1024) || mkdir("folder", 0700) || mkfifo("pipe", 0600);
}

static int remove_files(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return chdir("/") || system(command);
}

static void reads(const char *certificate, const char *key)
{
	struct credentials c;
	char reason[200] = "";

	assert_int_equal(credentials_read(certificate, key, &c, reason, sizeof(reason)), 0);
	assert_non_null(strstr(c.certificate, "-----BEGIN CERTIFICATE-----"));
	assert_non_null(strstr(c.key, "-----BEGIN PRIVATE KEY-----"));
	credentials_free(&c);
	assert_null(c.certificate);
	credentials_free(&c);
}

static void reads_what_fits(void **state)
{
	(void)state;
	reads("cert.pem", "key.pem");
	reads("chain.pem", "key.pem");
	reads("both.pem", "both.pem");
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *certificate, *key;
		int err;
		const char *reason;
	} cases[] = {
		{"none.pem", "key.pem", -ENOENT,
		 "can't read the certificate none.pem: No such file or directory"},
		{"cert.pem", "none.pem", -ENOENT, "can't read the key none.pem: No such file or directory"},
		{"folder", "key.pem", -EFBIG,
		 "can't read the certificate folder: it is no file of a certificate's "
		 "size"},
		{"pipe", "key.pem", -EFBIG,
		 "can't read the certificate pipe: it is no file of a certificate's "
		 "size"},
		{"large.pem", "key.pem", -EFBIG,
		 "can't read the certificate large.pem: it is no file of a certificate's "
		 "size"},
		{"empty.pem", "key.pem", -EINVAL, "empty.pem holds no certificate in PEM form"},
		{"text.pem", "key.pem", -EINVAL, "text.pem holds no certificate in PEM form"},
		{"key.pem", "cert.pem", -EINVAL, "key.pem holds no certificate in PEM form"},
		{"cert.pem", "cert.pem", -EINVAL,
		 "cert.pem holds no private key in PEM form, or one with a passphrase"},
		{"cert.pem", "locked.pem", -EINVAL,
		 "locked.pem holds no private key in PEM form, or one with a passphrase"},
		{"cert.pem", "other.pem", -EINVAL,
		 "the key in other.pem is not that of the certificate in cert.pem"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct credentials c;
		char reason[200] = "";

		assert_int_equal(
			credentials_read(cases[i].certificate, cases[i].key, &c, reason, sizeof(reason)),
			cases[i].err);
		assert_string_equal(reason, cases[i].reason);
		assert_null(c.certificate);
		assert_null(c.key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_fits),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
