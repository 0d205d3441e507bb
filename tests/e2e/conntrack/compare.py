#!/usr/bin/env python3
"""Compares sluice-replay with the kernel's connection tracking, packet by packet.

usage: compare.py --replay PROGRAM --mode loose|strict --run FOLDER --router-mac MAC [OPTION...]

Runs in the namespace at the other ends of the router's cables. Every difference must have a reason
of reasons.py; each reason is a row of docs/conntrack-differences.md.
"""

import argparse
import json
import random
import re
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import conversations  # noqa: E402
import kernel_side  # noqa: E402
import wire  # noqa: E402
from reasons import MARKS, REASONS, Difference, reason_for  # noqa: E402
from story import KERNEL_FLAGS, Story, segment_of  # noqa: E402

START_S, STEP_US = 1_718_000_000, 20
HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[2] / "docs" / "conntrack-differences.md"
SHOWN_MAX = 20
# Fragments that wait for others take room for 30 seconds, longer than a capture lasts here.
CONVERSATIONS_AT_ONCE = 3_000


def write_capture(path, events):
    """A pcap of raw IP."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101))
        for number, event in enumerate(events):
            at_us = number * STEP_US
            file.write(struct.pack("<IIII", START_S + at_us // 1_000_000, at_us % 1_000_000,
                                   len(event.packet), len(event.packet)))
            file.write(event.packet)


def ask_sluice(options, events):
    """Whether each packet passed, and the reason."""
    capture, policy = Path(options.run, "compare.pcap"), Path(options.run, "compare.toml")
    verdicts = Path(options.run, "compare.verdicts")
    write_capture(capture, events)
    text = (HERE / "policy.toml").read_text(encoding="utf-8")
    policy.write_text(text.replace('"MODE"', f'"{options.mode}"'), encoding="utf-8")
    subprocess.run([options.replay, "--policy", policy, "--pcap", capture,
                    "--verdicts", verdicts], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    answers = [None] * len(events)
    with open(verdicts, encoding="utf-8") as file:
        for line in file:
            answer = json.loads(line)
            answers[answer["packet"] - 1] = (answer["verdict"] == "accept", answer["reason"])
    return answers


class Unit:
    """A datagram: one packet, or all of its fragments."""

    def __init__(self, event):
        self.kind, self.direction = event.kind, event.direction
        self.conversation = event.conversation
        self.is_whole = event.fragment is None
        self.segment = None
        self.word = ""           # the reason that Sluice tells, of the first fragment
        self.first_passed = False
        self.ours, self.theirs = [], []

    def add(self, event, answer, arrived):
        passed, word = answer
        piece = event.fragment
        if self.word == "" and (piece is None or piece.offset == 0):
            self.segment = segment_of(event.packet)
            self.word, self.first_passed = word, passed
        if passed:
            self.ours.append(piece)
        self.theirs.extend(arrived)

    def passes(self, pieces):
        # The kernel sends a datagram as one packet where that is no longer than a fragment was.
        return None in pieces or wire.is_whole(pieces)


def units_of(events, ours, theirs):
    """In the order of their first packets."""
    units = {}
    for event, answer, arrived in zip(events, ours, theirs):
        if event.unit not in units:
            units[event.unit] = Unit(event)
        units[event.unit].add(event, answer, arrived)
    return units.values()


class Comparison:
    """Both answers side by side, in the order in which the packets were sent."""

    def __init__(self, strict):
        self.strict = strict
        self.stories = {}
        self.agreed = Counter()      # by (both accept, the conversation is as usual)
        self.by_reason = Counter()
        self.unexplained = []

    def take(self, unit):
        story = self.stories.setdefault(unit.conversation, Story())
        ours, theirs = unit.passes(unit.ours), unit.passes(unit.theirs)
        if ours == theirs:
            self.agreed[ours, not story.marks] += 1
        else:
            word = reason_for(Difference(unit.kind, unit.direction, unit.segment, ours, unit.word,
                                         self.strict, story))
            if word is None:
                self.unexplained.append(unit)
            else:
                self.by_reason[word] += 1
            if word in MARKS:
                story.marks.add(word)
        self.remember(story, unit, ours)

    @staticmethod
    def remember(story, unit, ours):
        if not unit.is_whole:
            if unit.first_passed and not ours:
                story.marks.add("unfinished-train")
            story.marks.add("cut-segment" if unit.first_passed else "refused-train")
        if "checksum" in unit.kind and unit.first_passed:
            story.marks.add("transport-checksum")
        if unit.segment is None:
            return
        if unit.segment.flags & 0x37 not in KERNEL_FLAGS:
            story.marks.add("unusual-flags")
        is_expected = unit.kind in ("tcp open", "tcp again")
        story.see(unit.direction, unit.segment, unit.first_passed, is_expected)


def documented():
    """The reasons and marks of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z-]+)` \|", text, re.M))


def tell(name, is_ok, lines=()):
    print(f"{'ok' if is_ok else 'not ok'} - {name}")
    for line in [] if is_ok else lines:
        print(f"#   {line}")
    return is_ok


def describe(unit):
    way = "in" if unit.direction == conversations.IN else "out"
    verdict = "accepts" if unit.passes(unit.ours) else "drops"
    return (f"conversation {unit.conversation}, {unit.kind}, {way}: Sluice {verdict} "
            f"({unit.word}), {unit.segment}")


def report(options, comparison, packets):
    """Says what was found, one line for each question; true if all is well."""
    agreed, reasons = comparison.agreed, comparison.by_reason
    usual = agreed[True, True] + agreed[False, True]
    total = sum(agreed.values()) + sum(reasons.values()) + len(comparison.unexplained)
    print(f"# {packets} packets, {total} datagrams: both accept "
          f"{agreed[True, False] + agreed[True, True]}, both drop "
          f"{agreed[False, False] + agreed[False, True]}; {usual} while both must stand alike")
    for word, count in reasons.most_common():
        print(f"# {count:6} {word}")
    lines = [describe(unit) for unit in comparison.unexplained]
    name = f"{options.name}, {options.mode}"
    is_ok = tell(f"{name}: each difference from the kernel has a reason", not lines,
                 [f"{len(lines)} have none; seed {options.seed}", *lines[:SHOWN_MAX]])
    return tell(f"{name}: most packets are judged the same", usual > total / 2) and is_ok


def report_unseen(options, seen):
    """What the document explains though no packet shows it."""
    for reason in REASONS:
        if reason.word not in seen:
            print(f"skip - {options.name}: reason {reason.word} # did not occur in this run")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--replay", required=True)
    parser.add_argument("--mode", choices=("loose", "strict"), required=True)
    parser.add_argument("--run", required=True, help="a folder for files")
    parser.add_argument("--router-mac", required=True)
    parser.add_argument("--count", type=int, default=3000, help="conversations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="compare")
    parser.add_argument("--seen", type=Path, help="where the reasons of all runs are collected")
    parser.add_argument("--last", action="store_true", help="tell which reasons no run has seen")
    return parser.parse_args()


def main():
    options = arguments()
    comparison, packets, tags = Comparison(options.mode == "strict"), 0, conversations.Tags()
    kernel = kernel_side.KernelSide(
        [kernel_side.Port(name, options.router_mac) for name in ("w0", "w1")])
    for first in range(0, options.count, CONVERSATIONS_AT_ONCE):
        numbers = range(first, min(options.count, first + CONVERSATIONS_AT_ONCE))
        rng = random.Random(options.seed * 1_000_003 + first)
        events = conversations.generate(rng, tags, numbers)
        packets += len(events)
        ours = ask_sluice(options, events)
        theirs = kernel.run([(event.direction, event.packet) for event in events])
        for unit in units_of(events, ours, theirs):
            comparison.take(unit)
    is_ok = report(options, comparison, packets)
    expected = {reason.word for reason in REASONS} | set(MARKS)
    is_ok &= tell(f"{options.name}, {options.mode}: the document names exactly these reasons",
                  documented() == expected, [str(documented() ^ expected)])
    if options.seen:
        with options.seen.open("a", encoding="utf-8") as file:
            file.write("".join(f"{word}\n" for word in comparison.by_reason))
        if options.last:
            report_unseen(options, set(options.seen.read_text(encoding="utf-8").split()))
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
