#include "control/flowlog/fields.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "control/policy/flow_log.h"

namespace sluice {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

Error invalid_format(std::string code, std::string sentence) {
  return Error{ErrorKind::Invalid, std::move(code), std::move(sentence), {}};
}

}  // namespace

std::optional<RecordField> find_record_field(std::string_view name) {
  for (const RecordFieldRow& row : kRecordFields) {
    if (row.name == name) return row.field;
  }
  return std::nullopt;
}

bool RecordFormat::has(RecordField field) const {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

Result<RecordFormat> parse_record_format(std::string_view text) {
  RecordFormat format;
  std::size_t at = text.find_first_not_of(kBlanks);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (!word.starts_with("${") || !word.ends_with("}")) {
      return invalid_format("bad-format", "flow log format: \"" + std::string(word) +
                                              "\" is not written as ${field}");
    }
    const auto field = find_record_field(word.substr(2, word.size() - 3));
    if (!field) {
      return invalid_format("unknown-field", "flow log format: \"" +
                                                 std::string(word.substr(2, word.size() - 3)) +
                                                 "\" is not a field that can be logged");
    }
    format.fields.push_back(*field);
    format.version = std::max(format.version, row_of(*field).version);
    at = text.find_first_not_of(kBlanks, end);
  }
  if (format.fields.empty()) return invalid_format("bad-format", "flow log format: no field");
  return format;
}

RecordFormat default_record_format() {
  Result<RecordFormat> format = parse_record_format(kDefaultLogFormat);
  CHECK(format.has_value());
  return std::move(format).value();
}

}  // namespace sluice
