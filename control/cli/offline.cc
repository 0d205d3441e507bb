#include "control/cli/offline.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "base/limits.h"
#include "control/cli/escape.h"
#include "control/compile/compiler.h"
#include "control/explain/explain.h"
#include "control/explain/rule_words.h"
#include "control/policy/quotas.h"
#include "control/server/exit_code.h"
#include "control/server/message.h"
#include "lookup/snapshot_builder.h"

namespace sluice {
namespace {

// A policy that answers by itself: what `explain --policy` asks.
struct OfflinePolicy {
  Registry registry;
  std::shared_ptr<const PolicySnapshot> snapshot;
  std::unique_ptr<const RuleWords> words;

  ExplainScope scope() const {
    ExplainScope out;
    out.snapshot = snapshot.get();
    out.registry = &registry;
    out.describe_rule = [this](RuleIndex rule) { return words->of(rule); };
    return out;
  }
};

std::optional<Error> seal(const Policy& policy, OfflinePolicy& out) {
  Result<SnapshotInput> input = compile(policy, out.registry, Generation(1));
  if (!input) return input.error();
  Result<std::shared_ptr<const PolicySnapshot>> snapshot = build_snapshot(*input);
  if (!snapshot) return snapshot.error();
  out.snapshot = std::move(*snapshot);
  out.words = std::make_unique<const RuleWords>(policy, out.registry);
  return std::nullopt;
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

nlohmann::ordered_json answer_line(std::string_view line, const ExplainScope& scope) {
  const Result<nlohmann::json> query = parse_message(line);
  if (query) return explain(*query, scope);
  return {{"error", {{"code", query.error().code}, {"message", query.error().sentence}}}};
}

int run_batch(const ExplainScope& scope, bool fails_on_deny, const Terminal& terminal) {
  int status = 0;
  std::string line;
  while (std::getline(terminal.in, line)) {
    if (is_blank(line)) continue;
    const nlohmann::ordered_json answer = answer_line(line, scope);
    status = std::max(status, status_of_answer(answer, fails_on_deny));
    terminal.out << to_line(answer) << '\n';
    // Whoever writes one query and waits for its answer must not wait for more.
    if (terminal.in.rdbuf()->in_avail() <= 0) terminal.out.flush();
  }
  return status;
}

}  // namespace

LoadedPolicy load_operand(const std::string& path, const Terminal& terminal) {
  if (path != "-") return load_policy_file(path);
  const std::string text((std::istreambuf_iterator<char>(terminal.in)),
                         std::istreambuf_iterator<char>());
  return load_policy_text(text, path);
}

void print_findings(std::span<const Finding> findings, bool with_notes, std::ostream& out) {
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::Note && !with_notes) continue;
    out << escape_control(to_string(finding)) << '\n';
  }
}

int print_error(const Error& error, const GlobalOptions& globals, const Terminal& terminal) {
  if (globals.is_json) {
    terminal.out << to_line({{"error", {{"code", error.code}, {"message", error.sentence}}}})
                 << '\n';
  } else {
    terminal.err << "sluicectl: ";
    if (!error.where.empty()) terminal.err << escape_control(error.where) << ": ";
    terminal.err << escape_control(error.sentence) << '\n';
  }
  return exit_code_of(error.kind);
}

int run_policy_check(const Invocation& invocation, const Terminal& terminal) {
  const GlobalOptions& globals = invocation.globals;
  LoadedPolicy loaded = load_operand(invocation.operand, terminal);
  std::vector<Finding>& findings = loaded.findings;
  if (loaded.policy && invocation.params.contains("aws_quotas")) {
    std::vector<Finding> quotas = aws_quota_findings(*loaded.policy, invocation.operand);
    findings.insert(findings.end(), std::make_move_iterator(quotas.begin()),
                    std::make_move_iterator(quotas.end()));
  }
  if (loaded.policy && !has_errors(findings)) {
    // What only shows when it is sealed, such as a limit of the compiled policy.
    if (const std::optional<Error> error = compile_error_of(*loaded.policy, kPolicyMemoryDefault)) {
      findings.push_back({Severity::Error, invocation.operand, 0, 0, error->code, error->sentence,
                          error->kind == ErrorKind::LimitExceeded});
    }
  }
  if (globals.is_json) {
    terminal.out << to_line(findings_to_json(findings)) << '\n';
  } else {
    print_findings(findings, globals.is_verbose, terminal.out);
  }
  if (has_errors(findings)) return exit_code_of(error_of(findings).kind);
  if (!globals.is_json && !globals.is_quiet) {
    terminal.err << "no error in " << escape_control(invocation.operand) << '\n';
  }
  return 0;
}

int status_of_answer(const nlohmann::ordered_json& answer, bool fails_on_deny) {
  if (answer.contains("error")) return exit_code_of(ErrorKind::Failed);
  return fails_on_deny && answer.contains("verdict") && answer["verdict"] != "accept" ? 1 : 0;
}

nlohmann::json query_of_flags(const Invocation& invocation) {
  nlohmann::json query = invocation.params;
  for (const ParamRow& row : invocation.command->extra) query.erase(std::string(row.name));
  return query;
}

int print_explanation(const nlohmann::ordered_json& answer, const Invocation& invocation,
                      const Terminal& terminal) {
  const int status = status_of_answer(answer, invocation.params.contains("fail_on_deny"));
  if (invocation.globals.is_json) {
    terminal.out << to_line(answer) << '\n';
    return status;
  }
  const auto text_of = [](const nlohmann::ordered_json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    return text != nullptr ? escape_control(*text) : std::string("-");
  };
  if (answer.contains("error")) {
    terminal.err << "sluicectl: " << text_of(answer["error"]["message"]) << '\n';
    return status;
  }
  const bool is_accept = answer["verdict"] == "accept";
  terminal.out << terminal.paint(text_of(answer["verdict"]), is_accept ? kGreen : kRed) << " ("
               << text_of(answer["reason"]) << ")\n";
  if (answer["rule"].is_string()) {
    terminal.out << "rule   " << text_of(answer["rule"]) << " of " << text_of(answer["group"])
                 << '\n';
  }
  for (std::size_t i = 0; i < answer["steps"].size(); ++i) {
    terminal.out << "  " << i + 1 << ". " << text_of(answer["steps"][i]) << '\n';
  }
  return status;
}

int run_explain_offline(const Invocation& invocation, const Terminal& terminal) {
  const std::string path = invocation.params["policy"].get<std::string>();
  const bool is_batch = invocation.params.contains("batch");
  if (is_batch && path == "-") {
    return print_error(
        {ErrorKind::Usage, "usage", "--policy - and --batch cannot both read stdin", ""},
        invocation.globals, terminal);
  }
  const LoadedPolicy loaded = load_operand(path, terminal);
  if (!invocation.globals.is_quiet) {
    print_findings(loaded.findings, invocation.globals.is_verbose, terminal.err);
  }
  if (!loaded.policy) return exit_code_of(loaded.error().kind);
  OfflinePolicy sealed;
  if (const std::optional<Error> error = seal(*loaded.policy, sealed)) {
    return print_error(*error, invocation.globals, terminal);
  }
  const ExplainScope scope = sealed.scope();
  if (!is_batch) {
    const Result<PacketQuery> query = parse_query(query_of_flags(invocation));
    if (!query && query.error().kind == ErrorKind::Usage) {
      return print_error(query.error(), invocation.globals, terminal);
    }
  }
  if (is_batch) return run_batch(scope, invocation.params.contains("fail_on_deny"), terminal);
  return print_explanation(explain(query_of_flags(invocation), scope), invocation, terminal);
}

}  // namespace sluice
