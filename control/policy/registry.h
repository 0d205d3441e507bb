#pragma once

// Gives names their stable numbers (base/ids.h): a name gets its number at its first use and keeps
// it while the process lives, whatever policies come and go. Numbers are never reused, so a flow
// or a counter that holds one can always be named.
//
// Contract between the parts of control. Writes: the control thread only. The export thread reads
// names under the same lock; the packet path never comes here.

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "flowtable/flow_event.h"

namespace sluice {

// Names of one kind of thing.
template <class Index>
class NameTable {
 public:
  // The number of the name, given now if it has none.
  Index intern(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] =
        numbers_.try_emplace(std::string(name), static_cast<std::uint32_t>(names_.size()));
    if (is_new) names_.push_back(place->first);
    return Index(place->second);
  }
  std::optional<Index> find(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto place = numbers_.find(std::string(name));
    if (place == numbers_.end()) return std::nullopt;
    return Index(place->second);
  }
  // The name of the number; "-" for none and for numbers never given.
  std::string name_of(Index index) const {
    const std::lock_guard lock(mutex_);
    if (index.is_none() || index.value() >= names_.size()) return "-";
    return names_[index.value()];
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return names_.size();
  }
  // Forgets the names beyond the first `size`, which nobody was told of: those of a policy that was
  // refused.
  void forget_beyond(std::size_t size) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = size; i < names_.size(); ++i) numbers_.erase(names_[i]);
    if (size < names_.size()) names_.resize(size);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> names_;
};

// Which group each rule belongs to. A rule's id is made of its group's, so this never changes, and
// a record can name the group of a rule that is gone. Threads as NameTable.
class RuleGroups {
 public:
  void note(RuleIndex rule, GroupIndex group) {
    const std::lock_guard lock(mutex_);
    if (rule.value() >= groups_.size()) groups_.resize(rule.value() + std::size_t{1});
    groups_[rule.value()] = group;
  }
  // None for a rule that was never noted.
  GroupIndex of(RuleIndex rule) const {
    const std::lock_guard lock(mutex_);
    return rule.value() < groups_.size() ? groups_[rule.value()] : GroupIndex::none();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<GroupIndex> groups_;
};

// One for the process, made in main and handed to who needs it.
struct Registry {
  NameTable<EniIndex> interfaces;
  NameTable<VpcIndex> vpcs;
  NameTable<SubnetIndex> subnets;
  NameTable<GroupIndex> groups;
  NameTable<RuleIndex> rules;  // "sgr-…"
  RuleGroups rule_groups;
  NameTable<AclIndex> acls;
  NameTable<PrefixListIndex> prefix_lists;
  NameTable<SignatureIndex> signatures;

  // Of a number that a flow holds (FlowFacts::signature); "-" for kUnnamedSignature.
  std::string signature_name(std::uint16_t number) const {
    if (number >= FlowFacts::kSignatureNumbers) return "-";
    return signatures.name_of(SignatureIndex(number));
  }
};

// Takes back the numbers that were given since it was made, unless they are kept. Control thread.
class RegistryMark {
 public:
  explicit RegistryMark(Registry& registry)
      : registry_(registry), sizes_{registry.interfaces.size(),   registry.vpcs.size(),
                                    registry.subnets.size(),      registry.groups.size(),
                                    registry.rules.size(),        registry.acls.size(),
                                    registry.prefix_lists.size(), registry.signatures.size()} {}
  ~RegistryMark() {
    if (is_kept_) return;
    registry_.interfaces.forget_beyond(sizes_[0]);
    registry_.vpcs.forget_beyond(sizes_[1]);
    registry_.subnets.forget_beyond(sizes_[2]);
    registry_.groups.forget_beyond(sizes_[3]);
    registry_.rules.forget_beyond(sizes_[4]);
    registry_.acls.forget_beyond(sizes_[5]);
    registry_.prefix_lists.forget_beyond(sizes_[6]);
    registry_.signatures.forget_beyond(sizes_[7]);
  }
  RegistryMark(const RegistryMark&) = delete;
  RegistryMark& operator=(const RegistryMark&) = delete;
  void keep() { is_kept_ = true; }

 private:
  Registry& registry_;
  std::array<std::size_t, 8> sizes_;
  bool is_kept_ = false;
};

}  // namespace sluice
