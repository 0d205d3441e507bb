#pragma once

// The words of sluicectl: which nouns and verbs there are, and what each takes. A command is one
// row over a request of control/server/requests.h, whose parameters are its flags; what only the
// command line knows (files, --watch, --batch) is added here. Help is made from the same rows.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/server/requests.h"

namespace sluice {

struct CommandRow {
  std::string_view noun;
  std::string_view verb;    // empty: the noun is the whole command
  std::string_view method;  // the request; its flags are the command's
  // "FILE", "GROUP ingress|egress", "LIST [VERSION]", where the last may be left out; empty: takes
  // none.
  std::string_view operand;
  std::span<const ParamRow> extra;
  std::string_view sentence;
  // The request's parameters that the words of `operand` are, in their order; empty: a file.
  std::span<const std::string_view> operand_params = {};
};

std::span<const CommandRow> commands();
// Null: no such command. `verb` is ignored where the noun takes none.
const CommandRow* find_command(std::string_view noun, std::string_view verb);
// How many words behind its own the command takes.
std::size_t operand_count(const CommandRow& command);
bool is_noun(std::string_view word);
// True if the noun alone is a command, such as `stats`.
bool is_whole_command(std::string_view noun);
// Every flag of the command, those of the request first.
std::vector<ParamRow> flags_of(const CommandRow& command);
// The flag of a parameter: "--destination-port".
std::string flag_of(std::string_view param);

// Flags that stand anywhere.
struct GlobalRow {
  std::string_view flag;
  std::string_view short_flag;  // may be empty
  std::string_view value;       // empty: takes none
  std::string_view sentence;
};
std::span<const GlobalRow> global_flags();

// The page for everything, for a noun, or for one command (null, "" for what is left out).
std::string help_text(std::string_view noun, const CommandRow* command);

}  // namespace sluice
