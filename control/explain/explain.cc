#include "control/explain/explain.h"

#include <utility>

#include "control/explain/witness_words.h"
#include "flowtable/conntrack.h"

namespace sluice {
namespace {

Error explain_error(std::string code, std::string sentence) {
  return Error{ErrorKind::Failed, std::move(code), std::move(sentence), ""};
}

Question question_of(const PacketQuery& query, EniIndex eni) {
  Question question;
  question.eni = eni;
  question.direction = query.direction;
  question.proto = query.proto;
  if (has_ports(query.proto)) {
    question.port = query.destination_port;
    question.source_port = query.source_port;
  } else if (is_icmp(query.proto)) {
    question.port = static_cast<std::uint16_t>(query.icmp_type << 8 | query.icmp_code);
  }
  const bool is_ingress = query.direction == Direction::Ingress;
  question.local = is_ingress ? query.destination : query.source;
  question.remote = is_ingress ? query.source : query.destination;
  return question;
}

bool is_group_address(const IpAddr& address) {
  return address.is_multicast() || address.is_limited_broadcast();
}

// The broadcast address of the interface's own subnet, where no interface has it.
bool is_for_subnet(const PacketQuery& query, const InterfaceRow& row,
                   const PolicySnapshot& snapshot) {
  return query.direction == Direction::Egress &&
         snapshot.is_broadcast_of(row.subnet, query.destination) &&
         snapshot.owner_of(row.vpc, query.destination).is_none();
}

// What no packet carries as its source, or as its destination.
bool is_impossible(const PacketQuery& query) {
  const IpAddr& source = query.source;
  const IpAddr& destination = query.destination;
  return is_group_address(source) || source.is_loopback() || source.is_unspecified() ||
         destination.is_loopback() || destination.is_unspecified();
}

bool is_discovery_query(const PacketQuery& query) {
  return query.proto == Proto::Icmpv6 && !query.source.is_v4() && is_discovery(query.icmp_type);
}

Explanation refused(DropReason reason, std::vector<std::string> steps) {
  Explanation out;
  out.decision.verdict = Verdict::Drop;
  out.decision.reason = reason;
  out.steps = std::move(steps);
  out.steps.push_back("drop, " + std::string(name_of(reason)) + ": " +
                      std::string(sentence_of(reason)));
  return out;
}

// A connection's first packet as the tracker sees it: a clean SYN, or a datagram.
TrackedPacket first_packet_of(const PacketQuery& query) {
  TrackedPacket packet;
  packet.proto = query.proto;
  packet.direction = query.direction;
  if (query.proto == Proto::Tcp) packet.tcp_flags = TcpFlags::kSyn;
  packet.icmp_type = query.icmp_type;
  packet.icmp_code = query.icmp_code;
  return packet;
}

bool may_begin(const PacketQuery& query, const PolicySnapshot& snapshot) {
  const bool is_strict = snapshot.tracking().mode == TcpMode::Strict;
  return first_packet(first_packet_of(query), is_strict) != FirstPacket::Never;
}

// Is it one of the interface's own addresses? A port without source check takes any.
std::optional<Error> check_owner(const PacketQuery& query, const InterfaceRow& row,
                                 const Question& question, const ExplainScope& scope) {
  if (scope.snapshot->owner_of(row.vpc, question.local) == row.eni) return std::nullopt;
  if (scope.unchecked != nullptr && scope.unchecked->contains(row.eni)) return std::nullopt;
  const bool is_ingress = query.direction == Direction::Ingress;
  return explain_error(is_ingress ? "unknown-address" : "source-check",
                       std::string(is_ingress ? "destination " : "source ") +
                           question.local.to_string() + " is not an address of " + query.interface);
}

// SG-62: the ports answer neighbour discovery or let it cross. Of its addresses they check the
// sender's only: an interface makes up its link-local one, and a probe has none yet.
Result<Explanation> explain_discovery(const PacketQuery& query, const InterfaceRow& row,
                                      const Question& question, const ExplainScope& scope,
                                      std::vector<std::string> steps) {
  const IpAddr& source = query.source;
  if (query.icmp_code != 0) {
    return refused(DropReason::MalformedNeighborDiscovery, std::move(steps));
  }
  const bool is_egress = query.direction == Direction::Egress;
  if (is_egress && !source.is_link_local() && !source.is_unspecified()) {
    if (std::optional<Error> error = check_owner(query, row, question, scope)) return *error;
  }
  Explanation out;
  out.decision.verdict = Verdict::Accept;
  out.decision.by = By::Exempt;
  out.decision.reason = DropReason::None;
  out.steps = std::move(steps);
  out.steps.push_back(
      "neighbour discovery: groups and network ACL are not asked (SG-62); the port answers it "
      "itself or lets it cross");
  return out;
}

Decision ask(const PacketQuery& query, const Question& question, const ExplainScope& scope,
             WitnessSteps& witness) {
  if (query.is_established) return decide_established(*scope.snapshot, question, witness);
  const Decision first = decide(*scope.snapshot, question, witness);
  // What it is matters only where no rule admits it whatever it is.
  if (!query.app || !first.conditional) return first;
  witness.clear();
  return decide_identified(*scope.snapshot, question, {*query.app, query.domain}, witness);
}

std::string verdict_words(const Decision& decision) {
  if (decision.verdict == Verdict::Accept) {
    return "accept, " + std::string(reason_word(decision)) +
           (decision.tracked ? "" : ", untracked") + (decision.conditional ? ", on probation" : "");
  }
  return "drop, " + std::string(name_of(decision.reason)) + ": " +
         std::string(sentence_of(decision.reason));
}

nlohmann::ordered_json name_or_null(bool is_known, std::string name) {
  return is_known ? nlohmann::ordered_json(std::move(name)) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json acl_answer(const AclAnswer& acl, const Registry& registry) {
  if (!acl.asked) return nullptr;
  return {{"id", acl.acl.is_none() ? std::string("default") : registry.acls.name_of(acl.acl)},
          {"rule", acl.rule},
          {"action", acl.allow ? "allow" : "deny"}};
}

nlohmann::ordered_json answer_of(Explanation explanation, const Registry& registry) {
  const Decision& decision = explanation.decision;
  const bool is_accept = decision.verdict == Verdict::Accept;
  nlohmann::ordered_json answer;
  answer["verdict"] = name_of(decision.verdict);
  answer["reason"] = reason_word(decision);
  answer["rule"] = name_or_null(!decision.rule.is_none(), registry.rules.name_of(decision.rule));
  answer["group"] =
      name_or_null(!decision.group.is_none(), registry.groups.name_of(decision.group));
  answer["tracked"] = nullptr;
  if (is_accept) answer["tracked"] = decision.tracked;
  if (decision.conditional) answer["conditional"] = true;
  answer["acl"] = acl_answer(decision.acl, registry);
  answer["steps"] = std::move(explanation.steps);
  return answer;
}

}  // namespace

std::string_view reason_word(const Decision& decision) {
  return decision.verdict == Verdict::Accept ? name_of(decision.by) : name_of(decision.reason);
}

Result<Explanation> explain_packet(const PacketQuery& query, const ExplainScope& scope) {
  std::vector<std::string> steps = {packet_words(query)};
  if (scope.snapshot == nullptr) return refused(DropReason::NoPolicy, std::move(steps));
  const std::optional<EniIndex> eni = scope.registry->interfaces.find(query.interface);
  const InterfaceRow* row = eni ? scope.snapshot->find_interface(*eni) : nullptr;
  if (row == nullptr) {
    return explain_error("unknown-interface",
                         "the policy has no interface '" + query.interface + "'");
  }
  const Question question = question_of(query, *eni);
  if (is_discovery_query(query)) {
    return explain_discovery(query, *row, question, scope, std::move(steps));
  }
  if (is_impossible(query)) return refused(DropReason::MalformedAddress, std::move(steps));
  const bool is_to_group =
      is_group_address(query.destination) || is_for_subnet(query, *row, *scope.snapshot);
  if (!(is_to_group && query.direction == Direction::Ingress)) {
    if (std::optional<Error> error = check_owner(query, *row, question, scope)) return *error;
  }
  WitnessSteps witness;
  const Decision decision = ask(query, question, scope, witness);
  if (is_to_group && decision.by != By::Exempt) {
    return refused(DropReason::Multicast, std::move(steps));
  }
  if (!query.is_established && decision.by != By::Exempt && !may_begin(query, *scope.snapshot)) {
    return refused(DropReason::NotFirstPacket, std::move(steps));
  }
  if (query.is_established) steps.push_back("a live tracked flow: its groups are not asked again");
  for (const WitnessStep& step : witness) {
    steps.push_back(step_words(step, query, scope));
  }
  steps.push_back(verdict_words(decision));
  return Explanation{decision, std::move(steps)};
}

nlohmann::ordered_json explain(const nlohmann::json& query, const ExplainScope& scope) {
  const Result<PacketQuery> parsed = parse_query(query);
  Result<Explanation> explained =
      parsed ? explain_packet(*parsed, scope) : Result<Explanation>(parsed.error());
  if (!explained) {
    const Error& error = explained.error();
    return {{"error", {{"code", error.code}, {"message", error.sentence}}}};
  }
  return answer_of(std::move(*explained), *scope.registry);
}

}  // namespace sluice
