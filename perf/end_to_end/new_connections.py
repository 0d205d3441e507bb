"""New connections a second: first packets of UDP alone, beside OVS-DPDK, on the same devices.

A capture of FLOWS packets, each of a flow of its own, is replayed for ever while the policy admits
nothing. Then one change of the policy admits them all, and the table fills within one pass of the
capture, in which every packet is a first one. The rate is taken while the table goes from 5 % to
95 %, by looks at the count of flows; then the policy refuses and the table is flushed, and the next
filling begins.
"""

import statistics
import subprocess
import time
from dataclasses import dataclass

from end_to_end import ovs, throughput, window
from end_to_end.appliance import Appliance
from end_to_end.child import Failed, pinned_thread
from report import Row
from traffic import established_flows, frames
from traffic import policy as policies

FLOWS = 400_000
_LOW, _HIGH = 0.05, 0.95
_LOOK_PAUSE_S = 0.001


@dataclass
class Case:
    """One number of rules."""

    rule_count: int
    quick: bool = False

    @property
    def name(self):
        rules = "1 rule" if self.rule_count == 1 else f"{self.rule_count:,} rules"
        return f"new connections, UDP first packets, {rules}"

    def rows(self):
        return [Row(self.name, "M/s", "OVS-DPDK ct, best", 5.0)]

    @property
    def flow_count(self):
        return FLOWS


def cases():
    return [Case(1), Case(1_000)]


def obstacle(build):
    return throughput.appliance_obstacle(build) or ovs.obstacle()


class FillingAppliance(Appliance):
    """Starts with a policy that admits nothing."""

    def warm_up(self):
        self.refuse()

    def admit(self):
        self.apply(policies.toml(established_flows.measured_rules(self.rule_count)))

    def refuse(self):
        self.apply(policies.toml([]), existing="flush")

    def look_at_flows(self):
        thread = pinned_thread(self.child.pid, self.plan.core)
        return window.look(self.child.pid, thread, lambda: (self.live_flows(), 0))


class FillingOvs(ovs.Ovs):
    def warm_up(self):
        """Begins with the rules of an empty policy."""

    def admit(self):
        self.set_rules(established_flows.measured_rules(self.rule_count))

    def refuse(self):
        self.set_rules([])

        def is_empty():
            # Cached decisions outlive their rules for some milliseconds and go on to admit.
            self.control.call("dpctl/flush-conntrack")
            time.sleep(0.1)
            return self.live_flows() == 0
        self.daemon.wait_for(is_empty, "an empty table", 30)

    def look_at_flows(self):
        thread = pinned_thread(self.daemon.pid, self.plan.core)
        return window.look(self.daemon.pid, thread, lambda: (self.live_flows(), 0))


def steep_part(looks, flow_count):
    """The widest window between looks within _LOW and _HIGH: those before the first packet and
    after the last would count idle time."""
    inside = [look for look in looks
              if _LOW * flow_count <= look.packets <= _HIGH * flow_count]
    if len(inside) < 2:
        return None
    return window.between(inside[0], inside[-1])


def wait_for_flows(side, wanted, limit_s=30):
    deadline = time.monotonic() + limit_s
    while side.live_flows() != wanted:
        if time.monotonic() > deadline:
            raise Failed(f"{side.name} has {side.live_flows()} flows, and not {wanted}")
        time.sleep(0.01)


def fill(side, flow_count, limit_s=30):
    """One filling of the table, which was empty; the window of it, or none if that is not clean."""
    wait_for_flows(side, 0)
    side.admit()
    looks = [side.look_at_flows()]
    deadline = time.monotonic() + limit_s
    while looks[-1].packets < flow_count:
        if time.monotonic() > deadline:
            raise Failed(f"{side.name} made {looks[-1].packets} flows of {flow_count}")
        time.sleep(_LOOK_PAUSE_S)
        looks.append(side.look_at_flows())
    side.refuse()
    measured = steep_part(looks, flow_count)
    return measured if measured and measured.is_clean else None


def take_turn(side, flow_count, fillings, limit_s):
    """Flows a second of so many clean fillings of one process."""
    rates, thrown_away = [], 0
    try:
        side.start()
        deadline = time.monotonic() + limit_s
        while len(rates) < fillings and time.monotonic() < deadline:
            measured = fill(side, flow_count)
            if measured:
                rates.append(measured.packets_per_s)
            else:
                thrown_away += 1
    finally:
        side.stop()
    if not rates:
        raise Failed(f"{side.name}: of {thrown_away} fillings none counts")
    return rates, thrown_away


def measure(plan, case, quick):
    """The one row of a case."""
    row = case.rows()[0]
    rounds, fillings, limit_s = (1, 2, 10) if quick else (2, 4, 20)
    ours, peers, thrown_away = [], [], 0
    try:
        capture = plan.directory / "flows.pcap"
        sizes = established_flows.write_capture(
            capture, FLOWS, established_flows.Mix(protocols=(frames.UDP,)))
        for _ in range(rounds):
            for kind, turns in ((FillingAppliance, ours), (FillingOvs, peers)):
                side = kind(plan, capture, sizes, case.rule_count)
                rates, lost = take_turn(side, FLOWS, fillings, limit_s)
                turns.append(rates)
                thrown_away += lost
                if kind is FillingOvs:
                    plan.configurations[side.name] = side.story()
    except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
        row.note = f"not measured: {error}"
        return [row]
    ratios = [statistics.median(mine) / statistics.median(his) for mine, his in zip(ours, peers)]
    row.compare(*([rate / 1e6 for turn in side for rate in turn] for side in (ours, peers)),
                statistics.median(ratios))
    row.note = (f"rounds {', '.join(f'{ratio:.3g}' for ratio in ratios)}; {fillings} fillings of "
                f"{FLOWS:,} flows a turn; {thrown_away} thrown away")
    return [row]
