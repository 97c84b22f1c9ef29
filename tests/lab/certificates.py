# SPDX-License-Identifier: BSD-2-Clause
"""Certificates of a lab."""
import os
import subprocess

CONFIGURATION = """
[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical, CA:TRUE
subjectKeyIdentifier = hash
"""


class Authority:
    """A certificate authority, and certificates that it has signed."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name)
        self.certificate = self.path + ".pem"
        self.request = "req", "-config", self.path + ".cnf"
        with open(self.path + ".cnf", "w", encoding="ascii") as f:
            f.write(CONFIGURATION)
        self.openssl(*self.request, "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", self.path + ".key", "-out", self.certificate)

    @staticmethod
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def sign(self, name, host, *addresses):
        """The paths of a certificate for a host and its addresses, and its key."""
        base = f"{self.path}-{name}"
        self.openssl(*self.request, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
                     "-keyout", base + ".key", "-out", base + ".csr")
        with open(base + ".ext", "w", encoding="ascii") as f:
            f.write("subjectAltName=" + ",".join([f"DNS:{host}", *(f"IP:{address}" for address in addresses)]) + "\n")
        self.openssl("x509", "-req", "-in", base + ".csr", "-CA", self.certificate, "-CAkey", self.path + ".key",
                     "-CAcreateserial", "-days", "2", "-extfile", base + ".ext", "-out", base + ".pem")
        return base + ".pem", base + ".key"
