#pragma once

// The commands that need no daemon: `policy check`, and `explain` with `--policy`. Each returns
// the exit status of the program.

#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "control/cli/arguments.h"
#include "control/cli/terminal.h"
#include "control/policy/load.h"

namespace sluice {

// `policy check FILE`: FILE:LINE:COL: error|warning: TEXT on stdout, notes too with -v; with -j one
// object. 0 even with warnings, 4 with errors, 5 over a limit or quota only.
int run_policy_check(const Invocation& invocation, const Terminal& terminal);

// `explain --policy FILE [--batch]`.
int run_explain_offline(const Invocation& invocation, const Terminal& terminal);

// Loads the file, or stdin for "-".
LoadedPolicy load_operand(const std::string& path, const Terminal& terminal);

// The findings, one a line. Notes only if asked for.
void print_findings(std::span<const Finding> findings, bool with_notes, std::ostream& out);

// An error where the user wants it: -j as {"error":{code,message}} on stdout, else a sentence on
// stderr. Returns the exit status of its kind.
int print_error(const Error& error, const GlobalOptions& globals, const Terminal& terminal);

// The query of the flags of `explain`, without what only the command line knows.
nlohmann::json query_of_flags(const Invocation& invocation);
// Prints one answer and returns 1 if it is an error, or a drop and --fail-on-deny was given.
int print_explanation(const nlohmann::ordered_json& answer, const Invocation& invocation,
                      const Terminal& terminal);
// What an answer means for the exit status.
int status_of_answer(const nlohmann::ordered_json& answer, bool fails_on_deny);

}  // namespace sluice
