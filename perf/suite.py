"""The perf suite: runs what was asked for, prints a table, writes JSON. See README.md beside it."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

import machine  # noqa: E402
import micro  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
from end_to_end import (kernel_firewall, logs, mixes, new_connections, ovs,  # noqa: E402
                        scale, throughput)

# Nothing new is begun after this, so that --quick ends within two minutes.
QUICK_LAST_BEGIN_S = 90

# Goals of the product that no benchmark here shows yet.
NOT_RUN = [
    "VPP in the same run: its figures are those of the reference machine",
]


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="perf/run.sh", description="Sluice's perf suite.")
    parser.add_argument("--build", type=Path, metavar="DIR",
                        help="a release build of this checkout")
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--only", metavar="NAME",
                        help="micro, end-to-end, or a part of a comparison's name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--plot", type=Path, metavar="DIR",
                        help="draw flows.svg and rules.svg there, where there are enough points")
    parser.add_argument("--list", action="store_true", help="print the comparisons' names")
    return parser, parser.parse_args()


def wanted(only, quick, kind, entries):
    """What of these benches or cases is to run. A name that was asked for runs, quick or not."""
    if only in (None, kind):
        return [entry for entry in entries if entry.quick or not quick]
    return [entry for entry in entries if any(only in name for name in names_of(entry))]


def names_of(entry):
    return [pair.name for pair in entry.pairs] if isinstance(entry, micro.Bench) else [entry.name]


def end_by_signal(number, _frame):
    """Leaves by way of every `finally`; a second signal does not interrupt that."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def choose_cores():
    """The last core for what is measured, and the rest for the suite itself."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[:-1]))
    return cores[-1], cores[0]


def end_to_end_cases():
    return [*throughput.cases(), *mixes.cases(), *new_connections.cases(),
            *kernel_firewall.cases(), *logs.cases(), *scale.cases()]


def measurer(case):
    for module in (kernel_firewall, logs, mixes, new_connections, scale):
        if isinstance(case, module.Case):
            return module
    return throughput


class Run:
    """One call of the suite."""

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.began = time.monotonic()
        # Now: a checkout may be changed while the run lasts.
        self.commit = machine.commit(Path(__file__).resolve().parent.parent)
        self.core, self.other_core = choose_cores()
        self.rows = []
        self.not_run = list(NOT_RUN)
        self.pages = "none needed"
        self.configurations = {}

    def may_begin(self, entry):
        if not self.options.quick or time.monotonic() - self.began < QUICK_LAST_BEGIN_S:
            return True
        self.not_run += [f"{name} (no time left)" for name in names_of(entry)]
        return False

    def micro(self, chosen):
        for bench in filter(self.may_begin, chosen):
            say(bench.name)
            self.rows += micro.measure(self.options.build, bench, self.directory, self.core,
                                       self.options.quick)

    def obstacle(self, case):
        if self.core == self.other_core:
            return "one core alone: the worker would share it"
        return measurer(case).obstacle(self.options.build)

    def may_run(self, case):
        problem = self.obstacle(case)
        if problem:
            say(f"{case.name}: {problem}")
            self.not_run.append(f"{case.name} ({problem})")
        return not problem

    def end_to_end(self, chosen):
        chosen = list(filter(self.may_run, chosen))
        if not chosen:
            return
        with machine.HugePages(throughput.memory_size(chosen)) as pages:
            self.pages = pages.story
            say(pages.story)
            plan = throughput.Plan(self.options.build, self.directory, self.core, self.other_core,
                                   pages.held)
            for case in filter(self.may_begin, chosen):
                say(case.name)
                self.rows += measurer(case).measure(plan, case, self.options.quick)
            self.configurations = plan.configurations
        problem = ovs.obstacle()
        if problem:
            self.not_run.append(f"OVS-DPDK beside the same flows ({problem})")

    def facts(self, load_before):
        return {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "machine": machine.describe(), "commit": self.commit,
                "load_before": load_before, "load_after": machine.load(), "pages": self.pages,
                "peers": self.configurations, "quick": self.options.quick,
                "seconds": round(time.monotonic() - self.began, 1)}


def print_result(rows, facts, not_run):
    print(f"\n{facts['machine']}\ncommit {facts['commit']}, {facts['when']}, "
          f"{facts['seconds']:.0f} s, memory: {facts['pages']}")
    print(f"load {facts['load_before'][0]} before, {facts['load_after'][0]} after: "
          "the ratio of a row counts, its figures alone do not\n")
    print(report.table(rows) if rows else "nothing was measured")
    if facts["peers"]:
        print("\nhow the peers ran:")
    for name, story in facts["peers"].items():
        print(f"  {name}: {story}")
    print("\nnot run:")
    for name in not_run:
        print(f"  {name}")


def draw(document, directory):
    written, empty = plot.write(document, directory)
    for path in written:
        say(f"a plot is in {path}")
    for name in empty:
        say(f"--plot: too few points for {name}; the full run has them")


def main():
    parser, options = arguments()
    benches, cases = micro.benches(), end_to_end_cases()
    if options.list:
        for entry in [*benches, *cases]:
            print("\n".join(names_of(entry)))
        return 0
    benches = wanted(options.only, options.quick, "micro", benches)
    cases = wanted(options.only, options.quick, "end-to-end", cases)
    if options.only == "micro":
        cases = []
    elif options.only == "end-to-end":
        benches = []
    if not options.build:
        parser.error("--build DIR is missing")
    if not benches and not cases:
        parser.error(f"--only {options.only}: no comparison has that in its name (see --list)")
    options.build = options.build.resolve()
    if not options.build.is_dir():
        parser.error(f"--build {options.build}: there is no such directory")
    if options.plot:
        # Now, and not when all has been measured.
        try:
            options.plot.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--plot {options.plot}: {error.strerror}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    load_before = machine.load()
    with tempfile.TemporaryDirectory(prefix="sluice-perf.") as directory:
        run = Run(options, Path(directory))
        run.micro(benches)
        run.end_to_end(cases)
    facts = run.facts(load_before)
    text = report.document(run.rows, facts, run.not_run)
    print_result(run.rows, facts, run.not_run)
    if options.json:
        options.json.write_text(text)
        say(f"results are in {options.json}")
    if options.plot:
        draw(json.loads(text), options.plot)
    return 1 if not run.rows or any(row.ratio is None for row in run.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
