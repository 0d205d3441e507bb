// The command line: words → one request, or a question to a policy file → printed answer.

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "control/cli/run.h"

namespace {

// Colours are for terminals that want them (no-color.org).
bool wants_colors() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  const bool is_dumb = kind == nullptr || std::string_view(kind) == "dumb";
  return ::isatty(STDOUT_FILENO) == 1 && !is_dumb && (no_color == nullptr || *no_color == '\0');
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  const std::vector<std::string> words(argv + 1, argv + argc);
  return sluice::run_sluicectl(
      words, {std::cin, std::cout, std::cerr, wants_colors(), ::isatty(STDOUT_FILENO) == 1});
}
