#pragma once

// Prefix lists and their versions, as clients see them (PL-2). Of the policy in force. Control
// thread. Errors are of kind Failed: "unknown-prefix-list", and "unknown-version" for one that
// never was or is no longer kept.

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "control/publish.h"
#include "control/server/page.h"

namespace sluice {

// A row a list: its size, its newest version, and how many rules name it. Only the one of that
// name, unless it is empty.
Result<nlohmann::ordered_json> prefix_lists_to_json(const Publisher& publisher,
                                                    const std::string& name, const ListPage& page);

// The entries of one version, the newest if none is said, and which version it is: first those that
// are in force too, in the order of the list, then the others, by address. An answer costs its page
// and what changed since. Code "changed-meanwhile", kind Conflict, if `page` goes on where the
// policy of another generation ended.
Result<nlohmann::ordered_json> prefix_list_entries_to_json(const Publisher& publisher,
                                                           const std::string& name,
                                                           std::optional<std::uint64_t> version,
                                                           const ListPage& page);

// The versions of a list, the newest first: when and by whom, and how much it changed. The cursor
// is a version.
Result<nlohmann::ordered_json> prefix_list_versions_to_json(const Publisher& publisher,
                                                            const std::string& name,
                                                            const ListPage& page);

// The edits (policy_edit.h) that give a list the entries of an old version again; empty if it has
// them.
Result<nlohmann::json> prefix_list_restoring_edits(const Publisher& publisher,
                                                   const std::string& name, std::uint64_t version);

}  // namespace sluice
