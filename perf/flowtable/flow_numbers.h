#pragma once

// The flows of a bench, by their numbers, and the order in which packets name them. Both are
// computed, so that neither side reads a list of keys from memory.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "flowtable/flow_key.h"

namespace sluice {

inline constexpr std::uint32_t kBulk = 32;
using Numbers = std::array<std::uint32_t, kBulk>;

// The n-th conversation of a family; no two numbers have the same.
template <class Key>
FlowTuple numbered_tuple(std::uint32_t number) {
  FlowTuple tuple;
  tuple.eni = EniIndex(number & 15);
  tuple.proto = Proto::Udp;
  tuple.local_port = 443;
  tuple.remote_port = static_cast<std::uint16_t>((number * 0x85ebca6bu) >> 16);
  if constexpr (std::is_same_v<Key, Ipv4FlowKey>) {
    tuple.local = IpAddr::v4(0x0a000000u | (number & 0xff));
    tuple.remote = IpAddr::v4(0xc0000000u ^ number);
  } else {
    tuple.local = IpAddr::v6(0xfd00'0010'0000'0001u, number & 0xff);
    tuple.remote = IpAddr::v6(0x2001'0db8'0007'0000u, number);
  }
  return tuple;
}

inline constexpr std::uint32_t kStride = 0x9e3779b1u;  // odd, and 2^32 divided by the golden ratio

// Calls visit(0) … visit(count - 1), each once, neighbours far apart.
template <class Visit>
void visit_scattered(std::uint32_t count, Visit&& visit) {
  const std::uint32_t size = std::bit_ceil(count);
  std::uint32_t at = 0;
  for (std::uint32_t i = 0; i < size; ++i, at += kStride) {
    if ((at & (size - 1)) < count) visit(at & (size - 1));
  }
}

enum class Order : std::uint8_t {
  Uniform,  // every flow as often as any other
  Zipf,     // that of rank r about 1/r as often as the first
};

// Whose packet comes next: numbers below `flows`, which jump through all of them.
class Visits {
 public:
  Visits(Order order, std::uint32_t flows)
      : order_(order),
        flows_(flows),
        // log2(flows), 16 bits of it behind the point; straight between powers of two
        octaves_(std::uint64_t{std::bit_width(flows) - 1u} << 16 |
                 ((std::uint64_t{flows} << 16 >> (std::bit_width(flows) - 1u)) & 0xffff)) {}

  std::uint32_t next() {
    if (order_ == Order::Uniform) return scaled(at_ += kStride);
    // Each doubling of the rank has the same share of the packets, which is Zipf's law in steps;
    // within an octave all ranks are alike.
    chance_ = chance_ * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t exponent = (chance_ >> 32) * octaves_ >> 32;
    const std::uint64_t rank = ((0x10000 | (exponent & 0xffff)) << (exponent >> 16)) >> 16;
    return scaled(static_cast<std::uint32_t>(rank) * kStride);
  }

 private:
  std::uint32_t scaled(std::uint32_t part) const {
    return static_cast<std::uint32_t>(std::uint64_t{part} * flows_ >> 32);
  }

  Order order_;
  std::uint32_t flows_;
  std::uint64_t octaves_;
  std::uint32_t at_ = 0;
  std::uint64_t chance_ = 2'026;
};

}  // namespace sluice
