#include "control/policy/read_layer7.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/proto.h"
#include "control/policy/read_match.h"
#include "control/policy/rule_id.h"

namespace sluice {

namespace {

constexpr std::size_t kNameMax = 253;  // RFC 1035, section 2.3.4, as text
constexpr std::size_t kLabelMax = 63;

std::string app_list() {
  std::string list;
  for (std::size_t app = 1; app < kApps; ++app) {
    if (!list.empty()) list += ", ";
    list += kAppNames[app];
  }
  return list;
}

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// What is wrong with a name of labels, and with which character of it; empty: nothing.
struct NameFault {
  std::size_t at = 0;
  std::string what;
};

NameFault fault_of(std::string_view name) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    const bool is_end = i == name.size() || name[i] == '.';
    if (!is_end && !is_label_character(name[i])) {
      const bool is_ascii = static_cast<unsigned char>(name[i]) < 0x80;
      return {i, name[i] == '*'
                     ? "an asterisk stands only for all of the front, as in *.example.org"
                 : is_ascii ? "names are letters, digits, - and _, with dots between"
                            : "names of other alphabets are written as xn--…"};
    }
    if (!is_end) continue;
    if (i == begin) return {i, "a part between two dots is empty"};
    if (i - begin > kLabelMax) return {begin, "a part is longer than 63 characters"};
    if (name[begin] == '-') return {begin, "a part begins with a hyphen"};
    if (name[i - 1] == '-') return {i - 1, "a part ends with a hyphen"};
    begin = i + 1;
  }
  return {};
}

// A list of strings, or one string with commas, as the command line has it.
std::optional<std::vector<std::string>> read_domains(TableReader& table, const Node& node) {
  std::vector<std::string> domains;
  std::unordered_set<std::string> seen;
  bool is_whole = true;
  const auto add = [&](std::string_view text, const Node& at) {
    std::optional<std::string> domain = read_domain(text, at, table);
    is_whole = is_whole && domain.has_value();
    if (!domain) return;
    if (!seen.insert(*domain).second) {
      table.error(at.at(), "duplicate-domain", "domains: " + quoted(*domain) + " is there twice");
      is_whole = false;
    }
    domains.push_back(*std::move(domain));
  };
  const std::string* text = node.string();
  const std::size_t count =
      text != nullptr ? static_cast<std::size_t>(std::count(text->begin(), text->end(), ',')) + 1
      : node.array() != nullptr ? node.array()->size()
                                : 0;
  if (count > kDomainsPerRuleMax) {
    table.over_limit(node.at(), "limit-domains-per-rule",
                     "domains has " + std::to_string(count) + " names; at most " +
                         std::to_string(kDomainsPerRuleMax) + " fit");
    return std::nullopt;
  }
  if (text != nullptr) {
    for (std::size_t begin = 0; begin <= text->size();) {
      const std::size_t end = std::min(text->find(',', begin), text->size());
      add(std::string_view(*text).substr(begin, end - begin), node);
      begin = end + 1;
    }
  } else if (node.array() != nullptr) {
    for (const Node& element : *node.array()) {
      if (element.string() == nullptr) {
        table.wrong_type(element, "a domain", "a string");
        is_whole = false;
      } else {
        add(*element.string(), element);
      }
    }
    if (node.array()->empty()) {
      table.error(node.at(), "empty", "domains is empty; leave it out or name one");
      return std::nullopt;
    }
  } else {
    table.wrong_type(node, "domains", "an array of strings");
    return std::nullopt;
  }
  if (!is_whole) return std::nullopt;
  return domains;
}

std::optional<App> read_app(TableReader& table, const Node& node) {
  const std::string* text = node.string();
  if (text == nullptr) {
    table.wrong_type(node, "app", "a string");
    return std::nullopt;
  }
  const std::optional<App> app = app_of(*text);
  if (!app) {
    table.error(
        node.at(), "unknown-app",
        "app = " + quoted(*text) + " is no application that is known; there are " + app_list());
  }
  return app;
}

bool has_demands(std::optional<ProtoMatch> proto) {
  return proto && (proto->number == static_cast<int>(Proto::Tcp) ||
                   proto->number == static_cast<int>(Proto::Udp));
}

}  // namespace

std::optional<std::string> read_domain(std::string_view text, const Node& node,
                                       TableReader& table) {
  std::string domain;
  for (const char c : text) domain += lower(c);
  const std::size_t front = domain.starts_with("*.") ? 2 : 0;
  NameFault fault = fault_of(std::string_view(domain).substr(front));
  fault.at += front;
  if (domain.size() > kNameMax + front) {
    fault = {kNameMax, "it has " + std::to_string(domain.size()) + " characters; at most " +
                           std::to_string(kNameMax) + " may be"};
  }
  if (domain.empty()) fault = {0, "it is empty"};
  if (fault.what.empty()) return domain;
  table.error(node.at(), "bad-domain",
              "domains: " + quoted(text) + " is not a host name, at character " +
                  std::to_string(fault.at + 1) + ": " + fault.what);
  return std::nullopt;
}

std::optional<RuleCondition> read_condition(TableReader& table, std::optional<ProtoMatch> proto) {
  const Node* app_node = table.find("app");
  const Node* domains_node = table.find("domains");
  RuleCondition condition;
  if (app_node == nullptr && domains_node == nullptr) return condition;
  bool is_whole = true;
  if (proto && !has_demands(proto)) {
    const Node* node = app_node != nullptr ? app_node : domains_node;
    table.error(node->at(), "key-without-meaning",
                std::string(app_node != nullptr ? "app" : "domains") +
                    " is of tcp and udp rules only, not of protocol " + protocol_name(*proto));
    is_whole = false;
  }
  if (app_node != nullptr) {
    const std::optional<App> app = read_app(table, *app_node);
    is_whole = is_whole && app.has_value();
    condition.app = app.value_or(App::Unknown);
  }
  if (domains_node != nullptr) {
    std::optional<std::vector<std::string>> domains = read_domains(table, *domains_node);
    is_whole = is_whole && domains.has_value();
    if (domains) condition.domains = DomainSet(*std::move(domains));
    if (condition.app != App::Unknown && !carries_name(condition.app)) {
      table.error(domains_node->at(), "key-without-meaning",
                  "domains has no meaning with app = " + quoted(name_of(condition.app)) +
                      ": only tls, http, quic and dns name a host");
      is_whole = false;
    }
  }
  if (!is_whole) return std::nullopt;
  return condition;
}

Signature read_signature(const Node& node, Findings& findings) {
  static constexpr std::array<std::string_view, 2> kActions = {"alert", "drop"};
  static constexpr std::string_view kFlags = "ims";
  TableReader table(node, "signature", findings);
  Signature signature;
  const std::optional<std::string> id = table.required_id("id");
  signature.id = id.value_or("");
  signature.at = table.place_of("id");
  if (id) table.set_what("signature " + quoted(*id));
  signature.pattern = table.required_string("pattern").value_or("");
  signature.pattern_at = table.place_of("pattern");
  if (table.find("pattern") != nullptr && signature.pattern.empty()) {
    table.error(signature.pattern_at, "empty", "pattern is empty; it would match everything");
  }
  if (signature.pattern.size() > kPatternSizeMax) {
    table.over_limit(signature.pattern_at, "limit-pattern-size",
                     "the pattern has " + std::to_string(signature.pattern.size()) +
                         " bytes; at most " + std::to_string(kPatternSizeMax) + " fit");
  }
  signature.flags = table.string("flags").value_or("");
  for (std::size_t i = 0; i < signature.flags.size(); ++i) {
    const char flag = signature.flags[i];
    const bool is_twice = signature.flags.find(flag) < i;
    if (kFlags.find(flag) != std::string_view::npos && !is_twice) continue;
    table.error(table.place_of("flags"), "bad-flags",
                "flags = " + quoted(signature.flags) + ": " + quoted(std::string(1, flag)) +
                    (is_twice ? " is there twice" : " is none of i, m and s"));
    signature.flags.clear();  // so that its pattern can be checked all the same
  }
  table.require("action");
  signature.action = static_cast<SignatureAction>(table.choice("action", kActions).value_or(0));
  table.finish();
  return signature;
}

void read_layer7_settings(TableReader& top, Layer7Settings& settings) {
  static constexpr std::array<std::string_view, 2> kActions = {"drop", "allow"};
  const Node* node = top.find("layer7");
  if (node == nullptr) return;
  TableReader table(*node, "layer7", top.findings());
  settings.allow_unknown = table.choice("action_on_unknown", kActions).value_or(0) == 1;
  const auto read = [&](std::string_view key, IntegerRange range, std::uint32_t& value) {
    const std::optional<std::int64_t> number = table.integer(key, range);
    if (number) value = static_cast<std::uint32_t>(*number);
  };
  read("packets", {1, 100'000, "packets"}, settings.packets_max);
  read("seconds", {1, 60, "s"}, settings.seconds_max);
  read("worker_budget", {0, 100'000'000, "packets/s"}, settings.worker_budget);
  read("interface_budget", {0, 100'000'000, "packets/s"}, settings.interface_budget);
  table.finish();
}

}  // namespace sluice
