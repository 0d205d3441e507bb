"""The reasons for which Sluice and the kernel may differ, one a row, each with a question that
tells whether it holds. docs/conntrack-differences.md has a row for each, no more and no less."""

from dataclasses import dataclass
from typing import Callable

from story import KERNEL_FLAGS, OLD
from wire import ACK, CWR, ECE, PSH, RST, SYN


@dataclass
class Difference:
    """One datagram about which both say something else."""

    kind: str          # the generator's word for it
    direction: int
    segment: object    # story.Segment or None
    passes: bool       # in Sluice; the kernel says the opposite
    word: str          # Sluice's reason
    strict: bool
    story: object      # of its conversation, before this packet

    def is_tcp(self):
        return self.segment is not None


@dataclass
class Reason:
    word: str
    holds: Callable


def is_checksum(d):
    return d.passes and "checksum" in d.kind


def is_flags(d):
    return (d.passes and d.is_tcp()
            and d.segment.flags & ~(PSH | ECE | CWR) & 0xFF not in KERNEL_FLAGS)


def is_after_close(d):
    return not d.passes and (d.story.closed or d.story.may_be_closed)


def is_one_sided(d):
    return d.passes and d.is_tcp() and d.story.is_alone(d.direction, d.segment)


def is_early_answer(d):
    return d.is_tcp() and d.story.is_early_answer(d.direction, d.segment)


def is_reset_not_exact(d):
    if not (d.passes and d.is_tcp() and d.segment.has(RST)):
        return False
    return not d.story.is_exact(d.direction, d.segment) or d.story.ack_gap(
        d.direction, d.segment) != 0


def is_reset_outside(d):
    return (not d.passes and d.is_tcp() and d.segment.has(RST) and d.word == "out-of-window"
            and not d.story.is_exact(d.direction, d.segment))


def is_challenge(d):
    """A SYN of the side that answered, a SYN-ACK of the one that asked."""
    if not (d.passes and d.is_tcp() and d.segment.has(SYN) and not d.story.closed):
        return False
    return d.segment.has(ACK) == (d.direction == d.story.opener)


def is_stale_answer(d):
    return d.passes and d.is_tcp() and d.story.is_stale_answer(d.direction, d.segment)


def is_old_segment(d):
    return (not d.passes and d.strict and d.is_tcp() and d.word == "out-of-window"
            and d.story.is_old(d.direction, d.segment))


def is_over_window(d):
    """The generator fills windows and is careful not to exceed them there."""
    return ("full window" not in d.kind and not d.passes and d.strict and d.is_tcp()
            and d.word == "out-of-window" and 0 <= d.story.gap(d.direction, d.segment) < OLD)


def is_late_acknowledgment(d):
    return (d.passes and d.is_tcp() and d.story.closed
            and d.story.ack_gap(d.direction, d.segment) != 0)


def is_redirect(d):
    return not d.passes and "redirect" in d.kind and d.word == "no-rule"


def is_icmp_type(d):
    return d.passes and "other type" in d.kind


def is_tiny(d):
    return not d.passes and "fragment" in d.kind and d.word in ("fragment-tiny",
                                                                "fragment-refused")


def is_odd_fragment(d):
    return d.passes and "fragment overlap" in d.kind


# In order: the first that holds is told.
REASONS = [
    Reason("transport-checksum", is_checksum),
    Reason("unusual-flags", is_flags),
    Reason("closed-means-closed", is_after_close),
    Reason("one-side-alone", is_one_sided),
    Reason("early-answer", is_early_answer),
    Reason("inexact-reset", is_reset_not_exact),
    Reason("reset-outside", is_reset_outside),
    Reason("challenge", is_challenge),
    Reason("stale-answer", is_stale_answer),
    Reason("old-segment", is_old_segment),
    Reason("over-window", is_over_window),
    Reason("late-acknowledgment", is_late_acknowledgment),
    Reason("redirect", is_redirect),
    Reason("icmp-type", is_icmp_type),
    Reason("tiny-fragment", is_tiny),
    Reason("odd-fragment", is_odd_fragment),
]

# What leaves both trackers in different states, so that they may differ from then on. In order.
MARKS = [
    "unfinished-train", "refused-train", "transport-checksum", "unusual-flags", "icmp-type",
    "inexact-reset", "new-numbers", "far-segment", "one-side-alone", "early-answer", "beyond-fin",
    "unseen-data", "cut-segment", "refused-reopening", "reset-outside", "over-window",
    "stale-answer", "early-data",
]


def reason_for(difference):
    """The word of the first reason that holds, or None."""
    for reason in REASONS:
        if reason.holds(difference):
            return reason.word
    marks = difference.story.marks
    if not difference.passes and difference.word == "closed":
        # Nothing has closed it, unless the numbers are not what they seem.
        marks = marks & {"new-numbers", "far-segment"}
    for mark in MARKS:
        if mark in marks:
            return f"after-{mark}"
    return None
