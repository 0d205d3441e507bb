#pragma once

// The free entries of a table, kept in memory that they do not need themselves. A plain list
// through them would be followed one cold line at a time; here each of them names up to six more,
// so that their lines are asked for before they are taken.
//
//      head --> | next | count | 6 indexes |   <-- in the state of a free entry, whose key stays as
//                  |                               it is: other threads may still look at it
//                  '--> | next | count | 6 indexes | --> none
//
// What was put last is taken first. One thread; no memory of its own.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/cache_line.h"
#include "flowtable/flow_state.h"

namespace sluice {

template <class Entry>
class FreeEntries {
 public:
  static constexpr std::uint32_t kNone = 0xffffffffu;

  explicit FreeEntries(Entry* entries) : entries_(entries) {}

  // Requires an entry that is not free. Its state is overwritten, but for its first 16 bytes.
  void put(std::uint32_t index) {
    if (head_ != kNone) {
      Node& node = node_of(head_);
      if (node.count < node.indexes.size()) {
        node.indexes[node.count++] = index;
        return;
      }
    }
    Node& node = node_of(index);
    node.next = head_;
    node.count = 0;
    head_ = index;
  }

  // kNone: there is none.
  std::uint32_t take() {
    if (head_ == kNone) return kNone;
    Node& node = node_of(head_);
    if (node.count == 0) {
      const std::uint32_t index = head_;
      head_ = node.next;
      ask_for_named();
      return index;
    }
    const std::uint32_t index = node.indexes[--node.count];
    if (node.count == kAhead && node.next != kNone) prefetch_write(&node_of(node.next));
    return index;
  }

 private:
  static constexpr std::uint32_t kAhead = 3;  // entries to take before the next node is read

  struct [[gnu::may_alias]] Node {
    std::uint32_t next;
    std::uint32_t count;
    std::array<std::uint32_t, 6> indexes;
  };
  static_assert(sizeof(Node) <= sizeof(FlowState) - offsetof(FlowState, sequence_end));

  Node& node_of(std::uint32_t index) {
    return reinterpret_cast<Node&>(entries_[index].state.sequence_end);
  }
  void ask_for_named() {
    if (head_ == kNone) return;
    const Node& node = node_of(head_);
    for (std::uint32_t i = 0; i < node.count; ++i) prefetch_write(&entries_[node.indexes[i]]);
  }

  Entry* const entries_;
  std::uint32_t head_ = kNone;
};

}  // namespace sluice
