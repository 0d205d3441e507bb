#pragma once

// A block of addresses: an address and how many of its leading bits count.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

namespace sluice {

// Always canonical: bits beyond `length` are zero (SG-18, NA-12).
class Cidr {
 public:
  constexpr Cidr() = default;
  // Cuts host bits. `length` must not exceed address_bits(address.family()).
  Cidr(const IpAddr& address, std::uint8_t length);

  // "10.0.0.0/8", "fd00::/8". A bare address is refused (SG-18). `host_bits_cut`, where given,
  // tells whether the text had bits set beyond the length.
  static std::optional<Cidr> parse(std::string_view text, bool* host_bits_cut = nullptr);
  static Cidr host(const IpAddr& address) { return Cidr(address, address_bits(address.family())); }
  std::string to_string() const;

  const IpAddr& address() const { return address_; }
  std::uint8_t length() const { return length_; }
  Family family() const { return address_.family(); }

  bool contains(const IpAddr& address) const;
  // True if every address of `other` lies in this block.
  bool contains(const Cidr& other) const;
  bool overlaps(const Cidr& other) const { return contains(other) || other.contains(*this); }

  auto operator<=>(const Cidr&) const = default;

 private:
  IpAddr address_;
  std::uint8_t length_ = 0;
};

// The address with all but its first `length` bits cleared.
IpAddr mask_address(const IpAddr& address, std::uint8_t length);

}  // namespace sluice

template <>
struct std::hash<sluice::Cidr> {
  std::size_t operator()(const sluice::Cidr& cidr) const noexcept {
    return std::hash<sluice::IpAddr>()(cidr.address()) * 131 + cidr.length();
  }
};
