#pragma once

// Two interfaces of different VPCs that have one address, where only the address tells the
// interface: behind one uplink, on a transparent wire, in a capture.

#include <span>
#include <string>

#include "control/policy/policy.h"

namespace sluice {

// `interfaces 'eni-a' at FILE:LINE:COL and 'eni-b' at FILE:LINE:COL share the address 10.0.1.10`:
// the first two of the named VPCs (none named: of all) in the order of the policy; where no two
// do, those of whom one has a delegated prefix that the other has an address or prefix in; else
// empty. Cost: proportional to the interfaces, with prefixes times a logarithm.
std::string describe_shared_address(const Policy& policy, const std::string& file,
                                    std::span<const std::string> vpcs = {});

}  // namespace sluice
