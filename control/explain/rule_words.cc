#include "control/explain/rule_words.h"

#include <optional>

#include "base/proto.h"
#include "control/policy/rule_id.h"

namespace sluice {
namespace {

std::string range_text(std::int32_t low, std::int32_t high) {
  if (low == high) return std::to_string(low);
  return std::to_string(low) + "-" + std::to_string(high);
}

std::string ports_text(const SecurityRule& rule) {
  const auto proto = static_cast<Proto>(rule.proto.number);
  if (rule.proto.number == ProtoMatch::kAll) return "";
  if (has_ports(proto)) return " " + range_text(rule.ports.low, rule.ports.high);
  if (!is_icmp(proto) || rule.ports.low == -1) return "";
  std::string text = " type " + std::to_string(rule.ports.low);
  if (rule.ports.high != -1) text += " code " + std::to_string(rule.ports.high);
  return text;
}

// `as tls to shop.example and 2 more names`.
std::string condition_text(const RuleCondition& condition) {
  std::string text = "as ";
  text += condition.app == App::Unknown ? std::string_view("tls, http, quic or dns")
                                        : name_of(condition.app);
  const std::vector<std::string>& domains = condition.domains.domains();
  if (domains.empty()) return text;
  text += " for " + domains.front();
  if (domains.size() > 1) text += " and " + std::to_string(domains.size() - 1) + " more names";
  return text;
}

}  // namespace

std::string rule_text(const SecurityRule& rule) {
  const bool is_all = rule.proto.number == ProtoMatch::kAll;
  std::string text = is_all ? std::string("everything") : protocol_name(rule.proto);
  text += ports_text(rule);
  text += rule.direction == Direction::Ingress ? " from " : " to ";
  text += peer_text(rule.peer);
  if (!rule.condition.is_none()) text += " " + condition_text(rule.condition);
  if (!rule.description.empty()) text += ", " + rule.description;
  return text;
}

RuleWords::RuleWords(const Policy& policy, const Registry& registry) {
  for (const SecurityGroup& group : policy.groups) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      for (const SecurityRule& rule : group.rules(direction)) {
        const std::optional<RuleIndex> index = registry.rules.find(rule.id);
        if (index) words_.emplace(*index, rule_text(rule));
      }
    }
  }
}

std::string RuleWords::of(RuleIndex rule) const {
  const auto place = words_.find(rule);
  return place == words_.end() ? std::string() : place->second;
}

}  // namespace sluice
