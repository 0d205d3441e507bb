"""The appliance under measurement: the real sluiced, one worker, a bump in the wire between a
capture that repeats for ever and a sink."""

import json
import shutil
import socket
import subprocess
import time

from end_to_end import window
from end_to_end.child import Child, Failed, pinned_thread
from traffic import established_flows
from traffic import policy as policies

FLOW_CAPACITY = 1_000_000


class Rpc:
    """The control socket, as a human with socat would use it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(15)
        self.socket.connect(str(path))
        self.reader = self.socket.makefile("rb")
        self.number = 0

    def call(self, method, **params):
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self.reader.readline())
        if "error" in answer:
            raise Failed(f"sluiced answers {method} by {answer['error']}")
        return answer["result"]

    def close(self):
        self.reader.close()
        self.socket.close()


class Appliance:
    """Without flow logs unless they are asked for: what they cost shows over a minute only."""

    name = "sluice"
    family = 4  # of the capture
    prefix = ()  # words before the command, such as those that enter a namespace

    def __init__(self, plan, capture, block_sizes, rule_count, is_logged=False):
        self.plan = plan
        self.capture = capture
        self.block_sizes = block_sizes
        self.rule_count = rule_count
        self.is_logged = is_logged
        self.child = None
        self.rpc = None

    def start(self):
        plan = self.plan
        # A policy kept by a former turn would admit all flows at once, in the capture's order.
        shutil.rmtree(plan.directory / "state", ignore_errors=True)
        config = plan.directory / "appliance.toml"
        config.write_text(self.configuration())
        self.child = Child([*self.prefix, plan.build / "control/main/sluiced", "--config", config],
                           plan.directory / "sluiced.log")
        self.child.name = "sluiced"
        self.child.wait_for(lambda: "sluiced: ready" in self.child.said(), "'ready'", 60)
        self.rpc = Rpc(plan.directory / "control.sock")
        self.warm_up()

    def configuration(self):
        plan = self.plan
        return f"""[engine]
workers = [{plan.core}]
flow_capacity = {FLOW_CAPACITY}
huge_pages = "{'require' if plan.huge_pages else 'never'}"
eal_arguments = {json.dumps(self.eal_arguments())}

[control]
socket = "{plan.directory}/control.sock"
readonly_socket = ""

[[port]]
id = "source"
device = "{plan.source(self.capture)}"
role = "outside"
peer = "sink"

[[port]]
id = "sink"
device = "{plan.sink()}"
role = "inside"
peer = "source"

[state]
directory = "{plan.directory}/state"
"""

    def eal_arguments(self):
        """The same memory as the peer gets."""
        if self.plan.huge_pages:
            return []
        return ["-m", str(self.plan.ordinary_memory_mib(sum(self.block_sizes)))]

    def apply(self, policy, existing="keep"):
        path = self.plan.directory / "policy.toml"
        path.write_text(policy)
        self.apply_file(path, existing=existing)

    def apply_file(self, path, limit_s=60, existing="keep"):
        command = [self.plan.build / "control/main/sluicectl", "-q", "-s",
                   self.plan.directory / "control.sock", "--timeout", str(limit_s), "policy",
                   "apply", path, "--existing", existing]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s,
                              check=False)
        if done.returncode != 0:
            raise Failed(f"sluicectl policy apply: {done.stderr.strip()[-300:]}")

    def warm_up(self):
        """Admits the flows block by block, and then changes to the policy that is measured."""
        expected = 0
        for block, size in enumerate(self.block_sizes):
            expected += size
            self.apply(policies.toml(established_flows.stage_rules(block + 1, self.family)))
            self.child.wait_for(lambda: self.live_flows() == expected,
                                f"{expected} live flows", 30)
        policy = policies.toml(established_flows.measured_rules(self.rule_count, self.family))
        if self.is_logged:
            policy += policies.flow_log(self.plan.directory / "flow.log")
        self.apply(policy)
        time.sleep(0.2)

    def live_flows(self):
        return self.worker()["flows"]

    def worker(self):
        """Its counters. `stats` has the same and more, for which the worker walks its flows."""
        return self.rpc.call("worker.list")["workers"][0]

    def look(self):
        thread = pinned_thread(self.child.pid, self.plan.core)
        if thread is None:
            raise self.child.failure(f"no thread polls on core {self.plan.core}")
        return window.look(self.child.pid, thread, self.counters)

    def counters(self):
        worker = self.worker()
        return worker["rx_packets"], worker["dropped"]

    def check(self):
        """Every flow of the capture is there, or what was measured is not what the table says."""
        live, expected = self.live_flows(), sum(self.block_sizes)
        if live != expected:
            raise Failed(f"sluiced has {live} live flows of {expected}")

    def stop(self):
        if self.rpc:
            self.rpc.close()
            self.rpc = None
        if self.child:
            self.child.stop()
