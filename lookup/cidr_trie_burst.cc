// Many walks through a CidrTrie at once.
//
// Each round takes every walk one node further, and asks for the next node's memory as soon as it
// is known, so that no walk waits alone. Walks are queued by the kind of the node that they stand
// at: then each loop does one thing, without branches that depend on the addresses. Lists are
// searched 32 bytes at a time where the processor can (AVX2), else 16.

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>

#include "base/check.h"
#include "base/limits.h"
#include "lookup/cidr_trie.h"

namespace sluice {

namespace {

// An address as a walk reads it: whole to compare it, and byte by byte from its end, where a number
// of this machine has its first byte.
struct KeyV4 {
  std::uint32_t value;

  static constexpr unsigned kShift = 2;  // of its size
  static KeyV4 of(const IpAddr& address) { return {address.v4_value()}; }
  static KeyV4 of(std::uint32_t address) { return {address}; }
  // True if the first `length` bits are those of the node's path. No branch.
  bool shares(const TrieNode& node, unsigned length) const {
    const auto path = static_cast<std::uint32_t>(node.path_high >> 32);
    return std::uint64_t{value ^ path} >> (32 - length) == 0;
  }
};

struct KeyV6 {
  std::uint64_t low;
  std::uint64_t high;

  static constexpr unsigned kShift = 4;
  static KeyV6 of(const IpAddr& address) { return {address.low(), address.high()}; }
  bool shares(const TrieNode& node, unsigned length) const {
    const std::uint64_t path_low = length > 64 ? *node.tail<std::uint64_t>(0) : 0;
    return TrieKey{high, low}.shares({node.path_high, path_low}, length);
  }
};

// The place of a walk: where the byte lies, among those of all keys, that its node takes. The byte
// after it lies before it.
using Place = std::uint16_t;

// Walks that stand at nodes of one kind. Counts are kept by the loops, in registers.
using Places = std::array<Place, kBurstMax>;
struct Queues {
  Places wides;
  Places lists;
};
struct Counts {
  std::size_t wides = 0;
  std::size_t lists = 0;
  std::size_t lonelies = 0;
};

// Walks count from 1, so that there is a byte after the last of the first.
template <class Key, class Out>
struct Walks {
  std::array<Key, kBurstMax + 1> keys;
  std::array<TrieLink, kBurstMax + 1> at;
  Out* out;
  Queues queues[2];
  Places lonelies;  // the ends of walks, at which all arrive before they are looked at

  static constexpr unsigned kKeySize = sizeof(Key);
  static std::size_t walk_at(Place place) { return place >> Key::kShift; }
  static Place place_of(std::size_t walk, unsigned depth) {
    return static_cast<Place>(walk * kKeySize + kKeySize - 1 - depth);
  }
  unsigned slot(Place place) const {
    return reinterpret_cast<const std::uint8_t*>(keys.data())[place];
  }
  Out& result(std::size_t walk) const { return out[walk - 1]; }
};

// What a walk chooses depends on the address, which no processor foresees. The compiler makes
// branches of such choices, so they are spelt out.
//
// `id`, or `other` where that is kNoPrefix.
[[gnu::always_inline]] inline PrefixId id_or(PrefixId id, PrefixId other) {
  asm("cmpl $-1, %0\n\tcmovel %1, %0" : "+r"(id) : "rm"(other) : "cc");
  return id;
}
// `value`, or `other` where none was found.
[[gnu::always_inline]] inline PrefixId found_or(std::uint64_t found, PrefixId value,
                                                PrefixId other) {
  asm("testq %2, %2\n\tcmovel %1, %0" : "+r"(value) : "rm"(other), "r"(found) : "cc");
  return value;
}
// `value`, or `other` where the two numbers differ.
[[gnu::always_inline]] inline std::uintptr_t equal_or(std::uintptr_t a, std::uintptr_t b,
                                                      std::uintptr_t value, std::uintptr_t other) {
  asm("cmpq %3, %2\n\tcmovneq %1, %0" : "+r"(value) : "r"(other), "r"(a), "er"(b) : "cc");
  return value;
}

void note(PrefixId& out, PrefixId longest, PrefixId) { out = id_or(longest, out); }
void note(CidrMatch& out, PrefixId longest, PrefixId plain) {
  out.longest = id_or(longest, out.longest);
  out.plain = id_or(plain, out.plain);
}

void set(PrefixId& out, PrefixId longest, PrefixId) { out = longest; }
void set(CidrMatch& out, PrefixId longest, PrefixId plain) { out = {longest, plain}; }

void clear(PrefixId& out) { out = kNoPrefix; }
void clear(CidrMatch& out) { out = CidrMatch(); }

// Queues the walk for its next node, if there is one. Asks for the line that will be read first:
// the slot of a wide node, or the begin. No branch.
template <class Walks>
[[gnu::always_inline]] inline void go_on(Walks& walks, Place place, TrieLink next, Queues& queues,
                                         Counts& counts) {
  const auto next_place = static_cast<Place>(place - 1);
  walks.at[Walks::walk_at(place)] = next;
  // By number, since there may be no node: asking for a line of nothing is allowed, naming it not.
  const std::size_t offset =
      TrieWideNode::slot_offset(walks.slot(next_place)) & (0 - next.wide_count());
  prefetch_read(reinterpret_cast<const void*>(next.address() + offset));
  queues.wides[counts.wides] = next_place;
  counts.wides += next.wide_count();
  queues.lists[counts.lists] = next_place;
  counts.lists += next.list_count();
  walks.lonelies[counts.lonelies] = next_place;
  counts.lonelies += next.lonely_count();
}

template <class Walks>
Counts step_wides(Walks& walks, const Places& places, std::size_t count, Queues& queues,
                  Counts counts) {
  for (std::size_t k = 0; k < count; ++k) {
    Place place = places[k];
    const std::size_t i = Walks::walk_at(place);
    const TrieLink link = walks.at[i];
    const auto& node = static_cast<const TrieWideNode&>(*link.node());
    if (link.is_skipping()) {
      if (!walks.keys[i].shares(node, 8u * node.depth)) continue;
      place = Walks::place_of(i, node.depth);
    }
    const TrieWideNode::Slot& slot = node.slots[walks.slot(place)];
    note(walks.result(i), slot.longest, slot.plain);
    go_on(walks, place, slot.child, queues, counts);
  }
  return counts;
}

// The first of the matches; `found` may be none, and there may be no ids.
[[gnu::always_inline]] inline PrefixId first_id(const PrefixId* ids, std::uint64_t found) {
  return found_or(found, ids[std::countr_zero(found) & 63], kNoPrefix);
}

// Of a list: which of its prefixes are not marked.
[[gnu::always_inline]] inline std::uint64_t plain_mask(const TrieNode& node) {
  return ~std::uint64_t{0} << node.marked_count;
}

// What a list says to the prefixes that were found in it.
template <class Out>
[[gnu::always_inline]] inline void take(const TrieNode& node, const PrefixId* ids,
                                        std::uint64_t found, Out& out) {
  note(out, first_id(ids, found), first_id(ids, found & plain_mask(node)));
}

[[gnu::always_inline]] inline TrieLink child_at(const TrieLink* children, std::uint64_t found) {
  return children[std::countr_zero(found) & 63].unless(found == 0);
}

// All ones if the walk is on the path of its node.
template <class Walks>
[[gnu::always_inline]] inline std::uint64_t path_mask(const Walks& walks, std::size_t i,
                                                      const TrieNode& node) {
  return 0 - std::uint64_t{walks.keys[i].shares(node, 8u * node.depth)};
}

template <class Walks>
Counts step_lists(Walks& walks, const Places& places, std::size_t count, Queues& queues,
                  Counts counts) {
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = Walks::walk_at(places[k]);
    const TrieNode& node = *walks.at[i].node();
    const TrieListLayout layout(node);
    const std::uint64_t mask = path_mask(walks, i, node);
    const Place place = Walks::place_of(i, node.depth);
    const unsigned slot = walks.slot(place);
    const auto* values = node.tail<std::uint8_t>(layout.values);
    const std::uint64_t found = match_prefixes(values, node.prefix_count, slot);
    take(node, node.tail<PrefixId>(layout.ids), found & mask, walks.result(i));
    if (node.child_count == 0) continue;
    const auto* slots = node.tail<std::uint8_t>(layout.slots);
    const std::uint64_t chosen = match_slots(slots, node.child_count, slot) & mask;
    go_on(walks, place, child_at(node.tail<TrieLink>(layout.children), chosen), queues, counts);
  }
  return counts;
}

// Bit i: values[i] == slot under masks[i], of the 32 from there on.
[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t match_32(
    const std::uint8_t* values, const std::uint8_t* masks, __m256i slot) {
  const __m256i value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
  const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(masks));
  const __m256i equal = _mm256_cmpeq_epi8(_mm256_and_si256(slot, mask), value);
  return static_cast<unsigned>(_mm256_movemask_epi8(equal));
}

// Bit i: slots[i] == slot.
[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t match_32(const std::uint8_t* slots,
                                                                          __m256i slot) {
  const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(slots));
  return static_cast<unsigned>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(here, slot)));
}

template <class Walks>
[[gnu::target("avx2,bmi,bmi2,lzcnt")]] Counts step_lists_avx2(Walks& walks, const Places& places,
                                                              std::size_t count, Queues& queues,
                                                              Counts counts) {
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = Walks::walk_at(places[k]);
    const TrieNode& node = *walks.at[i].node();
    const TrieListLayout layout(node);
    const std::uint64_t mask = path_mask(walks, i, node);
    const Place place = Walks::place_of(i, node.depth);
    const __m256i slot = _mm256_set1_epi8(static_cast<char>(walks.slot(place)));
    const unsigned prefixes = node.prefix_count;
    const auto* values = node.tail<std::uint8_t>(layout.values);
    std::uint64_t found = match_32(values, values + prefixes, slot);
    if (prefixes > 32) found |= match_32(values + 32, values + prefixes + 32, slot) << 32;
    found = _bzhi_u64(found, prefixes) & mask;
    take(node, node.tail<PrefixId>(layout.ids), found, walks.result(i));
    const unsigned children = node.child_count;
    if (children == 0) continue;
    const auto* slots = node.tail<std::uint8_t>(layout.slots);
    std::uint64_t chosen = match_32(slots, slot);
    if (children > 32) chosen |= match_32(slots + 32, slot) << 32;
    chosen = _bzhi_u64(chosen, children) & mask;
    go_on(walks, place, child_at(node.tail<TrieLink>(layout.children), chosen), queues, counts);
  }
  return counts;
}

// What the first two nodes of IPv4 nearly always are, in a table of many prefixes, and what most
// walks end in: three loops that do only that, and one for what is left over.
//
// Where walks wait that have nothing to do in a loop.
constexpr TrieWideNode::Slot kNoSlot{TrieLink(), kNoPrefix, kNoPrefix};
constexpr struct {
  TrieNode node;
  std::array<std::uint8_t, 2 * TrieListLayout::kStride> values;
} kNoLeaf{};

template <class Out>
class TopWalks {
 public:
  // Of fewer prefixes, the second nodes are mostly lists.
  static constexpr std::size_t kPrefixesMin = 1u << 14;

  TopWalks(Walks<KeyV4, Out>& walks, const TrieWideNode& root, std::size_t count)
      : walks_(walks), root_(root), count_(count) {}

  [[gnu::target("avx2,bmi,bmi2,lzcnt")]] Counts walk(Queues& queues) {
    const std::size_t left_at_root = step_root();
    const std::size_t left = step_second(left_at_root);
    step_leaves();
    Counts counts;
    for (std::size_t k = 0; k < left; ++k) {
      const std::size_t i = left_[k];
      const TrieLink next = k < left_at_root ? root_.slots[byte(i, 0)].child : seconds_[i];
      go_on(walks_, Walks<KeyV4, Out>::place_of(i + 1, k < left_at_root ? 0 : 1), next, queues,
            counts);
    }
    return counts;
  }

 private:
  // The byte that comes first is the number's last.
  [[gnu::always_inline]] unsigned byte(std::size_t i, unsigned depth) const {
    return reinterpret_cast<const std::uint8_t*>(&walks_.keys[i + 1])[3 - depth];
  }

  // Returns how many are left over.
  [[gnu::always_inline]] std::size_t step_root() {
    std::size_t left = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      const TrieWideNode::Slot& slot = root_.slots[byte(i, 0)];
      set(walks_.out[i], slot.longest, slot.plain);
      const TrieLink child = slot.child;
      const std::uintptr_t chosen =
          equal_or(child.tag(), TrieLink::kWide,
                   child.bits() - TrieLink::kWide + TrieWideNode::slot_offset(byte(i, 1)),
                   reinterpret_cast<std::uintptr_t>(&kNoSlot));
      places_[i] = chosen;
      prefetch_read(reinterpret_cast<const void*>(chosen));
      left_[left] = static_cast<std::uint8_t>(i);
      left += child.has(TrieLink::kList | TrieLink::kLonely | TrieLink::kMore) ? 1 : 0;
    }
    return left;
  }

  [[gnu::always_inline]] std::size_t step_second(std::size_t left) {
    for (std::size_t i = 0; i < count_; ++i) {
      const auto& slot = *reinterpret_cast<const TrieWideNode::Slot*>(places_[i]);
      note(walks_.out[i], slot.longest, slot.plain);
      const TrieLink child = slot.child;
      const std::uintptr_t chosen =
          equal_or(child.tag(), TrieLink::kList, child.bits() - TrieLink::kList,
                   reinterpret_cast<std::uintptr_t>(&kNoLeaf));
      places_[i] = chosen;
      prefetch_read(reinterpret_cast<const void*>(chosen));
      prefetch_read(reinterpret_cast<const void*>(chosen + kCacheLine));
      seconds_[i] = child;
      left_[left] = static_cast<std::uint8_t>(i);
      left += child.has(TrieLink::kWide | TrieLink::kLonely | TrieLink::kMore) ? 1 : 0;
    }
    return left;
  }

  [[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::always_inline]] void step_leaves() {
    for (std::size_t i = 0; i < count_; ++i) {
      const auto& node = *reinterpret_cast<const TrieNode*>(places_[i]);
      const unsigned prefixes = node.prefix_count;
      const auto* values = node.tail<std::uint8_t>(0);
      const __m256i slot = _mm256_set1_epi8(static_cast<char>(byte(i, 2)));
      const std::uint64_t found = _bzhi_u64(match_32(values, values + prefixes, slot), prefixes);
      take(node, node.tail<PrefixId>((2 * prefixes + 3) & ~3u), found, walks_.out[i]);
    }
  }

  Walks<KeyV4, Out>& walks_;
  const TrieWideNode& root_;
  const std::size_t count_;
  std::array<std::uintptr_t, kBurstMax> places_;  // of slots, then of leaves
  std::array<TrieLink, kBurstMax> seconds_;       // what the slots of the second nodes link to
  std::array<std::uint8_t, 2 * kBurstMax> left_;  // walks that go on elsewhere
};

template <class Walks>
void end_lonelies(const Walks& walks, std::size_t count) {
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = Walks::walk_at(walks.lonelies[k]);
    const auto& lonely = static_cast<const TrieLonelyNode&>(*walks.at[i].node());
    const bool is_covered = walks.keys[i].shares(lonely, lonely.length);
    const PrefixId id = found_or(is_covered, lonely.id, kNoPrefix);
    note(walks.result(i), id, found_or((id & kMarkedPrefix) == 0, id, kNoPrefix));
  }
}

// Puts all walks to the root.
template <class Walks>
Counts start_at(Walks& walks, TrieLink root, std::size_t count, Queues& queues) {
  Places& first = root.is_wide() ? queues.wides : root.is_list() ? queues.lists : walks.lonelies;
  for (std::size_t i = 0; i < count; ++i) {
    walks.at[i + 1] = root;
    first[i] = Walks::place_of(i + 1, 0);
    clear(walks.out[i]);
  }
  return {count * root.wide_count(), count * root.list_count(), count * root.lonely_count()};
}

template <class Key, class Address, class Out>
void walk_burst(TrieNode* root, std::span<const Address> addresses, Out* out, TrieVectors vectors,
                bool with_top) {
  Walks<Key, Out> walks;
  walks.out = out;
  for (std::size_t i = 0; i < addresses.size(); ++i) walks.keys[i + 1] = Key::of(addresses[i]);
  const TrieLink start(root, -1);
  Queues* now = &walks.queues[0];
  Queues* next = &walks.queues[1];
  Counts counts;
  if (std::is_same_v<Key, KeyV4> && with_top && start.is_next_wide()) {
    if constexpr (std::is_same_v<Key, KeyV4>) {
      counts = TopWalks<Out>(walks, static_cast<const TrieWideNode&>(*root), addresses.size())
                   .walk(*now);
    }
  } else {
    counts = start_at(walks, start, addresses.size(), *now);
  }
  while (counts.wides + counts.lists != 0) {
    Counts coming{0, 0, counts.lonelies};
    coming = step_wides(walks, now->wides, counts.wides, *next, coming);
    coming = vectors == TrieVectors::Bytes32
                 ? step_lists_avx2(walks, now->lists, counts.lists, *next, coming)
                 : step_lists(walks, now->lists, counts.lists, *next, coming);
    counts = coming;
    std::swap(now, next);
  }
  end_lonelies(walks, counts.lonelies);
}

template <class Key, class Address, class Out>
void walk_all(const CidrTrie& trie, TrieNode* root, std::span<const Address> addresses,
              std::span<Out> out, TrieVectors vectors = widest_trie_vectors()) {
  CHECK(vectors <= widest_trie_vectors());
  CHECK(addresses.size() == out.size());
  const bool with_top =
      vectors == TrieVectors::Bytes32 && trie.prefix_count() >= TopWalks<Out>::kPrefixesMin;
  for (std::size_t start = 0; start < addresses.size(); start += kBurstMax) {
    const std::size_t count = std::min(kBurstMax, addresses.size() - start);
    walk_burst<Key>(root, addresses.subspan(start, count), out.data() + start, vectors, with_top);
  }
}

}  // namespace

TrieVectors widest_trie_vectors() {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0 &&
                               __builtin_cpu_supports("bmi") != 0 &&
                               __builtin_cpu_supports("bmi2") != 0;
  return has_avx2 ? TrieVectors::Bytes32 : TrieVectors::Bytes16;
}

void CidrTrie::find_burst(std::span<const IpAddr> addresses, std::span<PrefixId> out) const {
  if (family_ == Family::Ipv4) return walk_all<KeyV4>(*this, root_, addresses, out);
  walk_all<KeyV6>(*this, root_, addresses, out);
}

void CidrTrie::find_burst(std::span<const std::uint32_t> addresses, std::span<PrefixId> out) const {
  walk_all<KeyV4>(*this, root_, addresses, out);
}

void CidrTrie::match_burst(std::span<const std::uint32_t> addresses,
                           std::span<CidrMatch> out) const {
  walk_all<KeyV4>(*this, root_, addresses, out);
}

void CidrTrie::match_burst(std::span<const IpAddr> addresses, std::span<CidrMatch> out,
                           TrieVectors vectors) const {
  if (family_ == Family::Ipv4) return walk_all<KeyV4>(*this, root_, addresses, out, vectors);
  walk_all<KeyV6>(*this, root_, addresses, out, vectors);
}

}  // namespace sluice
