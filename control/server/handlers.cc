#include "control/server/handlers.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "control/compile/compiler.h"
#include "control/policy/load.h"
#include "control/policy/policy_json.h"
#include "control/policy/quotas.h"
#include "control/server/exit_code.h"
#include "control/server/flow_top.h"
#include "control/server/listing.h"
#include "control/server/message.h"
#include "control/server/prefix_lists.h"
#include "control/server/received_document.h"
#include "control/server/version.h"

namespace sluice {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kFlowsPerAsk = 4'096;
// So long a request may walk over the flows before it answers with a cursor: others wait meanwhile.
constexpr std::uint64_t kWalkMaxMs = 500;
constexpr std::uint64_t kTopLimitDefault = 10;
constexpr std::uint32_t kStatsIntervalMaxS = 86'400;

Answer answered(OrderedJson result) { return Answer{std::move(result), std::nullopt, {}}; }

Answer answered(Result<OrderedJson> result) {
  if (!result) return Answer::failed(result.error());
  return answered(std::move(*result));
}

// A parameter that check_params() has seen; the default where it was left out.
template <class Value>
Value param(const Json& params, const char* name, Value otherwise) {
  const auto place = params.find(name);
  return place == params.end() ? otherwise : place->get<Value>();
}

Result<std::uint64_t> cursor_of(const Json& params) {
  const auto place = params.find("cursor");
  if (place == params.end()) return std::uint64_t{0};
  const auto* text = place->get_ptr<const std::string*>();
  const std::optional<std::uint64_t> cursor =
      parse_number(text != nullptr ? *text : place->dump(), ~std::uint64_t{0});
  if (cursor) return *cursor;
  return Error{ErrorKind::Usage, "bad-cursor", "a cursor is what next_cursor was", ""};
}

Result<ListPage> page_from(const Json& params) {
  const Result<std::uint64_t> cursor = cursor_of(params);
  if (!cursor) return cursor.error();
  return ListPage{*cursor, param<std::uint64_t>(params, "limit", ListPage().limit)};
}

Answer missing(const std::string& name) {
  return Answer::failed({ErrorKind::Usage, "bad-params", "'" + name + "' is missing", ""});
}

ExistingMode existing_mode(const std::string& word) {
  if (word == "reevaluate") return ExistingMode::Reevaluate;
  if (word == "flush") return ExistingMode::Flush;
  return ExistingMode::Keep;
}

std::optional<Generation> expected_generation(const Json& params) {
  const auto place = params.find("expected_generation");
  if (place == params.end()) return std::nullopt;
  return Generation(
      static_cast<std::uint32_t>(std::min<std::uint64_t>(place->get<std::uint64_t>(), ~0u)));
}

int exit_of_findings(std::span<const Finding> findings) {
  return has_errors(findings) ? exit_code_of(error_of(findings).kind) : 0;
}

}  // namespace

struct Handlers::Entry {
  std::string_view method;
  Function function;
};

const Handlers::Entry* Handlers::find(std::string_view method) {
  static constexpr std::array kEntries = std::to_array<Entry>({
      {"hello", &Handlers::hello},
      {"rpc.list", &Handlers::rpc_list},
      {"policy.check", &Handlers::policy_check},
      {"policy.apply", &Handlers::policy_apply},
      {"policy.edit", &Handlers::policy_edit},
      {"rule.add", &Handlers::rule_add},
      {"rule.remove", &Handlers::rule_remove},
      {"interface.attach", &Handlers::interface_attach},
      {"interface.detach", &Handlers::interface_detach},
      {"prefix-list.add", &Handlers::prefix_list_add},
      {"prefix-list.remove", &Handlers::prefix_list_remove},
      {"prefix-list.list", &Handlers::prefix_list_list},
      {"prefix-list.show", &Handlers::prefix_list_show},
      {"prefix-list.history", &Handlers::prefix_list_history},
      {"prefix-list.restore", &Handlers::prefix_list_restore},
      {"policy.show", &Handlers::policy_show},
      {"explain", &Handlers::explain_one_or_many},
      {"flow.list", &Handlers::flow_list},
      {"flow.count", &Handlers::flow_count},
      {"flow.top", &Handlers::flow_top},
      {"flow.flush", &Handlers::flow_flush},
      {"flow.watch", &Handlers::flow_watch},
      {"drop.watch", &Handlers::drop_watch},
      {"stats", &Handlers::stats},
      {"stats.watch", &Handlers::stats_watch},
      {"stats.stages", &Handlers::stats_stages},
      {"interface.list", &Handlers::interface_list},
      {"group.list", &Handlers::group_list},
      {"port.list", &Handlers::port_list},
      {"worker.list", &Handlers::worker_list},
      {"stream.stop", &Handlers::stream_stop},
  });
  const auto place = std::find_if(kEntries.begin(), kEntries.end(),
                                  [&](const Entry& entry) { return entry.method == method; });
  return place == kEntries.end() ? nullptr : &*place;
}

std::uint64_t steady_now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

Handlers::Handlers(ApplianceParts parts)
    : parts_(std::move(parts)), watches_(parts_.engine, parts_.publisher.registry(), [this] {
        return stats_to_json(parts_.engine, parts_.publisher, parts_.exporter);
      }) {
  for (const RequestRow& row : requests()) CHECK(find(row.method) != nullptr);
}

Answer Handlers::handle(const RequestRow& row, const Json& params, const Caller& caller) {
  const Entry* entry = find(row.method);
  CHECK(entry != nullptr);
  return (this->*entry->function)(params, caller);
}

Answer Handlers::hello(const Json&, const Caller&) {
  return answered(OrderedJson{{"product", kProductName},
                              {"version", kProductVersion},
                              {"protocol", kProtocolVersion},
                              {"generation", parts_.publisher.generation().value()}});
}

Answer Handlers::rpc_list(const Json&, const Caller&) {
  return answered(OrderedJson{{"methods", requests_to_json()}});
}

Answer Handlers::policy_check(const Json& params, const Caller& caller) {
  Result<ReceivedDocument> document = receive_document(params, caller);
  if (!document) return Answer::failed(document.error());
  LoadedPolicy loaded = load_policy_text(document->text, document->name);
  if (loaded.policy && param(params, "aws_quotas", false)) {
    std::vector<Finding> quotas = aws_quota_findings(*loaded.policy, document->name);
    loaded.findings.insert(loaded.findings.end(), quotas.begin(), quotas.end());
  }
  if (loaded.policy && !has_errors(loaded.findings)) {
    // What only shows when it is compiled, such as a limit.
    if (const std::optional<Error> error =
            compile_error_of(*loaded.policy, parts_.publisher.policy_memory())) {
      loaded.findings.push_back({Severity::Error, document->name, 0, 0, error->code,
                                 error->sentence, error->kind == ErrorKind::LimitExceeded});
    }
  }
  OrderedJson result = findings_to_json(loaded.findings, kFindingsSizeMax);
  result["exit"] = exit_of_findings(loaded.findings);
  return answered(std::move(result));
}

Answer Handlers::policy_apply(const Json& params, const Caller& caller) {
  Result<ReceivedDocument> document = receive_document(params, caller);
  if (!document) return Answer::failed(document.error());
  ApplyRequest request;
  request.document = std::move(document->text);
  request.file = std::move(document->name);
  request.existing = existing_mode(param(params, "existing", std::string("keep")));
  request.comment = param(params, "comment", std::string());
  request.author_uid = caller.peer.uid;
  request.expected = expected_generation(params);
  ApplyOutcome outcome = parts_.publisher.apply(std::move(request));
  if (outcome.error) {
    return Answer{nullptr, std::move(outcome.error), std::move(outcome.findings)};
  }
  OrderedJson findings = findings_to_json(outcome.findings, kFindingsSizeMax);
  return answered(OrderedJson{{"generation", outcome.generation.value()},
                              {"former", outcome.former.value()},
                              {"warnings", findings["warnings"]},
                              {"notices", outcome.warnings}});
}

// Of policy.edit, and of the requests that are one edit each.
Answer Handlers::policy_edit(const Json& params, const Caller& caller) {
  const auto edits = params.find("edits");
  if (edits == params.end() || edits->empty()) {
    return Answer::failed({ErrorKind::Usage, "bad-params", "'edits' is missing or empty", ""});
  }
  EditRequest request;
  request.edits = edits->dump();
  request.existing = existing_mode(param(params, "existing", std::string("keep")));
  request.comment = param(params, "comment", std::string());
  request.author_uid = caller.peer.uid;
  request.expected = expected_generation(params);
  ApplyOutcome outcome = parts_.publisher.edit(std::move(request));
  if (outcome.error) {
    return Answer{nullptr, std::move(outcome.error), std::move(outcome.findings)};
  }
  OrderedJson findings = findings_to_json(outcome.findings, kFindingsSizeMax);
  return answered(OrderedJson{{"generation", outcome.generation.value()},
                              {"former", outcome.former.value()},
                              {"rules", outcome.rules},
                              {"warnings", findings["warnings"]},
                              {"notices", outcome.warnings}});
}

Answer Handlers::one_edit(const Json& params, const Caller& caller, std::string_view method) {
  Json edit = params;
  Json outer = Json::object();
  for (const char* key : {"existing", "comment", "expected_generation"}) {
    if (!edit.contains(key)) continue;
    outer[key] = edit[key];
    edit.erase(key);
  }
  edit["do"] = method;
  outer["edits"] = Json::array({std::move(edit)});
  return policy_edit(outer, caller);
}

Answer Handlers::rule_add(const Json& params, const Caller& caller) {
  return one_edit(params, caller, "rule.add");
}

Answer Handlers::rule_remove(const Json& params, const Caller& caller) {
  return one_edit(params, caller, "rule.remove");
}

Answer Handlers::interface_attach(const Json& params, const Caller& caller) {
  return one_edit(params, caller, "interface.attach");
}

Answer Handlers::interface_detach(const Json& params, const Caller& caller) {
  return one_edit(params, caller, "interface.detach");
}

Answer Handlers::prefix_list_add(const Json& params, const Caller& caller) {
  return one_edit(params, caller, "prefix-list.add");
}

Answer Handlers::prefix_list_remove(const Json& params, const Caller& caller) {
  return one_edit(params, caller, "prefix-list.remove");
}

Answer Handlers::prefix_list_list(const Json& params, const Caller&) {
  const Result<ListPage> page = page_from(params);
  if (!page) return Answer::failed(page.error());
  return answered(
      prefix_lists_to_json(parts_.publisher, param(params, "list", std::string()), *page));
}

Answer Handlers::prefix_list_show(const Json& params, const Caller&) {
  const Result<ListPage> page = page_from(params);
  if (!page) return Answer::failed(page.error());
  if (!params.contains("list")) return missing("list");
  std::optional<std::uint64_t> version;
  if (params.contains("version")) version = params["version"].get<std::uint64_t>();
  return answered(prefix_list_entries_to_json(parts_.publisher, params["list"], version, *page));
}

Answer Handlers::prefix_list_history(const Json& params, const Caller&) {
  const Result<ListPage> page = page_from(params);
  if (!page) return Answer::failed(page.error());
  if (!params.contains("list")) return missing("list");
  return answered(prefix_list_versions_to_json(parts_.publisher, params["list"], *page));
}

// A new version with the entries of an old one, as AWS's RestoreManagedPrefixListVersion makes it.
Answer Handlers::prefix_list_restore(const Json& params, const Caller& caller) {
  for (const char* name : {"list", "version"}) {
    if (!params.contains(name)) return missing(name);
  }
  const auto version = params["version"].get<std::uint64_t>();
  Result<Json> edits = prefix_list_restoring_edits(parts_.publisher, params["list"], version);
  if (!edits) return Answer::failed(edits.error());
  if (edits->empty()) {
    return Answer::failed({ErrorKind::Failed, "same-version",
                           "prefix-list '" + params["list"].get<std::string>() +
                               "' has the entries of version " + std::to_string(version) +
                               " already",
                           ""});
  }
  Json edit = params;
  edit.erase("list");
  edit.erase("version");
  edit["edits"] = *std::move(edits);
  return policy_edit(edit, caller);
}

Answer Handlers::policy_show(const Json& params, const Caller&) {
  const std::shared_ptr<const ActivePolicy> active = parts_.publisher.active();
  if (!active) {
    return Answer::failed({ErrorKind::Failed, "no-policy",
                           "no policy is in force, so nothing passes; 'policy apply' changes that",
                           ""});
  }
  const KeptPolicy& kept = active->kept;
  const auto wanted = param<std::uint64_t>(params, "generation", kept.generation.value());
  if (wanted != kept.generation.value()) {
    return Answer::failed({ErrorKind::Failed, "unknown-generation",
                           "generation " + std::to_string(wanted) + " is not kept; " +
                               std::to_string(kept.generation.value()) + " is in force",
                           ""});
  }
  OrderedJson result = {{"generation", kept.generation.value()},
                        {"file", kept.file},
                        {"comment", kept.comment},
                        {"author_uid", kept.author_uid},
                        {"applied_unix_s", kept.applied_unix_s}};
  if (param(params, "as_written", false)) {
    result["text"] = active->edit_count == 0 ? kept.document : policy_to_json_text(active->policy);
  } else {
    result["document"] = policy_to_json(active->policy);
  }
  // An answer is a message too, and keeps to its limit.
  const std::size_t size = to_line(result).size();
  if (size > kMessageSizeMax) {
    return Answer::failed({ErrorKind::LimitExceeded, "document-too-big",
                           "the policy is " + std::to_string(size) +
                               " bytes as a message, more than " + std::to_string(kMessageSizeMax) +
                               "; it is kept in the state directory",
                           ""});
  }
  return answered(std::move(result));
}

ExplainScope Handlers::explain_scope() {
  const std::shared_ptr<const ActivePolicy> active = parts_.publisher.active();
  if (active != words_policy_ || parts_.publisher.generation() != words_generation_) {
    words_ = active ? std::make_unique<const RuleWords>(active->policy, parts_.publisher.registry())
                    : nullptr;
    words_policy_ = active;
    words_generation_ = parts_.publisher.generation();
  }
  ExplainScope scope;
  scope.snapshot = active ? active->snapshot.get() : nullptr;
  scope.registry = &parts_.publisher.registry();
  scope.unchecked = &parts_.unchecked_interfaces;
  scope.describe_rule = [this](RuleIndex rule) {
    return words_ ? words_->of(rule) : std::string();
  };
  return scope;
}

Answer Handlers::explain_one_or_many(const Json& params, const Caller&) {
  const ExplainScope scope = explain_scope();
  const auto queries = params.find("queries");
  if (queries == params.end()) {
    const Result<PacketQuery> query = parse_query(params);
    if (!query) return Answer::failed(query.error());
    OrderedJson answer = explain(params, scope);
    if (!answer.contains("error")) return answered(std::move(answer));
    return Answer::failed({ErrorKind::Failed, answer["error"]["code"].get<std::string>(),
                           answer["error"]["message"].get<std::string>(), ""});
  }
  if (params.size() != 1) {
    return Answer::failed({ErrorKind::Usage, "bad-params", "'queries' stands alone", ""});
  }
  return explain_many(*queries, scope);
}

Answer Handlers::explain_many(const Json& queries, const ExplainScope& scope) {
  if (queries.size() > kQueriesMax) {
    return Answer::failed({ErrorKind::LimitExceeded, "too-many-queries",
                           std::to_string(queries.size()) + " queries in one request exceed " +
                               std::to_string(kQueriesMax),
                           ""});
  }
  OrderedJson answers = OrderedJson::array();
  std::size_t size = 0;
  for (const Json& query : queries) {
    answers.push_back(explain(query, scope));
    size += to_line(answers.back()).size();
    if (size <= kMessageSizeMax) continue;
    return Answer::failed({ErrorKind::LimitExceeded, "answers-too-big",
                           "the answers to " + std::to_string(answers.size()) + " of " +
                               std::to_string(queries.size()) + " queries exceed " +
                               std::to_string(kMessageSizeMax) + " bytes; ask fewer at once",
                           ""});
  }
  return answered(OrderedJson{{"answers", std::move(answers)}});
}

Answer Handlers::flow_list(const Json& params, const Caller&) {
  const Registry& registry = parts_.publisher.registry();
  const Result<EventFilter> filter = read_filter(params, registry);
  if (!filter) return Answer::failed(filter.error());
  const Result<std::uint64_t> begin = cursor_of(params);
  if (!begin) return Answer::failed(begin.error());
  const std::uint64_t limit = std::min(param<std::uint64_t>(params, "limit", 1'000), kListLimitMax);
  OrderedJson flows = OrderedJson::array();
  std::uint64_t cursor = *begin;
  const std::uint64_t deadline_ms = steady_now_ms() + kWalkMaxMs;
  while (flows.size() < limit) {
    // No more than there is room for, so that the engine's cursor stands behind the last one shown.
    const std::size_t room = static_cast<std::size_t>(limit) - flows.size();
    Result<FlowPage> page = parts_.engine.flows(cursor, std::min(room, kFlowsPerAsk), filter->flow);
    if (!page) return Answer::failed(page.error());
    for (const FlowView& flow : page->flows) flows.push_back(flow_to_json(flow, registry));
    cursor = page->next_cursor;
    if (cursor == 0 || steady_now_ms() >= deadline_ms) break;
  }
  return answered(
      OrderedJson{{"flows", std::move(flows)}, {"next_cursor", cursor_to_json(cursor)}});
}

Answer Handlers::flow_count(const Json& params, const Caller&) {
  const Result<EventFilter> filter = read_filter(params, parts_.publisher.registry());
  if (!filter) return Answer::failed(filter.error());
  const Result<std::uint64_t> begin = cursor_of(params);
  if (!begin) return Answer::failed(begin.error());
  FlowCounts sum;
  sum.next_cursor = *begin;
  const std::uint64_t deadline_ms = steady_now_ms() + kWalkMaxMs;
  do {
    const Result<FlowCounts> part = parts_.engine.count_flows(sum.next_cursor, filter->flow);
    if (!part) return Answer::failed(part.error());
    for (std::size_t i = 0; i < sum.by_phase.size(); ++i) sum.by_phase[i] += part->by_phase[i];
    for (std::size_t i = 0; i < sum.by_proto.size(); ++i) sum.by_proto[i] += part->by_proto[i];
    sum.next_cursor = part->next_cursor;
  } while (sum.next_cursor != 0 && steady_now_ms() < deadline_ms);
  return answered(flow_counts_to_json(sum));
}

Answer Handlers::flow_top(const Json& params, const Caller&) {
  const Registry& registry = parts_.publisher.registry();
  const Result<EventFilter> filter = read_filter(params, registry);
  if (!filter) return Answer::failed(filter.error());
  const std::string kind = param(params, "of", std::string("remote"));
  const std::string rank = param(params, "by", std::string("flows"));
  const std::uint64_t limit = std::min(param(params, "limit", kTopLimitDefault), kListLimitMax);
  FlowTop top(talker_kind(kind), registry);
  std::uint64_t cursor = 0;
  const std::uint64_t deadline_ms = steady_now_ms() + 2 * kWalkMaxMs;
  do {
    const Result<FlowPage> page = parts_.engine.flows(cursor, kFlowsPerAsk, filter->flow);
    if (!page) return Answer::failed(page.error());
    for (const FlowView& flow : page->flows) top.add(flow);
    cursor = page->next_cursor;
  } while (cursor != 0 && !top.is_full() && steady_now_ms() < deadline_ms);
  return answered(OrderedJson{{"of", kind},
                              {"by", rank},
                              {"talkers", top.to_json(talker_rank(rank), limit)},
                              {"flows_seen", top.flow_count()},
                              {"is_complete", cursor == 0}});
}

Answer Handlers::flow_flush(const Json& params, const Caller&) {
  const Result<EventFilter> filter = read_filter(params, parts_.publisher.registry());
  if (!filter) return Answer::failed(filter.error());
  const Result<std::uint64_t> begin = cursor_of(params);
  if (!begin) return Answer::failed(begin.error());
  FlushedFlows sum;
  sum.next_cursor = *begin;
  const std::uint64_t deadline_ms = steady_now_ms() + kWalkMaxMs;
  do {
    const Result<FlushedFlows> part = parts_.engine.flush_flows(sum.next_cursor, filter->flow);
    if (!part) return Answer::failed(part.error());
    sum.count += part->count;
    sum.next_cursor = part->next_cursor;
  } while (sum.next_cursor != 0 && steady_now_ms() < deadline_ms);
  return answered(
      OrderedJson{{"flushed", sum.count}, {"next_cursor", cursor_to_json(sum.next_cursor)}});
}

Answer Handlers::watch(WatchRequest::Kind kind, const Json& params, const Caller& caller) {
  Result<EventFilter> filter = read_filter(params, parts_.publisher.registry());
  if (!filter) return Answer::failed(filter.error());
  WatchRequest request;
  request.kind = kind;
  request.connection = caller.connection;
  request.filter = std::move(*filter);
  if (params.contains("limit")) request.limit = params["limit"].get<std::uint64_t>();
  const auto interval_s = param<std::uint64_t>(params, "interval", 1);
  if (interval_s == 0 || interval_s > kStatsIntervalMaxS) {
    return Answer::failed({ErrorKind::Usage, "bad-interval",
                           "interval " + std::to_string(interval_s) + " is not 1 to " +
                               std::to_string(kStatsIntervalMaxS) + " seconds",
                           ""});
  }
  request.interval_s = static_cast<std::uint32_t>(interval_s);
  Result<std::uint64_t> stream = watches_.add(std::move(request), steady_now_ms());
  if (!stream) return Answer::failed(stream.error());
  return answered(OrderedJson{{"stream", *stream}});
}

Answer Handlers::flow_watch(const Json& params, const Caller& caller) {
  return watch(WatchRequest::Kind::Flows, params, caller);
}

Answer Handlers::drop_watch(const Json& params, const Caller& caller) {
  return watch(WatchRequest::Kind::Drops, params, caller);
}

Answer Handlers::stats_watch(const Json& params, const Caller& caller) {
  return watch(WatchRequest::Kind::Stats, params, caller);
}

Answer Handlers::stats_stages(const Json& params, const Caller& caller) {
  return watch(WatchRequest::Kind::Stages, params, caller);
}

Answer Handlers::stats(const Json&, const Caller&) {
  return answered(stats_to_json(parts_.engine, parts_.publisher, parts_.exporter));
}

Answer Handlers::interface_list(const Json& params, const Caller&) {
  const Result<ListPage> page = page_from(params);
  if (!page) return Answer::failed(page.error());
  return answered(interfaces_to_json(parts_.engine, parts_.publisher,
                                     param(params, "interface", std::string()), *page));
}

Answer Handlers::group_list(const Json& params, const Caller&) {
  const Result<ListPage> page = page_from(params);
  if (!page) return Answer::failed(page.error());
  return answered(groups_to_json(parts_.publisher, param(params, "group", std::string()), *page));
}

Answer Handlers::port_list(const Json&, const Caller&) {
  return answered(ports_to_json(parts_.engine));
}

Answer Handlers::worker_list(const Json&, const Caller&) {
  return answered(workers_to_json(parts_.engine));
}

Answer Handlers::stream_stop(const Json& params, const Caller& caller) {
  if (!params.contains("stream")) {
    return missing("stream");
  }
  const auto stream = params["stream"].get<std::uint64_t>();
  const bool is_stopped =
      watches_.stop(caller.connection, stream, [&](std::uint64_t, const std::string& line) {
        if (caller.send) caller.send(line);
      });
  if (is_stopped) return answered(OrderedJson{{"stream", stream}});
  return Answer::failed({ErrorKind::Failed, "unknown-stream",
                         "this connection has no stream " + std::to_string(stream), ""});
}

}  // namespace sluice
