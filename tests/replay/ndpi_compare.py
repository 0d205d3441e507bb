#!/usr/bin/env python3
"""Compares flow logs of sluice-replay with the flows that nDPI found in the same captures.

usage: ndpi_compare.py --replay PROGRAM --data FOLDER [--write FILE] [CAPTURE…]

For each capture a policy is made: one side of each conversation is an interface, groups allow
everything. The packets of each flow in the log, plus those that were dropped with a reason, must
be the packets of the flow in nDPI's result file. Where they are not, the difference must have a
cause that can be read off the capture itself; it is told in a table. A difference without a cause
is a failure (exit 1).
"""

import argparse
import collections
import ipaddress
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from capture_file import flow_key, read_packets  # noqa: E402

FLOW_LINE = re.compile(r"^\s+\d+\s+(\S+) (\S+):(\d+) (?:<->|->) (\S+):(\d+) .*?"
                       r"\[(\d+) pkts/(\d+) bytes (?:<->|->) (\d+) pkts/(\d+) bytes\]")
LOG_FORMAT = ("${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
              "${action} ${drop-reason}")
NUMBER_OF = {"ICMP": 1, "TCP": 6, "UDP": 17, "ICMPV6": 58, "OSPF": 89, "SCTP": 132}
NAME_OF = {str(number): name for name, number in NUMBER_OF.items()}


def ndpi_flows(path):
    """Packets of each flow of a result file, both directions together."""
    flows = collections.Counter()
    for line in path.read_text(errors="replace").splitlines():
        found = FLOW_LINE.match(line)
        if not found:
            continue
        protocol, a, a_port, b, b_port, sent, _, answered, _ = found.groups()
        key = flow_key(protocol.upper(), plain(a), int(a_port), plain(b), int(b_port))
        flows[key] += int(sent) + int(answered)
    return flows


def plain(address):
    text = address.strip("[]")
    if text.count("::") > 1:  # nDPI shortens every run of zeros
        text = text.replace("::", ":0:", text.count("::") - 1)
    return str(ipaddress.ip_address(text))


def can_be_interface(address):
    value = ipaddress.ip_address(address)
    is_broadcast = value.version == 4 and (int(value) & 0xFF) == 0xFF
    return not (value.is_multicast or value.is_unspecified or value.is_loopback or is_broadcast)


def choose_interfaces(keys):
    """One end of each flow, where the flows allow it: two colours over the graph of addresses."""
    neighbours = collections.defaultdict(set)
    for key in keys:
        a, b = key.ends[0][0], key.ends[1][0]
        neighbours[a].add(b)
        neighbours[b].add(a)
    chosen = {}
    # Addresses that cannot be interfaces decide for their neighbours, so they come first.
    for start in sorted(neighbours, key=lambda a: (can_be_interface(a), a)):
        queue = collections.deque([(start, not chosen.get(start, False))] if start not in chosen
                                  else [])
        if queue:
            queue[0] = (start, False) if not can_be_interface(start) else (start, True)
        while queue:
            address, wished = queue.popleft()
            if address in chosen:
                continue
            chosen[address] = wished and can_be_interface(address)
            queue.extend((other, not chosen[address]) for other in sorted(neighbours[address]))
    # A flow between two addresses without an interface gets one.
    for key in keys:
        ends = [end[0] for end in key.ends]
        if not any(chosen[end] for end in ends):
            for end in ends:
                if can_be_interface(end):
                    chosen[end] = True
                    break
    return sorted(address for address, is_chosen in chosen.items() if is_chosen)


def policy_of(interfaces):
    lines = ['[[vpc]]', 'id = "vpc-all"', 'cidrs = ["0.0.0.0/0", "::/0"]',
             '[[subnet]]', 'id = "subnet-all"', 'vpc = "vpc-all"', 'cidrs = ["0.0.0.0/0", "::/0"]',
             '[[security_group]]', 'id = "sg-all"', 'name = "all"', 'vpc = "vpc-all"',
             'ingress = [{ protocol = "-1", source = "0.0.0.0/0" },',
             '           { protocol = "-1", source = "::/0" }]',
             '[[flow_log]]', 'id = "fl-all"', 'resource = "vpc-all"', 'interval = 60',
             f'format = "{LOG_FORMAT}"', 'destination = "file:/dev/null"']
    for index, address in enumerate(interfaces):
        lines += ['[[interface]]', f'id = "eni-{index}"', 'subnet = "subnet-all"',
                  f'mac = "02:00:00:{index >> 16:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"',
                  f'addresses = ["{address}"]', 'security_groups = ["sg-all"]']
    return "\n".join(lines) + "\n"


class Replayed:
    """What sluice-replay said about a capture."""

    def __init__(self, program, capture, interfaces):
        with tempfile.TemporaryDirectory(prefix="sluice-ndpi-") as folder:
            folder = Path(folder)
            (folder / "policy.toml").write_text(policy_of(interfaces))
            answer = subprocess.run(
                [program, "--policy", folder / "policy.toml", "--pcap", capture,
                 "--verdicts", folder / "verdicts", "--flow-log", folder / "log"],
                capture_output=True, text=True, check=False)
            self.status, self.talk = answer.returncode, answer.stderr
            self.verdicts, self.log = [], []
            if (folder / "verdicts").exists():
                self.verdicts = [json.loads(line)
                                 for line in (folder / "verdicts").read_text().splitlines()]
                self.log = [line.split() for line in (folder / "log").read_text().splitlines()]
        self.address_of = {f"eni-{index}": address for index, address in enumerate(interfaces)}

    def logged(self):
        """Accepted packets of each flow. Between two interfaces both ends log a packet: the
        sender's record counts, unless only the receiver is an interface."""
        owners = set(self.address_of.values())
        flows = collections.Counter()
        for eni, source, destination, sport, dport, number, packets, action, _ in self.log:
            is_egress = source == self.address_of[eni]
            if action != "ACCEPT" or (source in owners and not is_egress):
                continue
            key = flow_key(NAME_OF.get(number, number), source, int(sport), destination, int(dport))
            flows[key] += int(packets)
        return flows

    def refused(self):
        return sum(int(line[6]) for line in self.log if line[7] == "REJECT")


class Row:
    """One flow: what nDPI counted, what Sluice did, and why they differ."""

    def __init__(self, key, expected, logged):
        self.key, self.expected, self.logged = key, expected, logged
        self.drops = collections.Counter()
        self.later_fragments = 0
        self.none = 0
        self.captured = 0

    def difference(self):
        return self.expected - self.logged - sum(self.drops.values())

    def cause(self, tunnels):
        """Why nDPI's count is another one, in words; None where nothing explains it."""
        difference = self.difference()
        if difference == 0:
            return ""
        if self.none and difference == self.none:
            return f"{self.none} packets have no interface at either end (none)"
        if self.later_fragments and difference == -self.later_fragments:
            return "nDPI leaves later fragments out; Sluice judges them with their first one"
        if self.captured == 0 and tunnels:
            return "inside a tunnel: nDPI unwraps it, Sluice logs the outer flow"
        if self.expected == 0 and self.key in tunnels:
            return "the outer flow of a tunnel that nDPI unwraps"
        return None


def rows_of(capture, result, replayed):
    expected = ndpi_flows(result)
    logged = replayed.logged()
    packets = list(read_packets(capture))
    rows = {key: Row(key, expected[key], logged[key]) for key in set(expected) | set(logged)}
    firsts = {packet.train: packet.key for packet in packets
              if packet.train and not packet.is_later_fragment}
    for packet, verdict in zip(packets, replayed.verdicts):
        if packet.key is None:
            continue
        key = firsts.get(packet.train, packet.key) if packet.is_later_fragment else packet.key
        row = rows.setdefault(key, Row(key, expected[key], logged[key]))
        row.captured += 1
        row.later_fragments += packet.is_later_fragment
        if verdict["verdict"] == "drop":
            row.drops[verdict["reason"]] += 1
        if verdict["verdict"] == "none":
            row.none += 1
    return packets, rows


def tunnel_keys(rows):
    """Outer flows that nDPI does not list although packets of them were captured."""
    return {row.key for row in rows if row.expected == 0 and row.captured}


def describe(key):
    (a, a_port), (b, b_port) = key.ends
    return f"{key.protocol} {a}:{a_port} {b}:{b_port}"


def drops_text(drops):
    return ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items()))


def compare(program, capture, result):
    """Lines of the table, totals, and what cannot be explained."""
    expected = ndpi_flows(result)
    replayed = Replayed(program, capture, choose_interfaces(expected))
    if replayed.status != 0:
        return [], None, [f"{capture.name}: exit {replayed.status}: {replayed.talk.strip()}"]
    packets, rows = rows_of(capture, result, replayed)
    failures = []
    if len(packets) != len(replayed.verdicts):
        failures.append(f"{capture.name}: {len(packets)} packets, "
                        f"{len(replayed.verdicts)} verdicts")
    lines = []
    tunnels = tunnel_keys(rows.values())
    for row in sorted(rows.values(), key=lambda row: str(row.key)):
        cause = row.cause(tunnels)
        if cause is None:
            failures.append(f"{capture.name}: {describe(row.key)}: nDPI {row.expected}, logged "
                            f"{row.logged}, dropped {drops_text(row.drops) or 0}: no cause found")
        if row.drops or row.difference() != 0:
            lines.append(f"| {capture.name} | {describe(row.key)} | {row.expected} | {row.logged} |"
                         f" {drops_text(row.drops)} | {row.difference()} | {cause or ''} |")
    equal = sum(1 for row in rows.values() if row.difference() == 0 and row.expected)
    totals = (len(expected), equal, sum(expected.values()))
    return lines, totals, failures


HEAD = """# Flow logs beside nDPI

Each capture of nDPI's test set that comes with a result file is replayed under a policy that
allows everything and makes one side of each conversation an interface. The packets of a flow in
the log, plus the packets dropped with a reason, are compared with the packets that nDPI counted.
This table is written by `tests/replay/ndpi_compare.py --write`; the test fails when a difference
has no cause. It lists flows with drops and flows that differ; all others are equal.

| capture | flow | nDPI | logged | dropped, with its reason | difference | cause |
|---|---|---|---|---|---|---|
"""


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--replay", required=True)
    words.add_argument("--data", required=True, type=Path)
    words.add_argument("--write", type=Path)
    words.add_argument("captures", nargs="*")
    given = words.parse_args()
    lines, failures, flows, equal, packets, captures = [], [], 0, 0, 0, 0
    for capture in sorted((given.data / "pcaps" / "ndpi" / "pcap").iterdir()):
        result = given.data / "pcaps" / "ndpi" / "result" / (capture.name + ".out")
        if not result.exists() or (given.captures and capture.name not in given.captures):
            continue
        new_lines, totals, new_failures = compare(given.replay, capture, result)
        lines += new_lines
        failures += new_failures
        if totals:
            captures += 1
            flows, equal, packets = flows + totals[0], equal + totals[1], packets + totals[2]
    summary = (f"{captures} captures, {flows} flows of nDPI with {packets} packets: "
               f"{equal} flows equal, {flows - equal} differ with a cause.")
    text = HEAD + "\n".join(lines) + "\n\n" + summary + "\n"
    print(text)
    if given.write:
        given.write.write_text(text)
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures or captures == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
