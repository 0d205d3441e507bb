#!/usr/bin/env python3
"""Shows that run_suite.py counts right: a test that fails, crashes, hangs or ends early must never
look like one that passed."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import run_suite  # noqa: E402

REPORT = {"testsuites": [{"name": "A", "testsuite": [
    {"name": "a", "status": "RUN", "result": "COMPLETED"},
    {"name": "b", "status": "RUN", "result": "COMPLETED", "failures": [{"failure": "x"}]},
    {"name": "c", "status": "RUN", "result": "SKIPPED"},
    {"name": "d", "status": "NOTRUN", "result": "SUPPRESSED"}]}]}
SKIPPED = "x.cc:2: Skipped\nno data here\n\n[  SKIPPED ] A.c (0 ms)\n"


def shell(script):
    return ["bash", "-c", script]


def fake_gtest(report, end):
    """A GoogleTest executable as far as run_gtest can tell: writes its report, then ends."""
    write = ""
    if report:
        write = f"printf '%s' '{json.dumps(report)}' >\"${{1#--gtest_output=json:}}\"; "
    return ["bash", "-c", f"{write}echo '[       OK ] A.a (0 ms)'; {end}", "fake"]


def counts(outcome):
    return outcome.passed, len(outcome.failed), len(outcome.skipped)


def gtest(report, end):
    return counts(run_suite.run_gtest("x", fake_gtest(report, end), 2, None, ()))


def lines(script):
    return counts(run_suite.run_lines("x", shell(script), 2))


def reasons():
    outcome = run_suite.Outcome("x")
    run_suite.gtest_cases(REPORT, SKIPPED, outcome)
    return outcome.skipped


PASSING = {"testsuites": [{"name": "A", "testsuite": [
    {"name": "a", "status": "RUN", "result": "COMPLETED"}]}]}

CASES = (
    ("passed, failed and skipped cases are counted apart", lambda: gtest(REPORT, "exit 1"),
     (1, 1, 1)),
    ("a skipped case tells its reason", reasons, ["A.c (no data here)"]),
    ("a clean run passes", lambda: gtest(PASSING, "exit 0"), (1, 0, 0)),
    ("a crash before the report is a failure", lambda: gtest(None, "kill -ABRT $$"), (1, 1, 0)),
    ("a crash after the report is a failure", lambda: gtest(PASSING, "kill -SEGV $$"), (1, 1, 0)),
    ("a leak found at exit is a failure", lambda: gtest(PASSING, "exit 23"), (1, 1, 0)),
    ("no report is a failure even with exit status 0", lambda: gtest(None, "exit 0"), (1, 1, 0)),
    ("a hang is a failure", lambda: gtest(None, "sleep 30"), (1, 1, 0)),
    ("lines are counted", lambda: lines("echo ok - a; echo not ok - b; echo skip - c; echo done"),
     (1, 1, 1)),
    ("a script that ends early is a failure", lambda: lines("echo ok - a; exit 0"), (1, 1, 0)),
    ("a bad exit status is a failure", lambda: lines("echo ok - a; echo done; exit 3"), (1, 1, 0)),
    ("a script that hangs is a failure", lambda: lines("echo ok - a; sleep 30; echo done"),
     (1, 1, 0)),
)


def main():
    is_ok = True
    for name, count, wanted in CASES:
        found = count()
        is_ok = is_ok and found == wanted
        print(f"{'ok' if found == wanted else 'not ok'} - run_suite_test: {name}", flush=True)
        if found != wanted:
            print(f"  found {found}, wanted {wanted}")
    print("done")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
