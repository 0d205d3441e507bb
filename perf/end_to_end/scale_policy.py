"""A policy of the largest accounts' size, as JSON or TOML, written row by row.

Groups with 60 rules each way, of which a third name groups, and one in sixty a prefix list of 1,000
entries; interfaces in subnets, each in up to five groups; entries in prefix lists. All of it, the
interfaces, the rules' prefixes and the lists' entries, lies nested in one /8. Sizes are arguments,
the rest follows from them: the same sizes, the same policy.
"""

import io
import itertools
import json
from dataclasses import dataclass

RULES = 60
LIST_ENTRIES = 1000
SUBNET_INTERFACES = 200
EVERYTHING = "10.0.0.0/8"
_FIRST = 10 << 24


@dataclass
class Size:
    groups: int = 10_000
    interfaces: int = 100_000
    prefixes: int = 1_000_000

    @property
    def lists(self):
        return max(self.prefixes // LIST_ENTRIES, 1)

    @property
    def subnets(self):
        return -(-self.interfaces // SUBNET_INTERFACES)


def dotted(number):
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def group_id(i):
    return f"sg-{i:017x}"


def list_id(i):
    return f"pl-{i:017x}"


def interface_id(i):
    return f"eni-{i:017x}"


def address(i):
    """Of interface i: a /24 for each subnet."""
    return dotted(_FIRST + (i // SUBNET_INTERFACES << 8) + 10 + i % SUBNET_INTERFACES)


def entry(i):
    """Prefix i of all lists: distinct /28s of the /8's million, spread by an odd step."""
    return f"{dotted(_FIRST + (i * 7_368_787 % (1 << 20) << 4))}/28"


def rule_prefix(i):
    """Prefix i of the rules: distinct /29s of the /8's two millions."""
    return f"{dotted(_FIRST + (i * 2_654_435 % (1 << 21) << 3))}/29"


def rule(size, group, i, is_ingress):
    peer_key = "source" if is_ingress else "destination"
    low = 1024 + (group * 7 + i * 131) % 60_000
    if i % 3 == 0:
        peer = group_id((group * 31 + i * 17 + 1) % size.groups)
    elif i == 1:
        peer = list_id((group * 13 + is_ingress) % size.lists)
    else:
        peer = rule_prefix(group * RULES + i)
    return {"protocol": "tcp" if i % 4 else "udp", "ports": low, peer_key: peer}


def groups(size):
    for group in range(size.groups):
        yield {"id": group_id(group), "name": f"group {group}", "vpc": "vpc-scale",
               "ingress": [rule(size, group, i, True) for i in range(RULES)],
               "egress": [rule(size, group, i, False) for i in range(RULES)]}


def interfaces(size):
    for i in range(size.interfaces):
        held = sorted({(i * 7 + k * 1237) % size.groups for k in range(1 + i % 5)})
        yield {"id": interface_id(i), "subnet": f"subnet-{i // SUBNET_INTERFACES:017x}",
               "addresses": [address(i)], "security_groups": [group_id(group) for group in held]}


def subnets(size):
    for i in range(size.subnets):
        yield {"id": f"subnet-{i:017x}", "vpc": "vpc-scale",
               "cidrs": [f"{dotted((10 << 24) + (i << 8))}/24"]}


def lists(size):
    for i in range(size.lists):
        yield {"id": list_id(i), "name": f"list {i}", "family": "ipv4",
               "max_entries": LIST_ENTRIES + 10,
               "entries": [{"cidr": entry(i * LIST_ENTRIES + k)} for k in range(LIST_ENTRIES)]}


def tables(size, more=None):
    """(name, rows) of each table. `more`: rows for the ends of the tables."""
    own = (("vpc", [{"id": "vpc-scale", "cidrs": [EVERYTHING]}]), ("subnet", subnets(size)),
           ("prefix_list", lists(size)), ("security_group", groups(size)),
           ("interface", interfaces(size)))
    return [(name, itertools.chain(rows, (more or {}).get(name, ()))) for name, rows in own]


def write_json(file, size, more=None):
    for number, (name, rows) in enumerate(tables(size, more)):
        file.write(f'{"," if number else "{"}\n"{name}":[')
        for i, row in enumerate(rows):
            file.write((",\n" if i else "\n") + json.dumps(row, separators=(",", ":")))
        file.write("]")
    file.write("}\n")


def json_text(_folder=None):
    """The policy of the default size, for programs that read it from a file."""
    text = io.StringIO()
    write_json(text, Size())
    return text.getvalue()


def toml_value(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}={toml_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(toml_value, value)) + "]"
    return json.dumps(value)


def write_toml(file, size, more=None):
    for name, rows in tables(size, more):
        for row in rows:
            lines = [f"{key} = {toml_value(value)}" for key, value in row.items()]
            file.write(f"[[{name}]]\n" + "\n".join(lines) + "\n")
