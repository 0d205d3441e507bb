// A build without Hyperscan (option `hyperscan`): databases cannot be loaded, so there is nothing
// to scan with. What the leading bytes tell (l7_identify) still holds.

#include <utility>

#include "lookup/l7_crypto.h"
#include "lookup/l7_patterns.h"

namespace sluice {

L7Scratch::L7Scratch() : crypto_(L7Crypto::create()) {}
L7Scratch::~L7Scratch() = default;

Result<std::unique_ptr<L7Scratch>> L7Scratch::create(const L7Patterns&) {
  std::unique_ptr<L7Scratch> scratch(new L7Scratch());
  if (scratch->crypto_ == nullptr) {
    return Error{ErrorKind::Failed, "no-cipher",
                 "libcrypto has no AES-128-GCM: QUIC packets cannot be opened", ""};
  }
  return scratch;
}

Result<std::shared_ptr<const L7Patterns>> L7Patterns::load(const L7DatabaseBytes& bytes,
                                                           std::vector<L7Signature> signatures) {
  for (const std::vector<char>& database : bytes) {
    if (database.empty()) continue;
    return Error{ErrorKind::Failed, "bad-database", "this build has no Hyperscan", ""};
  }
  const std::shared_ptr<L7Patterns> patterns(new L7Patterns());
  patterns->signatures_ = std::move(signatures);
  return std::shared_ptr<const L7Patterns>(patterns);
}

L7Patterns::~L7Patterns() = default;

L7Nominees L7Patterns::scan(L7Transport, L7Side, std::span<const std::uint8_t>, L7Scratch&) const {
  return {};
}

L7SignatureHit L7Patterns::scan_signatures(std::span<const std::uint8_t>, L7Scratch&) const {
  return {};
}

}  // namespace sluice
