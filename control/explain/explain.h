#pragma once

// A described packet + the compiled policy → its verdict and the way to it, in words.
//
// It is the compiled policy itself that answers: decide() and first_packet(), the same code that
// judges packets. What the packet path checks before it asks the policy (whose address is it, is
// it multicast, may it begin a connection) is asked here in the same order.

#include <functional>
#include <string>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/result.h"
#include "control/explain/query.h"
#include "control/policy/registry.h"
#include "lookup/decide.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

// Whom to ask. Everything is borrowed and outlives the call.
struct ExplainScope {
  const PolicySnapshot* snapshot = nullptr;  // null: no policy, so nothing passes
  const Registry* registry = nullptr;        // that compiled the snapshot
  // Interfaces whose port has `source_check = false`: foreign addresses are asked about too.
  const std::unordered_set<EniIndex>* unchecked = nullptr;
  // What the rule says, for the steps ("tcp 443 from 0.0.0.0/0"); may be empty.
  std::function<std::string(RuleIndex)> describe_rule;
};

// A decision with the words of its path.
struct Explanation {
  Decision decision;
  std::vector<std::string> steps;
};

// Errors of parse_query(), and "unknown-interface", "unknown-address" (ingress: the destination is
// not the interface's) and "source-check" (egress: the source is not). Cost: microseconds.
Result<Explanation> explain_packet(const PacketQuery& query, const ExplainScope& scope);

// The answer of product.md section 5; an error becomes {"error":{"code","message"}}.
nlohmann::ordered_json explain(const nlohmann::json& query, const ExplainScope& scope);

// The word for `reason` of an answer: what accepted it, or why it was dropped.
std::string_view reason_word(const Decision& decision);

}  // namespace sluice
