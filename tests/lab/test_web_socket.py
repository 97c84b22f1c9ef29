# SPDX-License-Identifier: BSD-2-Clause
"""A feed over a WebSocket that lags, and one that is cut."""
import itertools
import json
import os
import subprocess
import sys
import unittest

from closing import PORT, ClosingTest
from lab import THERE, V4
from meets import meets

WEB_SOCKET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "web_socket.py")


def find_python():
    """One that has python3-websockets."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and not subprocess.run([python, "-c", "import websockets"], check=False,
                                                         stderr=subprocess.DEVNULL).returncode:
            return python
    return None


PYTHON = find_python()


@unittest.skipUnless(PYTHON, "there is no python3-websockets")
class WebSocket(ClosingTest):
    """The feeds of traders: what a client of a WebSocket meets."""

    def setUp(self):
        super().setUp()
        self.say(self.start(self.lab.there, "server", THERE[V4], str(PORT)), "ready")
        self.client = self.start(self.lab.here, "client", f"ws://{THERE[V4]}:{PORT}/")
        self.say(self.client, "ready")

    def start(self, space, *words):
        with space:
            process = subprocess.Popen([PYTHON, WEB_SOCKET, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def say(self, process, event, is_wanted=lambda said: True):
        """Its next line of that kind."""
        for line in itertools.islice(process.stdout, 10_000):
            said = json.loads(line)
            if said["event"] == event and is_wanted(said):
                return said
        raise AssertionError(f"no {event}: ended with {process.wait()}")

    def test_lag(self):
        run = self.inject("delay=150ms", "--remote-port", str(PORT))
        self.say(self.client, "pong", lambda said: said["rtt"] >= 0.3)
        self.assertGreater(self.end(run)["delayed"], 0)
        self.say(self.client, "pong", lambda said: said["rtt"] < 0.3)

    def test_disconnect(self):
        run = self.inject("disconnects=5/s", "--remote-port", str(PORT))
        closed = self.say(self.client, "closed")
        self.assertEqual(closed["code"], 1006)
        counters = self.end(run)  # a client that had no turn for a while was idle
        self.assertGreaterEqual(counters["reset"] + counters["idle_reset"], 1)
        meets("disconnects: 5/s", "python3-websockets, a client that pings", closed["error"])
        self.say(self.start(self.lab.here, "client", f"ws://{THERE[V4]}:{PORT}/"), "pong")


if __name__ == "__main__":
    unittest.main()
