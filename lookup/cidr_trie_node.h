#pragma once

// The nodes of a CidrTrie, and one step of a walk through them.
//
// A node takes the `depth`th byte of the key (its slot) and knows the whole path above, so a walk
// may skip bytes in which nothing branches. There are three kinds.
//
//   lonely one prefix and nothing else: compared as a whole, wherever a walk comes from
//
//     owners depth kind  1  0 | path_high | path_low | id  length
//     u32    u8    u8   u8 u8 | u64       | u64      | u32 u32
//
//   list   at most 63 prefixes and 63 children, packed; searched 16 or 32 at a time by comparing
//          bytes:
//
//     owners depth marked counts path_high | path_low | values | masks | slots | ids    | children
//     u32    u8    u8     u8 u8  u64       | u64, if  | p x u8 | p x u8| c x u8| p x u32| c x u64
//                                          | depth > 8
//
//          Prefix i covers slot v if (v & masks[i]) == values[i]. The marked stand first, then the
//          longer before the shorter, so the first that covers is the longest, and all that cover
//          are the bits of one comparison.
//
//   wide   a slot for each of the 256 values of the byte: {child, longest id, longest plain id};
//   and
//          the ids of prefixes of k = 0 to 7 bits, value v at (1 << k) + (v >> (8 - k)).
//
// Children are links that tell the child's kind, and whether it skips bytes: a walk knows which
// line of the child to ask for, and where to go with it, before any of its memory has come.
//
// Threads: what more than one owner holds is never written; counts of owners are atomic.

#include <emmintrin.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/cache_line.h"

namespace sluice {

// The number that the caller gave a prefix.
using PrefixId = std::uint32_t;
inline constexpr PrefixId kNoPrefix = 0xffffffffu;
// Set in the numbers of *marked* prefixes, which a search can tell from the others, the plain ones:
// it finds the longest prefix and the longest plain one at once. Only prefixes that end with a
// byte can be marked, so a node has at most one that covers a slot.
inline constexpr PrefixId kMarkedPrefix = 0x80000000u;
constexpr bool is_marked_prefix(PrefixId id) {
  return id != kNoPrefix && (id & kMarkedPrefix) != 0;
}

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

struct TrieNode;

// A pointer to a child, with its kind in the low bits, one for each: nodes lie at multiples of 16.
class TrieLink {
 public:
  constexpr TrieLink() = default;
  // Of a child of a node of `depth`; null: none. The root is the child of a node of depth -1.
  inline TrieLink(TrieNode* node, int depth);

  bool is_none() const { return bits_ == 0; }
  bool is_wide() const { return (bits_ & kWide) != 0; }
  bool is_list() const { return (bits_ & kList) != 0; }
  bool is_lonely() const { return (bits_ & kLonely) != 0; }
  // Of a wide node: true if its path is longer than its parent's and one byte, so that a walk may
  // leave it.
  bool is_skipping() const { return (bits_ & kMore) != 0; }
  // True of what skips nothing and has a slot for each value of the next byte.
  bool is_next_wide() const { return (bits_ & kTags) == kWide; }
  TrieNode* node() const { return reinterpret_cast<TrieNode*>(address()); }

  // For code without branches: the bits, and 1 or 0 for each kind.
  std::uintptr_t bits() const { return bits_; }
  std::uintptr_t tag() const { return bits_ & kTags; }
  bool has(std::uintptr_t tags) const { return (bits_ & tags) != 0; }
  std::uintptr_t address() const { return bits_ & ~kTags; }
  std::size_t wide_count() const { return bits_ & kWide; }
  std::size_t list_count() const { return bits_ / kList & 1; }
  std::size_t lonely_count() const { return bits_ / kLonely & 1; }
  TrieLink unless(bool is_none) const {
    TrieLink link;
    link.bits_ = bits_ & (std::uintptr_t{is_none} - 1);
    return link;
  }

  static constexpr std::uintptr_t kWide = 1;
  static constexpr std::uintptr_t kList = 2;
  static constexpr std::uintptr_t kLonely = 4;
  // Of a wide node: it skips bytes. Of a list: it does, or has children or more than 32 prefixes.
  static constexpr std::uintptr_t kMore = 8;
  static constexpr std::uintptr_t kTags = 15;

 private:
  std::uintptr_t bits_ = 0;
};

struct TrieNode {
  // Dropped with release by each owner, and with acquire by the last, who frees the node.
  std::atomic<std::uint32_t> owners{1};
  std::uint8_t depth = 0;
  // Of a list: how many of its prefixes are marked, which are the first. kWide, kLonely: not a
  // list.
  std::uint8_t marked_count = 0;
  std::uint8_t prefix_count = 0;  // of a list
  std::uint8_t child_count = 0;   // of a list
  // Of the path; in a lonely node, of its prefix.
  std::uint64_t path_high = 0;

  static constexpr std::uint8_t kWide = 0xff;
  static constexpr std::uint8_t kLonely = 0xfe;
  bool is_wide() const { return marked_count == kWide; }
  bool is_lonely() const { return marked_count == kLonely; }
  // The first 8 * depth bits of all keys below; the rest is zero.
  TrieKey path() const {
    if (depth <= 8) return {path_high & kPathMasks[depth], 0};
    return {path_high, *tail<std::uint64_t>(0) & kPathMasks[depth - 8u]};
  }
  bool is_on_path(const TrieKey& key) const {
    if (depth > 8) return key.shares(path(), 8u * depth);
    return ((key.high ^ path_high) & kPathMasks[depth]) == 0;
  }

  static constexpr std::array<std::uint64_t, 9> kPathMasks = [] {
    std::array<std::uint64_t, 9> masks{};
    for (unsigned bytes = 1; bytes <= 8; ++bytes)
      masks[bytes] = ~std::uint64_t{0} << (64 - 8 * bytes);
    return masks;
  }();
  template <class T>
  const T* tail(std::size_t offset) const {
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(this + 1) + offset);
  }
  template <class T>
  T* tail(std::size_t offset) {
    return reinterpret_cast<T*>(reinterpret_cast<char*>(this + 1) + offset);
  }
};
static_assert(sizeof(TrieNode) == 16);

struct TrieLonelyNode : TrieNode {
  std::uint64_t path_low;  // of its prefix
  PrefixId id;
  std::uint32_t length;

  bool covers(const TrieKey& key) const { return key.shares({path_high, path_low}, length); }
  unsigned value() const { return TrieKey{path_high, path_low}.byte(depth); }
  unsigned bits() const { return length - 8u * depth; }
  // Of a key that is on the path.
  bool covers_slot(unsigned slot) const { return (slot ^ value()) >> (8 - bits()) == 0; }
};
static_assert(sizeof(TrieLonelyNode) == 32);

TrieLink::TrieLink(TrieNode* node, int depth) : bits_(reinterpret_cast<std::uintptr_t>(node)) {
  if (node == nullptr) return;
  bits_ |= node->is_wide() ? kWide : node->is_lonely() ? kLonely : kList;
  const bool is_skipping = node->depth != depth + 1;
  const bool is_long = is_list() && (node->child_count != 0 || node->prefix_count > 32);
  if (is_skipping || is_long) bits_ |= kMore;
}

// Where the parts of a list lie behind its header.
struct TrieListLayout {
  // A match is a bit of 64, and all of them together are one less than a power of two.
  static constexpr unsigned kMost = 63;
  // The most that is compared at once. Comparisons read whole strides, inside the node.
  static constexpr unsigned kStride = 32;

  std::size_t values;
  std::size_t masks;
  std::size_t slots;
  std::size_t ids;
  std::size_t children;
  std::size_t end;

  TrieListLayout(unsigned depth, std::size_t prefixes, std::size_t child_count) {
    values = depth > 8 ? sizeof(std::uint64_t) : 0;
    masks = values + prefixes;
    slots = masks + prefixes;
    ids = (slots + child_count + 3) / 4 * 4;
    children = (ids + prefixes * sizeof(PrefixId) + 7) / 8 * 8;
    end = children + child_count * sizeof(TrieLink);
    const std::size_t last_read = (child_count == 0 ? masks : slots) + kStride;
    if (end < last_read) end = last_read;
  }
  explicit TrieListLayout(const TrieNode& node)
      : TrieListLayout(node.depth, node.prefix_count, node.child_count) {}
};

struct TrieWideNode : TrieNode {
  struct Slot {
    TrieLink child;
    PrefixId longest;  // of the prefixes that end in this node and cover the slot
    PrefixId plain;    // of the plain ones
  };
  std::uint64_t path_low;
  std::uint32_t prefixes;
  std::uint32_t children;
  std::array<Slot, 256> slots;
  std::array<PrefixId, 256> shorter;    // of 0 to 7 bits
  std::array<std::uint64_t, 4> is_own;  // bit v: slot v is a prefix itself, which is its longest

  bool has_own(unsigned slot) const { return (is_own[slot / 64] >> slot % 64 & 1) != 0; }
  // The id of exactly this prefix, or kNoPrefix.
  PrefixId at(unsigned value, unsigned bits) const {
    if (bits == 8) return has_own(value) ? slots[value].longest : kNoPrefix;
    return shorter[heap_index(value, bits)];
  }
  // Of a slot, from the begin of the node.
  static constexpr std::size_t slot_offset(unsigned slot) { return 32 + slot * sizeof(Slot); }
  static unsigned heap_index(unsigned value, unsigned bits) {
    return (1u << bits) + (value >> (8 - bits));
  }
};

static_assert(sizeof(TrieWideNode) == TrieWideNode::slot_offset(256) + 256 * sizeof(PrefixId) + 32);

// One step of a walk: the longest prefix and the longest plain one that end in this node, and where
// to go on. Ids lie in memory that may yet have to come; null if there is none.
struct TrieStep {
  const PrefixId* id = nullptr;
  const PrefixId* plain = nullptr;
  const TrieNode* next = nullptr;
};

// Bit i: values[i] == slot under masks[i].
inline std::uint64_t match_prefixes(const std::uint8_t* values, unsigned count, unsigned slot) {
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(slot));
  std::uint64_t found = 0;
  for (unsigned i = 0; i < count; i += 16) {
    const __m128i value = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + i));
    const __m128i mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + count + i));
    const __m128i equal = _mm_cmpeq_epi8(_mm_and_si128(wanted, mask), value);
    found |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(equal))} << i;
  }
  return found & ((std::uint64_t{1} << count) - 1);
}

// Bit i: slots[i] == slot.
inline std::uint64_t match_slots(const std::uint8_t* slots, unsigned count, unsigned slot) {
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(slot));
  std::uint64_t found = 0;
  for (unsigned i = 0; i < count; i += 16) {
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(slots + i));
    const __m128i equal = _mm_cmpeq_epi8(here, wanted);
    found |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(equal))} << i;
  }
  return found & ((std::uint64_t{1} << count) - 1);
}

// The child at `slot`, or null.
inline const TrieNode* child_of(const TrieNode& node, unsigned slot) {
  if (node.is_wide()) return static_cast<const TrieWideNode&>(node).slots[slot].child.node();
  if (node.child_count == 0) return nullptr;
  const TrieListLayout layout(node);
  const std::uint64_t found =
      match_slots(node.tail<std::uint8_t>(layout.slots), node.child_count, slot);
  if (found == 0) return nullptr;
  return node.tail<TrieLink>(layout.children)[std::countr_zero(found)].node();
}

// The node must be on the path of the key.
inline TrieStep step_into(const TrieNode& node, unsigned slot) {
  if (node.is_wide()) {
    const TrieWideNode::Slot& found = static_cast<const TrieWideNode&>(node).slots[slot];
    return {found.longest == kNoPrefix ? nullptr : &found.longest,
            found.plain == kNoPrefix ? nullptr : &found.plain, found.child.node()};
  }
  TrieStep step;
  if (node.is_lonely()) {
    const auto& lonely = static_cast<const TrieLonelyNode&>(node);
    if (!lonely.covers_slot(slot)) return step;
    step.id = &lonely.id;
    if (!is_marked_prefix(lonely.id)) step.plain = &lonely.id;
    return step;
  }
  const TrieListLayout layout(node);
  const std::uint64_t found =
      match_prefixes(node.tail<std::uint8_t>(layout.values), node.prefix_count, slot);
  const std::uint64_t plain = found >> node.marked_count;
  const PrefixId* ids = node.tail<PrefixId>(layout.ids);
  if (found != 0) step.id = ids + std::countr_zero(found);
  if (plain != 0) step.plain = ids + node.marked_count + std::countr_zero(plain);
  step.next = child_of(node, slot);
  return step;
}

// visit(PrefixId, length) for what ends in this node and covers the slot, the shortest first.
template <class Visit>
void for_each_cover_in(const TrieNode& node, unsigned slot, Visit&& visit) {
  if (node.is_wide()) {
    const auto& wide = static_cast<const TrieWideNode&>(node);
    for (unsigned bits = 0; bits <= 8; ++bits) {
      const PrefixId id = wide.at(slot, bits);
      if (id != kNoPrefix) visit(id, 8u * node.depth + bits);
    }
    return;
  }
  if (node.is_lonely()) {
    const auto& lonely = static_cast<const TrieLonelyNode&>(node);
    if (lonely.covers_slot(slot)) visit(lonely.id, lonely.length);
    return;
  }
  const TrieListLayout layout(node);
  std::uint64_t found =
      match_prefixes(node.tail<std::uint8_t>(layout.values), node.prefix_count, slot);
  while (found != 0) {
    const int i = 63 - std::countl_zero(found);
    found ^= std::uint64_t{1} << i;
    const auto mask = node.tail<std::uint8_t>(layout.masks)[i];
    visit(node.tail<PrefixId>(layout.ids)[i],
          8u * node.depth + static_cast<unsigned>(std::countl_one(mask)));
  }
}

inline void prefetch_node(const TrieNode* node) {
  prefetch_read(node);
  prefetch_read(reinterpret_cast<const char*>(node) + kCacheLine);
}

}  // namespace sluice
