#!/usr/bin/env python3
"""Checks docs/semantics.md: which test shows which statement.

A row of its tables is  | number | it says | shown by | missing or different |.  "Shown by" lists
tests as `Suite.name` (rows `a`, `b` of a table of cases), each with the file they are in. Every
check is a function from rows and sources to complaints, and is shown to be able to fail by a
sample of its own.
"""

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = "SG|NA|CT|PL|FL|GW|CF"
NUMBER = re.compile(rf"(?<![\w-])(?:{FAMILIES})-\d+(?!\d)")
ID = re.compile(rf"(?:{FAMILIES})-\d+(?:, vector \d+)?|(?:NA|FL), vector \d+")
REASON = re.compile(r"(not yet|not applicable|kept elsewhere): \S")
TEST = re.compile(r"`(\w+)\.(\w+)`(?: \(rows? ([^)]*)\))?")
FILE = re.compile(r"\]\(\.\./(tests/[\w/.]+)\)")


class Shown(NamedTuple):
    """A test of the third cell."""

    path: str
    suite: str
    name: str
    rows: tuple


class Row(NamedTuple):
    number: str
    words: str
    shown: tuple
    shown_text: str
    remark: str


def read_shown(cell):
    """The tests of a cell; the path stands behind all that are in it."""
    for part in cell.split("; "):
        path = FILE.search(part)
        for suite, name, rows in TEST.findall(part):
            yield Shown(path.group(1) if path else "", suite, name,
                        tuple(re.findall(r"`([^`]+)`", rows)))


def read_table(text):
    rows = []
    for line in text.splitlines():
        if re.match(rf"\| (?:{FAMILIES})\b", line):
            cells = [cell.strip() for cell in line.strip("| ").split("|")] + [""] * 3
            rows.append(Row(cells[0], cells[1], tuple(read_shown(cells[2])), cells[2], cells[3]))
    return rows


def head_of(text, shown):
    return re.search(rf"^TEST(_F|_P)?\(\s*{shown.suite},\s*{shown.name}\).*$", text, re.M)


def text_of_test(text, shown):
    """What a test says: the comment above it, and all of it. The rows of a TEST_P may stand
    anywhere in its file."""
    head = head_of(text, shown)
    if head is None:
        return ""
    if head.group(1) == "_P":
        return text
    above = text[:head.start()].splitlines()
    begin = len(above)
    while begin and above[begin - 1].startswith("//"):
        begin -= 1
    is_one_line = head.group(0).rstrip().endswith("}")
    end = head.end() if is_one_line else text.find("\n}", head.start())
    return "\n".join(above[begin:]) + "\n" + text[head.start():end]


def quotes(text, number):
    """Numbers are quoted as they are; vectors by theirs, as a word or in a name."""
    vector = re.fullmatch(r"(.*), vector (\d+)", number)
    if vector:
        return re.search(rf"vector[ _]{vector.group(2)}(?!\d)", text) is not None
    return number in NUMBER.findall(text)


def well_formed(rows, _sources):
    seen = set()
    for row in rows:
        if not ID.fullmatch(row.number):
            yield f"{row.number} is no number of a statement"
        if row.number in seen:
            yield f"{row.number} is there twice"
        if not row.words:
            yield f"{row.number} does not say what it states"
        seen.add(row.number)


def shown_or_explained(rows, _sources):
    for row in rows:
        if row.shown_text and not row.shown:
            yield f"{row.number} names no test in {row.shown_text}"
        if not row.shown and not REASON.match(row.remark):
            yield f"{row.number} has neither a test nor a reason why there is none"


def tests_exist(rows, sources):
    for row in rows:
        for shown in row.shown:
            if shown.path not in sources:
                yield f"{row.number}: there is no file {shown.path or 'behind ' + shown.name}"
            elif head_of(sources[shown.path], shown) is None:
                yield f"{row.number}: {shown.path} has no test {shown.suite}.{shown.name}"


def cases_exist(rows, sources):
    for row in rows:
        for shown in row.shown:
            for case in shown.rows:
                if f'"{case}"' not in sources.get(shown.path, ""):
                    yield f"{row.number}: {shown.path} has no case {case}"


def without_quote(rows, sources):
    for row in rows:
        for shown in row.shown:
            if not quotes(text_of_test(sources.get(shown.path, ""), shown), row.number):
                yield f"{row.number}: {shown.suite}.{shown.name} does not quote it"


def tests_quote_their_numbers(rows, sources):
    return without_quote([row for row in rows if "vector" not in row.number], sources)


def tests_quote_their_vectors(rows, sources):
    return without_quote([row for row in rows if "vector" in row.number], sources)


def quoted_numbers_have_rows(rows, sources):
    known = {row.number for row in rows}
    for path, text in sorted(sources.items()):
        for number in sorted(set(NUMBER.findall(text)) - known):
            yield f"{path} quotes {number}, which has no row"


def numbers_have_rows(rows, statements):
    known = {row.number for row in rows}
    for number in sorted(set(NUMBER.findall(statements)) - known):
        yield f"{number} has no row"


CASE_LINE = "| {} | words | `A.b` (row `c`) in [a](../tests/a_test.cc) | |\n"
GOOD_ROW = CASE_LINE.format("SG-1")
GOOD_TEST = {"tests/a_test.cc": '// SG-1, vector 2.\nTEST(A, b) {\n  f("c");\n}\n'}
# What each check is, and a table and sources (or statements) that it must complain of.
CHECKS = (
    ("every row has a number of its own and words", well_formed, GOOD_ROW * 2, GOOD_TEST),
    ("every row names a test or says why there is none", shown_or_explained,
     "| SG-1 | words | | nothing yet |\n", GOOD_TEST),
    ("every test that is named exists", tests_exist, GOOD_ROW.replace("A.b", "A.bb"), GOOD_TEST),
    ("every case that is named exists", cases_exist, GOOD_ROW.replace("`c`", "`d`"), GOOD_TEST),
    ("every test that is named quotes the number", tests_quote_their_numbers,
     CASE_LINE.format("SG-11"), GOOD_TEST),
    ("every vector is quoted by its own number", tests_quote_their_vectors,
     CASE_LINE.format("NA, vector 21"), GOOD_TEST),
    ("every number that a test quotes has a row", quoted_numbers_have_rows,
     CASE_LINE.format("SG-11"), GOOD_TEST),
    ("every statement has a row", numbers_have_rows, GOOD_ROW, "| SG-1 | … |\n| SG-12 | … |\n"),
)


def read_sources():
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
            for path in (ROOT / "tests").rglob("*") if path.suffix in (".cc", ".h")}


def read_statements():
    """The statements themselves, where they lie beside the test data or the checkout."""
    data = os.environ.get("SLUICE_DATA")
    places = [Path(data).parent / "spec"] if data else []
    for place in (*places, ROOT.parent / "shared" / "spec"):
        if (place / "semantics.md").is_file():
            return (place / "semantics.md").read_text(encoding="utf-8")
    return None


def report(name, complaints):
    print(f"{'not ok' if complaints else 'ok'} - semantics_table_test: {name}", flush=True)
    for complaint in complaints:
        print(f"  {complaint}")
    return not complaints


def main():
    rows = read_table((ROOT / "docs" / "semantics.md").read_text(encoding="utf-8"))
    sources, statements = read_sources(), read_statements()
    is_ok = report("the table is not empty", [] if rows else ["docs/semantics.md has no rows"])
    for name, check, bad_table, bad_sources in CHECKS:
        found = list(check(read_table(bad_table), bad_sources))
        is_ok = report(f"'{name}' can fail", [] if found else ["its sample passes"]) and is_ok
        against = statements if check is numbers_have_rows else sources
        if against is None:
            print(f"skip - semantics_table_test: {name} # the statements are not on this machine")
            continue
        is_ok = report(name, list(check(rows, against))) and is_ok
    print("done")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
