#pragma once

// Interned sets of groups. All interfaces that hold the same groups share one set, which is what
// verdicts are cached by: the *policy* of an interface.
//
// Sets are counted by the interfaces that hold them; one that nobody holds gives its number back.
//
// Threads: as PersistentArray: one copy is a value, copies are independent.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/ids.h"
#include "lookup/persistent_array.h"

namespace sluice {

using PolicyId = std::uint32_t;
inline constexpr PolicyId kNoPolicyId = 0xffffffffu;

class GroupSets {
 public:
  // The groups of a set that somebody holds, ascending.
  std::span<const GroupIndex> groups(PolicyId policy) const { return *rows_[policy].groups; }

  // The set's number; one more interface holds it. `groups` ascend.
  PolicyId hold(std::vector<GroupIndex> groups) {
    if (buckets_ <= count_) grow();
    std::uint32_t& head = heads_.edit(hash(groups) & (buckets_ - 1)).first;
    for (PolicyId id = head; id != kNoPolicyId; id = rows_[id].next) {
      if (*rows_[id].groups != groups) continue;
      ++rows_.edit(id).holders;
      return id;
    }
    const PolicyId id = take_id();
    Row& row = rows_.edit(id);
    row.groups = std::make_shared<const std::vector<GroupIndex>>(std::move(groups));
    sets_size_ += size_of(*row.groups);
    row.holders = 1;
    row.next = head;
    head = id;
    ++count_;
    return id;
  }

  // One interface less holds the set.
  void drop(PolicyId policy) {
    Row& row = rows_.edit(policy);
    CHECK(row.holders != 0);
    if (--row.holders != 0) return;
    std::uint32_t* link = &heads_.edit(hash(*row.groups) & (buckets_ - 1)).first;
    while (*link != policy) link = &rows_.edit(*link).next;
    *link = row.next;
    sets_size_ -= size_of(*row.groups);
    row = Row();
    row.next = free_;
    free_ = policy;
    --count_;
  }

  std::size_t count() const { return count_; }

  // visit(std::span<const GroupIndex>) for each set that somebody holds.
  template <class Visit>
  void for_each(Visit&& visit) const {
    rows_.for_each([&](std::uint32_t, const Row& row) {
      if (row.holders != 0) visit(std::span<const GroupIndex>(*row.groups));
    });
  }

  // Memory held, in bytes. O(1).
  std::size_t size() const { return rows_.memory_size() + heads_.memory_size() + sets_size_; }

 private:
  // Of the vector, its reference counts and the allocator.
  static constexpr std::size_t kSetOverhead = 64;
  static std::size_t size_of(const std::vector<GroupIndex>& groups) {
    return kSetOverhead + groups.size() * sizeof(GroupIndex);
  }

  struct Row {
    std::shared_ptr<const std::vector<GroupIndex>> groups;
    std::uint32_t holders = 0;
    PolicyId next = kNoPolicyId;  // in its bucket, or of the free numbers
  };
  struct Head {
    PolicyId first = kNoPolicyId;
  };

  static std::uint32_t hash(const std::vector<GroupIndex>& groups) {
    std::uint64_t sum = groups.size();
    for (const GroupIndex group : groups) {
      sum = (sum ^ group.value()) * 0x9e3779b97f4a7c15u;
      sum ^= sum >> 29;
    }
    return static_cast<std::uint32_t>(sum >> 32);
  }

  PolicyId take_id() {
    if (free_ == kNoPolicyId) return rows_.size();
    const PolicyId id = free_;
    free_ = rows_[id].next;
    return id;
  }

  void grow() {
    buckets_ = buckets_ == 0 ? 64 : 2 * buckets_;
    heads_ = PersistentArray<Head>();
    heads_.edit(buckets_ - 1);
    for (PolicyId id = 0; id < rows_.size(); ++id) {
      if (rows_[id].holders == 0) continue;
      PolicyId& head = heads_.edit(hash(*rows_[id].groups) & (buckets_ - 1)).first;
      rows_.edit(id).next = head;
      head = id;
    }
  }

  PersistentArray<Row> rows_;    // by PolicyId
  PersistentArray<Head> heads_;  // by hash
  std::size_t sets_size_ = 0;    // of those that somebody holds
  std::uint32_t buckets_ = 0;
  std::uint32_t count_ = 0;
  PolicyId free_ = kNoPolicyId;
};

}  // namespace sluice
