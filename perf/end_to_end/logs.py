"""What a flow log costs: the same flows with one of every interface, and without.

A worker counts each packet into its flow's entry and sweeps the flows once a minute. The windows of
a turn together last a minute and more, so that each turn holds a whole sweep.
"""

import statistics
import subprocess
from dataclasses import dataclass

from end_to_end import throughput
from end_to_end.appliance import Appliance
from end_to_end.child import Failed
from report import Row
from traffic import established_flows

_WINDOW_S = 15.5
_WINDOWS = 4
_LIMIT_S = 120
_RULES = 100


@dataclass
class Case:
    """One size of the table."""

    label: str
    flow_count: int
    quick: bool = False

    @property
    def name(self):
        return f"flow logs on, {self.label} flows"

    def rows(self):
        return [Row(self.name, "Mpps", "flow logs off", 0.95)]


def cases():
    return [Case("64 k", 65_536)]


def obstacle(build):
    return throughput.appliance_obstacle(build)


def measure(plan, case, quick):
    """The one row of a case."""
    rows = case.rows()
    try:
        capture = plan.directory / "flows.pcap"
        sizes = established_flows.write_capture(capture, case.flow_count)
        logged, silent = [], []
        for _ in range(1 if quick else 2):
            for is_logged, turns in ((True, logged), (False, silent)):
                side = Appliance(plan, capture, sizes, _RULES, is_logged)
                turns.append(throughput.take_turn(side, _WINDOW_S, _WINDOWS, _LIMIT_S))
    except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
        rows[0].note = f"not measured: {error}"
        return rows
    ratios = [statistics.median(mine.packets_per_s) / statistics.median(other.packets_per_s)
              for mine, other in zip(logged, silent)]
    flat = [[rate / 1e6 for turn in side for rate in turn.packets_per_s]
            for side in (logged, silent)]
    rows[0].compare(*flat, statistics.median(ratios))
    rows[0].note = (f"rounds {', '.join(f'{ratio:.3f}' for ratio in ratios)}; "
                    f"{_WINDOWS} windows of {_WINDOW_S} s a turn; {_RULES} rules")
    return rows
