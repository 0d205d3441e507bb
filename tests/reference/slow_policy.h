#pragma once

// The slow, obvious twin of decide(): reads the policy as it was written, rule by rule, in the
// words of semantics 1.3, 1.9, 2.1 and 3. No index, no interning, nothing shared with lookup but
// the types of question and answer.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lookup/question.h"
#include "lookup/snapshot_input.h"

namespace sluice {

class SlowPolicy {
 public:
  explicit SlowPolicy(SnapshotInput input) : input_(std::move(input)) {}

  Decision decide(const Question& question) const;
  Decision decide_identified(const Question& question, const Identified& identified) const;
  Decision decide_established(const Question& question) const;
  // Every rule that allows the packet, of whichever group of the interface.
  std::vector<const RuleInput*> matching_rules(const Question& question) const;
  const SnapshotInput& input() const { return input_; }

 private:
  template <class T, class Index>
  static const T* find(const std::vector<T>& things, Index index) {
    for (const T& thing : things) {
      if (thing.index == index) return &thing;
    }
    return nullptr;
  }
  const InterfaceInput& interface(const Question& question) const {
    return *find(input_.interfaces, question.eni);
  }

  bool peer_matches(const RuleInput& rule, const Question& question) const;
  bool group_has_member(GroupIndex group, const Question& question) const;
  static bool proto_matches(const RuleInput& rule, const Question& question);
  bool is_untracked(const Question& question) const;
  static bool meets_demand(const RuleInput& rule, const Identified& identified);
  Decision decide_by(const std::vector<const RuleInput*>& rules, const Question& question) const;
  AclAnswer ask_acl(const Question& question) const;
  bool is_exempt(const Question& question) const;

  SnapshotInput input_;
};

// -- 1.3: does one rule allow the packet? ---------------------------------------------------------

inline bool SlowPolicy::group_has_member(GroupIndex group, const Question& question) const {
  const VpcIndex vpc = interface(question).vpc;
  const auto holds_address = [&](const InterfaceInput& member) {
    const auto has_it = [&](const Cidr& prefix) { return prefix.contains(question.remote); };
    return std::ranges::find(member.addresses, question.remote) != member.addresses.end() ||
           std::ranges::any_of(member.prefixes, has_it);  // SG-28
  };
  const auto holds_group = [&](const InterfaceInput& member) {
    return std::ranges::find(member.groups, group) != member.groups.end();
  };
  // The VPC's own interface is who the address means; a peered VPC's only if the address is not
  // one of the VPC itself.
  for (const InterfaceInput& member : input_.interfaces) {
    if (member.vpc == vpc && holds_address(member)) return holds_group(member);
  }
  const VpcInput& own = *find(input_.vpcs, vpc);
  for (const Cidr& cidr : own.cidrs) {
    if (cidr.contains(question.remote)) return false;
  }
  for (const InterfaceInput& member : input_.interfaces) {
    const bool is_peered = std::ranges::find(own.peers, member.vpc) != own.peers.end();
    if (is_peered && holds_address(member) && holds_group(member)) return true;
  }
  return false;
}

inline bool SlowPolicy::peer_matches(const RuleInput& rule, const Question& question) const {
  if (const Cidr* cidr = std::get_if<Cidr>(&rule.peer)) return cidr->contains(question.remote);
  if (const PrefixListIndex* index = std::get_if<PrefixListIndex>(&rule.peer)) {
    const PrefixListInput* list = find(input_.prefix_lists, *index);
    if (list == nullptr) return false;
    return std::ranges::any_of(list->entries,
                               [&](const Cidr& entry) { return entry.contains(question.remote); });
  }
  return group_has_member(std::get<GroupIndex>(rule.peer), question);
}

inline bool SlowPolicy::proto_matches(const RuleInput& rule, const Question& question) {
  const int number = rule.proto.number;
  if (number == -1) return true;
  if (number != static_cast<int>(question.proto)) return false;
  if (number == 6 || number == 17) {
    return rule.ports.low <= question.port && question.port <= rule.ports.high;
  }
  if (number == 1 && !question.remote.is_v4()) return false;
  if (number == 58 && question.remote.is_v4()) return false;
  if (number == 1 || number == 58) {
    const int type = question.port >> 8;
    const int code = question.port & 255;
    return (rule.ports.low == -1 || rule.ports.low == type) &&
           (rule.ports.high == -1 || rule.ports.high == code);
  }
  return true;
}

inline std::vector<const RuleInput*> SlowPolicy::matching_rules(const Question& question) const {
  std::vector<const RuleInput*> matching;
  for (const GroupInput& group : input_.groups) {
    const std::vector<GroupIndex>& held = interface(question).groups;
    if (std::ranges::find(held, group.index) == held.end()) continue;
    for (const RuleInput& rule : group.rules) {
      if (rule.direction != question.direction) continue;
      if (proto_matches(rule, question) && peer_matches(rule, question)) matching.push_back(&rule);
    }
  }
  return matching;
}

// -- 2.1: tracked or not? -------------------------------------------------------------------------

inline bool SlowPolicy::is_untracked(const Question& question) const {
  const int number = static_cast<int>(question.proto);
  if (number != 6 && number != 17) return false;
  const auto is_open = [&](const RuleInput& rule) {
    const Cidr* cidr = std::get_if<Cidr>(&rule.peer);
    return cidr != nullptr && cidr->length() == 0 && cidr->family() == question.remote.family();
  };
  const auto is_open_rule = [&](const RuleInput* rule) {
    return is_open(*rule) && rule->condition.is_none();
  };
  if (!std::ranges::any_of(matching_rules(question), is_open_rule)) return false;
  for (const GroupInput& group : input_.groups) {
    const std::vector<GroupIndex>& held = interface(question).groups;
    if (std::ranges::find(held, group.index) == held.end()) continue;
    for (const RuleInput& rule : group.rules) {
      const bool is_all = rule.proto.number == -1;
      const bool is_every_port =
          rule.proto.number == number && rule.ports.low == 0 && rule.ports.high == 65535;
      if (!rule.condition.is_none()) continue;
      if (rule.direction != question.direction && is_open(rule) && (is_all || is_every_port)) {
        return true;
      }
    }
  }
  return false;
}

// -- 3: network ACLs ------------------------------------------------------------------------------

inline AclAnswer SlowPolicy::ask_acl(const Question& question) const {
  const bool is_v4 = question.remote.is_v4();
  const SubnetInput& subnet = *find(input_.subnets, interface(question).subnet);
  for (const Cidr& cidr : subnet.cidrs) {
    if (cidr.contains(question.remote)) return AclAnswer();
  }
  if (subnet.acl.is_none()) return {true, true, AclIndex(), is_v4 ? 100u : 101u};
  const AclInput& acl = *find(input_.acls, subnet.acl);
  std::vector<AclEntryInput> entries =
      question.direction == Direction::Ingress ? acl.ingress : acl.egress;
  std::ranges::sort(entries, {}, &AclEntryInput::rule);
  for (const AclEntryInput& entry : entries) {
    if (!entry.cidr.contains(question.remote)) continue;
    const int number = entry.proto.number;
    if (number != -1 && number != static_cast<int>(question.proto)) continue;
    const int type = question.port >> 8;
    const int code = question.port & 255;
    bool is_matched = true;
    if (number == 6 || number == 17) {
      is_matched = entry.ports.low <= question.port && question.port <= entry.ports.high;
    } else if (number == 1 || (number == 58 && !is_v4)) {
      is_matched = (entry.ports.low == -1 || entry.ports.low == type) &&
                   (entry.ports.high == -1 || entry.ports.high == code);
    }
    if (is_matched) return {true, entry.allow, subnet.acl, entry.rule};
  }
  return {true, false, subnet.acl, is_v4 ? 32767u : 32768u};
}

// -- 1.8: what nothing filters --------------------------------------------------------------------

inline bool SlowPolicy::is_exempt(const Question& question) const {
  if (input_.exempt != ExemptProfile::Aws) return false;
  const bool is_egress = question.direction == Direction::Egress;
  const bool is_tcp = question.proto == Proto::Tcp;
  const bool is_udp = question.proto == Proto::Udp;
  const int here = is_egress ? question.source_port : question.port;
  const int there = is_egress ? question.port : question.source_port;
  const std::string remote = question.remote.to_string();
  const bool is_dhcp =
      question.remote.is_v4() ? here == 68 && there == 67 : here == 546 && there == 547;
  const bool is_server = remote == "255.255.255.255" || remote == "ff02::1:2" ||
                         Cidr::parse("fe80::/10")->contains(question.remote);
  if (is_udp && is_dhcp && is_server) return true;
  const auto is_one_of = [&](const std::vector<std::string>& texts) {
    return std::ranges::find(texts, remote) != texts.end();
  };
  std::vector<std::string> dns{"169.254.169.253", "fd00:ec2::253"};
  const InterfaceInput& eni = interface(question);
  for (const Cidr& cidr : find(input_.vpcs, eni.vpc)->cidrs) {
    if (cidr.family() != Family::Ipv4) continue;
    const IpAddr resolver = IpAddr::v4(cidr.address().v4_value() + 2);
    if (cidr.contains(resolver)) dns.push_back(resolver.to_string());
    break;
  }
  std::vector<std::string> whole{"169.254.169.254", "fd00:ec2::254", "169.254.170.2"};
  for (const Cidr& cidr : find(input_.subnets, eni.subnet)->cidrs) {
    if (cidr.family() != Family::Ipv4) continue;
    const IpAddr router = IpAddr::v4(cidr.address().v4_value() + 1);
    if (cidr.contains(router)) whole.push_back(router.to_string());
  }
  if (is_one_of(whole)) return true;
  if (is_one_of(dns) && (is_tcp || is_udp) && there == 53) return true;
  if (is_one_of({"169.254.169.250", "169.254.169.251", "fd00:ec2::250"}) && is_tcp) {
    return there == 1688;
  }
  return is_one_of({"169.254.169.123", "fd00:ec2::123"}) && is_udp && there == 123;
}

// -- 1.9: all together ----------------------------------------------------------------------------

// The rules that admit it: the plain ones, or, if there is none, those that demand something.
inline Decision SlowPolicy::decide(const Question& question) const {
  const std::vector<const RuleInput*> all = matching_rules(question);
  std::vector<const RuleInput*> plain;
  for (const RuleInput* rule : all) {
    if (rule->condition.is_none()) plain.push_back(rule);
  }
  if (!plain.empty() || all.empty()) return decide_by(plain, question);
  Decision decision = decide_by(all, question);
  decision.conditional = decision.verdict == Verdict::Accept && decision.by == By::Rule;
  return decision;
}

// A domain at a time, letter by letter.
inline bool SlowPolicy::meets_demand(const RuleInput& rule, const Identified& identified) {
  const RuleCondition& condition = rule.condition;
  const bool has_name = identified.app == App::Tls || identified.app == App::Http ||
                        identified.app == App::Quic || identified.app == App::Dns;
  if (condition.app != App::Unknown && condition.app != identified.app) return false;
  if (condition.app == App::Unknown && !has_name) return false;
  if (condition.domains.empty()) return true;
  for (const std::string& domain : condition.domains.domains()) {
    if (domain == identified.name) return true;
    if (domain.starts_with("*.") && identified.name.ends_with(domain.substr(1))) return true;
  }
  return false;
}

inline Decision SlowPolicy::decide_identified(const Question& question,
                                              const Identified& identified) const {
  const bool is_untold = identified.app == App::Unknown || identified.app == kUninspected;
  std::vector<const RuleInput*> plain;
  std::vector<const RuleInput*> met;
  bool has_app = false;
  const std::vector<const RuleInput*> all = matching_rules(question);
  for (const RuleInput* rule : all) {
    Identified without_name = identified;
    RuleInput any_name = *rule;
    any_name.condition.domains = DomainSet();
    if (any_name.condition.is_none() && !rule->condition.is_none()) {
      has_app = has_app || carries_name(identified.app);
    } else if (meets_demand(any_name, without_name)) {
      has_app = true;
    }
    if (rule->condition.is_none()) {
      plain.push_back(rule);
    } else if (is_untold ? input_.layer7.allow_unknown : meets_demand(*rule, identified)) {
      met.push_back(rule);
    }
  }
  Decision decision = decide_by(plain.empty() ? met : plain, question);
  if (decision.by == By::Rule) decision.tracked = true;
  if (decision.reason != DropReason::NoRule || all.empty()) return decision;
  decision.reason = identified.app == App::Unknown   ? DropReason::AppUnknown
                    : identified.app == kUninspected ? DropReason::AppUninspected
                    : has_app                        ? DropReason::DomainMismatch
                                                     : DropReason::AppMismatch;
  return decision;
}

inline Decision SlowPolicy::decide_by(const std::vector<const RuleInput*>& rules,
                                      const Question& question) const {
  Decision decision;
  if (is_exempt(question)) {
    decision.verdict = Verdict::Accept;
    decision.by = By::Exempt;
    decision.reason = DropReason::None;
    return decision;
  }
  const AclAnswer acl = ask_acl(question);
  Decision denied;
  denied.by = By::Acl;
  denied.reason = DropReason::AclDeny;
  denied.acl = acl;
  const bool is_ingress = question.direction == Direction::Ingress;
  if (is_ingress) {
    if (acl.asked && !acl.allow) return denied;
    decision.acl = acl;
  }
  if (rules.empty()) return decision;
  const RuleInput* smallest = *std::ranges::min_element(
      rules, {}, [](const RuleInput* rule) -> const std::string& { return rule->id; });
  if (!is_ingress) {
    if (acl.asked && !acl.allow) return denied;
    decision.acl = acl;
  }
  decision.verdict = Verdict::Accept;
  decision.by = By::Rule;
  decision.reason = DropReason::None;
  decision.rule = smallest->index;
  for (const GroupInput& group : input_.groups) {
    for (const RuleInput& rule : group.rules) {
      if (&rule == smallest) decision.group = group.index;
    }
  }
  decision.tracked = !is_untracked(question);
  return decision;
}

inline Decision SlowPolicy::decide_established(const Question& question) const {
  Decision decision;
  decision.verdict = Verdict::Accept;
  decision.reason = DropReason::None;
  decision.by = By::Exempt;
  if (is_exempt(question)) return decision;
  decision.acl = ask_acl(question);
  if (decision.acl.asked && !decision.acl.allow) {
    decision.verdict = Verdict::Drop;
    decision.by = By::Acl;
    decision.reason = DropReason::AclDeny;
    return decision;
  }
  decision.by = By::Flow;
  decision.tracked = true;
  return decision;
}

}  // namespace sluice
