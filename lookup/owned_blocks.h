#pragma once

// Can this address belong to an interface at all? One bit for each /16, so that the many addresses
// of the world outside, of which no interface has any near, are told by one load.
//
// Bits are only ever set: where an interface is gone its bit stays, which costs time and changes no
// answer. A copy is a pointer; setting a bit of a copy that others hold too copies 8 KiB.
//
// Threads: as PersistentArray.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/address.h"
#include "base/cidr.h"

namespace sluice {

class OwnedBlocks {
 public:
  // False: no owned prefix that was ever added covers the address.
  bool may_hold(const IpAddr& address) const {
    const unsigned block = block_of(address);
    return bits_ != nullptr && ((*bits_)[block / 64] >> block % 64 & 1) != 0;
  }
  // Of the one family that this copy is for.
  void add(const Cidr& owned) {
    const unsigned first = block_of(owned.address());
    const unsigned last = first | (owned.length() < kBits ? 0xffffu >> owned.length() : 0);
    for (unsigned block = first; block <= last; ++block) set(block);
  }
  std::size_t size() const { return bits_ == nullptr ? 0 : sizeof *bits_; }

 private:
  static constexpr unsigned kBits = 16;
  using Bits = std::array<std::uint64_t, (1u << kBits) / 64>;

  static unsigned block_of(const IpAddr& address) {
    return static_cast<unsigned>(address.is_v4() ? address.low() >> 16 : address.high() >> 48);
  }
  void set(unsigned block) {
    if (bits_ != nullptr && ((*bits_)[block / 64] >> block % 64 & 1) != 0) return;
    if (bits_ == nullptr) {
      bits_ = std::make_shared<Bits>();
    } else if (bits_.use_count() > 1) {
      bits_ = std::make_shared<Bits>(*bits_);
    }
    (*bits_)[block / 64] |= std::uint64_t{1} << block % 64;
  }

  std::shared_ptr<Bits> bits_;
};

}  // namespace sluice
