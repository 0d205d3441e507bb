"""Ethernet frames of TCP and UDP, IPv4 and IPv6, with right checksums and a payload of zeros."""

import struct

INSIDE_MAC = b"\x02\x00\x00\x00\x01\x10"
OUTSIDE_MAC = b"\x02\x00\x00\x00\x99\x01"
TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def folded(total):
    """The Internet checksum of a sum of 16-bit words."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _words(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def headers_size(version, protocol):
    """Of a frame without payload."""
    return 14 + (20 if version == 4 else 40) + (20 if protocol == TCP else 8)


def frame(version, protocol, source, destination, ports, size, flags=ACK, numbers=(0, 0)):
    """A frame of `size` bytes from outside; addresses are numbers, `numbers` TCP's sequence and
    acknowledgment. A size below that of the headers gives these alone."""
    payload = max(size - headers_size(version, protocol), 0)
    width = 4 if version == 4 else 16
    addresses = source.to_bytes(width, "big") + destination.to_bytes(width, "big")
    length = (20 if protocol == TCP else 8) + payload
    if protocol == TCP:
        transport = bytearray(
            struct.pack("!HHIIBBHHH", *ports, *numbers, 0x50, flags, 0xFFFF, 0, 0))
        place = 16
    else:
        transport = bytearray(struct.pack("!HHHH", *ports, length, 0))
        place = 6
    total = folded(_words(addresses) + protocol + length + _words(transport))
    # RFC 768: a UDP checksum that comes out as zero is sent as all ones.
    struct.pack_into("!H", transport, place, total or (0xFFFF if protocol == UDP else 0))
    if version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, protocol, 0)
        ip = ip[:10] + struct.pack("!H", folded(_words(ip) + _words(addresses))) + addresses
        ethertype = b"\x08\x00"
    else:
        ip = struct.pack("!IHBB", 0x60000000, length, protocol, 64) + addresses
        ethertype = b"\x86\xdd"
    return INSIDE_MAC + OUTSIDE_MAC + ethertype + ip + bytes(transport) + bytes(payload)


def tuple_of(packet):
    """(protocol, source, destination, source port, port) of such a frame; addresses as bytes."""
    start = 14
    if packet[12:14] == b"\x08\x00":
        protocol, source, destination, start = packet[23], packet[26:30], packet[30:34], 34
    else:
        protocol, source, destination, start = packet[20], packet[22:38], packet[38:54], 54
    return (protocol, source, destination, *struct.unpack_from("!HH", packet, start))
