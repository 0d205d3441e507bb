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

from end_to_end import scale_policy
from end_to_end.child import Child, Failed
from lookup import prefix_files
from report import Row


@dataclass
class Pair:
    """Ours and the peer's benchmark, by their names in the program.

    Where the peer has several ways of doing it, `peer` names them all and the best counts. A peer
    that cannot run here has a figure of the reference machine instead.
    """

    name: str
    ours: str
    peer: object  # a name, or several
    peer_name: str
    goal: float
    counter: str = "items_per_second"
    at_least: bool = True
    figure: Optional[float] = None  # of the peer, instead of a benchmark

    def row(self):
        unit = "M/s" if self.counter == "items_per_second" else self.counter.split("_")[-1]
        return Row(self.name, unit, self.peer_name, self.goal, self.at_least)

    def peers(self):
        return (self.peer,) if isinstance(self.peer, str) else self.peer

    def peer_samples(self, document):
        if self.figure is not None:
            return [self.figure]
        return best(samples(document, name, self.counter) for name in self.peers())


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
    has_threads: bool = False  # and needs a core for each
    # Where a case takes long: fewer repetitions of less, and one side after the other.
    repetitions: Optional[int] = None
    min_time_s: Optional[float] = None
    in_turns: bool = True
    # What to say of a result besides its figures, from the document; None: nothing.
    remark: Optional[Callable] = None

    @property
    def name(self):
        return self.pairs[0].name


_FLOW_PEER = "rte_hash, lock-free bulk"
# What a row is called, the benchmark, the order of packets, the goal.
_FLOW_OPERATIONS = (
    ("flow lookup", "hit", "uniform", 2.0), ("flow insert", "insert", "uniform", 2.0),
    ("flow lookup, favourites", "hit", "zipf", None),
    ("flow lookup, unknown flows", "miss", "uniform", None),
    ("flow removal", "erase", "uniform", None),
    ("flow lookup 3/4, insert 1/8, removal 1/8", "churn", "uniform", None))


def _flow_pair(what, operation, where, goal):
    # Adding and deleting without looking first, in bulk, is the peer's other way.
    sides = ("rte_hash", "rte_hash_alone") if operation in ("insert", "erase", "fill") else (
        "rte_hash",)
    return Pair(what, f"{operation}/flow_shard/{where}",
                tuple(f"{operation}/{side}/{where}" for side in sides), _FLOW_PEER, goal)


def _iterations(document):
    return [run for run in document["benchmarks"] if run.get("run_type") == "iteration"]


def _pages_of(document):
    """Of the pages that a table was to have: says where it had others."""
    for run in _iterations(document):
        share, name = run.get("huge_percent"), run["name"]
        if share is None:
            continue
        if "/huge/" in name and share < 50 or "/small/" in name and share > 10:
            return f"{share:.0f} % of {name.split('/')[1]}'s memory in huge pages"
    return None


def _count_of(document):
    counts = {run["flows"] for run in _iterations(document) if "flows" in run}
    return ", ".join(f"{count / 1e6:.0f} M flows" for count in sorted(counts))


def _flow_bench(family, pages, text, count, operations, **options):
    """Several operations on the same tables; they are made once for all of them."""
    ending = {"v4": "", "v6": ", IPv6"}[family] + {"huge": "", "small": ", pages of 4 KiB"}[pages]
    pairs = [_flow_pair(f"{what}, {text}{ending}", operation,
                        f"{family}/{pages}/{order}/{count}", goal)
             for what, operation, order, goal in operations]
    names = {name for pair in pairs for name in (pair.ours, *pair.peer)}
    return Bench("flowtable/flow_shard_bench", f"^({'|'.join(sorted(names))})$", pairs,
                 **{"remark": _pages_of, **options})


def _flow_benches():
    every = _FLOW_OPERATIONS
    hit, insert, favourites, churn = every[0], every[1], every[2], every[5]
    short = {"quick": False, "repetitions": 5, "min_time_s": 0.05, "limit_s": 240}
    small, large, largest = counts = (("64 k flows", 1 << 16), ("1 M flows", 1 << 20),
                                      ("8 M flows", 1 << 23))
    yield _flow_bench("v4", "huge", *small, [hit], limit_s=60)
    yield _flow_bench("v4", "huge", *large, [hit, insert], limit_s=90)
    yield _flow_bench("v4", "huge", *small, every[1:], **short)
    yield _flow_bench("v4", "huge", *large, every[2:], **short)
    yield _flow_bench("v4", "huge", *largest, every, **short)
    for text, count in counts:
        yield _flow_bench("v6", "huge", text, count, every, **short)
    for text, count in counts:
        yield _flow_bench("v4", "small", text, count, [hit, insert, churn], **short)
    where = f"v4/huge/uniform/{1 << 20}"
    yield Bench("flowtable/flow_shard_bench", f"^fill/.*/{where}$",
                [_flow_pair("flow insert, an empty table for 1 M flows", "fill", where, 2.0)],
                **short)
    most = {**short, "repetitions": 3, "limit_s": 400, "in_turns": False, "remark": _count_of}
    yield _flow_bench("v4", "huge", "as many flows as half of the free memory holds", "most",
                      [hit, favourites, churn], **most)


def _upkeep_benches():
    """Expiry and memory: what the product promises of them is a figure and no peer."""
    program, expiry = "flowtable/flow_shard_bench", "expire/flow_shard/10M"
    yield Bench(program, f"^{expiry}/", [
        Pair("expiry of 10 M flows, of a core", f"{expiry}/iterations:1", "",
             "the goal of 1 %", 1.0, "core_%", False, 1.0)],
                False, 240, repetitions=3)
    worker = "dataplane/expiry_bench"
    for what, name in (("10 M flows of TCP", "tcp/10M"), ("1 M flows of UDP", "udp/1M")):
        ours = f"expire/worker/{name}"
        yield Bench(worker, f"^{ours}/", [
            Pair(f"expiry of {what} in the worker, of a core", f"{ours}/iterations:1", "",
                 "the goal of the table alone", None, "core_%", False, 1.0)],
                    False, 240, repetitions=1)
    ours, peer = "memory/flow_shard/v4/1M/iterations:1", "memory/rte_hash/v4/1M/iterations:1"
    of_flow = "memory per tracked IPv4 connection"
    yield Bench(program, "^memory/.*/v4/1M/", [
        Pair(of_flow, ours, "", "the goal of 80 B", 1.0, "flow_B", False, 80.0),
        Pair(f"{of_flow}, beside VPP", ours, "", "VPP acl-plugin", None, "flow_B", False,
             152.0),
        Pair(f"{of_flow}, beside OVS", ours, "", "OVS, about", None, "flow_B", False, 300.0),
        Pair(f"{of_flow}, beside rte_hash", ours, peer, "rte_hash and a state of 48 B", None,
             "flow_B", False)], True, 60, repetitions=1)
    yield Bench(program, "^memory/.*/v6/1M/", [
        Pair("memory per tracked IPv6 connection", ours.replace("v4", "v6"),
             peer.replace("v4", "v6"), "rte_hash and a state of 48 B", None, "flow_B", False)],
                False, 60, repetitions=1)
    hundred = "memory/flow_shard/v4/100M"
    yield Bench(program, f"^{hundred}/", [
        Pair("memory of 100 M IPv4 connections", f"{hundred}/iterations:1", "", "the goal of 8 GB",
             1.0, "all_GB", False, 8.0)], False, 240, repetitions=1)


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


def _upkeep_pairs(what, ours, peer, peer_name, table):
    """Making a table, and changing it: ours as a commit that leaves the former one as it was."""
    for doing, verb in ((f"building {what}", "build"),
                        (f"one change of {what}, former ones kept", "change")):
        yield Pair(f"{doing}, beside {peer_name}", f"{verb}_{ours}/{table}",
                   f"{verb}_{peer}/{table}", peer_name, None)


def _address_benches():
    yield from _address_benches_v4()
    yield from _address_benches_v6()


def _address_benches_v4():
    program, what = "lookup/cidr_trie_bench", "900 k prefixes"
    yield Bench(program, "^(trie|fib_.*)/full_(uniform|biased)$",
                [*_lookup_pairs(what, "trie", _FIB, "rte_fib DIR-24-8", 2.0, "full",
                                ("uniform", "biased")),
                 _memory_pair(what, "trie", "fib_macro", "rte_fib", "full")], True, 120)
    # rte_lpm alone needs half a minute to take the prefixes in.
    yield Bench(program, "^(trie|lpm)/full_",
                [*_lookup_pairs(what, "trie", ("lpm",), "rte_lpm bulk", 1.5, "full"),
                 _memory_pair(what, "trie", "lpm", "rte_lpm", "full")], False, 300)
    yield Bench(program, "^(build|change)_(trie|fib)/full$",
                [*_upkeep_pairs(what, "trie", "fib", "rte_fib", "full")], False, 120)
    yield Bench(program, "^(build|change)_(trie|lpm)/full$",
                [*_upkeep_pairs(what, "trie", "lpm", "rte_lpm", "full")], False, 400,
                repetitions=3, min_time_s=0.05, in_turns=False)
    for what, maker in (("the table of 2010", prefix_files.routing_table_of_2010),
                        ("AWS's ranges", prefix_files.aws_ranges)):
        yield Bench(program, "^(trie|fib_.*|lpm)/file_",
                    [*_lookup_pairs(what, "trie", _FIB, "rte_fib DIR-24-8", 2.0, "file"),
                     *_lookup_pairs(what, "trie", ("lpm",), "rte_lpm bulk", 1.5, "file"),
                     _memory_pair(what, "trie", "lpm", "rte_lpm", "file")],
                    False, 300, "SLUICE_PREFIXES", maker)
        yield Bench(program, "^(build|change)_(trie|fib|lpm)/file$",
                    [*_upkeep_pairs(what, "trie", "fib", "rte_fib", "file"),
                     *_upkeep_pairs(what, "trie", "lpm", "rte_lpm", "file")],
                    False, 300, "SLUICE_PREFIXES", maker, repetitions=3, min_time_s=0.05)


def _address_benches_v6():
    program = "lookup/cidr_trie6_bench"
    for what, table, maker in (("100 k IPv6 prefixes", "full", None),
                               ("AWS's IPv6 ranges", "file", prefix_files.aws_ranges)):
        data = ("SLUICE_PREFIXES", maker) if maker else ()
        yield Bench(program, f"^(trie6|fib6_.*|lpm6)/{table}_",
                    [*_lookup_pairs(what, "trie6", _FIB6, "rte_fib6", None, table),
                     *_lookup_pairs(what, "trie6", ("lpm6",), "rte_lpm6 bulk", None, table),
                     _memory_pair(what, "trie6", "lpm6", "rte_lpm6", table)], False, 300, *data)
        yield Bench(program, f"^(build|change)_(trie6|fib6|lpm6)/{table}$",
                    [*_upkeep_pairs(what, "trie6", "fib6", "rte_fib6", table),
                     *_upkeep_pairs(what, "trie6", "lpm6", "rte_lpm6", table)], False, 300, *data,
                    repetitions=3, min_time_s=0.05)


_ACL = ("rte_acl_avx512x32", "rte_acl_avx512x16", "rte_acl_avx2", "rte_acl_sse")


def _rules_pairs(what, case):
    """rte_acl makes one structure for all of its ways of asking it."""
    sides = (f"build_decide/{case}", f"build_rte_acl/{case}", "rte_acl", None)
    yield Pair(f"building the policy of {what}", *sides)
    yield Pair(f"memory of the policy of {what}", *sides, "KiB", False)


def _decision_benches():
    def pair(what, case):
        return Pair(f"decision, {what}", f"decide/{case}", tuple(f"{acl}/{case}" for acl in _ACL),
                    "rte_acl", 2.0)
    for what, count in (("100 rules", 100), ("1 k rules", 1000), ("10 k rules", 10000)):
        yield Bench("lookup/decide_bench", f"^(decide|rte_acl_.*)/{count}$", [pair(what, count)],
                    True, 120)
        yield Bench("lookup/decide_bench", f"^build_(decide|rte_acl)/{count}$",
                    [*_rules_pairs(what, count)], False, 120, repetitions=5)
    for name in prefix_files.FILTER_SETS:
        data = ("SLUICE_FILTERS", prefix_files.filter_set(name))
        yield Bench("lookup/decide_bench", "^(decide|rte_acl_.*)/file$",
                    [pair(f"ClassBench {name}", "file")], False, 120, *data)
        yield Bench("lookup/decide_bench", "^build_(decide|rte_acl)/file$",
                    [*_rules_pairs(f"ClassBench {name}", "file")], False, 120, *data,
                    repetitions=5)


def _scale_benches():
    yield Bench("lookup/scale_bench", "^decide(_uncached)?/file$",
                [Pair("decision, the scale policy: 10 k groups, 100 k interfaces, 1 M prefixes",
                      "decide/file", "decide_uncached/file", "without the verdict cache", None)],
                False, 300, "SLUICE_POLICY", scale_policy.json_text)


def _layer7_benches():
    peers = ("pcre2_jit/full", "pcre2/full")
    name = "PCRE2, each pattern by itself"
    yield Bench("lookup/l7_bench", "^(identify|hyperscan|pcre2_jit|pcre2)/full$",
                [Pair("L7: new connections inspected", "identify/full", "",
                      "the goal of 300 k/s for each worker", 1.0, figure=0.3),
                 Pair("L7: new connections inspected, with shapes and names", "identify/full",
                      peers, name, 2.0),
                 Pair("L7: clocks for each of them", "identify/full", "pcre2_jit/full", name, None,
                      "clocks", False),
                 Pair("L7: scan alone, both sides", "hyperscan/full", peers, name, 2.0)],
                True, 120)


    yield Bench("dataplane/pipeline_bench", "^pipeline/bump/64k(/app)?$",
                [Pair("L7: long flows, an application demanded of each", "pipeline/bump/64k/app",
                      "pipeline/bump/64k", "rules without demands", 0.97)])
    for what, talk in (("TLS with a name, eight packets", "tls"),
                       ("Redis, told by a scan, eight packets", "redis"),
                       ("DNS, two packets", "dns")):
        ours = f"connections/{talk}/app/full"
        yield Bench("dataplane/connections_bench", f"^connections/{talk}/(app|plain)/full$",
                    [Pair(f"L7: whole connections inspected, {what}", ours, "",
                          "the goal of 300 k/s for each worker", 1.0, figure=0.3),
                     Pair(f"L7: whole connections, {what}, beside no demands", ours,
                          f"connections/{talk}/plain/full", "rules without demands", None)],
                    talk == "tls", 240)


# UDP first packets with the acl-plugin (permit+reflect), millions a second, reference machine.
_VPP_NEW_FLOWS = 2.76


def _connection_benches():
    yield Bench("dataplane/pipeline_bench", "^new/bump/512k/udp$",
                [Pair("new flows, UDP first packets", "new/bump/512k/udp", "",
                      "VPP 26.06 on the reference machine", 1.8, figure=_VPP_NEW_FLOWS)])
    for text, kind in (("TCP, six packets", "tcp"), ("UDP, two packets", "udp")):
        yield Bench("dataplane/connections_bench", f"^connections/{kind}/(logged|unlogged)$",
                    [Pair(f"short connections, {text}, flow log on", f"connections/{kind}/logged",
                          f"connections/{kind}/unlogged", "flow log off", None)], False, 240)


def _burst_benches():
    """Time inside Sluice; interruptions by other programs are left out, not those by the kernel."""
    percentiles = (("p50_us", "50th"), ("p99_us", "99th"), ("p999_us", "99.9th"))
    yield Bench("dataplane/latency_bench", "^burst/.*/64k$",
                [Pair(f"time of a burst, {text}, {percentile} percentile", f"burst/{load}/64k",
                      f"burst/{other}/64k", other_text, None, counter, False)
                 for text, load, other_text, other in
                 (("half load", "half", "idle", "idle"), ("full load", "full", "idle", "idle"),
                  ("a commit every 10 ms", "commits", "none", "full"))
                 for counter, percentile in percentiles], False, 240, has_threads=True)


_FLOODS = (
    ("a flood of SYNs", "syn"), ("a flood of datagrams", "udp"), ("a flood of pings", "icmp"),
    ("a flood of ACKs", "ack"), ("a flood of ICMP errors", "error"),
    ("a flood of SYNs over IPv6", "syn6"), ("a flood of SYNs handed over", "handed"),
    ("a flood of SYNs to 4,096 interfaces", "interfaces"), ("a flood of RSTs", "rst"),
    ("a flood of ports that the rules are asked for anew", "ports"),
    ("a flood of QUIC Initials", "quic"),
    ("a flood of first fragments", "first"), ("a flood of later fragments", "later"),
    ("a flood that the rules refuse", "refused"), ("a flood of computed collisions", "collisions"),
    ("196 k flows that end at once", "expiry"), ("a change that judges all flows anew", "policy"),
    ("the sweep of a log window", "window"))


def _flood_benches():
    """CPU time of a turn in a flood beyond one of established connections, not preempted."""
    for text, name in _FLOODS:
        ours = f"flood/{name}/64k/iterations:1"
        what = f"turn, {text}, beyond a normal one"
        yield Bench("dataplane/flood_bench", f"^flood/{name}/64k/",
                    [Pair(f"{what}, 99th percentile", ours, "", "the goal of 100 µs", 1.0,
                          "beyond_p99_us", False, 100.0),
                     Pair(f"{what}, worst seen", ours, "", "the host's interruptions included",
                          None, "beyond_worst_us", False, 100.0)],
                    False, 60, repetitions=3)


def _worker_benches():
    yield Bench("dataplane/scaling_bench", "^workers.*/[12]/",
                [Pair("two workers", "workers/2/manual_time", "workers/1/manual_time",
                      "one worker", 1.0),
                 Pair("two workers, half of the packets handed over",
                      "workers_handing_over/2/manual_time", "workers/1/manual_time", "one worker",
                      1.0)], False, 240, has_threads=True)
    for count in (4, 8, 16, 32):
        if count <= os.cpu_count():
            yield Bench("dataplane/scaling_bench", f"^workers/(1|{count})/",
                        [Pair(f"{count} workers", f"workers/{count}/manual_time",
                              "workers/1/manual_time", "one worker", 0.9 * count)],
                        False, 240, has_threads=True)


def benches():
    return [*_flow_benches(), *_upkeep_benches(), *_address_benches(), *_decision_benches(),
            *_scale_benches(), *_connection_benches(), *_burst_benches(), *_flood_benches(),
            *_worker_benches(), *_layer7_benches()]


def samples(document, name, counter):
    """The repetitions of one benchmark; rates in millions."""
    scale = 1e6 if counter == "items_per_second" else 1.0
    return [run[counter] / scale for run in _iterations(document)
            if run.get("run_name") == name and counter in run and not run.get("error_occurred")]


def error_of(document, names):
    """What one of these benchmarks said instead of a figure; None: nothing."""
    return next((run["error_message"] for run in document["benchmarks"]
                 if run.get("error_occurred") and run.get("run_name") in names), None)


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
    cores = f"0-{os.cpu_count() - 1}" if bench.has_threads else str(core)
    child = Child(["taskset", "-c", cores, program, f"--benchmark_filter={bench.filter}",
                   f"--benchmark_min_time={bench.min_time_s or (0.05 if quick else 0.2)}",
                   f"--benchmark_repetitions={bench.repetitions or 5}",
                   f"--benchmark_enable_random_interleaving={str(bench.in_turns).lower()}",
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
        peers = pair.peer_samples(document)
        if ours and peers:
            row.compare(ours, peers)
            row.note = (bench.remark and bench.remark(document)) or ""
        else:
            why = error_of(document, (pair.ours, *pair.peers()))
            row.note = f"not measured: {why or f'{bench.program} lacks {pair.ours} or its peer'}"
    return rows
