#pragma once

// Which configured prefix covers this address? A persistent multibit trie over IPv4 or IPv6.
//
// The key is the address, left-aligned in 128 bits, so both families share one body. Every node
// takes 8 bits and skips the bytes in which nothing branches (cidr_trie_node.h draws them).
//
//   address 10.1.2.3   [10 | wide] -> [1 | list: /12, /16] -> [3, path 10.1.2 | lonely: /32]
//
//   * A prefix lives only in the node where its length ends, never in those below: 10.0.0.0/8 over
//     a million hosts is one entry of one node. A walk remembers the deepest that it met.
//   * A lonely prefix is one small node, however long it is: paths are skipped.
//   * Nodes that more than one trie holds are never written: a change copies the nodes from the
//     root down to its own. A copy of a trie is a pointer; the nodes it alone owns are changed in
//     place, so many edits of one copy cost little more than those of a tree.
//
// Cost of one insert or erase: at most 4 nodes (IPv4) or 16 (IPv6) are copied, each below
// kNodeSizeMax bytes; the node that changes is rewritten once more. Memory, for every prefix on
// average: at most kPrefixSizeMax bytes, whatever the prefixes are.
//
// Sources: Eatherton et al., "Tree bitmap", 2004 (prefixes stay in their node); Leis et al., "The
// adaptive radix tree", 2013 (skipped bytes, nodes that search bytes side by side); Driscoll et
// al., "Making data structures persistent", 1989.
//
// Threads: one copy is a value: many threads read it, or one changes it. Different copies are
// independent, and the last owner of a node frees it on whatever thread it is.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/address.h"
#include "base/cidr.h"
#include "lookup/cidr_trie_node.h"

namespace sluice {

// The longest prefix that covers an address, and the longest plain one; kNoPrefix: none.
struct CidrMatch {
  PrefixId longest = kNoPrefix;
  PrefixId plain = kNoPrefix;
};

// How many bytes of a list a burst compares at once. widest_trie_vectors() is what this processor
// can do; asking for more than that ends the program.
enum class TrieVectors : std::uint8_t { Bytes16, Bytes32 };
TrieVectors widest_trie_vectors();

class CidrTrie {
 public:
  struct Entry {
    Cidr cidr;
    PrefixId id;
  };
  // The most prefixes that one trie takes.
  static constexpr std::size_t kPrefixesMax = std::size_t{1} << 30;
  // Of the widest node, as allocated.
  static constexpr std::size_t kNodeSizeMax = 5248;
  static constexpr std::size_t kPrefixSizeMax = 192;

  explicit CidrTrie(Family family = Family::Ipv4) : family_(family) {}
  // `sorted`: prefixes of the one family, ascending and without duplicates; their ids are their
  // positions. Takes O(prefixes) time.
  CidrTrie(Family family, std::span<const Cidr> sorted);
  // The same with the caller's ids.
  CidrTrie(Family family, std::span<const Entry> sorted);

  // O(1); never disturbs the other, nor any other copy.
  CidrTrie(const CidrTrie& other);
  CidrTrie(CidrTrie&& other) noexcept : CidrTrie(other.family_) { swap(other); }
  CidrTrie& operator=(CidrTrie other) noexcept {
    swap(other);
    return *this;
  }
  // Frees what no other copy holds.
  ~CidrTrie();

  // `cidr` must be of the family and not be there; `id` must not be kNoPrefix, and may be marked
  // only where the length is a whole number of bytes.
  void insert(const Cidr& cidr, PrefixId id);
  // The id of the prefix, which is no longer there; kNoPrefix if it was not.
  PrefixId erase(const Cidr& cidr);

  // The longest prefix that covers the address, or kNoPrefix. The address must be of the trie's
  // family. At most 4 dependent nodes for IPv4, 16 for IPv6.
  PrefixId find(const IpAddr& address) const {
    PrefixId best = kNoPrefix;
    const TrieKey key = TrieKey::of(address);
    for (const TrieNode* node = root_; node != nullptr && node->is_on_path(key);) {
      const TrieStep step = step_into(*node, key.byte(node->depth));
      if (step.id != nullptr) best = *step.id;
      node = step.next;
    }
    return best;
  }

  // find() that tells the longest plain prefix too.
  CidrMatch match(const IpAddr& address) const {
    CidrMatch best;
    const TrieKey key = TrieKey::of(address);
    for (const TrieNode* node = root_; node != nullptr && node->is_on_path(key);) {
      const TrieStep step = step_into(*node, key.byte(node->depth));
      if (step.id != nullptr) best.longest = *step.id;
      if (step.plain != nullptr) best.plain = *step.plain;
      node = step.next;
    }
    return best;
  }

  // The same for many; all walks advance together, so that their memory is fetched in parallel.
  // out.size() must equal addresses.size().
  void find_burst(std::span<const IpAddr> addresses, std::span<PrefixId> out) const;
  void match_burst(std::span<const IpAddr> addresses, std::span<CidrMatch> out,
                   TrieVectors vectors = widest_trie_vectors()) const;
  // IPv4 only; addresses in host order.
  void find_burst(std::span<const std::uint32_t> addresses, std::span<PrefixId> out) const;
  void match_burst(std::span<const std::uint32_t> addresses, std::span<CidrMatch> out) const;

  // Calls visit(PrefixId, unsigned length) for every prefix that covers the address, each once, the
  // shortest first.
  template <class Visit>
  void for_each_cover(const IpAddr& address, Visit&& visit) const {
    const TrieKey key = TrieKey::of(address);
    for (const TrieNode* node = root_; node != nullptr && node->is_on_path(key);) {
      const unsigned slot = key.byte(node->depth);
      const TrieNode* next = child_of(*node, slot);
      if (next != nullptr) prefetch_node(next);
      for_each_cover_in(*node, slot, visit);
      node = next;
    }
  }

  // The id of exactly this prefix, or kNoPrefix. As find().
  PrefixId find_exact(const Cidr& cidr) const;

  Family family() const { return family_; }
  std::size_t prefix_count() const { return prefix_count_; }
  std::size_t node_count() const { return node_count_; }
  // Memory held, in bytes, as allocated; what other copies hold too is counted in each.
  std::size_t size() const { return sizeof(*this) + nodes_size_; }

 private:
  friend class CidrTrieEditor;

  void swap(CidrTrie& other) noexcept {
    std::swap(root_, other.root_);
    std::swap(prefix_count_, other.prefix_count_);
    std::swap(node_count_, other.node_count_);
    std::swap(nodes_size_, other.nodes_size_);
    std::swap(family_, other.family_);
  }
  TrieNode* root_ = nullptr;
  std::size_t prefix_count_ = 0;
  std::size_t node_count_ = 0;
  std::size_t nodes_size_ = 0;
  Family family_;
};

}  // namespace sluice
