"""The policy that a case measures, once, so that ours and every peer are told the same.

INTERFACES interfaces of one subnet hold one security group; nothing may leave by a rule, so that
replies pass because flows are tracked, and all of them are (CT-4). Beside the text for Sluice,
end_to_end/ovs_flows.py and end_to_end/nft_ruleset.py say it in the peers' words.
"""

import ipaddress
from dataclasses import dataclass
from typing import Optional, Tuple

INTERFACES = 16
# Their addresses fill one prefix, so that a peer may match them all at once.
LOCAL_NETWORKS = (ipaddress.ip_network("10.77.1.16/28"),
                  ipaddress.ip_network("fd00:10:77:1::10/124"))
_LOCAL, _LOCAL6 = (int(network.network_address) for network in LOCAL_NETWORKS)


def local_address(number):
    """The IPv4 address of an interface, as a number."""
    return _LOCAL + number


def local_address6(number):
    """The IPv6 address of an interface, as a number."""
    return _LOCAL6 + number


def local_addresses():
    """All addresses of all interfaces, in both families."""
    return [ipaddress.ip_address(address(number)) for address in (local_address, local_address6)
            for number in range(INTERFACES)]


@dataclass(frozen=True)
class Rule:
    """One ingress rule. Without ports: every port, and with protocol "-1" every protocol."""

    protocol: str  # tcp, udp or -1
    source: str  # CIDR
    ports: Optional[Tuple[int, int]] = None  # first and last; None only with protocol -1

    @property
    def network(self):
        return ipaddress.ip_network(self.source)

    def toml(self):
        ports = f'ports = "{self.ports[0]}-{self.ports[1]}", ' if self.ports else ""
        return f'{{ protocol = "{self.protocol}", {ports}source = "{self.source}" }}'


def toml(rules):
    """The policy in Sluice's own words."""
    lines = "\n".join(f"  {rule.toml()}," for rule in rules)
    interfaces = "".join(f"""
[[interface]]
id = "eni-{number}"
subnet = "subnet-perf"
mac = "02:00:00:00:01:{0x10 + number:02x}"
addresses = ["{ipaddress.ip_address(local_address(number))}", \
"{ipaddress.ip_address(local_address6(number))}"]
security_groups = ["sg-perf"]
""" for number in range(INTERFACES))
    return f"""[[vpc]]
id = "vpc-perf"
cidrs = ["10.77.0.0/16", "fd00:10:77::/56"]

[[subnet]]
id = "subnet-perf"
vpc = "vpc-perf"
cidrs = ["10.77.1.0/24", "fd00:10:77:1::/64"]

[[security_group]]
id = "sg-perf"
name = "perf"
description = "what the perf suite measures"
vpc = "vpc-perf"
egress = []
ingress = [
{lines}
]
{interfaces}"""


def flow_log(path):
    """The table of a log of every interface, to be added to a policy."""
    return f"""
[[flow_log]]
id = "fl-perf"
resource = "vpc-perf"
traffic = "all"
interval = 60
destination = "file:{path}"
"""
