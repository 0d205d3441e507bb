#pragma once

// The name of a rule: the same on every machine and in every push that leaves the rule alone, since
// it is made from what the rule says (product, sections 3 and 11).

#include <string>
#include <string_view>

#include "control/policy/security_group.h"

namespace sluice {

// "tcp" "udp" "icmp" "icmpv6" "-1", else the decimal number (SG-11).
std::string protocol_name(ProtoMatch proto);

// GROUP|DIRECTION|PROTOCOL|PORTS|PEER, such as `sg-web|ingress|tcp|443-443|0.0.0.0/0`. Reads
// neither the rule's id nor its description.
std::string canonical_rule_text(std::string_view group_id, const SecurityRule& rule);

// `sgr-` and the first 17 hex digits of the text's SHA-256.
std::string rule_id_of(std::string_view canonical_text);

// A peer as the policy writes it: CIDR in canonical form, or id.
std::string peer_text(const RulePeer& peer);

// Fills in the canonical text and the id.
void name_rule(std::string_view group_id, SecurityRule& rule);

}  // namespace sluice
