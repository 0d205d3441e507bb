"""The peer: Open vSwitch with its DPDK datapath and connection tracker, between the same devices.

Its database, daemon and sockets live in a folder of the run, and the daemon in a network namespace
of its own, where its tap devices vanish with it: a service of this machine is neither asked nor
disturbed. One PMD thread polls on the measured core; its other threads keep off that core.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from end_to_end import ovs_flows, window
from end_to_end.child import ALL_CORES, Child, Failed, pinned_thread
from traffic import established_flows

PROGRAM = Path("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk")
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
TOOLS = ("ovsdb-tool", "ovsdb-server", "ovs-vsctl", "ovs-ofctl", "unshare", "taskset")
TUNINGS = {"default": {}, "best": {"smc-enable": "true", "emc-insert-inv-prob": "0"}}
BUFFER_SIZE = 3_072  # of its memory pools, with all headers, rounded up
# netdev-dpdk sizes a pool of a port by the queues that were asked for, each of this many.
_QUEUE_SIZE = 4_096
_IN_FLIGHT_MAX = 4_096
_BLOCKS_A_STEP = 4
_STATISTICS = re.compile(r"port \d+: (\S+) .*\n\s+RX packets:(\d+).*\n\s+TX packets:(\d+)")


def obstacle():
    """Why it cannot be measured here, or nothing."""
    missing = [name for name in TOOLS if not shutil.which(name)]
    missing += [str(path) for path in (PROGRAM, SCHEMA) if not path.exists()]
    if missing:
        return (f"{', '.join(missing)} not installed (Debian packages openvswitch-switch and "
                "openvswitch-switch-dpdk)")
    if os.geteuid() != 0:
        return "Open vSwitch needs root for a network namespace of its own"
    return ""


def port_statistics(text):
    """{port: (received, sent)} of what `dpctl/show -s` answers."""
    return {name: (int(received), int(sent))
            for name, received, sent in _STATISTICS.findall(text)}


def buffer_count(flow_count):
    """Of the pool that holds a capture, which is counted by queues of _QUEUE_SIZE."""
    return (flow_count // _QUEUE_SIZE + 3) * (_QUEUE_SIZE + 32) + 5 * _QUEUE_SIZE


class Unixctl:
    """The socket behind ovs-appctl, asked without a process for each question."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(str(path))

    def call(self, method, *words):
        request = {"id": 0, "method": method, "params": list(words)}
        self.socket.sendall(json.dumps(request).encode())
        text = b""
        while True:
            part = self.socket.recv(1 << 16)
            if not part:
                raise Failed(f"ovs-vswitchd went away at {method}")
            text += part
            # One JSON object, which ends in a brace and nowhere earlier is complete.
            if not text.rstrip().endswith(b"}"):
                continue
            try:
                answer = json.loads(text)
            except ValueError:
                continue
            if answer.get("error"):
                raise Failed(f"ovs-vswitchd answers {method} by {answer['error'].strip()}")
            return answer["result"]

    def close(self):
        self.socket.close()


class Ovs:
    """With one of TUNINGS. Flows are admitted in steps as by the appliance, fewer and larger ones:
    a connection that has seen no answer yet lives for 30 s."""

    family = 4  # of the capture
    datapath = "netdev"
    arguments = ()

    def __init__(self, plan, capture, block_sizes, rule_count, tuning="best", replies=None):
        self.plan = plan
        self.capture = capture
        self.block_sizes = block_sizes
        self.rule_count = rule_count
        self.tuning = tuning
        self.replies = replies
        self.name = f"OVS-DPDK ct, {tuning}"
        self.folder = plan.directory / "ovs"
        self.children = []
        self.daemon = None
        self.control = None
        self.lost_before = 0
        self.packets = sum(block_sizes)  # of the capture

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.start_database()
        self.start_daemon()
        self.add_bridge()
        self.warm_up()
        self.lost_before = self.lost()

    def environment(self):
        names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        return {**os.environ, **{name: str(self.folder) for name in names}}

    def run(self, *command, text=None, limit_s=60):
        done = subprocess.run([str(word) for word in command], input=text, capture_output=True,
                              text=True, timeout=limit_s, env=self.environment(), check=False)
        if done.returncode != 0:
            raise Failed(f"{command[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def start_database(self):
        database = self.folder / "conf.db"
        self.run("ovsdb-tool", "create", database, SCHEMA)
        child = Child(["ovsdb-server", database, f"--remote=punix:{self.folder}/db.sock",
                       f"--unixctl={self.folder}/ovsdb.ctl", "--no-chdir"],
                      self.folder / "ovsdb.log", self.environment())
        self.children.append(child)
        child.wait_for((self.folder / "db.sock").exists, "its socket", 20)
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                   *(f"other_config:{key}={json.dumps(value)}"
                     for key, value in self.configuration().items()))

    def configuration(self):
        """Of the table Open_vSwitch, as ovs-vswitchd.conf.db(5) names it."""
        extra = "--no-pci --no-telemetry"
        if not self.plan.huge_pages:
            memory = self.plan.ordinary_memory_mib(2 * buffer_count(self.packets))
            extra += f" --no-huge --legacy-mem --no-shconf -m {memory}"
        return {"dpdk-init": "true", "pmd-cpu-mask": f"{1 << self.plan.core:#x}",
                "dpdk-lcore-mask": f"{1 << self.plan.other_core:#x}", "dpdk-extra": extra,
                # The only way to a pool of more than 262,144 buffers, which a large capture needs.
                "per-port-memory": "true", **TUNINGS[self.tuning]}

    def story(self):
        """How it runs, for the reader of the table."""
        settings = " ".join(f"{key}={value}" for key, value in self.configuration().items())
        return (f"Open vSwitch of Debian with datapath_type=netdev, one PMD; {settings}; table 0 "
                "asks ct, table 1 lets +est pass at the highest priority and has "
                "ct(commit) for each rule; n_rxq as large as the capture needs for its buffers, of "
                "devices with one queue" +
                ("; each flow answered once before the windows" if self.replies else ""))

    def vsctl(self, *words):
        return self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", "--timeout=60", *words)

    def start_daemon(self):
        others = ",".join(map(str, sorted(ALL_CORES - {self.plan.core})))
        socket_path = self.folder / "vswitchd.ctl"
        self.daemon = Child(["taskset", "-c", others, "unshare", "--net", PROGRAM,
                             f"unix:{self.folder}/db.sock", f"--unixctl={socket_path}",
                             "--no-chdir", *self.arguments], self.folder / "vswitchd.log",
                            self.environment())
        self.daemon.name = "ovs-vswitchd"
        self.children.append(self.daemon)
        # It answers only when DPDK has its memory.
        self.daemon.wait_for(socket_path.exists, "its socket", 30)
        self.control = Unixctl(socket_path)
        self.daemon.wait_for(lambda: self.control.call("version"), "an answer", 60)

    def add_bridge(self):
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0",
                   f"datapath_type={self.datapath}", "fail_mode=secure")
        self.set_rules(established_flows.stage_rules(0))
        self.add_port("sink", self.plan.sink(), ovs_flows.SINK)
        self.add_port("source", self.plan.source(self.capture), ovs_flows.SOURCE,
                      self.packets)

    def add_port(self, name, device, number, capture_size=0):
        queues = capture_size // _QUEUE_SIZE + 2 if capture_size else 1
        self.vsctl("add-port", "br0", name, "--", "set", "interface", name, "type=dpdk",
                   f"options:dpdk-devargs={json.dumps(device)}", f"options:n_rxq={queues}",
                   f"options:n_rxq_desc={_QUEUE_SIZE}", f"ofport_request={number}")
        problem = self.vsctl("get", "interface", name, "error").strip()
        if problem != "[]":
            raise Failed(f"ovs-vswitchd cannot use {device}: {problem}")

    def set_rules(self, rules):
        self.run("ovs-ofctl", "-O", "OpenFlow15", "replace-flows",
                 f"unix:{self.folder}/br0.mgmt", "-", text=ovs_flows.flows(rules))

    def warm_up(self):
        expected = 0
        for block, size in enumerate(self.block_sizes, 1):
            expected += size
            if block % _BLOCKS_A_STEP:
                continue
            self.set_rules(established_flows.stage_rules(block, self.family))
            self.daemon.wait_for(lambda: self.live_flows() == expected,
                                 f"{expected} connections", 60)
        self.answer()
        self.set_rules(established_flows.measured_rules(self.rule_count, self.family))
        time.sleep(0.5)

    def answer(self):
        """One packet back in each flow, without which UDP stays new and TCP is forgotten soon."""
        if not self.replies:
            return
        path, count = self.replies
        self.add_port("replies", f"net_pcap1,rx_pcap={path}", ovs_flows.REPLIES)
        self.daemon.wait_for(lambda: self.statistics()["replies"][0] >= count,
                             f"{count} replies", 60)
        self.vsctl("del-port", "br0", "replies")

    def live_flows(self):
        return int(self.control.call("dpctl/ct-get-nconns"))

    def statistics(self):
        """Live, while those of the database lag by seconds."""
        return port_statistics(self.control.call("dpctl/show", "-s"))

    def lost(self):
        found = self.statistics()
        return found["source"][0] - found["sink"][1]

    def counters(self):
        """What was sent, and what was received and not sent, but for what is on its way."""
        found = self.statistics()
        sent = found["sink"][1]
        lost = found["source"][0] - sent - self.lost_before
        return sent, lost if lost > _IN_FLIGHT_MAX else 0

    def look(self):
        thread = pinned_thread(self.daemon.pid, self.plan.core)
        if thread is None:
            raise self.daemon.failure(f"no thread polls on core {self.plan.core}")
        return window.look(self.daemon.pid, thread, self.counters)

    def check(self):
        live, expected = self.live_flows(), sum(self.block_sizes)
        if live != expected:
            raise Failed(f"ovs-vswitchd has {live} connections of {expected}")

    def stop(self):
        if self.control:
            self.control.close()
            self.control = None
        for child in reversed(self.children):
            child.stop()
        self.children = []
        shutil.rmtree(self.folder, ignore_errors=True)
