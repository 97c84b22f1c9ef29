# SPDX-License-Identifier: BSD-2-Clause
"""Expectations and waits, end to end: each subject and each kind is seen to be met and to be missed, and what was decided is
what the samples in the log say."""
import http.server
import json
import os
import socketserver
import subprocess
import threading
import time
import unittest

from again import Again
from lab import DEVICE, THERE, V4, LabTest, now_ns, wait_until

PORT, WEB_PORT = 4000, 8080
LONG = "120s"  # an expectation that is met long before
NS = 10 ** 9
GRACE_NS = NS  # what lines of a log are waited for, at least


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ready"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class ExpectTest(Again, LabTest):
    def path(self, name):
        return os.path.join(self.lab.folder, name)

    def put(self, name, text=""):
        """In one go, as the systems under test do."""
        with open(self.path(name + ".new"), "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.path(name + ".new"), self.path(name))

    def append(self, name, text):
        with open(self.path(name), "a", encoding="utf-8") as f:
            f.write(text)

    def serve(self):
        self.lab.listen(self.lab.there, V4, PORT)
        listener = self.lab.listen(self.lab.there, V4, WEB_PORT)
        server = socketserver.ThreadingTCPServer(THERE[V4], Page, bind_and_activate=False)
        server.daemon_threads = True
        server.socket.close()
        server.socket = listener
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)

    def drill(self, steps, *words, probe=True, **more):
        scenario = {
            "version": 1, "name": "hopes", "seed": 7, "interface": DEVICE,
            "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
            "baseline": "100ms", "recovery": LONG, **more, "steps": steps}
        if probe:
            scenario["probes"] = {"api": {"tcp": f"{THERE[V4]}:{PORT}", "every": "20ms", "timeout": "200ms"}}
        return self.lab.run(scenario, *words)

    @staticmethod
    def fault(at="0s", hold="500ms", **fault):
        return {"name": "cut", "at": at, "fault": fault or {"drop": True}, "target": "front", "for": hold}

    @staticmethod
    def expect(name, at="0s", **what):
        return {"name": name, "at": at, "expect": what}

    def decisions(self, run):
        """{step: (type, data)}; each is decided once, at a time of its window or, of lines, a little later."""
        found = {}
        for event in run.events("expect.pass", "expect.fail"):
            key = event["step"] if event["instance"] == 1 else (event["step"], event["instance"])
            self.assertNotIn(key, found)
            found[key] = event["type"].removeprefix("expect."), event["data"]
        return found

    def check(self, run, status, **results):
        self.assert_ended(run, status)
        found = self.decisions(run)
        self.assertEqual({step: result for step, (result, _) in found.items()}, results,
                         json.dumps(found, indent=1))
        return {step: data for step, (_, data) in found.items()}


class Subjects(ExpectTest):
    """All kinds of subjects at once, as they should be and as they shouldn't."""

    def subjects(self, counter, **how):
        return [
            self.expect("tcp", tcp=f"{THERE[V4]}:{PORT}", **how),
            self.expect("http", http=f"http://{THERE[V4]}:{WEB_PORT}/", expect_body="^ready$", **how),
            self.expect("file", file="ready", contains="^yes", **how),
            self.expect("absent", file="gone", exists=False, **how),
            self.expect("json", json="health.json", where=".dor", equals=True, **how),
            self.expect("exec", exec=["cat", "ready"], expect_output="^yes$", **how),
            self.expect("process", process={"pidfile": "feeder.pid"}, **how),
            self.expect("counter", counter=counter, step="cut", at_least=1, within="1s"),
        ]

    NAMES = "tcp", "http", "file", "absent", "json", "exec", "process", "counter"
    WRONG = {"file": "it does not contain what it should", "absent": "it is there", "json": ".dor is false",
             "process": "there is no pid in its pidfile"}

    def test_pass(self):
        self.serve()
        self.put("ready", "yes\n")
        self.put("health.json", '{"dor": true}')
        self.put("feeder.pid", str(os.getpid()))
        run = self.drill([self.fault(delay="1ms"), *self.subjects("delayed", within=LONG)], "--allow-exec")
        found = self.check(run, 0, **dict.fromkeys(self.NAMES, "pass"))
        for name, data in found.items():
            self.assertEqual((data["how"], data["samples"]), ("within", 1), name)
            self.assertIsInstance(data["expectation"], dict)
            if name != "counter":
                self.assertLessEqual(data["opens_ns"], data["decided_ns"])
                self.assertLessEqual(data["decided_ns"], data["closes_ns"])
                self.assertRegex(data["seen"], "^it holds(: .+)?$")
        self.assertEqual(found["counter"]["value"], run.counters()["delayed"])

    def test_fail(self):
        """Nobody listens, nothing is as it should be, and a delay drops no packet."""
        self.put("ready", "no\n")
        self.put("gone")
        self.put("health.json", '{"dor": false}')
        self.put("feeder.pid", "x")
        steps = self.subjects("dropped", within="600ms")
        steps.append(self.expect("never", file="gone", never="600ms"))
        steps.append(self.expect("throughout", file="lacking", throughout="600ms"))
        run = self.drill([self.fault(delay="1ms"), *steps], "--allow-exec", probe=False)
        found = self.check(run, 1, **dict.fromkeys((*self.NAMES, "never", "throughout"), "fail"))
        for name in set(self.NAMES) - {"counter"}:
            data = found[name]
            self.in_time(data["samples"], f"a look at {name}")
            self.assertEqual(data["decided_ns"], data["closes_ns"], name)
            self.assertEqual(data["seen"], self.WRONG.get(name, data["seen"]))
            self.assertNotIn("hold", data["seen"])
        for name, seen in (("never", "it holds"), ("throughout", "it is not there")):
            self.assertEqual(found[name]["samples"], 1)
            self.assertEqual(found[name]["seen"], seen)
            self.assertLess(found[name]["decided_ns"], found[name]["closes_ns"])
        self.assertEqual(found["counter"]["value"], 0)
        self.assertEqual(run.events("run.end")[0]["data"]["outcome"], "pass")  # it went to its end
        self.assertEqual(run.document("results.json")["outcome"], "slo-missed")


class Counters(ExpectTest):
    NAMES = ("matched", "passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed", "bytes",
             "flows", "untracked", "failed", "idle_reset")

    def test_all(self):
        """Of all windows and targets of a step together, what their fault.close say."""
        self.serve()
        client, server = self.lab.connect(self.lab.listen(self.lab.there, V4, PORT + 1))[0]
        hit = {**self.fault("0s", "200ms", reset="both", loss="50%"), "target": ["front", "all"],
               "repeat": {"times": 2, "every": "300ms"}}
        steps = [self.expect(name, counter=name, step="cut", at_least=0, within="800ms") for name in self.NAMES]
        run = self.drill([hit, *steps], targets={
            "front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT},
            "all": {"proto": "tcp", "remote": THERE[V4]}})
        found = self.check(run, 0, **dict.fromkeys(self.NAMES, "pass"))
        closes = [e["data"] for e in run.events("fault.close")]
        self.assertEqual(len(closes), 4)
        self.assertEqual({name: data["value"] for name, data in found.items()},
                         {name: sum(close[name] for close in closes) for name in self.NAMES})
        self.assertGreater(found["matched"]["value"], 0)
        self.assertGreater(found["idle_reset"]["value"], 0)
        client.close()
        server.close()


class Times(ExpectTest):
    """What is said of a probe, held against its samples in the log."""

    HOWS = {"sees": {"equals": "unhealthy", "within": "2s"},
            "blind": {"equals": "unhealthy", "within": "40ms"},
            "back": {"equals": "healthy", "within": LONG, "again": True},
            "steady": {"equals": "healthy", "throughout": "2s"},
            "dead": {"equals": "healthy", "never": "2s"},
            "calm": {"equals": "unhealthy", "never": "1s"}}

    @staticmethod
    def judge(how, data, samples):
        """What docs/definitions.md says: (result, time that decides, samples)."""
        wanted = how["equals"] == "healthy"
        seen = [(ns, up == wanted) for ns, up in samples if data["opens_ns"] <= ns <= data["closes_ns"]]
        if "within" in how:
            contrary = min((ns for ns, hit in seen if not hit), default=None)
            hits = [i for i, (ns, hit) in enumerate(seen) if hit and
                    (not how.get("again") or contrary is not None and ns > contrary)]
            met, decides = bool(hits), hits[0] if hits else None
        else:
            misses = [i for i, (_, hit) in enumerate(seen) if hit == ("never" in how)]
            met, decides = bool(seen) and not misses, misses[0] if misses else None
        if decides is None:
            return "pass" if met else "fail", data["closes_ns"], len(seen)
        return "pass" if met else "fail", seen[decides][0], decides + 1

    def test_probe(self):
        """A black hole in the middle: each kind is met and missed."""
        self.serve()
        steps = [self.fault("1s", "1s")]
        for at in ("0s", "1s"):
            steps += [self.expect(f"{name} {at}", at=at, probe="api", **how) for name, how in self.HOWS.items()]
        run = self.drill(steps)
        self.assertEqual(run.wait(), 1, run.stderr)
        found = self.decisions(run)
        samples = [(e["mono_ns"], e["type"] == "probe.up") for e in run.events("probe.up", "probe.down")]
        for name, (result, data) in found.items():
            how = self.HOWS[name.split()[0]]
            self.assertEqual((result, data["decided_ns"], data["samples"]), self.judge(how, data, samples),
                             (name, data, samples))
        results = {name: result for name, (result, _) in found.items()}
        self.in_time(results == {
            "sees 0s": "pass", "blind 0s": "fail", "back 0s": "pass", "steady 0s": "fail", "dead 0s": "fail",
            "calm 0s": "pass", "sees 1s": "pass", "blind 1s": "fail", "back 1s": "pass", "steady 1s": "fail",
            "dead 1s": "fail", "calm 1s": "fail"}, f"the samples: {results}")
        zero = run.events("baseline.end")[0]["data"]["zero_ns"]
        self.assertEqual(found["calm 1s"][1]["opens_ns"], zero + NS)
        self.assertEqual(found["calm 1s"][1]["closes_ns"], zero + 2 * NS)

    def test_repeated(self):
        """A window each, and a decision each."""
        self.serve()
        hope = {**self.expect("hope", probe="api", equals="healthy", within="200ms"),
                "repeat": {"times": 3, "every": "300ms"}}
        run = self.drill([hope])
        self.assertEqual(run.wait() in (0, 1), True, run.stderr)
        found = self.decisions(run)
        self.in_time(all(result == "pass" for result, _ in found.values()), "a sample in each")
        self.assertEqual(set(found), {"hope", ("hope", 2), ("hope", 3)})
        self.assertEqual(found["hope", 3][1]["opens_ns"] - found["hope"][1]["opens_ns"], 600 * 10 ** 6)

    def test_recovery(self):
        """It is observed from the end of the last step on, also if that is an expectation."""
        run = self.drill([self.fault(hold="100ms"), self.expect("calm", file="gone", never="1s")],
                         baseline="0s", recovery="500ms")
        found = self.check(run, 0, calm="pass")
        self.assertGreaterEqual(run.events("run.end")[0]["mono_ns"], found["calm"]["closes_ns"] + NS // 2)

    def test_interrupted(self):
        """What is undecided then, or has not begun, has failed."""
        self.serve()
        run = self.drill([self.fault(hold=LONG), self.expect("now", probe="api", equals="unhealthy", within=LONG),
                          self.expect("open", file="ready", within=LONG),
                          self.expect("later", at=LONG, file="ready", within=LONG)])
        run.wait_event("expect.pass")
        self.assertEqual(run.stop(), 130)
        found = self.check(run, 130, now="pass", open="fail", later="fail")
        for name in ("open", "later"):
            self.assertEqual(found[name]["seen"], "the run ended before")


class Lines(ExpectTest):
    """The time in a line counts."""

    LOG = {"log": "trader.log", "matches": "ORDER", "every": "50ms"}

    def real(self, run, mono_ns):
        clock = run.events("clock")[0]["data"]["offset_ns"]
        return mono_ns + clock

    def test_lines(self):
        """Before the opening, in the window, and behind it: only those in it count, whenever they are read."""
        self.put("trader.log", "ORDER 1\n")
        log = {**self.LOG, "every": "1500ms"}  # 3 s for late lines
        run = self.drill([self.expect("three", **log, count=3, within="1s"),
                          self.expect("two", **log, count=2, within="1s"),
                          self.expect("none", **log, never="1s"),
                          self.expect("silent", log="other.log", matches="ORDER", never="1s")], probe=False)
        zero = run.wait_event("baseline.end")["data"]["zero_ns"]
        wait_until(lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC) > zero + NS, "the closing")
        for offset in (-NS // 10, NS // 10, NS // 2, NS + 1000):
            self.append("trader.log", f"ts_ns={self.real(run, zero + offset)} ORDER\n")
        self.in_time(time.clock_gettime_ns(time.CLOCK_MONOTONIC) < zero + 2 * NS, "to be read in time")
        found = self.check(run, 1, three="fail", two="pass", none="fail", silent="pass")
        self.assertEqual(found["two"]["decided_ns"], zero + NS // 2)
        self.assertEqual((found["two"]["value"], found["two"]["seen"]), (2, "2 lines"))
        self.assertEqual((found["three"]["samples"], found["three"]["decided_ns"]), (2, zero + NS))
        self.assertEqual((found["none"]["samples"], found["none"]["decided_ns"]), (1, zero + NS // 10))
        self.assertEqual((found["silent"]["samples"], found["silent"]["seen"]), (0, "no line"))
        for event in run.events("expect.fail", "expect.pass"):
            if event["step"] in ("three", "silent"):
                self.assertGreaterEqual(event["mono_ns"], zero + NS + GRACE_NS)

    def test_at_once(self):
        """A line that is met needs no grace, and a log may come into being."""
        run = self.drill([self.expect("order", **self.LOG, within=LONG)], probe=False)
        run.wait_event("baseline.end")
        self.append("trader.log", "no order\nORDER 2\n")
        self.check(run, 0, order="pass")


class Recovery(ExpectTest):
    def test_of_what_stays(self):
        """A change that stays until the run ends has no closing; the system is observed behind the last step all the same."""
        self.put("state")
        run = self.drill([{"name": "gone", "at": "0s", "file": {"path": self.path("state"), "remove": True}},
                          self.expect("seen", probe="state", equals="unhealthy", within=LONG)], probe=False,
                         probes={"state": {"file": self.path("state"), "every": "20ms"}}, recovery="500ms")
        self.check(run, 0, seen="pass")
        [seen], [end] = run.events("expect.pass"), run.events("run.end")
        self.assertGreaterEqual(end["mono_ns"], seen["data"]["decided_ns"] + NS // 2)
        self.assertTrue(os.path.exists(self.path("state")))


class Self(ExpectTest):
    def test_a_connection_to_itself(self):
        """Where nobody listens, the port that is drawn for a probe's own end may be the one that it asks for."""
        with self.lab.here:
            with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="utf-8") as f:
                f.write("40001 40001")
        self.serve()
        own = {"equals": "unhealthy", "within": LONG}
        run = self.drill([self.fault(), self.expect("tcp", tcp="127.0.0.1:40001", **own),
                          self.expect("stream", stream="tcp://[::1]:40001", number="([0-9]+)", **own)], probe=False)
        self.check(run, 0, tcp="pass", stream="pass")
        self.assertEqual({e["data"]["seen"] for e in run.events("expect.pass")}, {"refused"})


class Waits(ExpectTest):
    def wait(self, name="ready", at="100ms", timeout=LONG, **what):
        return {"name": name, "at": at, "wait": {**(what or {"file": "go"}), "timeout": timeout}}

    def test_time_stands_still(self):
        """What is planned behind two waits is as far from them as planned."""
        self.serve()
        run = self.drill([self.fault("0s", "50ms", delay="1ms"), self.wait(),
                          self.wait("steady", "200ms", probe="api", healthy=True),
                          {**self.fault("300ms", "100ms", delay="1ms"), "name": "later"},
                          self.expect("hope", at="300ms", probe="api", equals="healthy", within=LONG)])
        started = run.wait_event("step.start", 2)  # of the fault, and of the wait
        self.assertEqual((started["step"], started["data"]), ("ready", {"kind": "wait"}))
        zero = run.events("baseline.end")[0]["data"]["zero_ns"]
        self.assertEqual(started["mono_ns"], zero + NS // 10)
        time.sleep(0.5)  # more than all that is planned behind it
        self.assertEqual(len(run.events("fault.open")), 1)
        self.assertTrue(run.running())
        written = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.put("go")
        found = self.check(run, 0, hope="pass")
        zeros = run.events("zero")
        self.assertEqual([e["step"] for e in zeros], ["ready", "steady"])
        first, second = (e["data"]["zero_ns"] for e in zeros)
        self.assertGreaterEqual(first + NS // 10, written)
        self.assertGreaterEqual(second, first)
        opened = {e["step"]: e["data"]["opens_ns"] for e in run.events("fault.open")}
        self.assertEqual(opened, {"cut": zero, "later": second + 300 * 10 ** 6})
        self.assertEqual(found["hope"]["opens_ns"], second + 300 * 10 ** 6)
        ends = [e for e in run.events("step.end") if e["data"].get("kind") == "wait"]
        self.assertEqual([e["data"]["result"] for e in ends], ["fulfilled"] * 2)
        self.assertTrue(run.document("results.json")["complete"], run.document("results.json")["incomplete"])

    def test_a_limit_counts_on(self):
        """Of the longest time that faults may take, a wait takes its part."""
        self.serve()
        run = self.drill([self.wait(at="0s"), self.fault("0s", "3s")], limits={"duration": "3s"})
        started = run.wait_event("step.start")
        wait_until(lambda: now_ns() > started["mono_ns"] + 3 * NS, "the limit's end")
        self.put("go")
        self.assert_ended(run, 4)
        [abort] = run.events("abort")
        self.assertIn("a limit of the scenario was reached", abort["data"]["reason"])

    def test_after_signal(self):
        """A wait for what a signal does comes behind the signal."""
        self.serve()
        child = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.put("feeder.pid", str(child.pid))
        reaper = threading.Thread(target=child.wait)
        reaper.start()
        self.addCleanup(reaper.join)
        process = {"process": {"pidfile": "feeder.pid"}, "healthy": False, "timeout": LONG}
        run = self.drill([{"name": "kill", "at": "100ms", "signal": {"kill": "SIGKILL", "pidfile": "feeder.pid"}},
                          {"name": "dead", "after": "kill", "wait": process},
                          {"name": "cut", "after": "dead", "fault": {"delay": "1ms"}, "target": "front", "for": "100ms"}])
        self.assert_ended(run, 0)
        starts = {e["step"]: e["mono_ns"] for e in run.events("step.start")}
        [fulfilled] = [e["mono_ns"] for e in run.events("step.end") if e["step"] == "dead"]
        self.assertLess(starts["kill"], fulfilled)
        self.assertLess(fulfilled, starts["cut"])

    def test_times_out(self):
        self.serve()
        before = self.lab.state()
        run = self.drill([self.wait(timeout="300ms"), {**self.fault("200ms"), "name": "later"},
                          self.expect("hope", at="200ms", probe="api", equals="healthy", within=LONG)])
        self.check(run, 4, hope="fail")
        self.assertEqual(run.events("fault.open"), [])
        reason = run.events("abort")[0]["data"]["reason"]
        self.assertRegex(reason, r"^the wait ready was not fulfilled within 300ms: (it is not there|no sample)")
        self.assertEqual(run.events("zero"), [])
        self.assert_untouched(before)

    def test_interrupted(self):
        self.serve()
        run = self.drill([self.wait(), {**self.fault("200ms"), "name": "later"}])
        run.wait_event("step.start")
        self.assertEqual(run.stop(), 130)
        self.assertEqual([e["data"]["result"] for e in run.events("step.end")], ["cut"])
        self.assertEqual(run.events("fault.open"), [])


if __name__ == "__main__":
    unittest.main()
