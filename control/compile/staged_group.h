#pragma once

// A security group whose rules come and go by their ids, each at its own cost: whoever takes ten
// thousand rules away reads none of them twice.
//
// A rule that goes leaves its place empty until settle(), so that the others keep theirs. A value;
// control thread.

#include <array>
#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/verdict.h"
#include "control/policy/security_group.h"

namespace sluice {

class StagedGroup {
 public:
  // A copy of the group; costs its rules.
  explicit StagedGroup(const SecurityGroup& group);

  const std::string& id() const { return group_.id; }
  // Constant time, these four.
  bool has_rule(const std::string& id) const { return places_.contains(id); }
  std::size_t rule_count(Direction direction) const { return counts_[index_of(direction)]; }
  // Requires that there is none of its id; comes behind the others.
  void add_rule(const SecurityRule& rule);
  // Requires that there is one.
  void remove_rule(const std::string& id);

  // Once all edits are made: the group as they left it, in which nothing is implied any more if
  // there were any (SG-4, SG-5). Costs its rules. Afterwards nothing is to be added or removed.
  SecurityGroup& settle();

 private:
  struct Place {
    Direction direction;
    std::size_t at;
  };

  static std::size_t index_of(Direction direction) { return static_cast<std::size_t>(direction); }
  std::vector<SecurityRule>& rules_of(Direction direction) {
    return direction == Direction::Ingress ? group_.ingress : group_.egress;
  }

  SecurityGroup group_;
  std::unordered_map<std::string, Place> places_;  // of the rules that are there
  std::array<std::size_t, 2> counts_{};            // of them, by direction
  bool is_edited_ = false;
};

}  // namespace sluice
