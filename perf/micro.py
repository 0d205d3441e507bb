"""The micro benchmarks: each a program that holds ours and its peer on the same data.

Google Benchmark draws the order of the repetitions at random, so that both sides meet the same
neighbours on the machine. Rates are for each second of CPU time.
"""

import json
import os
import statistics
import subprocess
from dataclasses import dataclass, field
from typing import Callable, Optional

from end_to_end.child import Child, Failed
from lookup import prefix_files
from report import Row


@dataclass
class Pair:
    """Ours and the peer's benchmark, by their names in the program.

    Where the peer has several ways of doing it, `peer` names them all and the best counts.
    """

    name: str
    ours: str
    peer: object  # a name, or several
    peer_name: str
    goal: float
    counter: str = "items_per_second"
    at_least: bool = True

    def row(self):
        unit = "M/s" if self.counter == "items_per_second" else self.counter
        return Row(self.name, unit, self.peer_name, self.goal, self.at_least)

    def peers(self):
        return (self.peer,) if isinstance(self.peer, str) else self.peer


@dataclass
class Bench:
    """One run of one program."""

    program: str
    filter: str
    pairs: list = field(default_factory=list)
    quick: bool = True
    limit_s: int = 60
    # The variable that names a file of real data to the program, and what makes that file.
    variable: str = ""
    maker: Optional[Callable] = None

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


_FIB = tuple(f"fib_{way}" for way in ("avx512", "macro", "inline", "uni"))
_FIB6 = ("fib6_avx512", "fib6_scalar")
_STREAMS = ("uniform", "biased", "zipf")


def _lookup_pairs(what, ours, peers, peer_name, goal, table, streams=_STREAMS):
    for stream in streams:
        end = f"/{table}_{stream}"
        yield Pair(f"address lookup, {what}, {stream}, beside {peer_name}", ours + end,
                   tuple(peer + end for peer in peers), peer_name, goal)


def _memory_pair(what, ours, peer, peer_name, table):
    return Pair(f"memory of {what} beside {peer_name}", f"{ours}/{table}_uniform",
                f"{peer}/{table}_uniform", peer_name, 0.125, "MiB", False)


def _address_benches():
    what = "900 k prefixes"
    yield Bench("lookup/cidr_trie_bench", "^(trie|fib_.*)/full_(uniform|biased)$",
                [*_lookup_pairs(what, "trie", _FIB, "rte_fib DIR-24-8", 2.0, "full",
                                ("uniform", "biased")),
                 _memory_pair(what, "trie", "fib_macro", "rte_fib", "full")], True, 120)
    # rte_lpm alone needs half a minute to take the prefixes in.
    yield Bench("lookup/cidr_trie_bench", "^(trie|lpm)/full_",
                [*_lookup_pairs(what, "trie", ("lpm",), "rte_lpm bulk", 1.5, "full"),
                 _memory_pair(what, "trie", "lpm", "rte_lpm", "full")], False, 300)
    yield Bench("lookup/cidr_trie_bench", "^(build|change)_(trie|fib)/full$",
                [Pair("building 900 k prefixes", "build_trie/full", "build_fib/full", "rte_fib",
                      None),
                 Pair("changing one of 900 k prefixes, former ones kept", "change_trie/full",
                      "change_fib/full", "rte_fib in place", None)], False, 120)
    for what, maker in (("the table of 2010", prefix_files.routing_table_of_2010),
                        ("AWS's ranges", prefix_files.aws_ranges)):
        yield Bench("lookup/cidr_trie_bench", "^(trie|fib_.*|lpm)/file_",
                    [*_lookup_pairs(what, "trie", _FIB, "rte_fib DIR-24-8", 2.0, "file"),
                     *_lookup_pairs(what, "trie", ("lpm",), "rte_lpm bulk", 1.5, "file"),
                     _memory_pair(what, "trie", "lpm", "rte_lpm", "file")],
                    False, 300, "SLUICE_PREFIXES", maker)
    what = "100 k IPv6 prefixes"
    yield Bench("lookup/cidr_trie6_bench", "^(trie6|fib6_.*|lpm6)/full_",
                [*_lookup_pairs(what, "trie6", _FIB6, "rte_fib6", None, "full"),
                 *_lookup_pairs(what, "trie6", ("lpm6",), "rte_lpm6 bulk", None, "full"),
                 _memory_pair(what, "trie6", "lpm6", "rte_lpm6", "full")], False, 300)


_ACL = ("rte_acl_avx512x32", "rte_acl_avx512x16", "rte_acl_avx2", "rte_acl_sse")


def _decision_benches():
    def pair(what, case):
        return Pair(f"decision, {what}", f"decide/{case}", tuple(f"{acl}/{case}" for acl in _ACL),
                    "rte_acl", 2.0)
    for what, count in (("100 rules", 100), ("1 k rules", 1000), ("10 k rules", 10000)):
        yield Bench("lookup/decide_bench", f"^(decide|rte_acl_.*)/{count}$", [pair(what, count)],
                    True, 120)
    for name in prefix_files.FILTER_SETS:
        yield Bench("lookup/decide_bench", "^(decide|rte_acl_.*)/file$",
                    [pair(f"ClassBench {name}", "file")], False, 120, "SLUICE_FILTERS",
                    prefix_files.filter_set(name))


def benches():
    return [*_flow_pairs(), *_address_benches(), *_decision_benches()]


def samples(document, name, counter):
    """The repetitions of one benchmark; rates in millions."""
    scale = 1e6 if counter == "items_per_second" else 1.0
    return [run[counter] / scale for run in document["benchmarks"]
            if run.get("run_name") == name and run.get("run_type") == "iteration" and
            counter in run and not run.get("error_occurred")]


def best(peers):
    """The samples of whichever has the highest median; none where there are none."""
    return max((found for found in peers if found), key=statistics.median, default=[])


def _environment(bench, directory):
    if bench.maker is None:
        return None
    path = directory / "data.txt"
    problem = prefix_files.write(bench.maker, path)
    if problem:
        raise Failed(problem)
    return {**os.environ, bench.variable: str(path)}


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
                  directory / "bench.log", _environment(bench, directory))
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
        ours = samples(document, pair.ours, pair.counter)
        peers = best(samples(document, name, pair.counter) for name in pair.peers())
        if ours and peers:
            row.compare(ours, peers)
        else:
            row.note = f"not measured: {bench.program} has no {pair.ours} or {pair.peers()}"
    return rows
