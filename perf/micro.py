"""The micro benchmarks: each a program that holds ours and its peer on the same data.

Google Benchmark draws the order of the repetitions at random, so that both sides meet the same
neighbours on the machine. Rates are for each second of CPU time.
"""

import json
import os
import subprocess
from dataclasses import dataclass, field

from end_to_end.child import Child, Failed
from report import Row


@dataclass
class Pair:
    """Ours and the peer's benchmark, by their names in the program."""

    name: str
    ours: str
    peer: str
    peer_name: str
    goal: float
    counter: str = "items_per_second"
    at_least: bool = True

    def row(self):
        unit = "M/s" if self.counter == "items_per_second" else self.counter
        return Row(self.name, unit, self.peer_name, self.goal, self.at_least)


@dataclass
class Bench:
    """One run of one program."""

    program: str
    filter: str
    pairs: list = field(default_factory=list)
    quick: bool = True
    limit_s: int = 60

    @property
    def name(self):
        return self.pairs[0].name


def _flow_pairs():
    peer = "rte_hash, lock-free bulk"
    for text, count, is_quick in (("64 k", 1 << 16, True), ("1 M", 1 << 20, True),
                                  ("8 M", 1 << 23, False)):
        yield Bench("flowtable/flow_shard_bench", f"^find_in_(flow_shard|rte_hash)/{count}$",
                    [Pair(f"flow lookup, {text} flows", f"find_in_flow_shard/{count}",
                          f"find_in_rte_hash/{count}", peer, 2.0)], is_quick, 240)
    count = 1 << 20
    yield Bench("flowtable/flow_shard_bench", f"^insert_into_(flow_shard|rte_hash)/{count}$",
                [Pair("flow insert, 1 M flows", f"insert_into_flow_shard/{count}",
                      f"insert_into_rte_hash/{count}", "rte_hash add", 2.0)], True, 120)


def _address_pairs():
    def pairs(peer, peer_name, goal):
        for stream in ("uniform", "biased"):
            yield Pair(f"address lookup, 900 k prefixes, {stream}, beside {peer}",
                       f"bench_trie/full_{stream}", f"bench_{peer}/full_{stream}", peer_name, goal)
    memory = Pair("memory of 900 k prefixes", "bench_trie/full_uniform", "bench_fib/full_uniform",
                  "rte_fib, first level", 0.125, "MiB", False)
    yield Bench("lookup/cidr_trie_bench", "^bench_(trie|fib)/full_(uniform|biased)$",
                [*pairs("fib", "rte_fib DIR-24-8", 2.0), memory], True, 120)
    # rte_lpm alone needs half a minute to take the prefixes in.
    yield Bench("lookup/cidr_trie_bench", "^bench_(trie|lpm)/full_(uniform|biased)$",
                list(pairs("lpm", "rte_lpm bulk", 1.5)), False, 300)


def _decision_pairs():
    for text, count in (("100", 100), ("1 k", 1000), ("10 k", 10000)):
        yield Bench("lookup/decide_bench", f"^(decide|rte_acl)/{count}$",
                    [Pair(f"decision, {text} rules", f"decide/{count}", f"rte_acl/{count}",
                          "rte_acl", 2.0)])


def benches():
    return [*_flow_pairs(), *_address_pairs(), *_decision_pairs()]


def samples(document, name, counter):
    """The repetitions of one benchmark; rates in millions."""
    scale = 1e6 if counter == "items_per_second" else 1.0
    return [run[counter] / scale for run in document["benchmarks"]
            if run.get("run_name") == name and run.get("run_type") == "iteration" and
            counter in run and not run.get("error_occurred")]


def _run(build, bench, directory, core, quick):
    program = build / "perf" / bench.program
    if not os.access(program, os.X_OK):
        raise Failed(f"{bench.program} is not built (is Google Benchmark installed?)")
    out = directory / "bench.json"
    out.unlink(missing_ok=True)
    child = Child(["taskset", "-c", str(core), program, f"--benchmark_filter={bench.filter}",
                   f"--benchmark_min_time={0.05 if quick else 0.3}",
                   f"--benchmark_repetitions={5 if quick else 9}",
                   "--benchmark_enable_random_interleaving=true",
                   "--benchmark_out_format=json", f"--benchmark_out={out}"],
                  directory / "bench.log")
    try:
        status = child.process.wait(timeout=bench.limit_s)
    except subprocess.TimeoutExpired:
        raise child.failure(f"took longer than {bench.limit_s} s") from None
    finally:
        child.stop()
    if status != 0:
        raise child.failure(f"ended with status {status}")
    return json.loads(out.read_text())


def measure(build, bench, directory, core, quick):
    """The rows of one bench; what cannot be measured says why in its note."""
    rows = [pair.row() for pair in bench.pairs]
    try:
        document = _run(build, bench, directory, core, quick)
    except (Failed, ValueError) as error:
        for row in rows:
            row.note = f"not measured: {error}"
        return rows
    for pair, row in zip(bench.pairs, rows):
        ours, peers = (samples(document, name, pair.counter) for name in (pair.ours, pair.peer))
        if ours and peers:
            row.compare(ours, peers)
        else:
            row.note = f"not measured: {bench.program} knows no {pair.ours} or {pair.peer}"
    return rows
