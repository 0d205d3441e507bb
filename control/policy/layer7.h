#pragma once

// Signatures: patterns that the first bytes of every connection are compared with. Plain data.

#include <cstdint>
#include <string>

#include "control/policy/document.h"

namespace sluice {

enum class SignatureAction : std::uint8_t { Alert, Drop };

struct Signature {
  std::string id;       // unique; what logs and counters call it
  std::string pattern;  // as PCRE writes it, without delimiters
  std::string flags;    // of "i" (caseless), "s" (dot is all), "m" (multiline), each at most once
  SignatureAction action = SignatureAction::Alert;
  Position at;  // of its id
  Position pattern_at;
};

}  // namespace sluice
