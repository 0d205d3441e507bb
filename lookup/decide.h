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
                  // in which of its delegated prefixes, if in one;
                  // cidr = the deepest configured prefix that covers it, if any
    Group,        // a group of the interface was asked; matched tells whether a rule allowed
    RuleMatched,  // rule, group: a rule that allows (the smallest id is the answer)
    OnProbation,  // rule, group: admits it on probation, as no rule does without; one step for each
    DemandUnmet,  // rule, group: what it demands, the connection is not
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
  Cidr delegated;
  bool has_delegated = false;
};

using WitnessSteps = std::vector<WitnessStep>;

// A packet of no known flow, or of an untracked one. Requires that snapshot.find_interface(eni)
// is not null. Cost: some tens of nanoseconds; bounded by groups times covering prefixes.
Decision decide(const PolicySnapshot& snapshot, const Question& question);
Decision decide(const PolicySnapshot& snapshot, const Question& question, WitnessSteps& witness);

// What becomes of a connection whose first packet the question is, now that it is known what it is:
// accepted (and no longer conditional) where a rule that demands nothing, or one whose demands it
// meets, admits it; else dropped with the reason that comes nearest (DomainMismatch, AppMismatch,
// AppUnknown, AppUninspected). An application that could not be told is what the policy's
// action_on_unknown makes of it. Cost: as decide(), and looking up the name for each such rule.
Decision decide_identified(const PolicySnapshot& snapshot, const Question& question,
                           const Identified& identified);
Decision decide_identified(const PolicySnapshot& snapshot, const Question& question,
                           const Identified& identified, WitnessSteps& witness);

// A packet of a live tracked flow: groups are not asked, the network ACL is (CT-31).
Decision decide_established(const PolicySnapshot& snapshot, const Question& question);
Decision decide_established(const PolicySnapshot& snapshot, const Question& question,
                            WitnessSteps& witness);

}  // namespace sluice
