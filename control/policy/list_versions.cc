#include "control/policy/list_versions.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

bool is_same(const PrefixListEntry& a, const PrefixListEntry& b) {
  return a.cidr == b.cidr && a.description == b.description;
}

bool has_same_entries(const PrefixList& a, const PrefixList& b) {
  return std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                    is_same);
}

using EntriesByCidr = std::unordered_map<Cidr, const PrefixListEntry*>;

EntriesByCidr by_cidr(const std::vector<PrefixListEntry>& entries) {
  EntriesByCidr map;
  map.reserve(entries.size());
  for (const PrefixListEntry& entry : entries) map.emplace(entry.cidr, &entry);
  return map;
}

// The entries of `some` that are not just so among `others`.
std::vector<PrefixListEntry> only_in(const std::vector<PrefixListEntry>& some,
                                     const std::vector<PrefixListEntry>& others) {
  const EntriesByCidr known = by_cidr(others);
  std::vector<PrefixListEntry> only;
  for (const PrefixListEntry& entry : some) {
    const auto place = known.find(entry.cidr);
    if (place == known.end() || !is_same(*place->second, entry)) only.push_back(entry);
  }
  return only;
}

Json entries_to_json(const std::vector<PrefixListEntry>& entries) {
  Json rows = Json::array();
  for (const PrefixListEntry& entry : entries) {
    Json row = {{"cidr", entry.cidr.to_string()}};
    if (!entry.description.empty()) row["description"] = entry.description;
    rows.push_back(std::move(row));
  }
  return rows;
}

// Throws what nlohmann's library throws, or std::invalid_argument.
std::vector<PrefixListEntry> entries_from_json(const Json& rows) {
  std::vector<PrefixListEntry> entries;
  for (const Json& row : rows) {
    const std::optional<Cidr> cidr = Cidr::parse(row.at("cidr").get<std::string>());
    if (!cidr) throw std::invalid_argument("an entry is no CIDR");
    entries.push_back({*cidr, row.value("description", std::string()), {}});
  }
  return entries;
}

Json version_to_json(const ListVersion& version) {
  Json row = {{"version", version.number},
              {"generation", version.stamp->generation.value()},
              {"applied_unix_s", version.stamp->applied_unix_s},
              {"author_uid", version.stamp->author_uid},
              {"comment", version.stamp->comment},
              {"entries", version.entry_count}};
  if (version.change == nullptr) return row;
  row["added"] = entries_to_json(version.change->added);
  row["removed"] = entries_to_json(version.change->removed);
  return row;
}

ListVersion version_from_json(const std::string& list, const Json& row) {
  ListVersion version;
  version.number = row.at("version").get<std::uint32_t>();
  version.stamp = std::make_shared<const ListStamp>(
      ListStamp{Generation(row.at("generation").get<std::uint32_t>()),
                row.at("applied_unix_s").get<std::uint64_t>(),
                row.at("author_uid").get<std::uint32_t>(), row.at("comment").get<std::string>()});
  version.entry_count = row.at("entries").get<std::size_t>();
  if (row.contains("added")) {
    version.change = std::make_shared<const ListChange>(
        ListChange{list, entries_from_json(row.at("added")), entries_from_json(row.at("removed"))});
  }
  return version;
}

}  // namespace

std::size_t ListVersion::size() const {
  std::size_t size = 128 + stamp->comment.size();
  if (change == nullptr) return size;
  for (const auto* entries : {&change->added, &change->removed}) {
    for (const PrefixListEntry& entry : *entries) size += 80 + entry.description.size();
  }
  return size;
}

void ListVersions::record(const Policy* before, const Policy& after, const ListStamp& stamp) {
  std::unordered_map<std::string, const PrefixList*> former;
  if (before != nullptr) {
    for (const PrefixList& list : before->prefix_lists) former.emplace(list.id, &list);
  }
  const auto shared = std::make_shared<const ListStamp>(stamp);
  std::unordered_set<std::string> present;
  for (const PrefixList& list : after.prefix_lists) {
    present.insert(list.id);
    const auto place = former.find(list.id);
    const PrefixList* old = place == former.end() ? nullptr : place->second;
    // The family is of a list for ever (PL-1): with another one it is another list.
    if (old != nullptr && old->family != list.family) forget(std::exchange(lists_[list.id], {}));
    Versions& versions = lists_[list.id];
    if (versions.empty()) push(versions, {1, shared, list.entries.size(), nullptr});
    if (old == nullptr || old->family != list.family || has_same_entries(*old, list)) continue;
    ListChange change{list.id, only_in(list.entries, old->entries),
                      only_in(old->entries, list.entries)};
    // The same entries in another order are no other version.
    if (!change.is_none()) record(std::move(change), list.entries.size(), shared);
  }
  std::erase_if(lists_, [&](const auto& list) {
    if (present.contains(list.first)) return false;
    forget(list.second);
    return true;
  });
}

void ListVersions::record(ListChange change, std::size_t entry_count,
                          std::shared_ptr<const ListStamp> stamp) {
  Versions& versions = lists_[change.list];
  const std::uint32_t number = versions.empty() ? 1 : versions.back().number + 1;
  ListVersion version{number, std::move(stamp), entry_count,
                      std::make_shared<const ListChange>(std::move(change))};
  const bool is_too_large = version.size() > kListHistorySize / 2;
  if (versions.empty() || is_too_large) {
    version.change = nullptr;
    forget(std::exchange(versions, {}));
  }
  push(versions, std::move(version));
  if (versions.size() > kListVersionsMax) forget_oldest(versions);
  keep_to_size();
}

void ListVersions::push(Versions& versions, ListVersion version) {
  size_ += version.size();
  versions.push_back(std::move(version));
}

void ListVersions::forget(const Versions& versions) {
  for (const ListVersion& version : versions) size_ -= version.size();
}

// The one after it is the oldest then: what it changed leads nowhere. Requires two.
void ListVersions::forget_oldest(Versions& versions) {
  size_ -= versions[0].size() + versions[1].size();
  versions[1].change = nullptr;
  size_ += versions[1].size();
  versions.pop_front();
}

// Makes room for some more at once, so that looking for the oldest is rare. The newest version of
// a list always stays.
void ListVersions::keep_to_size() {
  if (size_ <= kListHistorySize) return;
  struct Old {
    Generation generation;
    Versions* versions;
  };
  std::vector<Old> all;
  for (auto& [name, versions] : lists_) {
    for (std::size_t i = 0; i + 1 < versions.size(); ++i) {
      all.push_back({versions[i].stamp->generation, &versions});
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Old& a, const Old& b) { return a.generation < b.generation; });
  for (const Old& old : all) {
    if (size_ <= kListHistorySize / 8 * 7) return;
    forget_oldest(*old.versions);
  }
}

const std::deque<ListVersion>& ListVersions::of(const std::string& list) const {
  static const std::deque<ListVersion> kNone;
  const auto place = lists_.find(list);
  return place == lists_.end() ? kNone : place->second;
}

std::optional<ListUndo> ListVersions::undo_to(const std::string& list, std::uint64_t number) const {
  const Versions& versions = of(list);
  if (versions.empty() || number < versions.front().number || number > versions.back().number) {
    return std::nullopt;
  }
  ListUndo undo;
  std::map<Cidr, PrefixListEntry> restored;
  for (auto version = versions.rbegin(); version->number != number; ++version) {
    // What a later version took away again is not in force.
    for (const PrefixListEntry& entry : version->change->added) {
      if (restored.erase(entry.cidr) == 0) undo.absent.insert(entry.cidr);
    }
    for (const PrefixListEntry& entry : version->change->removed) {
      restored.insert_or_assign(entry.cidr, entry);
    }
  }
  for (auto& [cidr, entry] : restored) undo.restored.push_back(std::move(entry));
  return undo;
}

std::string ListVersions::to_text() const {
  Json lists = Json::array();
  for (const auto& [name, versions] : lists_) {
    Json rows = Json::array();
    for (const ListVersion& version : versions) rows.push_back(version_to_json(version));
    lists.push_back({{"list", name}, {"versions", std::move(rows)}});
  }
  return lists.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ListVersions> ListVersions::from_text(std::string_view text) try {
  ListVersions all;
  for (const Json& list : Json::parse(text)) {
    const auto name = list.at("list").get<std::string>();
    Versions& versions = all.lists_[name];
    for (const Json& row : list.at("versions")) {
      ListVersion version = version_from_json(name, row);
      // In a row, and only the first without its change: entries_at() relies on it.
      const bool fits = versions.empty() ? version.change == nullptr
                                         : version.change != nullptr &&
                                               version.number == versions.back().number + 1;
      if (!fits) throw std::invalid_argument("versions of '" + name + "' have a gap");
      all.push(versions, std::move(version));
    }
    if (versions.empty()) throw std::invalid_argument("'" + name + "' has no version");
  }
  return all;
} catch (const std::exception& reason) {
  return Error{ErrorKind::Failed, "bad-list-versions",
               std::string("the versions of prefix lists cannot be read: ") + reason.what(), ""};
}

}  // namespace sluice
