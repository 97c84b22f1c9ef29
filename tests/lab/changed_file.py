# SPDX-License-Identifier: BSD-2-Clause
"""A file with all that is to be put back, and runs that change it."""
import hashlib
import os

from changing import ChangeTest

CONTENT = b"".join(b"line %06d\n" % n for n in range(20000))
OWNER = 1234, 4321
MODE = 0o6640
TIMES = 1_000_000_001_123_456_789, 1_000_000_002_987_654_321


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class FileTest(ChangeTest):
    def setUp(self):
        super().setUp()
        self.file = self.make("file")
        self.before = self.look()

    def make(self, name, content=CONTENT):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(content)
        os.setxattr(path, "user.colour", b"grey\0green")
        os.chown(path, *OWNER)
        os.chmod(path, MODE)
        os.utime(path, ns=TIMES)
        return path

    def read(self, path=None):
        """Without a trace in the access time."""
        fd = os.open(path or self.file, os.O_RDONLY | os.O_NOATIME)
        with open(fd, "rb") as f:
            return f.read()

    def look(self, path=None):
        """All that is to be put back; None: there is no file."""
        path = path or self.file
        try:
            content = self.read(path)
        except FileNotFoundError:
            return None
        st = os.stat(path)
        attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
        return content, st.st_uid, st.st_gid, st.st_mode, st.st_atime_ns, st.st_mtime_ns, attributes

    def step(self, **file):
        """A change of the file, for as long as the run is left alone."""
        return {"file": {"path": self.file, **file}, "for": "300s"}

    def start(self, *steps, **more):
        """A run with all its windows open."""
        run = self.change(*steps, **more)
        run.wait_event("step.start", len(steps))
        return run
