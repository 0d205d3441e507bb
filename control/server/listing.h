#pragma once

// What the engine counts and the policy holds, as clients see it: the answers of `stats` and of
// the lists. Control thread; each call asks the engine anew.

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "control/publish.h"
#include "control/server/page.h"
#include "dataplane/engine.h"

namespace sluice {

class Exporter;

// `stats` shows so many interfaces; `interface list` shows the others.
inline constexpr std::size_t kStatsInterfacesMax = 1'000;

// Without an exporter (null) its numbers are left out. The sum law of product.md section 7 is
// `flow_log.unaccounted`; that of section 8 is `totals.unaccounted`, exact once traffic rests.
nlohmann::ordered_json stats_to_json(const Engine& engine, const Publisher& publisher,
                                     Exporter* exporter);

nlohmann::ordered_json ports_to_json(const Engine& engine);
nlohmann::ordered_json workers_to_json(const Engine& engine);
// Of the policy in force; only the one of that name, unless it is empty. Kind Failed, code
// "unknown-interface" or "unknown-group", if there is none.
Result<nlohmann::ordered_json> interfaces_to_json(const Engine& engine, const Publisher& publisher,
                                                  const std::string& name, const ListPage& page);
Result<nlohmann::ordered_json> groups_to_json(const Publisher& publisher, const std::string& name,
                                              const ListPage& page);

}  // namespace sluice
