"""One window of a measurement: packets and time of the worker's core between two looks.

A look asks the program for its counters, which takes a moment in which packets go on. How long
that was is kept: a window whose ends are not sharp is thrown away, as is one in which the worker
had less than SHARE_MIN of its core, since then another program was measured beside it.
"""

import time
from typing import NamedTuple

from end_to_end.child import cpu_seconds

SHARE_MIN = 0.9
BLUR_MAX = 0.02  # of the window


class Look(NamedTuple):
    at_s: float  # the middle of the question
    blur_s: float  # how long the answer took
    cpu_s: float  # that the worker has had, in the same middle
    packets: int
    refused: int  # dropped, or not sent


class Window(NamedTuple):
    seconds: float
    share: float  # of its core that the worker had
    blur: float  # of the window that its ends may be off
    packets: int
    refused: int

    @property
    def packets_per_s(self):
        """For each second of the core that the worker had."""
        return self.packets / (self.seconds * self.share)

    @property
    def is_clean(self):
        return self.share >= SHARE_MIN and self.blur <= BLUR_MAX


def look(pid, thread, counters):
    """Takes a look at a worker; counters() gives what it received and what it refused."""
    asked, cpu_before = time.monotonic(), cpu_seconds(pid, thread)
    packets, refused = counters()
    cpu_after, answered = cpu_seconds(pid, thread), time.monotonic()
    return Look((asked + answered) / 2, answered - asked, (cpu_before + cpu_after) / 2, packets,
                refused)


def between(first, last):
    seconds = last.at_s - first.at_s
    return Window(seconds, (last.cpu_s - first.cpu_s) / seconds,
                  (first.blur_s + last.blur_s) / 2 / seconds, last.packets - first.packets,
                  last.refused - first.refused)


class Rates(NamedTuple):
    packets_per_s: list
    share_min: float  # of the windows that count
    refused: int
    thrown_away: int
    best_share: float  # of all windows, clean or not
    best_blur: float


def measure(side, window_s, count, limit_s):
    """Takes `count` clean windows of a side, each tried again while limit_s lasts."""
    rates, shares, refused, thrown_away = [], [], 0, 0
    best_share, best_blur = 0.0, 1.0
    deadline = time.monotonic() + limit_s
    last = side.look()
    while len(rates) < count and time.monotonic() < deadline:
        time.sleep(window_s)
        first, last = last, side.look()
        window = between(first, last)
        best_share = max(best_share, window.share)
        best_blur = min(best_blur, window.blur)
        if not window.is_clean or window.packets <= 0:
            thrown_away += 1
            continue
        rates.append(window.packets_per_s)
        shares.append(window.share)
        refused += window.refused
    return Rates(rates, min(shares, default=0.0), refused, thrown_away, best_share, best_blur)
