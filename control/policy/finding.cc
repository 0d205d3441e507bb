#include "control/policy/finding.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

namespace sluice {

namespace {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::Error:
      return "error";
    case Severity::Warning:
      return "warning";
    case Severity::Note:
      return "note";
  }
  return "error";
}

std::string place_of(const std::string& file, Position at) {
  return file + ":" + std::to_string(std::max(at.line, 1u)) + ":" +
         std::to_string(std::max(at.column, 1u));
}

constexpr std::string_view kMoreFindings = "more-findings";
constexpr std::size_t kRowSize = 100;  // of a finding as JSON, besides its file and message

std::string more_findings(std::size_t count) {
  return std::to_string(count) + " more findings are not listed";
}

}  // namespace

std::string to_string(const Finding& finding) {
  std::string text = place_of(finding.file, {finding.line, finding.column});
  text += ": ";
  text += name_of(finding.severity);
  text += ": ";
  text += finding.message;
  return text;
}

nlohmann::ordered_json findings_to_json(std::span<const Finding> findings, std::size_t size_max) {
  nlohmann::ordered_json document;
  document["errors"] = nlohmann::ordered_json::array();
  document["warnings"] = nlohmann::ordered_json::array();
  const auto add = [&](const Finding& finding) {
    nlohmann::ordered_json row;
    row["file"] = finding.file;
    row["line"] = std::max(finding.line, 1u);
    row["column"] = std::max(finding.column, 1u);
    row["code"] = finding.code;
    row["message"] = finding.message;
    document[finding.severity == Severity::Error ? "errors" : "warnings"].push_back(std::move(row));
  };
  std::size_t size = 0;
  std::size_t left_out = 0;
  Finding last{Severity::Warning, "", 0, 0, std::string(kMoreFindings), "", false};
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::Note) continue;
    size += kRowSize + finding.file.size() + finding.message.size();
    if (size <= size_max) {
      add(finding);
      continue;
    }
    ++left_out;
    last.file = finding.file;
    if (finding.severity == Severity::Error) last.severity = Severity::Error;
  }
  last.message = more_findings(left_out);
  if (left_out != 0) add(last);
  return document;
}

bool has_errors(std::span<const Finding> findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::Error; });
}

Error error_of(std::span<const Finding> findings) {
  const Finding* first = nullptr;
  std::size_t count = 0;
  bool only_limits = true;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::Error) continue;
    if (first == nullptr) first = &finding;
    ++count;
    only_limits = only_limits && finding.over_limit;
  }
  CHECK(first != nullptr);
  Error error;
  error.kind = only_limits ? ErrorKind::LimitExceeded : ErrorKind::Invalid;
  error.code = first->code;
  error.sentence = first->message;
  if (count > 1) error.sentence += " (and " + std::to_string(count - 1) + " more errors)";
  error.where = place_of(first->file, {first->line, first->column});
  return error;
}

void Findings::error(Position at, std::string_view code, std::string message) {
  add({Severity::Error, file_, at.line, at.column, std::string(code), std::move(message), false});
}

void Findings::over_limit(Position at, std::string_view code, std::string message) {
  add({Severity::Error, file_, at.line, at.column, std::string(code), std::move(message), true});
}

void Findings::warning(Position at, std::string_view code, std::string message) {
  add({Severity::Warning, file_, at.line, at.column, std::string(code), std::move(message), false});
}

void Findings::note(Position at, std::string_view code, std::string message) {
  add({Severity::Note, file_, at.line, at.column, std::string(code), std::move(message), false});
}

std::string Findings::place(Position at) const { return place_of(file_, at); }

void Findings::add(Finding finding) {
  const bool is_error = finding.severity == Severity::Error;
  const std::size_t others = findings_.size() - error_count_;
  if ((is_error ? error_count_ : others) >= kFindingsMax) {
    ++left_out_count_;
    if (!is_error) return;
    ++left_out_errors_;
    left_out_only_limits_ = left_out_only_limits_ && finding.over_limit;
    return;
  }
  if (is_error) ++error_count_;
  findings_.push_back(std::move(finding));
}

std::vector<Finding> Findings::take() {
  const auto in_text_order = [](const Finding& a, const Finding& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  };
  std::stable_sort(findings_.begin(), findings_.end(), in_text_order);
  if (left_out_count_ != 0) {
    const bool has_error = left_out_errors_ != 0;
    findings_.push_back({has_error ? Severity::Error : Severity::Warning, file_, 0, 0,
                         std::string(kMoreFindings), more_findings(left_out_count_),
                         has_error && left_out_only_limits_});
  }
  error_count_ = 0;
  left_out_count_ = 0;
  left_out_errors_ = 0;
  left_out_only_limits_ = true;
  return std::exchange(findings_, {});
}

}  // namespace sluice
