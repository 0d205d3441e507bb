#pragma once

// A random question and its answers in the words of `explain`, so that the compiled policy, its
// slow twin, `explain` itself and the packet path can be compared as text.

#include <algorithm>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "control/explain/explain.h"
#include "control/explain/query.h"
#include "lookup/question.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// Names for the numbers of a random policy, each thing under its own.
inline void name_everything(const SnapshotInput& input, Registry& registry) {
  const auto name_up_to = [](auto& table, const char* prefix, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) table.intern(prefix + std::to_string(i));
  };
  std::size_t interface_count = 0;
  for (const InterfaceInput& interface : input.interfaces) {
    interface_count = std::max<std::size_t>(interface_count, interface.index.value() + 1u);
  }
  std::size_t rule_count = 0;
  for (const GroupInput& group : input.groups) rule_count += group.rules.size();
  name_up_to(registry.interfaces, "eni-", interface_count);
  name_up_to(registry.groups, "sg-", input.groups.size());
  name_up_to(registry.acls, "acl-", input.acls.size());
  name_up_to(registry.rules, "sgr-", rule_count);
}

// A packet to everybody in the sender's subnet, a /24 here, is carried to nobody (SG-63).
inline bool is_for_subnet(const Question& question, const SnapshotInput& input) {
  if (question.direction == Direction::Ingress || !question.remote.is_v4()) return false;
  if ((question.remote.v4_value() & 255) != 255) return false;
  const Cidr block(question.remote, 24);
  return std::ranges::any_of(input.interfaces, [&](const InterfaceInput& interface) {
    const std::vector<Cidr>& own = input.subnets[interface.subnet.value()].cidrs;
    return interface.index == question.eni && std::ranges::find(own, block) != own.end();
  });
}

// The JSON of product.md section 5.
inline nlohmann::json query_of(const Question& question, bool is_established) {
  const bool is_ingress = question.direction == Direction::Ingress;
  nlohmann::json query = {
      {"interface", "eni-" + std::to_string(question.eni.value())},
      {"direction", name_of(question.direction)},
      {"protocol", protocol_word(question.proto)},
      {"source", (is_ingress ? question.remote : question.local).to_string()},
      {"destination", (is_ingress ? question.local : question.remote).to_string()},
      {"state", is_established ? "established" : "new"}};
  if (has_ports(question.proto)) {
    query["source_port"] = question.source_port;
    query["destination_port"] = question.port;
  } else if (is_icmp(question.proto)) {
    query["type"] = question.port >> 8;
    query["code"] = question.port & 0xff;
  }
  return query;
}

// "accept rule sgr-7 sg-2 tracked acl-1/100/allow".
inline std::string text_of(const Decision& decision, const Registry& registry) {
  const auto name_or_dash = [](bool is_none, const std::string& name) {
    return is_none ? std::string("-") : name;
  };
  const bool is_accept = decision.verdict == Verdict::Accept;
  std::string text(name_of(decision.verdict));
  text += " " + std::string(reason_word(decision));
  text += " " + name_or_dash(decision.rule.is_none(), registry.rules.name_of(decision.rule));
  text += " " + name_or_dash(decision.group.is_none(), registry.groups.name_of(decision.group));
  text += is_accept ? (decision.tracked ? " tracked" : " untracked") : " -";
  if (!decision.acl.asked) return text + " -";
  const std::string acl =
      decision.acl.acl.is_none() ? "default" : registry.acls.name_of(decision.acl.acl);
  return text + " " + acl + "/" + std::to_string(decision.acl.rule) +
         (decision.acl.allow ? "/allow" : "/deny");
}

inline std::string text_of(const nlohmann::ordered_json& answer) {
  if (answer.contains("error")) return "error " + answer["error"].dump();
  const auto word = [&](const char* key) {
    return answer[key].is_null() ? std::string("-") : answer[key].get<std::string>();
  };
  std::string text =
      word("verdict") + " " + word("reason") + " " + word("rule") + " " + word("group");
  const auto& tracked = answer["tracked"];
  text += tracked.is_null() ? " -" : tracked.get<bool>() ? " tracked" : " untracked";
  const auto& acl = answer["acl"];
  if (acl.is_null()) return text + " -";
  return text + " " + acl["id"].get<std::string>() + "/" + acl["rule"].dump() + "/" +
         acl["action"].get<std::string>();
}

}  // namespace sluice
