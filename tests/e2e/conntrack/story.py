"""What a reader of the packets alone knows about a conversation: a small model beside both
trackers, by which the reasons for differences are told."""

import struct
from typing import NamedTuple

import wire
from wire import ACK, FIN, RST, SYN, URG

OLD = 1 << 16  # farther behind nothing is that was sent lately
FAR = 1 << 24  # farther away no sender is from what it sent before
CIRCLE = 1 << 32
BY_SYN = "by a SYN without ACK"
# Combinations that the kernel knows, PSH and the ECN flags left out.
KERNEL_FLAGS = {SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK,
                ACK | URG}


class Segment(NamedTuple):
    flags: int
    seq: int
    ack: int
    size: int

    def has(self, flag):
        return bool(self.flags & flag)

    @property
    def end(self):
        return self.seq + self.size + self.has(SYN) + self.has(FIN)


def distance(a, b):
    """From a to b on the circle of sequence numbers."""
    return (b - a + CIRCLE // 2) % CIRCLE - CIRCLE // 2


def transport_of(packet):
    """Protocol and bytes of the transport part, behind a fragment header too."""
    if packet[0] >> 4 == 4:
        return packet[9], packet[(packet[0] & 15) * 4:]
    if packet[6] == wire.FRAGMENT:
        return packet[40], packet[48:]
    return packet[6], packet[40:]


def segment_of(packet):
    """None for what is not a readable TCP header."""
    number, body = transport_of(packet)
    if number != wire.TCP or len(body) < 20:
        return None
    seq, ack = struct.unpack("!II", body[4:12])
    head = (body[12] >> 4) * 4
    return Segment(body[13], seq, ack, max(0, len(body) - head))


class Story:
    """Told by every packet in turn, and whether Sluice let it pass.

    `marks` names what happened that may have left both trackers in different states though they
    said the same: see MARKS in reasons.py.
    """

    def __init__(self):
        self.marks = set()
        self.begin_anew()

    def begin_anew(self):
        self.opener = None      # direction of the first packet
        self.syns = set()       # what acknowledges the opener's SYNs
        self.challenges = set()  # the same of those within an open connection
        self.answered = False   # the other side has spoken to it, or BY_SYN
        self.heard = [None, None]  # one past the last byte of each direction
        self.confirmed = False  # the opener has acknowledged that
        self.fins = {}          # by direction: where it ended
        self.acked_fins = set()
        self.closed = False
        self.may_be_closed = False

    # Questions about a segment that comes now.

    def is_exact(self, direction, segment):
        """Does this RST end the connection?"""
        if self.syns and not self.answered and direction != self.opener:
            return segment.has(ACK) and self.answers_syn(segment)
        return segment.seq == self.heard[direction]

    def answers_syn(self, segment):
        """A SYN that came in fragments took more than was seen of it."""
        extra = OLD if "cut-segment" in self.marks else 1
        return any((segment.ack - syn) % CIRCLE < extra for syn in self.syns)

    def is_guess(self):
        """Are there bytes that nobody has counted?"""
        return "cut-segment" in self.marks or not self.syns

    def is_stale_answer(self, direction, segment):
        """A SYN-ACK that answers none of the opener's SYNs."""
        return (segment.has(SYN) and segment.has(ACK) and bool(self.syns) and not self.answered
                and direction != self.opener and not self.answers_syn(segment))

    def is_early_data(self, direction, segment):
        """What follows a SYN-ACK before the opener has confirmed it."""
        return (self.answered is True and not self.confirmed and bool(self.syns)
                and direction != self.opener and not segment.has(SYN))

    def is_early_answer(self, direction, segment):
        """Neither SYN nor RST of a side that has not answered the SYN yet."""
        return (bool(self.syns) and not self.answered and direction != self.opener
                and not segment.has(SYN) and not segment.has(RST))

    def is_first_answer(self, direction, segment):
        return (direction != self.opener and self.answered in (False, BY_SYN)
                and segment.has(SYN) and segment.has(ACK) and self.answers_syn(segment))

    def is_alone(self, direction, segment):
        """What the opener sends behind its SYN before anybody has answered."""
        return (bool(self.syns) and not self.answered and direction == self.opener
                and not segment.has(SYN))

    def gap(self, direction, segment):
        """How far its number is from what its side has sent."""
        heard = self.heard[direction]
        return 0 if heard is None else distance(heard, segment.seq)

    def ack_gap(self, direction, segment):
        """How far its acknowledgment is from what the other side has sent."""
        other = self.heard[1 - direction]
        return 0 if other is None or not segment.has(ACK) else distance(other, segment.ack)

    def is_far(self, direction, segment):
        return max(abs(self.gap(direction, segment)), abs(self.ack_gap(direction, segment))) > FAR

    def is_old(self, direction, segment):
        return min(self.gap(direction, segment), self.ack_gap(direction, segment)) < -OLD

    def is_new_number(self, direction, segment):
        """A SYN, with or without ACK, that begins where its side did not begin before."""
        heard = self.heard[direction]
        is_again = segment.end % CIRCLE == heard
        if not segment.has(SYN) or is_again:
            return False
        if direction == self.opener:
            return segment.has(ACK) or segment.end % CIRCLE not in self.syns
        return self.answered or not segment.has(ACK)

    # What it changes.

    def see(self, direction, segment, passed, is_expected):
        """`is_expected`: those who talk here sent it, as part of their conversation."""
        if self.is_early_answer(direction, segment):
            self.marks.add("early-answer")
        for mark, holds in (("one-side-alone", self.is_alone), ("early-data", self.is_early_data),
                            ("stale-answer", self.is_stale_answer)):
            if holds(direction, segment):
                self.marks.add(mark)
        if 0 < self.ack_gap(direction, segment) < FAR and "cut-segment" not in self.marks:
            self.marks.add("unseen-data")
        fin = self.fins.get(direction)
        if fin is not None and distance(fin, segment.end) > 0:
            self.marks.add("beyond-fin")
        is_clean_syn = segment.flags & (SYN | ACK | RST | FIN) == SYN
        if passed:
            self.note(direction, segment, is_clean_syn, is_expected)
        elif self.closed and is_clean_syn:
            self.marks.add("refused-reopening")

    def note(self, direction, segment, is_clean_syn, is_expected):
        """A segment that Sluice let pass."""
        if self.closed and is_clean_syn:
            self.begin_anew()
            if not is_expected:
                self.marks.add("new-numbers")
        if self.opener is None:
            self.opener = direction
            self.heard[1 - direction] = segment.ack if segment.has(ACK) else None
        if segment.has(RST):
            if self.is_exact(direction, segment):
                self.closed = True
            else:
                self.marks.add("inexact-reset")
                self.may_be_closed |= self.is_guess() and abs(self.gap(direction, segment)) < OLD
        elif self.is_first_answer(direction, segment):
            self.answered = True
            self.heard = [segment.end % CIRCLE] * 2
            self.heard[1 - direction] = segment.ack
        elif self.heard[direction] is not None and self.is_new_number(direction, segment):
            self.note_new_number(direction, segment, is_clean_syn)
        elif self.is_far(direction, segment):
            self.marks.add("far-segment")
        elif not self.is_alone(direction, segment):
            self.note_sound(direction, segment)

    def note_new_number(self, direction, segment, is_clean_syn):
        self.marks.add("new-numbers")
        if direction == self.opener:
            if is_clean_syn and self.answered:
                self.challenges.add((segment.seq + 1) % CIRCLE)
            elif is_clean_syn:
                self.syns.add((segment.seq + 1) % CIRCLE)
                self.heard[direction] = segment.end % CIRCLE
        elif segment.has(ACK) and segment.ack in self.challenges:
            # The new connection takes the place of the old one.
            self.begin_anew()
            self.opener, self.answered, self.syns = 1 - direction, True, {segment.ack}
            self.heard[direction] = segment.end % CIRCLE
            self.heard[1 - direction] = segment.ack

    def note_sound(self, direction, segment):
        if "cut-segment" in self.marks and 0 < self.ack_gap(direction, segment):
            self.heard[1 - direction] = segment.ack  # only now it is known how long that was
        heard = self.heard[direction]
        if heard is None or distance(heard, segment.end) > 0:
            self.heard[direction] = segment.end % CIRCLE
        if direction == self.opener:
            self.confirmed |= segment.has(ACK) and self.answered is True
            if segment.has(SYN) and not segment.has(ACK):
                self.syns |= {(segment.seq + 1) % CIRCLE, segment.end % CIRCLE}
        elif segment.has(SYN) and not segment.has(ACK):
            self.marks.add("new-numbers")
            self.answered = BY_SYN
        elif not self.syns:
            self.answered = True
        self.note_fins(direction, segment)

    def note_fins(self, direction, segment):
        fin = self.fins.get(1 - direction)
        if segment.has(ACK) and fin is not None and distance(fin, segment.ack) >= 0:
            self.acked_fins.add(1 - direction)
            self.closed = len(self.acked_fins) == 2
        if segment.has(FIN):
            fin = self.fins.get(direction)
            if fin is None or distance(fin, segment.end) > 0:
                self.fins[direction] = segment.end
