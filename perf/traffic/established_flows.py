"""A capture with one 64-byte packet of each of F flows, TCP and UDP by turns, from the internet
to interfaces of a policy, and the policies that admit them.

TCP packets are segments in the middle of a connection (ACK, ten bytes), which a rule admits as
CT-23 says; replayed for ever they are the established flows of a firewall's dull day.

An appliance hands out its flow entries one after the other. Were all flows admitted in the order
of the capture, replaying it would walk through them in order and the processor would fetch them
ahead, which no real traffic allows. So remote addresses lie in BLOCKS networks at random, and
stage_policy() admits one network more at a time: neighbours in the capture are far apart in the
table.
"""

import random
import struct

BLOCKS = 32
INTERFACES = 16
FRAME_SIZE = 64
_PAYLOAD_TCP = FRAME_SIZE - 14 - 20 - 20
_PAYLOAD_UDP = FRAME_SIZE - 14 - 20 - 8
_FLOWS_PER_BLOCK_MAX = 1 << 16
_LOCAL = 0x0A4D010A  # 10.77.1.10
_REMOTE = 0x14000000  # 20.0.0.0, the second byte is the block


def folded(total):
    """The Internet checksum of a sum of 16-bit words."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def halves(address):
    return (address >> 16) + (address & 0xFFFF)


def blocks_of(flow_count, seed):
    """For each flow of the capture, in order, the block of its remote address."""
    if flow_count > BLOCKS * _FLOWS_PER_BLOCK_MAX // 2:
        raise ValueError(f"{flow_count} flows: at most {BLOCKS * _FLOWS_PER_BLOCK_MAX // 2}")
    draw = random.Random(seed)
    return [draw.randrange(BLOCKS) for _ in range(flow_count)]


def frame(number, block, place):
    """The packet of one flow; (block, place) is its remote host and unique among flows."""
    local = _LOCAL + number % INTERFACES
    remote = _REMOTE | block << 16 | place
    remote_port = 1024 + (number * 40503 & 0x7FFF)
    ethernet = b"\x02\x00\x00\x00\x01\x10\x02\x00\x00\x00\x99\x01\x08\x00"
    is_tcp = number % 2 == 0
    protocol = 6 if is_tcp else 17
    length = FRAME_SIZE - 14
    addresses = halves(local) + halves(remote)
    total = 0x4500 + length + 0x4000 + (64 << 8 | protocol) + addresses
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, length, 0, 0x4000, 64, protocol, folded(total),
                     remote, local)
    if not is_tcp:
        # A checksum of zero says that there is none, as RFC 768 allows over IPv4.
        return ethernet + ip + struct.pack("!HHHH", remote_port, 4433, 8 + _PAYLOAD_UDP, 0) + bytes(
            _PAYLOAD_UDP)
    sequence = number * 2654435761 & 0xFFFFFFFF
    total = (addresses + protocol + length - 20 + remote_port + 443 + halves(sequence) +
             halves(0x10000000) + 0x5010 + 0xFFFF)
    return ethernet + ip + struct.pack("!HHIIBBHHH", remote_port, 443, sequence, 0x10000000, 0x50,
                                       0x10, 0xFFFF, folded(total), 0) + bytes(_PAYLOAD_TCP)


def write_capture(path, flow_count, seed=2026):
    """Writes the capture; returns how many flows each block has."""
    sizes = [0] * BLOCKS
    header = struct.pack("<IIII", 1718000000, 0, FRAME_SIZE, FRAME_SIZE)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, block in enumerate(blocks_of(flow_count, seed)):
            file.write(header + frame(number, block, sizes[block]))
            sizes[block] += 1
    return sizes


def _policy(rules):
    lines = "\n".join(f"  {rule}," for rule in rules)
    interfaces = "".join(f"""
[[interface]]
id = "eni-{number}"
subnet = "subnet-perf"
mac = "02:00:00:00:01:{0x10 + number:02x}"
addresses = ["10.77.1.{10 + number}"]
security_groups = ["sg-perf"]
""" for number in range(INTERFACES))
    return f"""[[vpc]]
id = "vpc-perf"
cidrs = ["10.77.0.0/16"]

[[subnet]]
id = "subnet-perf"
vpc = "vpc-perf"
cidrs = ["10.77.1.0/24"]

[[security_group]]
id = "sg-perf"
name = "perf"
description = "what the perf suite measures"
vpc = "vpc-perf"
# No egress rule: replies pass because flows are tracked, so that all of them are (CT-4).
egress = []
ingress = [
{lines}
]
{interfaces}"""


def flow_log(path):
    """The table of a log of every interface, to be added to a policy."""
    return f"""
[[flow_log]]
id = "fl-perf"
resource = "vpc-perf"
traffic = "all"
interval = 60
destination = "file:{path}"
"""


def stage_policy(admitted_blocks):
    """Admits the flows of the first blocks, for the warm-up."""
    return _policy([f'{{ protocol = "-1", source = "20.{block}.0.0/16" }}'
                    for block in range(admitted_blocks)])


def measured_policy(rule_count):
    """rule_count rules, of which one admits every flow of the capture."""
    rules = []
    for i in range(rule_count - 1):
        source = f"172.{16 + i // 256}.{i % 256}.0/24"
        rules.append(f'{{ protocol = "tcp", ports = {1000 + i}, source = "{source}" }}')
    rules.insert(len(rules) // 2, '{ protocol = "-1", source = "20.0.0.0/8" }')
    return _policy(rules)
