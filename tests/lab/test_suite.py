# SPDX-License-Identifier: BSD-2-Clause
"""Suites: folders and matrices, their order, what ends them, and what they leave."""
import fnmatch
import json
import os
import shutil
import signal
import unittest
import xml.etree.ElementTree as ElementTree

from lab import DEVICE, HOLD, THERE, V4, LabTest, wait_until

PORT = 4000
DOCUMENTS = {"suite.json", "results.json", "report.md", "report.html", "junit.xml", "scorecard.txt",
             "drill_results.json", "mm-bot"}
RUN = {"scenario.yaml", "plan.json", "events.jsonl", "results.json", "report.md", "report.html", "junit.xml"}


def scenario(name, **more):
    """One window, which drops what goes to nobody."""
    return {"version": 1, "name": name, "interface": DEVICE, "vars": {"hold": "50ms", "loss": "100%"},
            "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
            "steps": [{"name": "cut", "at": "0s", "fault": {"loss": "$(loss)"}, "target": "front", "for": "$(hold)"}],
            "recovery": "0s", **more}


def failing(name):
    """An objective that nothing can meet: nobody is there to recover."""
    return scenario(name, slo=[{"recovery_max": "1s"}])


class SuiteTest(LabTest):
    def folder(self, **scenarios):
        folder = os.path.join(self.lab.folder, "drills")
        os.mkdir(folder)
        for name, document in scenarios.items():
            self.lab.write(document, f"drills/{name}.yaml")
        return folder

    def suite(self, path, *words, gap="0s"):
        out = self.lab.new_out()
        return self.lab.start("run", path, "--out", out, "--gap", gap, *words, out=out)

    def outcomes(self, run):
        return [(e["run"], e["outcome"], e["exit"]) for e in run.document("suite.json")["scenarios"]]

    def text(self, run, name):
        with open(run.path(name), encoding="utf-8") as f:
            return f.read()

    def suites(self, run):
        return ElementTree.fromstring(self.text(run, "junit.xml"))


class Folder(SuiteTest):
    def test_every_file_in_order(self):
        folder = self.folder(b=scenario("second"), a=scenario("first"), c=scenario("third.one"))
        self.lab.write("not: a scenario", "drills/notes.txt")
        run = self.suite(folder, "--json")
        self.assert_ended(run, 0)
        names = ["01-first", "02-second", "03-third.one"]
        self.assertEqual(self.outcomes(run), [(name, "pass", 0) for name in names])
        self.assertEqual(set(os.listdir(run.out)), DOCUMENTS | set(names))
        starts = []
        for name in names:
            self.assertLessEqual(RUN, set(os.listdir(run.path(name))))
            starts.append(run.document(f"{name}/results.json")["start_ts_ns"])
        self.assertEqual(starts, sorted(starts))

        document = json.loads(run.stdout)
        self.assertEqual(document, run.document("results.json"))
        self.assertEqual((document["suite"], document["exit"]), ("drills", 0))
        self.assertEqual([(r["run"], r["name"], r["outcome"]) for r in document["runs"]],
                         [(name, scenario_name, "pass") for name, scenario_name
                          in zip(names, ("first", "second", "third.one"))])
        self.assertEqual([s.get("name") for s in self.suites(run)], ["first", "second", "third.one"])
        self.assertEqual([r["drill_type"] for r in run.document("drill_results.json")["results"]], ["cut"] * 3)
        self.assertEqual(sorted(os.listdir(run.path("mm-bot/runs"))), ["1.json", "2.json", "3.json"])
        self.assertIn("total_findings", run.document("mm-bot/findings.json"))
        self.assertIn("OVERALL: ", self.text(run, "scorecard.txt"))
        self.assertIn("# Fault Injection Suite: drills", self.text(run, "report.md"))
        self.assertIn('href="01-first/report.html"', self.text(run, "report.html"))

    def test_all_are_read_before_the_first(self):
        folder = self.folder(a=scenario("good"), b={**scenario("bad"), "colour": 1}, c="steps: [", d=scenario("fine"))
        before = self.lab.state()
        run = self.suite(folder)
        self.assert_ended(run, 2)
        for name in ("b.yaml", "c.yaml"):
            self.assertIn(f"{name}:", run.stderr)
        for name in ("a.yaml", "d.yaml"):
            self.assertNotIn(f"{name}:", run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(before)

    def test_the_first_that_fails_is_the_last(self):
        folder = self.folder(a=scenario("good"), b=failing("bad"), c=scenario("fine"), d=scenario("last"))
        run = self.suite(folder)
        self.assert_ended(run, 1)
        self.assertEqual(self.outcomes(run), [("01-good", "pass", 0), ("02-bad", "slo-missed", 1),
                                              ("03-fine", "not-run", 0), ("04-last", "not-run", 0)])
        self.assertFalse(os.path.exists(run.path("03-fine")))
        self.assertEqual([r["outcome"] for r in run.document("results.json")["runs"]],
                         ["pass", "slo-missed", "not-run", "not-run"])
        self.assertIn("recovery_max has no value, expected &lt;= 1 s", self.text(run, "report.md"))
        last = self.suites(run)[2]
        self.assertEqual((last.get("tests"), last.get("skipped"), last.get("errors")), ("1", "1", "0"))

    def test_no_gap_behind_the_last(self):
        folder = self.folder(a=failing("bad"), b=scenario("fine"))
        self.assert_ended(self.suite(folder, gap="1h"), 1)

    def test_keep_going(self):
        folder = self.folder(a=failing("bad"), b=scenario("refused", interface="nowhere0"), c=scenario("fine"))
        run = self.suite(folder, "--keep-going")
        self.assert_ended(run, 3)
        self.assertEqual(self.outcomes(run),
                         [("01-bad", "slo-missed", 1), ("02-refused", "refused", 3), ("03-fine", "pass", 0)])
        refused = run.document("results.json")["runs"][1]
        self.assertIn("nowhere0", refused["reason"])
        self.assertEqual((refused["exit"], refused["name"]), (3, "refused"))
        self.assertIn("nowhere0", self.text(run, "report.md"))
        self.assertIn("nowhere0", self.suites(run)[1].find("testcase/error").get("message"))

    def test_only(self):
        files = {"a1": scenario("cut"), "a2": scenario("slow"), "b1": scenario("cut-too")}
        folder = self.folder(**files)
        for words, expected in ((["--only", "a*"], ["01-cut", "02-slow"]),
                                (["--only", "cut*"], ["01-cut", "02-cut-too"]),
                                (["--only", "a2", "--only", "b?"], ["01-slow", "02-cut-too"])):
            with self.subTest(words):
                run = self.suite(folder, *words)
                self.assert_ended(run, 0)
                self.assertEqual([name for name, _, _ in self.outcomes(run)], expected)
        run = self.suite(folder, "--only", "z*")
        self.assert_ended(run, 2)
        self.assertFalse(os.path.exists(run.out))

    def test_settings(self):
        """Each file takes the variables that it has; what none has is a mistake."""
        other = scenario("other")
        del other["vars"]["loss"]
        other["steps"][0]["fault"] = {"drop": True}
        folder = self.folder(a=scenario("one"), b=other)
        run = self.suite(folder, "--set", "loss=50%", "--set", "hold=60ms")
        self.assert_ended(run, 0)
        one, two = (run.document(f"{name}/plan.json")["steps"][0] for name in ("01-one", "02-other"))
        self.assertEqual((one["fault"]["loss"], one["for_ns"], two["for_ns"]), ("50%", 60_000_000, 60_000_000))
        for name, loss in (("01-one", "loss=50%"), ("02-other", "loss=...")):  # another's setting may be its secret
            started = json.loads(self.text(run, f"{name}/events.jsonl").split("\n", maxsplit=1)[0])
            self.assertEqual([word for word in started["data"]["command"] if "=" in word], [loss, "hold=60ms"])
        run = self.suite(folder, "--set", "lose=50%")
        self.assert_ended(run, 2)
        self.assertIn("`lose`", run.stderr)

    def test_mistake_in_an_option(self):
        """As of a single scenario: nothing is begun, and there is no directory."""
        folder = self.folder(a=scenario("one"), b=scenario("two"))
        for words in (("--hook", "xpd"), ("--attach", "tc"), ("--delay-backend", "kernel"), ("--netns", "no-such-namespace"),
                      ("--netns", "a", "--container", "b")):
            with self.subTest(words):
                run = self.suite(folder, *words)
                self.assert_ended(run, 2)
                self.assertEqual((run.stdout, run.stderr.count("shearpin run: ")), ("", 1))
                self.assertFalse(os.path.exists(run.out))

    def test_bad_paths(self):
        empty = os.path.join(self.lab.folder, "empty")
        os.mkdir(empty)
        for path in (empty, os.path.join(self.lab.folder, "missing")):
            run = self.suite(path)
            self.assert_ended(run, 2)
            self.assertIn(os.path.basename(path), run.stderr)
        folder = self.folder(a=scenario("one"))
        self.assert_ended(self.suite(folder, gap="soon"), 2)
        taken = self.lab.start("run", folder, "--out", empty, out=empty)
        self.assert_ended(taken, 3)
        self.assertEqual(os.listdir(empty), [])

    def test_default_directory(self):
        folder = self.folder(a=scenario("one"))
        run = self.lab.start("run", folder)
        self.assert_ended(run, 0)
        made = os.listdir(os.path.join(self.lab.folder, "runs"))
        self.assertEqual(len(made), 1)
        self.assertTrue(fnmatch.fnmatch(made[0], "????????T??????Z-drills"), made)


class Ended(SuiteTest):
    def test_interrupted(self):
        """It always ends the suite; the window closes, and the report is there."""
        folder = self.folder(a=scenario("long", vars={"hold": HOLD, "loss": "100%"}), b=scenario("next"))
        before = self.lab.state()
        run = self.suite(folder, "--keep-going")
        run.out, whole = run.path("01-long"), run.out
        run.opened()
        run.out = whole
        self.assertEqual(run.stop(), 130)
        self.assertEqual(self.outcomes(run), [("01-long", "interrupted", 130), ("02-next", "not-run", 0)])
        self.assertEqual(run.document("results.json")["exit"], 130)
        self.assert_untouched(before)

    def test_interrupted_in_the_gap(self):
        folder = self.folder(a=scenario("first"), b=scenario("next"))
        run = self.suite(folder, gap="300s")
        wait_until(lambda: os.path.exists(run.path("suite.json")) and self.outcomes(run)[0][1] == "pass",
                   "the end of the first run")
        run.signal(signal.SIGTERM)
        self.assert_ended(run, 130)
        self.assertEqual(self.outcomes(run), [("01-first", "pass", 0), ("02-next", "not-run", 0)])
        self.assertIn("not-run", self.text(run, "report.md"))
        self.assertEqual(run.document("results.json")["exit"], 130)
        self.assertEqual(self.lab.call("report", run.out).status, 130)

    def test_killed(self):
        """What a killed suite leaves is enough for its report."""
        folder = self.folder(a=scenario("first"), b=scenario("long", vars={"hold": HOLD, "loss": "100%"}))
        run = self.suite(folder)
        whole = run.out
        run.out = run.path("02-long")
        run.opened()
        run.out = whole
        run.kill()
        self.assertFalse(os.path.exists(run.path("report.md")))
        again = self.lab.call("report", run.out)
        self.assertEqual(again.status, 5, again.stderr)
        self.assertEqual([r["outcome"] for r in run.document("results.json")["runs"]], ["pass", "host-failed"])
        self.assertIn("INCOMPLETE", self.text(run, "report.md").splitlines()[0])
        for name in ("01-first", "02-long"):
            self.assertIn(f'href="{name}/report.html"', self.text(run, "report.html"))
            self.assertIn("</html>", self.text(run, f"{name}/report.html"))


class Matrix(SuiteTest):
    def test_combinations(self):
        path = self.lab.write({**scenario("thin"), "matrix": {"loss": ["5%", "20%"], "hold": ["40ms", "60ms"]}}, "thin.yaml")
        run = self.suite(path)
        self.assert_ended(run, 0)
        names = [f"thin[loss={loss},hold={hold}]" for loss in ("5%", "20%") for hold in ("40ms", "60ms")]
        runs = run.document("results.json")["runs"]
        self.assertEqual([r["name"] for r in runs], names)
        self.assertEqual([r["run"] for r in runs],
                         ["01-thin-loss=5-hold=40ms", "02-thin-loss=5-hold=60ms", "03-thin-loss=20-hold=40ms",
                          "04-thin-loss=20-hold=60ms"])
        plans = [run.document(f"{r['run']}/plan.json") for r in runs]
        self.assertEqual([(p["steps"][0]["fault"]["loss"], p["steps"][0]["for_ns"]) for p in plans],
                         [(loss, hold * 1_000_000) for loss in ("5%", "20%") for hold in (40, 60)])

    def test_only_some(self):
        path = self.lab.write({**scenario("thin"), "matrix": {"loss": ["5%", "20%"]}}, "thin.yaml")
        for only in ("*loss=20%*", "thin[loss=20%]"):
            with self.subTest(only):
                run = self.suite(path, "--only", only)
                self.assert_ended(run, 0)
                self.assertEqual([r["name"] for r in run.document("results.json")["runs"]], ["thin[loss=20%]"])

    def test_who_takes_one_says_which(self):
        path = self.lab.write({**scenario("thin"), "matrix": {"loss": ["5%", "20%"]}}, "thin.yaml")
        for command, words in (("preflight", ("--json",)), ("rehearse", ("--json", "--out", self.lab.new_out()))):
            with self.subTest(command):
                done = self.lab.call(command, path, *words)
                self.assertEqual(done.status, 0, done.stderr)
                self.assertTrue(done.stderr.startswith("The first of 2 combinations: [loss=5%]\n"), done.stderr)
                json.loads(done.stdout)

    def test_a_file_without_one_is_a_run(self):
        run = self.suite(self.lab.write(scenario("plain")))
        self.assert_ended(run, 0)
        self.assertLessEqual(RUN, set(os.listdir(run.out)))
        self.assertFalse(os.path.exists(run.path("suite.json")))


class Report(SuiteTest):
    def test_again(self):
        folder = self.folder(a=scenario("first"), b=failing("bad"))
        run = self.suite(folder)
        self.assert_ended(run, 1)
        names = DOCUMENTS - {"suite.json", "mm-bot"} | {"mm-bot/findings.json", "mm-bot/runs/1.json", "mm-bot/runs/2.json"}
        before = {name: self.text(run, name) for name in names}
        for name in names:
            os.unlink(run.path(name))
        self.lab.write("{}", os.path.join(run.out, "mm-bot/runs/7.json"))
        again = self.lab.call("report", run.out)
        self.assertEqual(again.status, 1, again.stderr)
        self.assertEqual({name: self.text(run, name) for name in names}, before)
        self.assertEqual(sorted(os.listdir(run.path("mm-bot/runs"))), ["1.json", "2.json"])
        printed = self.lab.call("report", run.out, "--format", "scorecard")
        self.assertEqual((printed.status, printed.stdout), (1, before["scorecard.txt"]))

    def test_verified(self):
        folder = self.folder(a=scenario("first"), b=failing("bad"), c=scenario("never"))
        run = self.suite(folder)
        self.assert_ended(run, 1)
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)
        heads = [line for line in done.stdout.splitlines() if line.endswith(":")]
        self.assertEqual(heads, [f"{run.path(name)}:" for name in ("01-first", "02-bad")])
        with open(run.path("02-bad/events.jsonl"), "a", encoding="utf-8") as f:
            f.write("{}\n")
        done = self.lab.call("verify", run.out, "--json")
        document = json.loads(done.stdout)
        self.assertEqual((done.status, document["suite"], document["result"]), (1, run.out, "fail"))
        self.assertEqual([(r["run"], r["result"]) for r in document["runs"]],
                         [(run.path("01-first"), "pass"), (run.path("02-bad"), "fail")])
        shutil.rmtree(run.path("01-first"))
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 1)
        self.assertIn("01-first: its evidence is not there", done.stderr)

    def test_no_suite(self):
        for text in ("", "{}", '{"version":1,"name":"x","source":"y","scenarios":[{"name":"a","file":"b","run":"../x","outcome":"pass"}]}'):
            folder = os.path.join(self.lab.folder, "odd")
            os.makedirs(folder, exist_ok=True)
            self.lab.write(text or "\n", "odd/suite.json")
            done = self.lab.call("report", folder)
            self.assertEqual(done.status, 2, done.stderr)
            self.assertEqual(os.listdir(folder), ["suite.json"])


if __name__ == "__main__":
    unittest.main()
