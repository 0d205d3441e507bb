"""Random conversations as a firewall between both sides sees them: seeded, each with its addresses
and ports, most of them damaged somewhere. What is sent never depends on what passed."""

from dataclasses import dataclass, field

import wire
from tcp_script import TcpScript

INSIDE = (wire.address("10.77.2.10"), wire.address("fd77:0:0:2::10"))
CLIENTS = 200
IN, OUT = 0, 1
OPEN_IN = {"tcp": (80, 8000, 8010), "udp": (53,)}
OPEN_OUT = {"tcp": (443,), "udp": (123,)}
SHUT = {"tcp": (25, 445), "udp": (69, 161)}
FRAGMENT_TAGS, WHOLE_TAGS, LABELS = 0xC000, 0xC000, 0x80000


def client(family, number):
    if family == 0:
        return wire.address(f"198.51.100.{number % CLIENTS + 1}")
    return wire.address(f"2001:db8:7::{number % CLIENTS + 1:x}")


@dataclass
class Event:
    """One packet on the wire. Those of one datagram share their unit."""

    conversation: int
    direction: int
    packet: bytes
    kind: str
    unit: int
    fragment: object = None  # wire.Piece


@dataclass
class Ends:
    """Who talks: `opener` is the direction of the first packet."""

    family: int
    client: bytes
    inside: bytes
    opener: int
    client_port: int
    service: int

    def addresses(self, direction):
        return (self.client, self.inside) if direction == IN else (self.inside, self.client)

    def ports(self, direction):
        pair = (self.client_port, self.service)
        return pair if direction == self.opener else pair[::-1]


@dataclass
class Writer:
    """Turns what a script says into events, each with a tag of its own."""

    rng: object
    tags: object
    conversation: int = 0
    ends: object = None
    events: list = field(default_factory=list)

    def whole(self, direction, number, body, kind):
        source, destination = self.ends.addresses(direction)
        tag = self.tags.whole(self.ends.family)
        packet = wire.ip(source, destination, number, body, tag)
        self.add(direction, packet, kind, self.tags.unit())
        return packet

    def foreign(self, direction, packet, kind):
        """A packet with other addresses than the conversation's."""
        self.add(direction, packet, kind, self.tags.unit())

    def add(self, direction, packet, kind, unit, piece=None):
        self.events.append(Event(self.conversation, direction, packet, kind, unit, piece))

    def fragments(self, direction, number, body, kind):
        """The body in two to five pieces, in some order, now and then damaged."""
        rng = self.rng
        cuts = sorted({rng.randrange(24, max(len(body) - 1, 25)) & ~7 for _ in range(4)})
        cuts = [0, *[cut for cut in cuts if 0 < cut < len(body)], len(body)]
        pieces = [wire.Piece(begin, end - begin, end < len(body))
                  for begin, end in zip(cuts, cuts[1:])]
        damage = rng.choice(("none",) * 6 + ("lost", "twice", "overlap", "disorder", "disorder"))
        if damage == "lost":
            del pieces[rng.randrange(len(pieces))]
        elif damage == "twice":
            pieces.insert(rng.randrange(len(pieces)), rng.choice(pieces))
        elif damage == "overlap" and len(pieces) > 1:
            at = rng.randrange(1, len(pieces))
            old = pieces[at]
            pieces.insert(at, wire.Piece(old.offset - 8, 16, True))
        elif damage == "disorder":
            rng.shuffle(pieces)
        source, destination = self.ends.addresses(direction)
        tag, unit = self.tags.fragmented(self.ends.family), self.tags.unit()
        for piece in pieces:
            packet = wire.ip(source, destination, number, body, tag, piece, fragment_id=tag)
            self.add(direction, packet, f"{kind} fragment {damage}", unit, piece)


class Tags:
    """Numbers for packets: no two that are on the wire at once have the same."""

    def __init__(self):
        self.wholes = self.fragmenteds = self.units = 0

    def whole(self, family):
        self.wholes += 1
        return self.wholes % (LABELS if family else WHOLE_TAGS)

    def fragmented(self, family):
        self.fragmenteds += 1
        if family:
            return LABELS + self.fragmenteds % LABELS
        return FRAGMENT_TAGS + self.fragmenteds % (0x10000 - FRAGMENT_TAGS)

    def unit(self):
        self.units += 1
        return self.units


def icmp_error(writer, direction, quoted, kind):
    """An error about a packet that went the other way, sound or not."""
    rng, family = writer.rng, writer.ends.family
    types = ((1, 2, 3, 4) if family else (3, 3, 3, 4, 5, 11, 12))
    shape = rng.choice(("sound",) * 5 + ("short", "elsewhere", "reversed", "checksum"))
    source, destination = writer.ends.addresses(direction)
    if shape != "elsewhere" and rng.random() < 0.5:
        # By a router on the way, not by the host itself.
        source = client(family, rng.randrange(CLIENTS)) if direction == IN else source
    if shape == "elsewhere":
        if direction == OUT:
            destination = client(family, rng.randrange(CLIENTS))
        else:
            shape = "sound"
    if shape == "reversed":
        head = 40 if family else 20
        size = 16 if family else 4
        at = 8 if family else 12
        quoted = (quoted[:at] + quoted[at + size:at + 2 * size] + quoted[at:at + size]
                  + quoted[head:head + 8])
    quote_size = (40 if family else 20) + (rng.randrange(0, 8) if shape == "short" else 64)
    number = rng.choice(types)
    rest = b"\0\0\5\0"
    body = wire.icmp(source, destination, number, 0, rest, quoted[:quote_size],
                     spoil=0x1234 if shape == "checksum" else 0)
    tag = writer.tags.whole(family)
    proto = wire.ICMPV6 if family else wire.ICMP
    label = f"{kind} error {shape}" + (" redirect" if number == 5 and not family else "")
    writer.foreign(direction, wire.ip(source, destination, proto, body, tag), label)


def udp_conversation(writer):
    """Questions and answers in any order and number."""
    rng, ends = writer.rng, writer.ends
    sent = []
    for step in range(rng.randrange(1, 9)):
        direction = ends.opener if step == 0 and rng.random() < 0.9 else rng.choice((IN, OUT))
        source, destination = ends.addresses(direction)
        ports = ends.ports(direction)
        payload = bytes(rng.randrange(0, 60))
        choice = rng.random()
        if choice < 0.06 and sent:
            way, packet = rng.choice(sent)
            icmp_error(writer, 1 - way, packet, "udp")
        elif choice < 0.14:
            body = wire.udp(source, destination, ports, bytes(rng.randrange(30, 400)))
            writer.fragments(direction, wire.UDP, body, "udp")
        elif choice < 0.18:
            body = wire.udp(source, destination, ports, payload, spoil=0x55AA)
            writer.whole(direction, wire.UDP, body, "udp checksum")
        elif choice < 0.21:
            wrong = rng.choice((0, 7, 8, 8 + len(payload) + 1, 2000))
            body = wire.udp(source, destination, ports, payload, length=wrong)
            writer.whole(direction, wire.UDP, body, "udp length")
        elif choice < 0.24:
            body = wire.udp(source, destination, (ports[0] ^ 1, ports[1]), payload)
            writer.whole(direction, wire.UDP, body, "udp other port")
        else:
            body = wire.udp(source, destination, ports, payload)
            sent.append((direction, writer.whole(direction, wire.UDP, body, "udp plain")))


def icmp_conversation(writer):
    """Pings, answered and not, of several identifiers, and what is no ping."""
    rng, ends = writer.rng, writer.ends
    number = wire.ICMPV6 if ends.family else wire.ICMP
    ask, answer = (128, 129) if ends.family else (8, 0)
    others = ((1, 130, 139, 200) if ends.family else (9, 13, 14, 15, 16, 17, 18, 30, 40))
    sent = []
    for step in range(rng.randrange(1, 8)):
        is_ask = step == 0 and rng.random() < 0.85 or rng.random() < 0.5
        direction = ends.opener if is_ask else 1 - ends.opener
        kind, label = (ask, "ask") if is_ask else (answer, "answer")
        identifier = ends.client_port
        source, destination = ends.addresses(direction)
        choice = rng.random()
        spoil = 0
        if choice < 0.08:
            identifier, label = identifier ^ 1, f"{label} other identifier"
        elif choice < 0.16:
            kind, label = rng.choice(others), "other type"
        elif choice < 0.20:
            spoil, label = 0x1111, "checksum"
        elif choice < 0.25 and sent:
            way, packet = rng.choice(sent)
            icmp_error(writer, 1 - way, packet, "icmp")
            continue
        rest = identifier.to_bytes(2, "big") + step.to_bytes(2, "big")
        size = rng.randrange(30, 300) if choice > 0.92 else rng.randrange(0, 60)
        body = wire.icmp(source, destination, kind, 0, rest, bytes(size), spoil)
        if choice > 0.92:
            writer.fragments(direction, number, body, f"icmp {label}")
        else:
            sent.append((direction, writer.whole(direction, number, body, f"icmp {label}")))


def tcp_conversation(writer):
    rng, ends = writer.rng, writer.ends
    script = TcpScript(rng)
    packets = []
    for segment in script.segments():
        direction = ends.opener if segment.side == 0 else 1 - ends.opener
        source, destination = ends.addresses(direction)
        if segment.kind == "error":
            if packets:
                way, packet = rng.choice(packets[-4:])
                icmp_error(writer, 1 - way, packet, "tcp")
            continue
        body = wire.tcp(source, destination, ends.ports(direction), (segment.seq, segment.ack),
                        segment.flags, segment.window, segment.options, bytes(segment.size),
                        spoil=0x0F0F if segment.kind == "checksum" else 0,
                        header_words=segment.header_words)
        if segment.size >= 40 and rng.random() < 0.03:
            writer.fragments(direction, wire.TCP, body, f"tcp {segment.kind}")
        else:
            packet = writer.whole(direction, wire.TCP, body, f"tcp {segment.kind}")
            packets.append((direction, packet))


CONVERSATIONS = {"tcp": tcp_conversation, "udp": udp_conversation, "icmp": icmp_conversation}


def random_ends(rng, number, protocol):
    family = int(rng.random() < 0.35)
    opener = IN if rng.random() < 0.65 else OUT
    service = 0
    if protocol in OPEN_IN:
        services = (OPEN_IN, OPEN_OUT)[opener][protocol]
        service = rng.choice(SHUT[protocol] if rng.random() < 0.1 else services)
    # Each conversation has a port of its own at its client.
    port = 1024 + (number // CLIENTS) * 2 % 60_000
    return Ends(family, client(family, number), INSIDE[family], opener, port, service)


def generate(rng, tags, numbers, active=40):
    """Events of the conversations of these numbers, as many at once as `active` says."""
    waiting, running, number = [], [], numbers.start
    while number < numbers.stop or running:
        while number < numbers.stop and len(running) < active:
            protocol = rng.choice(("tcp",) * 7 + ("udp", "udp", "icmp"))
            writer = Writer(rng, tags, number, random_ends(rng, number, protocol))
            CONVERSATIONS[protocol](writer)
            number += 1
            if writer.events:
                running.append(iter(writer.events))
        if not running:
            break
        chosen = rng.randrange(len(running))
        event = next(running[chosen], None)
        if event is None:
            del running[chosen]
        else:
            waiting.append(event)
    return waiting
