// Any text, as TOML or JSON, through the whole loader: it never crashes, it tells why it refuses,
// and what it takes survives the way to JSON and back and compiles.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "control/compile/compiler.h"
#include "control/policy/load.h"
#include "control/policy/policy_json.h"
#include "control/policy/quotas.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const LoadedPolicy loaded = load_policy_text(text, "fuzz");
  CHECK(loaded.policy.has_value() != has_errors(loaded.findings));
  for (const Finding& finding : loaded.findings) {
    CHECK(!finding.code.empty());
    CHECK(!finding.message.empty());
  }
  if (!loaded.policy) return 0;
  const std::string json = policy_to_json_text(*loaded.policy);
  const LoadedPolicy again = load_policy_json(json, "fuzz");
  CHECK(again.policy.has_value());
  CHECK(policy_to_json_text(*again.policy) == json);
  Registry registry;
  CHECK(compile(*loaded.policy, registry, Generation(1)).has_value());
  aws_quota_findings(*loaded.policy, "fuzz");
  return 0;
}
