#include "control/compile/pattern_size.h"

#include <algorithm>
#include <vector>

namespace sluice {
namespace {

std::size_t capped(std::size_t value) { return std::min(value, kPatternSizeCap); }

// Both at most the cap, so the product fits 64 bits.
std::size_t product(std::size_t a, std::size_t b) { return capped(capped(a) * capped(b)); }

// A repeat such as {3}, {3,} or {3,7} that begins at `at`, and the position behind it; 0 where the
// brace is a character like any other.
struct Repeat {
  std::size_t count = 0;
  std::size_t end = 0;
};

std::size_t read_number(std::string_view text, std::size_t& at) {
  std::size_t number = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = capped(number * 10 + static_cast<std::size_t>(text[at] - '0'));
  }
  return number;
}

Repeat read_repeat(std::string_view text, std::size_t at) {
  Repeat repeat;
  std::size_t end = at + 1;
  std::size_t most = read_number(text, end);
  if (end == at + 1) return {};
  if (end < text.size() && text[end] == ',') {
    ++end;
    most = std::max(most + 1, read_number(text, end));
  }
  if (end >= text.size() || text[end] != '}') return {};
  repeat.count = std::max<std::size_t>(most, 1);
  repeat.end = end + 1;
  return repeat;
}

// Behind a class such as [^]a-z\]]; the end of the text where it is not closed.
std::size_t skip_class(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  if (end < text.size() && text[end] == '^') ++end;
  if (end < text.size() && text[end] == ']') ++end;
  while (end < text.size() && text[end] != ']') end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

}  // namespace

std::size_t expanded_size(std::string_view pattern) {
  std::vector<std::size_t> outer;  // sizes of what lies before the open groups
  std::size_t sum = 0;             // of this group, without its last item
  std::size_t last = 0;            // the item that a repeat would repeat
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '{') {
      const Repeat repeat = read_repeat(pattern, at);
      if (repeat.end != 0) {
        last = product(last, repeat.count);
        at = repeat.end;
        continue;
      }
    }
    if (c == '(') {
      outer.push_back(capped(sum + last));
      sum = last = 0;
      ++at;
    } else if (c == ')' && !outer.empty()) {
      last = std::max<std::size_t>(capped(sum + last), 1);
      sum = outer.back();
      outer.pop_back();
      ++at;
    } else {
      sum = capped(sum + last);
      last = 1;
      at = c == '[' ? skip_class(pattern, at) : at + (c == '\\' ? 2 : 1);
    }
  }
  std::size_t whole = capped(sum + last);
  for (const std::size_t size : outer) whole = capped(whole + size);
  return whole;
}

std::optional<std::string_view> unread_construct(std::string_view pattern) {
  if (pattern.find("\\Q") != std::string_view::npos) return "\\Q";
  for (std::size_t at = pattern.find("(?"); at != std::string_view::npos;
       at = pattern.find("(?", at + 2)) {
    for (std::size_t i = at + 2; i < pattern.size(); ++i) {
      if (pattern[i] == '#' && i == at + 2) return "(?#";
      if (pattern[i] == 'x') return "(?x";
      const bool is_flag = (pattern[i] >= 'a' && pattern[i] <= 'z') || pattern[i] == '-' ||
                           (pattern[i] >= 'A' && pattern[i] <= 'Z');
      if (!is_flag) break;
    }
  }
  return std::nullopt;
}

}  // namespace sluice
