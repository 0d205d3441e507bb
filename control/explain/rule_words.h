#pragma once

// What each rule of a policy says, by number: "tcp 443 from 0.0.0.0/0, HTTPS from anywhere". Made
// once per policy; immutable then, any thread.

#include <string>
#include <unordered_map>

#include "base/ids.h"
#include "control/policy/policy.h"
#include "control/policy/registry.h"

namespace sluice {

// One rule in words, its description behind a comma where it has one.
std::string rule_text(const SecurityRule& rule);

class RuleWords {
 public:
  // Cost: proportional to the number of rules.
  RuleWords(const Policy& policy, const Registry& registry);

  // Empty for a rule that the policy does not have.
  std::string of(RuleIndex rule) const;

 private:
  std::unordered_map<RuleIndex, std::string> words_;
};

}  // namespace sluice
