#include "base/cidr.h"

#include <charconv>

namespace sluice {

namespace {

// The first `length` of 64 bits set; length 0 to 64.
constexpr std::uint64_t leading_ones(unsigned length) {
  return length == 0 ? 0 : ~std::uint64_t{0} << (64 - length);
}

}  // namespace

IpAddr mask_address(const IpAddr& address, std::uint8_t length) {
  if (address.is_v4()) {
    const std::uint64_t mask = leading_ones(length) >> 32;
    return IpAddr::v4(address.v4_value() & static_cast<std::uint32_t>(mask));
  }
  const unsigned high_bits = length < 64 ? length : 64;
  const unsigned low_bits = length < 64 ? 0 : length - 64u;
  return IpAddr::v6(address.high() & leading_ones(high_bits),
                    address.low() & leading_ones(low_bits));
}

Cidr::Cidr(const IpAddr& address, std::uint8_t length)
    : address_(mask_address(address, length)), length_(length) {}

std::optional<Cidr> Cidr::parse(std::string_view text, bool* host_bits_cut) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<IpAddr> address = IpAddr::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  if (length > address_bits(address->family())) return std::nullopt;
  const Cidr cidr(*address, static_cast<std::uint8_t>(length));
  if (host_bits_cut != nullptr) *host_bits_cut = cidr.address() != *address;
  return cidr;
}

std::string Cidr::to_string() const { return address_.to_string() + "/" + std::to_string(length_); }

bool Cidr::contains(const IpAddr& address) const {
  return address.family() == family() && mask_address(address, length_) == address_;
}

bool Cidr::contains(const Cidr& other) const {
  return other.length_ >= length_ && contains(other.address_);
}

}  // namespace sluice
