#pragma once

// A security group and its rules: allow-only, no order (SG-1). Plain data, as read and completed:
// protocols by number, CIDRs canonical, left-out parts filled in.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/cidr.h"
#include "base/verdict.h"
#include "control/policy/document.h"
#include "lookup/rule_condition.h"
#include "lookup/snapshot_input.h"

namespace sluice {

struct PrefixListName {
  std::string id;
  bool operator==(const PrefixListName&) const = default;
};
struct GroupName {
  std::string id;
  bool operator==(const GroupName&) const = default;
};
// Exactly one kind of peer (SG-16).
using RulePeer = std::variant<Cidr, PrefixListName, GroupName>;

// Keys and values, in the order of the document; no key is there twice.
using Tags = std::vector<std::pair<std::string, std::string>>;

struct SecurityRule {
  Direction direction = Direction::Ingress;
  ProtoMatch proto;
  PortMatch ports;  // of tcp, udp, icmp, icmpv6 only (SG-13)
  RulePeer peer;
  RuleCondition condition;  // tcp and udp only
  std::string description;
  Tags tags;              // they hang on the id, and are no part of it (SG-17)
  std::string canonical;  // what `id` is the hash of (product, section 11)
  std::string id;         // sgr-…
  bool implied = false;   // stands for an egress that was left out (SG-4), or of a default group
  Position at;
  Position peer_at;
  Position condition_at;  // of its app, or else its domains
};

struct SecurityGroup {
  std::string id;
  std::string name;  // may be empty
  std::string description;
  std::string vpc;
  Tags tags;
  std::vector<SecurityRule> ingress;
  std::vector<SecurityRule> egress;
  bool implied = false;  // a default group that the document does not write down (SG-5)
  Position at;           // of its id
  Position name_at;
  Position vpc_at;

  const std::vector<SecurityRule>& rules(Direction direction) const {
    return direction == Direction::Ingress ? ingress : egress;
  }
};

}  // namespace sluice
