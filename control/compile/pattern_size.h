#pragma once

// How large does an expression become?
//
// Repeats multiply what they repeat: "((a{50}){50}){50}" is 125,000 positions of an automaton in
// eighteen characters, and compiling one of a million takes minutes. This counts the positions
// before anything is compiled, without understanding more of the expression than its brackets and
// repeats; too high rather than too low. Pure.
//
// What hides brackets and repeats from that, and what Hyperscan would read, has no size here:
// quotes, comments, and white space that does not count. unread_construct() finds it.

#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice {

// Positions of the expression with its bounded repeats written out; at most kPatternSizeCap.
inline constexpr std::size_t kPatternSizeCap = 1'000'000'000;
std::size_t expanded_size(std::string_view pattern);

// The first of \\Q, (?# and an inline flag x, as people write them; nothing where there is none. A
// backslash before \\Q or a class around it does not excuse it.
std::optional<std::string_view> unread_construct(std::string_view pattern);

}  // namespace sluice
