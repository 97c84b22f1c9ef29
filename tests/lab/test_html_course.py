# SPDX-License-Identifier: BSD-2-Clause
"""Expectations, phases, waits and changes in a rendered report.html, and the page of a suite."""
import hashlib
import json
import os
import unittest

import test_html as made
from test_html import HOSTILE, MS, NARROWEST, START, WIDE, ZERO, at

SPOIL = HOSTILE  # the name of a step that changes a file
CANARY = "a tenth of all connections to the exchange, " * 5 + "and no more"  # the name of a phase
LONG = {"exec": ["sh", "-c", "redis-cli ping | grep -q PONG || " * 20 + "exit 1"], "throughout": "900ms"}


class Course(made.Log):
    """A step that spoils a file, one kill, two expectations of two instances each, two phases and a wait."""

    def __init__(self, folder, name="course", last_passes=False):
        super().__init__(folder, name)
        path = os.path.join(folder, "plan.json")
        with open(path, encoding="utf-8") as f:
            plan = json.load(f)
        times = {"at_ns": 0, "for_ns": 0, "times": 1, "every_ns": 0, "targets": [], "fault": None, "until_end": False}
        plan["steps"] = [
            {**times, "name": SPOIL, "line": 9, "kind": "file", "for_ns": 1000 * MS,
             "file": {"path": "/etc/x", "change": "truncate"}},
            {**times, "name": "kill", "line": 10, "kind": "signal",
             "signal": {"name": "SIGKILL", "process": {"name": "feeder"}}},
            {**times, "name": "back", "line": 11, "kind": "expect", "for_ns": 900 * MS, "times": 2},
            {**times, "name": "quiet", "line": 12, "kind": "expect", "for_ns": 900 * MS},
            {**times, "name": "settled", "line": 13, "kind": "wait"}]
        plan.update(rules=[], slo=[], disabled=["turned off"])
        with open(path, "w", encoding="utf-8") as f:
            json.dump(plan, f)
        self.spoiled, self.killed = at(100), at(2500)
        self.decisions = [("back", 1, at(0), at(900), at(400), True), ("back", 2, at(2000), at(2900), at(2900), last_passes),
                          ("quiet", 1, at(0), at(900), at(900), True)]
        events = [(START, "run.start", None, None, {"name": name, "seed": 7, "version": "0", "command": [], "host": "h",
                                                    "operator": "o", "interfaces": ["eth0"], "kernel": "6", "attach": "tcx",
                                                    "pid": 1, "meta": {}}),
                  (ZERO, "baseline.end", None, None, {"zero_ns": ZERO}),
                  (at(3990), "conns", None, None, {"seen": 0, "evicted": 0, "untracked": 0}),
                  (at(4000), "run.end", None, None, {"outcome": "pass", "reason": None, "balanced": True, "lost": 0})]
        events += self.changes() + self.phases() + [self.decision(*d) for d in self.decisions]
        for when in range(-900, 4000, 100):
            down = 2600 <= when < 3100
            events.append((at(when), "probe.down" if down else "probe.up", None, None,
                           {"probe": "gateway", "latency_ns": 1000, "changed": when in (-900, 2600, 3100)}))
        for event in sorted(events, key=lambda e: e[0]):
            self.put(*event)

    def put(self, mono_ns, kind, step, instance, data):
        event = {"seq": len(self.lines) + 1, "ts_ns": mono_ns + 1_700_000_000 * 10**9, "mono_ns": mono_ns, "type": kind}
        if step:
            event["step"] = step
        if instance:
            event["instance"] = instance
        event.update(data=data, prev=self.prev)
        line = json.dumps(event, separators=(",", ":"))
        self.prev = hashlib.sha256(line.encode()).hexdigest()
        self.lines.append(line)

    def changes(self):
        spoil = {"kind": "file", "path": "/etc/x", "opens_ns": at(0), "closes_ns": at(1000), "cut": False}
        kill = {"kind": "signal", "signal": "SIGKILL", "pid": 7, "opens_ns": at(2500), "closes_ns": at(2500), "cut": False}
        return [(self.spoiled, "step.start", SPOIL, 1, spoil),
                (at(1100), "step.undo", SPOIL, 1, {"kind": "file", "result": "taken back", "reason": None}),
                (at(1100), "step.end", SPOIL, 1, spoil),
                (self.killed, "step.start", "kill", 1, kill), (self.killed, "step.end", "kill", 1, kill),
                (at(1200), "step.start", "settled", None, {"kind": "wait"}),
                (at(1600), "step.end", "settled", None, {"kind": "wait", "result": "fulfilled"}),
                (at(1602), "zero", "settled", None, {"zero_ns": at(402)})]

    @staticmethod
    def phases():
        shadow = {"name": "shadow", "index": 0, "share": 1.0, "shadow": True}
        canary = {"name": CANARY, "index": 1, "share": 0.1, "shadow": False}
        return [(at(0), "phase.start", None, None, {**shadow, "set": {"loss": HOSTILE}}),
                (at(2000), "phase.end", None, None, {**shadow, "result": "promoted"}),
                (at(2000), "phase.start", None, None, canary),
                (at(4000) - 1, "phase.end", None, None, {**canary, "result": "done"})]

    @staticmethod
    def decision(step, instance, opens, closes, decided, passes):
        condition = LONG if step == "quiet" else {"probe": "gateway", "equals": HOSTILE, "within": "900ms"}
        data = {"expectation": {"expect": condition}, "how": "within",
                "opens_ns": opens, "closes_ns": closes, "decided_ns": decided, "samples": 4,
                "seen": "healthy" if passes else "healthy at no time", "value": None}
        return decided + MS, "expect.pass" if passes else "expect.fail", step, instance, data


class Page(made.HtmlTest):
    def setUp(self):
        super().setUp()
        self.log = Course(os.path.join(self.lab.folder, "course"))
        self.page = self.report(self.log.write(), status=1)

    def text(self, selector):
        return self.browser.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")

    def test_quiet(self):
        for width in (WIDE, NARROWEST):
            self.browser.open(self.page, width)
            self.check_quiet(self.page)
            self.check_links()
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('img, script').length"), 0)

    def test_expectations(self):
        self.browser.open(self.page)
        self.assertEqual(self.text("#verdict"), ["EXPECTATION FAILED"])
        self.assertTrue(self.text(".lead")[0].endswith("1 of 3 expectations failed: back #2: healthy at no time."))
        rows = self.browser.evaluate("[...document.querySelectorAll('#expectations tbody tr')].map(e => ({...e.dataset}))")
        self.assertEqual([(r["step"], r["instance"], r["pass"]) for r in rows],
                         [("back", "1", "true"), ("quiet", "1", "true"), ("back", "2", "false")])
        self.assertIn(f"probe=gateway equals='{HOSTILE}' within=900ms", self.text("#expectations td.w"))
        scale = START, at(4000)
        line, = self.rects("#time-line")
        marks = self.rects("#time-line .lane.expect .mark")
        self.assertEqual({(m["step"], m["instance"], m["kind"]) for m in marks},
                         {("back", "1", "met"), ("back", "2", "failed"), ("quiet", "1", "met")})
        for mark in marks:
            _, _, _, _, decided, _ = next(d for d in self.log.decisions if (d[0], str(d[1])) == (mark["step"], mark["instance"]))
            self.assertEqual(int(mark["ns"]), decided)
            self.assertIn("expect.", json.loads(self.log.lines[int(mark["seq"]) - 1])["type"])
            place = line["left"] + (line["right"] - line["left"]) * (decided - scale[0]) / (scale[1] - scale[0])
            self.assertLess(abs(place - (mark["left"] + mark["right"]) / 2), 8)
        spans = self.rects("#time-line .asked-for")
        self.assertEqual(sorted((int(s["fromNs"]), int(s["toNs"])) for s in spans),
                         sorted((d[2], d[3]) for d in self.log.decisions))

    def test_long_words(self):
        """What has no room on the time line ends in an ellipsis there, and is whole in its tooltip and its table."""
        whole = f"exec={json.dumps(LONG['exec'], separators=(',', ':'))} throughout=900ms"
        for width in (WIDE, 400):
            self.browser.open(self.page, width)
            self.check_quiet(self.page)
            line, = self.rects("#time-line")
            for text in self.rects("#time-line text, #time-line .label"):
                self.assertLessEqual(text["right"], line["right"] + 1)
            self.assertIn(f"quiet: {whole}", self.browser.evaluate(
                "[...document.querySelectorAll('#time-line .lane.expect .label')].map(e => e.title)"))
            self.assertIn(whole, self.text("#expectations td.w"))
            self.assertTrue(all(self.text("#time-line .label")))
        self.browser.open(self.page, WIDE)
        self.assertEqual(self.browser.evaluate(
            "[...document.querySelectorAll('#time-line .label')].filter(e => e.scrollWidth > e.clientWidth)"
            ".map(e => e.firstChild.textContent.trim())"), [CANARY, "quiet"])

    def test_changes_are_windows(self):
        self.browser.open(self.page)
        bars = {b["step"]: b for b in self.rects("#time-line .window")}
        self.assertEqual(set(bars), {SPOIL, "kill"})
        self.assertEqual((int(bars[SPOIL]["openedNs"]), int(bars[SPOIL]["closedNs"])), (self.log.spoiled, at(1100)))
        self.assertEqual((int(bars["kill"]["openedNs"]), int(bars["kill"]["closedNs"])), (at(2500), at(2500)))
        self.assertEqual(json.loads(self.log.lines[int(bars["kill"]["seq"]) - 1])["type"], "step.start")
        cells = self.text("#windows tbody td.w")
        self.assertIn("file=/etc/x change=truncate for 1s", cells)
        self.assertIn("signal=SIGKILL name=feeder", cells)
        self.assertTrue(any(c.startswith("taken back") for c in cells), cells)
        with open(self.page, encoding="utf-8") as f:
            self.assertIn("turned off", f.read())

    def test_phases_and_waits(self):
        self.browser.open(self.page)
        stages = self.rects("#time-line .lane.phases .stage")
        self.assertEqual([(int(s["fromNs"]), int(s["toNs"])) for s in stages],
                         [(at(0), at(2000)), (at(2000), at(4000) - 1)])
        wait, = self.rects("#time-line .lane.waits .stage")
        self.assertEqual((int(wait["fromNs"]), int(wait["toNs"])), (at(1200), at(1600)))
        rows = self.browser.evaluate("[...document.querySelectorAll('#phases tbody tr')].map(e => ({...e.dataset}))")
        self.assertEqual([(r["phase"], r["result"]) for r in rows], [("shadow", "promoted"), (CANARY, "done")])
        self.assertIn(f"loss='{HOSTILE}'", self.text("#phases td"))

    def test_recovery_of_a_kill(self):
        with self.subTest("behind the first unhealthy sample"):
            done = self.lab.call("report", self.log.folder, "--format", "json")
            windows = {p["probe"]: p for p in [json.loads(done.stdout)["probes"][0]]}
            self.assertEqual(windows["gateway"]["recovery"]["max_ns"], 600 * MS)


class Suite(made.HtmlTest):
    """The page of several runs, as a suite leaves it."""

    def test_suite(self):
        folder = os.path.join(self.lab.folder, "suite")
        os.mkdir(folder)
        Course(os.path.join(folder, "01-good"), "good", last_passes=True).write()
        Course(os.path.join(folder, "02-bad"), "bad").write()
        entries = [{"name": name, "file": f"{name}.yaml", "run": run, "outcome": outcome, "reason": reason, "exit": status,
                    "started_ts_ns": started, "ended_ts_ns": started}
                   for name, run, outcome, reason, status, started in
                   (("good", "01-good", "pass", None, 0, 1), ("bad", "02-bad", "slo-missed", None, 1, 2),
                    (HOSTILE, "03-refused", "refused", HOSTILE, 3, 1_800_000_000 * 10**9),
                    ("never", "04-never", "not-run", None, 0, None))]
        self.lab.write({"version": 1, "name": HOSTILE, "source": "drills", "keep_going": True, "scenarios": entries},
                       "suite/suite.json")
        done = self.lab.call("report", folder)
        self.assertEqual(done.status, 130, done.stderr)  # it would have gone on
        page = os.path.join(folder, "report.html")
        for width in (WIDE, NARROWEST):
            self.browser.open(page, width)
            self.check_quiet(page)
            self.check_links()
        self.assertEqual(self.browser.evaluate("document.querySelector('h1').textContent"), HOSTILE)
        self.assertEqual(self.browser.evaluate("document.querySelector('#verdict').textContent"), "1 of 4 passed")
        rows = self.browser.evaluate("[...document.querySelectorAll('#runs tbody tr')].map(e => ({...e.dataset, "
                                     "href: e.querySelector('a')?.getAttribute('href') ?? null}))")
        self.assertEqual([(r["run"], r["outcome"], r["href"]) for r in rows],
                         [("01-good", "pass", "01-good/report.html"), ("02-bad", "slo-missed", "02-bad/report.html"),
                          ("03-refused", "refused", None), ("04-never", "not-run", None)])
        self.assertEqual(self.browser.evaluate("[...document.querySelectorAll('#misses tbody tr')].map(e => e.dataset.run)"),
                         ["02-bad"])
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('img, script').length"), 0)


if __name__ == "__main__":
    unittest.main()
