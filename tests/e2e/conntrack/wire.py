"""Packets of IPv4 and IPv6, built and taken apart byte by byte."""

import socket
import struct
from typing import NamedTuple

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
ICMP, TCP, UDP, FRAGMENT, ESP, ICMPV6 = 1, 6, 17, 44, 50, 58


def address(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def is_v6(packed):
    return len(packed) == 16


def ones_sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def with_checksum(body, at, pseudo, spoil=0):
    """The body with its checksum in place; `spoil` makes it wrong."""
    value = (ones_sum(pseudo + body) ^ 0xFFFF ^ spoil) & 0xFFFF
    return body[:at] + struct.pack("!H", value) + body[at + 2:]


def pseudo_header(source, destination, number, size):
    if is_v6(source):
        return source + destination + struct.pack("!II", size, number)
    return source + destination + struct.pack("!HH", number, size)


def tcp(source, destination, ports, numbers, flags, window, options=b"", payload=b"", spoil=0,
        header_words=None):
    """`flags` of nine bits; `header_words` tells a length that may be wrong."""
    words = 5 + len(options) // 4 if header_words is None else header_words
    body = struct.pack("!HHIIBBHHH", *ports, numbers[0] & 0xFFFFFFFF, numbers[1] & 0xFFFFFFFF,
                       words << 4 | flags >> 8, flags & 0xFF, window, 0, 0) + options + payload
    return with_checksum(body, 16, pseudo_header(source, destination, TCP, len(body)), spoil)


def udp(source, destination, ports, payload=b"", spoil=0, length=None):
    size = 8 + len(payload) if length is None else length
    body = struct.pack("!HHHH", *ports, size, 0) + payload
    return with_checksum(body, 6, pseudo_header(source, destination, UDP, len(body)), spoil)


def icmp(source, destination, kind, code, rest=b"\0\0\0\0", payload=b"", spoil=0):
    body = struct.pack("!BBH", kind, code, 0) + rest + payload
    pseudo = pseudo_header(source, destination, ICMPV6, len(body)) if is_v6(source) else b""
    return with_checksum(body, 2, pseudo, spoil)


class Piece(NamedTuple):
    """Which bytes behind the IP header a fragment holds."""

    offset: int
    size: int
    more: bool


def ip(source, destination, number, body, tag, piece=None, fragment_id=None):
    """An IP packet, or one fragment of it. The tag is the IPv4 identification, or the IPv6 flow
    label: routers leave both as they are."""
    part = body if piece is None else body[piece.offset:piece.offset + piece.size]
    if is_v6(source):
        head = b""
        if piece is not None:
            head = struct.pack("!BBHI", number, 0, piece.offset | piece.more, fragment_id or tag)
        first = FRAGMENT if head else number
        return (struct.pack("!IHBB", 6 << 28 | tag & 0xFFFFF, len(head) + len(part), first, 64)
                + source + destination + head + part)
    place = 0 if piece is None else piece.offset // 8 | (0x2000 if piece.more else 0)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part), tag & 0xFFFF, place, 64, number, 0)
    return with_checksum(header + source + destination, 10, b"") + part


class Seen(NamedTuple):
    """What tells which packet a frame on the far side is."""

    source: bytes
    tag: int
    piece: object  # Piece of a fragment, None for a whole packet


def read_ip(packet):
    """Seen, or None for what is not IP."""
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        tag = struct.unpack("!I", packet[:4])[0] & 0xFFFFF
        size = struct.unpack("!H", packet[4:6])[0]
        if packet[6] != FRAGMENT:
            return Seen(packet[8:24], tag, None)
        place = struct.unpack("!H", packet[42:44])[0]
        return Seen(packet[8:24], tag, Piece(place & 0xFFF8, size - 8, bool(place & 1)))
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        size, tag, place = struct.unpack("!HHH", packet[2:8])
        if place & 0x3FFF == 0:
            return Seen(packet[12:16], tag, None)
        head = (packet[0] & 15) * 4
        return Seen(packet[12:16], tag,
                    Piece((place & 0x1FFF) * 8, size - head, bool(place & 0x2000)))
    return None


def is_whole(pieces):
    """Do these pieces make a datagram?"""
    reached, ended = 0, False
    for piece in sorted(pieces):
        if piece.offset > reached:
            return False
        reached = max(reached, piece.offset + piece.size)
        ended = ended or not piece.more
    return ended and reached > 0
