#include "control/explain/witness_words.h"

#include <utility>

namespace sluice {
namespace {

std::string end_words(const IpAddr& address, Proto proto, std::uint16_t port) {
  if (!has_ports(proto) || port == 0) return address.to_string();
  if (address.is_v4()) return address.to_string() + ":" + std::to_string(port);
  return "[" + address.to_string() + "]:" + std::to_string(port);
}

const IpAddr& remote_of(const PacketQuery& query) {
  return query.direction == Direction::Ingress ? query.source : query.destination;
}

std::string rule_words(RuleIndex rule, const ExplainScope& scope) {
  std::string words = scope.registry->rules.name_of(rule);
  if (!scope.describe_rule) return words;
  const std::string text = scope.describe_rule(rule);
  if (!text.empty()) words += " (" + text + ")";
  return words;
}

std::string acl_words(const WitnessStep& step, const ExplainScope& scope) {
  const std::string name =
      step.acl.is_none() ? std::string("default") : scope.registry->acls.name_of(step.acl);
  const bool is_final = step.acl_rule >= 32'767;
  return "network ACL " + name + ": " +
         (is_final ? "no entry matches, its last rule " : std::string("rule ")) +
         std::to_string(step.acl_rule) + (step.allow ? " allows it" : " denies it");
}

std::string remote_words(const WitnessStep& step, const PacketQuery& query,
                         const ExplainScope& scope) {
  const IpAddr& remote = remote_of(query);
  std::string words = remote.to_string();
  words += step.matched ? " is an address of " + scope.registry->interfaces.name_of(step.eni)
                        : std::string(" belongs to no interface that rules can see");
  if (step.has_delegated) words += ", in its prefix " + step.delegated.to_string();
  words += step.has_cidr
               ? "; the longest prefix of the policy that holds it is " + step.cidr.to_string()
               : std::string("; no prefix of the policy holds it");
  return words;
}

std::string untracked_words(const WitnessStep& step, const ExplainScope& scope) {
  std::string words = "untracked";
  if (!step.rule.is_none()) {
    words += ": rule " + rule_words(step.rule, scope) + " admits it from everywhere";
  }
  if (!step.other.is_none()) {
    words += " and rule " + rule_words(step.other, scope) + " admits every reply";
  }
  return words + ", so replies follow the rules (CT-4)";
}

std::string group_words(const WitnessStep& step, const PacketQuery& query,
                        const ExplainScope& scope) {
  return "group " + scope.registry->groups.name_of(step.group) + ": " +
         (step.matched ? "an " : "no ") + std::string(name_of(query.direction)) + " rule allows it";
}

}  // namespace

std::string packet_words(const PacketQuery& query) {
  std::string words = std::string(name_of(query.direction)) + " " + protocol_word(query.proto);
  if (is_icmp(query.proto)) {
    words +=
        " type " + std::to_string(query.icmp_type) + " code " + std::to_string(query.icmp_code);
  }
  return words + " " + end_words(query.source, query.proto, query.source_port) + " -> " +
         end_words(query.destination, query.proto, query.destination_port) + " at " +
         query.interface;
}

std::string step_words(const WitnessStep& step, const PacketQuery& query,
                       const ExplainScope& scope) {
  switch (step.kind) {
    case WitnessStep::Kind::Exempt:
      return step.matched ? "the exempt list covers it: groups and network ACL are not asked"
                          : "the exempt list does not cover it";
    case WitnessStep::Kind::AclSkipped:
      return "network ACL not asked: " + remote_of(query).to_string() +
             " lies inside the interface's subnet (NA-5)";
    case WitnessStep::Kind::AclEntry:
      return acl_words(step, scope);
    case WitnessStep::Kind::RemoteClass:
      return remote_words(step, query, scope);
    case WitnessStep::Kind::Group:
      return group_words(step, query, scope);
    case WitnessStep::Kind::RuleMatched:
      return "rule " + rule_words(step.rule, scope) + " of " +
             scope.registry->groups.name_of(step.group) + " allows it";
    case WitnessStep::Kind::OnProbation:
      return "rule " + rule_words(step.rule, scope) + " of " +
             scope.registry->groups.name_of(step.group) +
             " admits it on probation: its first bytes must show what the rule demands";
    case WitnessStep::Kind::DemandUnmet:
      return "rule " + rule_words(step.rule, scope) + " of " +
             scope.registry->groups.name_of(step.group) + " demands what it is not";
    case WitnessStep::Kind::Untracked:
      return untracked_words(step, scope);
    case WitnessStep::Kind::Tracked:
      return "tracked: replies pass by the connection's own entry";
    case WitnessStep::Kind::NoGroups:
      return "the interface holds no security group, so nothing passes";
  }
  return "";
}

}  // namespace sluice
