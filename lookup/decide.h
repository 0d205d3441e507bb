#pragma once

// The one place where policy answers. Contract for dataplane and control; the order of questions:
//
//   ingress:  exempt list -> network ACL of the subnet, if the peer is outside it -> groups
//   egress:   exempt list -> groups -> network ACL                              (NA-19, 1.9)
//
// Pure functions of (snapshot, question): any thread, no allocation, no lock. A Witness records
// the way to the answer for `explain`; the packet path passes none and pays nothing.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/cidr.h"
#include "lookup/policy_snapshot.h"
#include "lookup/question.h"

namespace sluice {

// One step on the way to an answer, in the order in which it was taken.
struct WitnessStep {
  enum class Kind : std::uint8_t {
    Exempt,       // the exempt list: matched tells
    AclSkipped,   // the peer lies inside the interface's subnet (NA-5)
    AclEntry,     // acl, acl_rule, allow: the entry that decided
    RemoteClass,  // the remote address: matched = it is an interface's, eni says whose;
                  // cidr = the deepest configured prefix that covers it, if any
    Group,        // a group of the interface was asked; matched tells whether a rule allowed
    RuleMatched,  // rule, group: a rule that allows (the smallest id is the answer)
    Untracked,    // why the flow is untracked: rule admits /0, `other` covers all replies (CT-4)
    Tracked,      // it is tracked
    NoGroups,     // the interface holds no group
  };
  Kind kind = Kind::Group;
  bool matched = false;
  bool allow = false;
  EniIndex eni;
  GroupIndex group;
  RuleIndex rule;
  RuleIndex other;
  AclIndex acl;
  std::uint32_t acl_rule = 0;
  Cidr cidr;
  bool has_cidr = false;
};

using WitnessSteps = std::vector<WitnessStep>;

// A packet of no known flow, or of an untracked one. Requires that snapshot.find_interface(eni)
// is not null. Cost: some tens of nanoseconds; bounded by groups times covering prefixes.
Decision decide(const PolicySnapshot& snapshot, const Question& question);
Decision decide(const PolicySnapshot& snapshot, const Question& question, WitnessSteps& witness);

// A packet of a live tracked flow: groups are not asked, the network ACL is (CT-31).
Decision decide_established(const PolicySnapshot& snapshot, const Question& question);
Decision decide_established(const PolicySnapshot& snapshot, const Question& question,
                            WitnessSteps& witness);

}  // namespace sluice
