#include "lookup/l7_names.h"

#include <algorithm>

#include "lookup/l7_dns.h"
#include "lookup/l7_http.h"
#include "lookup/l7_tls.h"

namespace sluice {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

}  // namespace

HostName HostName::from(std::string_view text) {
  HostName name;
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kSizeMax) return name;
  std::size_t label = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == '.') {
      if (label == 0 || label > 63 || text[i - 1] == '-') return name;
      label = 0;
      continue;
    }
    if (!is_label_character(lowered(text[i])) || (label == 0 && text[i] == '-')) return name;
    ++label;
  }
  std::ranges::transform(text, name.text_.begin(), lowered);
  name.size_ = static_cast<std::uint8_t>(text.size());
  return name;
}

NameAnswer find_name(App app, L7Transport transport, std::span<const std::uint8_t> bytes,
                     L7Scratch& scratch) {
  const bool is_tcp = transport == L7Transport::Tcp;
  if (app == App::Tls && is_tcp) return find_tls_name(bytes, scratch);
  if (app == App::Http && is_tcp) return find_http_name(bytes);
  if (app == App::Dns) return find_dns_name(transport, bytes);
  NameAnswer none;
  none.state = NameState::None;
  return none;
}

}  // namespace sluice
