"""What two TCPs say to each other, and what an attacker or a bad network makes of it."""

from dataclasses import dataclass, replace

from wire import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

CIRCLE = 1 << 32


@dataclass
class Segment:
    side: int  # 0: who opened
    flags: int
    seq: int
    ack: int
    window: int
    size: int = 0
    options: bytes = b""
    kind: str = "plain"
    header_words: object = None


@dataclass
class Side:
    """One TCP: what it sent last, what it heard last."""

    isn: int
    next: int
    heard: int = 0        # the other's next byte, as far as this side has said so
    window: int = 65_535  # as on the wire
    scale: object = None  # of its SYN; None: no such option


class TcpScript:
    """One connection. Sequence numbers wrap around in some of them."""

    def __init__(self, rng):
        self.rng = rng
        self.sides = [self.fresh_side(), self.fresh_side()]
        self.out = []

    def fresh_side(self):
        rng = self.rng
        isn = rng.choice((rng.randrange(CIRCLE), CIRCLE - rng.randrange(1, 3_000)))
        return Side(isn, isn, window=rng.choice((4_000, 16_000, 65_535)),
                    scale=rng.choice((None, 0, 2, 7)))

    def segments(self):
        rng = self.rng
        if self.open() and rng.random() < 0.97:
            self.talk(rng.randrange(0, 7))
            self.close()
        if rng.random() < 0.12:
            self.come_back()
        return self.damaged()

    # What is said.

    def say(self, side, flags, size=0, kind="plain", options=b""):
        own, other = self.sides[side], self.sides[1 - side]
        acks = flags & ACK
        if acks:
            own.heard = other.next
        if size and own.isn < own.next and own.next + size - other.heard > other.window:
            self.say(1 - side, ACK)  # it makes room first
        segment = Segment(side, flags, own.next % CIRCLE, other.next % CIRCLE if acks else 0,
                          own.window, size, options, kind)
        own.next += size + bool(flags & SYN) + bool(flags & FIN)
        self.out.append(segment)

    def options_of(self, side):
        scale = self.sides[side].scale
        mss = b"\x02\x04\x05\xb4"
        return mss if scale is None else mss + b"\x01\x03\x03" + bytes([scale])

    def open(self):
        """A handshake. False: it leads to nothing."""
        rng = self.rng
        shape = rng.random()
        ecn = (ECE | CWR) if rng.random() < 0.1 else 0
        data = rng.randrange(1, 200) if rng.random() < 0.04 else 0
        self.say(0, SYN | ecn, data, "open", self.options_of(0))
        if shape < 0.04:  # nobody answers
            for _ in range(rng.randrange(3)):
                self.out.append(replace(self.out[-1]))
            return False
        if shape < 0.08:  # refused
            self.say(1, RST | ACK, kind="refused")
            return False
        if shape < 0.11:  # both open at once
            self.say(1, SYN, 0, "open at once", self.options_of(1))
        elif shape < 0.13:  # another number when the SYN is sent again
            own = self.sides[0]
            own.isn = own.next = rng.randrange(CIRCLE)
            self.say(0, SYN, 0, "open anew", self.options_of(0))
        own = self.sides[1]
        if self.out[-1].kind == "open at once":
            own.next = own.isn
            self.say(0, SYN | ACK, 0, "open at once", self.options_of(0))
            self.out[-1].seq = self.sides[0].isn % CIRCLE
            self.sides[0].next = self.sides[0].isn + 1
            own.next = own.isn + 1
            self.say(1, ACK, kind="open at once")
            return True
        self.say(1, SYN | ACK, 0, "open", self.options_of(1))
        self.say(0, ACK, 0, "open")
        return True

    def talk(self, rounds):
        rng = self.rng
        for _ in range(rounds):
            side = rng.choice((0, 0, 1))
            if rng.random() < 0.06:
                self.fill_window(side)
            for _ in range(rng.randrange(1, 4)):
                self.say(side, ACK | (PSH if rng.random() < 0.5 else 0), rng.randrange(1, 300))
            if rng.random() < 0.8:
                self.say(1 - side, ACK)
            if rng.random() < 0.05:
                self.out.append(Segment(side, ACK, (self.sides[side].next - 1) % CIRCLE,
                                        self.sides[side].heard % CIRCLE, 500, 0, kind="alive"))

    def fill_window(self, side):
        """Sends what there is room for and no more."""
        other = self.sides[1 - side]
        room = other.heard + other.window - self.sides[side].next
        while 0 < room <= 16_000:
            size = min(room, 1_400)
            self.say(side, ACK, size, "full window")
            room -= size

    def close(self):
        rng = self.rng
        side = rng.choice((0, 1))
        shape = rng.random()
        if shape < 0.25:
            return
        if shape < 0.40:
            self.say(side, RST | (ACK if rng.random() < 0.5 else 0), kind="reset")
            if rng.random() < 0.5:
                self.say(1 - side, ACK, rng.randrange(0, 50), "after reset")
            return
        if shape < 0.50:  # both at once
            self.say(side, FIN | ACK)
            self.out[-1].kind = "close at once"
            other, own = self.sides[1 - side], self.sides[side]
            own.next -= 1
            self.say(1 - side, FIN | ACK, kind="close at once")
            own.next += 1
            self.say(side, ACK, kind="close at once")
            other.heard = own.next
            self.say(1 - side, ACK, kind="close at once")
        else:
            self.say(side, FIN | ACK, rng.choice((0, 0, 40)))
            if rng.random() < 0.6:
                self.say(1 - side, ACK)
                for _ in range(rng.randrange(0, 3)):
                    self.say(1 - side, ACK, rng.randrange(1, 200), "half closed")
                    self.say(side, ACK, kind="half closed")
            if rng.random() < 0.9:
                self.say(1 - side, FIN | ACK)
                self.say(side, ACK)
        if rng.random() < 0.2:
            self.say(rng.choice((0, 1)), ACK, rng.randrange(0, 50), "after close")

    def come_back(self):
        """The same ports once more, by either side."""
        rng = self.rng
        past = self.sides
        self.sides = [self.fresh_side(), self.fresh_side()]
        if rng.random() < 0.5:  # as RFC 6191 wants it
            self.sides[0].isn = self.sides[0].next = past[0].next + rng.randrange(1, 100_000)
        first = len(self.out)
        if self.open():
            self.talk(rng.randrange(0, 3))
        for segment in self.out[first:]:
            segment.kind = "again"

    # What becomes of it.

    def damaged(self):
        rng = self.rng
        segments = list(self.out)
        if rng.random() < 0.06:  # joined in its middle
            del segments[:rng.randrange(1, min(6, len(segments) + 1))]
        elif rng.random() < 0.05:  # one way only
            side = rng.choice((0, 1))
            segments = [segment for segment in segments if segment.side == side]
        if rng.random() < 0.35:
            return segments
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
            if segments:
                self.harm(segments)
        return segments

    def harm(self, segments):
        rng = self.rng
        at = rng.randrange(len(segments))
        act = rng.random()
        if act < 0.03:
            del segments[at]  # the way of this one leads elsewhere
        elif act < 0.15:
            segments.insert(self.latest(segments, at), segments.pop(at))
        elif act < 0.28:
            later = min(len(segments), at + rng.randrange(1, 5))
            segments.insert(later, replace(segments[at], kind=f"{segments[at].kind} again"))
        elif act < 0.40 and at + 1 < len(segments):
            segments[at], segments[at + 1] = segments[at + 1], segments[at]
        elif act < 0.46:
            segments.insert(at, replace(segments[at], kind="error"))
        else:
            segments.insert(at + 1, self.strange(segments, at))

    @staticmethod
    def latest(segments, at):
        """Where it stands when it came only by its last repetition: what acknowledges it follows.
        Counted without the segment itself."""
        lost = segments[at]
        end = lost.seq + lost.size + bool(lost.flags & SYN) + bool(lost.flags & FIN)
        for place in range(at + 1, len(segments)):
            other = segments[place]
            covers = (other.ack - end) % CIRCLE < CIRCLE // 2 and other.flags & ACK
            if other.side != lost.side and covers:
                return place - 1
        return at

    def edges(self, segments, at):
        """One past what each side has sent up to here, and the last acknowledged by the other."""
        sent, acked = [None, None], [None, None]
        for segment in segments[:at + 1]:
            end = (segment.seq + segment.size + bool(segment.flags & SYN)
                   + bool(segment.flags & FIN))
            if segment.kind in STRANGE:
                continue
            sent[segment.side] = end
            if segment.flags & ACK:
                acked[1 - segment.side] = segment.ack
        for side in (0, 1):
            if sent[side] is None:
                sent[side] = self.sides[side].isn if acked[side] is None else acked[side]
            if acked[side] is None:
                acked[side] = sent[side]
        return sent, acked

    def strange(self, segments, at):
        rng = self.rng
        sent, acked = self.edges(segments, at)
        side = rng.choice((0, 1))
        kind = rng.choice(list(STRANGE))
        flags, seq, ack, size = STRANGE[kind](rng, sent[side], acked[side], sent[1 - side])
        segment = Segment(side, flags, seq % CIRCLE, ack % CIRCLE if flags & ACK else 0,
                          rng.choice((0, 500, 30_000)), size, kind=kind)
        if kind == "header cut":
            segment.header_words = rng.choice((0, 4, 15))
        return segment


def one_of(rng, *flags):
    return rng.choice(flags)


# What nobody asked for: (flags, sequence, acknowledgment, bytes) out of what the side has sent,
# what of that is acknowledged, and what the other side has sent.
STRANGE = {
    "reset exact": lambda rng, sent, acked, other: (
        one_of(rng, RST, RST | ACK), sent, other, 0),
    "reset at acked": lambda rng, sent, acked, other: (
        one_of(rng, RST, RST | ACK), acked, other, 0),
    "reset near": lambda rng, sent, acked, other: (
        one_of(rng, RST, RST | ACK), sent + rng.randrange(1, 400), other, 0),
    "reset behind": lambda rng, sent, acked, other: (
        one_of(rng, RST, RST | ACK), sent - rng.randrange(1, 2_000), other, 0),
    "reset far": lambda rng, sent, acked, other: (
        one_of(rng, RST, RST | ACK), sent + rng.randrange(1 << 28, 1 << 31), other, 0),
    "syn anew": lambda rng, sent, acked, other: (
        SYN, rng.randrange(CIRCLE), 0, 0),
    "syn-ack anew": lambda rng, sent, acked, other: (
        SYN | ACK, rng.randrange(CIRCLE), one_of(rng, other, rng.randrange(CIRCLE)), 0),
    "ahead": lambda rng, sent, acked, other: (
        ACK, sent + rng.randrange(1 << 28, 1 << 30), other, rng.randrange(100)),
    "behind": lambda rng, sent, acked, other: (
        ACK, sent - rng.randrange(1 << 28, 1 << 30), other, rng.randrange(100)),
    "ack ahead": lambda rng, sent, acked, other: (
        ACK, sent, other + rng.randrange(1 << 28, 1 << 30), rng.randrange(100)),
    "ack behind": lambda rng, sent, acked, other: (
        ACK, sent, other - rng.randrange(1 << 28, 1 << 30), rng.randrange(100)),
    "window probe": lambda rng, sent, acked, other: (ACK, sent - 1, other, 1),
    "fin early": lambda rng, sent, acked, other: (FIN | ACK, sent + 1, other, 0),
    "flags": lambda rng, sent, acked, other: (
        rng.randrange(512), sent, other, 0),
    "urgent": lambda rng, sent, acked, other: (
        one_of(rng, SYN | URG, ACK | URG, FIN | ACK | URG, RST | URG), sent, other, 0),
    "checksum": lambda rng, sent, acked, other: (
        one_of(rng, ACK, ACK | FIN, RST), sent, other, 10),
    "header cut": lambda rng, sent, acked, other: (ACK, sent, other, 10),
}
