"""The measured policy as a ruleset of nftables, with the sets that nft(8) advises where many rules
differ in their values only: the established pass first, then one look into a set a protocol and
family. A set holds no element twice, so a rule that overlaps one of the set stays a rule.
"""

from traffic.policy import LOCAL_NETWORKS

_FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


def _overlaps(rule, others):
    return any(rule.network.overlaps(other.network) and rule.ports[0] <= other.ports[1] and
               other.ports[0] <= rule.ports[1] for other in others)


def _elements(rules):
    """The rules that fit into one set together, and the rest."""
    inside, rest = [], []
    for rule in rules:
        (rest if _overlaps(rule, inside) else inside).append(rule)
    return inside, rest


def _ports(rule):
    return f"{rule.ports[0]}-{rule.ports[1]}" if rule.ports[0] != rule.ports[1] else rule.ports[0]


_FLOWTABLE = """flowtable fast { hook ingress priority filter; devices = { in0, in1 }; }
  """
_OFFLOAD = """meta l4proto { tcp, udp } flow add @fast
    """


def ruleset(rules, has_flowtable=False):
    """The text for `nft -f`, with one table that forwards what the policy admits. With a flow table
    the established do not even meet the rules."""
    sets, lines = [], []
    for network in LOCAL_NETWORKS:
        family, _ = _FAMILIES[network.version]
        # The source check, and that only interfaces are forwarded to.
        lines.append(f"{family} saddr {network} drop")
        lines.append(f"{family} daddr != {network} drop")
    for version, (family, kind) in _FAMILIES.items():
        mine = [rule for rule in rules if rule.network.version == version]
        everything = [str(rule.network) for rule in mine if rule.protocol == "-1"]
        if everything:
            sets.append(f"set {family}_all {{ type {kind}; flags interval; auto-merge; "
                        f"elements = {{ {', '.join(everything)} }} }}")
            lines.append(f"{family} saddr @{family}_all accept")
        for protocol in ("tcp", "udp"):
            inside, rest = _elements([rule for rule in mine if rule.protocol == protocol])
            if inside:
                elements = ", ".join(f"{rule.network} . {_ports(rule)}" for rule in inside)
                sets.append(f"set {family}_{protocol} {{ type {kind} . inet_service; "
                            f"flags interval; elements = {{ {elements} }} }}")
                lines.append(f"{family} saddr . {protocol} dport @{family}_{protocol} accept")
            lines += [f"{family} saddr {rule.network} {protocol} dport {_ports(rule)} accept"
                      for rule in rest]
    body = "\n    ".join(lines)
    text = "\n  ".join(sets)
    # Answers pass because they belong to a connection; nothing else may leave.
    return f"""table inet perf {{
  {_FLOWTABLE if has_flowtable else ""}{text}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {_OFFLOAD if has_flowtable else ""}ct state established,related accept
    ct state invalid drop
    iifname != "in0" drop
    {body}
  }}
}}
"""
