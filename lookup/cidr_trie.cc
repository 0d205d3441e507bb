#include "lookup/cidr_trie.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/limits.h"

namespace sluice {

namespace {

// Below this many prefixes the root table has 2^8 slots instead of 2^16: a small policy should not
// pay half a megabyte for each generation.
constexpr std::size_t kWideRootPrefixes = 4096;

unsigned common_bits(const TrieKey& a, const TrieKey& b) {
  if (a.high != b.high) return static_cast<unsigned>(std::countl_zero(a.high ^ b.high));
  if (a.low != b.low) return 64 + static_cast<unsigned>(std::countl_zero(a.low ^ b.low));
  return 128;
}

}  // namespace

// Cuts the sorted prefixes into ranges, one for each node. The order makes it a single pass: a
// cover always comes before what it covers, and in a slot what ends in the node comes first.
class CidrTrieBuilder {
 public:
  explicit CidrTrieBuilder(CidrTrie& trie) : trie_(trie) {}

  void build() {
    const std::size_t count = trie_.records_.size();
    const unsigned root_bits = count > kWideRootPrefixes ? 16 : 8;
    trie_.root_shift_ = 64 - root_bits;
    trie_.root_children_.assign(std::size_t{1} << root_bits, CidrTrie::kNoRef);
    trie_.root_runs_.assign(std::size_t{1} << root_bits, kNoPrefix);
    std::size_t first = 0;
    while (first < count) {
      const std::size_t slot = trie_.root_slot(trie_.records_[first].key);
      std::size_t last = first + 1;
      while (last < count && trie_.root_slot(trie_.records_[last].key) == slot) ++last;
      first = place(first, last, slot, root_bits, trie_.root_runs_);
      if (first < last) trie_.root_children_[slot] = build_range(first, last);
      first = last;
    }
  }

 private:
  // Enters the prefixes of [first, last) that end at or above bit `end_bit` into the slots that
  // they cover; returns the first that does not.
  std::size_t place(std::size_t first, std::size_t last, std::size_t slot, unsigned end_bit,
                    std::span<PrefixId> slots) {
    while (first < last && trie_.records_[first].length <= end_bit) {
      CidrTrie::Record& record = trie_.records_[first];
      record.inner_parent = slots[slot];
      const std::size_t covered = std::size_t{1} << (end_bit - record.length);
      std::fill_n(slots.begin() + static_cast<std::ptrdiff_t>(slot), covered,
                  static_cast<PrefixId>(first));
      ++first;
    }
    return first;
  }

  CidrTrie::Ref build_range(std::size_t first, std::size_t last) {
    if (last - first == 1) return CidrTrie::kLeafBit | static_cast<CidrTrie::Ref>(first);
    unsigned shortest = 128;
    for (std::size_t i = first; i < last; ++i) {
      shortest = std::min<unsigned>(shortest, trie_.records_[i].length);
    }
    const TrieKey key = trie_.records_[first].key;
    const unsigned depth =
        std::min(common_bits(key, trie_.records_[last - 1].key), shortest - 1) / 8;
    std::array<PrefixId, 256> slots;
    std::array<CidrTrie::Ref, 256> children;
    slots.fill(kNoPrefix);
    children.fill(CidrTrie::kNoRef);
    while (first < last) {
      const unsigned slot = trie_.records_[first].key.byte(depth);
      std::size_t next = first + 1;
      while (next < last && trie_.records_[next].key.byte(depth) == slot) ++next;
      first = place(first, next, slot, 8 * depth + 8, slots);
      if (first < next) children[slot] = build_range(first, next);
      first = next;
    }
    return seal_node(key, depth, slots, children);
  }

  CidrTrie::Ref seal_node(const TrieKey& path, unsigned depth,
                          const std::array<PrefixId, 256>& slots,
                          const std::array<CidrTrie::Ref, 256>& children) {
    CidrTrie::Node node;
    node.path = path;
    node.depth = static_cast<std::uint8_t>(depth);
    for (std::size_t slot = 0; slot < 256; ++slot) {
      CidrTrie::Quarter& quarter = node.quarters[slot / 64];
      if (slot % 64 == 0) {
        quarter.child_base = static_cast<std::uint32_t>(trie_.children_.size());
        quarter.run_base = static_cast<std::uint32_t>(trie_.runs_.size());
      }
      const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
      if (slot == 0 || slots[slot] != slots[slot - 1]) {
        quarter.run_bits |= bit;
        trie_.runs_.push_back(slots[slot]);
      }
      if (children[slot] != CidrTrie::kNoRef) {
        quarter.child_bits |= bit;
        trie_.children_.push_back(children[slot]);
      }
    }
    trie_.nodes_.push_back(node);
    return static_cast<CidrTrie::Ref>(trie_.nodes_.size() - 1);
  }

  CidrTrie& trie_;
};

CidrTrie::CidrTrie(Family family, std::span<const Cidr> sorted) : family_(family) {
  CHECK(sorted.size() <= kPrefixesMax);
  records_.resize(sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    CHECK(sorted[i].family() == family);
    CHECK(i == 0 || sorted[i - 1] < sorted[i]);
    records_[i].key = TrieKey::of(sorted[i].address());
    records_[i].length = sorted[i].length();
  }
  CidrTrieBuilder(*this).build();
  nodes_.shrink_to_fit();
  children_.shrink_to_fit();
  runs_.shrink_to_fit();
}

void CidrTrie::find_burst(std::span<const IpAddr> addresses, std::span<PrefixId> out) const {
  CHECK(addresses.size() == out.size());
  for (std::size_t start = 0; start < addresses.size(); start += kBurstMax) {
    const std::size_t count = std::min(kBurstMax, addresses.size() - start);
    find_some(addresses.subspan(start, count), out.subspan(start, count));
  }
}

// Each round takes every walk that is not over one node further. What a node names is read one
// round later, so that no round waits for memory that it asked for itself.
void CidrTrie::find_some(std::span<const IpAddr> addresses, std::span<PrefixId> out) const {
  std::array<TrieKey, kBurstMax> keys;
  std::array<Step, kBurstMax> steps;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    keys[i] = TrieKey::of(addresses[i]);
    prefetch_read(&root_children_[root_slot(keys[i])]);
    prefetch_read(&root_runs_[root_slot(keys[i])]);
  }
  std::array<std::uint8_t, kBurstMax> walking;
  std::size_t walking_count = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const std::size_t slot = root_slot(keys[i]);
    out[i] = root_runs_[slot];
    steps[i] = {kNoRun, kNoPrefix, root_children_[slot]};
    if (steps[i].next == kNoRef) continue;
    prefetch(steps[i].next);
    walking[walking_count++] = static_cast<std::uint8_t>(i);
  }
  while (walking_count != 0) {
    std::size_t still_walking = 0;
    for (std::size_t k = 0; k < walking_count; ++k) {
      const std::size_t i = walking[k];
      if (const PrefixId head = head_of(steps[i]); head != kNoPrefix) out[i] = head;
      if (steps[i].next == kNoRef) continue;
      steps[i] = step(steps[i].next, keys[i]);
      if (steps[i].run != kNoRun) prefetch_read(&runs_[steps[i].run]);
      if (steps[i].next != kNoRef) prefetch(steps[i].next);
      walking[still_walking++] = static_cast<std::uint8_t>(i);
    }
    walking_count = still_walking;
  }
}

PrefixId CidrTrie::find_exact(const Cidr& wanted) const {
  if (wanted.family() != family_) return kNoPrefix;
  std::size_t low = 0;
  std::size_t high = records_.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (cidr(static_cast<PrefixId>(middle)) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == records_.size()) return kNoPrefix;
  const auto id = static_cast<PrefixId>(low);
  return cidr(id) == wanted ? id : kNoPrefix;
}

Cidr CidrTrie::cidr(PrefixId id) const {
  const Record& record = records_[id];
  const IpAddr address = family_ == Family::Ipv4
                             ? IpAddr::v4(static_cast<std::uint32_t>(record.key.high >> 32))
                             : IpAddr::v6(record.key.high, record.key.low);
  return Cidr(address, record.length);
}

std::size_t CidrTrie::size() const {
  return sizeof *this + root_children_.capacity() * sizeof(Ref) +
         root_runs_.capacity() * sizeof(PrefixId) + nodes_.capacity() * sizeof(Node) +
         children_.capacity() * sizeof(Ref) + runs_.capacity() * sizeof(PrefixId) +
         records_.capacity() * sizeof(Record);
}

}  // namespace sluice
