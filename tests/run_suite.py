#!/usr/bin/env python3
"""Runs the test suite of a built tree and counts its cases.

Four kinds of tests, each told by lines of its own:
  unit   executables that meson knows as tests; GoogleTest cases are counted one by one
  tidy   tests/tidy: the style guide as a test
  fuzz   libFuzzer targets of a clang build, each one case, run for a bounded time
  e2e    tests/e2e/*.sh, in network namespaces, as root only

Tests that are no GoogleTest executables speak lines: "ok - NAME", "not ok - NAME",
"skip - NAME # REASON", and "done" at the very end; without it the script counts as failed.
A crash, a time-out, or a non-zero exit without a failed case counts as one failed case.
The last line is always "N passed, N failed". Skipped cases are told above it and not counted.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

# Every running child, so that an interrupt ends them all.
running = set()


@dataclass
class Outcome:
    """What one executable or script came to."""

    name: str
    passed: int = 0
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    seconds: float = 0.0
    output: str = ""


@dataclass
class Ended:
    """How a child process ended: its output, and why it is not to be trusted, if so."""

    output: str
    status: int
    trouble: str
    seconds: float


def end_group(child):
    """Asks a child and its group to end, waits for its traps to run, then ends it for good."""
    for number, patience_s in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        try:
            child.wait(timeout=patience_s)
            return
        except subprocess.TimeoutExpired:
            continue


def run_child(command, timeout_s, env=None, cwd=None):
    """Runs a command in a session of its own, both outputs in one text."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as sink:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                 env={**os.environ, **(env or {})}, cwd=cwd,
                                 start_new_session=True)
        running.add(child)
        trouble = ""
        try:
            child.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            trouble = f"timed out after {timeout_s:.0f} s"
            end_group(child)
        finally:
            running.discard(child)
        sink.seek(0)
        output = sink.read().decode(errors="replace")
    status = child.returncode
    if not trouble and status is not None and status < 0:
        trouble = f"crashed with {signal.Signals(-status).name}"
    return Ended(output, status, trouble, time.monotonic() - began)


def skip_reason(output, name):
    """Why GoogleTest skipped a case: what it printed just before it said so."""
    found = re.search(r"Skipped\n([^\n]+)\n(?:\n)?\[  SKIPPED \] " + re.escape(name), output)
    return found.group(1).strip() if found else "no reason given"


def gtest_cases(document, output, outcome):
    """Counts the cases of a GoogleTest JSON report."""
    for suite in document.get("testsuites", []):
        for case in suite.get("testsuite", []):
            name = f"{suite['name']}.{case['name']}"
            if case.get("result") == "SKIPPED":
                outcome.skipped.append(f"{name} ({skip_reason(output, name)})")
            elif case.get("status") != "RUN":
                continue
            elif case.get("failures"):
                outcome.failed.append(name)
            else:
                outcome.passed += 1


def gtest_lines(output, outcome):
    """Counts what a GoogleTest executable had said before it died without a report."""
    outcome.passed += len(re.findall(r"^\[       OK \] ", output, re.M))
    for name in re.findall(r"^\[  FAILED  \] (\S+) \(\d+ ms\)", output, re.M):
        outcome.failed.append(name)


def run_gtest(name, command, timeout_s, env, wrapper):
    """Runs one GoogleTest executable."""
    outcome = Outcome(name)
    with tempfile.TemporaryDirectory(prefix="sluice-suite.") as folder:
        report = Path(folder) / "report.json"
        ended = run_child([*wrapper, *command, f"--gtest_output=json:{report}"], timeout_s, env)
        try:
            gtest_cases(json.loads(report.read_text(errors="replace")), ended.output, outcome)
        except (OSError, ValueError):
            gtest_lines(ended.output, outcome)
            ended.trouble = ended.trouble or f"left no report, exit status {ended.status}"
    # A report can be complete and the process still die after it, as on a leak.
    if ended.trouble:
        outcome.failed.append(f"{name}: {ended.trouble}")
    elif ended.status != 0 and not outcome.failed:
        outcome.failed.append(f"{name}: exit status {ended.status}")
    outcome.seconds, outcome.output = ended.seconds, ended.output
    return outcome


def run_plain(name, command, timeout_s, env, wrapper):
    """Runs a test that tells by its exit status alone; 77 says skipped, as for automake."""
    outcome = Outcome(name)
    ended = run_child([*wrapper, *command], timeout_s, env)
    if ended.status == 0 and not ended.trouble:
        outcome.passed = 1
    elif ended.status == 77:
        outcome.skipped.append(name)
    else:
        outcome.failed.append(f"{name}: {ended.trouble or f'exit status {ended.status}'}")
    outcome.seconds, outcome.output = ended.seconds, ended.output
    return outcome


def run_lines(name, command, timeout_s, env=None, cwd=None):
    """Runs a test that speaks "ok - NAME" lines."""
    outcome = Outcome(name)
    ended = run_child(command, timeout_s, env, cwd)
    is_done = False
    for line in ended.output.splitlines():
        if line.startswith("ok - "):
            outcome.passed += 1
        elif line.startswith("not ok - "):
            outcome.failed.append(line[len("not ok - "):])
        elif line.startswith("skip - "):
            outcome.skipped.append(line[len("skip - "):])
        is_done = line == "done"
    if ended.trouble:
        outcome.failed.append(f"{name}: {ended.trouble}")
    elif not is_done:
        outcome.failed.append(f"{name}: ended early, exit status {ended.status}")
    elif ended.status != 0 and not outcome.failed:
        outcome.failed.append(f"{name}: exit status {ended.status}")
    outcome.seconds, outcome.output = ended.seconds, ended.output
    return outcome


class Suite:
    """Prints each outcome when it is there, and keeps the sum."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def title(self, text):
        print(f"\n== {text}", flush=True)

    def add(self, outcome):
        self.passed += outcome.passed
        self.failed += outcome.failed
        self.skipped += outcome.skipped
        mark = "FAILED" if outcome.failed else "ok"
        extra = f", {len(outcome.failed)} failed" if outcome.failed else ""
        extra += f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
        print(f"{mark:6}  {outcome.name:44} {outcome.passed:5} passed{extra}"
              f"  ({outcome.seconds:.1f} s)", flush=True)
        if outcome.failed:
            for name in outcome.failed:
                print(f"        failed: {name}")
            print_tail(outcome.output)

    def finish(self):
        if self.skipped:
            print(f"\n{len(self.skipped)} skipped:")
            for name in self.skipped:
                print(f"  {name}")
        if self.failed:
            print(f"\n{len(self.failed)} failed:")
            for name in self.failed:
                print(f"  {name}")
        print(f"\n{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def print_tail(output, line_count=60):
    """The end of what a failed test said, passing cases left out."""
    lines = [line for line in output.splitlines()
             if not re.match(r"\[ (RUN  |     OK|-----)|ok - |done$", line)]
    if len(lines) > line_count:
        print(f"        | ... {len(lines) - line_count} lines before these")
    for line in lines[-line_count:]:
        print(f"        | {line}")
    sys.stdout.flush()


def introspect(build, what):
    """What meson knows about a build directory."""
    answer = subprocess.run(["meson", "introspect", f"--{what}", str(build)],
                            capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


def is_gtest(test):
    """GoogleTest is linked in statically, so that an executable that has it holds its flags."""
    if test.get("protocol") == "gtest":
        return True
    try:
        return b"gtest_list_tests" in Path(test["cmd"][0]).read_bytes()
    except OSError:
        return False


def run_parallel(suite, jobs):
    """Runs jobs, one per core at a time, and tells each outcome as it comes."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for done in concurrent.futures.as_completed([pool.submit(*job) for job in jobs]):
            suite.add(done.result())


def unit_tests(suite, build, title, prefix="", slow_factor=1, env=None, wrapper=()):
    """All tests that meson knows, the longest first."""
    suite.title(title)
    tests = introspect(build, "tests")
    if not tests:
        suite.add(Outcome(f"{prefix}unit", failed=[f"{build} has no tests"]))
        return
    jobs = []
    for test in sorted(tests, key=lambda test: -int(test.get("timeout") or 30)):
        runner = run_gtest if is_gtest(test) else run_plain
        timeout_s = max(60, int(test.get("timeout") or 30)) * slow_factor
        merged = {**dict(test.get("env") or {}), **(env or {})}
        jobs.append((runner, prefix + test["name"], test["cmd"], timeout_s, merged, wrapper))
    run_parallel(suite, jobs)


def sanitizer_env():
    return {
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
    }


def fixed_layout():
    """TSan cannot map its shadow under strong address randomisation: switched off where allowed."""
    probe = subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False)
    return ["setarch", "-R"] if probe.returncode == 0 else []


def tidy_tests(suite, root):
    suite.title("tidy: the style guide as a test")
    tidy = root / "tests" / "tidy"
    suite.add(run_lines("tidy", [sys.executable, str(tidy / "tidy.py"), str(root)], 120))
    suite.add(run_lines("tidy_test", [sys.executable, str(tidy / "tidy_test.py")], 60))
    suite.add(run_lines("run_suite_test",
                        [sys.executable, str(root / "tests" / "run_suite_test.py")], 60))
    suite.add(run_lines("semantics_table_test",
                        [sys.executable, str(root / "tests" / "semantics_table_test.py")], 60))
    suite.add(run_lines("models_test",
                        [sys.executable, str(root / "tests" / "models" / "models_test.py")], 600))


def fuzz_targets(targets):
    """Executables below tests/fuzz, out of what meson knows."""
    return [Path(target["filename"][0]) for target in targets
            if target["type"] == "executable" and "/tests/fuzz/" in target["filename"][0]]


def run_fuzz(root, build, target, seconds):
    """One fuzz target: its corpus, then new inputs until the time is up, drawn from a fixed seed so
    that a failure comes again. What makes it fail is kept in the build directory."""
    name = target.name
    outcome = Outcome(f"fuzz:{name}")
    seeds = root / "tests" / "fuzz" / "corpus" / name.removesuffix("_fuzz")
    if not seeds.is_dir():
        seeds = root / "tests" / "fuzz" / "corpus" / name
    artifacts = build / "artifacts" / name
    artifacts.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sluice-fuzz.") as grown:
        command = [str(target), f"-max_total_time={seconds}", "-timeout=60", "-rss_limit_mb=4096",
                   "-seed=1", "-print_final_stats=1", f"-artifact_prefix={artifacts}/", grown]
        if seeds.is_dir():
            command.append(str(seeds))
        ended = run_child(command, seconds * 2 + 120, sanitizer_env())
    executed = re.search(r"number_of_executed_units:\s*(\d+)", ended.output)
    if ended.trouble or ended.status != 0:
        outcome.failed.append(f"fuzz:{name}: {ended.trouble or f'exit status {ended.status}'}, "
                              f"inputs in {artifacts}")
    elif not executed or int(executed.group(1)) < 100:
        outcome.failed.append(f"fuzz:{name}: ran almost no input")
    else:
        outcome.passed = 1
        outcome.name += f" ({int(executed.group(1)):,} inputs)"
    outcome.seconds, outcome.output = ended.seconds, ended.output
    return outcome


def fuzz_tests(suite, root, build, seconds):
    suite.title(f"fuzz: {seconds} s for each target")
    targets = fuzz_targets(introspect(build, "targets"))
    if not targets:
        suite.add(Outcome("fuzz", failed=[f"{build} has no fuzz targets"]))
        return
    run_parallel(suite, [(run_fuzz, root, build, target, seconds) for target in targets])


def e2e_tests(suite, root, build):
    """One scenario after the other: each has an appliance with a polling core."""
    suite.title("end to end, in network namespaces")
    folder = root / "tests" / "e2e"
    scripts = sorted(path for path in folder.glob("*.sh") if path.name != "lib.sh")
    missing = e2e_obstacle()
    for script in scripts:
        name = f"e2e:{script.stem}"
        if missing:
            suite.skipped.append(f"{name} ({missing})")
            print(f"skip    {name} ({missing})")
        else:
            suite.add(run_lines(name, ["bash", str(script), str(build)], 300))


def e2e_obstacle():
    """Why this machine cannot run the end-to-end tests, or nothing."""
    if os.geteuid() != 0:
        return "needs root for taps and network namespaces"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    if not shutil.which("ip"):
        return "iproute2 is not installed"
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "network namespaces are not permitted here"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--build", type=Path)
    parser.add_argument("--fuzz-build", type=Path)
    parser.add_argument("--asan-build", type=Path)
    parser.add_argument("--tsan-build", type=Path)
    parser.add_argument("--all", action="store_true", help="long fuzzing, large random runs")
    parser.add_argument("--only", choices=["unit", "tidy", "fuzz", "e2e", "asan", "tsan"])
    parser.add_argument("--list-fuzz-targets", type=Path, metavar="BUILD",
                        help="print the fuzz targets of a build directory for ninja, and end")
    return parser.parse_args()


def list_fuzz_targets(build):
    for target in fuzz_targets(introspect(build, "targets")):
        print(target.relative_to(build.resolve()))


def on_signal(number, _frame):
    """Ends every child first: the end-to-end scenarios then take their namespaces down."""
    for child in list(running):
        end_group(child)
    sys.stdout.flush()
    os._exit(128 + number)


def main():
    options = arguments()
    if options.list_fuzz_targets:
        list_fuzz_targets(options.list_fuzz_targets)
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    if options.all:
        os.environ["SLUICE_TEST_SCALE"] = "10"
    suite = Suite()

    def wants(part):
        return options.only in (None, part)

    if wants("tidy"):
        tidy_tests(suite, options.root)
    if wants("unit"):
        unit_tests(suite, options.build, "unit and scenario tests",
                   slow_factor=10 if options.all else 1)
    if wants("e2e"):
        e2e_tests(suite, options.root, options.build)
    if wants("fuzz") and options.fuzz_build:
        fuzz_tests(suite, options.root, options.fuzz_build, 180 if options.all else 20)
    # Sanitizers multiply the time of a case by themselves; the random runs stay small.
    os.environ["SLUICE_TEST_SCALE"] = "1"
    if wants("asan") and options.asan_build:
        unit_tests(suite, options.asan_build, "unit and scenario tests, ASan and UBSan",
                   "asan:", 5, sanitizer_env())
    if wants("tsan") and options.tsan_build:
        unit_tests(suite, options.tsan_build, "unit and scenario tests, TSan",
                   "tsan:", 15, sanitizer_env(), fixed_layout())
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
