#include "lookup/cidr_trie.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "base/check.h"

namespace sluice {

namespace {

// A wide node becomes a list again when it has this few prefixes and children together: well below
// what made it wide, so that no edit back and forth rewrites it each time.
constexpr unsigned kNarrowBelow = 32;

unsigned common_bits(const TrieKey& a, const TrieKey& b) {
  if (a.high != b.high) return static_cast<unsigned>(std::countl_zero(a.high ^ b.high));
  if (a.low != b.low) return 64 + static_cast<unsigned>(std::countl_zero(a.low ^ b.low));
  return 128;
}

TrieKey first_bytes(const TrieKey& key, unsigned bytes) {
  if (bytes <= 8) return {key.high & TrieNode::kPathMasks[bytes], 0};
  return {key.high, key.low & TrieNode::kPathMasks[bytes - 8]};
}

// A prefix as the trie files it: in the node of `depth`, at `value` there, with `bits` of it.
struct Filed {
  TrieKey key;
  unsigned depth;
  unsigned value;
  unsigned bits;
  PrefixId id;
};

Filed file(const Cidr& cidr, PrefixId id) {
  const TrieKey key = TrieKey::of(cidr.address());
  const unsigned depth = cidr.length() == 0 ? 0 : (cidr.length() - 1u) / 8;
  return {key, depth, key.byte(depth), cidr.length() - 8 * depth, id};
}
Filed file(const CidrTrie::Entry& entry) { return file(entry.cidr, entry.id); }

unsigned mask_of(unsigned bits) { return 0xff00u >> bits & 0xff; }

// What a node holds, taken apart. Left as it is until filled: it is large, and lives on the stack.
struct Parts {
  struct Prefix {
    std::uint8_t value;
    std::uint8_t bits;
    PrefixId id;
  };
  struct Child {
    unsigned slot;
    TrieNode* node;
  };
  TrieKey path;
  unsigned depth;
  unsigned prefix_count = 0;
  unsigned child_count = 0;
  std::array<Prefix, 512> prefixes;
  std::array<Child, 256> children;

  Parts(const TrieKey& key, unsigned depth_bytes)
      : path(first_bytes(key, depth_bytes)), depth(depth_bytes) {}
  explicit Parts(const TrieNode& node);

  void add(const Filed& filed) {
    prefixes[prefix_count++] = {static_cast<std::uint8_t>(filed.value),
                                static_cast<std::uint8_t>(filed.bits), filed.id};
  }
  void add_child(unsigned slot, TrieNode* node) { children[child_count++] = {slot, node}; }
  void remove(unsigned value, unsigned bits) {
    const auto end = prefixes.begin() + prefix_count;
    std::remove_if(prefixes.begin(), end, [&](const Prefix& prefix) {
      return prefix.value == value && prefix.bits == bits;
    });
    --prefix_count;
  }
  void remove_child(unsigned slot) {
    const auto end = children.begin() + child_count;
    std::remove_if(children.begin(), end, [&](const Child& child) { return child.slot == slot; });
    --child_count;
  }
};

Parts::Parts(const TrieNode& node) : path(node.path()), depth(node.depth) {
  if (node.is_lonely()) {
    const auto& lonely = static_cast<const TrieLonelyNode&>(node);
    prefixes[prefix_count++] = {static_cast<std::uint8_t>(lonely.value()),
                                static_cast<std::uint8_t>(lonely.bits()), lonely.id};
    return;
  }
  if (!node.is_wide()) {
    const TrieListLayout layout(node);
    for (; prefix_count < node.prefix_count; ++prefix_count) {
      const auto mask = node.tail<std::uint8_t>(layout.masks)[prefix_count];
      prefixes[prefix_count] = {node.tail<std::uint8_t>(layout.values)[prefix_count],
                                static_cast<std::uint8_t>(std::countl_one(mask)),
                                node.tail<PrefixId>(layout.ids)[prefix_count]};
    }
    for (; child_count < node.child_count; ++child_count) {
      children[child_count] = {node.tail<std::uint8_t>(layout.slots)[child_count],
                               node.tail<TrieLink>(layout.children)[child_count].node()};
    }
    return;
  }
  const auto& wide = static_cast<const TrieWideNode&>(node);
  for (unsigned bits = 0; bits <= 8; ++bits) {
    for (unsigned value = 0; value < 256; value += 256u >> bits) {
      const PrefixId id = wide.at(value, bits);
      if (id == kNoPrefix) continue;
      prefixes[prefix_count++] = {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(bits),
                                  id};
    }
  }
  for (unsigned slot = 0; slot < 256; ++slot) {
    if (!wide.slots[slot].child.is_none()) add_child(slot, wide.slots[slot].child.node());
  }
}

std::size_t content_size(const TrieNode& node) {
  if (node.is_wide()) return sizeof(TrieWideNode);
  return node.is_lonely() ? sizeof(TrieLonelyNode) : sizeof(TrieNode) + TrieListLayout(node).end;
}

// With the 8 bytes that the allocator keeps before each piece, sizes are multiples of 16 (small) or
// of a cache line, and aligned pieces lie side by side without gaps.
constexpr std::size_t kPieceHeader = 8;
constexpr std::size_t kSmallPiece = 48;

std::size_t piece_size(std::size_t content) {
  const std::size_t unit = content + kPieceHeader <= kSmallPiece ? 16 : kCacheLine;
  return (content + kPieceHeader + unit - 1) / unit * unit;
}

void* take_piece(std::size_t content) {
  const std::size_t piece = piece_size(content);
  void* memory = piece <= kSmallPiece ? std::malloc(piece - kPieceHeader) : nullptr;
  if (piece > kSmallPiece && posix_memalign(&memory, kCacheLine, piece - kPieceHeader) != 0) {
    memory = nullptr;
  }
  CHECK(memory != nullptr);
  return memory;
}

template <class Visit>
void for_each_child(const TrieNode& node, Visit&& visit) {
  if (node.is_wide()) {
    for (const auto& slot : static_cast<const TrieWideNode&>(node).slots) {
      if (!slot.child.is_none()) visit(slot.child.node());
    }
    return;
  }
  const TrieListLayout layout(node);
  for (unsigned i = 0; i < node.child_count; ++i) {
    visit(node.tail<TrieLink>(layout.children)[i].node());
  }
}

// Relaxed: whoever copies an owner's pointer owns the node already.
void retain(TrieNode* node) { node->owners.fetch_add(1, std::memory_order_relaxed); }

// Recursion ends after as many nodes as a key has bytes.
void release(TrieNode* node) {
  // Acquire-release: the last owner sees the reads of all others before it frees.
  if (node->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for_each_child(*node, release);
  std::free(node);
}

// Finds the longest prefixes of each slot that the prefix covers anew.
void refresh_slots(TrieWideNode& wide, unsigned value, unsigned bits) {
  for (unsigned slot = value; slot < value + (256u >> bits); ++slot) {
    unsigned k = 7;
    while (k != 0 && wide.at(slot, k) == kNoPrefix) --k;
    const PrefixId shorter = wide.at(slot, k);
    TrieWideNode::Slot& place = wide.slots[slot];
    if (!wide.has_own(slot)) place.longest = shorter;
    place.plain = is_marked_prefix(place.longest) ? shorter : place.longest;
  }
}

// kNoPrefix: takes it away. The slots are to be refreshed after it.
void put_prefix(TrieWideNode& wide, unsigned value, unsigned bits, PrefixId id) {
  if (bits != 8) {
    wide.shorter[TrieWideNode::heap_index(value, bits)] = id;
    return;
  }
  const std::uint64_t bit = std::uint64_t{1} << value % 64;
  wide.is_own[value / 64] &= ~bit;
  if (id == kNoPrefix) return;
  wide.is_own[value / 64] |= bit;
  wide.slots[value].longest = id;
}

// The path of a lonely node goes on to the end of its prefix.
void write_lonely(TrieLonelyNode& lonely, const Parts& parts) {
  const Parts::Prefix& prefix = parts.prefixes[0];
  const unsigned shift = 56 - 8 * (parts.depth & 7);
  lonely.path_low = parts.path.low;
  (parts.depth < 8 ? lonely.path_high : lonely.path_low) |= std::uint64_t{prefix.value} << shift;
  lonely.id = prefix.id;
  lonely.length = 8 * parts.depth + prefix.bits;
  lonely.prefix_count = 1;
}

void write_list(TrieNode* node, Parts& parts) {
  node->prefix_count = static_cast<std::uint8_t>(parts.prefix_count);
  node->child_count = static_cast<std::uint8_t>(parts.child_count);
  if (parts.depth > 8) *node->tail<std::uint64_t>(0) = parts.path.low;
  const TrieListLayout layout(*node);
  const auto rank = [](const Parts::Prefix& prefix) {
    return is_marked_prefix(prefix.id) ? 9u : unsigned{prefix.bits};
  };
  std::stable_sort(
      parts.prefixes.begin(), parts.prefixes.begin() + parts.prefix_count,
      [&](const Parts::Prefix& a, const Parts::Prefix& b) { return rank(a) > rank(b); });
  for (unsigned i = 0; i < parts.prefix_count; ++i) {
    node->marked_count =
        static_cast<std::uint8_t>(node->marked_count + (rank(parts.prefixes[i]) == 9));
    node->tail<std::uint8_t>(layout.values)[i] = parts.prefixes[i].value;
    node->tail<std::uint8_t>(layout.masks)[i] =
        static_cast<std::uint8_t>(mask_of(parts.prefixes[i].bits));
    node->tail<PrefixId>(layout.ids)[i] = parts.prefixes[i].id;
  }
  for (unsigned i = 0; i < parts.child_count; ++i) {
    node->tail<std::uint8_t>(layout.slots)[i] = static_cast<std::uint8_t>(parts.children[i].slot);
    node->tail<TrieLink>(layout.children)[i] = TrieLink(parts.children[i].node, node->depth);
  }
}

void write_wide(TrieWideNode& wide, const Parts& parts) {
  wide.path_low = parts.path.low;
  wide.prefixes = parts.prefix_count;
  wide.children = parts.child_count;
  wide.slots.fill({TrieLink(), kNoPrefix, kNoPrefix});
  wide.shorter.fill(kNoPrefix);
  wide.is_own.fill(0);
  for (unsigned i = 0; i < parts.prefix_count; ++i) {
    put_prefix(wide, parts.prefixes[i].value, parts.prefixes[i].bits, parts.prefixes[i].id);
  }
  refresh_slots(wide, 0, 0);
  for (unsigned i = 0; i < parts.child_count; ++i) {
    wide.slots[parts.children[i].slot].child = TrieLink(parts.children[i].node, wide.depth);
  }
}

PrefixId find_in(const TrieNode& node, unsigned value, unsigned bits) {
  if (node.is_wide()) return static_cast<const TrieWideNode&>(node).at(value, bits);
  PrefixId found = kNoPrefix;
  for_each_cover_in(node, value, [&](PrefixId id, unsigned length) {
    if (length == 8u * node.depth + bits) found = id;
  });
  return found;
}

}  // namespace

// Changes a trie and keeps its counts. A function that takes a node takes over its owner's share,
// and returns what shall stand in its place, null if nothing is left of it.
class CidrTrieEditor {
 public:
  explicit CidrTrieEditor(CidrTrie& trie) : trie_(trie) {}

  TrieNode* insert(TrieNode* node, const Filed& filed) {
    if (node == nullptr) return lonely(filed);
    const unsigned shared = std::min(common_bits(node->path(), filed.key) / 8, filed.depth);
    if (shared < node->depth) return fork(node, shared, filed);
    node = own(node);
    if (filed.depth == node->depth) return add_prefix(node, filed);
    const unsigned slot = filed.key.byte(node->depth);
    if (TrieLink* child = child_place(*node, slot)) {
      *child = TrieLink(insert(child->node(), filed), node->depth);
      return node;
    }
    return add_child(node, slot, lonely(filed));
  }

  // The prefix must be there.
  TrieNode* erase(TrieNode* node, const Filed& filed) {
    node = own(node);
    if (filed.depth == node->depth) return remove_prefix(node, filed);
    const unsigned slot = filed.key.byte(node->depth);
    TrieLink* child = child_place(*node, slot);
    *child = TrieLink(erase(child->node(), filed), node->depth);
    return child->is_none() ? remove_child(node, slot) : node;
  }

  // The order makes the build a single pass: a cover comes before what it covers, and in a slot
  // what ends in the node comes first.
  template <class Item>
  TrieNode* build(std::span<const Item> sorted) {
    if (sorted.size() == 1) return lonely(file_at(sorted, 0));
    const TrieKey key = file_at(sorted, 0).key;
    unsigned depth = common_bits(key, file_at(sorted, sorted.size() - 1).key) / 8;
    for (std::size_t i = 0; i < sorted.size(); ++i)
      depth = std::min(depth, file_at(sorted, i).depth);
    Parts parts(key, depth);
    std::size_t first = 0;
    while (first < sorted.size()) {
      const unsigned slot = file_at(sorted, first).key.byte(depth);
      while (first < sorted.size()) {
        const Filed filed = file_at(sorted, first);
        if (filed.depth != depth || filed.value != slot) break;
        parts.add(filed);
        ++first;
      }
      std::size_t last = first;
      while (last < sorted.size() && file_at(sorted, last).key.byte(depth) == slot) ++last;
      if (last != first) parts.add_child(slot, build(sorted.subspan(first, last - first)));
      first = last;
    }
    return seal(parts);
  }

 private:
  Filed file_at(std::span<const Cidr> sorted, std::size_t i) const {
    return file(sorted[i], static_cast<PrefixId>(i + (sorted.data() - first_)));
  }
  Filed file_at(std::span<const CidrTrie::Entry> sorted, std::size_t i) const {
    return file(sorted[i]);
  }

  TrieNode* seal(Parts& parts) {
    const bool is_wide =
        parts.prefix_count > TrieListLayout::kMost || parts.child_count > TrieListLayout::kMost;
    const bool is_lonely = parts.prefix_count == 1 && parts.child_count == 0;
    const std::size_t content =
        is_wide     ? sizeof(TrieWideNode)
        : is_lonely ? sizeof(TrieLonelyNode)
                    : sizeof(TrieNode) +
                          TrieListLayout(parts.depth, parts.prefix_count, parts.child_count).end;
    void* memory = take_piece(content);
    TrieNode* node = is_wide     ? new (memory) TrieWideNode
                     : is_lonely ? new (memory) TrieLonelyNode
                                 : new (memory) TrieNode;
    node->depth = static_cast<std::uint8_t>(parts.depth);
    node->path_high = parts.path.high;
    if (is_wide) {
      node->marked_count = TrieNode::kWide;
      write_wide(static_cast<TrieWideNode&>(*node), parts);
    } else if (is_lonely) {
      node->marked_count = TrieNode::kLonely;
      write_lonely(static_cast<TrieLonelyNode&>(*node), parts);
    } else {
      write_list(node, parts);
    }
    ++trie_.node_count_;
    trie_.nodes_size_ += piece_size(content);
    return node;
  }

  // Frees a node that this trie alone owns, without its children.
  void forget(TrieNode* node) {
    --trie_.node_count_;
    trie_.nodes_size_ -= piece_size(content_size(*node));
    std::free(node);
  }

  TrieNode* reseal(TrieNode* node, Parts& parts) {
    forget(node);
    if (parts.prefix_count != 0) return seal(parts);
    // Children know their whole path, so a node of nothing but one child is not needed.
    if (parts.child_count == 1) return parts.children[0].node;
    return parts.child_count == 0 ? nullptr : seal(parts);
  }

  // The node itself if nobody else owns it, else a copy.
  TrieNode* own(TrieNode* node) {
    // Acquire: pairs with the release of the other owner that left last.
    if (node->owners.load(std::memory_order_acquire) == 1) return node;
    const std::size_t content = content_size(*node);
    void* memory = take_piece(content);
    auto* copy = static_cast<TrieNode*>(memory);
    new (&copy->owners) std::atomic<std::uint32_t>(1);
    // All but the owners, whom others count meanwhile.
    constexpr std::size_t kRest = sizeof(node->owners);
    std::memcpy(static_cast<char*>(memory) + kRest, reinterpret_cast<const char*>(node) + kRest,
                content - kRest);
    for_each_child(*copy, retain);
    release(node);
    return copy;
  }

  TrieNode* lonely(const Filed& filed) {
    Parts parts(filed.key, filed.depth);
    parts.add(filed);
    return seal(parts);
  }

  // A node above `node` at the byte where the two part, or where the prefix ends.
  TrieNode* fork(TrieNode* node, unsigned depth, const Filed& filed) {
    Parts parts(filed.key, depth);
    parts.add_child(node->path().byte(depth), node);
    if (filed.depth == depth) {
      parts.add(filed);
    } else {
      parts.add_child(filed.key.byte(depth), lonely(filed));
    }
    return seal(parts);
  }

  TrieLink* child_place(TrieNode& node, unsigned slot) {
    if (node.is_wide()) {
      TrieLink* place = &static_cast<TrieWideNode&>(node).slots[slot].child;
      return place->is_none() ? nullptr : place;
    }
    if (node.child_count == 0) return nullptr;
    const TrieListLayout layout(node);
    const std::uint64_t found =
        match_slots(node.tail<std::uint8_t>(layout.slots), node.child_count, slot);
    return found == 0 ? nullptr : node.tail<TrieLink>(layout.children) + std::countr_zero(found);
  }

  TrieNode* add_prefix(TrieNode* node, const Filed& filed) {
    if (node->is_wide()) {
      auto& wide = static_cast<TrieWideNode&>(*node);
      put_prefix(wide, filed.value, filed.bits, filed.id);
      ++wide.prefixes;
      refresh_slots(wide, filed.value, filed.bits);
      return node;
    }
    Parts parts(*node);
    parts.add(filed);
    return reseal(node, parts);
  }

  TrieNode* add_child(TrieNode* node, unsigned slot, TrieNode* child) {
    if (node->is_wide()) {
      auto& wide = static_cast<TrieWideNode&>(*node);
      wide.slots[slot].child = TrieLink(child, wide.depth);
      ++wide.children;
      return node;
    }
    Parts parts(*node);
    parts.add_child(slot, child);
    return reseal(node, parts);
  }

  TrieNode* remove_prefix(TrieNode* node, const Filed& filed) {
    if (node->is_wide()) {
      auto& wide = static_cast<TrieWideNode&>(*node);
      put_prefix(wide, filed.value, filed.bits, kNoPrefix);
      --wide.prefixes;
      refresh_slots(wide, filed.value, filed.bits);
      return narrow(wide);
    }
    Parts parts(*node);
    parts.remove(filed.value, filed.bits);
    return reseal(node, parts);
  }

  TrieNode* remove_child(TrieNode* node, unsigned slot) {
    if (node->is_wide()) {
      auto& wide = static_cast<TrieWideNode&>(*node);
      wide.slots[slot].child = TrieLink();
      --wide.children;
      return narrow(wide);
    }
    Parts parts(*node);
    parts.remove_child(slot);
    return reseal(node, parts);
  }

  TrieNode* narrow(TrieWideNode& wide) {
    if (wide.prefixes + wide.children >= kNarrowBelow) return &wide;
    Parts parts(wide);
    return reseal(&wide, parts);
  }

 public:
  // The whole input, where positions are ids.
  const Cidr* first_ = nullptr;

 private:
  CidrTrie& trie_;
};

namespace {

const Cidr& cidr_of(const Cidr& cidr) { return cidr; }
const Cidr& cidr_of(const CidrTrie::Entry& entry) { return entry.cidr; }

bool can_have(const Cidr& cidr, PrefixId id) {
  const bool may_be_marked = cidr.length() != 0 && cidr.length() % 8 == 0;
  return id != kNoPrefix && (may_be_marked || !is_marked_prefix(id));
}

template <class Item>
void check_sorted(Family family, std::span<const Item> sorted) {
  CHECK(sorted.size() <= CidrTrie::kPrefixesMax);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    CHECK(cidr_of(sorted[i]).family() == family);
    CHECK(i == 0 || cidr_of(sorted[i - 1]) < cidr_of(sorted[i]));
  }
}

}  // namespace

CidrTrie::CidrTrie(Family family, std::span<const Cidr> sorted) : family_(family) {
  check_sorted(family, sorted);
  CidrTrieEditor editor(*this);
  editor.first_ = sorted.data();
  if (!sorted.empty()) root_ = editor.build(sorted);
  prefix_count_ = sorted.size();
}

CidrTrie::CidrTrie(Family family, std::span<const Entry> sorted) : family_(family) {
  check_sorted(family, sorted);
  for (const Entry& entry : sorted) CHECK(can_have(entry.cidr, entry.id));
  if (!sorted.empty()) root_ = CidrTrieEditor(*this).build(sorted);
  prefix_count_ = sorted.size();
}

CidrTrie::CidrTrie(const CidrTrie& other)
    : root_(other.root_),
      prefix_count_(other.prefix_count_),
      node_count_(other.node_count_),
      nodes_size_(other.nodes_size_),
      family_(other.family_) {
  if (root_ != nullptr) retain(root_);
}

CidrTrie::~CidrTrie() {
  if (root_ != nullptr) release(root_);
}

void CidrTrie::insert(const Cidr& cidr, PrefixId id) {
  CHECK(cidr.family() == family_);
  CHECK(can_have(cidr, id));
  CHECK(prefix_count_ < kPrefixesMax);
  CHECK(find_exact(cidr) == kNoPrefix);
  root_ = CidrTrieEditor(*this).insert(root_, file(cidr, id));
  ++prefix_count_;
}

PrefixId CidrTrie::erase(const Cidr& cidr) {
  const PrefixId id = find_exact(cidr);
  if (id == kNoPrefix) return kNoPrefix;
  root_ = CidrTrieEditor(*this).erase(root_, file(cidr, id));
  --prefix_count_;
  return id;
}

PrefixId CidrTrie::find_exact(const Cidr& cidr) const {
  if (cidr.family() != family_) return kNoPrefix;
  const Filed filed = file(cidr, kNoPrefix);
  const TrieNode* node = root_;
  while (node != nullptr && node->depth <= filed.depth && node->is_on_path(filed.key)) {
    if (node->depth == filed.depth) return find_in(*node, filed.value, filed.bits);
    node = child_of(*node, filed.key.byte(node->depth));
  }
  return kNoPrefix;
}

}  // namespace sluice
