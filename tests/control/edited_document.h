#pragma once

// A policy document and random edits of it. Whoever asks for an edit gets it as the control socket
// takes it, and the document has it already, written into it by hand: what applying the document as
// a whole gives is what the edits must have led to.
//
// The policy is small and its words are few, so that edits meet: prefixes that nest, VPCs that
// overlap, rules that differ in one port or in their group, entries that come, go and come again.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/cidr.h"
#include "control/policy/json_document.h"
#include "control/policy/read_rules.h"
#include "lookup/question.h"

namespace sluice {

// A question of an interface by its name: its number differs from registry to registry.
struct NamedQuestion {
  std::string interface;
  Question question;  // but for its `eni`
};

// A value: a copy draws the same edits as the original.
class EditedDocument {
 public:
  using Json = nlohmann::json;

  // `with_demands`: some of the rules demand an application or names.
  EditedDocument(std::uint64_t seed, bool with_demands);

  // The document as it is now.
  std::string text() const;
  // One of {"do": …}, made in the document too. It is possible: nothing refuses it.
  Json edit();
  // One that is refused, since it is done already, or cannot be done. The document stays.
  Json impossible_edit();
  // Aimed at a rule of the interface's groups, more often than not.
  NamedQuestion question();

  // A number of 0 … count - 1, for tests that need further choices.
  std::size_t below(std::size_t count) { return random_() % count; }
  bool one_in(std::size_t count) { return below(count) == 0; }

 private:
  static constexpr std::size_t kRulesMax = 9;  // of a group and direction
  static constexpr std::size_t kEntriesMax = 8;

  struct Rule {
    Json json;  // as a document has it
    SecurityRule rule;
  };
  struct Group {
    std::string id;
    std::string name;
    std::string vpc;
    std::array<std::vector<Rule>, 2> rules;  // by direction
    bool egress_is_implied = false;          // left out of the document (SG-4)
    bool is_implied = false;                 // a default group that the document leaves out (SG-5)

    bool has(const std::string& rule) const {
      return std::ranges::any_of(rules, [&](const std::vector<Rule>& of_direction) {
        return std::ranges::find(of_direction, rule, [](const Rule& one) { return one.rule.id; }) !=
               of_direction.end();
      });
    }
  };
  struct Interface {
    std::string id;
    std::string subnet;
    std::string vpc;
    std::vector<IpAddr> addresses;
    std::vector<Cidr> prefixes;
    std::vector<std::string> groups;
  };
  struct List {
    std::string id;
    Family family = Family::Ipv4;
    std::vector<std::pair<Cidr, std::string>> entries;  // and their descriptions

    auto find(const Cidr& cidr) {
      return std::ranges::find(entries, cidr, [](const auto& entry) { return entry.first; });
    }
  };

  template <class T>
  T& any_of(std::vector<T>& things) {
    return things[below(things.size())];
  }
  template <class T>
  T choose(std::initializer_list<T> things) {
    return things.begin()[below(things.size())];
  }

  void add_vpc(char letter, std::uint32_t block);
  void add_group(std::string id, std::string name, const std::string& vpc);
  void add_interface(const std::string& vpc, std::uint32_t block, std::uint32_t number);
  void fill_groups();
  void add_lists();
  Json acl(const std::string& vpc);
  static void put(Group& group, Json json, Direction direction);

  IpAddr any_address(Family family);
  IpAddr any_address_in(const Cidr& cidr);
  IpAddr own_address(Interface& interface);
  Cidr any_cidr(Family family);
  Cidr any_entry(Family family);
  Json any_rule(const Group& group, Direction direction);
  void put_match(Json& rule);
  std::string any_peer(const Group& group);
  IpAddr aimed_remote(const SecurityRule& rule, Family family);
  static bool are_joined(const std::string& a, const std::string& b) {
    return a == b || (a != "vpc-c" && b != "vpc-c");
  }

  std::optional<Json> add_rule();
  std::optional<Json> remove_rule();
  std::optional<Json> change_member();
  std::optional<Json> change_entry();

  std::mt19937_64 random_;
  bool with_demands_;
  Json vpcs_ = Json::array();
  Json subnets_ = Json::array();
  Json acls_ = Json::array();
  std::vector<Group> groups_;
  std::vector<Interface> interfaces_;
  std::vector<List> lists_;
};

inline EditedDocument::EditedDocument(std::uint64_t seed, bool with_demands)
    : random_(seed), with_demands_(with_demands) {
  add_lists();
  add_vpc('a', 0);
  add_vpc('b', 1);
  add_vpc('c', 0);  // the addresses of the first one, which it is not joined to
  fill_groups();
}

inline void EditedDocument::add_vpc(char letter, std::uint32_t block) {
  const std::string name(1, letter);
  const std::string vpc = "vpc-" + name;
  const IpAddr v4 = IpAddr::v4(10u << 24 | block << 16);
  const IpAddr v6 = IpAddr::v6(0xfd00'0010'0000'0000u | std::uint64_t{block} << 16, 0);
  vpcs_.push_back({{"id", vpc}, {"cidrs", {Cidr(v4, 16).to_string(), Cidr(v6, 56).to_string()}}});
  if (letter != 'c') acls_.push_back(acl(vpc));
  for (std::uint32_t i = 0; i < 2; ++i) {
    const Cidr small(IpAddr::v4(v4.v4_value() | i << 8), 24);
    const Cidr large(IpAddr::v6(v6.high() | i, 0), 64);
    Json subnet = {{"id", "subnet-" + name + std::to_string(i)},
                   {"vpc", vpc},
                   {"cidrs", {small.to_string(), large.to_string()}}};
    if (i == 0 && letter != 'c') subnet["network_acl"] = "acl-" + vpc;
    subnets_.push_back(std::move(subnet));
  }
  for (std::uint32_t i = 0; i < 3; ++i) {
    const std::string number = name + std::to_string(i);
    add_group("sg-" + number, "group " + number, vpc);
  }
  add_group("sg-default-" + name, "default", vpc);
  for (std::uint32_t i = 0; i < 4; ++i) add_interface(vpc, block, i);
}

inline EditedDocument::Json EditedDocument::acl(const std::string& vpc) {
  Json acl = {{"id", "acl-" + vpc}, {"vpc", vpc}};
  for (const char* direction : {"ingress", "egress"}) {
    Json& entries = acl[direction] = Json::array();
    for (int number = 10; number < 50; number += 10) {
      Json entry = {{"rule", number},
                    {"action", one_in(2) ? "deny" : "allow"},
                    {"cidr", any_cidr(one_in(3) ? Family::Ipv6 : Family::Ipv4).to_string()}};
      put_match(entry);
      entries.push_back(std::move(entry));
    }
    for (const char* everywhere : {"0.0.0.0/0", "::/0"}) {
      entries.push_back({{"rule", 100 + entries.size()},
                         {"action", "allow"},
                         {"protocol", "-1"},
                         {"cidr", everywhere}});
    }
  }
  return acl;
}

inline void EditedDocument::put(Group& group, Json json, Direction direction) {
  Findings findings("rule");
  const std::optional<Node> node = parse_json_document(json.dump(), findings);
  CHECK(node.has_value());
  std::optional<SecurityRule> rule = read_security_rule(*node, group.id, direction, findings);
  CHECK(rule.has_value() && !rule->canonical.empty());
  if (group.has(rule->id)) return;  // a duplicate (SG-18)
  group.rules[static_cast<std::size_t>(direction)].push_back({std::move(json), *std::move(rule)});
}

inline void EditedDocument::add_group(std::string id, std::string name, const std::string& vpc) {
  Group group{std::move(id), std::move(name), vpc, {}, false, false};
  group.is_implied = group.name == "default";
  group.egress_is_implied = group.is_implied || one_in(2);
  if (group.is_implied) put(group, {{"protocol", "-1"}, {"source", group.id}}, Direction::Ingress);
  if (group.egress_is_implied) {
    for (const char* everywhere : {"0.0.0.0/0", "::/0"}) {
      put(group, {{"protocol", "-1"}, {"destination", everywhere}}, Direction::Egress);
    }
  }
  groups_.push_back(std::move(group));
}

// What is implied stays as it is until it is edited.
inline void EditedDocument::fill_groups() {
  for (Group& group : groups_) {
    if (group.is_implied) continue;
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      if (direction == Direction::Egress && group.egress_is_implied) continue;
      for (int i = 0; i < 4; ++i) put(group, any_rule(group, direction), direction);
    }
  }
  for (Interface& interface : interfaces_) {
    for (const Group& group : groups_) {
      if (group.vpc == interface.vpc && one_in(2)) interface.groups.push_back(group.id);
    }
  }
}

inline void EditedDocument::add_interface(const std::string& vpc, std::uint32_t block,
                                          std::uint32_t number) {
  const std::uint32_t subnet = number % 2;
  const std::string name(1, vpc.back());
  const std::uint32_t v4 = 10u << 24 | block << 16 | subnet << 8;
  const std::uint64_t high = 0xfd00'0010'0000'0000u | std::uint64_t{block} << 16 | subnet;
  Interface interface;
  interface.id = "eni-" + name + std::to_string(number);
  interface.subnet = "subnet-" + name + std::to_string(subnet);
  interface.vpc = vpc;
  interface.addresses = {IpAddr::v4(v4 + 10 + number), IpAddr::v6(high, 16 + number)};
  if (number == 0) interface.prefixes.push_back(Cidr(IpAddr::v4(v4 + 192), 28));
  if (number == 1) interface.prefixes.push_back(Cidr(IpAddr::v6(high, std::uint64_t{1} << 48), 80));
  interfaces_.push_back(std::move(interface));
}

inline void EditedDocument::add_lists() {
  for (std::size_t i = 0; i < 4; ++i) {
    List list{"pl-" + std::to_string(i), i == 3 ? Family::Ipv6 : Family::Ipv4, {}};
    for (std::size_t k = below(4); k > 0; --k) {
      const Cidr cidr = any_entry(list.family);
      if (list.find(cidr) == list.entries.end()) list.entries.emplace_back(cidr, "");
    }
    lists_.push_back(std::move(list));
  }
}

inline std::string EditedDocument::text() const {
  Json document = {{"vpc", vpcs_}, {"subnet", subnets_}, {"network_acl", acls_}};
  document["peering"].push_back({{"vpcs", {"vpc-a", "vpc-b"}}});
  for (const List& list : lists_) {
    Json entries = Json::array();
    for (const auto& [cidr, description] : list.entries) {
      Json entry;
      entry["cidr"] = cidr.to_string();
      if (!description.empty()) entry["description"] = description;
      entries.push_back(std::move(entry));
    }
    document["prefix_list"].push_back({{"id", list.id},
                                       {"family", list.family == Family::Ipv4 ? "ipv4" : "ipv6"},
                                       {"max_entries", kEntriesMax},
                                       {"entries", std::move(entries)}});
  }
  for (const Group& group : groups_) {
    if (group.is_implied) continue;
    Json row = {{"id", group.id}, {"name", group.name}, {"vpc", group.vpc}};
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      if (direction == Direction::Egress && group.egress_is_implied) continue;
      Json& rules = row[std::string(name_of(direction))] = Json::array();
      for (const Rule& rule : group.rules[static_cast<std::size_t>(direction)]) {
        rules.push_back(rule.json);
      }
    }
    if (group.name == "default") row["description"] = "default VPC security group";
    document["security_group"].push_back(std::move(row));
  }
  for (const Interface& interface : interfaces_) {
    Json row = {{"id", interface.id},
                {"subnet", interface.subnet},
                {"security_groups", interface.groups},
                {"addresses", Json::array()},
                {"prefixes", Json::array()}};
    for (const IpAddr& address : interface.addresses) row["addresses"] += address.to_string();
    for (const Cidr& prefix : interface.prefixes) row["prefixes"] += prefix.to_string();
    document["interface"].push_back(std::move(row));
  }
  return document.dump();
}

// Few distinct values, so that prefixes meet.
inline IpAddr EditedDocument::any_address(Family family) {
  if (family == Family::Ipv4) {
    const std::uint32_t top = choose({10u, 10u, 10u, 203u, 0u});
    return IpAddr::v4(top << 24 | static_cast<std::uint32_t>(below(2) << 16 | below(2) << 8) |
                      static_cast<std::uint32_t>(one_in(2) ? 10 + below(4) : below(256)));
  }
  const std::uint64_t top = one_in(4) ? 0x2001'0db8'0000'0000u : 0xfd00'0010'0000'0000u;
  return IpAddr::v6(top | below(2) << 16 | below(2), one_in(3) ? random_() : 16 + below(4));
}

inline IpAddr EditedDocument::any_address_in(const Cidr& cidr) {
  const std::uint64_t noise = one_in(3) ? 0 : one_in(2) ? ~std::uint64_t{0} : random_();
  const IpAddr base = cidr.address();
  if (base.is_v4()) {
    const IpAddr all = IpAddr::v4(static_cast<std::uint32_t>(noise));
    return IpAddr::v4(base.v4_value() |
                      (all.v4_value() ^ mask_address(all, cidr.length()).v4_value()));
  }
  const IpAddr all = IpAddr::v6(noise, noise);
  const IpAddr kept = mask_address(all, cidr.length());
  return IpAddr::v6(base.high() | (all.high() ^ kept.high()),
                    base.low() | (all.low() ^ kept.low()));
}

inline Cidr EditedDocument::any_cidr(Family family) {
  static constexpr std::array<std::uint8_t, 8> kShort = {0, 0, 1, 8, 16, 24, 28, 32};
  static constexpr std::array<std::uint8_t, 8> kLong = {0, 0, 1, 32, 56, 64, 80, 128};
  return Cidr(any_address(family), (family == Family::Ipv4 ? kShort : kLong)[below(8)]);
}

// Of so few that edits of one request meet.
inline Cidr EditedDocument::any_entry(Family family) {
  const auto block = static_cast<std::uint32_t>(below(2));
  if (family == Family::Ipv4) {
    return Cidr(IpAddr::v4(10u << 24 | block << 16), choose<std::uint8_t>({0, 8, 16, 24, 28, 32}));
  }
  return Cidr(IpAddr::v6(0xfd00'0010'0000'0000u | std::uint64_t{block} << 16, 0),
              choose<std::uint8_t>({0, 32, 56, 64, 128}));
}

inline IpAddr EditedDocument::own_address(Interface& interface) {
  const bool is_single = interface.prefixes.empty() || one_in(2);
  return is_single ? any_of(interface.addresses) : any_address_in(any_of(interface.prefixes));
}

// Which packets, of a rule or an entry of an ACL.
inline void EditedDocument::put_match(Json& rule) {
  const std::string proto = choose({"tcp", "tcp", "tcp", "udp", "icmp", "icmpv6", "-1", "47"});
  rule["protocol"] = proto;
  if (proto == "tcp" || proto == "udp") {
    const auto low = choose<std::size_t>({22, 80, 443, 8'000});
    rule["ports"] = choose({std::to_string(low), std::string("0-65535"),
                            std::to_string(low) + "-" + std::to_string(low + below(3))});
  } else if (proto == "icmp" || proto == "icmpv6") {
    rule["type"] = choose({-1, 0, 8, 128});
    rule["code"] = rule["type"] == -1 ? -1 : choose({-1, 0});
  }
}

inline std::string EditedDocument::any_peer(const Group& group) {
  if (one_in(3)) {
    for (;;) {
      const Group& peer = any_of(groups_);
      if (are_joined(group.vpc, peer.vpc)) return peer.id;
    }
  }
  if (one_in(3)) return any_of(lists_).id;
  return any_cidr(one_in(3) ? Family::Ipv6 : Family::Ipv4).to_string();
}

inline EditedDocument::Json EditedDocument::any_rule(const Group& group, Direction direction) {
  Json rule;
  put_match(rule);
  rule[direction == Direction::Ingress ? "source" : "destination"] = any_peer(group);
  if (with_demands_ && rule["protocol"] == "tcp" && one_in(3)) {
    rule["app"] = choose({"http", "tls", "ssh"});
    if (rule["app"] != "ssh" && one_in(2)) rule["domains"] = choose({"a.example", "*.example"});
  }
  if (one_in(4)) rule["description"] = choose({"one", "another"});
  return rule;
}

inline EditedDocument::Json EditedDocument::edit() {
  for (;;) {
    std::optional<Json> made;
    switch (below(8)) {
      case 0:
      case 1:
        made = add_rule();
        break;
      case 2:
      case 3:
        made = remove_rule();
        break;
      case 4:
      case 5:
        made = change_member();
        break;
      default:
        made = change_entry();
    }
    if (made) return *std::move(made);
  }
}

inline std::optional<EditedDocument::Json> EditedDocument::add_rule() {
  Group& group = any_of(groups_);
  const Direction direction = one_in(2) ? Direction::Ingress : Direction::Egress;
  std::vector<Rule>& rules = group.rules[static_cast<std::size_t>(direction)];
  if (rules.size() == kRulesMax) return std::nullopt;
  const std::size_t before = rules.size();
  put(group, any_rule(group, direction), direction);
  if (rules.size() == before) return std::nullopt;
  group.is_implied = group.egress_is_implied = false;
  Json edit = rules.back().json;
  edit["do"] = "rule.add";
  edit["group"] = group.id;
  edit["direction"] = name_of(direction);
  return edit;
}

inline std::optional<EditedDocument::Json> EditedDocument::remove_rule() {
  Group& group = any_of(groups_);
  std::vector<Rule>& rules = group.rules[below(2)];
  if (rules.empty()) return std::nullopt;
  const std::size_t at = below(rules.size());
  Json edit = {{"do", "rule.remove"}, {"rule", rules[at].rule.id}};
  rules.erase(rules.begin() + static_cast<std::ptrdiff_t>(at));
  group.is_implied = group.egress_is_implied = false;
  return edit;
}

inline std::optional<EditedDocument::Json> EditedDocument::change_member() {
  Interface& interface = any_of(interfaces_);
  const Group& group = any_of(groups_);
  if (group.vpc != interface.vpc) return std::nullopt;
  const bool leaves = std::erase(interface.groups, group.id) != 0;
  if (!leaves) interface.groups.push_back(group.id);
  return Json{{"do", leaves ? "interface.detach" : "interface.attach"},
              {"interface", interface.id},
              {"group", group.id}};
}

inline std::optional<EditedDocument::Json> EditedDocument::change_entry() {
  List& list = any_of(lists_);
  const Cidr cidr = any_entry(list.family);
  const auto place = list.find(cidr);
  Json edit = {{"list", list.id}, {"cidr", cidr.to_string()}};
  if (place != list.entries.end()) {
    list.entries.erase(place);
    edit["do"] = "prefix-list.remove";
    return edit;
  }
  if (list.entries.size() == kEntriesMax) return std::nullopt;
  list.entries.emplace_back(cidr, choose({"", "one", "another"}));
  edit["do"] = "prefix-list.add";
  edit["description"] = list.entries.back().second;
  return edit;
}

inline EditedDocument::Json EditedDocument::impossible_edit() {
  EditedDocument trial = *this;
  const Json done = trial.edit();
  random_ = trial.random_;
  const std::string word = done["do"];
  if (word == "rule.add") return {{"do", "rule.remove"}, {"rule", "sgr-00000000000000000"}};
  if (word == "rule.remove") {
    for (const Group& group : groups_) {
      for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
        for (const Rule& rule : group.rules[static_cast<std::size_t>(direction)]) {
          if (rule.rule.id != done["rule"]) continue;
          Json again = rule.json;
          again["do"] = "rule.add";
          again["group"] = group.id;
          again["direction"] = name_of(direction);
          return again;
        }
      }
    }
  }
  Json opposite = done;
  opposite["do"] = word == "interface.attach"   ? "interface.detach"
                   : word == "interface.detach" ? "interface.attach"
                   : word == "prefix-list.add"  ? "prefix-list.remove"
                                                : "prefix-list.add";
  if (word == "prefix-list.add") opposite.erase("description");
  return opposite;
}

// An address that the rule's peer stands for, if that is easily had.
inline IpAddr EditedDocument::aimed_remote(const SecurityRule& rule, Family family) {
  if (const Cidr* cidr = std::get_if<Cidr>(&rule.peer)) {
    if (cidr->family() == family) return any_address_in(*cidr);
  } else if (const auto* name = std::get_if<PrefixListName>(&rule.peer)) {
    for (List& list : lists_) {
      const bool fits = list.id == name->id && list.family == family && !list.entries.empty();
      if (fits) return any_address_in(any_of(list.entries).first);
    }
  } else {
    for (int attempt = 0; attempt < 10; ++attempt) {
      Interface& member = any_of(interfaces_);
      const IpAddr address = own_address(member);
      if (address.family() != family) continue;
      const std::string& group = std::get<GroupName>(rule.peer).id;
      if (std::ranges::find(member.groups, group) != member.groups.end()) return address;
    }
  }
  return one_in(2) ? any_address(family) : any_address_in(any_entry(family));
}

inline NamedQuestion EditedDocument::question() {
  Interface& interface = any_of(interfaces_);
  NamedQuestion named{interface.id, {}};
  Question& question = named.question;
  question.direction = one_in(2) ? Direction::Ingress : Direction::Egress;
  question.local = own_address(interface);
  const Family family = question.local.family();
  question.proto = choose({Proto::Tcp, Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Icmpv6});
  question.remote = any_address(family);
  std::int32_t port = choose({22, 80, 443, 8'000, 8'001});
  for (int attempt = 0; attempt < 8; ++attempt) {
    Group& group = any_of(groups_);
    if (std::ranges::find(interface.groups, group.id) == interface.groups.end()) continue;
    std::vector<Rule>& rules = group.rules[static_cast<std::size_t>(question.direction)];
    if (rules.empty()) continue;
    const SecurityRule& rule = any_of(rules).rule;
    if (rule.proto.number >= 0) question.proto = static_cast<Proto>(rule.proto.number);
    if (has_ports(question.proto)) port = rule.ports.high + choose({0, 0, 0, 1, -1});
    if (is_icmp(question.proto)) port = std::max(rule.ports.low, 0) << 8;
    question.remote = aimed_remote(rule, family);
    break;
  }
  if (has_ports(question.proto)) question.source_port = 40'000;
  const bool has_numbers = has_ports(question.proto) || is_icmp(question.proto);
  question.port = has_numbers ? static_cast<std::uint16_t>(port) : std::uint16_t{0};
  return named;
}

}  // namespace sluice
