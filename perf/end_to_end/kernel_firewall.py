"""The peer: the kernel's nftables with conntrack, forwarding between two veth pairs, and Sluice
over the same pairs by net_af_packet.

dpdk-testpmd in the world's namespace sends the capture for ever, in the same
way for both: net_pcap in, net_af_packet out, on the core that is not measured. The kernel's
work is steered to the measured core (RPS), where its time is that of soft interrupts; Sluice's is
that of its worker. Both rates are for each second of that time, of packets that reached the world
again. The kernel's costs of the veth pairs are in both.
"""

import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from end_to_end import nft_ruleset, throughput, window
from end_to_end.appliance import Appliance
from end_to_end.child import Child, Failed, cpu_seconds, pinned_thread
from end_to_end.namespaces import TOOLS, WORLD_MAC, Namespaces
from end_to_end.testpmd import PROGRAM
from report import Row
from traffic import established_flows, frames

# Of the window that a side was at work: below, what it met was not load.
SHARE_MIN = 0.1
# The part of the connections that may stay without an answer.
UNANSWERED_MAX = 0.01
_SENDER_BUFFERS = 16_384


@dataclass
class Case:
    label: str
    flow_count: int
    rule_count: int
    quick: bool = False

    @property
    def name(self):
        return f"veth pairs, {self.label} flows, {self.rule_count} rules"

    def rows(self):
        return [Row(self.name, "Mpps", "nftables ct", None)]


def cases():
    return [Case("64 k", 65_536, 100)]


def missing_tools():
    """Why the kernel cannot be asked, or nothing."""
    missing = [name for name in (*TOOLS, "nft") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not installed (Debian packages nftables, iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    return ""


def obstacle(build):
    if not shutil.which(PROGRAM):
        return f"{PROGRAM} is not installed (Debian package dpdk-dev)"
    return throughput.appliance_obstacle(build) or missing_tools()


class Sender:
    """testpmd in the world's namespace, on the core that is not measured."""

    def __init__(self, plan, spaces, capture, flow_count):
        self.plan = plan
        self.spaces = spaces
        self.capture = capture
        self.flow_count = flow_count
        self.child = None

    def start(self):
        plan, buffers = self.plan, self.flow_count + _SENDER_BUFFERS
        memory = ["--in-memory"] if plan.huge_pages else [
            "--no-huge", "--no-shconf", "-m", str(plan.ordinary_memory_mib(buffers))]
        other = plan.other_core
        self.child = Child(
            [*self.spaces.prefix("world"), "stdbuf", "-oL", shutil.which(PROGRAM),
             "--lcores", f"0@{other},1@{other}", "--no-pci", "--no-telemetry",
             *memory, "--vdev", plan.source(self.capture),
             "--vdev", "net_af_packet0,iface=out0,qpairs=1,framesz=2048,blocksz=65536,framecnt=512",
             "--", "--interactive", "--forward-mode=io", "--nb-cores=1", "--burst=64",
             f"--total-num-mbufs={buffers}", "--port-topology=paired"],
            plan.directory / "sender.log", wants_stdin=True)
        self.child.name = PROGRAM
        self.child.wait_for(lambda: "testpmd>" in self.child.said(), "its prompt", 60)
        self.child.process.stdin.write(b"start\n")
        self.child.process.stdin.flush()

    def stop(self):
        if self.child:
            self.child.stop()
            self.child = None


class Nftables:
    """The kernel as the firewall."""

    name = "nftables ct"

    def __init__(self, plan, spaces, capture, block_sizes, rule_count):
        self.plan = plan
        self.spaces = spaces
        self.capture = capture
        self.flow_count = sum(block_sizes)
        self.rule_count = rule_count
        self.sender = Sender(plan, spaces, capture, self.flow_count)
        self.has_flowtable = False

    def start(self):
        spaces = self.spaces
        forward(spaces)
        self.load()
        drop_at_the_end(spaces)
        spaces.write("firewall", "/sys/class/net/in0/queues/rx-0/rps_cpus",
                     f"{1 << self.plan.core:x}")
        self.sender.start()
        self.sender.child.wait_for(lambda: self.tracked() >= self.flow_count,
                                   f"{self.flow_count} tracked connections", 60)
        self.answer()

    def load(self):
        rules = established_flows.measured_rules(self.rule_count)
        try:
            self.spaces.run("firewall", "nft", "-f", "-",
                            text=nft_ruleset.ruleset(rules, has_flowtable=True))
            self.has_flowtable = True
        except Failed:
            # A kernel without NF_FLOW_TABLE knows no such thing.
            self.spaces.run("firewall", "nft", "-f", "-", text=nft_ruleset.ruleset(rules))

    def tracked(self):
        return int(self.spaces.run("firewall", "cat",
                                   "/proc/sys/net/netfilter/nf_conntrack_count"))

    def answer(self):
        """One packet back in each flow: until then conntrack calls UDP new. What the kernel was too
        busy to take is sent again."""
        for _ in range(3):
            with self.spaces.socket("world", "sink0") as raw:
                for packet in established_flows.frames(self.capture):
                    answer = established_flows.reply(packet)[12:]
                    raw.send(frames.INSIDE_MAC + frames.OUTSIDE_MAC + answer)
            time.sleep(0.5)
            left = self.unanswered()
            if left <= self.flow_count * UNANSWERED_MAX:
                return
        raise Failed(f"{left} of {self.flow_count} connections are unanswered to conntrack, which "
                     "asks the rules for each of their packets")

    def unanswered(self):
        """How many connections have seen packets of one side only."""
        listed = self.spaces.run("firewall", "cat", "/proc/net/nf_conntrack")
        return listed.count("[UNREPLIED]")

    def story(self):
        fast = "a flow table for the established" if self.has_flowtable else \
            "no flow table, which this kernel lacks"
        return (f"nftables of Linux {os.uname().release} between two veth pairs, conntrack, the "
                f"established accepted first, sets for the rules, {fast}; sent by dpdk-testpmd "
                "net_pcap to net_af_packet on the other core, work steered to the measured core "
                "by RPS; each flow answered once")

    def look(self):
        asked, packets = time.monotonic(), self.spaces.received("world", "sink0")
        busy = softirq_seconds(self.plan.core)
        answered = time.monotonic()
        return window.Look((asked + answered) / 2, answered - asked, busy, packets, 0)

    def check(self):
        if self.tracked() < self.flow_count:
            raise Failed(f"conntrack has {self.tracked()} connections of {self.flow_count}")
        if self.unanswered() > self.flow_count * UNANSWERED_MAX:
            raise Failed(f"{self.unanswered()} of them became unanswered meanwhile")

    def stop(self):
        self.sender.stop()


def forward(spaces):
    """Makes the firewall a router between its ends, with all that it needs to know beforehand."""
    for key, value in (("net.ipv4.ip_forward", 1), ("net.ipv4.conf.all.rp_filter", 0),
                       ("net.ipv4.conf.in0.rp_filter", 0), ("net.ipv4.conf.in1.rp_filter", 0),
                       ("net.ipv6.conf.all.forwarding", 1)):
        spaces.set("firewall", key, value)
    for words in (("addr", "add", "192.0.2.1/30", "dev", "in0"),
                  ("addr", "add", "192.0.2.5/30", "dev", "in1"),
                  ("route", "add", "20.0.0.0/8", "via", "192.0.2.2"),
                  ("route", "add", "10.77.1.0/24", "via", "192.0.2.6"),
                  ("-6", "addr", "add", "2001:db8:ffff::1/64", "dev", "in1", "nodad"),
                  ("-6", "route", "add", "fd00:10:77:1::/64", "via", "2001:db8:ffff::2"),
                  ("neigh", "add", "192.0.2.2", "lladdr", WORLD_MAC, "dev", "in0"),
                  ("neigh", "add", "192.0.2.6", "lladdr", WORLD_MAC, "dev", "in1"),
                  ("neigh", "add", "2001:db8:ffff::2", "lladdr", WORLD_MAC, "dev", "in1")):
        spaces.ip("firewall", *words)


def softirq_seconds(core):
    """How long a core has served soft interrupts, to a tick."""
    for line in Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields[0] == f"cpu{core}":
            return int(fields[7]) / os.sysconf("SC_CLK_TCK")
    raise Failed(f"/proc/stat has no core {core}")


def drop_at_the_end(spaces, others=()):
    """What has been counted goes no further, so that nothing answers it."""
    for space, interface in (("world", "sink0"), *others):
        spaces.run(space, "nft", "-f", "-", text=f"""table netdev {interface} {{
  chain last {{
    type filter hook ingress device {interface} priority 0; policy drop;
  }}
}}
""")


@dataclass
class VethPlan(throughput.Plan):
    """The same, but for devices."""

    def source(self, _capture):
        return "net_af_packet0,iface=in0,framesz=2048,blocksz=65536,framecnt=2048"

    def sink(self):
        return "net_af_packet1,iface=in1,framesz=2048,blocksz=65536,framecnt=2048"


class VethAppliance(Appliance):
    """Sluice in the firewall's namespace; the kernel there takes packets no further."""

    def __init__(self, plan, spaces, capture, block_sizes, rule_count):
        veth = VethPlan(plan.build, plan.directory, plan.core, plan.other_core, plan.huge_pages)
        super().__init__(veth, capture, block_sizes, rule_count)
        self.spaces = spaces
        self.sender = Sender(plan, spaces, capture, sum(block_sizes))

    def start(self):
        drop_at_the_end(self.spaces, (("firewall", "in0"), ("firewall", "in1")))
        self.sender.start()
        self.prefix = self.spaces.prefix("firewall")
        super().start()

    def look(self):
        thread = pinned_thread(self.child.pid, self.plan.core)
        if thread is None:
            raise self.child.failure(f"no thread polls on core {self.plan.core}")
        asked, before = time.monotonic(), cpu_seconds(self.child.pid, thread)
        packets = self.spaces.received("world", "sink0")
        after, answered = cpu_seconds(self.child.pid, thread), time.monotonic()
        return window.Look((asked + answered) / 2, answered - asked, (before + after) / 2, packets,
                           0)

    def stop(self):
        super().stop()
        self.sender.stop()


def take_turn(side, spaces, count, window_s):
    """Packets a second of work, of each window, with fresh namespaces; the least share."""
    rates, shares = [], []
    try:
        spaces.start()
        side.start()
        time.sleep(0.5)
        last = side.look()
        for _ in range(count):
            time.sleep(window_s)
            first, last = last, side.look()
            seen = window.between(first, last)
            shares.append(seen.share)
            if seen.share >= SHARE_MIN:
                rates.append(seen.packets_per_s)
        side.check()
    finally:
        side.stop()
        spaces.stop()
    if not rates:
        raise Failed(f"{side.name} was at work for {max(shares):.2f} of a window at most")
    return rates, min(shares)


def measure(plan, case, quick):
    """The one row of a case."""
    row = case.rows()[0]
    rounds, count, window_s = (1, 2, 1.0) if quick else (2, 3, 2.0)
    ours, peers, shares = [], [], []
    try:
        capture = plan.directory / "flows.pcap"
        sizes = established_flows.write_capture(capture, case.flow_count)
        for _ in range(rounds):
            for kind, turns in ((VethAppliance, ours), (Nftables, peers)):
                spaces = Namespaces(plan.directory)
                side = kind(plan, spaces, capture, sizes, case.rule_count)
                rates, share = take_turn(side, spaces, count, window_s)
                turns.append(rates)
                shares.append(share)
                if kind is Nftables:
                    plan.configurations[side.name] = side.story()
    except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
        row.note = f"not measured: {error}"
        return [row]
    ratios = [statistics.median(mine) / statistics.median(his) for mine, his in zip(ours, peers)]
    row.compare(*([rate / 1e6 for turn in side for rate in turn] for side in (ours, peers)),
                statistics.median(ratios))
    row.note = (f"rounds {', '.join(f'{ratio:.3g}' for ratio in ratios)}; a second of work is one "
                f"of soft interrupts there, of the worker here; least share {min(shares):.2f}; the "
                "kernel's part of both is this machine's: no factor to quote")
    return [row]
