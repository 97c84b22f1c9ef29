# SPDX-License-Identifier: BSD-2-Clause
"""Faults that know a protocol, beside each other and beside those that don't: what each does is done, and counted."""
import socket
import threading
import unittest

from again import Again
from lab import HOLD, FAMILIES, LabTest, name_of, wait_until

PORT = 8080
BODY = b"the body"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def read_response(client):
    data = b""
    while not data.endswith(BODY):
        piece = client.recv(65536)
        if not piece:
            break
        data += piece
    return data


class Server:
    """Answers whatever comes on a connection with the same response."""

    def __init__(self, lab, family):
        self.listener = lab.listen(lab.there, family, PORT)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        connection, _ = self.listener.accept()
        with connection:
            while connection.recv(65536):
                connection.sendall(RESPONSE)

    def join(self):
        self.thread.join()
        self.listener.close()


class Beside(Again, LabTest):
    def begin(self, *faults):
        steps = [{"name": f"step{i}", "at": "0s", "for": HOLD, "fault": fault, "target": "web"}
                 for i, fault in enumerate(faults)]
        run = self.lab.run({"version": 1, "name": "beside", "interface": "test0", "seed": 7,
                            "targets": {"web": {"proto": "tcp", "remote_port": PORT}}, "steps": steps})
        run.opened(len(faults))
        return run

    def ask(self, times=1):
        """The first lines of the responses on one connection of each family; each has its body."""
        lines = []
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                server = Server(self.lab, family)
                client = self.lab.socket(self.lab.here, family, socket.SOCK_STREAM)
                client.connect((self.lab.address(self.lab.there, family), PORT))
                for _ in range(times):
                    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    head, body = read_response(client).split(b"\r\n\r\n")
                    self.assertEqual(body, BODY)
                    lines.append(head.split(b"\r\n")[0].decode())
                client.close()
                server.join()
                self.wait_closed()
        return lines

    def wait_closed(self):
        """The last packet of a connection is the client's acknowledgement of the server's FIN."""
        wait_until(lambda: not self.lab.there.call("ss", "-tanH", "sport", "=", f":{PORT}"), "the connection's end")

    def finish(self, run):
        run.stop()
        closed = run.events("fault.close")
        for event in closed:
            data = event["data"]
            parts = ("passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")
            self.assertEqual(data["matched"], sum(data[part] for part in parts), event)
            self.assertEqual(data["failed"], 0, event)
        return {event["step"]: event["data"] for event in closed}

    def test_status_and_delay(self):
        """One fault: the response is altered and waits, all else only waits."""
        run = self.begin({"http": 503, "delay": "20ms"})
        self.assertEqual(self.ask(3), ["HTTP/1.1 503 OK"] * 6)
        counters = self.finish(run)["step0"]
        self.assertEqual(counters["altered"], 6)
        self.assertEqual(counters["passed"], 0)
        self.assertEqual(counters["receipt"]["entered"], counters["matched"])
        self.assertEqual(counters["receipt"]["returned"], counters["matched"])

    def test_two_steps(self):
        """One step alters, the other one delays what it sees; both count the response."""
        run = self.begin({"http": 503}, {"delay": "20ms"})
        self.assertEqual(self.ask(2), ["HTTP/1.1 503 OK"] * 4)
        counters = self.finish(run)
        self.assertEqual(counters["step0"]["altered"], 4)
        self.assertEqual(counters["step1"]["delayed"], counters["step1"]["matched"])
        self.assertEqual(counters["step0"]["matched"], counters["step1"]["matched"])

    def test_copies(self):
        """The copy of an altered response is altered, too: whichever comes first."""
        run = self.begin({"http": 503, "duplicate": "100%"})
        self.assertEqual(self.ask(2), ["HTTP/1.1 503 OK"] * 4)
        counters = self.finish(run)["step0"]
        self.assertEqual(counters["altered"], 4)

    def test_loss_is_harder(self):
        """What is lost is not altered; what is sent again is altered as the first time."""
        run = self.begin({"http": 503}, {"loss": "20%"})
        self.assertEqual(self.ask(10), ["HTTP/1.1 503 OK"] * 20)
        counters = self.finish(run)
        self.assertGreater(counters["step1"]["dropped"], 0)
        self.assertGreaterEqual(counters["step0"]["altered"], 20)


if __name__ == "__main__":
    unittest.main()
