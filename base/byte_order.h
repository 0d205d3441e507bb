#pragma once

// Integers as they lie on the wire. They convert only when asked and know no arithmetic, so a
// forgotten byte swap does not compile. Alignment 1: they may lie anywhere in a packet.

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sluice {

template <class T>
class BigEndian {
 public:
  static BigEndian from_host(T value) {
    BigEndian result;
    const T wire = std::endian::native == std::endian::little ? swap(value) : value;
    std::memcpy(result.bytes_, &wire, sizeof(T));
    return result;
  }
  T host() const {
    T wire;
    std::memcpy(&wire, bytes_, sizeof(T));
    return std::endian::native == std::endian::little ? swap(wire) : wire;
  }
  bool operator==(const BigEndian&) const = default;

 private:
  static constexpr T swap(T value) {
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  }
  std::uint8_t bytes_[sizeof(T)];
};

using Be16 = BigEndian<std::uint16_t>;
using Be32 = BigEndian<std::uint32_t>;
using Be64 = BigEndian<std::uint64_t>;
static_assert(sizeof(Be16) == 2 && alignof(Be16) == 1 && std::is_trivially_copyable_v<Be16>);
static_assert(sizeof(Be32) == 4 && alignof(Be32) == 1 && std::is_trivially_copyable_v<Be32>);
static_assert(sizeof(Be64) == 8 && alignof(Be64) == 1 && std::is_trivially_copyable_v<Be64>);

}  // namespace sluice
