#include "lookup/snapshot_change.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace sluice {

namespace {

template <class Input>
std::vector<const Input*> by_index(const std::vector<Input>& things) {
  std::vector<const Input*> sorted;
  sorted.reserve(things.size());
  for (const Input& thing : things) sorted.push_back(&thing);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Input* a, const Input* b) { return a->index < b->index; });
  return sorted;
}

// visit(const Input* former, const Input* next) for each number of either; null: not there. A
// number that stands twice in `next` comes twice, the second time without a former.
template <class Input, class Visit>
void join(const std::vector<Input>& former, const std::vector<Input>& next, Visit&& visit) {
  const std::vector<const Input*> before = by_index(former);
  const std::vector<const Input*> after = by_index(next);
  std::size_t i = 0;
  std::size_t k = 0;
  while (i < before.size() || k < after.size()) {
    const bool has_former =
        i < before.size() && (k == after.size() || before[i]->index <= after[k]->index);
    const bool has_next = k < after.size() && (!has_former || after[k]->index == before[i]->index);
    visit(has_former ? before[i] : nullptr, has_next ? after[k] : nullptr);
    if (has_former) ++i;
    if (has_next) ++k;
  }
}

template <class Input>
std::vector<ThingChange<Input>> changes_of(const std::vector<Input>& former,
                                           const std::vector<Input>& next) {
  std::vector<ThingChange<Input>> changes;
  join(former, next, [&](const Input* before, const Input* after) {
    if (before == nullptr || after == nullptr || !(*before == *after)) {
      changes.push_back({before, after});
    }
  });
  return changes;
}

std::vector<Cidr> sorted_entries(const PrefixListInput* list) {
  std::vector<Cidr> entries;
  if (list == nullptr) return entries;
  entries = list->entries;
  std::sort(entries.begin(), entries.end());
  return entries;
}

PrefixListChange change_of(const PrefixListInput* former, const PrefixListInput* next) {
  const PrefixListInput& any = next != nullptr ? *next : *former;
  PrefixListChange change{any.index, any.family, {}, {}};
  const std::vector<Cidr> before = sorted_entries(former);
  const std::vector<Cidr> after = sorted_entries(next);
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(change.added));
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(change.removed));
  return change;
}

}  // namespace

SnapshotChange difference(const SnapshotInput& former, const SnapshotInput& next) {
  SnapshotChange change;
  change.generation = next.generation;
  change.tracking = next.tracking;
  change.exempt = next.exempt;
  change.layer7 = next.layer7;
  change.tools = next.tools;
  change.vpcs = changes_of(former.vpcs, next.vpcs);
  change.subnets = changes_of(former.subnets, next.subnets);
  change.groups = changes_of(former.groups, next.groups);
  change.acls = changes_of(former.acls, next.acls);
  change.interfaces = changes_of(former.interfaces, next.interfaces);
  join(former.prefix_lists, next.prefix_lists,
       [&](const PrefixListInput* before, const PrefixListInput* after) {
         if (before != nullptr && after != nullptr && before->family != after->family) {
           change.prefix_lists.push_back(change_of(before, nullptr));
           change.prefix_lists.push_back(change_of(nullptr, after));
           return;
         }
         PrefixListChange list = change_of(before, after);
         if (!list.added.empty() || !list.removed.empty()) {
           change.prefix_lists.push_back(std::move(list));
         }
       });
  return change;
}

}  // namespace sluice
