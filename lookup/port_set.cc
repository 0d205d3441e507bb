#include "lookup/port_set.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

PortSetIndex PortSets::add(std::span<const PortRule> rules) {
  CHECK(!rules.empty());
  const auto first = static_cast<PortSetIndex>(links_.size());
  for (std::size_t start = 0; start < rules.size(); start += PortLine::kLanes) {
    const std::size_t count = std::min(PortLine::kLanes, rules.size() - start);
    PortLine line;
    line.low.fill(0xffff);  // holds nothing: low > high
    line.high.fill(0);
    Link link;
    link.rules = static_cast<std::uint32_t>(rules_.size());
    for (std::size_t i = 0; i < count; ++i) {
      const PortRule& rule = rules[start + i];
      CHECK(start + i == 0 || rules[start + i - 1].rule < rule.rule);
      line.low[i] = rule.range.low;
      line.high[i] = rule.range.high;
      rules_.push_back(rule.rule);
    }
    const auto [place, is_new] =
        known_lines_.try_emplace(line, static_cast<std::uint32_t>(lines_.size()));
    if (is_new) lines_.push_back(line);
    link.line = place->second;
    const auto next = static_cast<PortSetIndex>(links_.size() + 1);
    link.next = start + count < rules.size() ? next : kNoPortSet;
    links_.push_back(link);
  }
  return first;
}

void PortSets::seal() {
  known_lines_.clear();
  lines_.shrink_to_fit();
  links_.shrink_to_fit();
  rules_.shrink_to_fit();
}

std::size_t PortSets::size() const {
  return lines_.capacity() * sizeof(PortLine) + links_.capacity() * sizeof(Link) +
         rules_.capacity() * sizeof(RuleSlot);
}

}  // namespace sluice
