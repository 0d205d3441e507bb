#pragma once

// Answers of the daemon → what people read: tables for lists, a line for an event. Every text that
// comes from a policy or a packet is escaped. With -j nothing of this is used.

#include <string>

#include <nlohmann/json.hpp>

#include "control/cli/terminal.h"

namespace sluice {

// The rows of all pages of a list, by method: flow.list, interface.list, group.list, port.list,
// worker.list, prefix-list.list, prefix-list.show, prefix-list.history.
void show_list(const std::string& method, const nlohmann::ordered_json& rows,
               const Terminal& terminal);
// The answers of flow.count, summed up, and that of flow.top.
void show_flow_counts(const nlohmann::ordered_json& counts, const Terminal& terminal);
void show_flow_top(const nlohmann::ordered_json& top, const Terminal& terminal);
// The answer of `stats`, as sections.
void show_stats(const nlohmann::ordered_json& stats, const Terminal& terminal);
// One notification of stats.stages: a table for each worker.
void show_stages(const nlohmann::ordered_json& event, const Terminal& terminal);
// One notification of flow.watch or drop.watch, as a line.
void show_event(const nlohmann::ordered_json& event, const Terminal& terminal);

// The name of the array that a list's answer holds: "flows" of flow.list.
std::string list_key(const std::string& method);

}  // namespace sluice
