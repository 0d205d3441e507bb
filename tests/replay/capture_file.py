"""Reads pcap and pcapng files and tells of each packet which flow an analyser would put it in.

Only what the comparison with nDPI needs: addresses, ports, protocol, fragment, tunnel.
"""

import ipaddress
import struct
from typing import NamedTuple

PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPV6", 89: "OSPF", 132: "SCTP", 2: "IGMP",
             47: "GRE", 112: "VRRP", 50: "ESP", 51: "AH", 4: "IP_in_IP", 46: "RSVP", 8: "EGP",
             103: "PIM", 41: "IPV6"}
ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN = 0x0800, 0x86DD, (0x8100, 0x88A8, 0x9100)


class Packet(NamedTuple):
    number: int
    wire_length: int
    key: object        # FlowKey, or None for what is not IP or too broken to tell
    is_later_fragment: bool
    train: object      # what the fragments of one datagram share; None for whole packets


class FlowKey(NamedTuple):
    """Both directions of a flow: protocol and the two ends, the smaller first."""

    protocol: str
    ends: tuple


def flow_key(protocol, source, source_port, destination, destination_port):
    return FlowKey(protocol, tuple(sorted([(source, source_port),
                                           (destination, destination_port)])))


def pcap_records(data):
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link_type = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF
    at = 24
    while at + 16 <= len(data):
        captured, wire = struct.unpack(order + "II", data[at + 8:at + 16])
        yield link_type, data[at + 16:at + 16 + captured], wire
        at += 16 + captured


def pcapng_records(data):
    order, links, at = "<", [], 0
    while at + 12 <= len(data):
        if data[at:at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        kind, size = struct.unpack(order + "II", data[at:at + 8])
        body = data[at + 8:at + size - 4]
        if kind == 1:
            links.append(struct.unpack(order + "H", body[:2])[0])
        elif kind == 6:
            interface, _, _, captured, wire = struct.unpack(order + "IIIII", body[:20])
            yield links[interface], body[20:20 + captured], wire
        elif kind == 3:
            wire = struct.unpack(order + "I", body[:4])[0]
            yield links[0], body[4:4 + wire], wire
        at += size


def network_header(link_type, frame):
    """EtherType and what follows the link header."""
    if link_type == 1:
        at = 12
        while at + 2 <= len(frame):
            ether_type = struct.unpack(">H", frame[at:at + 2])[0]
            if ether_type not in ETHERTYPE_VLAN:
                return ether_type, frame[at + 2:]
            at += 4
    elif link_type in (12, 14, 101, 228, 229):
        return ETHERTYPE_IPV6 if frame[:1] and frame[0] >> 4 == 6 else ETHERTYPE_IPV4, frame
    elif link_type == 113:
        return struct.unpack(">H", frame[14:16])[0], frame[16:]
    elif link_type == 276:
        return struct.unpack(">H", frame[0:2])[0], frame[20:]
    elif link_type in (0, 108):
        return ETHERTYPE_IPV6 if frame[4] >> 4 == 6 else ETHERTYPE_IPV4, frame[4:]
    return 0, b""


def transport_of(header):
    """Protocol number, source, destination, transport bytes, fragment id, offset in 8 bytes."""
    if header[0] >> 4 == 4:
        size = (header[0] & 15) * 4
        total, fragment_id, flags = struct.unpack(">HHH", header[2:8])
        return (header[9], str(ipaddress.ip_address(header[12:16])),
                str(ipaddress.ip_address(header[16:20])), header[size:total],
                fragment_id if flags & 0x3FFF else None, flags & 0x1FFF)
    protocol, at, fragment_id, offset = header[6], 40, None, 0
    while protocol in (0, 43, 44, 60):
        if protocol == 44:
            offset, fragment_id = struct.unpack(">HI", header[at + 2:at + 8])
            offset >>= 3
            size = 8
        else:
            size = (header[at + 1] + 1) * 8
        protocol, at = header[at], at + size
    return (protocol, str(ipaddress.ip_address(header[8:24])),
            str(ipaddress.ip_address(header[24:40])), header[at:], fragment_id, offset)


def key_of(link_type, frame):
    """Key, whether it is a later fragment, and the train it belongs to."""
    ether_type, header = network_header(link_type, frame)
    if ether_type not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
        return None, False, None
    number, source, destination, transport, fragment_id, offset = transport_of(header)
    ports = (0, 0)
    # As nDPI does it: no ports where the transport header is not whole.
    if len(transport) >= {6: 20, 17: 8}.get(number, 1 << 16) and offset == 0:
        ports = struct.unpack(">HH", transport[:4])
    name = PROTOCOLS.get(number, str(number))
    train = None if fragment_id is None else (number, source, destination, fragment_id)
    return flow_key(name, source, ports[0], destination, ports[1]), offset != 0, train


def read_packets(path):
    data = path.read_bytes()
    records = pcapng_records if data[:4] == b"\x0a\x0d\x0d\x0a" else pcap_records
    for number, (link_type, frame, wire) in enumerate(records(data), 1):
        try:
            key, is_later, train = key_of(link_type, frame)
        except (struct.error, IndexError, ValueError):
            key, is_later, train = None, False, None
        yield Packet(number, wire, key, is_later, train)
