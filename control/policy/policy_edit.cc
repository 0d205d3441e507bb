#include "control/policy/policy_edit.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "control/policy/read_match.h"
#include "control/policy/read_rules.h"
#include "control/policy/table_reader.h"

namespace sluice {

namespace {

// The words of `do`, in the order of the switch below.
constexpr std::array<std::string_view, 6> kWords = {"rule.add",         "rule.remove",
                                                    "interface.attach", "interface.detach",
                                                    "prefix-list.add",  "prefix-list.remove"};

std::optional<PolicyEdit> read_addition(const Node& node, TableReader& table, Findings& findings) {
  static constexpr std::array<std::string_view, 2> kDirections = {"ingress", "egress"};
  const std::optional<std::string> group = table.required_id("group");
  table.require("direction");
  const std::optional<std::size_t> word = table.choice("direction", kDirections);
  if (!group || !word) return std::nullopt;
  // What is left is a rule as a document has it.
  Node rule_node = node;
  std::erase_if(*rule_node.table(), [](const Node::Entry& entry) {
    return entry.key == "do" || entry.key == "group" || entry.key == "direction";
  });
  const Direction direction = *word == 0 ? Direction::Ingress : Direction::Egress;
  std::optional<SecurityRule> rule = read_security_rule(rule_node, *group, direction, findings);
  if (!rule || rule->canonical.empty()) return std::nullopt;
  return RuleAddition{*group, *std::move(rule)};
}

std::optional<PolicyEdit> read_removal(TableReader& table) {
  const std::optional<std::string> rule = table.required_id("rule");
  table.finish();
  if (!rule) return std::nullopt;
  return RuleRemoval{*rule};
}

std::optional<PolicyEdit> read_member(TableReader& table, bool attaches) {
  const std::optional<std::string> interface = table.required_id("interface");
  const std::optional<std::string> group = table.required_id("group");
  table.finish();
  if (!interface || !group) return std::nullopt;
  return MemberChange{*interface, *group, attaches};
}

std::optional<PolicyEdit> read_entry(TableReader& table, bool adds, Findings& findings) {
  const std::optional<std::string> list = table.required_id("list");
  const Node* node = table.require("cidr");
  const std::optional<Cidr> cidr =
      node == nullptr ? std::nullopt : read_cidr(*node, table.what(), findings);
  std::string description = adds ? read_description(table) : "";
  table.finish();
  if (!list || !cidr) return std::nullopt;
  return EntryChange{*list, *cidr, std::move(description), adds};
}

}  // namespace

std::optional<PolicyEdit> read_policy_edit(const Node& node, Findings& findings) {
  TableReader table(node, "edit", findings);
  if (node.table() == nullptr) return std::nullopt;
  table.require("do");
  const std::optional<std::size_t> word = table.choice("do", kWords);
  if (!word) return std::nullopt;
  table.set_what(std::string(kWords[*word]));
  switch (*word) {
    case 0:
      return read_addition(node, table, findings);
    case 1:
      return read_removal(table);
    case 2:
    case 3:
      return read_member(table, *word == 2);
    default:
      return read_entry(table, *word == 4, findings);
  }
}

}  // namespace sluice
