"""Established flows through the appliance, beside bare I/O of the same devices and capture.

Turns alternate, ours, peer, ours, peer, on one core; a turn starts its program afresh. The ratio
of a round compares what ran within the same seconds; the ratio of a case is the median of those.
"""

import os
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import machine
from end_to_end import ovs, testpmd, window
from end_to_end.appliance import Appliance
from end_to_end.child import Failed
from report import Row
from traffic import established_flows

_BURST = 64  # the appliance's kBurstMax
SPARE_BUFFERS = 32_768  # beside those that hold the capture
_BUFFER_SIZE = 2_560  # with its headers, rounded up


@dataclass
class Plan:
    """What both sides share."""

    build: Path
    directory: Path
    core: int
    other_core: int
    huge_pages: bool
    burst: int = _BURST
    # How each program was told to run, by its name, for the reader of the table.
    configurations: dict = field(default_factory=dict)

    def source(self, capture):
        return f"net_pcap0,rx_pcap={capture},infinite_rx=1"

    def sink(self):
        return "net_null0,no-rx=1"

    def ordinary_memory_mib(self, buffer_count):
        """Without huge pages DPDK lays no buffer across two pages of 4 KiB."""
        return (buffer_count + 2 * SPARE_BUFFERS) * 4096 // 2**20 + 256


@dataclass
class Case:
    """One size of the table, with the goals of product.md for it."""

    label: str
    flow_count: int
    rule_count: int
    ratio_goal: float
    vpp_clocks: float  # beyond its generator, measured once on the reference machine
    vpp_goal: float
    ovs_goal: float  # with its best tuning
    quick: bool

    @property
    def name(self):
        rules = "1 rule" if self.rule_count == 1 else f"{self.rule_count:,} rules"
        return f"established, {self.label} flows, {rules}"

    def rows(self):
        return [Row(self.name, "Mpps", testpmd.Testpmd.name, self.ratio_goal, axes=self.axes()),
                Row(f"{self.name}, beyond I/O", "clocks", "VPP acl-plugin, once",
                    self.vpp_goal, at_least=False)]

    def ovs_tunings(self, quick):
        """Both for 100 rules, and the best one else: a turn of OVS takes long to warm up."""
        if quick:
            return ("best",) if self.flow_count > 10_000 else ()
        return ("best", "default") if self.rule_count == 100 else ("best",)

    def ovs_row(self, tuning):
        return Row(f"{self.name}, beside OVS", "Mpps", f"OVS-DPDK ct, {tuning}",
                   self.ovs_goal if tuning == "best" else None, axes=self.axes())

    def axes(self):
        return {"flows": self.flow_count, "rules": self.rule_count}


def cases():
    sizes = (("4 k", 4_096, 0.35, 78, 0.65, 6.0), ("64 k", 65_536, 0.45, 182, 0.45, 7.0),
             ("500 k", 500_000, 0.45, 209, 0.45, 9.0))
    return [Case(label, flows, rules, goal, clocks, vpp_goal, ovs_goal,
                 rules == 100 and flows < 100_000)
            for label, flows, goal, clocks, vpp_goal, ovs_goal in sizes
            for rules in (1, 100, 1_000)]


def memory_size(chosen):
    """Of packet buffers, for the largest of these cases and the program that needs most."""
    most = max((case.flow_count for case in chosen), default=0)
    return max((most + SPARE_BUFFERS) * _BUFFER_SIZE,
               (ovs.buffer_count(most) + 2 * SPARE_BUFFERS) * ovs.BUFFER_SIZE) + (192 << 20)


def obstacle(build):
    """Why this cannot be measured here, or nothing."""
    problem = appliance_obstacle(build)
    if problem:
        return problem
    if not shutil.which(testpmd.PROGRAM):
        return f"{testpmd.PROGRAM} is not installed (Debian package dpdk-dev)"
    return ""


def appliance_obstacle(build):
    for name in ("sluiced", "sluicectl"):
        if not os.access(build / "control/main" / name, os.X_OK):
            return f"{build}/control/main/{name} is not built"
    return ""


def take_turn(side, window_s, count, limit_s):
    """The rates of one side, started afresh; Failed where they are worth nothing."""
    try:
        side.start()
        rates = window.measure(side, window_s, count, limit_s)
        side.check()
    finally:
        side.stop()
    if not rates.packets_per_s:
        raise Failed(f"{side.name}: of {rates.thrown_away} windows none counts; the worker's share "
                     f"of its core was {rates.best_share:.2f} at best and must be "
                     f"{window.SHARE_MIN}, the blur of the ends {rates.best_blur:.3f} at best and "
                     f"may be {window.BLUR_MAX}")
    if rates.refused:
        raise Failed(f"{side.name} dropped {rates.refused} packets of established flows")
    return rates


def measure(plan, case, quick):
    """The rows of one case."""
    rows = case.rows()
    rounds, window_s, count, limit_s = (2, 0.6, 3, 8) if quick else (4, 1.0, 3, 15)
    tunings = () if ovs.obstacle() else case.ovs_tunings(quick)
    peers = [OvsTurns(case.ovs_row(tuning), tuning) for tuning in tunings]
    try:
        capture = plan.directory / "flows.pcap"
        sizes = established_flows.write_capture(capture, case.flow_count)
        replies = plan.directory / "replies.pcap"
        answers = (replies, established_flows.write_replies(replies, capture)) if peers else None
        ours, limits = [], []
        for number in range(rounds):
            mine = Appliance(plan, capture, sizes, case.rule_count)
            ours.append(take_turn(mine, window_s, count, limit_s))
            limit = testpmd.Testpmd(plan, capture, case.flow_count + SPARE_BUFFERS)
            limits.append(take_turn(limit, window_s, count, limit_s))
            for peer in peers if number < (1 if quick else 2) else ():
                side = ovs.Ovs(plan, capture, sizes, case.rule_count, peer.tuning, answers)
                peer.take(side, window_s, count, limit_s)
    except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
        # A program that died in the middle also shows as a broken pipe or half an answer.
        for row in rows:
            row.note = f"not measured: {error}"
        return rows
    _compare(rows, case, ours, limits)
    return rows + [peer.compared(ours) for peer in peers]


class OvsTurns:
    """The turns of OVS with one tuning. That it fails costs its own row and no other."""

    def __init__(self, row, tuning):
        self.row = row
        self.tuning = tuning
        self.turns = []

    def take(self, side, *windows):
        if self.row.note:
            return
        try:
            side.plan.configurations[side.name] = side.story()
            self.turns.append(take_turn(side, *windows))
        except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
            self.row.note = f"not measured: {error}"

    def compared(self, ours):
        """The row: the ratio is the median over the rounds that both sides have."""
        if self.row.note:
            return self.row
        return compare_rates(self.row, ours[:len(self.turns)], self.turns)


def compare_rates(row, ours, peers):
    """Fills a row of Mpps by the turns of both sides; the ratio is the median of the rounds'."""
    ratios = [statistics.median(mine.packets_per_s) / statistics.median(his.packets_per_s)
              for mine, his in zip(ours, peers)]
    row.compare(*([rate / 1e6 for turn in side for rate in turn.packets_per_s]
                  for side in (ours, peers)), statistics.median(ratios))
    share = min(turn.share_min for turn in ours + peers)
    thrown_away = sum(turn.thrown_away for turn in ours + peers)
    row.note = (f"rounds {', '.join(f'{ratio:.3g}' for ratio in ratios)}; "
                f"least share of the core {share:.2f}; {thrown_away} windows thrown away")
    return row


def _compare(rows, case, ours, peers):
    """Fills the row of rates, and the one of clocks where the clock's rate is known."""
    compare_rates(rows[0], ours, peers)
    clock = machine.tsc_hz()
    if clock is None:
        rows[1].note = "not measured: the rate of this processor's time stamp counter is unknown"
        return
    # One figure a round: the difference of two medians that belong together.
    beyond = [clock / statistics.median(mine.packets_per_s) -
              clock / statistics.median(his.packets_per_s) for mine, his in zip(ours, peers)]
    rows[1].compare(beyond, [case.vpp_clocks])
    rows[1].note = (f"packet {clock / 1e6 / rows[0].value:.0f} clocks, I/O alone "
                    f"{clock / 1e6 / rows[0].peer_value:.0f}; VPP's figure is of the reference "
                    "machine, and not of this run")
