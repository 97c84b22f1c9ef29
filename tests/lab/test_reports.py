# SPDX-License-Identifier: BSD-2-Clause
"""Every format of `report`, on real runs: other programs' parsers take it, and its numbers are those of results.json."""
import json
import os
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from again import Again
from flows import EchoServer, RetryingClient
from lab import DEVICE, HOLD, THERE, V4, Lab, LabTest, mount, now_ns

PORT = 4000
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
FORMATS = ("md", "html", "json", "junit", "scorecard", "drill-results")
STRANGE = "a <b> & \"c\" 'd' \u20ac \\ ]]>"

# What junit-10.xsd of Jenkins' xUnit plugin allows: element: (attributes that must be there, others, children).
JUNIT = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors"},
                  {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
                  {"testsuite", "properties", "testcase", "system-out", "system-err"}),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
    "system-err": (set(), set(), set()),
}


def scenario(name="drill", times=2, every="900ms", **more):
    return {"version": 1, "name": name, "seed": 7, "interface": DEVICE, "baseline": "100ms", "recovery": HOLD,
            "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
            "probes": {"gate": {"tcp": f"{THERE[V4]}:{PORT}", "every": "50ms", "timeout": "60s"}},
            "steps": [{"name": "Cut-30", "at": "0s", "fault": {"refuse": "tcp-reset", "percent": "100%"}, "target": "front",
                       "for": "300ms", "repeat": {"times": times, "every": every}}],
            "slo": [{"recovery_p99": HOLD}, {"unrecovered": 0}], **more}


def seconds(ns):
    """To the millisecond, which is all that the schema has room for."""
    ms = (ns + 500_000) // 1_000_000
    return f"{ms // 1000}.{ms % 1000:03}"


class ReportTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        self.lab.listen(self.lab.there, V4, PORT)

    def done(self, plan=None, status=0, words=()):
        run = self.lab.run(plan or scenario(), *words)
        self.assert_ended(run, status)
        return run

    def report(self, *words, status=0):
        done = self.lab.call("report", *words, wrapper=NOBODY)
        self.assertEqual(done.status, status, done.stderr)
        return done

    def text(self, *words, status=0):
        done = self.report(*words, status=status)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def document(self, *words, status=0):
        return json.loads(self.text(*words, status=status))

    def tree(self, *words, status=0):
        """JUnit XML as a tree, checked against what the schema allows."""
        root = ElementTree.fromstring(self.text(*words, "-f", "junit", status=status))
        self.assertEqual(root.tag, "testsuites")
        for element in root.iter():
            needed, others, children = JUNIT[element.tag]
            self.assertLessEqual(needed, set(element.attrib), element.tag)
            self.assertLessEqual(set(element.attrib), needed | others, element.tag)
            self.assertLessEqual({child.tag for child in element}, children, element.tag)
            if element.tag != "testcase" and "time" in element.attrib:
                self.assertRegex(element.attrib["time"], r"^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?$")
        for suite in root:
            cases = suite.findall("testcase")
            counts = {"tests": len(cases), **{kind + "s": sum(c.find(kind) is not None for c in cases)
                                              for kind in ("failure", "error")}}
            self.assertEqual({k: int(suite.get(k)) for k in counts}, counts)
            self.assertEqual(int(suite.get("skipped")), sum(c.find("skipped") is not None for c in cases))
        for key in ("tests", "failures", "errors"):
            self.assertEqual(int(root.get(key)), sum(int(suite.get(key)) for suite in root))
        return root


class OneRun(ReportTest):
    def test_documents_beside_the_log(self):
        """What `report` prints is what the run has written."""
        run = self.done()
        for name, words in (("report.md", ()), ("report.html", ("html",)), ("results.json", ("json",)),
                            ("junit.xml", ("junit",))):
            with self.subTest(name):
                with open(run.path(name), encoding="utf-8") as f:
                    self.assertEqual(self.text(run.out, *(("-f",) + words if words else ())), f.read())

    def test_junit(self):
        run = self.done(words=("--meta", f"note={STRANGE}"))
        results = run.document("results.json")
        suite, = self.tree(run.out)
        self.assertEqual(suite.get("name"), "drill")
        properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
        self.assertEqual(properties["seed"], "7")
        self.assertEqual(properties["meta.note"], STRANGE)
        self.assertEqual(properties["head"], results["head"])
        self.assertEqual(properties["host"], results["host"])
        self.assertEqual(properties["kernel"], os.uname().release)
        cases = {c.get("name"): c for c in suite.iter("testcase")}
        self.assertEqual(len(cases), 2 + 2 + 2)
        for step in results["steps"]:
            case = cases[f"{step['step']} #{step['instance']}"]
            self.assertEqual(case.get("classname"), "shearpin.drill.windows")
            self.assertEqual(case.get("time"), seconds(step["probes"][0]["recovery_after_inject_ns"]))
        slos = [c for c in cases.values() if c.get("classname") == "shearpin.drill.slo"]
        self.assertEqual(slos[0].get("time"), seconds(results["slo"][0]["value"]))
        self.assertEqual([c.find("failure") for c in cases.values()], [None] * 6)
        self.assertEqual(suite.get("time"), seconds(results["end_ts_ns"] - results["start_ts_ns"]))

    def test_unrecovered(self):
        """The service stays away: the window fails in every format, and so does the exit status."""
        plan = scenario(times=1, recovery="300ms")
        run = self.lab.run(plan)
        closes = run.opened()["data"]["closes_ns"]
        self.lab.sockets[0].close()
        self.in_time(now_ns() < closes, "the service goes in the window")
        self.assert_ended(run, 1)
        suite, = self.tree(run.out, status=1)
        case, = [c for c in suite.iter("testcase") if c.get("name") == "Cut-30 #1"]
        self.assertEqual(case.find("failure").get("type"), "window")
        self.assertIn("gate was not seen to recover", case.find("failure").get("message"))
        self.assertEqual(int(suite.get("failures")), 3)
        result, = self.document(run.out, "-f", "drill-results", status=1)["results"]
        self.assertEqual((result["success"], result["recovery_time"], result["status"]), (False, None, "failed"))
        self.assertIn("gate was not seen to recover", result["errors"][0])
        card = self.text(run.out, "-f", "scorecard", status=1)
        self.assertIn("Recovery Time: not recovered / 30.0s\n", card)
        self.assertIn("OVERALL: 0 passed, 1 failed\nSuccess Rate: 0%\n", card)
        out = os.path.join(self.lab.folder, "mm")
        self.assertEqual(self.lab.call("report", run.out, "-f", "mm-bot", "-o", out).status, 1)
        with open(os.path.join(out, "runs/1.json"), encoding="utf-8") as f:
            one = json.load(f)
        self.assertEqual((one["result"], one["metrics"]["recovered"]), ("fail", False))
        self.assertGreater(one["metrics"]["recovery_ticks"], 1)
        with open(os.path.join(out, "findings.json"), encoding="utf-8") as f:
            findings = json.load(f)
        self.assertEqual(findings["total_findings"], len(findings["findings"]))
        self.assertEqual(sum(findings["by_severity"].values()), findings["total_findings"])
        self.assertEqual([f["issue_id"] for f in findings["findings"]],
                         [f"CHAOS-{i + 1}" for i in range(findings["total_findings"])])
        self.assertIn("high", {f["severity"] for f in findings["findings"]})

    def test_interrupted(self):
        """Windows that did not open are skipped; that the run did not go to its end is an error."""
        run = self.lab.run(scenario(times=3, every="60s"))
        run.wait_event("fault.close")
        self.assertEqual(run.stop(), 130)
        suite, = self.tree(run.out, status=130)
        cases = {c.get("name"): c for c in suite.iter("testcase")}
        self.assertIsNotNone(cases["the run went to its end"].find("error"))
        self.assertIsNotNone(cases["Cut-30 #3"].find("skipped"))
        self.assertIsNone(cases["Cut-30 #1"].find("skipped"))

    def test_incomplete(self):
        run = self.done()
        with open(run.path("events.jsonl"), "rb") as f:
            lines = f.read().splitlines(True)
        with open(run.path("events.jsonl"), "wb") as f:
            f.writelines(lines[:-1])
        done = self.report(run.out, "-f", "junit", status=5)
        self.assertIn("the evidence is incomplete", done.stderr)
        suite, = ElementTree.fromstring(done.stdout)
        case, = [c for c in suite.iter("testcase") if c.get("name") == "the evidence is complete"]
        self.assertIn("no run.end", case.find("error").get("message"))
        self.assertEqual(self.report(run.out, "-f", "scorecard", status=5).stdout[:11], "INCOMPLETE:")
        for result in json.loads(self.report(run.out, "-f", "drill-results", status=5).stdout)["results"]:
            self.assertFalse(result["success"])

    def test_mm_bot(self):
        run = self.done()
        results = run.document("results.json")
        out = os.path.join(self.lab.folder, "mm")
        self.assertEqual(self.lab.call("report", run.out, "-f", "mm-bot", "-o", out), (0, "", ""))
        self.assertEqual(sorted(os.listdir(out)), ["findings.json", "runs"])
        self.assertEqual(sorted(os.listdir(os.path.join(out, "runs"))), ["1.json", "2.json"])
        for n, step in enumerate(results["steps"], 1):
            with open(os.path.join(out, f"runs/{n}.json"), encoding="utf-8") as f:
                one = json.load(f)
            probe = step["probes"][0]
            self.assertEqual((one["scenario"], one["intensity"], one["result"]), ("cut_30", 1, "pass"))
            self.assertAlmostEqual(one["duration_sec"], (step["closed_ns"] - step["opened_ns"]) / 1e9, 9)
            self.assertEqual(one["metrics"]["recovery_ticks"], -(-probe["recovery_ns"] // 50_000_000))
            self.assertAlmostEqual(one["metrics"]["recovery_sec"], probe["recovery_ns"] / 1e9, 9)
            self.assertAlmostEqual(one["metrics"]["deadline_miss_pct"], 100 * (1 - probe["availability"]), 6)
        # Its reader takes whatever lies in runs.
        before = {name: os.stat(os.path.join(out, name)).st_mtime_ns for name in ("findings.json", "runs")}
        done = self.lab.call("report", run.out, "-f", "mm-bot", "-o", out)
        self.assertEqual((done.status, done.stdout), (2, ""))
        self.assertIn("runs is not empty", done.stderr)
        self.assertEqual({name: os.stat(os.path.join(out, name)).st_mtime_ns for name in before}, before)

    def test_drill_results(self):
        run = self.done()
        results = run.document("results.json")
        document = self.document(run.out, "-f", "drill-results")
        self.assertAlmostEqual(document["timestamp"], results["end_ts_ns"] / 1e9, 5)
        self.assertEqual(len(document["results"]), 2)
        for result, step in zip(document["results"], results["steps"]):
            self.assertEqual((result["drill_type"], result["status"], result["success"], result["errors"]),
                             ("Cut-30", "passed", True, []))
            self.assertAlmostEqual(result["start_time"], step["opened_ts_ns"] / 1e9, 5)
            self.assertAlmostEqual(result["end_time"], step["closed_ts_ns"] / 1e9, 5)
            self.assertAlmostEqual(result["recovery_time"], step["probes"][0]["recovery_ns"] / 1e9, 9)
            for key in ("expected_observations", "actual_observations", "success_conditions"):
                self.assertTrue(all(isinstance(line, str) for line in result[key]))
                self.assertTrue(result[key], key)


class ByFlow(Again, LabTest):
    """No probe: recovery is what the packets say, in every format."""

    def test_formats(self):
        plan = scenario(times=1)
        del plan["probes"], plan["slo"]
        del plan["steps"][0]["repeat"]
        plan["steps"][0] |= {"fault": {"reset": "both"}, "for": "1s"}
        with EchoServer(self.lab, self.lab.there, (V4,), (PORT,)), \
                RetryingClient(self.lab, self.lab.here, V4, PORT, retry="constant", first=0.1) as client:
            client.wait_answer()
            run = self.lab.run(plan)
            self.assert_ended(run, 0)
        results = run.document("results.json")
        window, = results["windows"]
        flow, = window["flows"]
        self.assertTrue(flow["hit"])
        self.assertEqual(results["flow_recovery"]["p99_ns"], flow["recovery_ns"])
        call = self.lab.call
        result, = json.loads(call("report", run.out, "-f", "drill-results").stdout)["results"]
        self.assertAlmostEqual(result["recovery_time"], flow["recovery_ns"] / 1e9, 9)
        self.assertIn(f"event {flow['recovered_seq']}", "".join(result["actual_observations"]))
        card = json.loads(call("report", run.out, run.out, "-f", "json").stdout)
        score, = card["scorecard"]["scenarios"]
        self.assertEqual((score["recovery_after_inject_ns"], score["measured"], score["pass"]),
                         (flow["recovery_after_inject_ns"], True, True))
        self.assertEqual([(p["by"], p["p99_ns"]) for p in card["trends"][0]["points"]],
                         [("flow", flow["recovery_ns"])] * 2)
        out = os.path.join(self.lab.folder, "mm")
        self.assertEqual(call("report", run.out, "-f", "mm-bot", "-o", out), (0, "", ""))
        with open(os.path.join(out, "runs/1.json"), encoding="utf-8") as f:
            metrics = json.load(f)["metrics"]
        self.assertNotIn("recovery_ticks", metrics)
        self.assertAlmostEqual(metrics["recovery_sec"], flow["recovery_ns"] / 1e9, 9)
        with open(os.path.join(out, "findings.json"), encoding="utf-8") as f:
            findings = json.load(f)["findings"]
        severity = {"constant": ["low"], "none": ["medium"]}.get(flow["backoff"]["kind"], [])
        self.assertEqual([(f["scenario"], f["severity"]) for f in findings], [("cut_30", s) for s in severity])


class SeveralRuns(ReportTest):
    """Three runs, which all of these tests read."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab = Lab()
        cls.addClassCleanup(lab.close)
        lab.listen(lab.there, V4, PORT)
        runs = []
        for name in ("drill", "other", "drill"):
            runs.append(lab.run(scenario(name, times=1)))
            if runs[-1].wait():
                raise AssertionError(runs[-1].stderr)
        cls.paths = [run.out for run in runs]
        cls.results = [run.document("results.json") for run in runs]

    def test_json(self):
        document = self.document(*self.paths, "-f", "json")
        self.assertEqual([r["run"] for r in document["runs"]], self.paths)
        for one, results in zip(document["runs"], self.results):
            for key in ("name", "outcome", "exit", "complete", "start_ts_ns", "end_ts_ns", "recovery", "detection",
                        "flow_recovery", "flow_detection", "unrecovered", "flow_unrecovered", "incomplete"):
                self.assertEqual(one[key], results[key], key)
        trend, = document["trends"]
        first, second = (self.results[i]["recovery"]["p99_ns"] for i in (0, 2))
        self.assertEqual(trend["name"], "drill")
        self.assertEqual([p["run"] for p in trend["points"]], [self.paths[0], self.paths[2]])
        self.assertEqual([p["p99_ns"] for p in trend["points"]], [first, second])
        self.assertEqual([p["difference_ns"] for p in trend["points"]], [None, second - first])
        card = document["scorecard"]
        self.assertEqual([(s["scenario"], s["step"], s["windows"], s["pass"]) for s in card["scenarios"]],
                         [("drill", "Cut-30", 2, True), ("other", "Cut-30", 1, True)])
        self.assertEqual(card["scenarios"][0]["recovery_after_inject_ns"],
                         max(self.results[i]["steps"][0]["probes"][0]["recovery_after_inject_ns"] for i in (0, 2)))
        self.assertIsNone(card["scenarios"][0]["data_loss"])
        self.assertEqual((card["passed"], card["failed"], card["success_rate"]), (2, 0, 100))

    def test_order(self):
        """The order in which they are named changes nothing."""
        for words in ((), ("-f", "json"), ("-f", "html"), ("-f", "scorecard")):
            self.assertEqual(self.text(*self.paths, *words), self.text(*reversed(self.paths), *words))

    def test_markdown(self):
        text = self.text(*self.paths)
        self.assertTrue(text.startswith("# Fault Injection Runs\n"))
        width = 0
        for line in text.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line))
            if width and cells:
                self.assertEqual(cells, width, line)
            width = cells
        for results in self.results:
            self.assertIn(f"| {results['recovery']['p99_ns'] / 1e9:.3f} |", text)
        self.assertIn("OVERALL: 2 passed, 0 failed\nSuccess Rate: 100%\n", text)

    def test_scorecard(self):
        """It counts from the injection: the fault's own length is part of it."""
        text = self.text(*self.paths, "-f", "scorecard", "--rto", "300ms")
        self.assertIn("OVERALL: 0 passed, 2 failed\nSuccess Rate: 0%\n", text)
        self.assertRegex(text, r"\ndrill Cut-30:\n  Status: \S FAIL\n  Recovery Time: \d+\.\d\ds / 0\.3s\n"
                               r"  Data Loss: n/a\n  Order Violations: n/a\n")

    def test_html(self):
        text = self.text(*self.paths, "-f", "html")
        self.assertTrue(text.startswith("<!DOCTYPE html>\n"))
        self.assertNotRegex(text, r"<script|https?://")
        places = re.findall(r'data-p99-ns="(\d+)"', text)
        self.assertEqual([int(p) for p in places], [self.results[i]["recovery"]["p99_ns"] for i in (0, 2)])
        self.assertEqual(re.findall(r'data-run="([^"]*)"', text), self.paths)

    def test_junit(self):
        root = self.tree(*self.paths)
        self.assertEqual([s.get("name") for s in root], ["drill", "other", "drill"])
        self.assertEqual([s.get("id") for s in root], ["0", "1", "2"])

    def test_numbers_go_on(self):
        out = os.path.join(self.lab.folder, "mm")
        self.assertEqual(self.lab.call("report", *self.paths, "-f", "mm-bot", "-o", out).status, 0)
        found = []
        for n in range(1, 4):
            with open(os.path.join(out, f"runs/{n}.json"), encoding="utf-8") as f:
                found.append(json.load(f)["run"])
        self.assertEqual(found, self.paths)

    def test_worst_exit(self):
        failed = self.done(scenario(times=1, slo=[{"recovery_p99": "1ns"}]), status=1)
        for words in ((), ("-f", "json"), ("-f", "junit"), ("-f", "drill-results")):
            self.text(self.paths[0], failed.out, *words, status=1)
        self.assertEqual(self.document(failed.out, self.paths[0], "-f", "json", status=1)["exit"], 1)


class BadInput(ReportTest):
    def refused(self, *words, said, status=2):
        done = self.lab.call("report", *words)
        self.assertEqual((done.status, done.stdout), (status, ""), done.stderr)
        for text in said:
            self.assertIn(text, done.stderr)

    def test_one_of_several(self):
        """Each run that can't be read is named, and nothing is printed of the others."""
        run = self.done(scenario(times=1))
        hollow = os.path.join(self.lab.folder, "hollow")
        os.mkdir(hollow)
        strange = os.path.join(self.lab.folder, "strange")
        shutil.copytree(run.out, strange)
        with open(os.path.join(strange, "plan.json"), "w", encoding="utf-8") as f:
            f.write("[]")
        out = os.path.join(self.lab.folder, "never")
        for name in FORMATS:
            self.refused(run.out, hollow, strange, "/nowhere/at/all", "-f", name, "-o", out,
                         said=(hollow, strange, "/nowhere/at/all: No such file or directory"))
        self.refused(run.out, hollow, "-f", "mm-bot", "-o", out, said=(hollow,))
        self.assertFalse(os.path.exists(out))

    def test_usage(self):
        run = self.done(scenario(times=1))
        self.refused(run.out, "-f", "pdf", said=("`pdf` is no format", "md|html|json|junit"))
        self.refused(run.out, "-f", "mm-bot", said=("-o DIR",))
        self.refused(run.out, "-f", "scorecard", "--rto", "30", said=("--rto 30", "duration"))
        self.refused(run.out, "-f", "scorecard", "--rto", "0s", said=("--rto 0s", "duration"))
        self.refused(said=("run directories",))

    def test_full_disk(self):
        run = self.done(scenario(times=1))
        self.refused(run.out, "-o", "/dev/full", said=("/dev/full: No space left on device",), status=5)
        done = self.lab.call("report", run.out, wrapper=("sh", "-c", 'exec "$@" >/dev/full', "sh"))
        self.assertEqual(done.status, 5)
        small = os.path.join(self.lab.folder, "small")
        os.mkdir(small)
        mount("tmpfs", small, "size=4k,nr_inodes=16")
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        os.mkdir(os.path.join(small, "runs"))
        with open(os.path.join(small, "fill"), "wb") as f:
            f.write(bytes(4096))
        self.refused(run.out, "-f", "mm-bot", "-o", small, said=("No space left on device",), status=5)
        self.assertEqual((os.listdir(os.path.join(small, "runs")), os.path.exists(os.path.join(small, "findings.json"))),
                         ([], False))

    def test_no_place(self):
        run = self.done(scenario(times=1))
        self.refused(run.out, "-o", "/nowhere/at/all", said=("/nowhere/at/all: No such file or directory",))
        self.refused(run.out, "-f", "mm-bot", "-o", "/nowhere/at/all", said=("No such file or directory",))
        path = os.path.join(self.lab.folder, "file")
        with open(path, "w", encoding="utf-8"):
            pass
        self.refused(run.out, "-f", "mm-bot", "-o", path, said=("Not a directory",))


if __name__ == "__main__":
    unittest.main()
