#pragma once

// The steps of a decision in words: names for numbers, whole phrases for kinds. Any thread.

#include <string>

#include "control/explain/explain.h"
#include "control/explain/query.h"
#include "lookup/decide.h"

namespace sluice {

// "ingress tcp 198.51.100.7:40000 -> 10.0.1.10:443 at eni-web1".
std::string packet_words(const PacketQuery& query);

// One step of the witness, such as "network ACL acl-front: rule 100 allows it".
std::string step_words(const WitnessStep& step, const PacketQuery& query,
                       const ExplainScope& scope);

}  // namespace sluice
