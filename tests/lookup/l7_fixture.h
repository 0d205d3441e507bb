#pragma once

// Compiled patterns for tests, those of applications once for the whole program.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "control/compile/build_patterns.h"
#include "lookup/l7_identify.h"
#include "lookup/l7_patterns.h"

namespace sluice {

inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// "16 03 01 …" or "160301…" as bytes; blanks and line ends do not count.
inline std::vector<std::uint8_t> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
    CHECK(digit >= 0 && digit < 16);
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  CHECK(high < 0);
  return bytes;
}

class L7Fixture {
 public:
  explicit L7Fixture(const std::vector<SignatureSource>& signatures = {}) {
    static const std::shared_ptr<const L7Patterns> kPlain = build({});
    patterns_ = signatures.empty() ? kPlain : build(signatures);
    scratch_ = std::move(L7Scratch::create(*patterns_).value());
  }

  const L7Patterns& patterns() const { return *patterns_; }
  L7Scratch& scratch() { return *scratch_; }

  L7Answer ask(L7Transport transport, L7Side side, std::span<const std::uint8_t> bytes,
               bool more_may_come = true, AppSet candidates = AppSet::all()) {
    return identify(*patterns_, *scratch_, {transport, side, bytes, more_may_come, candidates});
  }

 private:
  static std::shared_ptr<const L7Patterns> build(const std::vector<SignatureSource>& signatures) {
    return build_patterns(signatures, "").value();
  }

  std::shared_ptr<const L7Patterns> patterns_;
  std::unique_ptr<L7Scratch> scratch_;
};

}  // namespace sluice
