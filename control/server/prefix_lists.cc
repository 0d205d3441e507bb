#include "control/server/prefix_lists.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Together with the policy that it is of, which must stay meanwhile.
struct FoundList {
  std::shared_ptr<const ActivePolicy> active;
  const PrefixList* list = nullptr;

  const std::deque<ListVersion>& versions() const { return active->list_versions.of(list->id); }
};

Result<FoundList> find_list(const Publisher& publisher, const std::string& name) {
  FoundList found{publisher.active(), nullptr};
  if (found.active) {
    const std::vector<PrefixList>& lists = found.active->policy.prefix_lists;
    const auto place = std::find_if(lists.begin(), lists.end(),
                                    [&](const PrefixList& list) { return list.id == name; });
    if (place != lists.end()) found.list = &*place;
  }
  if (found.list != nullptr) return found;
  return Error{ErrorKind::Failed, "unknown-prefix-list",
               "the policy has no prefix-list '" + name + "'", ""};
}

Result<ListUndo> undo_to(const FoundList& found, std::uint64_t version) {
  std::optional<ListUndo> undo = found.active->list_versions.undo_to(found.list->id, version);
  if (undo) return *std::move(undo);
  const std::deque<ListVersion>& versions = found.versions();
  return Error{ErrorKind::Failed, "unknown-version",
               "version " + std::to_string(version) + " of prefix-list '" + found.list->id +
                   "' is not kept; there are " + std::to_string(versions.front().number) + " to " +
                   std::to_string(versions.back().number),
               ""};
}

// A place in a list and the generation that it counts in.
struct EntryCursor {
  std::uint32_t generation = 0;
  std::uint32_t place = 0;

  static EntryCursor of(std::uint64_t number) {
    return {static_cast<std::uint32_t>(number >> 32), static_cast<std::uint32_t>(number)};
  }
  std::uint64_t number() const { return std::uint64_t{generation} << 32 | place; }
};

const char* word_of(Family family) { return family == Family::Ipv4 ? "ipv4" : "ipv6"; }

OrderedJson entry_row(const PrefixListEntry& entry) {
  return {{"cidr", entry.cidr.to_string()}, {"description", entry.description}};
}

OrderedJson version_row(const ListVersion& version) {
  const ListStamp& stamp = *version.stamp;
  OrderedJson row = {{"version", version.number},
                     {"generation", stamp.generation.value()},
                     {"applied_unix_s", stamp.applied_unix_s},
                     {"author_uid", stamp.author_uid},
                     {"comment", stamp.comment},
                     {"entries", version.entry_count}};
  // Of the oldest that is kept nobody knows what it changed.
  const auto count = [&](const std::vector<PrefixListEntry>& some) -> OrderedJson {
    return some.size();
  };
  row["added"] = version.change ? count(version.change->added) : OrderedJson(nullptr);
  row["removed"] = version.change ? count(version.change->removed) : OrderedJson(nullptr);
  return row;
}

std::unordered_map<std::string, std::size_t> count_references(const Policy& policy) {
  std::unordered_map<std::string, std::size_t> counts;
  for (const SecurityGroup& group : policy.groups) {
    for (const auto* rules : {&group.ingress, &group.egress}) {
      for (const SecurityRule& rule : *rules) {
        if (const auto* list = std::get_if<PrefixListName>(&rule.peer)) ++counts[list->id];
      }
    }
  }
  return counts;
}

nlohmann::json removal_of(const std::string& list, const PrefixListEntry& entry) {
  return {{"do", "prefix-list.remove"}, {"list", list}, {"cidr", entry.cidr.to_string()}};
}

nlohmann::json addition_of(const std::string& list, const PrefixListEntry& entry) {
  nlohmann::json edit = {
      {"do", "prefix-list.add"}, {"list", list}, {"cidr", entry.cidr.to_string()}};
  if (!entry.description.empty()) edit["description"] = entry.description;
  return edit;
}

}  // namespace

Result<OrderedJson> prefix_lists_to_json(const Publisher& publisher, const std::string& name,
                                         const ListPage& page) {
  static const std::vector<PrefixList> kNone;
  const std::shared_ptr<const ActivePolicy> active = publisher.active();
  std::unordered_map<std::string, std::size_t> references;
  if (active) references = count_references(active->policy);
  const auto row = [&](const PrefixList& list) {
    const std::deque<ListVersion>& versions = active->list_versions.of(list.id);
    return OrderedJson{{"prefix_list", list.id},
                       {"name", list.name},
                       {"family", word_of(list.family)},
                       {"entries", list.entries.size()},
                       {"max_entries", list.max_entries},
                       {"version", versions.back().number},
                       {"oldest_version", versions.front().number},
                       {"rules", references[list.id]}};
  };
  return page_of_named(active ? active->policy.prefix_lists : kNone, "prefix_lists", "prefix-list",
                       name, page, row);
}

Result<OrderedJson> prefix_list_entries_to_json(const Publisher& publisher, const std::string& name,
                                                std::optional<std::uint64_t> version,
                                                const ListPage& page) {
  const Result<FoundList> found = find_list(publisher, name);
  if (!found) return found.error();
  const std::uint64_t number = version.value_or(found->versions().back().number);
  const Result<ListUndo> undo = undo_to(*found, number);
  if (!undo) return undo.error();
  EntryCursor cursor = EntryCursor::of(page.cursor);
  const std::uint32_t generation = found->active->generation().value();
  if (page.cursor != 0 && cursor.generation != generation) {
    return Error{ErrorKind::Conflict, "changed-meanwhile",
                 "the policy is of generation " + std::to_string(generation) + " now, no longer " +
                     std::to_string(cursor.generation) + ": ask again from the beginning",
                 ""};
  }
  const std::vector<PrefixListEntry>& present = found->list->entries;
  const std::size_t end = present.size() + undo->restored.size();
  const std::uint64_t limit = std::min(page.limit, kListLimitMax);
  OrderedJson rows = OrderedJson::array();
  for (; cursor.place < end && rows.size() < limit; ++cursor.place) {
    const std::size_t i = cursor.place;
    const bool is_restored = i >= present.size();
    const PrefixListEntry& entry = is_restored ? undo->restored[i - present.size()] : present[i];
    if (is_restored || !undo->absent.contains(entry.cidr)) rows.push_back(entry_row(entry));
  }
  cursor.generation = generation;
  return OrderedJson{{"prefix_list", name},
                     {"version", number},
                     {"entries", std::move(rows)},
                     {"next_cursor", cursor_to_json(cursor.place < end ? cursor.number() : 0)}};
}

Result<OrderedJson> prefix_list_versions_to_json(const Publisher& publisher,
                                                 const std::string& name, const ListPage& page) {
  const Result<FoundList> found = find_list(publisher, name);
  if (!found) return found.error();
  const std::deque<ListVersion>& versions = found->versions();
  const std::uint64_t limit = std::min(page.limit, kListLimitMax);
  OrderedJson rows = OrderedJson::array();
  std::uint64_t next = 0;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (page.cursor != 0 && version->number > page.cursor) continue;
    if (rows.size() == limit) {
      next = version->number;
      break;
    }
    rows.push_back(version_row(*version));
  }
  return OrderedJson{
      {"prefix_list", name}, {"versions", std::move(rows)}, {"next_cursor", cursor_to_json(next)}};
}

Result<nlohmann::json> prefix_list_restoring_edits(const Publisher& publisher,
                                                   const std::string& name, std::uint64_t version) {
  const Result<FoundList> found = find_list(publisher, name);
  if (!found) return found.error();
  const Result<ListUndo> undo = undo_to(*found, version);
  if (!undo) return undo.error();
  std::unordered_map<Cidr, const PrefixListEntry*> restored;
  for (const PrefixListEntry& entry : undo->restored) restored.emplace(entry.cidr, &entry);
  nlohmann::json edits = nlohmann::json::array();
  // First what goes, so that there is room for what comes.
  for (const PrefixListEntry& entry : found->list->entries) {
    if (!undo->absent.contains(entry.cidr)) continue;
    const auto again = restored.find(entry.cidr);
    if (again != restored.end() && again->second->description == entry.description) {
      restored.erase(again);  // it went and came back since
    } else {
      edits.push_back(removal_of(name, entry));
    }
  }
  for (const PrefixListEntry& entry : undo->restored) {
    if (restored.contains(entry.cidr)) edits.push_back(addition_of(name, entry));
  }
  return edits;
}

}  // namespace sluice
