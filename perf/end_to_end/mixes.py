"""Other traffic than the smallest packets of IPv4: sizes, IPv6, one protocol, favourite flows, and
packets that are refused, or open and reset a connection, among the established. Beside bare I/O of
the same capture, and beside OVS-DPDK with its best tuning where all packets are of established
flows.
"""

import subprocess
from dataclasses import dataclass

from end_to_end import ovs, testpmd, throughput
from end_to_end.appliance import Appliance
from end_to_end.child import Failed
from report import Row
from traffic import established_flows
from traffic.established_flows import IMIX, Mix
from traffic.frames import TCP, UDP

_FLOWS = 65_536
_RULES = 100
# What a look may find beside the share of refused packets: bursts on their way, parts of a pass.
_DENIED_BLUR = 0.01
_IN_FLIGHT_MAX = 4_096


@dataclass
class Case:
    label: str
    mix: Mix
    quick: bool = False
    flow_count: int = _FLOWS

    @property
    def name(self):
        return f"mix, {self.label}"

    @property
    def has_ovs(self):
        return not self.mix.fresh and not self.mix.denied

    def rows(self):
        rows = [Row(self.name, "Mpps", testpmd.Testpmd.name, None)]
        if self.has_ovs and not ovs.obstacle():
            rows.append(Row(f"{self.name}, beside OVS", "Mpps", "OVS-DPDK ct, best", None))
        return rows


def cases():
    return [Case("1,500 bytes", Mix(sizes=(1514,))),
            Case("IMIX", Mix(sizes=IMIX)),
            Case("IPv6", Mix(family=6)),
            Case("TCP alone", Mix(protocols=(TCP,))),
            Case("UDP alone", Mix(protocols=(UDP,))),
            Case("Zipf", Mix(popularity="zipf")),
            Case("90 % established, 5 % SYN or RST, 5 % denied", Mix(fresh=0.05, denied=0.05)),
            Case("half denied", Mix(denied=0.5))]


def obstacle(build):
    return throughput.obstacle(build)


class MixedAppliance(Appliance):
    """Refuses the share of the capture that its rules refuse, no more and no less."""

    def __init__(self, plan, path, capture, mix):
        super().__init__(plan, path, capture.block_sizes, _RULES)
        self.capture_content = capture
        self.family = mix.family
        self.before = None

    def warm_up(self):
        super().warm_up()
        self.before = super().counters()

    def counters(self):
        received, dropped = super().counters()
        since, denied = received - self.before[0], dropped - self.before[1]
        wrong = abs(denied - self.capture_content.denied_share * since)
        return received, wrong if wrong > _IN_FLIGHT_MAX + _DENIED_BLUR * since else 0

    def check(self):
        """Those that begin anew in each pass may be there or not."""
        live, expected = self.live_flows(), sum(self.block_sizes)
        if not expected <= live <= expected + self.capture_content.fresh_flows:
            raise Failed(f"sluiced has {live} live flows of {expected}")


def _ovs_side(plan, path, capture, case):
    replies = plan.directory / "replies.pcap"
    count = established_flows.write_replies(replies, path)
    side = ovs.Ovs(plan, path, capture.block_sizes, _RULES, "best", (replies, count))
    side.family, side.packets = case.mix.family, capture.packets
    plan.configurations[side.name] = side.story()
    return side


def measure(plan, case, quick):
    """The rows of a case; OVS has one turn, since it takes long to warm up."""
    rows = case.rows()
    rounds, *windows = (1, 0.6, 2, 8) if quick else (2, 1.0, 2, 12)
    ours, limits, others = [], [], []
    try:
        path = plan.directory / "flows.pcap"
        capture = established_flows.write_mix(path, case.flow_count, case.mix)
        for _ in range(rounds):
            mine = MixedAppliance(plan, path, capture, case.mix)
            ours.append(throughput.take_turn(mine, *windows))
            limit = testpmd.Testpmd(plan, path, capture.packets + throughput.SPARE_BUFFERS)
            limits.append(throughput.take_turn(limit, *windows))
            if len(rows) > 1 and not others:
                others.append(throughput.take_turn(_ovs_side(plan, path, capture, case), *windows))
    except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
        for row in rows:
            row.note = f"not measured: {error}"
        return rows
    throughput.compare_rates(rows[0], ours, limits)
    if others:
        throughput.compare_rates(rows[1], ours[:1], others)
    return rows
