#pragma once

// Records as lines of text (FL-1): fields apart by single blanks, `-` for what does not apply.

#include <string>

#include "control/flowlog/fields.h"
#include "control/flowlog/log_plan.h"
#include "control/flowlog/record.h"
#include "control/policy/registry.h"

namespace sluice {

// Appends the line of a record, newline and all. Names come from the plan (interfaces) and the
// registry (rules, groups). About a microsecond; allocates only as `out` grows and for rule names.
void append_log_line(std::string& out, const RecordFormat& format, const LogRecord& record,
                     const LogPlan& plan, const Registry& registry);

// Appends the line of field names (FL-4).
void append_log_header(std::string& out, const RecordFormat& format);

}  // namespace sluice
