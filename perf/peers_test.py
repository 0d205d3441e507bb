#!/usr/bin/env python3
"""Tests of the peers: that they are told the same policy as ours, and that their answers are read.

Random packets are judged by Sluice's compiled policy (`sluicectl explain`) and by the peer itself.
What is not installed, or needs root that is not there, is skipped and says so.
"""

import ipaddress
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from end_to_end import kernel_firewall, nft_ruleset, ovs, ovs_flows, throughput  # noqa: E402
from end_to_end.namespaces import Namespaces  # noqa: E402
from traffic import established_flows, frames, policy  # noqa: E402
from traffic.policy import Rule  # noqa: E402

from suite_test import words_sum  # noqa: E402

SLUICECTL = Path(os.environ.get("SLUICECTL", ""))
SHOW = """netdev@ovs-netdev:
  lookups: hit:562463 missed:1 lost:18368
  flows: 1
  port 0: ovs-netdev (tap)
    RX packets:0 errors:0 dropped:0 overruns:0 frame:0
    TX packets:0 errors:0 dropped:0 aborted:0 carrier:0
    collisions:0
    RX bytes:0  TX bytes:0
  port 1: sink (dpdk: configured_rx_queues=1, lsc_interrupt_mode=false, mtu=1500)
    RX packets:0 errors:0 dropped:0 overruns:? frame:?
    TX packets:237536 errors:0 dropped:0 aborted:? carrier:?
    collisions:?
    RX bytes:0  TX bytes:0
  port 2: source (dpdk: configured_rx_queues=1, rx_csum_offload=false)
    RX packets:580864 errors:0 dropped:0 overruns:? frame:?
    TX packets:0 errors:0 dropped:0 aborted:? carrier:?
    collisions:?
    RX bytes:37175296 (35.5 MiB)  TX bytes:0
"""


def random_rules(draw, count):
    """Rules that overlap: few networks, few ports."""
    rules = []
    for _ in range(count):
        source = draw.choice(("20.0.0.0/8", "20.1.0.0/16", "20.1.2.0/24", "20.128.0.0/9",
                              "10.0.0.0/8", "fd00::/16", "2001:db8::/32", "2001:db8:1::/48"))
        protocol = draw.choice(("tcp", "udp", "tcp", "udp", "-1"))
        # Everything from everywhere would leave nothing to tell apart.
        if protocol == "-1":
            source = draw.choice(("20.1.2.0/24", "2001:db8:1::/48"))
        first = draw.choice((0, 22, 80, 443, 1000, 32768))
        last = draw.choice((first, first + 1, first + 77, 65535))
        rules.append(Rule(protocol, source, None if protocol == "-1" else (first, last)))
    return list(dict.fromkeys(rules))


def random_packets(draw, count):
    """First packets (protocol, source, destination, source port, port), one in ten spoofed or to
    an address that no interface has."""
    for number in range(count):
        if number % 2:
            source = draw.choice((0x14010200, 0x14010000, 0x14000000, 0x14800000, 0x0A100000))
            source = ipaddress.ip_address(source + draw.randrange(256))
            local = policy.local_address
        else:
            source = ipaddress.ip_address(draw.choice((
                0x20010DB8 << 96, 0x20010DB80001 << 80, 0x20010DB9 << 96)) + draw.randrange(1, 256))
            local = policy.local_address6
        destination = local(draw.randrange(policy.INTERFACES + 1))
        if draw.randrange(20) == 0:
            source = ipaddress.ip_address(local(draw.randrange(policy.INTERFACES)))
        port = draw.choice((0, 21, 22, 23, 80, 99, 157, 158, 443, 444, 1000, 1077, 1078, 32768,
                            65535))
        yield (draw.choice(("tcp", "udp")), source, ipaddress.ip_address(destination),
               draw.randrange(1024, 65536), port)


def verdicts_of_ours(directory, rules, packets):
    """Whether each packet passes, by the compiled policy and the port's source check."""
    path = Path(directory) / "policy.toml"
    path.write_text(policy.toml(rules))
    local = policy.local_addresses()
    half = policy.INTERFACES
    queries = [json.dumps({"interface": f"eni-{local.index(destination) % half}",
                           "direction": "ingress", "protocol": protocol, "source": str(source),
                           "destination": str(destination), "source_port": source_port,
                           "destination_port": port, "state": "new"})
               for protocol, source, destination, source_port, port in packets
               if destination in local]
    done = subprocess.run([SLUICECTL, "explain", "--policy", path, "--batch"],
                          input="\n".join(queries) + "\n", capture_output=True, text=True,
                          timeout=60, check=False)
    answers = iter([json.loads(line)["verdict"] for line in done.stdout.splitlines()])
    return [destination in local and next(answers) == "accept" and source not in local
            for _, source, destination, _, _ in packets]


def agree(case, judge, rounds=3, rules=12, packets=120):
    """Fails where the peer's verdicts, judge(rules, packets), are not ours."""
    if not SLUICECTL.is_file():
        case.skipTest("SLUICECTL names no program: run by way of the build directory")
    draw = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="sluice-perf-test.") as directory:
        for _ in range(rounds):
            told, sent = random_rules(draw, rules), list(random_packets(draw, packets))
            ours, peers = verdicts_of_ours(directory, told, sent), judge(told, sent)
            case.assertIn(True, ours)
            case.assertIn(False, ours)
            wrong = [(packet, mine) for packet, mine, his in zip(sent, ours, peers)
                     if mine != his]
            case.assertEqual(wrong, [], f"ours beside the peer's, of {told}")
            case.assertEqual(len(peers), len(sent))


class TracingOvs(ovs.Ovs):
    """The daemon with ports that exist in its mind only, asked what it would do."""

    datapath = "dummy"
    arguments = ("--enable-dummy",)

    def configuration(self):
        return {"dpdk-init": "false"}

    def warm_up(self):
        """Nothing flows here."""

    def lost(self):
        return 0

    def add_port(self, name, _device, number, _capture_size=0):
        self.vsctl("add-port", "br0", name, "--", "set", "interface", name, "type=dummy",
                   f"ofport_request={number}")

    def passes(self, packet):
        protocol, source, destination, source_port, port = packet
        names = ("ipv6_src", "ipv6_dst") if source.version == 6 else ("nw_src", "nw_dst")
        flow = (f"in_port={ovs_flows.SOURCE},{protocol}{6 if source.version == 6 else ''},"
                f"{names[0]}={source},{names[1]}={destination},"
                f"{protocol}_src={source_port},{protocol}_dst={port}")
        text = self.control.call("ofproto/trace", "br0", flow, "--ct-next", "trk,new")
        last = text.strip().splitlines()[-1]
        if not last.startswith("Datapath actions: "):
            raise AssertionError(text)
        return "ct(commit)" in last


class OpenVSwitch(unittest.TestCase):
    def test_counters_are_those_of_each_port(self):
        self.assertEqual(ovs.port_statistics(SHOW), {"ovs-netdev": (0, 0), "sink": (0, 237536),
                                                     "source": (580864, 0)})

    def test_what_is_on_its_way_is_no_loss_and_what_is_more_is(self):
        side = ovs.Ovs(throughput.Plan(None, Path("/"), 1, 0, False), None, [1], 1)
        side.control = type("Fake", (), {"call": lambda *_: SHOW})()
        side.lost_before = 580864 - 237536 - 100
        self.assertEqual(side.counters(), (237536, 0))
        side.lost_before -= 5000
        self.assertEqual(side.counters(), (237536, 5100))

    def test_masks_cover_each_port_of_a_range_once_and_no_other(self):
        for first, last in ((0, 65535), (80, 80), (1, 65534), (1000, 1077), (32768, 65535)):
            hits = [0] * 65536
            for value, mask in ovs_flows.port_masks(first, last):
                for port in range(value, value + 0x10000 - mask):
                    hits[port] += 1
            self.assertEqual({port for port in range(65536) if hits[port]},
                             set(range(first, last + 1)))
            self.assertEqual(max(hits), 1)

    def test_a_pool_holds_the_capture_of_the_largest_case(self):
        for count in (4_096, 65_536, 500_000):
            self.assertGreater(ovs.buffer_count(count), count)

    def test_it_judges_random_packets_like_ours(self):
        if ovs.obstacle():
            self.skipTest(ovs.obstacle())
        with tempfile.TemporaryDirectory(prefix="sluice-perf-test.") as directory:
            cores = sorted(os.sched_getaffinity(0))
            plan = throughput.Plan(None, Path(directory), cores[-1], cores[0], False)
            side = TracingOvs(plan, None, [], 1)
            try:
                side.start()

                def judge(rules, packets):
                    side.set_rules(rules)
                    return [side.passes(packet) for packet in packets]
                agree(self, judge)
            finally:
                side.stop()
            self.assertEqual([path.name for path in Path(directory).iterdir()], [])

    def test_replies_turn_packets_round_and_acknowledge_all_of_tcp(self):
        with tempfile.TemporaryDirectory(prefix="sluice-perf-test.") as directory:
            capture, replies = Path(directory) / "flows.pcap", Path(directory) / "replies.pcap"
            established_flows.write_capture(capture, 200)
            self.assertEqual(established_flows.write_replies(replies, capture), 200)
            for packet, answer in zip(established_flows.frames(capture),
                                      established_flows.frames(replies), strict=True):
                self.assertEqual(answer[26:30] + answer[34:36], packet[30:34] + packet[36:38])
                self.assertEqual(answer[30:34] + answer[36:38], packet[26:30] + packet[34:36])
                if packet[23] == 6:
                    self.assertEqual(answer[38:42], packet[42:46])
                    self.assertEqual((int.from_bytes(packet[38:42], "big") + 10) % 2**32,
                                     int.from_bytes(answer[42:46], "big"))
                    pseudo = answer[26:34] + struct.pack("!HH", 6, len(answer) - 34)
                    self.assertEqual(words_sum(pseudo + answer[34:]), 0xFFFF)


class Nftables(unittest.TestCase):
    def pass_through(self, spaces, packets):
        """Whether each packet crosses the kernel between the two veth pairs."""
        sent = [frames.frame(source.version, frames.TCP if protocol == "tcp" else frames.UDP,
                             int(source), int(destination), (source_port, port), 80)
                for protocol, source, destination, source_port, port in packets]
        with spaces.socket("world", "sink0") as sink, spaces.socket("world", "out0") as source:
            arrived = set()
            # A last packet that surely passes tells that all before it have had their time.
            last = frames.frame(4, frames.UDP, 0x14010203, policy.local_address(0), (9, 9), 80)
            sink.settimeout(10)
            for packet in [*sent, last]:
                source.send(packet)
            while frames.tuple_of(last) not in arrived:
                packet = sink.recv(2048)
                # The namespace itself talks, too: neighbours, routers.
                if packet[12:14] in (b"\x08\x00", b"\x86\xdd"):
                    arrived.add(frames.tuple_of(packet))
        return [frames.tuple_of(packet) in arrived for packet in sent]

    def test_it_judges_random_packets_like_ours(self):
        missing = kernel_firewall.missing_tools()
        if missing:
            self.skipTest(missing)
        with tempfile.TemporaryDirectory(prefix="sluice-perf-test.") as directory:
            spaces = Namespaces(Path(directory))
            try:
                spaces.start()
                kernel_firewall.forward(spaces)

                def judge(rules, packets):
                    spaces.run("firewall", "nft", "flush", "ruleset")
                    told = rules + [Rule("udp", "20.1.2.3/32", (9, 9))]
                    spaces.run("firewall", "nft", "-f", "-", text=nft_ruleset.ruleset(told))
                    return self.pass_through(spaces, packets)
                agree(self, judge)
            finally:
                spaces.stop()

    def test_rules_that_overlap_leave_their_set(self):
        text = nft_ruleset.ruleset([Rule("tcp", "20.0.0.0/8", (80, 90)),
                                    Rule("tcp", "20.1.0.0/16", (85, 85)),
                                    Rule("tcp", "20.1.0.0/16", (91, 91))])
        self.assertIn("elements = { 20.0.0.0/8 . 80-90, 20.1.0.0/16 . 91 }", text)
        self.assertIn("ip saddr 20.1.0.0/16 tcp dport 85 accept", text)

    def test_a_flow_table_comes_before_all_rules(self):
        text = nft_ruleset.ruleset([], has_flowtable=True)
        self.assertLess(text.index("flow add @fast"), text.index("established"))
        self.assertNotIn("@fast", nft_ruleset.ruleset([]))


if __name__ == "__main__":
    unittest.main()
