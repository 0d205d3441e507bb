#pragma once

// Can this address be one of ours at all? One bit for each /16 that has any address of a set of
// prefixes, so that the many hosts of the world outside are told by one load.
//
// Bits are only ever set: where a prefix is gone its bit stays, which costs time and changes no
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

class AddressBlocks {
 public:
  // False: no prefix that was ever added covers the address.
  bool may_hold(const IpAddr& address) const { return may_hold(words(), address); }
  // The same of words() that somebody keeps, for as long as the blocks are as they are.
  static bool may_hold(const std::uint64_t* words, const IpAddr& address) {
    const unsigned block = block_of(address);
    return (words[block / 64] >> block % 64 & 1) != 0;
  }
  const std::uint64_t* words() const { return bits_ == nullptr ? kNone.data() : bits_->data(); }
  // Of the one family that this copy is for.
  void add(const Cidr& prefix) {
    const unsigned first = block_of(prefix.address());
    const unsigned last = first | (prefix.length() < kBits ? 0xffffu >> prefix.length() : 0);
    for (unsigned block = first; block <= last; ++block) set(block);
  }
  std::size_t size() const { return bits_ == nullptr ? 0 : sizeof *bits_; }

 private:
  static constexpr unsigned kBits = 16;
  using Bits = std::array<std::uint64_t, (1u << kBits) / 64>;
  static constexpr Bits kNone{};

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
