#pragma once

// Which configured prefix covers this address? An immutable multibit trie over IPv4 or IPv6.
//
// The key is the address, left-aligned in 128 bits, so both families share one body. The first 8
// or 16 bits index a plain root table; below it every node takes 8 bits. A node is 128 bytes and
// holds no slots: of its 256 slots only those that differ are stored, found by counting bits.
//
//   address  10.1.2.3      root[10.1] -> node (depth 2) -> leaf 10.1.2.3/32
//
//   node     quarter 0          quarter 1     quarter 2     quarter 3        path    depth
//            +------------+----------+---+---+-------------+-------------+---------+-------+
//            | child bits | run bits | c | r |     ...     |     ...     | 16 bytes|  u8   |
//            +------------+----------+---+---+-------------+-------------+---------+-------+
//            child bit v: a subtree hangs below slot v; it is children[c + rank of v]
//            run bit v:   from slot v on another prefix is the longest one that ends in this node;
//                         it is runs[r + rank of v], possibly none
//
// Three things keep it small and change local:
//   * A prefix is stored in the one node where its length ends, never pushed into the nodes below:
//     10.0.0.0/8 over a million hosts is one entry. A walk remembers the deepest run it met. The
//     chain of covers is what the walk met: one head per node, each with its shorter covers
//     *inside the same node* (`inner_parent`). So adding a prefix rewrites one node.
//   * A subtree of one prefix is no node but the prefix itself (a leaf reference, checked against
//     its record). A million lonely hosts cost 36 bytes each, not a path of nodes.
//   * Bytes in which nothing branches are skipped: a node knows its depth and compares its path.
//     Every node has two prefixes below or in it, so n prefixes have fewer than n nodes.
//
// A change by path copying has to copy a node, its child array, and the same for its at most 15
// ancestors; nothing refers upwards or sideways.
//
// Sources: Eatherton et al., "Tree bitmap", 2004 (prefixes stay in their node); Asai and Ohara,
// "Poptrie", 2015 (runs, counted bits); Leis et al., "The adaptive radix tree", 2013 (skipped
// bytes, leaves).
//
// Threads: immutable after build; any thread reads.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/cache_line.h"
#include "base/cidr.h"

namespace sluice {

// The number of a prefix inside one trie: its position in the order of (address, length).
using PrefixId = std::uint32_t;
inline constexpr PrefixId kNoPrefix = 0xffffffffu;

// An address, left-aligned, so that both families are walked from bit 0.
struct TrieKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  static TrieKey of(const IpAddr& address) {
    if (address.is_v4()) return {std::uint64_t{address.v4_value()} << 32, 0};
    return {address.high(), address.low()};
  }
  unsigned byte(unsigned index) const {
    const std::uint64_t half = index < 8 ? high : low;
    return static_cast<unsigned>(half >> (56 - 8 * (index & 7))) & 0xff;
  }
  // True if the first `length` bits of both are the same.
  bool shares(const TrieKey& other, unsigned length) const {
    const std::uint64_t high_difference = high ^ other.high;
    if (length <= 64) return length == 0 || high_difference >> (64 - length) == 0;
    return high_difference == 0 && (low ^ other.low) >> (128 - length) == 0;
  }
};

class CidrTrie {
 public:
  // The most prefixes that one trie takes.
  static constexpr std::size_t kPrefixesMax = std::size_t{1} << 30;

  CidrTrie() = default;
  // `sorted`: prefixes of the one family, ascending and without duplicates, at most kPrefixesMax.
  // Takes O(prefixes) time and memory (below 36 + 140 bytes for each, whatever they are).
  CidrTrie(Family family, std::span<const Cidr> sorted);

  // The longest prefix that covers the address, or kNoPrefix. The address must be of the trie's
  // family. At most 3 dependent steps for IPv4 with a 16-bit root, 15 for IPv6.
  PrefixId find(const IpAddr& address) const {
    PrefixId best = kNoPrefix;
    walk(TrieKey::of(address), [&best](PrefixId head) { best = head; });
    return best;
  }

  // find() for many; all walks advance together, so that their memory is fetched in parallel.
  // out.size() must equal addresses.size().
  void find_burst(std::span<const IpAddr> addresses, std::span<PrefixId> out) const;

  // Calls visit(PrefixId) for every prefix that covers the address, each once; the shortest nodes
  // first, inside a node the longest first.
  template <class Visit>
  void for_each_cover(const IpAddr& address, Visit&& visit) const {
    walk(TrieKey::of(address), [&](PrefixId head) {
      for (PrefixId id = head; id != kNoPrefix; id = records_[id].inner_parent) visit(id);
    });
  }

  // The id of exactly this prefix, or kNoPrefix. Binary search; for builders.
  PrefixId find_exact(const Cidr& cidr) const;
  Cidr cidr(PrefixId id) const;
  std::uint8_t length(PrefixId id) const { return records_[id].length; }
  Family family() const { return family_; }
  std::size_t prefix_count() const { return records_.size(); }
  std::size_t node_count() const { return nodes_.size(); }
  // Memory held, in bytes.
  std::size_t size() const;

 private:
  friend class CidrTrieBuilder;

  // A prefix as a leaf is checked against, and its next shorter cover inside the same node.
  struct Record {
    TrieKey key;
    PrefixId inner_parent = kNoPrefix;
    std::uint8_t length = 0;
  };
  struct Quarter {
    std::uint64_t child_bits = 0;
    std::uint64_t run_bits = 0;
    std::uint32_t child_base = 0;
    std::uint32_t run_base = 0;
  };
  struct alignas(2 * kCacheLine) Node {
    Quarter quarters[4];
    TrieKey path;
    std::uint8_t depth = 0;  // bytes of the key above this node
  };
  static_assert(sizeof(Quarter) == 24);
  static_assert(sizeof(Node) == 2 * kCacheLine);
  static_assert(sizeof(Record) == 24);

  // kNoRef, the number of a node, or kLeafBit | the number of a prefix.
  using Ref = std::uint32_t;
  static constexpr Ref kNoRef = 0xffffffffu;
  static constexpr Ref kLeafBit = 0x80000000u;

  // What one step of a walk found: where the longest prefix that ends here is named (a run, to be
  // read when it has come from memory; or a leaf, known at once), and where to go on.
  struct Step {
    std::uint32_t run = kNoRun;
    PrefixId leaf = kNoPrefix;
    Ref next = kNoRef;
  };
  static constexpr std::uint32_t kNoRun = 0xffffffffu;
  PrefixId head_of(const Step& step) const {
    return step.run == kNoRun ? step.leaf : runs_[step.run];
  }
  std::size_t root_slot(const TrieKey& key) const { return key.high >> root_shift_; }
  Step step(Ref ref, const TrieKey& key) const;
  void prefetch(Ref ref) const;
  void find_some(std::span<const IpAddr> addresses, std::span<PrefixId> out) const;

  template <class Visit>
  void walk(const TrieKey& key, Visit&& visit) const;

  Family family_ = Family::Ipv4;
  unsigned root_shift_ = 56;
  std::vector<Ref> root_children_ = std::vector<Ref>(256, kNoRef);
  std::vector<PrefixId> root_runs_ = std::vector<PrefixId>(256, kNoPrefix);
  std::vector<Node> nodes_;
  std::vector<Ref> children_;
  std::vector<PrefixId> runs_;
  std::vector<Record> records_;
};

inline CidrTrie::Step CidrTrie::step(Ref ref, const TrieKey& key) const {
  if ((ref & kLeafBit) != 0) {
    const PrefixId id = ref & ~kLeafBit;
    const Record& record = records_[id];
    return {kNoRun, key.shares(record.key, record.length) ? id : kNoPrefix, kNoRef};
  }
  const Node& node = nodes_[ref];
  if (!key.shares(node.path, 8u * node.depth)) return {};
  const unsigned slot = key.byte(node.depth);
  const Quarter& quarter = node.quarters[slot >> 6];
  const std::uint64_t bit = std::uint64_t{1} << (slot & 63);
  const std::uint64_t below = bit - 1;
  // Slot 0 of a node always begins a run, so there is one at or before every slot.
  const auto run_rank = static_cast<std::uint32_t>(std::popcount(quarter.run_bits & (below | bit)));
  const std::uint32_t run = quarter.run_base + run_rank - 1;
  if ((quarter.child_bits & bit) == 0) return {run, kNoPrefix, kNoRef};
  const auto child_rank = static_cast<std::uint32_t>(std::popcount(quarter.child_bits & below));
  return {run, kNoPrefix, children_[quarter.child_base + child_rank]};
}

template <class Visit>
inline void CidrTrie::walk(const TrieKey& key, Visit&& visit) const {
  const std::size_t slot = root_slot(key);
  if (root_runs_[slot] != kNoPrefix) visit(root_runs_[slot]);
  Ref ref = root_children_[slot];
  while (ref != kNoRef) {
    const Step found = step(ref, key);
    if (const PrefixId head = head_of(found); head != kNoPrefix) visit(head);
    ref = found.next;
  }
}

inline void CidrTrie::prefetch(Ref ref) const {
  if ((ref & kLeafBit) != 0) {
    prefetch_read(records_.data() + (ref & ~kLeafBit));
  } else {
    const auto* node = reinterpret_cast<const char*>(nodes_.data() + ref);
    prefetch_read(node);
    prefetch_read(node + kCacheLine);
  }
}

}  // namespace sluice
