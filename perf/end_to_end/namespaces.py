"""Two network namespaces joined by two veth pairs: the world, which sends and receives, and a
firewall between its two ends. Each is held by a process of ours and vanishes with that, links too.

     world                    firewall
    [ out0 ]==== veth ====[ in0     in1 ]==== veth ====[ sink0 ] world
"""

import ctypes
import os
import socket
import subprocess
from pathlib import Path

from end_to_end.child import Child, Failed

TOOLS = ("unshare", "nsenter", "mount", "ip")
_CLONE_NEWNET = 0x40000000
FIREWALL_MAC, WORLD_MAC = "02:00:00:00:01:10", "02:00:00:00:99:01"


class Namespaces:
    """Started and stopped like every side of a measurement."""

    def __init__(self, directory):
        self.directory = directory
        self.holders = {}

    def start(self):
        for name in ("world", "firewall"):
            # sysfs shows the interfaces of the namespace in which it was mounted.
            self.holders[name] = Child(
                ["unshare", "--net", "--mount", "sh", "-c",
                 "mount -t sysfs sysfs /sys && echo held && exec sleep infinity"],
                self.directory / f"{name}.log")
            holder = self.holders[name]
            holder.wait_for(lambda holder=holder: "held" in holder.said(), "its namespace", 10)
        firewall = self.holders["firewall"].pid
        for end, inner in (("out0", "in0"), ("sink0", "in1")):
            self.ip("world", "link", "add", end, "type", "veth", "peer", "name", inner, "netns",
                    firewall)
            self.ip("world", "link", "set", end, "address", WORLD_MAC, "up")
            self.ip("firewall", "link", "set", inner, "address", FIREWALL_MAC, "up")
        self.ip("world", "link", "set", "lo", "up")

    def prefix(self, name):
        return ["nsenter", "-t", str(self.holders[name].pid), "--net", "--mount"]

    def run(self, name, *command, text=None):
        done = subprocess.run([*self.prefix(name), *map(str, command)], input=text, text=True,
                              capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Failed(f"{command[0]} in {name}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def ip(self, name, *words):
        self.run(name, "ip", *words)

    def write(self, name, path, value):
        self.run(name, "sh", "-c", f"echo {value} > {path}")

    def set(self, name, key, value):
        """A sysctl of the namespace."""
        self.write(name, "/proc/sys/" + key.replace(".", "/"), value)

    def received(self, name, interface):
        """Packets that an interface has received."""
        text = Path(f"/proc/{self.holders[name].pid}/net/dev").read_text()
        for line in text.splitlines():
            head, _, fields = line.partition(":")
            if head.strip() == interface:
                return int(fields.split()[1])
        raise Failed(f"{name} has no interface {interface}")

    def socket(self, name, interface):
        """A socket for whole frames on an interface, which goes on to work from here."""
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self.holders[name].pid}/ns/net", os.O_RDONLY)
        try:
            if libc.setns(there, _CLONE_NEWNET) != 0:
                raise Failed(f"setns: {os.strerror(ctypes.get_errno())}")
            try:
                raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                raw.bind((interface, 0))
                return raw
            finally:
                libc.setns(home, _CLONE_NEWNET)
        finally:
            os.close(home)
            os.close(there)

    def stop(self):
        for holder in self.holders.values():
            holder.stop()
        self.holders = {}
