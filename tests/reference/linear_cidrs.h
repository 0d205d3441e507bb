#pragma once

// The slow, obvious twin of CidrTrie: a list of prefixes, looked through from end to end.

#include <cstddef>
#include <span>
#include <vector>

#include "base/cidr.h"

namespace sluice {

class LinearCidrs {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  explicit LinearCidrs(std::span<const Cidr> cidrs) : cidrs_(cidrs.begin(), cidrs.end()) {}

  // The position of the longest prefix that covers the address, or kNone.
  std::size_t find(const IpAddr& address) const {
    std::size_t best = kNone;
    for (std::size_t i = 0; i < cidrs_.size(); ++i) {
      if (!cidrs_[i].contains(address)) continue;
      if (best == kNone || cidrs_[i].length() > cidrs_[best].length()) best = i;
    }
    return best;
  }
  // The positions of all prefixes that cover the address, ascending.
  std::vector<std::size_t> covers(const IpAddr& address) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < cidrs_.size(); ++i) {
      if (cidrs_[i].contains(address)) found.push_back(i);
    }
    return found;
  }

 private:
  std::vector<Cidr> cidrs_;
};

}  // namespace sluice
