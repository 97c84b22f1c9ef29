# SPDX-License-Identifier: BSD-2-Clause
"""What applications meet, as the tests see it: the rows of docs/applications.md.

A test that has seen a client fail calls meets(). The row of that fault and client must say the same. With SHEARPIN_WRITE_MEETS=1
the row is written instead."""
import fcntl
import os
import pathlib

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "applications.md"
BEGIN = "| fault | application | what it meets |\n|---|---|---|\n"


def _split(text):
    """The text before the rows, the rows by (fault, application), the text behind them."""
    before, rest = text.split(BEGIN)
    rows = {}
    lines = rest.splitlines(keepends=True)
    count = 0
    for line in lines:
        if not line.startswith("|"):
            break
        fault, application, result = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        rows[fault, application] = result
        count += 1
    return before, rows, "".join(lines[count:])


def _write(fault, application, result):
    with open(DOCUMENT, "r+", encoding="utf-8") as document:
        fcntl.flock(document, fcntl.LOCK_EX)
        before, rows, behind = _split(document.read())
        rows[fault, application] = result
        text = "".join(f"| {f} | {a} | {r} |\n" for (f, a), r in sorted(rows.items()))
        document.seek(0)
        document.truncate()
        document.write(before + BEGIN + text + behind)


def meets(fault, application, result):
    """Under `fault`, as a scenario has it, `application` has met `result`: an errno, an exit code, a message."""
    fault = f"`{fault}`"
    assert "|" not in fault + application + result
    if os.environ.get("SHEARPIN_WRITE_MEETS"):
        _write(fault, application, result)
    rows = _split(DOCUMENT.read_text(encoding="utf-8"))[1]
    told = rows.get((fault, application))
    assert told == result, f"docs/applications.md says that under {fault} {application} meets {told!r}; it was {result!r}"
