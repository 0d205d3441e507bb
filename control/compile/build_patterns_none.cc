// A build without Hyperscan (option `hyperscan`): whoever asks for applications or signatures is
// told so; nothing is let through half checked.

#include "control/compile/build_patterns.h"

namespace sluice {
namespace {

constexpr const char* kWhy =
    "this build has no Hyperscan: build with -Dhyperscan=true for rules with app or domains and "
    "for signatures";

}  // namespace

std::vector<SignatureFault> check_signatures(std::span<const SignatureSource> signatures) {
  std::vector<SignatureFault> faults;
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    faults.push_back({i, std::nullopt, "signature " + signatures[i].id + ": " + kWhy});
  }
  return faults;
}

void prepare_patterns(std::span<const SignatureSource>, const std::string&) {}

Result<std::shared_ptr<const L7Patterns>> build_patterns(std::span<const SignatureSource>,
                                                         const std::string&) {
  return Error{ErrorKind::Invalid, "no-hyperscan", kWhy, ""};
}

}  // namespace sluice
