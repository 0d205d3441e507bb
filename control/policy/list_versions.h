#pragma once

// What prefix lists were before: each change of a list's entries makes a version (PL-2).
//
// The entries in force are those of the policy; kept here is what each version added and removed,
// so that an old one is the newest with the later changes undone. A change costs what it changes.
//
//   policy: entries of version 7  --undo 7-->  version 6  --undo 6-->  version 5, the oldest kept
//
// A list that a policy leaves out is forgotten; if it comes again it begins at version 1.
//
// A value: copies share the changes, which nobody writes again. Control thread.
// Source: AWS, "Work with customer-managed prefix lists"; SG-44 for the number of versions.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "control/policy/policy.h"
#include "control/policy/prefix_list.h"

namespace sluice {

// Versions kept of one list: a further one pushes out the oldest (SG-44).
inline constexpr std::size_t kListVersionsMax = 1'000;
// What all versions of all lists together take, in bytes as size() counts them: some 400,000
// changed entries without a description. Beyond it the oldest versions of all go first, an eighth
// at once; a change that would take half of it alone takes the place of its own list's versions.
inline constexpr std::size_t kListHistorySize = 32u << 20;

// From one version to the next. An entry whose description changes is in both.
struct ListChange {
  std::string list;
  std::vector<PrefixListEntry> added;
  std::vector<PrefixListEntry> removed;

  bool is_none() const { return added.empty() && removed.empty(); }
};

// By which change of the policy a version came.
struct ListStamp {
  Generation generation;
  std::uint64_t applied_unix_s = 0;
  std::uint32_t author_uid = 0;
  std::string comment;
};

struct ListVersion {
  std::uint32_t number = 1;                // of the list, from 1
  std::shared_ptr<const ListStamp> stamp;  // never null; shared by all that came together
  std::size_t entry_count = 0;
  // From the version before; null of the oldest that is kept.
  std::shared_ptr<const ListChange> change;

  // In memory and in the state file, about, in bytes.
  std::size_t size() const;
};

// How to come from the entries in force to those of an old version.
struct ListUndo {
  std::unordered_set<Cidr> absent;        // in force, but not then, or not with that description
  std::vector<PrefixListEntry> restored;  // then, but not in force; by address
};

class ListVersions {
 public:
  // The policy `after` came in the place of `before` (null: of none, or of one whose versions are
  // known here already).
  void record(const Policy* before, const Policy& after, const ListStamp& stamp);
  // The entries of one list changed; it has `entry_count` of them now. `stamp` is not null.
  void record(ListChange change, std::size_t entry_count, std::shared_ptr<const ListStamp> stamp);

  // The oldest first; empty for a list that is not known.
  const std::deque<ListVersion>& of(const std::string& list) const;
  // From the newest version of the list to that one; nothing if it is not kept. Costs what changed
  // since.
  std::optional<ListUndo> undo_to(const std::string& list, std::uint64_t number) const;

  // All of it as one line of JSON, and back. Code "bad-list-versions".
  std::string to_text() const;
  static Result<ListVersions> from_text(std::string_view text);

 private:
  using Versions = std::deque<ListVersion>;

  void push(Versions& versions, ListVersion version);
  void forget_oldest(Versions& versions);
  void forget(const Versions& versions);
  void keep_to_size();

  std::map<std::string, Versions> lists_;
  std::size_t size_ = 0;
};

}  // namespace sluice
