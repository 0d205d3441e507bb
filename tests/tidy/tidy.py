#!/usr/bin/env python3
"""The style guide as a test: reads every source file and says where it breaks a house rule.

usage: tidy.py [ROOT]     prints each violation as FILE:LINE: TEXT, then one line for each check

A check is a function from a tree (path -> text) to violations, so that tidy_test.py can show that
each of them is able to fail. New rules enter as entries of CHECKS, at the end of this file.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import cpp_text  # noqa: E402

ROOMS = ("base", "lookup", "flowtable", "dataplane", "control")
# Which rooms a room may include from, besides itself.
ARROWS = {
    "base": set(),
    "lookup": {"base"},
    "flowtable": {"base"},
    "dataplane": {"base", "lookup", "flowtable"},
    "control": {"base", "lookup", "flowtable"},
}
CONTROL_SEES_OF_DATAPLANE = "dataplane/engine.h"
# Libraries from outside, by the beginning of their include, and the rooms that may use them.
OUTSIDE = {
    "rte_": {"dataplane"},
    "toml++/": {"control"},
    "nlohmann/": {"control"},
    "CLI/": {"control"},
    "openssl/": {"lookup", "control"},
    "pcap": {"dataplane", "control"},
    "hs/": {"lookup", "control"},
    "gtest/": set(),
    "benchmark/": set(),
}
# Libraries that a room uses through one file only: (room, beginning of their include).
ONE_FILE = {
    ("lookup", "hs/"): "lookup/l7_patterns.cc",
    ("lookup", "openssl/"): "lookup/l7_crypto.cc",
    ("control", "hs/"): "control/compile/build_patterns.cc",
}
FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70
LINE_WIDTH_MAX = 100
MACRO_FILES = {"base/check.h", "base/cache_line.h"}
TOP_LEVEL = {
    "meson.build", "meson_options.txt", "README.md", "LICENSE", "sluice", "base", "lookup",
    "flowtable", "dataplane", "control", "configs", "tests", "perf", "docs",
}
# Sources of lookup and flowtable whose tests lie under another name, and why.
WITHOUT_MIRRORED_TEST = {
    # Whole only inside of a snapshot: decide_twin_test compares their answers with a slow twin.
    "lookup/address_classes.cc",
    "lookup/group_rules.cc",
    # Instead of l7_patterns.cc in builds without Hyperscan: says no to everything.
    "lookup/l7_patterns_none.cc",
}


class Violation(NamedTuple):
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def room_of(path):
    top = path.split("/")[0]
    return top if top in ROOMS else None


def is_cpp(path):
    return path.endswith((".h", ".cc"))


def is_shell(path):
    return path.endswith(".sh") or path in ("sluice", ".ci/run")


def cpp_files(tree):
    return ((path, text) for path, text in sorted(tree.items()) if is_cpp(path))


def includes(text):
    """Pairs of line number and what is included, quotes or brackets kept."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+(["<][^">]+[">])', line)
        if found:
            yield number, found.group(1)


def include_arrows(tree):
    for path, text in cpp_files(tree):
        room = room_of(path)
        if room is None or path.startswith("control/main/"):
            continue
        for number, name in includes(text):
            target = name[1:-1].split("/")[0]
            if not name.startswith('"') or target == room or target in ARROWS[room]:
                continue
            if room == "control" and name[1:-1] == CONTROL_SEES_OF_DATAPLANE:
                continue
            yield Violation(path, number, f"{room} must not include {name}")


def includes_from_the_root(tree):
    for path, text in cpp_files(tree):
        for number, name in includes(text):
            if name.startswith('"') and name[1:-1] not in tree:
                yield Violation(path, number, f"{name} is not a file, written from the root")


def outside_libraries(tree):
    for path, text in cpp_files(tree):
        room = room_of(path)
        if room is None or path.startswith("control/main/"):
            continue
        for number, name in includes(text):
            for prefix, rooms in OUTSIDE.items():
                if name.startswith(f"<{prefix}") and room not in rooms:
                    yield Violation(path, number, f"{room} must not use {name}")


def libraries_in_one_file(tree):
    for path, text in cpp_files(tree):
        for number, name in includes(text):
            for (room, prefix), only in ONE_FILE.items():
                if room_of(path) == room and name.startswith(f"<{prefix}") and path != only:
                    yield Violation(path, number, f"{room} uses {name} in {only} only")


def file_length(tree):
    for path, text in sorted(tree.items()):
        count = text.count("\n")
        if (is_cpp(path) or is_shell(path) or path.endswith(".py")) and count > FILE_LINES_MAX:
            yield Violation(path, count, f"{count} lines, at most {FILE_LINES_MAX}")


def function_length(tree):
    for path, text in cpp_files(tree):
        for line, count, head in cpp_text.functions(text):
            # Rows of a test are a table that happens to be written as a function.
            is_table = path.startswith("tests/") and re.search(r"_(cases|rows)\(\)$", head)
            if count > FUNCTION_LINES_MAX and not is_table:
                yield Violation(path, line, f"{head}: {count} lines, at most {FUNCTION_LINES_MAX}")


def line_width(tree):
    for path, text in sorted(tree.items()):
        if not (is_cpp(path) or is_shell(path) or path.endswith((".py", "meson.build"))):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > LINE_WIDTH_MAX:
                yield Violation(path, number, f"{len(line)} columns, at most {LINE_WIDTH_MAX}")


# Calls and words that no C++ file of ours holds, comments and strings aside.
BANNED_CODE = (
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca)\s*\(", "unsafe call"),
    (r"\b(rand|srand)\s*\(", "randomness without a seed of its own"),
    (r"(?<![\w:.>])system\s*\(", "runs a shell"),
    (r"\bgoto\b", "goto"),
    (r"\bstd::endl\b", "flushes at every line; write a newline"),
    (r"\bstd::regex\b", "std::regex"),
)


def banned_calls(tree):
    for path, text in cpp_files(tree):
        for number, line in enumerate(cpp_text.code_only(text).splitlines(), 1):
            for pattern, why in BANNED_CODE:
                found = re.search(pattern, line)
                if found:
                    yield Violation(path, number, f"'{found.group(0).strip()}': {why}")


# What the inner rooms leave to others: talking, throwing, and calls through an unknown pointer.
BANNED_INSIDE = (
    (r"\b(std::)?(printf|fprintf|puts|fputs)\s*\(", "prints"),
    (r"\bstd::(cout|cerr|clog)\b", "prints"),
    (r"\b(throw\b|try\s*\{|dynamic_cast<)", "exceptions and type questions are off in this room"),
    (r"\bstd::function\b", "calls through a pointer"),
)


def quiet_inner_rooms(tree):
    for path, text in cpp_files(tree):
        if room_of(path) in (None, "control") or path == "base/check.h":
            continue
        for number, line in enumerate(cpp_text.code_only(text).splitlines(), 1):
            for pattern, why in BANNED_INSIDE:
                found = re.search(pattern, line)
                if found:
                    yield Violation(path, number, f"'{found.group(0).strip()}': {why}")


def namespaces_in_headers(tree):
    for path, text in cpp_files(tree):
        for number, line in enumerate(cpp_text.code_only(text).splitlines(), 1):
            if path.endswith(".h") and re.search(r"\busing\s+namespace\b", line):
                yield Violation(path, number, "using namespace in a header")


def macros(tree):
    for path, text in cpp_files(tree):
        if room_of(path) is None or path in MACRO_FILES:
            continue
        for number, line in enumerate(cpp_text.code_only(text).splitlines(), 1):
            if re.match(r"\s*#\s*define\b", line):
                yield Violation(path, number, f"a macro outside of {' and '.join(MACRO_FILES)}")


def unfinished_words(tree):
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    for path, text in sorted(tree.items()):
        for number, line in enumerate(text.splitlines(), 1):
            found = words.search(line)
            if found:
                yield Violation(path, number, f"'{found.group(1)}': finish it or drop it")


def foreign_paths(tree):
    """Paths of somebody's machine, and numbers of somebody's tracker."""
    for path, text in sorted(tree.items()):
        if path == "LICENSE" or path.startswith("tests/tidy/"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found = re.search(r"(?<![\w.])/work/|\bissue #?\d+", line, re.I)
            if found is None and not path.startswith("tests/") and is_cpp(path):
                found = re.search(r"/tmp/", line)
            if found:
                yield Violation(path, number, f"'{found.group(0)}' means nothing to a reader")


def pragma_once(tree):
    for path, text in cpp_files(tree):
        if path.endswith(".h"):
            lines = [line for line in cpp_text.code_only(text).splitlines() if line.strip()]
            if not lines or lines[0].strip() != "#pragma once":
                yield Violation(path, 1, "#pragma once does not come first")


def header_banner(tree):
    for path, text in cpp_files(tree):
        if path.endswith(".h") and room_of(path):
            if not any(line.startswith("//") for line in text.splitlines()[:6]):
                yield Violation(path, 1, "no banner comment at its top: a header is the manual")


def own_header_first(tree):
    for path, text in cpp_files(tree):
        own = path[:-len(".cc")] + ".h"
        if path.endswith(".cc") and own in tree:
            first = next(includes(text), (1, "nothing"))
            if first[1] != f'"{own}"':
                yield Violation(path, first[0], f'its own header "{own}" does not come first')


def file_names(tree):
    for path in sorted(tree):
        name = path.rsplit("/", 1)[-1]
        if is_cpp(path) and not re.fullmatch(r"[a-z0-9_]+\.(h|cc)", name):
            yield Violation(path, 1, "a file name is snake_case")
        if is_cpp(path) and re.search(r"(^|_)(and|utils?|common|helpers?|manager)(_|\.)", name):
            yield Violation(path, 1, "a file is named by one noun of the trade")


def top_level(tree):
    for name in sorted({path.split("/")[0] for path in tree}):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield Violation(name, 1, "does not belong to the top level")


def mirrored_tests(tree):
    for path, _ in cpp_files(tree):
        folder, name = path.split("/")[0], path.split("/")[-1]
        if folder not in ("lookup", "flowtable") or not name.endswith(".cc"):
            continue
        twin = f"tests/{path[:-len('.cc')]}_test.cc"
        if twin not in tree and path not in WITHOUT_MIRRORED_TEST:
            yield Violation(path, 1, f"has no {twin}")


def orphans(tree):
    """A source that no meson.build names, by its path from there."""
    named = set()
    for path, text in tree.items():
        if path.endswith("meson.build"):
            folder = os.path.dirname(path)
            for name in re.findall(r"'([^'\n]+\.cc)'", text):
                named.add(os.path.normpath(os.path.join(folder, name)))
            if "+ '.cc'" in text:
                for name in re.findall(r"'([\w/]+)'", text):
                    named.add(os.path.normpath(os.path.join(folder, name + ".cc")))
    for path, _ in cpp_files(tree):
        if path.endswith(".cc") and path not in named:
            yield Violation(path, 1, "is in no meson.build")


def shell_parses(tree):
    for path, text in sorted(tree.items()):
        if not is_shell(path):
            continue
        answer = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True,
                                check=False)
        if answer.returncode:
            yield Violation(path, 1, answer.stderr.strip().replace("\n", " "))


def clang_format():
    return shutil.which("clang-format-14") or shutil.which("clang-format")


def formatted(tree):
    """Compares each file with what clang-format makes of it."""
    style = tree.get(".clang-format", "BasedOnStyle: Google\nColumnLimit: 100\n")
    flat = "{" + ", ".join(line.strip() for line in style.splitlines()
                           if line.strip() and not line.startswith(("#", "-"))) + "}"
    jobs = []
    for path, text in cpp_files(tree):
        jobs.append((path, text, subprocess.Popen(
            [clang_format(), f"--style={flat}", f"--assume-filename={path}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
        if len(jobs) == 4:
            yield from compare_formatted(jobs)
            jobs = []
    yield from compare_formatted(jobs)


def compare_formatted(jobs):
    for path, text, process in jobs:
        wished, said = process.communicate(text)
        if process.returncode:
            yield Violation(path, 1, f"clang-format: {said.strip()}")
            continue
        pairs = zip(text.splitlines() + [""], wished.splitlines() + [""])
        for number, (line, wish) in enumerate(pairs, 1):
            if line != wish:
                yield Violation(path, number, "is not as clang-format writes it")
                break


CHECKS = (
    ("includes follow the arrows between the rooms", include_arrows),
    ("includes are written from the root and name a file", includes_from_the_root),
    ("libraries from outside stay in their rooms", outside_libraries),
    ("libraries that have one place stay there", libraries_in_one_file),
    (f"files have at most {FILE_LINES_MAX} lines", file_length),
    (f"functions have at most {FUNCTION_LINES_MAX} lines", function_length),
    (f"lines have at most {LINE_WIDTH_MAX} columns", line_width),
    ("banned calls do not occur", banned_calls),
    ("the inner rooms neither print nor throw", quiet_inner_rooms),
    ("headers open no namespaces", namespaces_in_headers),
    ("macros stay in their two files", macros),
    ("nothing is marked as unfinished", unfinished_words),
    ("no path or number of somebody's machine occurs", foreign_paths),
    ("headers begin with #pragma once", pragma_once),
    ("headers of the rooms have a banner", header_banner),
    ("a source includes its own header first", own_header_first),
    ("files are named by a noun in snake_case", file_names),
    ("the top level holds what it should, no more", top_level),
    ("each source of lookup and flowtable has its mirrored test", mirrored_tests),
    ("each source is built", orphans),
    ("shell scripts parse", shell_parses),
    ("sources are formatted", formatted),
)


def read_tree(root):
    """Every text file below root that belongs to the project, by its path from the root."""
    tree = {}
    for folder, folders, names in os.walk(root):
        here = os.path.relpath(folder, root)
        folders[:] = sorted(name for name in folders
                            if name not in (".git", "__pycache__", "corpus")
                            and not (here == "." and name.startswith("build")))
        for name in names:
            path = os.path.normpath(os.path.join(here, name))
            full = os.path.join(folder, name)
            if os.path.islink(full) or os.path.getsize(full) > (1 << 20):
                continue
            try:
                with open(full, encoding="utf-8") as file:
                    tree[path] = file.read()
            except UnicodeDecodeError:
                continue
    return tree


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    tree = read_tree(root)
    failures = 0
    for name, check in CHECKS:
        if check is formatted and not clang_format():
            print(f"skip - {name} # clang-format-14 is not installed")
            continue
        violations = list(check(tree))
        for violation in violations:
            print(violation)
        failures += bool(violations)
        print(f"{'not ok' if violations else 'ok'} - tidy: {name}", flush=True)
    print("done")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
