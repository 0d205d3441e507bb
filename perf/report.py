"""One row per comparison, as JSON for machines and as a table for people."""

import json
import math
import shutil
import statistics
from dataclasses import asdict, dataclass, field
from typing import Optional

_BAR_CELLS = 16
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass
class Row:
    """`value` is the median of ours; `ratio` is ours to the peer's, at_least or at most `goal`."""

    name: str
    unit: str
    peer: str
    goal: Optional[float]
    at_least: bool = True
    value: Optional[float] = None
    peer_value: Optional[float] = None
    ratio: Optional[float] = None
    median: Optional[float] = None
    spread: Optional[float] = None  # highest less lowest of ours, as a part of the median
    peer_spread: Optional[float] = None
    samples: int = 0
    note: str = ""
    axes: dict = field(default_factory=dict)  # what a plot may draw it over, such as flows
    machine: str = ""
    commit: str = ""

    def compare(self, ours, peers, ratio=None):
        """Fills in both sides' samples. The ratio is that of the medians unless it is given."""
        self.value = self.median = statistics.median(ours)
        self.peer_value = statistics.median(peers)
        self.spread = spread_of(ours)
        self.peer_spread = spread_of(peers)
        self.samples = len(ours)
        self.ratio = ratio if ratio is not None else self.value / self.peer_value
        return self

    def reached(self):
        """How much of the goal, 1.0 being all of it; None where there is none or no figure."""
        if self.ratio is None or self.goal is None or (self.ratio <= 0 and self.at_least):
            return None
        if self.ratio <= 0:
            return math.inf  # less than nothing, such as time saved
        return self.ratio / self.goal if self.at_least else self.goal / self.ratio


def spread_of(samples):
    return (max(samples) - min(samples)) / statistics.median(samples) if samples else None


def bar(reached):
    """The goal is a mark; what goes beyond it is cut one quarter behind."""
    goal_cell = _BAR_CELLS * 4 // 5
    eighths = round(min(reached * goal_cell, _BAR_CELLS) * 8)
    cells = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    cells = cells.ljust(_BAR_CELLS)
    if cells[goal_cell] == " ":
        cells = cells[:goal_cell] + "│" + cells[goal_cell + 1:]
    return cells


def number(value):
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _cells(row):
    sign = "≥" if row.at_least else "≤"
    reached = row.reached()
    spread = "" if row.spread is None else f" ±{row.spread * 50:.0f}%"
    return [row.name, f"{number(row.value)} {row.unit}{spread}",
            f"{number(row.peer_value)} {row.peer}", number(row.ratio),
            f"{sign} {number(row.goal)}" if row.goal is not None else "",
            bar(reached) if reached is not None else "not measured" if row.ratio is None else "",
            "" if reached is None else "met" if reached >= 1 else f"{reached * 100:.0f}%"]


def table(rows):
    """The rows under each other; a bar reaches its mark where the goal is met."""
    head = ["what", "ours", "peer", "ratio", "goal", "of the goal", ""]
    lines = [head, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in lines]
    text.insert(1, "─" * min(max(map(len, text)), shutil.get_terminal_size((150, 24)).columns))
    notes = [f"  {row.name}: {row.note}" for row in rows if row.note]
    return "\n".join(text + ([""] + notes if notes else []))


def document(rows, facts, not_run):
    """Everything, for --json."""
    for row in rows:
        row.machine, row.commit = facts["machine"], facts["commit"]
    return json.dumps({**facts, "results": [asdict(row) for row in rows], "not_run": not_run},
                      indent=2, ensure_ascii=False) + "\n"
