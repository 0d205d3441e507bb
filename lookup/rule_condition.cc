#include "lookup/rule_condition.h"

#include <algorithm>
#include <utility>

namespace sluice {

namespace {

constexpr std::string_view kBelow = "*.";

// Orders a domain of the set against "*." + parent without writing that down.
struct BelowOrder {
  bool operator()(const std::string& domain, std::string_view parent) const {
    const int order = domain.compare(0, kBelow.size(), kBelow);
    if (order != 0) return order < 0;
    return std::string_view(domain).substr(kBelow.size()) < parent;
  }
  bool operator()(std::string_view parent, const std::string& domain) const {
    const int order = domain.compare(0, kBelow.size(), kBelow);
    if (order != 0) return order > 0;
    return parent < std::string_view(domain).substr(kBelow.size());
  }
};

}  // namespace

DomainSet::DomainSet(std::vector<std::string> domains) : domains_(std::move(domains)) {
  std::sort(domains_.begin(), domains_.end());
  domains_.erase(std::unique(domains_.begin(), domains_.end()), domains_.end());
  domains_.shrink_to_fit();
}

bool DomainSet::contains(std::string_view name) const {
  if (name.empty()) return false;
  const auto less = [](std::string_view a, std::string_view b) { return a < b; };
  if (std::binary_search(domains_.begin(), domains_.end(), name, less)) return true;
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos;
       dot = name.find('.', dot + 1)) {
    const std::string_view parent = name.substr(dot + 1);
    if (std::binary_search(domains_.begin(), domains_.end(), parent, BelowOrder())) return true;
  }
  return false;
}

std::size_t size_of(const RuleCondition& condition) {
  std::size_t total = sizeof condition;
  total += condition.domains.domains().capacity() * sizeof(std::string);
  for (const std::string& domain : condition.domains.domains()) total += domain.capacity();
  return total;
}

ConditionFit fit_of(const RuleCondition& condition, const Identified& identified) {
  const bool is_app = condition.app == App::Unknown ? carries_name(identified.app)
                                                    : condition.app == identified.app;
  if (!is_app) return ConditionFit::OtherApp;
  if (condition.domains.empty()) return ConditionFit::Met;
  return condition.domains.contains(identified.name) ? ConditionFit::Met : ConditionFit::OtherName;
}

}  // namespace sluice
