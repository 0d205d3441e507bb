#include "lookup/address_classes.h"

#include <algorithm>
#include <utility>

namespace sluice {

namespace {

template <class T>
void sort_unique(std::vector<T>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

}  // namespace

FamilyClasses::FamilyClasses(Family family, ClassInput& input) {
  sort_unique(input.owners);
  sort_unique(input.list_entries);
  sort_unique(input.rule_prefixes);
  std::vector<Cidr> prefixes = input.rule_prefixes;
  for (const ClassInput::Owner& owner : input.owners) {
    prefixes.push_back(Cidr::host(owner.address));
  }
  for (const ClassInput::ListEntry& entry : input.list_entries) prefixes.push_back(entry.cidr);
  sort_unique(prefixes);
  trie_ = CidrTrie(family, prefixes);

  // All three inputs ascend like the prefixes do, so one pass joins them.
  facts_.assign(prefixes.size() + 1, Facts());
  std::size_t owner = 0;
  std::size_t entry = 0;
  std::size_t literal = 0;
  for (std::size_t id = 0; id < prefixes.size(); ++id) {
    facts_[id].owners = static_cast<std::uint32_t>(owners_.size());
    facts_[id].lists = static_cast<std::uint32_t>(lists_.size());
    while (owner < input.owners.size() && Cidr::host(input.owners[owner].address) == prefixes[id]) {
      owners_.push_back(input.owners[owner++].owner);
    }
    while (entry < input.list_entries.size() && input.list_entries[entry].cidr == prefixes[id]) {
      lists_.push_back(input.list_entries[entry++].list);
    }
    if (literal < input.rule_prefixes.size() && input.rule_prefixes[literal] == prefixes[id]) {
      facts_[id].is_rule_peer = true;
      ++literal;
    }
  }
  facts_.back().owners = static_cast<std::uint32_t>(owners_.size());
  facts_.back().lists = static_cast<std::uint32_t>(lists_.size());
  prefixes_ = std::move(prefixes);
}

std::size_t FamilyClasses::size() const {
  return trie_.size() + prefixes_.capacity() * sizeof(Cidr) + facts_.capacity() * sizeof(Facts) +
         owners_.capacity() * sizeof(AddressOwner) + lists_.capacity() * sizeof(PrefixListIndex);
}

}  // namespace sluice
