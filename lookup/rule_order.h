#pragma once

// The rank of a rule: its id as a number. Among several rules that allow, the smallest id is the
// answer, so that every path that asks gives the same name.

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

// The 17 hex digits behind "sgr-", which order as their text does. The greatest value stands
// behind every id.
struct RuleOrder {
  std::uint64_t high = ~std::uint64_t{0};  // the first 16 digits
  std::uint32_t low = ~std::uint32_t{0};   // the last one

  constexpr auto operator<=>(const RuleOrder&) const = default;

  // Nothing if the text is not "sgr-" and 17 lower-case hex digits.
  static constexpr std::optional<RuleOrder> of(std::string_view id) {
    constexpr std::string_view kPrefix = "sgr-";
    constexpr std::size_t kDigits = 17;
    if (id.size() != kPrefix.size() + kDigits || !id.starts_with(kPrefix)) return std::nullopt;
    RuleOrder order{0, 0};
    for (std::size_t i = 0; i < kDigits; ++i) {
      const char c = id[kPrefix.size() + i];
      const bool is_digit = c >= '0' && c <= '9';
      if (!is_digit && (c < 'a' || c > 'f')) return std::nullopt;
      const auto value = static_cast<std::uint32_t>(is_digit ? c - '0' : c - 'a' + 10);
      if (i + 1 < kDigits) {
        order.high = order.high << 4 | value;
      } else {
        order.low = value;
      }
    }
    return order;
  }
};

}  // namespace sluice
