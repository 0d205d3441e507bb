#include "control/compile/staged_group.h"

#include "base/check.h"

namespace sluice {

namespace {

constexpr std::array<Direction, 2> kDirections = {Direction::Ingress, Direction::Egress};

}  // namespace

StagedGroup::StagedGroup(const SecurityGroup& group) : group_(group) {
  places_.reserve(group.ingress.size() + group.egress.size());
  for (const Direction direction : kDirections) {
    const std::vector<SecurityRule>& rules = group.rules(direction);
    for (std::size_t i = 0; i < rules.size(); ++i) {
      places_.try_emplace(rules[i].id, Place{direction, i});
    }
    counts_[index_of(direction)] = rules.size();
  }
}

void StagedGroup::add_rule(const SecurityRule& rule) {
  std::vector<SecurityRule>& rules = rules_of(rule.direction);
  const bool is_new = places_.try_emplace(rule.id, Place{rule.direction, rules.size()}).second;
  CHECK(is_new);
  rules.push_back(rule);
  ++counts_[index_of(rule.direction)];
  is_edited_ = true;
}

void StagedGroup::remove_rule(const std::string& id) {
  const auto place = places_.find(id);
  CHECK(place != places_.end());
  const auto [direction, at] = place->second;
  rules_of(direction)[at].id.clear();
  places_.erase(place);
  --counts_[index_of(direction)];
  is_edited_ = true;
}

SecurityGroup& StagedGroup::settle() {
  if (!is_edited_) return group_;
  group_.implied = false;
  for (const Direction direction : kDirections) {
    std::vector<SecurityRule>& rules = rules_of(direction);
    std::erase_if(rules, [](const SecurityRule& rule) { return rule.id.empty(); });
    for (SecurityRule& rule : rules) rule.implied = false;
  }
  return group_;
}

}  // namespace sluice
