# SPDX-License-Identifier: BSD-2-Clause
"""Databases of a lab: PostgreSQL and redis, each with its data in the lab's folder."""
import glob
import os
import select
import shutil
import signal
import subprocess

from lab import V4, wait_until

# All of redis's programs are one, which goes by its name; redis-tools has the last of these.
REDIS = next(filter(None, map(shutil.which, ("redis-server", "redis-check-rdb"))), None)
REDIS_CLI = shutil.which("redis-cli")
PSQL = shutil.which("psql")
POSTGRES = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), reverse=True)), shutil.which("postgres"))
OWNER = "nobody"  # PostgreSQL does not run as root


class Server:
    """A process in `space`, which is ended with close()."""

    def __init__(self, space, argv, **options):
        self.space = space
        with space:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL, **options)

    def wait_ready(self, ask, what):
        complaints = []

        def look():
            assert self.process.poll() is None, f"{what} has ended with {self.process.returncode}"
            with self.space:
                answer = subprocess.run(ask, capture_output=True, text=True, check=False)
            complaints.append(answer.stderr)
            return answer.returncode == 0

        try:
            wait_until(look, what)
        except AssertionError as e:
            self.close()
            raise AssertionError(f"{e}: {complaints[-1:]}") from None

    def close(self):
        self.process.kill()
        self.process.wait()


class Redis(Server):
    def __init__(self, lab, space, port):
        self.address = lab.address(space, V4)
        super().__init__(space, ["redis-server", "--port", str(port), "--bind", self.address, "--save", "",
                                 "--protected-mode", "no", "--dir", lab.folder], executable=REDIS)
        self.ask_words = ["redis-cli", "-h", self.address, "-p", str(port)]
        self.wait_ready([*self.ask_words, "ping"], "redis")

    def ask(self, *words):
        """Beside the server, not through a fault."""
        return self.space.call(*self.ask_words, *words)


class Postgres(Server):
    def __init__(self, lab, space, port):
        self.address = lab.address(space, V4)
        self.port = port
        folder = os.path.join(lab.folder, "postgres")
        os.mkdir(folder)
        shutil.chown(folder, OWNER)
        subprocess.run([os.path.join(os.path.dirname(POSTGRES), "initdb"), "-D", f"{folder}/data", "-N", "-A", "trust",
                        "-U", "postgres", "--no-locale", "-E", "UTF8"], user=OWNER, check=True, cwd=folder,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f"{folder}/data/pg_hba.conf", "w", encoding="ascii") as f:
            f.write("host all all all trust\n")
        super().__init__(space, [POSTGRES, "-D", f"{folder}/data", "-h", self.address, "-p", str(port), "-k", "", "-F",
                                 "-c", "shared_buffers=4MB", "-c", "autovacuum=off", "-c", "max_connections=20"],
                         user=OWNER, cwd=folder)
        self.wait_ready([PSQL, "-XAt", self.url(), "-c", "select 1"], "PostgreSQL")

    def url(self, **options):
        words = "&".join(f"{k}={v}" for k, v in options.items())
        return f"postgresql://postgres@{self.address}:{self.port}/postgres?{words}"

    def ask(self, sql):
        """Beside the server, not through a fault."""
        return self.space.call(PSQL, "-XAt", self.url(), "-c", sql)

    def close(self):
        """All of its processes at once, as in a crash."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGSTOP)  # or it tells those that are left of the crash
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            children = [os.pidfd_open(int(pid)) for pid in f.read().split()]
        for child in children:
            try:
                signal.pidfd_send_signal(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
            select.select([child], [], [])
            os.close(child)
        self.process.kill()
        self.process.wait()
