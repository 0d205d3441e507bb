#include "control/policy/read_match.h"

#include <charconv>
#include <cstdint>
#include <initializer_list>

#include "base/proto.h"
#include "control/policy/rule_id.h"

namespace sluice {

namespace {

bool is_proto(ProtoMatch match, Proto proto) { return match.number == static_cast<int>(proto); }
bool names_ports(ProtoMatch match) {
  return is_proto(match, Proto::Tcp) || is_proto(match, Proto::Udp);
}
bool names_types(ProtoMatch match) {
  return is_proto(match, Proto::Icmp) || is_proto(match, Proto::Icmpv6);
}

// Digits and nothing else.
std::optional<std::int64_t> parse_decimal(std::string_view text) {
  std::int64_t value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// 443, "443" or "8000-8080".
std::optional<PortMatch> parse_port_range(TableReader& table, const Node& node) {
  std::optional<std::int64_t> low;
  std::optional<std::int64_t> high;
  std::string shown;
  if (node.integer() != nullptr) {
    low = high = *node.integer();
    shown = std::to_string(*low);
  } else if (const std::string* text = node.string()) {
    shown = quoted(*text);
    const std::size_t dash = text->find('-');
    low = parse_decimal(std::string_view(*text).substr(0, dash));
    high =
        dash == std::string::npos ? low : parse_decimal(std::string_view(*text).substr(dash + 1));
  } else {
    table.wrong_type(node, "ports", "an integer or a string");
    return std::nullopt;
  }
  if (!low || !high) {
    table.error(node.at(), "bad-ports",
                "ports = " + shown + R"( must be a port or a range, such as 443 or "8000-8080")");
    return std::nullopt;
  }
  for (const std::int64_t port : {*low, *high}) {
    if (port >= 0 && port <= 65535) continue;
    table.error(node.at(), "bad-ports",
                "ports = " + shown + ": port " + std::to_string(port) + " is not from 0 to 65535");
    return std::nullopt;
  }
  if (*low > *high) {
    table.error(node.at(), "bad-ports",
                "ports = " + shown + " is a range that ends before it begins");
    return std::nullopt;
  }
  return PortMatch{static_cast<std::int32_t>(*low), static_cast<std::int32_t>(*high)};
}

// True if one of the keys stands where it has no meaning, which is an error each.
bool refuse_keys(TableReader& table, std::initializer_list<std::string_view> keys,
                 const std::string& reason) {
  bool refused = false;
  for (const std::string_view key : keys) {
    const Node* node = table.find(key);
    if (node == nullptr) continue;
    table.error(node->at(), "key-without-meaning", std::string(key) + " " + reason);
    refused = true;
  }
  return refused;
}

// SG-14, SG-15.
std::optional<PortMatch> read_icmp_types(TableReader& table, ProtoMatch proto) {
  const bool refused = refuse_keys(
      table, {"ports"}, "mean nothing to " + protocol_name(proto) + "; write type and code");
  const Node* type_node = table.find("type");
  const Node* code_node = table.find("code");
  const std::optional<std::int64_t> type = table.integer("type", {-1, 255});
  const std::optional<std::int64_t> code = table.integer("code", {-1, 255});
  if (refused || (type_node != nullptr && !type) || (code_node != nullptr && !code)) {
    return std::nullopt;
  }
  const PortMatch match{static_cast<std::int32_t>(type.value_or(-1)),
                        static_cast<std::int32_t>(code.value_or(-1))};
  if (match.low == -1 && match.high != -1) {
    table.error(
        code_node->at(), "bad-code",
        "code = " + std::to_string(match.high) + " needs a type: type -1 (any) demands code -1");
    return std::nullopt;
  }
  return match;
}

}  // namespace

std::optional<ProtoMatch> read_protocol(TableReader& table) {
  static constexpr std::string_view kWanted =
      R"("tcp", "udp", "icmp", "icmpv6", "-1" (all), or a number from 0 to 255)";
  const Node* node = table.require("protocol");
  if (node == nullptr) return std::nullopt;
  std::optional<std::int64_t> number;
  std::string shown;
  if (const std::string* text = node->string()) {
    shown = quoted(*text);
    if (*text == "tcp") number = static_cast<int>(Proto::Tcp);
    if (*text == "udp") number = static_cast<int>(Proto::Udp);
    if (*text == "icmp") number = static_cast<int>(Proto::Icmp);
    if (*text == "icmpv6") number = static_cast<int>(Proto::Icmpv6);
    if (*text == "-1" || *text == "all") number = ProtoMatch::kAll;
    if (!number) number = parse_decimal(*text);
  } else if (node->integer() != nullptr) {
    number = *node->integer();
    shown = std::to_string(*number);
  } else {
    table.wrong_type(*node, "protocol", "a string or an integer");
    return std::nullopt;
  }
  if (number && *number >= ProtoMatch::kAll && *number <= 255) {
    return ProtoMatch{static_cast<int>(*number)};
  }
  table.error(node->at(), "bad-protocol",
              "protocol = " + shown + " must be " + std::string(kWanted));
  return std::nullopt;
}

std::optional<PortMatch> read_port_match(TableReader& table, ProtoMatch proto) {
  if (names_types(proto)) return read_icmp_types(table, proto);
  if (names_ports(proto)) {
    const bool refused =
        refuse_keys(table, {"type", "code"}, "is of icmp and icmpv6 only; write ports");
    const Node* node = table.find("ports");
    if (node == nullptr) {
      table.error(table.at(), "missing-key",
                  "protocol " + protocol_name(proto) +
                      R"( needs ports, such as ports = 443 or ports = "0-65535")");
      return std::nullopt;
    }
    const std::optional<PortMatch> match = parse_port_range(table, *node);
    return refused ? std::nullopt : match;
  }
  const std::string reason =
      "has no meaning with protocol " + protocol_name(proto) +
      ": only tcp and udp rules name ports, only icmp and icmpv6 rules a type and a code; every "
      "packet of another protocol matches, whatever its ports (SG-13). Leave it out";
  if (refuse_keys(table, {"ports", "type", "code"}, reason)) return std::nullopt;
  return PortMatch{};
}

std::optional<Cidr> read_cidr(const Node& node, const std::string& what, Findings& findings) {
  const std::string* text = node.string();
  if (text == nullptr) {
    findings.error(node.at(), "wrong-type",
                   what + ": a CIDR must be a string, not " + std::string(node.kind_name()));
    return std::nullopt;
  }
  bool host_bits_cut = false;
  const std::optional<Cidr> cidr = Cidr::parse(*text, &host_bits_cut);
  if (!cidr) {
    std::string sentence = what + ": " + quoted(*text) + " is not a CIDR";
    if (const std::optional<IpAddr> address = IpAddr::parse(*text)) {
      sentence += "; one address is written " + Cidr::host(*address).to_string();
    }
    findings.error(node.at(), "bad-cidr", sentence);
    return std::nullopt;
  }
  if (host_bits_cut) {
    findings.note(
        node.at(), "host-bits-cut",
        what + ": " + *text + " has bits beyond its length; it counts as " + cidr->to_string());
  }
  return cidr;
}

}  // namespace sluice
