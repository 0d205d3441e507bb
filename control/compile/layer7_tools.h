#pragma once

// What workers need to identify connections, made when a policy first asks for it and kept while
// its signatures stay the same: a change of rules costs nothing here.
//
// Control thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/compile/build_patterns.h"
#include "control/policy/policy.h"
#include "control/policy/registry.h"
#include "lookup/l7_tools.h"
#include "lookup/snapshot_input.h"

namespace sluice {

class Layer7Tools {
 public:
  // `cache_directory`: where compiled patterns are kept; empty: nowhere.
  Layer7Tools(std::size_t workers, std::string cache_directory)
      : workers_(workers), cache_directory_(std::move(cache_directory)) {}

  // For the policy, where its rules, signatures or logs ask; else, and until somebody does, null.
  // An Error names the signature at fault, or says what memory is short of.
  Result<std::shared_ptr<const L7Tools>> of(const Policy& policy, const SnapshotInput& input,
                                            Registry& registry);
  // For the signatures of the policy, whether somebody asks or not.
  Result<std::shared_ptr<const L7Tools>> make(const std::vector<Signature>& signatures,
                                              Registry& registry);

 private:
  const std::size_t workers_;
  const std::string cache_directory_;
  std::shared_ptr<const L7Tools> tools_;  // the last ones
  std::vector<SignatureSource> sources_;  // and what they were made of
  std::vector<std::uint16_t> numbers_;
};

// True if some rule demands an application or a name, there are signatures, or a log wants to know.
bool asks_for_layer7(const Policy& policy, const SnapshotInput& input);

}  // namespace sluice
