// Many walks through a CidrTrie at once.
//
// Each round takes every walk one node further, and asks for the next node's memory as soon as it
// is known, so that no walk waits alone. Walks that stand at wide nodes and walks that stand at
// lists are taken apart first: then each loop does one thing, without branches that depend on the
// addresses. Lists are searched 64 bytes at a time where the processor can (AVX-512), else 16.

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"
#include "base/limits.h"
#include "lookup/cidr_trie.h"

namespace sluice {

namespace {

// Walks by their place in the burst. Counts are kept by the loops, in registers.
using Places = std::array<std::uint16_t, kBurstMax>;

struct Walks {
  std::array<TrieKey, kBurstMax> keys;
  std::array<TrieLink, kBurstMax> at;
  std::array<std::uint16_t, kBurstMax> depths;  // of the node that it is at
  Places walking;
  Places at_wides;
  Places at_lists;

  unsigned slot(std::size_t i) const { return keys[i].byte(depths[i]); }
};

void note(PrefixId& out, PrefixId longest, PrefixId) { out = longest == kNoPrefix ? out : longest; }
void note(CidrMatch& out, PrefixId longest, PrefixId plain) {
  out.longest = longest == kNoPrefix ? out.longest : longest;
  out.plain = plain == kNoPrefix ? out.plain : plain;
}

void clear(PrefixId& out) { out = kNoPrefix; }
void clear(CidrMatch& out) { out = CidrMatch(); }

// Asks for the line that the next step reads first: the slot of a wide node, or the list.
void prefetch_step(const TrieLink& link, unsigned slot) {
  // By number, since there may be no node: asking for a line of nothing is allowed, naming it not.
  const auto node = reinterpret_cast<std::uintptr_t>(link.node());
  const std::size_t offset = link.is_wide() ? TrieWideNode::slot_offset(slot) : 0;
  prefetch_read(reinterpret_cast<const void*>(node + offset));
}

// Appends the walk to `walking` if it goes on; no branch. Returns how many there are.
std::size_t go_on(Walks& walks, std::size_t i, TrieLink next, std::size_t walking) {
  const unsigned depth = walks.depths[i] + 1u;
  walks.at[i] = next;
  walks.depths[i] = static_cast<std::uint16_t>(depth);
  prefetch_step(next, walks.keys[i].byte(depth));
  walks.walking[walking] = static_cast<std::uint16_t>(i);
  return walking + (next.is_none() ? 0 : 1);
}

template <class Out>
std::size_t step_wides(Walks& walks, std::size_t count, Out* out, std::size_t walking) {
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = walks.at_wides[k];
    const auto& node = static_cast<const TrieWideNode&>(*walks.at[i].node());
    const TrieWideNode::Slot& slot = node.slots[walks.slot(i)];
    note(out[i], slot.own == kNoPrefix ? slot.plain : slot.own, slot.plain);
    walking = go_on(walks, i, slot.child, walking);
  }
  return walking;
}

// The last of the matches; `found` may be none.
PrefixId last_id(const PrefixId* ids, std::uint64_t found) {
  const PrefixId id = ids[63 - std::countl_zero(found | 1)];
  return found == 0 ? kNoPrefix : id;
}

template <class Out>
void take_list(const TrieNode& node, const TrieListLayout& layout, std::uint64_t found, Out& out) {
  const PrefixId* ids = node.tail<PrefixId>(layout.ids);
  const std::uint64_t plain = found & ((std::uint64_t{1} << node.plain_count) - 1);
  note(out, last_id(ids, found), last_id(ids, plain));
}

TrieLink list_child(const TrieNode& node, const TrieListLayout& layout, std::uint64_t found) {
  if (found == 0) return {};
  return node.tail<TrieLink>(layout.children)[std::countr_zero(found)];
}

template <class Out>
std::size_t step_lists(Walks& walks, std::size_t count, Out* out, std::size_t walking) {
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = walks.at_lists[k];
    const TrieNode& node = *walks.at[i].node();
    const unsigned slot = walks.slot(i);
    const TrieListLayout layout(node);
    const auto* values = node.tail<std::uint8_t>(layout.values);
    take_list(node, layout, match_prefixes(values, node.prefix_count, slot), out[i]);
    TrieLink next;
    if (node.child_count != 0) {
      const auto* slots = node.tail<std::uint8_t>(layout.slots);
      next = list_child(node, layout, match_slots(slots, node.child_count, slot));
    }
    walking = go_on(walks, i, next, walking);
  }
  return walking;
}

template <class Out>
[[gnu::target("avx512f,avx512bw,avx512vl,bmi,bmi2,lzcnt")]] std::size_t step_lists_avx512(
    Walks& walks, std::size_t count, Out* out, std::size_t walking) {
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = walks.at_lists[k];
    const TrieNode& node = *walks.at[i].node();
    const __m512i slot = _mm512_set1_epi8(static_cast<char>(walks.slot(i)));
    const TrieListLayout layout(node);
    const auto* values = node.tail<std::uint8_t>(layout.values);
    const __mmask64 prefixes = (std::uint64_t{1} << node.prefix_count) - 1;
    const __m512i value = _mm512_maskz_loadu_epi8(prefixes, values);
    const __m512i mask = _mm512_maskz_loadu_epi8(prefixes, values + node.prefix_count);
    const __mmask64 found =
        _mm512_mask_cmpeq_epi8_mask(prefixes, value, _mm512_and_si512(slot, mask));
    take_list(node, layout, found, out[i]);
    TrieLink next;
    if (node.child_count != 0) {
      const __mmask64 children = (std::uint64_t{1} << node.child_count) - 1;
      const __m512i slots =
          _mm512_maskz_loadu_epi8(children, node.tail<std::uint8_t>(layout.slots));
      next = list_child(node, layout, _mm512_mask_cmpeq_epi8_mask(children, slots, slot));
    }
    walking = go_on(walks, i, next, walking);
  }
  return walking;
}

TrieKey key_of(const IpAddr& address) { return TrieKey::of(address); }
TrieKey key_of(std::uint32_t address) { return {std::uint64_t{address} << 32, 0}; }

// False if the node's path leads away from the key.
bool skip(Walks& walks, std::size_t i) {
  const TrieNode& node = *walks.at[i].node();
  walks.depths[i] = node.depth;
  return node.is_on_path(walks.keys[i]);
}

template <class Address, class Out>
void walk_burst(TrieNode* root, std::span<const Address> addresses, Out* out, TrieVectors vectors) {
  Walks walks;
  const TrieLink start(root, -1);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    walks.keys[i] = key_of(addresses[i]);
    walks.at[i] = start;
    walks.depths[i] = 0;
    walks.walking[i] = static_cast<std::uint16_t>(i);
    clear(out[i]);
  }
  std::size_t walking = start.is_none() ? 0 : addresses.size();
  while (walking != 0) {
    std::size_t wides = 0;
    std::size_t lists = 0;
    for (std::size_t k = 0; k < walking; ++k) {
      const std::uint16_t i = walks.walking[k];
      const TrieLink link = walks.at[i];
      if (link.is_skipping() && !skip(walks, i)) continue;
      walks.at_wides[wides] = i;
      walks.at_lists[lists] = i;
      wides += link.is_wide() ? 1 : 0;
      lists += link.is_wide() ? 0 : 1;
    }
    walking = step_wides(walks, wides, out, 0);
    walking = vectors == TrieVectors::Bytes64 ? step_lists_avx512(walks, lists, out, walking)
                                              : step_lists(walks, lists, out, walking);
  }
}

template <class Address, class Out>
void walk_all(TrieNode* root, std::span<const Address> addresses, std::span<Out> out,
              TrieVectors vectors = widest_trie_vectors()) {
  CHECK(vectors <= widest_trie_vectors());
  CHECK(addresses.size() == out.size());
  for (std::size_t start = 0; start < addresses.size(); start += kBurstMax) {
    const std::size_t count = std::min(kBurstMax, addresses.size() - start);
    walk_burst(root, addresses.subspan(start, count), out.data() + start, vectors);
  }
}

}  // namespace

TrieVectors widest_trie_vectors() {
  static const bool has_avx512 = __builtin_cpu_supports("avx512bw") != 0 &&
                                 __builtin_cpu_supports("avx512vl") != 0 &&
                                 __builtin_cpu_supports("bmi2") != 0;
  return has_avx512 ? TrieVectors::Bytes64 : TrieVectors::Bytes16;
}

void CidrTrie::find_burst(std::span<const IpAddr> addresses, std::span<PrefixId> out) const {
  walk_all(root_, addresses, out);
}

void CidrTrie::find_burst(std::span<const std::uint32_t> addresses, std::span<PrefixId> out) const {
  walk_all(root_, addresses, out);
}

void CidrTrie::match_burst(std::span<const IpAddr> addresses, std::span<CidrMatch> out,
                           TrieVectors vectors) const {
  walk_all(root_, addresses, out, vectors);
}

}  // namespace sluice
