#include "control/policy/read_rules.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/proto.h"
#include "control/policy/read_layer7.h"
#include "control/policy/read_match.h"
#include "control/policy/rule_id.h"

namespace sluice {

namespace {

constexpr std::size_t kCharactersMax = 255;  // SG-6
constexpr std::string_view kNameMarks = " ._-:/()#,@[]+=&;{}!$*";

bool has_name_characters(std::string_view text, bool with_ampersand) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    if (c == '&') return with_ampersand;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kNameMarks.find(c) != std::string_view::npos;
  });
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

std::string read_description(TableReader& table) {
  const std::optional<std::string> text = table.string("description");
  if (!text) return "";
  const std::size_t count = character_count(*text);
  if (count > kCharactersMax) {
    table.error(table.place_of("description"), "too-long",
                "the description has " + std::to_string(count) + " characters; at most " +
                    std::to_string(kCharactersMax) + " may be");
  } else if (!has_name_characters(*text, false)) {
    table.findings().warning(
        table.place_of("description"), "description-characters",
        table.what() + ": AWS would refuse the description: letters, digits, blanks and " +
            "._-:/()#,@[]+=;{}!$* are allowed there");
  }
  return *text;
}

namespace {

// SG-6.
std::string read_group_name(TableReader& table) {
  const std::optional<std::string> text = table.string("name");
  if (!text) return "";
  std::string name = trimmed(*text);
  const Position at = table.place_of("name");
  if (name.empty()) {
    table.error(at, "bad-name", "the name is empty");
  } else if (character_count(name) > kCharactersMax) {
    table.error(at, "too-long",
                "the name has " + std::to_string(character_count(name)) + " characters; at most " +
                    std::to_string(kCharactersMax) + " may be");
  } else if (name.starts_with("sg-")) {
    table.error(at, "bad-name", "the name " + quoted(name) + " may not begin with sg-");
  } else if (!has_name_characters(name, true)) {
    table.error(at, "bad-name",
                "the name " + quoted(name) + " has characters other than letters, digits, blanks " +
                    "and ._-:/()#,@[]+=&;{}!$*");
  }
  return name;
}

std::optional<RulePeer> read_peer(TableReader& table, std::string_view key) {
  const Node* node = table.require(key);
  if (node == nullptr) return std::nullopt;
  const std::string* text = node->string();
  if (text == nullptr) {
    table.wrong_type(*node, key, "a string");
    return std::nullopt;
  }
  const bool is_group = text->starts_with("sg-");
  const bool is_list = text->starts_with("pl-");
  if ((is_group || is_list) && is_valid_id(*text)) {
    if (is_group) return GroupName{*text};
    return PrefixListName{*text};
  }
  if (text->find('/') == std::string::npos && !IpAddr::parse(*text)) {
    table.error(node->at(), "bad-peer",
                std::string(key) + " = " + quoted(*text) +
                    " is neither a CIDR nor a group (sg-…) nor a prefix list (pl-…)");
    return std::nullopt;
  }
  const std::optional<Cidr> cidr = read_cidr(*node, table.what(), table.findings());
  if (!cidr) return std::nullopt;
  return *cidr;
}

Tags read_tags(TableReader& table) {
  Tags tags;
  const Node* node = table.find("tags");
  if (node == nullptr) return tags;
  if (node->table() == nullptr) {
    table.wrong_type(*node, "tags", "a table");
    return tags;
  }
  for (const Node::Entry& entry : *node->table()) {
    if (entry.value.string() == nullptr) {
      table.wrong_type(entry.value, "tags." + quoted(entry.key), "a string");
      continue;
    }
    tags.emplace_back(entry.key, *entry.value.string());
  }
  return tags;
}

// SG-22: such a rule can not match anything; it is no error with AWS either.
void warn_of_family(TableReader& table, ProtoMatch proto, const Cidr& cidr, Position at) {
  const bool is_v4 = cidr.family() == Family::Ipv4;
  const Proto misplaced = is_v4 ? Proto::Icmpv6 : Proto::Icmp;
  if (proto.number != static_cast<int>(misplaced)) return;
  table.findings().warning(at, "family-mismatch",
                           table.what() + ": no packet is both " + protocol_name(proto) +
                               " and of " + cidr.to_string() + ": the rule matches nothing");
}

}  // namespace

std::optional<SecurityRule> read_security_rule(const Node& node, const std::string& group_id,
                                               Direction direction, Findings& findings) {
  const bool is_ingress = direction == Direction::Ingress;
  const std::string_view peer_key = is_ingress ? "source" : "destination";
  TableReader table(node, std::string(name_of(direction)) + " rule of " + group_id, findings);
  SecurityRule rule;
  rule.direction = direction;
  rule.at = node.at();
  const std::optional<ProtoMatch> proto = read_protocol(table);
  // Without a protocol nothing can be said of ports, but they are no unknown keys.
  for (const std::string_view key : {"ports", "type", "code"}) table.find(key);
  const std::optional<PortMatch> ports = proto ? read_port_match(table, *proto) : std::nullopt;
  std::optional<RuleCondition> condition = read_condition(table, proto);
  rule.condition_at = table.place_of(table.find("app") != nullptr ? "app" : "domains");
  const std::string_view other_key = is_ingress ? "destination" : "source";
  const bool mixed_up = table.find(other_key) != nullptr;
  if (mixed_up) {
    table.error(table.place_of(other_key), "wrong-peer-key",
                "an " + std::string(name_of(direction)) + " rule has a " + std::string(peer_key) +
                    ", not a " + std::string(other_key));
  }
  if (mixed_up && table.find(peer_key) == nullptr) return std::nullopt;
  const std::optional<RulePeer> peer = read_peer(table, peer_key);
  rule.peer_at = table.place_of(peer_key);
  rule.description = read_description(table);
  rule.tags = read_tags(table);
  table.finish();
  if (!peer) return std::nullopt;
  rule.peer = *peer;
  if (!proto || !ports || !condition || mixed_up) return rule;
  rule.proto = *proto;
  rule.ports = *ports;
  rule.condition = *std::move(condition);
  if (const auto* cidr = std::get_if<Cidr>(&rule.peer)) {
    warn_of_family(table, rule.proto, *cidr, rule.peer_at);
  }
  name_rule(group_id, rule);
  return rule;
}

namespace {

std::vector<SecurityRule> read_rule_set(TableReader& table, const std::string& group_id,
                                        Direction direction) {
  std::vector<SecurityRule> rules;
  const Node::Array* elements = table.array(name_of(direction));
  if (elements == nullptr) return rules;
  rules.reserve(elements->size());
  for (const Node& element : *elements) {
    std::optional<SecurityRule> rule =
        read_security_rule(element, group_id, direction, table.findings());
    if (rule) rules.push_back(*std::move(rule));
  }
  return rules;
}

// Nothing if the number could not be read; incomplete if something else could not, so that a number
// that is there twice is found all the same.
std::optional<AclEntry> read_acl_entry(const Node& node, std::string what, Findings& findings) {
  static constexpr std::array<std::string_view, 2> kActions = {"allow", "deny"};
  static constexpr std::int64_t kRuleMax = 32766;  // NA-2
  TableReader table(node, std::move(what), findings);
  AclEntry entry;
  entry.at = node.at();
  table.require("rule");
  const std::optional<std::int64_t> rule = table.integer("rule", {1, kRuleMax});
  if (rule) table.set_what("rule " + std::to_string(*rule) + " of " + table.what());
  table.require("action");
  const std::optional<std::size_t> action = table.choice("action", kActions);
  const std::optional<ProtoMatch> proto = read_protocol(table);
  for (const std::string_view key : {"ports", "type", "code"}) table.find(key);
  const std::optional<PortMatch> ports = proto ? read_port_match(table, *proto) : std::nullopt;
  const Node* cidr_node = table.require("cidr");
  const std::optional<Cidr> cidr =
      cidr_node == nullptr ? std::nullopt : read_cidr(*cidr_node, table.what(), findings);
  table.finish();
  if (!rule) return std::nullopt;
  entry.rule = static_cast<std::uint32_t>(*rule);
  if (!action || !proto || !ports || !cidr) return entry;
  entry.allow = *action == 0;
  entry.proto = *proto;
  entry.ports = *ports;
  entry.cidr = *cidr;
  return entry;
}

}  // namespace

std::vector<SecurityRule> implied_egress(std::string_view group_id, bool with_ipv6, Position at) {
  std::vector<SecurityRule> rules;
  for (const Cidr& everywhere : {Cidr(IpAddr::v4(0), 0), Cidr(IpAddr::v6(0, 0), 0)}) {
    if (everywhere.family() == Family::Ipv6 && !with_ipv6) continue;
    SecurityRule rule;
    rule.direction = Direction::Egress;
    rule.peer = everywhere;
    rule.implied = true;
    rule.at = at;
    rule.peer_at = at;
    name_rule(group_id, rule);
    rules.push_back(std::move(rule));
  }
  return rules;
}

SecurityGroup read_security_group(const Node& node, Findings& findings) {
  TableReader table(node, "security_group", findings);
  SecurityGroup group;
  const std::optional<std::string> id = table.required_id("id");
  group.id = id.value_or("");
  group.at = table.place_of("id");
  if (id) table.set_what("security_group " + quoted(*id));
  if (id && !id->starts_with("sg-")) {
    table.error(group.at, "bad-id", "the id of a security group begins with sg-");
  }
  group.name = read_group_name(table);
  group.name_at = table.place_of("name");
  group.description = read_description(table);
  group.vpc = table.required_id("vpc").value_or("");
  group.vpc_at = table.place_of("vpc");
  group.tags = read_tags(table);
  group.ingress = read_rule_set(table, group.id, Direction::Ingress);
  group.egress = table.find("egress") == nullptr
                     ? implied_egress(group.id, true, group.at)
                     : read_rule_set(table, group.id, Direction::Egress);
  table.finish();
  return group;
}

PrefixList read_prefix_list(const Node& node, Findings& findings) {
  static constexpr std::array<std::string_view, 2> kFamilies = {"ipv4", "ipv6"};
  constexpr auto kMaxEntriesMax = std::int64_t{kEntriesPerListMax};
  TableReader table(node, "prefix_list", findings);
  PrefixList list;
  const std::optional<std::string> id = table.required_id("id");
  list.id = id.value_or("");
  list.at = table.place_of("id");
  if (id) table.set_what("prefix_list " + quoted(*id));
  if (id && !id->starts_with("pl-"))
    table.error(list.at, "bad-id", "the id of a prefix list begins with pl-");
  list.name = table.string("name").value_or("");
  if (list.name.starts_with("com.amazonaws")) {
    table.error(table.place_of("name"), "bad-name",
                "the name " + quoted(list.name) + " may not begin with com.amazonaws (PL-4)");
  }
  table.require("family");
  const std::optional<std::size_t> family = table.choice("family", kFamilies);
  list.family = family == std::size_t{1} ? Family::Ipv6 : Family::Ipv4;
  table.require("max_entries");
  const auto max_entries = table.integer("max_entries", {1, kMaxEntriesMax});
  list.max_entries = static_cast<std::uint32_t>(max_entries.value_or(kMaxEntriesMax));
  for_each_table(table, "entries", [&](const Node& element) {
    TableReader entry(element, "entry of " + quoted(list.id), findings);
    const Node* cidr_node = entry.require("cidr");
    const std::optional<Cidr> cidr =
        cidr_node == nullptr ? std::nullopt : read_cidr(*cidr_node, entry.what(), findings);
    std::string description = read_description(entry);
    entry.finish();
    if (!cidr) return;
    if (family && cidr->family() != list.family) {
      entry.error(
          cidr_node->at(), "wrong-family",
          cidr->to_string() + " is not of the list's family, " + std::string(kFamilies[*family]));
    }
    list.entries.push_back({*cidr, std::move(description), cidr_node->at()});
  });
  table.finish();
  return list;
}

NetworkAcl read_network_acl(const Node& node, Findings& findings) {
  TableReader table(node, "network_acl", findings);
  NetworkAcl acl;
  const std::optional<std::string> id = table.required_id("id");
  acl.id = id.value_or("");
  acl.at = table.place_of("id");
  if (id) table.set_what("network_acl " + quoted(*id));
  if (id == std::string(kDefaultAclId)) {
    table.error(acl.at, "bad-id",
                "\"default\" is the name of the ACL that a subnet without one has; take another");
  }
  acl.vpc = table.required_id("vpc").value_or("");
  acl.vpc_at = table.place_of("vpc");
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    auto& entries = direction == Direction::Ingress ? acl.ingress : acl.egress;
    const Node::Array* elements = table.array(name_of(direction));
    if (elements == nullptr) continue;
    for (const Node& element : *elements) {
      std::optional<AclEntry> entry =
          read_acl_entry(element, std::string(name_of(direction)) + " of " + acl.id, findings);
      if (entry) entries.push_back(*entry);
    }
  }
  table.finish();
  return acl;
}

}  // namespace sluice
