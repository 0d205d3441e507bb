#!/usr/bin/env python3
"""Charts of results as SVG: Mpps over the number of flows and of rules, ours and the peers'.

`./sluice perf --plot DIR` draws after a run; `plot.py RESULTS.json DIR` draws a former one's.
Both axes are logarithmic: the peers lie a factor of fifty apart, and a straight line is a power.
"""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

OURS = "Sluice"
_WIDTH, _HEIGHT = 760, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 64, 86
# Okabe and Ito's palette, which the colour-blind can tell apart.
_COLOURS = {OURS: "#0072B2", "testpmd io": "#555555", "OVS-DPDK ct, best": "#D55E00",
            "OVS-DPDK ct, default": "#E69F00"}
_OTHER_COLOURS = ("#009E73", "#CC79A7", "#56B4E9")
_LABEL_HEIGHT = 18
# A figure goes below its point where that of another curve is so close above it.
_FIGURE_ROOM = 26


@dataclass
class Chart:
    """What one picture shows: points of `over` where all of `fixed` holds."""

    file: str
    title: str
    over: str
    fixed: dict
    x_title: str


CHARTS = (Chart("flows.svg", "Established flows, 64-byte packets, one worker, 100 rules", "flows",
                {"rules": 100}, "tracked flows"),
          Chart("rules.svg", "Established flows, 64-byte packets, one worker, 64 k flows", "rules",
                {"flows": 65_536}, "rules of the interface"))


def curves(results, chart):
    """{side: {x: Mpps}}. Ours are those beside bare I/O, which has most rounds."""
    found = {}
    for row in results:
        axes = row.get("axes") or {}
        if row["unit"] != "Mpps" or row["value"] is None or chart.over not in axes:
            continue
        if any(axes.get(key) != value for key, value in chart.fixed.items()):
            continue
        x = axes[chart.over]
        found.setdefault(row["peer"], {})[x] = row["peer_value"]
        if row["peer"] == "testpmd io":
            found.setdefault(OURS, {})[x] = row["value"]
    return found


def ticks(low, high):
    """1, 2 and 5 of each power of ten from below the lowest to above the highest."""
    steps = [digit * 10.0**power for power in range(math.floor(math.log10(low)) - 1,
                                                    math.ceil(math.log10(high)) + 1)
             for digit in (1, 2, 5)]
    first = max(step for step in steps if step <= low)
    last = min((step for step in steps if step >= high), default=steps[-1])
    return [step for step in steps if first <= step <= last]


def short(number):
    """4096 as 4 k, 500000 as 500 k, 1000 as 1,000; rates with three digits."""
    for thousand in (1024, 1000):
        if number > thousand and number % thousand == 0:
            return f"{number / thousand:.0f} k"
    if number >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


class Scale:
    """A logarithmic axis from one picture coordinate to another."""

    def __init__(self, low, high, start, end):
        self.low, self.start = math.log(low), start
        span = math.log(high) - self.low
        self.slope = (end - start) / span if span else 0.0

    def __call__(self, value):
        return self.start + (math.log(value) - self.low) * self.slope


def apart(places):
    """Moves labels (y of each) so that none covers another, as little as a sweep down can."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved, last = list(places), -math.inf
    for i in order:
        moved[i] = last = max(places[i], last + _LABEL_HEIGHT)
    return moved


def _text(x, y, words, size=13, anchor="start", colour="#222222", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}" font-weight="{weight}">{escape(words)}</text>')


def _line(x1, y1, x2, y2, colour):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="1"/>')


def _axes(chart, xs, x_of, y_ticks, y_of):
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for tick in y_ticks:
        yield _line(_LEFT, y_of(tick), right, y_of(tick), "#DDDDDD")
        yield _text(_LEFT - 8, y_of(tick) + 4, f"{tick:g}", anchor="end")
    for x in xs:
        yield _line(x_of(x), bottom, x_of(x), bottom + 5, "#222222")
        yield _text(x_of(x), bottom + 20, short(x), anchor="middle")
    yield _line(_LEFT, bottom, right, bottom, "#222222")
    yield _text((_LEFT + right) / 2, bottom + 40, chart.x_title, anchor="middle")
    yield (f'<text transform="translate(20 {(_TOP + bottom) / 2:.1f}) rotate(-90)" font-size="13" '
           'text-anchor="middle" fill="#222222">million packets a second</text>')


def _is_crowded(x, y, sides, y_of):
    """Whether another curve's point lies just above this one."""
    others = [other for points in sides.values() for at, other in points if at == x]
    return any(0 < y_of(y) - y_of(other) < _FIGURE_ROOM for other in others)


def _curve(points, colour, x_of, y_of, is_ours, sides):
    path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
    yield (f'<polyline points="{path}" fill="none" stroke="{colour}" '
           f'stroke-width="{3 if is_ours else 2}"/>')
    for x, y in points:
        yield f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="4" fill="{colour}"/>'
        offset = 18 if _is_crowded(x, y, sides, y_of) else -9
        yield _text(x_of(x), y_of(y) + offset, short(y), 11, "middle", colour)


def svg(chart, found, caption):
    """The picture, or None where no side has two points to join."""
    sides = {side: sorted(points.items()) for side, points in found.items() if len(points) > 1}
    if not sides:
        return None
    xs = sorted({x for points in sides.values() for x, _ in points})
    values = [y for points in sides.values() for _, y in points]
    y_ticks = ticks(min(values) * 0.9, max(values) * 1.15)
    x_of = Scale(xs[0], xs[-1], _LEFT + 24, _WIDTH - _RIGHT - 24)
    y_of = Scale(y_ticks[0], y_ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    spare = iter(_OTHER_COLOURS * len(sides))
    colours = {side: _COLOURS.get(side) or next(spare) for side in sides}
    ends = apart([y_of(points[-1][1]) for points in sides.values()])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
             f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
             f"<title>{escape(chart.title)}</title>",
             f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#FFFFFF"/>',
             _text(_LEFT, 28, chart.title, 16, weight="bold"),
             *_axes(chart, xs, x_of, y_ticks, y_of)]
    for (side, points), end in zip(sides.items(), ends):
        parts += _curve(points, colours[side], x_of, y_of, side == OURS, sides)
        parts.append(_text(_WIDTH - _RIGHT + 2, end + 4, side, 13, colour=colours[side],
                           weight="bold" if side == OURS else "normal"))
    parts += [_text(_LEFT, _HEIGHT - 24 + 14 * i, line, 10, colour="#555555")
              for i, line in enumerate(caption)]
    return "\n".join(parts) + "\n</svg>\n"


def write(document, directory):
    """Draws what the results allow; returns the files, and the names of those without points."""
    directory.mkdir(parents=True, exist_ok=True)
    caption = (document["machine"], f"commit {document['commit']}, {document['when']}, load "
               f"{document['load_before'][0]} before and {document['load_after'][0]} after")
    written, empty = [], []
    for chart in CHARTS:
        text = svg(chart, curves(document["results"], chart), caption)
        if text is None:
            empty.append(chart.file)
            continue
        (directory / chart.file).write_text(text)
        written.append(directory / chart.file)
    return written, empty


def main():
    if len(sys.argv) != 3:
        print("usage: plot.py RESULTS.json DIR", file=sys.stderr)
        return 2
    try:
        document = json.loads(Path(sys.argv[1]).read_text())
        written, empty = write(document, Path(sys.argv[2]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"plot.py: {sys.argv[1]} into {sys.argv[2]}: {error!r}", file=sys.stderr)
        return 1
    for path in written:
        print(path)
    for name in empty:
        print(f"plot.py: too few points for {name}", file=sys.stderr)
    return 0 if written else 1


if __name__ == "__main__":
    sys.exit(main())
