#include "control/cli/run.h"

#include <fstream>
#include <utility>

#include "control/cli/offline.h"
#include "control/cli/online.h"
#include "control/server/exit_code.h"
#include "control/server/version.h"

namespace sluice {
namespace {

int run_command(const Invocation& invocation, const Terminal& terminal) {
  Terminal own = terminal;
  own.is_colored = terminal.is_colored && !invocation.globals.no_color;
  if (invocation.globals.wants_version) {
    own.out << "sluicectl " << kProductVersion << '\n';
    return 0;
  }
  if (invocation.globals.wants_help) {
    own.out << help_text(invocation.help_noun, invocation.command);
    return 0;
  }
  const CommandRow& command = *invocation.command;
  if (command.method.empty()) return run_policy_check(invocation, own);
  if (command.method == "explain" && invocation.params.contains("policy")) {
    return run_explain_offline(invocation, own);
  }
  return run_online(invocation, own);
}

// The lines of a command file, in order; the first that fails ends it with its status.
int run_lines(std::istream& lines, const Invocation& outer, const Terminal& terminal) {
  GlobalOptions globals = outer.globals;
  const std::string file = std::exchange(globals.command_file, std::string());
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    const auto fail = [&](Error error) {
      error.where = file + ":" + std::to_string(number);
      return print_error(error, globals, terminal);
    };
    const Result<std::vector<std::string>> words = split_line(line);
    if (!words) return fail(words.error());
    if (words->empty()) continue;
    const Result<Invocation> invocation = parse_arguments(*words, globals);
    if (!invocation) return fail(invocation.error());
    if (!invocation->globals.command_file.empty()) {
      return fail({ErrorKind::Usage, "usage", "a command file names no other one", ""});
    }
    const int status = run_command(*invocation, terminal);
    terminal.out.flush();
    if (status != 0) return status;
  }
  return 0;
}

int run_command_file(const Invocation& invocation, const Terminal& terminal) {
  const std::string& path = invocation.globals.command_file;
  if (path == "-") return run_lines(terminal.in, invocation, terminal);
  std::ifstream lines(path);
  if (lines) return run_lines(lines, invocation, terminal);
  return print_error({ErrorKind::Failed, "file-missing", "cannot be read", path},
                     invocation.globals, terminal);
}

}  // namespace

int run_sluicectl(const std::vector<std::string>& words, const Terminal& terminal) {
  const Result<Invocation> invocation = parse_arguments(words);
  int status = 0;
  if (!invocation) {
    terminal.err << "sluicectl: " << invocation.error().sentence << '\n';
    status = exit_code_of(invocation.error().kind);
  } else if (!invocation->globals.command_file.empty() && invocation->command == nullptr &&
             !invocation->globals.wants_help && !invocation->globals.wants_version) {
    status = run_command_file(*invocation, terminal);
  } else {
    status = run_command(*invocation, terminal);
  }
  terminal.out.flush();
  // Data that could not be written was not delivered.
  if (!terminal.out && status == 0) status = exit_code_of(ErrorKind::Failed);
  return status;
}

}  // namespace sluice
