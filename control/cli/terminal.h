#pragma once

// Where a command reads and writes: data goes to `out`, talk to `err` (product, section 5). The
// program hands in its own streams, tests hand in strings.

#include <istream>
#include <ostream>
#include <string>
#include <string_view>

namespace sluice {

struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool is_colored = false;   // `out` is a terminal, and nobody asked for no colours
  bool is_terminal = false;  // `out` is one: what is printed as it was written may drive it

  // The text in a colour of the terminal, or as it is. `code` is an SGR number such as "32".
  std::string paint(std::string_view text, std::string_view code) const {
    if (!is_colored) return std::string(text);
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
  }
};

inline constexpr std::string_view kGreen = "32";
inline constexpr std::string_view kRed = "31";
inline constexpr std::string_view kBold = "1";

}  // namespace sluice
