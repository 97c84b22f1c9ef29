# SPDX-License-Identifier: BSD-2-Clause
"""report.html in a browser: drawn where the events say, quiet, in both themes, on small screens and on paper."""
import hashlib
import json
import os
import re
import threading
import unittest

from again import Again
from chromium import PROGRAM, Browser
from lab import DEVICE, HERE, SHEARPIN, TCP, THERE, V4, LabTest, Namespace, wait_until

PORT = 4000
START, ZERO = 50_000_000_000_000, 50_002_000_000_000  # CLOCK_MONOTONIC of run.start and baseline.end
WIDE, NARROW, NARROWEST = 1280, 390, 360
MS = 1_000_000
PATH = "10.1.0.1>10.1.0.2:40001/tcp"
HOSTILE = '<img src=x onerror="alert(1)">'


def at(ms):
    return ZERO + ms * MS


class Log:
    """A run directory as shearpin writes it."""

    def __init__(self, folder, name="made-up"):
        os.mkdir(folder)
        self.folder, self.lines, self.prev = folder, [], "0" * 64
        plan = {"version": 1, "name": name, "description": HOSTILE, "source": "made-up.yaml", "seed": 7,
                "interfaces": ["eth0"], "meta": {"build": HOSTILE}, "baseline_ns": 2000 * MS, "recovery_ns": 5000 * MS,
                "length_ns": 8000 * MS, "limits": {"packets": 0, "flows": 0, "duration_ns": 0},
                "targets": [{"name": "front", "proto": "tcp", "remote": ["10.1.0.2/32"], "remote_port": ["40001"],
                             "local_port": [], "interface": [], "direction": "both", "share": 1.0}],
                "probes": [{"name": "gateway", "kind": "tcp", "host": "10.1.0.2", "port": 40001,
                            "every_ns": 200 * MS, "timeout_ns": 1000 * MS}],
                "steps": [{"name": "cut", "line": 9, "fault": {"reset": "both"}, "targets": ["front"], "at_ns": 0,
                           "for_ns": 2000 * MS, "times": 2, "every_ns": 6000 * MS, "burst_on_ns": 0,
                           "burst_off_ns": 0}],
                "rules": [{"id": 0, "step": "cut", "target": "front", "hooks": []}],
                "evidence": "flows", "capture": False,
                "slo": [{"key": "recovery_p99", "limit": 3000 * MS, "step": None, "probe": None, "target": None,
                         "by": "any"}]}
        with open(os.path.join(folder, "plan.json"), "w", encoding="utf-8") as f:
            json.dump(plan, f)

    def add(self, mono_ns, kind, data, instance=None, flow=None):
        event = {"seq": len(self.lines) + 1, "ts_ns": mono_ns + 1_700_000_000 * 10**9, "mono_ns": mono_ns, "type": kind}
        if instance:
            event.update(step="cut", instance=instance)
        if instance or flow:
            event["target"] = "front"
        if flow:
            event["flow"] = flow
        event.update(data=data, prev=self.prev)
        line = json.dumps(event, separators=(",", ":"))
        self.prev = hashlib.sha256(line.encode()).hexdigest()
        self.lines.append(line)

    def write(self):
        with open(os.path.join(self.folder, "events.jsonl"), "w", encoding="utf-8") as f:
            f.write("".join(line + "\n" for line in self.lines))
        return self.folder


def summary(**known):
    """The summary of a connection (docs/run-directory.md)."""
    return {"opener": "out", "attempt_ns": None, "established_ns": None, "first_in_ns": None, "first_out_ns": None,
            "last_in_ns": None, "last_out_ns": None, "syns": 1, "packets_in": 4, "packets_out": 5, "bytes_in": 90,
            "bytes_out": 80, "resent_in": 0, "resent_out": 1, "gap_in_ns": None, "gap_out_ns": None,
            "process": {"pid": 4711, "comm": "feeder", "cgroup": "/system.slice/feeder.service"}, **known}


class MadeUp(Log):
    """Two windows; the client is reset, tries again and again, and comes back after each."""

    OPENINGS = (0, 6000)
    CLOSING = 2000
    ATTEMPTS = (30, 230, 630, 1430, 2100)  # ms after an opening; the last one gets through
    PORTS = 41000

    def __init__(self, folder, name="made-up"):
        super().__init__(folder, name)
        events = [(START, "run.start", {"name": name, "seed": 7, "version": "0", "command": ["shearpin", "run", HOSTILE],
                                        "host": "trade-1", "operator": HOSTILE, "interfaces": ["eth0"],
                                        "kernel": "6.18.0", "attach": "tcx", "line": "none", "pid": 1,
                                        "meta": {"build": HOSTILE}}),
                  (START, "clock", {"offset_ns": 1_700_000_000 * 10**9, "error_ns": 100}),
                  (ZERO, "baseline.end", {"zero_ns": ZERO})]
        self.attempts = []
        for number, opening in enumerate(self.OPENINGS, 1):
            events += self.window(number, opening)
        last = self.OPENINGS[-1] + 5000
        events += [(at(last), "conns", {"seen": 12, "evicted": 0, "untracked": 0}),
                   (at(last), "packets", {"fragments": 0, "unparsable": 0, "own": 3}),
                   (at(last), "run.end", {"outcome": "pass", "reason": None, "balanced": True, "lost": 0})]
        for when in range(-1900, last, 200):
            events.append((at(when), *self.sample(when)))
        for event in sorted(events, key=lambda e: e[0]):
            self.add(*event)

    def sample(self, when):
        down = any(100 <= when - opening < self.CLOSING + 300 for opening in self.OPENINGS)
        before = any(100 <= when - 200 - opening < self.CLOSING + 300 for opening in self.OPENINGS)
        data = {"probe": "gateway", "latency_ns": 310_000, "changed": down != before or when == -1900}
        return ("probe.down", {**data, "error": "refused"}) if down else ("probe.up", data)

    def window(self, number, opening):
        times = {"rule": 0, "opens_ns": at(opening), "closes_ns": at(opening + self.CLOSING)}
        fault = {"reset": "both"}
        flow = f"10.1.0.1:{self.PORTS + number * 100}>10.1.0.2:40001/tcp"
        hit = at(opening) + 1_234_567
        events = [(at(opening), "fault.open", {**times, "fault": fault}, number),
                  (hit, "flow.hit", {"rule": 0, "verdict": "reset", "hook": "tc-egress", "direction": "out",
                                     "idle": False}, number, flow),
                  (hit + 1000, "conn.reset", {"by": "fault", **summary(opener=None)}, number, flow)]
        for n, after in enumerate(self.ATTEMPTS, 1):
            events += self.attempt(number, n, opening + after)
        counters = dict.fromkeys(("passed", "dropped", "refused", "delayed", "duplicated", "altered", "suppressed",
                                  "untracked", "failed", "idle_reset"), 0)
        events.append((at(opening + self.CLOSING), "fault.close",
                       {**times, "first_hit_ns": hit, "last_hit_ns": at(opening + 1430), "fault": fault, "matched": 5,
                        "reset": 5, "bytes": 300, "flows": 5, **counters, "cut": False}, number))
        return events

    def attempt(self, number, n, when):
        flow = f"10.1.0.1:{self.PORTS + number * 100 + n}>10.1.0.2:40001/tcp"
        through = n == len(self.ATTEMPTS)
        self.attempts.append(at(when))
        step = None if through else number
        data = {"opener": "out", "process": summary()["process"]}
        if not through:
            return [(at(when), "conn.attempt", {**data, "verdict": "reset"}, step, flow),
                    (at(when) + 1000, "conn.refused", {"by": "fault", **summary(attempt_ns=at(when))}, step, flow)]
        done = at(when) + MS
        return [(at(when), "conn.attempt", data, step, flow),
                (done, "conn.established", {"opener": "out", "attempt_ns": at(when), "syns": 1}, step, flow),
                (done + MS, "conn.first_data", {"direction": "out", "opener": "out", "established_ns": done}, step, flow),
                (done + 2 * MS, "conn.first_data", {"direction": "in", "opener": "out", "established_ns": done}, step,
                 flow)]


RECTS = """(selector => [...document.querySelectorAll(selector)].map(e => {
    const box = e.getBoundingClientRect();
    return {...e.dataset, left: box.left, right: box.right, top: box.top, bottom: box.bottom};
}))"""


@unittest.skipUnless(PROGRAM, "there is no chromium")
class HtmlTest(Again, LabTest):
    """With one browser for all tests of a class, which reaches nothing over the network."""

    @classmethod
    def setUpClass(cls):
        space = Namespace()
        cls.addClassCleanup(space.close)
        with space:
            cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def report(self, *runs, status=0):
        page = os.path.join(self.lab.folder, "report.html")
        done = self.lab.call("report", *runs, "--format", "html", "-o", page)
        self.assertEqual(done.status, status, done.stderr)
        return page

    def rects(self, selector):
        return self.browser.evaluate(f"{RECTS}({json.dumps(selector)})")

    def check_quiet(self, page):
        """Nothing in the console, nothing asked for but the page itself, nothing wider than the screen."""
        self.assertEqual(self.browser.messages, [])
        self.assertEqual(self.browser.requests, [f"file://{page}"])
        self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"),
                             self.browser.evaluate("innerWidth"))

    def check_links(self):
        """Every reference within the page has its aim, and every id is the only one of its kind."""
        self.assertEqual(self.browser.evaluate(
            "[...document.querySelectorAll('[href^=\"#\"]')].map(e => e.getAttribute('href').slice(1))"
            ".filter(id => !document.getElementById(id))"), [])
        self.assertEqual(self.browser.evaluate(
            "(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))"), 0)

    def check_place(self, line, mono_ns, scale, x):
        """The page may be off by a pixel, not by more."""
        expected = line["left"] + (line["right"] - line["left"]) * (mono_ns - scale[0]) / (scale[1] - scale[0])
        self.assertLessEqual(abs(expected - x), 1, (mono_ns, expected, x))

    def check_windows(self, events):
        """Each window is a bar from its opening to its closing, on the scale from run.start to run.end."""
        scale = events[0]["mono_ns"], events[-1]["mono_ns"]
        line, = self.rects("#time-line")
        bars = self.rects("#time-line .window")
        closes = {(e["step"], str(e["instance"])): e for e in events if e["type"] == "fault.close"}
        self.assertEqual({(b["step"], b["instance"]) for b in bars}, set(closes))
        self.assertEqual(len(bars), len(closes))
        for bar in bars:
            close = closes[bar["step"], bar["instance"]]
            self.check_place(line, close["data"]["opens_ns"], scale, bar["left"])
            self.check_place(line, close["mono_ns"], scale, bar["right"])
            self.assertEqual(int(bar["openedNs"]), close["data"]["opens_ns"])
            self.assertEqual(events[int(bar["seq"]) - 1]["type"], "fault.open")
        return line, scale


class Drawn(HtmlTest):
    """A run made up to the nanosecond."""

    def setUp(self):
        super().setUp()
        self.log = MadeUp(os.path.join(self.lab.folder, "made-up"))
        self.page = self.report(self.log.write())
        self.events = [json.loads(line) for line in self.log.lines]

    def test_time_line(self):
        for width in (WIDE, NARROW):
            with self.subTest(width=width):
                self.browser.open(self.page, width)
                self.check_quiet(self.page)
                line, scale = self.check_windows(self.events)
                self.assertEqual([r.get("step") for r in self.rects(".lane.step")], ["cut"])
                self.assertEqual([r["probe"] for r in self.rects(".lane.probe")], ["gateway"])
                self.assertEqual([r["path"] for r in self.rects(".lane.path")], [PATH])
                ticks = self.rects("#time-line line.try")
                self.assertEqual([int(t["ns"]) for t in ticks], self.log.attempts)
                for tick in ticks:
                    self.check_place(line, int(tick["ns"]), scale, (tick["left"] + tick["right"]) / 2)
                spans = self.rects(".lane.probe .up, .lane.probe .down")
                changes = [e for e in self.events if e["type"].startswith("probe.") and e["data"]["changed"]]
                self.assertEqual([int(s["seq"]) for s in spans], [e["seq"] for e in changes])
                for span, event in zip(spans, changes):
                    self.check_place(line, event["mono_ns"], scale, span["left"])

    def test_marks(self):
        """Marks rest on the events that they name."""
        self.browser.open(self.page)
        line, scale = self.check_windows(self.events)
        marks = self.rects("#time-line .mark")
        kinds = sorted(m["kind"] for m in marks)
        self.assertEqual(kinds, sorted(["seen", "back"] * 2 + ["hit", "reset", "back"] * 2))
        for mark in marks:
            event = self.events[int(mark["seq"]) - 1]
            self.assertEqual(event["mono_ns"], int(mark["ns"]))
            self.check_place(line, event["mono_ns"], scale, (mark["left"] + mark["right"]) / 2)
            self.assertIn(event["type"], {"seen": ["probe.down"], "back": ["probe.up", "conn.first_data"],
                                          "hit": ["flow.hit"], "reset": ["conn.reset"]}[mark["kind"]])

    def test_distribution(self):
        self.browser.open(self.page)
        for by in ("probe", "flow"):
            figure = f".distribution[data-by={by}]"
            chart, = self.rects(f"{figure} .plot > svg")
            dots = self.rects(f"{figure} .dot")
            self.assertEqual(len(dots), 2)
            for dot in dots:
                self.check_place(chart, int(dot["ns"]), (0, int(chart["toNs"])), (dot["left"] + dot["right"]) / 2)
        line, = self.rects(".distribution[data-by=probe] .limit")
        chart, = self.rects(".distribution[data-by=probe] .plot > svg")
        self.check_place(chart, 3000 * MS, (0, int(chart["toNs"])), (line["left"] + line["right"]) / 2)

    def test_text(self):
        """What a reader takes along, and names that would be markup."""
        self.browser.open(self.page)
        self.assertEqual(self.browser.evaluate("document.title"), "PASS: made-up")
        self.assertEqual(self.browser.evaluate("document.querySelector('#verdict').textContent"), "PASS")
        self.assertEqual(self.browser.evaluate("document.querySelector('.about').textContent"), HOSTILE)
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('img, script, iframe').length"), 0)
        self.assertEqual(self.browser.evaluate("document.documentElement.lang"), "en")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('#windows tbody tr').length"), 2)
        self.check_links()

    def test_comparison(self):
        again = MadeUp(os.path.join(self.lab.folder, "again")).write()
        page = self.report(self.log.folder, again)
        for width in (WIDE, NARROW):
            self.browser.open(page, width)
            self.check_quiet(page)
            self.check_links()
            self.assertEqual(self.browser.evaluate("document.querySelectorAll('#runs tbody tr').length"), 2)

    def test_incomplete(self):
        """A log that is cut says so first, and its page is drawn all the same."""
        folder = self.log.folder
        with open(os.path.join(folder, "events.jsonl"), "r+b") as f:
            f.truncate(os.path.getsize(f.name) * 3 // 4)
        page = self.report(folder, status=5)
        self.browser.open(page)
        self.check_quiet(page)
        self.check_links()
        self.assertTrue(self.browser.evaluate("document.title").startswith("INCOMPLETE, HOST FAILED: "))
        self.assertTrue(self.browser.evaluate("document.querySelector('header').firstElementChild.textContent")
                        .startswith("INCOMPLETE"))


class Themes(HtmlTest):
    def setUp(self):
        super().setUp()
        self.page = self.report(MadeUp(os.path.join(self.lab.folder, "made-up")).write())

    @staticmethod
    def luminance(colour):
        """Relative luminance, as WCAG 2.1 defines it."""
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def colour(self, selector, what):
        return self.luminance(self.browser.evaluate(
            f"getComputedStyle(document.querySelector({json.dumps(selector)})).{what}"))

    def check_contrast(self, selector, background, least=4.5):
        light, dark = sorted((self.colour(selector, "color"), background), reverse=True)
        self.assertGreaterEqual((light + 0.05) / (dark + 0.05), least, selector)

    def test_themes(self):
        for scheme, media in (("light", "screen"), ("dark", "screen"), ("light", "print"), ("dark", "print")):
            with self.subTest(scheme=scheme, media=media):
                self.browser.open(self.page, WIDE, scheme=scheme, media=media)
                self.check_quiet(self.page)
                background = self.colour("body", "backgroundColor")
                if scheme == "dark" and media == "screen":
                    self.assertLess(background, 0.05)
                else:
                    self.assertGreater(background, 0.9)
                for selector in ("body", "#verdict", ".fine", ".seq", "thead th", "dt", "a", ".pass"):
                    self.check_contrast(selector, background)

    def test_small_screens(self):
        for width in (NARROWEST, NARROW, 768):
            with self.subTest(width=width):
                self.browser.open(self.page, width)
                self.check_quiet(self.page)

    def test_paper(self):
        """Every page of print has its tables whole: none is wider than the sheet."""
        self.browser.open(self.page)
        pages = len(re.findall(rb"/Type\s*/Page\b", self.browser.pdf()))
        self.assertTrue(3 <= pages <= 12, pages)
        self.browser.open(self.page, 1030, media="print")  # A4 landscape between its margins
        for table in self.rects(".scroll"):
            self.assertLessEqual(table["right"], 1031)
        self.assertEqual(self.browser.evaluate(
            "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > 1031).length"), 0)


class Drill(HtmlTest):
    """A drill of its own, with a client that comes back."""

    def serve(self, listener):
        while True:
            try:
                s = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.echo, args=(s,), daemon=True).start()

    @staticmethod
    def echo(s):
        with s:
            try:
                while data := s.recv(4096):
                    s.sendall(data)
            except OSError:
                pass

    def exchange(self, s):
        """One word and its echo, over the connection that is there or a new one; the connection, or None."""
        try:
            if not s:
                s = self.lab.here.socket(V4, TCP)
                s.settimeout(2)
                s.connect((THERE[V4], PORT))
            s.sendall(b"tick")
            if s.recv(4096):
                return s
        except OSError:
            pass
        s.close()
        return None

    def test_drill(self):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        threading.Thread(target=self.serve, args=(listener,), daemon=True).start()
        run = lab.run({"version": 1, "name": "shown", "interface": DEVICE,
                       "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
                       "probes": {"gateway": {"tcp": f"{THERE[V4]}:{PORT}", "every": "50ms", "timeout": "10s"}},
                       "baseline": "500ms", "recovery": "60s",
                       "steps": [{"name": "cut", "at": "0s", "fault": {"reset": "both"}, "target": "front",
                                  "for": "300ms", "repeat": {"times": 2, "every": "2s"}}],
                       "slo": [{"recovery_p99": "60s"}]})
        connection = None

        def exchange():
            nonlocal connection
            connection = self.exchange(connection)
            return not run.running()

        wait_until(exchange, "the end of the drill")
        if connection:
            connection.close()
        listener.close()
        self.assert_ended(run, 0)
        page, events = run.path("report.html"), run.events()
        self.browser.open(page)
        self.check_quiet(page)
        self.check_links()
        self.check_windows(events)
        self.assertEqual(self.browser.evaluate("document.querySelector('#verdict').dataset.outcome"), "pass")
        self.assertEqual([r["probe"] for r in self.rects(".lane.probe")], ["gateway"])
        self.assertEqual([r["path"] for r in self.rects(".lane.path")], [f"{HERE[V4]}>{THERE[V4]}:{PORT}/tcp"])
        times = {e["mono_ns"] for e in events if e["type"] == "conn.attempt"}
        ticks = [int(t["ns"]) for t in self.rects("#time-line line.try")]
        self.assertTrue(ticks)
        self.assertEqual([t for t in ticks if t not in times], [])
        with open(page, "rb") as made, open(self.report(run.out), "rb") as again:
            self.assertEqual(made.read(), again.read())


if __name__ == "__main__":
    assert os.path.exists(SHEARPIN)
    unittest.main()
