#pragma once

// A capture through the very pipeline of the appliance, with the capture's own clock: a verdict for
// each packet and the flow log that would have been written (product, section 5).
//
// One worker between two devices that let everything from everywhere in; no NIC, no root, no huge
// pages. Nothing depends on the machine's clock or on chance: the same files give the same bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/flowlog/exporter.h"
#include "control/main/replay_verdicts.h"
#include "control/policy/finding.h"

namespace sluice {

struct ReplayOptions {
  std::string policy;
  std::string pcap;
  std::string verdicts;  // paths; empty: not written
  std::string flow_log;
  std::string out;
};

struct ReplayOutcome {
  VerdictCounts counts;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  // The sum law at the end, when nothing is live any more, per interface and direction.
  std::vector<LogLawRow> law;
  // What is to be said about the policy: warnings, or why it was refused.
  std::vector<Finding> findings;
  // None: everything was judged. Kind Invalid: the policy; Failed: the capture or an output file.
  // A capture that breaks off is judged up to there.
  std::optional<Error> error;
};

ReplayOutcome replay(const ReplayOptions& options);

}  // namespace sluice
