"""A capture with packets of F flows from the internet to interfaces of a policy, the answers to
them, and the rules that admit them.

TCP packets are segments in the middle of a connection (ACK, a payload of zeros), which a rule
admits as CT-23 says; replayed for ever they are the established flows of a firewall's dull day. A
Mix says what else there is: larger packets, IPv6, favourite flows, refused packets, and connections
that open and end in each pass of the capture. These find their former entry closed and open it
anew: a replayed capture has no flow that was never seen, but in its first pass.

An appliance hands out its flow entries one after the other. Were all flows admitted in the order
of the capture, replaying it would walk through them in order and the processor would fetch them
ahead, which no real traffic allows. So remote addresses lie in BLOCKS networks at random, and
stage_rules() admits one network more at a time: neighbours in the capture are far apart in the
table.
"""

import itertools
import random
import struct
from dataclasses import dataclass

from traffic import frames as wire
from traffic.policy import INTERFACES, Rule, local_address, local_address6

BLOCKS = 32
FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
# Simple IMIX, 7:4:1; the largest is an IP packet of 1,500 bytes in its frame.
IMIX = (64,) * 7 + (594,) * 4 + (1514,)
_FLOWS_PER_BLOCK_MAX = 1 << 16
# Remote networks: blocks are the second byte of 20.0.0.0/8, and the third group of 2001:db8::/32.
_REMOTE, _REMOTE6 = 0x14 << 24, 0x20010DB8 << 96
_REFUSED, _REFUSED6 = 0xC6120000, 0x20010DBA << 96  # no rule names these
# What begins anew in each pass comes from a block that no stage of the warm-up admits.
_FRESH_BLOCK = BLOCKS


@dataclass(frozen=True)
class Mix:
    """What a capture holds beside its flows' number."""

    family: int = 4
    protocols: tuple = (wire.TCP, wire.UDP)  # by turns
    sizes: tuple = (64,)  # of frames, drawn for each flow; headers alone where they are larger
    popularity: str = "uniform"  # or "zipf": the flow of rank r has 1/r of the first one's packets
    fresh: float = 0.0  # of all packets: a SYN that opens a connection, or the RST that ends it
    denied: float = 0.0  # of all packets: what no rule admits


PLAIN = Mix()


@dataclass(frozen=True)
class Capture:
    """What was written."""

    block_sizes: list  # established flows of each block
    packets: int
    fresh_flows: int
    denied: int

    @property
    def denied_share(self):
        return self.denied / self.packets


def blocks_of(flow_count, seed):
    """For each flow of the capture, in order, the block of its remote address."""
    if flow_count > BLOCKS * _FLOWS_PER_BLOCK_MAX // 2:
        raise ValueError(f"{flow_count} flows: at most {BLOCKS * _FLOWS_PER_BLOCK_MAX // 2}")
    draw = random.Random(seed)
    return [draw.randrange(BLOCKS) for _ in range(flow_count)]


def _ends(mix, number, block, place):
    """Remote and local address; (block, place) is the remote host and unique among flows."""
    if mix.family == 4:
        return _REMOTE | block << 16 | place, local_address(number % INTERFACES)
    return _REMOTE6 | block << 80 | place, local_address6(number % INTERFACES)


def _ports(number, protocol):
    return 1024 + (number * 40503 & 0x7FFF), 443 if protocol == wire.TCP else 4433


def frame(mix, number, block, place, size):
    """The packet of one established flow."""
    protocol = mix.protocols[number % len(mix.protocols)]
    numbers = (number * 2654435761 & 0xFFFFFFFF, 0x10000000)
    return wire.frame(mix.family, protocol, *_ends(mix, number, block, place),
                      _ports(number, protocol), size, wire.ACK, numbers)


def fresh_frames(mix, number):
    """A SYN, and the RST by which its sender takes it back (RFC 9293, section 3.10.7)."""
    ends = _ends(mix, number, _FRESH_BLOCK, number)
    ports = _ports(number, wire.TCP)
    for flags, sequence in ((wire.SYN, 1000), (wire.RST, 1001)):
        yield wire.frame(mix.family, wire.TCP, *ends, ports, 64, flags, (sequence, 0))


def denied_frame(mix, number):
    remote = (_REFUSED if mix.family == 4 else _REFUSED6) + number
    local = _ends(mix, number, 0, 0)[1]
    return wire.frame(mix.family, wire.UDP, remote, local, _ports(number, wire.UDP), 64)


def _established(mix, flow_count, seed):
    """(block, packet) of each established packet, in order. Of favourite flows there are twice as
    many packets as flows, so that some flows have none."""
    blocks = blocks_of(flow_count, seed)
    draw = random.Random(seed + 1)
    places = [0] * BLOCKS

    def of_flow(number):
        block = blocks[number]
        place, places[block] = places[block], places[block] + 1
        return block, frame(mix, number, block, place, draw.choice(mix.sizes))
    if mix.popularity == "uniform":
        yield from map(of_flow, range(flow_count))
        return
    weights = list(itertools.accumulate(1 / rank for rank in range(1, flow_count + 1)))
    ranks = list(range(flow_count))
    draw.shuffle(ranks)
    known = {}
    for rank in draw.choices(range(flow_count), cum_weights=weights, k=2 * flow_count):
        if rank not in known:
            known[rank] = of_flow(ranks[rank])
        yield known[rank]


def write_mix(path, flow_count, mix=PLAIN, seed=2026):
    """Writes a capture; returns what it holds."""
    rest = 1 - mix.fresh - mix.denied
    seen, packets, fresh, denied = set(), 0, 0, 0
    sizes = [0] * BLOCKS
    with open(path, "wb") as file:
        def write(packet):
            nonlocal packets
            packets += 1
            file.write(struct.pack("<IIII", 1718000000, 0, len(packet), len(packet)) + packet)
        file.write(FILE_HEADER)
        for count, (block, packet) in enumerate(_established(mix, flow_count, seed), 1):
            key = wire.tuple_of(packet)
            if key not in seen:
                seen.add(key)
                sizes[block] += 1
            write(packet)
            while 2 * fresh < mix.fresh / rest * count:
                for each in fresh_frames(mix, fresh):
                    write(each)
                fresh += 1
            while denied < mix.denied / rest * count:
                write(denied_frame(mix, denied))
                denied += 1
    return Capture(sizes, packets, fresh, denied)


def write_capture(path, flow_count, mix=PLAIN):
    """Writes a capture of established flows; returns how many of them each block has."""
    return write_mix(path, flow_count, mix).block_sizes


def frames(path):
    """The frames of a capture of ours, in order."""
    data = path.read_bytes()
    at = 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def reply(packet):
    """The answer to a packet of a capture of ours, as small as can be: all that was sent is
    acknowledged."""
    protocol, source, destination, source_port, port = wire.tuple_of(packet)
    family = 4 if len(source) == 4 else 6
    numbers = (0, 0)
    if protocol == wire.TCP:
        start = wire.headers_size(family, protocol) - 16
        sequence, acknowledged = struct.unpack_from("!II", packet, start)
        sent = len(packet) - wire.headers_size(family, protocol)
        numbers = (acknowledged, sequence + sent & 0xFFFFFFFF)
    answer = wire.frame(family, protocol, int.from_bytes(destination, "big"),
                        int.from_bytes(source, "big"), (port, source_port), 64, wire.ACK, numbers)
    return wire.OUTSIDE_MAC + wire.INSIDE_MAC + answer[12:]


def write_replies(path, capture):
    """Writes the answer to each packet of a capture; returns how many."""
    count = 0
    with open(path, "wb") as file:
        file.write(FILE_HEADER)
        for count, packet in enumerate(frames(capture), 1):
            answer = reply(packet)
            file.write(struct.pack("<IIII", 1718000000, 0, len(answer), len(answer)) + answer)
    return count


def stage_rules(admitted_blocks, family=4):
    """Admits the flows of the first blocks, for the warm-up."""
    text = "20.{:d}.0.0/16" if family == 4 else "2001:db8:{:x}::/48"
    return [Rule("-1", text.format(block)) for block in range(admitted_blocks)]


def measured_rules(rule_count, family=4):
    """rule_count rules, of which one admits every flow of the capture."""
    def other(i):
        return f"172.{16 + i // 256}.{i % 256}.0/24" if family == 4 else f"2001:db9:{i:x}::/48"
    rules = [Rule("tcp", other(i), (1000 + i, 1000 + i)) for i in range(rule_count - 1)]
    rules.insert(len(rules) // 2, Rule("-1", "20.0.0.0/8" if family == 4 else "2001:db8::/32"))
    return rules
