#include "control/explain/query.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

constexpr std::array<std::string_view, 12> kKeys = {
    "interface",        "direction", "protocol", "source", "destination", "source_port",
    "destination_port", "type",      "code",     "state",  "app",         "domain"};

Error query_error(std::string code, std::string sentence) {
  return Error{ErrorKind::Failed, std::move(code), std::move(sentence), ""};
}

// What the question needs and does not say: on a command line that is wrong usage.
Error missing(std::string_view key) {
  std::string word(key);
  std::replace(word.begin(), word.end(), '_', '-');
  return Error{ErrorKind::Usage, "missing-" + word, std::string(key) + " is missing", ""};
}

std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

// The value of a key, or null if it is left out.
const nlohmann::json* field(const nlohmann::json& query, std::string_view key) {
  const auto place = query.find(key);
  if (place == query.end() || place->is_null()) return nullptr;
  return &*place;
}

// A string of the query; numbers are taken for protocol and ports, which people write either way.
std::optional<std::string> text_of(const nlohmann::json& value) {
  if (const auto* text = value.get_ptr<const std::string*>()) return *text;
  if (value.is_number_integer()) return value.dump();
  return std::nullopt;
}

std::optional<Error> read_text(const nlohmann::json& query, std::string_view key,
                               std::string& out) {
  const nlohmann::json* value = field(query, key);
  if (value == nullptr) return missing(key);
  std::optional<std::string> text = text_of(*value);
  if (!text) {
    return query_error("bad-" + std::string(key),
                       std::string(key) + " " + shown(*value) + " is not a string");
  }
  out = std::move(*text);
  return std::nullopt;
}

std::optional<Error> read_number(const nlohmann::json& query, std::string_view key,
                                 const char* code, std::uint64_t max, bool is_needed,
                                 std::uint64_t& out) {
  const nlohmann::json* value = field(query, key);
  if (value == nullptr) {
    if (!is_needed) return std::nullopt;
    return missing(key);
  }
  const std::optional<std::string> text = text_of(*value);
  const std::optional<std::uint64_t> number = text ? parse_number(*text, max) : std::nullopt;
  if (!number) {
    return query_error(code, std::string(key) + " " + shown(*value) + " is not a number of 0 to " +
                                 std::to_string(max));
  }
  out = *number;
  return std::nullopt;
}

std::optional<Error> read_address(const nlohmann::json& query, std::string_view key, IpAddr& out) {
  std::string text;
  if (std::optional<Error> error = read_text(query, key, text)) return error;
  const std::optional<IpAddr> address = IpAddr::parse(text);
  if (!address) {
    return query_error("bad-address",
                       std::string(key) + " '" + text + "' is not an IPv4 or IPv6 address");
  }
  out = *address;
  return std::nullopt;
}

std::optional<Error> read_words(const nlohmann::json& query, PacketQuery& out) {
  if (std::optional<Error> error = read_text(query, "interface", out.interface)) return error;
  std::string word;
  if (std::optional<Error> error = read_text(query, "direction", word)) return error;
  if (word != "ingress" && word != "egress") {
    return query_error("bad-direction", "direction '" + word + "' is neither ingress nor egress");
  }
  out.direction = word == "ingress" ? Direction::Ingress : Direction::Egress;
  if (std::optional<Error> error = read_text(query, "protocol", word)) return error;
  const std::optional<Proto> proto = parse_protocol(word);
  if (!proto) {
    return query_error("bad-protocol",
                       "protocol '" + word + "' is none of tcp, udp, icmp, icmpv6 and 0 to 255");
  }
  out.proto = *proto;
  if (field(query, "state") == nullptr) return std::nullopt;
  if (std::optional<Error> error = read_text(query, "state", word)) return error;
  if (word != "new" && word != "established") {
    return query_error("bad-state", "state '" + word + "' is neither new nor established");
  }
  out.is_established = word == "established";
  return std::nullopt;
}

std::optional<Error> read_transport(const nlohmann::json& query, PacketQuery& out) {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  if (has_ports(out.proto)) {
    if (auto error = read_number(query, "source_port", "bad-port", 65'535, false, first)) {
      return error;
    }
    if (auto error = read_number(query, "destination_port", "bad-port", 65'535, true, second)) {
      return error;
    }
    out.source_port = static_cast<std::uint16_t>(first);
    out.destination_port = static_cast<std::uint16_t>(second);
  } else if (is_icmp(out.proto)) {
    if (auto error = read_number(query, "type", "bad-icmp", 255, true, first)) return error;
    if (auto error = read_number(query, "code", "bad-icmp", 255, false, second)) return error;
    out.icmp_type = static_cast<std::uint8_t>(first);
    out.icmp_code = static_cast<std::uint8_t>(second);
  }
  return std::nullopt;
}

// "unknown": its first bytes did not tell.
std::optional<Error> read_application(const nlohmann::json& query, PacketQuery& out) {
  std::string word;
  if (field(query, "app") != nullptr) {
    if (std::optional<Error> error = read_text(query, "app", word)) return error;
    out.app = word == name_of(App::Unknown) ? App::Unknown : app_of(word);
    if (!out.app) return query_error("bad-app", "app '" + word + "' is no application");
  }
  if (field(query, "domain") == nullptr) return std::nullopt;
  if (std::optional<Error> error = read_text(query, "domain", out.domain)) return error;
  for (char& c : out.domain) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (out.app) return std::nullopt;
  return query_error("bad-app", "a domain is asked about together with an app");
}

}  // namespace

Result<PacketQuery> parse_query(const nlohmann::json& query) {
  if (!query.is_object()) return query_error("bad-query", "a query is a JSON object");
  for (const auto& item : query.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), item.key()) == kKeys.end()) {
      return query_error("unknown-key", "a query has no key " + shown(item.key()));
    }
  }
  PacketQuery out;
  if (std::optional<Error> error = read_words(query, out)) return *error;
  if (std::optional<Error> error = read_address(query, "source", out.source)) return *error;
  if (std::optional<Error> error = read_address(query, "destination", out.destination)) {
    return *error;
  }
  if (out.source.family() != out.destination.family()) {
    return query_error("mixed-families", "source " + out.source.to_string() + " and destination " +
                                             out.destination.to_string() + " are of two families");
  }
  if (std::optional<Error> error = read_transport(query, out)) return *error;
  if (std::optional<Error> error = read_application(query, out)) return *error;
  return out;
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  if (text.empty() || text.front() == '-' || text.front() == '+') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

std::optional<Proto> parse_protocol(std::string_view text) {
  if (text == "tcp") return Proto::Tcp;
  if (text == "udp") return Proto::Udp;
  if (text == "icmp") return Proto::Icmp;
  if (text == "icmpv6") return Proto::Icmpv6;
  const std::optional<std::uint64_t> number = parse_number(text, 255);
  if (!number) return std::nullopt;
  return static_cast<Proto>(*number);
}

std::string protocol_word(Proto proto) {
  if (proto == Proto::Tcp) return "tcp";
  if (proto == Proto::Udp) return "udp";
  if (proto == Proto::Icmp) return "icmp";
  if (proto == Proto::Icmpv6) return "icmpv6";
  return std::to_string(static_cast<unsigned>(proto));
}

}  // namespace sluice
