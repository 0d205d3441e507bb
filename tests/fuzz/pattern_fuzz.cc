// Signatures as a hostile policy may hold them: the check of repeats and limits ends, and what it
// lets through Hyperscan's parser takes or refuses with a sentence.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "control/compile/build_patterns.h"
#include "control/compile/pattern_size.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const std::string pattern(reinterpret_cast<const char*>(data), size);
  CHECK(expanded_size(pattern) <= kPatternSizeCap);
  const std::vector<SignatureSource> list{{"s", pattern, "", false}};
  for (const SignatureFault& fault : check_signatures(list)) {
    CHECK(fault.index == 0 && fault.sentence.starts_with("signature s: "));
    CHECK(!fault.position || *fault.position <= pattern.size());
  }
  return 0;
}
