#!/usr/bin/env python3
"""Shows that every check of tidy.py can fail, and that it does not fail without a reason."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import cpp_text  # noqa: E402
import tidy  # noqa: E402

LONG_BODY = "  step();\n" * 71
PRAGMA = "#pragma once\n\n// A banner.\n"

# For each check: a tree that breaks the rule, where (file, line), and one that keeps it.
SAMPLES = {
    tidy.include_arrows: (
        {"lookup/a.h": '#include "base/ids.h"\n#include "flowtable/b.h"\n'}, ("lookup/a.h", 2),
        {"lookup/a.h": '#include "base/ids.h"\n', "tests/a.cc": '#include "dataplane/x.h"\n',
         "control/c.cc": '#include "dataplane/engine.h"\n'}),
    tidy.includes_from_the_root: (
        {"base/a.cc": '#include "a.h"\n', "base/a.h": ""}, ("base/a.cc", 1),
        {"base/a.cc": '#include "base/a.h"\n', "base/a.h": ""}),
    tidy.outside_libraries: (
        {"control/a.cc": "#include <vector>\n#include <rte_mbuf.h>\n"}, ("control/a.cc", 2),
        {"dataplane/a.cc": "#include <rte_mbuf.h>\n", "control/b.cc": "#include <CLI/CLI.hpp>\n"}),
    tidy.libraries_in_one_file: (
        {"lookup/l7_tls.cc": "\n#include <openssl/evp.h>\n"}, ("lookup/l7_tls.cc", 2),
        {"lookup/l7_crypto.cc": "#include <openssl/evp.h>\n",
         "lookup/l7_patterns.cc": "#include <hs/hs_runtime.h>\n",
         "control/policy/a.cc": "#include <openssl/evp.h>\n"}),
    tidy.file_length: (
        {"base/a.h": "\n" * 701}, ("base/a.h", 701), {"base/a.h": "\n" * 700}),
    tidy.function_length: (
        {"base/a.cc": "int x;\nint f(int a) {\n" + LONG_BODY + "}\n"}, ("base/a.cc", 2),
        {"base/a.cc": "namespace n {\nint f() {\n" + "  step();\n" * 60 + "}\nint g() {\n"
                      + "  step();\n" * 60 + "}\n}\n"}),
    tidy.line_width: (
        {"base/a.h": "\n// " + "x" * 98 + "\n"}, ("base/a.h", 2), {"base/a.h": "x" * 100 + "\n"}),
    tidy.banned_calls: (
        {"base/a.cc": "int f() { return 1; }\nint g() { return rand(); }\n"}, ("base/a.cc", 2),
        {"base/a.cc": '// Not rand().\nint f() { return operand(); }\nauto s = "goto";\n'}),
    tidy.quiet_inner_rooms: (
        {"lookup/a.cc": '\n\nvoid f() { std::printf("x"); }\n'}, ("lookup/a.cc", 3),
        {"lookup/a.cc": "void f() { std::snprintf(b, 1, c); }\n",
         "control/a.cc": 'void f() { throw 1; }\n'}),
    tidy.namespaces_in_headers: (
        {"base/a.h": PRAGMA + "using namespace std;\n"}, ("base/a.h", 4),
        {"base/a.h": PRAGMA + "// using namespace std;\n", "base/a.cc": "using namespace x;\n"}),
    tidy.macros: (
        {"base/a.h": PRAGMA + "#define X 1\n"}, ("base/a.h", 4),
        {"base/check.h": "#define CHECK(x) x\n", "base/a.h": "// #define X\n"}),
    tidy.unfinished_words: (
        {"docs/a.md": "fine\nTO" "DO: more\n"}, ("docs/a.md", 2), {"docs/a.md": "todos, done\n"}),
    tidy.foreign_paths: (
        {"control/a.cc": 'auto p = "/tmp/x";\n'}, ("control/a.cc", 1),
        {"control/a.cc": 'auto p = "/run/x";\n', "tests/a.cc": 'auto p = "/tmp/x";\n'}),
    tidy.pragma_once: (
        {"base/a.h": "// A banner.\n#include <vector>\n#pragma once\n"}, ("base/a.h", 1),
        {"base/a.h": "// A banner.\n\n#pragma once\n"}),
    tidy.header_banner: (
        {"base/a.h": "#pragma once\n\n#include <vector>\n"}, ("base/a.h", 1),
        {"base/a.h": PRAGMA}),
    tidy.own_header_first: (
        {"base/a.h": PRAGMA, "base/a.cc": '#include <vector>\n#include "base/a.h"\n'},
        ("base/a.cc", 1),
        {"base/a.h": PRAGMA, "base/a.cc": '#include "base/a.h"\n#include <vector>\n'}),
    tidy.file_names: (
        {"base/string_utils.h": PRAGMA}, ("base/string_utils.h", 1),
        {"base/command.h": PRAGMA, "base/handle.cc": ""}),
    tidy.top_level: (
        {"scratch/a.txt": ""}, ("scratch", 1), {"base/a.h": PRAGMA, ".ci/run": ""}),
    tidy.mirrored_tests: (
        {"lookup/a.cc": ""}, ("lookup/a.cc", 1),
        {"lookup/a.cc": "", "tests/lookup/a_test.cc": "", "dataplane/b.cc": ""}),
    tidy.orphans: (
        {"base/a.cc": "", "base/meson.build": "files('b.cc')"}, ("base/a.cc", 1),
        {"base/a.cc": "", "base/meson.build": "files('a.cc')"}),
    tidy.shell_parses: (
        {"configs/a.sh": "if true; then\n"}, ("configs/a.sh", 1), {"configs/a.sh": "true\n"}),
    tidy.formatted: (
        {"base/a.cc": "int a;\nint  b;\n"}, ("base/a.cc", 2), {"base/a.cc": "int a;\nint b;\n"}),
}

# What the counter of functions must see: text, and the count of lines of each function in it.
FUNCTIONS = (
    ("a lambda belongs to its function", "int f() {\n  g([] {\n    h();\n  });\n}\n", [5]),
    ("member initialisers are no bodies",
     "A::A() : a_{1}, b_(2) {\n  if (x) {\n    y();\n  }\n}\nint g() {\n}\n", [5, 2]),
    ("methods are counted, classes are not",
     "class A {\n public:\n  int f() const {\n    return 1;\n  }\n  int b = 2;\n};\n", [3]),
    ("data are no functions",
     "constexpr auto kRows = to_array<Row>({\n  {1, 2},\n  {3, 4},\n});\nint x[] = {\n  1};\n", []),
    ("braces in strings and comments do not count",
     'void f() {\n  g("{");  // {\n  h(\'{\');\n}\n', [4]),
    ("templates and trailing returns are functions",
     "template <class T>\nauto f(T t) -> int {\n  return 1;\n}\n", [4]),
)


def report(name, is_ok, found):
    print(f"{'ok' if is_ok else 'not ok'} - tidy_test: {name}")
    if not is_ok:
        print(f"  found: {found}")
    return is_ok


def test_check(name, check):
    if check not in SAMPLES:
        return report(f"a sample shows that '{name}' can fail", False, "no sample")
    bad, (path, line), good = SAMPLES[check]
    found = [(violation.path, violation.line) for violation in check(bad)]
    falsely = [str(violation) for violation in check(good)]
    fails = report(f"'{name}' can fail", (path, line) in found, found)
    return report(f"'{name}' can pass", not falsely, falsely) and fails


def main():
    is_ok = True
    for name, check in tidy.CHECKS:
        if check is tidy.formatted and not tidy.clang_format():
            print(f"skip - tidy_test: {name} # clang-format-14 is not installed")
            continue
        is_ok = test_check(name, check) and is_ok
    for name, text, counts in FUNCTIONS:
        found = [count for _, count, _ in cpp_text.functions(text)]
        is_ok = report(name, found == counts, found) and is_ok
    print("done")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
