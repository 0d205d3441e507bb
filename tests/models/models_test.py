#!/usr/bin/env python3
"""Checks the models of protocols between threads by spin, each state of them.

A model is FILE.pml; the names that its first comment gives as -DNAME are broken twins: spin must
find no error in the model and one in each twin. So a model that proves nothing fails here.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT_S = 120


def twins_of(text):
    return re.findall(r"^ \*   -D(\w+)", text.split("*/")[0], flags=re.M)


def errors_of(model, defines):
    """How many errors spin finds, and all that it said; None: it did not come to an end."""
    with tempfile.TemporaryDirectory(prefix="sluice-model.") as folder:
        steps = (["spin", *defines, "-a", str(model)],
                 ["cc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"],
                 ["./pan", "-m1000000"])
        said = ""
        for step in steps:
            ended = subprocess.run(step, cwd=folder, capture_output=True, text=True,
                                   timeout=LIMIT_S, check=False)
            said += ended.stdout + ended.stderr
            if ended.returncode != 0:
                return None, said
        found = re.search(r"errors: (\d+)", said)
        is_whole = "max search depth too small" not in said and "out of memory" not in said
        return (int(found.group(1)) if found and is_whole else None), said


def check(name, model, defines, is_right):
    errors, said = errors_of(model, defines)
    if errors is not None and is_right(errors):
        print(f"ok - {name}")
        return True
    print(said)
    print(f"not ok - {name}")
    return False


def main():
    models = sorted(HERE.glob("*.pml"))
    missing = [tool for tool in ("spin", "cc") if shutil.which(tool) is None]
    is_good = bool(models)
    for model in models:
        name = f"model {model.stem}"
        if missing:
            print(f"skip - {name} # {missing[0]} is not installed")
            continue
        is_good &= check(f"{name}: no state is wrong", model, [], lambda errors: errors == 0)
        twins = twins_of(model.read_text())
        if not twins:
            print(f"not ok - {name}: has a broken twin")
            is_good = False
        for twin in twins:
            is_good &= check(f"{name}: finds what is wrong with {twin}", model, [f"-D{twin}"],
                             lambda errors: errors > 0)
    print("done")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
