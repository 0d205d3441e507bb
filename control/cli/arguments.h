#pragma once

// Words of the command line → a command with its parameters. The same grammar for the shell's
// words and for the lines of `-f FILE`. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "control/cli/commands.h"

namespace sluice {

inline constexpr std::string_view kDefaultSocket = "/run/sluice/control.sock";

struct GlobalOptions {
  std::string socket = std::string(kDefaultSocket);
  std::optional<std::uint32_t> timeout_ms;  // none: as long as answer_timeout_ms() says
  std::string command_file;                 // of -f; empty: none
  bool is_json = false;
  bool no_color = false;
  bool is_quiet = false;
  bool is_verbose = false;
  bool wants_help = false;
  bool wants_version = false;
};

struct Invocation {
  GlobalOptions globals;
  const CommandRow* command = nullptr;               // null with help, version or a command file
  std::string help_noun;                             // of `help NOUN` and `NOUN --help`
  std::string operand;                               // FILE; others are parameters
  nlohmann::json params = nlohmann::json::object();  // flags by parameter name
};

// Global flags are taken before, between and after the other words. `globals` is what holds where
// the words say nothing (the flags of the program, for a line of a file). Errors are of kind Usage.
Result<Invocation> parse_arguments(const std::vector<std::string>& words,
                                   const GlobalOptions& globals = {});

// How long to wait for the answer to a request that brings a document of so many bytes: what the
// user said, else 10 s and 1 s more for each MiB begun. So long a large policy may take to be read,
// checked and compiled on a slow core.
std::uint32_t answer_timeout_ms(const GlobalOptions& globals, std::uint64_t document_size = 0);

// A line of a command file as words: blanks divide, '…' and "…" join, \ takes the next byte as it
// is, # begins a comment. Error: a quote that is not closed.
Result<std::vector<std::string>> split_line(std::string_view line);

// "500ms", "10s", "2m", or a bare number of seconds; at most a day.
std::optional<std::uint32_t> parse_duration_ms(std::string_view text);

}  // namespace sluice
