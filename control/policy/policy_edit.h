#pragma once

// One change of a policy in force, smaller than a document: a rule, a member of a group, an entry
// of a prefix list. As JSON it is one object:
//
//   {"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp","ports":443,
//    "source":"0.0.0.0/0","description":"HTTPS"}                 the keys of a rule in a document
//   {"do":"rule.remove","rule":"sgr-04cb58c6a96c73fa3"}
//   {"do":"interface.attach","interface":"eni-web1","group":"sg-web"}      and interface.detach
//   {"do":"prefix-list.add","list":"pl-office","cidr":"203.0.113.0/24","description":"head office"}
//   {"do":"prefix-list.remove","list":"pl-office","cidr":"203.0.113.0/24"}
//
// Plain data; no thread. Whether the names exist is asked when it is applied (staged_edits.h).

#include <optional>
#include <string>
#include <variant>

#include "base/cidr.h"
#include "control/policy/document.h"
#include "control/policy/finding.h"
#include "control/policy/security_group.h"

namespace sluice {

struct RuleAddition {
  std::string group;
  SecurityRule rule;
};

struct RuleRemoval {
  std::string rule;  // sgr-…
};

struct MemberChange {
  std::string interface;
  std::string group;
  bool attaches = true;
};

struct EntryChange {
  std::string list;
  Cidr cidr;
  std::string description;
  bool adds = true;
};

using PolicyEdit = std::variant<RuleAddition, RuleRemoval, MemberChange, EntryChange>;

// The edit, or nothing and the errors among the findings.
std::optional<PolicyEdit> read_policy_edit(const Node& node, Findings& findings);

}  // namespace sluice
