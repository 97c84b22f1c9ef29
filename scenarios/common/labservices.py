# SPDX-License-Identifier: BSD-2-Clause
"""Real services of a lab, each a Program of a host that is ready when the function returns; restart() and stop() as of any other.
Their data are in the lab's folder and survive a restart."""
import os
import pwd
import shutil
import subprocess

from labworld import find_program


def answers(host, *argv):
    """Does the program end with 0, inside?"""
    with host:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=30, check=False).returncode == 0


def service_folder(host, name, user=None):
    path = os.path.join(host.lab.folder, name)
    os.makedirs(path, exist_ok=True)
    if user:
        shutil.chown(path, user, user)
    return path


def redis(host, name="redis", port=6379, *words):
    """On all addresses of the host, without a password. All of redis's programs are one, which goes by its name."""
    program = find_program("redis-server", "redis-check-rdb")
    folder = service_folder(host, name)
    return host.program(name, ["redis-server", "--port", port, "--bind", "0.0.0.0", "-::", "--save", "", "--protected-mode", "no",
                               "--dir", folder, *words], executable=program,
                        ready=lambda: answers(host, "redis-cli", "-p", str(port), "ping"))


def nginx(host, servers, port, name="nginx"):
    """`servers`: what stands in `http { }`; ready when the port of one of them accepts a connection."""
    folder = service_folder(host, name)
    path = os.path.join(folder, "nginx.conf")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"daemon off; worker_processes 1; user root; pid {folder}/nginx.pid; error_log stderr notice;\n"
                f"events {{ worker_connections 1024; }}\n"
                f"http {{ access_log off; {temporary}\n{servers}\n}}\n")
    return host.program(name, [find_program("nginx"), "-p", folder, "-c", path], ready=lambda: host.connects("127.0.0.1", port))


POSTGRES_OPTIONS = ("-c", "shared_buffers=8MB", "-c", "max_connections=40", "-c", "autovacuum=off")


def postgres(host, name="postgres", port=5432, options=POSTGRES_OPTIONS):
    """On all addresses, for anybody, as PostgreSQL's superuser `postgres`."""
    program, initdb = find_program("postgres"), find_program("initdb")
    if os.path.islink(program):
        program = os.path.realpath(program)
    user = "postgres" if has_user("postgres") else "nobody"
    folder = service_folder(host, name, user)
    data = os.path.join(folder, "data")
    subprocess.run([os.path.join(os.path.dirname(os.path.realpath(initdb)), "initdb"), "-D", data, "-N", "-A", "trust", "-U", "postgres",
                    "--no-locale", "-E", "UTF8"], user=user, extra_groups=[], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    with open(os.path.join(data, "pg_hba.conf"), "w", encoding="ascii") as f:
        f.write("host all all all trust\n")
    return host.program(name, [program, "-D", data, "-h", "*", "-p", port, "-k", "", "-F", *options], user=user, cwd=folder,
                        ready=lambda: answers(host, find_program("psql"), "-XAt", postgres_url("127.0.0.1", port), "-c", "select 1"))


def postgres_url(address, port=5432):
    return f"postgresql://postgres@{address}:{port}/postgres"


def has_user(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def prometheus(host, config, port=9090, name="prometheus"):
    """`config`: the text of prometheus.yml."""
    folder = service_folder(host, name)
    path = os.path.join(folder, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config)
    return host.program(name, [find_program("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={folder}/data",
                               f"--web.listen-address=0.0.0.0:{port}", "--log.level=warn"],
                        ready=lambda: answers(host, "curl", "-sf", f"http://127.0.0.1:{port}/-/ready"))


def dnsmasq(host, *words, name="dnsmasq", port=53):
    """A resolver for what `words` say ("--address=/api.example/10.1.0.2"), and nothing else."""
    folder = service_folder(host, name)
    return host.program(name, [find_program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                               f"--port={port}", f"--pid-file={folder}/dnsmasq.pid", "--user=root", *words],
                        ready=lambda: host.connects("127.0.0.1", port))
