#pragma once

// Would AWS take this policy? The quotas of SG-40 to SG-45 and NA-15, for
// `policy check --aws-quotas`. Ours are far above them.

#include "control/policy/finding.h"
#include "control/policy/policy.h"

namespace sluice {

// Each excess is an error over a limit with the number needed and the number there is, code
// "quota-…". The policy must have passed check_policy.
void check_aws_quotas(const Policy& policy, Findings& findings);

// The findings of check_aws_quotas, in the order of the text.
std::vector<Finding> aws_quota_findings(const Policy& policy, std::string_view file_name);

}  // namespace sluice
