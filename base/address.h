#pragma once

// IP and MAC addresses in host order. Parsed from and printed as people write them.

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

enum class Family : std::uint8_t { Ipv4 = 4, Ipv6 = 6 };

// 32 or 128: the number of bits of an address of this family.
constexpr std::uint8_t address_bits(Family family) { return family == Family::Ipv4 ? 32 : 128; }

// An IPv4 or IPv6 address. An IPv4 address is the low 32 bits with high = 0, so that both families
// are compared, hashed and masked by the same code; the family is part of the value.
class IpAddr {
 public:
  constexpr IpAddr() = default;
  static constexpr IpAddr v4(std::uint32_t host_order) {
    return IpAddr(Family::Ipv4, 0, host_order);
  }
  static constexpr IpAddr v6(std::uint64_t high, std::uint64_t low) {
    return IpAddr(Family::Ipv6, high, low);
  }
  // From 4 or 16 bytes in network order.
  static IpAddr v6_from_wire(const std::uint8_t* bytes16);
  void to_wire16(std::uint8_t* bytes16) const;

  // Strict textual forms only (inet_pton): no leading zeros in IPv4, no zone, no prefix length.
  static std::optional<IpAddr> parse(std::string_view text);
  // Dotted decimal, or the canonical form of RFC 5952.
  std::string to_string() const;

  constexpr Family family() const { return family_; }
  constexpr bool is_v4() const { return family_ == Family::Ipv4; }
  constexpr std::uint32_t v4_value() const { return static_cast<std::uint32_t>(low_); }
  constexpr std::uint64_t high() const { return high_; }
  constexpr std::uint64_t low() const { return low_; }

  // 224.0.0.0/4 or ff00::/8.
  constexpr bool is_multicast() const {
    return is_v4() ? (low_ >> 28) == 0xe : (high_ >> 56) == 0xff;
  }
  // 255.255.255.255.
  constexpr bool is_limited_broadcast() const { return is_v4() && low_ == 0xffffffffu; }
  constexpr bool is_unspecified() const { return high_ == 0 && low_ == 0; }
  // fe80::/10 or 169.254.0.0/16.
  constexpr bool is_link_local() const {
    return is_v4() ? (low_ >> 16) == 0xa9fe : (high_ >> 54) == (0xfe80u >> 6);
  }
  // 127.0.0.0/8 or ::1.
  constexpr bool is_loopback() const {
    return is_v4() ? (low_ >> 24) == 127 : (high_ == 0 && low_ == 1);
  }

  constexpr auto operator<=>(const IpAddr&) const = default;

 private:
  constexpr IpAddr(Family family, std::uint64_t high, std::uint64_t low)
      : high_(high), low_(low), family_(family) {}

  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
  Family family_ = Family::Ipv4;
};

// An Ethernet address in wire order.
struct MacAddr {
  std::array<std::uint8_t, 6> bytes{};

  // "02:00:00:00:01:10", six pairs of hex digits.
  static std::optional<MacAddr> parse(std::string_view text);
  std::string to_string() const;
  constexpr bool is_group() const { return (bytes[0] & 1) != 0; }
  constexpr bool is_broadcast() const {
    for (std::uint8_t byte : bytes) {
      if (byte != 0xff) return false;
    }
    return true;
  }
  constexpr bool is_zero() const {
    for (std::uint8_t byte : bytes) {
      if (byte != 0) return false;
    }
    return true;
  }
  constexpr auto operator<=>(const MacAddr&) const = default;
  // In words: the library's comparison of six bytes is a call.
  constexpr bool operator==(const MacAddr& other) const {
    return ((first_four() ^ other.first_four()) | (last_two() ^ other.last_two())) == 0;
  }

 private:
  constexpr std::uint32_t first_four() const {
    return std::bit_cast<std::uint32_t>(std::array{bytes[0], bytes[1], bytes[2], bytes[3]});
  }
  constexpr std::uint32_t last_two() const {
    return std::bit_cast<std::uint16_t>(std::array{bytes[4], bytes[5]});
  }
};
static_assert(sizeof(MacAddr) == 6);

}  // namespace sluice

template <>
struct std::hash<sluice::IpAddr> {
  std::size_t operator()(const sluice::IpAddr& address) const noexcept {
    std::uint64_t x = address.high() * 0x9e3779b97f4a7c15u ^ address.low();
    x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9u + static_cast<std::uint64_t>(address.family());
    return x ^ (x >> 29);
  }
};
