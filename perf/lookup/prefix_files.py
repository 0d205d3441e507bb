"""Real prefixes and filters as the benchmarks read them: a prefix or a filter a line.

They come from the folder that SLUICE_DATA names, else from ../shared/data beside the checkout; what
is not there is not measured.
"""

import gzip
import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def data_folder():
    return Path(os.environ.get("SLUICE_DATA") or ROOT.parent / "shared" / "data")


def routing_table_of_2010(folder):
    with gzip.open(folder / "bgp" / "rib-20100701-ipv4-unique-prefixes.txt.gz", "rt") as lines:
        return lines.read()


def aws_ranges(folder):
    ranges = json.loads((folder / "ip-ranges" / "aws-ip-ranges.json").read_text())
    prefixes = {entry["ip_prefix"] for entry in ranges["prefixes"]}
    prefixes |= {entry["ipv6_prefix"] for entry in ranges["ipv6_prefixes"]}
    return "\n".join(sorted(prefixes)) + "\n"


# ClassBench's rules for access lists and firewalls.
FILTER_SETS = ("acl1_1k", "acl1_10k", "fw1_1k")


def filter_set(name):
    return lambda folder: (folder / "classbench" / "neurocuts" / name).read_text()


def write(maker, path):
    """None if written, else what is missing."""
    try:
        path.write_text(maker(data_folder()))
    except OSError as error:
        return f"{error.filename or data_folder()}: {error.strerror}"
    return None
