# SPDX-License-Identifier: BSD-2-Clause
"""Web servers of a lab: nginx, and one that sends exactly what a test says."""
import os
import socket
import subprocess
import threading

from lab import FAMILIES, V6, wait_until

CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; user root;
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on; tcp_nopush off; keepalive_requests 100000; default_type text/plain;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        {listen}
        root {folder}/www;
        location /api/ {{ return 200 "orders\\n"; }}
        location = /health {{ return 200 "healthy\\n"; }}
        location = /empty {{ return 204; }}
        location = /moved {{ return 302 /health; }}
        location /chunked/ {{ gzip on; gzip_min_length 1; gzip_types *; alias {folder}/www/; }}
    }}
}}
"""


def quoted(address):
    return f"[{address}]" if ":" in address else address


def url(lab, space, family, port, path):
    """At the server in `space`."""
    return f"http://{quoted(lab.address(space, family))}:{port}{path}"


class Nginx:
    """At both addresses of a side, with these files; tls: (port, path of the certificate, of its key)."""

    def __init__(self, lab, space, ports, tls=None, **files):
        folder = os.path.join(lab.folder, "nginx")
        os.makedirs(os.path.join(folder, "www"))
        for name, data in files.items():
            with open(os.path.join(folder, "www", name), "wb") as f:
                f.write(data)
        self.log = os.path.join(folder, "nginx.log")
        listen = " ".join(f"listen {quoted(lab.address(space, family))}:{port};" for family in FAMILIES for port in ports)
        if tls:
            listen += "".join(f" listen {quoted(lab.address(space, family))}:{tls[0]} ssl;" for family in FAMILIES)
            listen += f" ssl_certificate {tls[1]}; ssl_certificate_key {tls[2]};"
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="ascii") as f:
            f.write(CONFIGURATION.format(folder=folder, listen=listen))
        with space:
            self.process = subprocess.Popen(["nginx", "-e", self.log, "-p", folder, "-c", f.name],
                                            stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.answers(space, lab.address(space, V6), ports[-1]), "nginx listens")
        except AssertionError:
            self.close()
            raise

    def answers(self, space, address, port):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8") as f:
                raise AssertionError(f"nginx has ended: {f.read()}")
        with space.socket(V6, socket.SOCK_STREAM) as s:
            return s.connect_ex((address, port)) == 0

    def close(self):
        self.process.kill()
        self.process.wait()


class Scripted:
    """On each connection sends the pieces of a response for each request (that fits a segment), a segment for each piece."""

    def __init__(self, lab, space, family, port, *pieces):
        self.pieces = pieces
        self.listener = lab.listen(space, family, port)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._answer(connection)

    def _answer(self, connection):
        try:
            while connection.recv(65536):
                for piece in self.pieces:
                    connection.sendall(piece)
                    wait_until(lambda: is_acknowledged(connection), "the segment's acknowledgement")
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def is_acknowledged(connection):
    """All that was sent: tcpi_unacked of struct tcp_info (linux/tcp.h)."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    return int.from_bytes(info[24:28], "little") == 0
