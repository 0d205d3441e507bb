#include "base/address.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstring>

namespace sluice {

namespace {

std::uint64_t load_be64(const std::uint8_t* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
  return __builtin_bswap64(value);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

IpAddr IpAddr::v6_from_wire(const std::uint8_t* bytes16) {
  return v6(load_be64(bytes16), load_be64(bytes16 + 8));
}

void IpAddr::to_wire16(std::uint8_t* bytes16) const {
  const std::uint64_t high = __builtin_bswap64(high_);
  const std::uint64_t low = __builtin_bswap64(low_);
  std::memcpy(bytes16, &high, sizeof high);
  std::memcpy(bytes16 + 8, &low, sizeof low);
}

std::optional<IpAddr> IpAddr::parse(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof copy) return std::nullopt;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  if (std::strlen(copy) != text.size()) return std::nullopt;
  in_addr four;
  if (inet_pton(AF_INET, copy, &four) == 1) return v4(ntohl(four.s_addr));
  in6_addr six;
  if (inet_pton(AF_INET6, copy, &six) == 1) return v6_from_wire(six.s6_addr);
  return std::nullopt;
}

std::string IpAddr::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    in_addr four;
    four.s_addr = htonl(v4_value());
    inet_ntop(AF_INET, &four, text, sizeof text);
  } else {
    in6_addr six;
    to_wire16(six.s6_addr);
    inet_ntop(AF_INET6, &six, text, sizeof text);
  }
  return text;
}

std::optional<MacAddr> MacAddr::parse(std::string_view text) {
  MacAddr mac;
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    const int high = hex_digit(text[3 * i]);
    const int low = hex_digit(text[3 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    if (i < 5 && text[3 * i + 2] != ':') return std::nullopt;
    mac.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return mac;
}

std::string MacAddr::to_string() const {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
                bytes[3], bytes[4], bytes[5]);
  return text;
}

}  // namespace sluice
