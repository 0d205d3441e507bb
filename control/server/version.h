#pragma once

// What `hello` and `-V` say. The protocol's number changes when a client must know of it.

#include <string_view>

namespace sluice {

inline constexpr std::string_view kProductName = "sluice";
inline constexpr std::string_view kProductVersion = "0.1.0";
inline constexpr unsigned kProtocolVersion = 1;

}  // namespace sluice
