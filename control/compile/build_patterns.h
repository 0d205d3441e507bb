#pragma once

// Patterns of applications and the user's signatures, compiled by Hyperscan; with a cache on disk.
//
// Compiling takes tens of milliseconds to seconds, so a compiled database is kept in a file whose
// name is the SHA-256 of all that it depends on: the expressions, their flags, the version of
// Hyperscan and the features of the CPU. A file that is truncated, changed, or of another machine
// is recognised by its own digest and by what it says it was made of, and is compiled again.
// Control thread, but for what says otherwise.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/policy/layer7.h"
#include "lookup/l7_patterns.h"

namespace sluice {

// A `[[signature]]` of the policy.
struct SignatureSource {
  std::string id;
  std::string pattern;  // PCRE, the part that Hyperscan accepts; bytes, not characters
  std::string flags;    // of i (no case), m (^ and $ at lines), s (. matches newline); may be empty
  bool drops = false;

  bool operator==(const SignatureSource&) const = default;
};

inline SignatureSource source_of(const Signature& signature) {
  return {signature.id, signature.pattern, signature.flags,
          signature.action == SignatureAction::Drop};
}

// Of one pattern and of all, with repeats written out: what bounds the time to compile.
inline constexpr std::size_t kPatternPositionsMax = 4'096;
inline constexpr std::size_t kSignaturePositionsMax = 400'000;

// What is wrong with one signature.
struct SignatureFault {
  std::size_t index = 0;                // in the list
  std::optional<std::size_t> position;  // byte of the pattern, from 0, where that is known
  std::string sentence;                 // names the signature and what is wrong, with the position
  bool is_limit = false;                // it is right, but too much
};

// Every signature that cannot be compiled; empty if all can.
std::vector<SignatureFault> check_signatures(std::span<const SignatureSource> signatures);

// Compiles what build_patterns() will ask for with the same arguments, so that it finds it done.
// Any thread; signatures that are wrong are left to it.
void prepare_patterns(std::span<const SignatureSource> signatures,
                      const std::string& cache_directory);

// The patterns of all applications, and these signatures. `cache_directory`: where compiled
// databases are kept; empty: nowhere. A cache that cannot be read or written costs time only.
// Invalid (code "bad-signature") names the first signature at fault.
Result<std::shared_ptr<const L7Patterns>> build_patterns(
    std::span<const SignatureSource> signatures, const std::string& cache_directory);

}  // namespace sluice
