#include "control/compile/layer7_tools.h"

#include <algorithm>
#include <utility>

#include "flowtable/flow_event.h"

namespace sluice {

bool asks_for_layer7(const Policy& policy, const SnapshotInput& input) {
  if (!policy.signatures.empty()) return true;
  const auto demands = [](const RuleInput& rule) { return !rule.condition.is_none(); };
  for (const GroupInput& group : input.groups) {
    if (std::any_of(group.rules.begin(), group.rules.end(), demands)) return true;
  }
  return std::any_of(input.interfaces.begin(), input.interfaces.end(),
                     [](const InterfaceInput& eni) { return eni.identified; });
}

Result<std::shared_ptr<const L7Tools>> Layer7Tools::of(const Policy& policy,
                                                       const SnapshotInput& input,
                                                       Registry& registry) {
  if (!asks_for_layer7(policy, input)) return std::shared_ptr<const L7Tools>();
  return make(policy.signatures, registry);
}

Result<std::shared_ptr<const L7Tools>> Layer7Tools::make(const std::vector<Signature>& signatures,
                                                         Registry& registry) {
  std::vector<SignatureSource> sources;
  std::vector<std::uint16_t> numbers;
  for (const Signature& one : signatures) {
    sources.push_back(source_of(one));
    // A name keeps its number as long as the process lives, so that more may have been given than
    // a flow can tell apart.
    const std::uint32_t number = registry.signatures.intern(one.id).value();
    numbers.push_back(number < FlowFacts::kSignatureNumbers ? static_cast<std::uint16_t>(number)
                                                            : FlowFacts::kUnnamedSignature);
  }
  // The numbers of a policy that was refused are given to others.
  if (tools_ != nullptr && sources == sources_ && numbers == numbers_) return tools_;
  Result<std::shared_ptr<const L7Patterns>> patterns = build_patterns(sources, cache_directory_);
  if (!patterns) return patterns.error();
  auto tools = L7Tools::create(*std::move(patterns), workers_, numbers);
  if (!tools) return tools.error();
  tools_ = *tools;
  sources_ = std::move(sources);
  numbers_ = std::move(numbers);
  return tools_;
}

}  // namespace sluice
