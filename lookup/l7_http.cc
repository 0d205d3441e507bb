#include "lookup/l7_http.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "lookup/l7_patterns.h"

namespace sluice {
namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n";

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char a, char b) { return lowered(a) == b; });
}

// Nothing that ends, breaks or hides a part of a line; a tab is white space.
bool has_control_character(std::string_view line) {
  return std::ranges::any_of(line, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

std::string_view without_blanks(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes a line off `text`, without its end; nothing while the end is not there.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// What one place says of the host.
struct Host {
  bool is_said = false;       // the place exists
  bool is_malformed = false;  // it holds no host
  bool is_literal = false;    // an IPv6 address
  HostName name;              // empty for an IPv6 literal, and for an empty field
};

// "host", "host:port", "[v6]:port"; no user information (RFC 9110 4.2.4).
Host read_authority(std::string_view text) {
  Host host;
  host.is_said = true;
  if (text.empty()) return host;
  std::string_view port;
  if (text.starts_with('[')) {
    host.is_literal = true;
    const std::size_t end = text.find(']');
    host.is_malformed = end == std::string_view::npos || end < 3;
    if (host.is_malformed) return host;
    for (const char c : text.substr(1, end - 1)) {
      const char low = lowered(c);
      const bool is_hex = (low >= '0' && low <= '9') || (low >= 'a' && low <= 'f');
      if (!is_hex && c != ':' && c != '.') host.is_malformed = true;
    }
    port = text.substr(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    port = text.substr(colon);
    host.name = HostName::from(text.substr(0, colon));
    host.is_malformed = host.name.is_empty();
  }
  if (port.empty()) return host;
  const bool is_number =
      std::ranges::all_of(port.substr(1), [](char c) { return c >= '0' && c <= '9'; });
  if (port.front() != ':' || port.size() > 6 || !is_number) host.is_malformed = true;
  return host;
}

// The host in the target of the request line "METHOD TARGET HTTP/1.x".
Host read_request_line(std::string_view line) {
  Host wrong;
  wrong.is_malformed = true;
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || last <= first + 1) return wrong;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!version.starts_with("HTTP/1.") || target.find(' ') != std::string_view::npos) return wrong;
  if (line.substr(0, first) == "CONNECT") return read_authority(target);
  if (target.front() == '/' || target == "*") return {};
  const std::size_t scheme = target.find("://");
  if (scheme == std::string_view::npos) return wrong;
  const std::string_view behind = target.substr(scheme + 3);
  return read_authority(behind.substr(0, std::min(behind.find_first_of("/?#"), behind.size())));
}

// The two places together.
NameAnswer answer_of(const Host& target, const Host& field) {
  if (target.is_malformed || field.is_malformed) return NameAnswer::of(NameState::Malformed);
  if (target.is_said && field.is_said && (field.is_literal || !field.name.is_empty()) &&
      target.name.text() != field.name.text()) {
    return NameAnswer::of(NameState::Malformed);
  }
  const Host& host = target.is_said ? target : field;
  if (host.name.is_empty()) return NameAnswer::of(NameState::None);
  NameAnswer answer;
  answer.state = NameState::Name;
  answer.name = host.name;
  return answer;
}

NameAnswer read_request(std::string_view text) {
  const std::optional<std::string_view> request = take_line(text);
  if (!request) return NameAnswer::of(NameState::NeedMore);
  if (has_control_character(*request)) return NameAnswer::of(NameState::Malformed);
  const Host target = read_request_line(*request);
  Host field;
  while (true) {
    const std::optional<std::string_view> line = take_line(text);
    if (!line)
      return NameAnswer::of(target.is_malformed ? NameState::Malformed : NameState::NeedMore);
    if (line->empty()) return answer_of(target, field);
    if (has_control_character(*line)) return NameAnswer::of(NameState::Malformed);
    const std::size_t colon = line->find(':');
    if (colon == std::string_view::npos || colon == 0) return NameAnswer::of(NameState::Malformed);
    const std::string_view name = line->substr(0, colon);
    // A folded line begins with a blank; a blank before the colon hides a field from some readers.
    if (name.find_first_of(" \t") != std::string_view::npos)
      return NameAnswer::of(NameState::Malformed);
    if (!equals_ignoring_case(name, "host")) continue;
    if (field.is_said) return NameAnswer::of(NameState::Malformed);
    field = read_authority(without_blanks(line->substr(colon + 1)));
  }
}

}  // namespace

NameAnswer find_http_name(std::span<const std::uint8_t> stream) {
  const std::string_view whole(reinterpret_cast<const char*>(stream.data()), stream.size());
  const std::string_view text = whole.substr(0, kL7HelloBytes);
  if (text.starts_with(kHttp2Preface)) return NameAnswer::of(NameState::None);
  const NameAnswer answer = read_request(text);
  const bool is_too_long = answer.state == NameState::NeedMore && stream.size() >= kL7HelloBytes;
  return is_too_long ? NameAnswer::of(NameState::Malformed) : answer;
}

}  // namespace sluice
