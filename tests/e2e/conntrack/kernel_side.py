"""Sends packets through a router with nftables between two veth pairs, one by one and in order, and
tells which of them came out on its far side.

The process stays on one processor: its frames go through the router's queue of that processor, in
the order in which they were sent. After some of them a marker is sent, and awaited, on each side.
"""

import os
import select
import socket
import struct
import time

import wire

ETH_ALL, ETH_IPV4, ETH_IPV6 = 0x0003, 0x0800, 0x86DD
SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING = 33, 263, 6, 23
PACKETS_BETWEEN_MARKERS = 128  # well below net.core.netdev_max_backlog
MARKER_PORT = 9
MARKER_WAIT_S = 10
MARKER_ENDS = (wire.address("198.51.100.250"), wire.address("10.77.2.250"))


class Lost(Exception):
    """The wire lost frames of its own accord: nothing can be said about verdicts."""


class Port:
    """One end of a veth pair whose other end is the router's."""

    def __init__(self, name, router_mac):
        self.receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
        self.receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self.receiver.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.receiver.bind((name, ETH_ALL))
        self.receiver.setblocking(False)
        self.sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sender.bind((name, 0))
        self.router_mac = bytes.fromhex(router_mac.replace(":", ""))

    def send(self, packet):
        kind = ETH_IPV6 if packet[0] >> 4 == 6 else ETH_IPV4
        self.sender.send(self.router_mac + b"\x02\0\0\0\0\x01" + struct.pack("!H", kind) + packet)

    def take(self):
        """Everything that has come, as IP packets."""
        while True:
            try:
                frame = self.receiver.recv(65_600)
            except BlockingIOError:
                return
            if struct.unpack("!H", frame[12:14])[0] in (ETH_IPV4, ETH_IPV6):
                yield frame[14:]

    def lost(self):
        """Frames that the receiver had no room for."""
        answer = self.receiver.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return struct.unpack("II", answer)[1]


def backlog_drops():
    """Packets that any processor had no room for in its queue."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return sum(int(line.split()[1], 16) for line in file)


class KernelSide:
    """A router that is there already, see the scenario that made it."""

    def __init__(self, ports):
        self.ports = ports  # by direction: where packets of that direction come in
        self.marks = 0
        self.arrived = {}  # (source, tag) -> pieces, None for a whole packet
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def run(self, packets):
        """Sends (direction, packet) pairs. Returns for each what came of it: a list with None if
        the whole packet came, else with the pieces that came by then under its tag."""
        drops_before = backlog_drops()
        results = []
        pending = []
        for direction, packet in packets:
            self.ports[direction].send(packet)
            pending.append((direction, packet))
            if len(pending) == PACKETS_BETWEEN_MARKERS:
                results.extend(self.settle(pending))
                pending = []
        results.extend(self.settle(pending))
        if backlog_drops() != drops_before:
            raise Lost("a queue of the kernel was too short")
        if any(port.lost() for port in self.ports):
            raise Lost("a receiver was too slow")
        return results

    def settle(self, pending):
        """Waits until everything sent so far has come through or never will."""
        self.marks += 1
        text = struct.pack("!I", self.marks)
        for direction, port in enumerate(self.ports):
            ends = MARKER_ENDS if direction == 0 else MARKER_ENDS[::-1]
            body = wire.udp(*ends, (MARKER_PORT, MARKER_PORT), text)
            port.send(wire.ip(*ends, wire.UDP, body, 0))
        came = [self.collect(direction, text) for direction in (0, 1)]
        for direction, packet in pending:
            seen = wire.read_ip(packet)
            yield came[direction].get((seen.source, seen.tag), [])

    def collect(self, direction, mark):
        """What came out of the router in this direction up to the marker, by source and tag."""
        port = self.ports[1 - direction]
        came = {}
        deadline = time.monotonic() + MARKER_WAIT_S
        while time.monotonic() < deadline:
            for packet in port.take():
                seen = wire.read_ip(packet)
                if packet[-4:] == mark and seen.source in MARKER_ENDS:
                    return came
                came.setdefault((seen.source, seen.tag), []).append(seen.piece)
            select.select([port.receiver], [], [], 0.2)
        raise Lost(f"marker {self.marks} did not come through")
