"""One change of a policy of the largest accounts' size, with traffic running.

The time of a change is what its client sees: from the request on the control socket to the answer,
which comes when every worker enforces it and the state directory keeps it. Beside it stands the
same policy applied as a whole. No packet of the running flows may be dropped meanwhile.

Applying a whole one is measured from JSON and from TOML, each in a process of its own, and where
the time goes: reading, checking, compiling and sealing as perf/lookup/scale_bench does the same
with the same file, and sending, keeping and publishing as the rest.
"""

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass

from end_to_end import scale_policy, throughput
from end_to_end.appliance import Appliance
from end_to_end.child import Failed
from report import Row
from traffic import established_flows, policy

FLOWS = 4_096
LOAD_GOAL_S = 20.0
PREFIXES_GOAL_S = 1.0
SNAPSHOT_GOAL_MB = 300.0
CHANGE_GOAL_MS = 1.0


@dataclass
class Case:
    label: str
    size: scale_policy.Size
    changes: int
    quick: bool = False
    flow_count: int = FLOWS
    memory_needed: int = 0  # bytes free on the machine, or it is not measured
    has_loads: bool = False  # how long other documents take, and where the time goes, too

    @property
    def name(self):
        return f"scale, {self.label}"


def cases():
    return [Case("10 k groups, 100 k interfaces, 1 M prefixes", scale_policy.Size(), 400,
                 has_loads=True),
            Case("10 k groups, 1 M interfaces, 1 M prefixes",
                 scale_policy.Size(interfaces=1_000_000), 200, memory_needed=12 << 30)]


def obstacle(build):
    return throughput.appliance_obstacle(build)


def traffic_rows():
    """The interfaces of the capture, beside the many others."""
    return {
        "subnet": [{"id": "subnet-perf", "vpc": "vpc-scale", "cidrs": ["10.77.1.0/24"]}],
        "security_group": [{"id": "sg-perf", "name": "perf", "vpc": "vpc-scale", "egress": [],
                            "ingress": [{"protocol": "-1", "source": "20.0.0.0/8"}]}],
        "interface": [{"id": f"eni-perf{number}", "subnet": "subnet-perf",
                       "addresses": [f"10.77.1.{16 + number}"], "security_groups": ["sg-perf"]}
                      for number in range(policy.INTERFACES)]}


def memory_available():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    raise Failed("/proc/meminfo does not tell how much memory is free")


def check_memory(case):
    available = memory_available()
    if available < case.memory_needed:
        raise Failed(f"{case.memory_needed >> 20} MiB of free memory are needed, "
                     f"{available >> 20} there are")


def write_document(directory, size, spelling):
    path = directory / f"scale.{spelling}"
    write = scale_policy.write_toml if spelling == "toml" else scale_policy.write_json
    with open(path, "w", encoding="ascii") as file:
        write(file, size, traffic_rows())
    return path


def write_prefixes(directory, size):
    """The lists alone, and a group whose rules name each."""
    rows = traffic_rows()
    rows["vpc"] = [{"id": "vpc-scale", "cidrs": [scale_policy.EVERYTHING]}]
    rows["prefix_list"] = list(scale_policy.lists(size))
    rows["security_group"].append({
        "id": "sg-lists", "vpc": "vpc-scale", "egress": [],
        "ingress": [{"protocol": "tcp", "ports": 443, "source": each["id"]}
                    for each in rows["prefix_list"]]})
    rows["interface"][0]["security_groups"].append("sg-lists")
    path = directory / "prefixes.json"
    path.write_text(json.dumps(rows))
    return path


class LoadedAppliance(Appliance):
    def __init__(self, plan, capture, block_sizes, size, document):
        super().__init__(plan, capture, block_sizes, 1)
        self.interface_capacity = max(262_144, size.interfaces + 4_096)
        self.document = document

    def configuration(self):
        room = f"[engine]\ninterface_capacity = {self.interface_capacity}\n"
        return super().configuration().replace("[engine]\n", room, 1)

    def warm_up(self):
        self.load_s = self.apply_whole()
        self.child.wait_for(lambda: self.live_flows() == FLOWS, f"{FLOWS} live flows", 30)

    def memory_peak_mb(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as file:
            kibibytes = next(line for line in file if line.startswith("VmHWM:")).split()[1]
        return int(kibibytes) * 1024 / 1e6

    def apply_whole(self):
        began = time.monotonic()
        self.apply_file(self.document, 1_200)
        return time.monotonic() - began

    def change(self, edits):
        """Milliseconds until the answer."""
        began = time.monotonic()
        self.rpc.call("policy.edit", edits=edits)
        return (time.monotonic() - began) * 1e3


def there_and_back(appliance, pairs):
    """Each pair is a change and the one that takes it back; the time of each."""
    return [appliance.change(edits) for pair in pairs for edits in pair]


def rule_changes(size, count):
    for i in range(count // 2):
        rule = {"do": "rule.add", "group": scale_policy.group_id(i * 97 % size.groups),
                "direction": "ingress", "protocol": "tcp", "ports": 70 + i,
                "source": "192.0.2.0/24"}
        yield rule


def member_changes(size, count):
    for i in range(count // 2):
        member = {"interface": scale_policy.interface_id(i * 977 % size.interfaces),
                  "group": "sg-perf"}
        yield [{"do": "interface.attach", **member}], [{"do": "interface.detach", **member}]


def prefix_changes(size, cidr_of, count):
    for i in range(count // 2):
        entry = {"list": scale_policy.list_id(i * 7 % size.lists), "cidr": cidr_of(i)}
        yield [{"do": "prefix-list.add", **entry}], [{"do": "prefix-list.remove", **entry}]


def mass_changes(size, count):
    members = [{"interface": scale_policy.interface_id(i), "group": "sg-perf"}
               for i in range(min(10_000, size.interfaces))]
    for _ in range(count // 2):
        yield ([{"do": "interface.attach", **member} for member in members],
               [{"do": "interface.detach", **member} for member in members])


def change_rules(appliance, size, count):
    """A rule is taken away by the id that adding it answered."""
    times = []
    for rule in rule_changes(size, count):
        began = time.monotonic()
        added = appliance.rpc.call("policy.edit", edits=[rule])
        times.append((time.monotonic() - began) * 1e3)
        times.append(appliance.change([{"do": "rule.remove", "rule": added["rules"][0]}]))
    return times


def change_many_rules(appliance, size):
    """Ten thousand come, and go."""
    rules = list(rule_changes(size, 20_000))
    began = time.monotonic()
    added = appliance.rpc.call("policy.edit", edits=rules)
    times = [(time.monotonic() - began) * 1e3]
    return times + [appliance.change([{"do": "rule.remove", "rule": rule}
                                      for rule in added["rules"]])]


def all_changes(appliance, case):
    """(what, milliseconds of each, goal of the 99th percentile)."""
    size = case.size
    yield "one rule", change_rules(appliance, size, case.changes), CHANGE_GOAL_MS
    yield ("one member", there_and_back(appliance, member_changes(size, case.changes)),
           CHANGE_GOAL_MS)
    yield ("one prefix", there_and_back(appliance, prefix_changes(
        size, lambda i: f"198.51.{i % 256}.0/24", case.changes)), CHANGE_GOAL_MS)
    yield ("a /8 over everything", there_and_back(appliance, prefix_changes(
        size, lambda _: scale_policy.EVERYTHING, case.changes)), CHANGE_GOAL_MS)
    yield "10 k members in one commit", there_and_back(appliance, mass_changes(size, 10)), None
    yield "10 k rules in one commit", change_many_rules(appliance, size), None


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def change_row(case, what, times, rebuild_ms, goal):
    """Beside what is allowed; where nothing is said of that, beside the whole policy."""
    name = f"{case.name}: {what}, 99th percentile"
    late = percentile(times, 0.99)
    if goal:
        row = Row(name, "ms", "ms allowed", 1.0, at_least=False).compare([late], [goal])
    else:
        row = Row(name, "ms", "ms for the whole", None).compare([late], [rebuild_ms])
    row.note = (f"median {statistics.median(times):.2f} ms, worst {max(times):.2f} ms of "
                f"{len(times)}; the whole policy anew takes {rebuild_ms:.0f} ms")
    return row


def amount_row(case, what, unit, value, goal):
    row = Row(f"{case.name}: {what}", unit, f"{unit} allowed", 1.0, at_least=False)
    return row.compare([value], [goal])


def stage_times(plan, document):
    """Seconds by stage, of the same document in a program that does nothing else."""
    program = plan.build / "perf" / "lookup" / "scale_bench"
    if not os.access(program, os.X_OK):
        raise Failed("perf/lookup/scale_bench is not built (is Google Benchmark installed?)")
    out = plan.directory / "stages.json"
    subprocess.run(["taskset", "-c", str(plan.core), program, "--benchmark_filter=^load/file/",
                    "--benchmark_out_format=json", f"--benchmark_out={out}"],
                   env={**os.environ, "SLUICE_POLICY": str(document)}, capture_output=True,
                   timeout=600, check=True)
    run = json.loads(out.read_text())["benchmarks"][0]
    return [(what, run[f"{stage}_s"]) for what, stage in
            (("reading", "read"), ("checking", "check"), ("compiling", "compile"),
             ("sealing", "seal"))]


def stage_rows(case, spelling, load_s, stages):
    rest = ("sending, keeping and publishing", load_s - sum(seconds for _, seconds in stages))
    for what, seconds in [*stages, rest]:
        row = Row(f"{case.name}: from {spelling}, {what}", "s", "s for all of it", None,
                  at_least=False)
        if seconds >= 0:
            row.compare([seconds], [load_s])
        else:
            row.note = "not measured: the stages alone took longer, so the core was not quiet"
        yield row


def load_time(plan, capture, sizes, case, document):
    """Seconds from the file to enforced, in a process that enforces nothing yet."""
    appliance = LoadedAppliance(plan, capture, sizes, case.size, document)
    try:
        appliance.start()
        return appliance.load_s
    finally:
        appliance.stop()


def load_rows(plan, capture, sizes, case, json_s):
    toml = write_document(plan.directory, case.size, "toml")
    toml_s = load_time(plan, capture, sizes, case, toml)
    rows = [amount_row(case, "from TOML to enforced", "s", toml_s, LOAD_GOAL_S)]
    for spelling, load_s in (("JSON", json_s), ("TOML", toml_s)):
        document = plan.directory / f"scale.{spelling.lower()}"
        rows += stage_rows(case, spelling, load_s, stage_times(plan, document))
    toml.unlink()
    prefixes_s = load_time(plan, capture, sizes, case, write_prefixes(plan.directory, case.size))
    return rows + [amount_row(case, "its prefixes alone, from JSON to enforced", "s", prefixes_s,
                              PREFIXES_GOAL_S)]


def measure(plan, case, _quick):
    try:
        check_memory(case)
        capture = plan.directory / "flows.pcap"
        sizes = established_flows.write_capture(capture, FLOWS)
        document = write_document(plan.directory, case.size, "json")
        appliance = LoadedAppliance(plan, capture, sizes, case.size, document)
        try:
            rows = _rows(appliance, case)
        finally:
            appliance.stop()
        if case.has_loads:
            rows += load_rows(plan, capture, sizes, case, appliance.load_s)
        return rows
    except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
        row = Row(case.name, "ms", "", None)
        row.note = f"not measured: {error}"
        return [row]


def _rows(appliance, case):
    appliance.start()
    rows = [amount_row(case, "from JSON to enforced", "s", appliance.load_s, LOAD_GOAL_S)]
    snapshot = appliance.rpc.call("stats")["policy"]["snapshot_bytes"] / 1e6
    rows.append(amount_row(case, "snapshot", "MB", snapshot, SNAPSHOT_GOAL_MB))
    rows[-1].note = f"the appliance's memory at its largest: {appliance.memory_peak_mb():.0f} MB"
    dropped = appliance.worker()["dropped"]
    measured = list(all_changes(appliance, case))
    if appliance.worker()["dropped"] != dropped:
        raise Failed(f"{appliance.worker()['dropped'] - dropped} packets of established flows "
                     "were dropped during the changes")
    appliance.check()
    rebuild_ms = appliance.apply_whole() * 1e3
    return rows + [change_row(case, what, times, rebuild_ms, goal)
                   for what, times, goal in measured]
