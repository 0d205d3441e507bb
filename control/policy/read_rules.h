#pragma once

// The tables of a policy that say what may pass: security groups, prefix lists, network ACLs.
// Parts of read_policy.h.

#include <optional>

#include "control/policy/network_acl.h"
#include "control/policy/prefix_list.h"
#include "control/policy/security_group.h"
#include "control/policy/table_reader.h"

namespace sluice {

// A table without a usable id is an error and gets an empty one, so that the names in it are
// checked all the same.
SecurityGroup read_security_group(const Node& node, Findings& findings);
PrefixList read_prefix_list(const Node& node, Findings& findings);
NetworkAcl read_network_acl(const Node& node, Findings& findings);

// One rule of a group. Nothing if its peer could not be read; without a canonical text if something
// else could not, so that the peer's name is checked all the same.
std::optional<SecurityRule> read_security_rule(const Node& node, const std::string& group_id,
                                               Direction direction, Findings& findings);

// The key `description`: too long is an error; characters that AWS would refuse are only warned
// about.
std::string read_description(TableReader& table);

// The rules that an egress left out stands for (SG-4): all protocols to 0.0.0.0/0 and, where
// `with_ipv6`, to ::/0.
std::vector<SecurityRule> implied_egress(std::string_view group_id, bool with_ipv6, Position at);

}  // namespace sluice
