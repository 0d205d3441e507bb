#pragma once

// Requests → engine, publisher, explain: one short function each, found by the request's name.
//
// Owns nothing but the streams and what is cached of the policy in force. Control thread only.

#include <memory>
#include <optional>
#include <unordered_set>

#include "control/explain/explain.h"
#include "control/explain/rule_words.h"
#include "control/publish.h"
#include "control/server/rpc.h"
#include "control/server/watches.h"
#include "dataplane/engine.h"

namespace sluice {

class Exporter;

// What the requests are about. All outlive the handlers.
struct ApplianceParts {
  Engine& engine;
  Publisher& publisher;
  Exporter* exporter = nullptr;  // null: no flow log numbers
  // Interfaces whose port has `source_check = false`, for `explain`.
  std::unordered_set<EniIndex> unchecked_interfaces;
};

inline constexpr std::size_t kQueriesMax = 10'000;  // of one `explain`

class Handlers : public RequestHandler {
 public:
  explicit Handlers(ApplianceParts parts);

  Answer handle(const RequestRow& row, const nlohmann::json& params, const Caller& caller) override;
  // The server runs them between requests.
  Watches& watches() { return watches_; }

 private:
  using Function = Answer (Handlers::*)(const nlohmann::json&, const Caller&);
  struct Entry;
  static const Entry* find(std::string_view method);

  Answer hello(const nlohmann::json& params, const Caller& caller);
  Answer rpc_list(const nlohmann::json& params, const Caller& caller);
  Answer policy_check(const nlohmann::json& params, const Caller& caller);
  Answer policy_apply(const nlohmann::json& params, const Caller& caller);
  Answer policy_edit(const nlohmann::json& params, const Caller& caller);
  Answer one_edit(const nlohmann::json& params, const Caller& caller, std::string_view method);
  Answer rule_add(const nlohmann::json& params, const Caller& caller);
  Answer rule_remove(const nlohmann::json& params, const Caller& caller);
  Answer interface_attach(const nlohmann::json& params, const Caller& caller);
  Answer interface_detach(const nlohmann::json& params, const Caller& caller);
  Answer prefix_list_add(const nlohmann::json& params, const Caller& caller);
  Answer prefix_list_remove(const nlohmann::json& params, const Caller& caller);
  Answer prefix_list_list(const nlohmann::json& params, const Caller& caller);
  Answer prefix_list_show(const nlohmann::json& params, const Caller& caller);
  Answer prefix_list_history(const nlohmann::json& params, const Caller& caller);
  Answer prefix_list_restore(const nlohmann::json& params, const Caller& caller);
  Answer policy_show(const nlohmann::json& params, const Caller& caller);
  Answer explain_one_or_many(const nlohmann::json& params, const Caller& caller);
  Answer flow_list(const nlohmann::json& params, const Caller& caller);
  Answer flow_count(const nlohmann::json& params, const Caller& caller);
  Answer flow_top(const nlohmann::json& params, const Caller& caller);
  Answer flow_flush(const nlohmann::json& params, const Caller& caller);
  Answer flow_watch(const nlohmann::json& params, const Caller& caller);
  Answer drop_watch(const nlohmann::json& params, const Caller& caller);
  Answer stats(const nlohmann::json& params, const Caller& caller);
  Answer stats_watch(const nlohmann::json& params, const Caller& caller);
  Answer stats_stages(const nlohmann::json& params, const Caller& caller);
  Answer interface_list(const nlohmann::json& params, const Caller& caller);
  Answer group_list(const nlohmann::json& params, const Caller& caller);
  Answer port_list(const nlohmann::json& params, const Caller& caller);
  Answer worker_list(const nlohmann::json& params, const Caller& caller);
  Answer stream_stop(const nlohmann::json& params, const Caller& caller);

  Answer watch(WatchRequest::Kind kind, const nlohmann::json& params, const Caller& caller);
  ExplainScope explain_scope();
  static Answer explain_many(const nlohmann::json& queries, const ExplainScope& scope);

  ApplianceParts parts_;
  Watches watches_;
  // What the rules of the policy in force say; made at the first question after a change.
  std::shared_ptr<const ActivePolicy> words_policy_;
  Generation words_generation_;
  std::unique_ptr<const RuleWords> words_;
};

// Milliseconds of the clock that never goes back; for streams and stalls.
std::uint64_t steady_now_ms();

}  // namespace sluice
