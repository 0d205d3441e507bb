"""The measured policy as OpenFlow rules with `ct(commit)`, as ovs-actions(7) and the conntrack
tutorial of Open vSwitch write a stateful firewall: table 0 asks the connection tracker, table 1
lets the established pass at the highest priority, so that no other field is looked at for them.
"""

from traffic.policy import LOCAL_NETWORKS

SOURCE, SINK, REPLIES = 1, 2, 3  # OpenFlow ports
_PROTOCOLS = {"tcp": 6, "udp": 17}


def port_masks(first, last):
    """The fewest (value, mask) that cover a range of ports: OpenFlow has no ranges."""
    while first <= last:
        size = first & -first or 1 << 16
        while first + size - 1 > last:
            size >>= 1
        yield first, 0xFFFF & ~(size - 1)
        first += size


def _family(network):
    return ("ipv6", "ipv6_") if network.version == 6 else ("ip", "nw_")


def _matches(rule):
    """The texts that match what the rule admits."""
    network = rule.network
    family, prefix = _family(network)
    base = f"{family},{prefix}src={network}"
    if rule.protocol == "-1":
        return [base]
    base += f",nw_proto={_PROTOCOLS[rule.protocol]}"
    return [base if mask == 0 else f"{base},tp_dst=0x{value:x}/0x{mask:x}"
            for value, mask in port_masks(*rule.ports)]


def flows(rules):
    """One flow a line, for `ovs-ofctl replace-flows`."""
    lines = ["table=0,priority=0,actions=drop"]
    for network in LOCAL_NETWORKS:
        family, prefix = _family(network)
        # The source check: an interface's address cannot come from outside.
        lines.append(f"table=0,priority=300,in_port={SOURCE},{family},{prefix}src={network},"
                     "actions=drop")
        lines.append(f"table=0,priority=200,in_port={SOURCE},{family},{prefix}dst={network},"
                     "actions=ct(table=1)")
    for family in ("ip", "ipv6"):
        lines.append(f"table=0,priority=200,in_port={REPLIES},{family},actions=ct(table=2)")
        lines.append(f"table=1,priority=300,ct_state=+trk+est,{family},"
                     f"actions=output:{SINK}")
    for rule in rules:
        for match in _matches(rule):
            lines.append(f"table=1,priority=200,ct_state=+trk+new,{match},"
                         f"actions=ct(commit),output:{SINK}")
    lines.append("table=1,priority=0,actions=drop")
    lines.append("table=2,priority=0,actions=drop")
    return "\n".join(lines) + "\n"
