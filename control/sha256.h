#pragma once

// SHA-256 (FIPS 180-4) as text, of what is kept on disk. Any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

inline constexpr std::size_t kSha256HexSize = 64;

// Of the bytes, in lower-case hexadecimal.
std::string sha256_hex(std::string_view bytes);

}  // namespace sluice
