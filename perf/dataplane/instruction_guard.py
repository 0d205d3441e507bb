"""Fails if a packet costs over 3 % more instructions than is written in instructions.json.

    instruction_guard.py PROGRAM                  compares
    instruction_guard.py PROGRAM --store REASON   writes today's figures, and why they changed

Instructions do not depend on who else uses the machine. They do on the compiler: figures of
another one than that of the build are not compared (exit status 77, skipped).
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MOST_GROWTH = 1.03
SKIPPED = 77
STORED = Path(__file__).with_name("instructions.json")


def compiler_of(program):
    """The compiler's own words, from the comment that it leaves in what it makes."""
    text = subprocess.run(["readelf", "-p", ".comment", program], check=True, capture_output=True,
                          text=True).stdout
    return "; ".join(sorted(set(re.findall(r"\]\s+(.*\S)", text))))


def instructions(program, name):
    """Instructions for each packet of a case."""
    with tempfile.TemporaryDirectory() as directory:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=*take_counted_turns*",
             f"--callgrind-out-file={directory}/out", program, name],
            capture_output=True, text=True, timeout=120)
    counted = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or counted is None:
        sys.exit(f"{name}: ended with status {run.returncode}\n{run.stderr}")
    return int(counted[1]) / int(run.stdout)


def measure(program):
    names = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    return {name: round(instructions(program, name), 1) for name in names}


def store(figures, compiler, reason):
    STORED.write_text(json.dumps({"compiler": compiler, "reason": reason,
                                  "instructions_per_packet": figures}, indent=2) + "\n")
    print(f"wrote {STORED.name}")


def compare(figures, stored):
    """The names of the cases that grew too much."""
    grown = []
    for name, now in figures.items():
        before = stored.get(name)
        if before is None:
            grown.append(name)
            print(f"{name:12} {now:8.1f}  nothing is stored for it")
            continue
        is_grown = now > before * MOST_GROWTH
        grown += [name] if is_grown else []
        print(f"{name:12} {now:8.1f}  stored {before:8.1f}  {now / before - 1:+6.1%}"
              f"{'  too much' if is_grown else ''}")
    for name in sorted(stored.keys() - figures.keys()):
        grown.append(name)
        print(f"{name:12} is stored, and no case of the program")
    return grown


def main(arguments):
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--store"):
        sys.exit(__doc__)
    program = arguments[0]
    for tool in ("valgrind", "readelf"):
        if shutil.which(tool) is None:
            print(f"skipped: there is no {tool}")
            return SKIPPED
    compiler = compiler_of(program)
    if len(arguments) == 3:
        store(measure(program), compiler, arguments[2])
        return 0
    stored = json.loads(STORED.read_text())
    if stored["compiler"] != compiler:
        print(f"skipped: the figures are of '{stored['compiler']}', this build of '{compiler}'")
        return SKIPPED
    grown = compare(measure(program), stored["instructions_per_packet"])
    if grown:
        print(f"{', '.join(grown)}: over {MOST_GROWTH - 1:.0%} more instructions a packet. Where "
              f"that is meant: {Path(__file__).name} PROGRAM --store REASON")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
