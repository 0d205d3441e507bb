#pragma once

// Names and descriptions come from policies and packets: whatever they hold, they must not drive
// the terminal of whoever reads them.

#include <algorithm>
#include <string>
#include <string_view>

namespace sluice {

// Control bytes (C0 with newline and tab, DEL, and C1 as UTF-8 writes it) become \xNN.
inline std::string escape_control(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xc2 && i + 1 < text.size() &&
                       (static_cast<unsigned char>(text[i + 1]) & 0xe0) == 0x80;
    if (byte < 0x20 || byte == 0x7f || is_c1) {
      const auto code = is_c1 ? static_cast<unsigned char>(text[++i]) : byte;
      out += "\\x";
      out += kHex[code >> 4];
      out += kHex[code & 15];
    } else {
      out += text[i];
    }
  }
  return out;
}

// The same, line by line: newlines and tabs stay.
inline std::string escape_text(std::string_view text) {
  std::string out;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find_first_of("\n\t", begin), text.size());
    out += escape_control(text.substr(begin, end - begin));
    if (end < text.size()) out += text[end];
    begin = end + 1;
  }
  return out;
}

}  // namespace sluice
