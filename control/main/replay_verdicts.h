#pragma once

// Verdict lines: one JSON object a packet, in the order of packets (product, section 5).
//
// The pipeline finishes packets in its own order: a fragment that waits for its first one comes
// later. Its line is kept open until then, and the lines behind it with it.

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "base/drop_reason.h"
#include "base/limits.h"
#include "base/verdict.h"
#include "control/policy/registry.h"
#include "dataplane/burst.h"
#include "dataplane/worker.h"
#include "flowtable/flow_event.h"

namespace sluice {

struct VerdictCounts {
  std::array<std::uint64_t, 3> verdicts{};  // by Verdict
  std::array<std::uint64_t, kDropReasonCount> drops{};

  std::uint64_t packets() const { return verdicts[0] + verdicts[1] + verdicts[2]; }
};

class VerdictWriter final : public BurstObserver {
 public:
  // `out` may be null: then packets are only counted. Both outlive the writer.
  VerdictWriter(std::FILE* out, const Registry& registry) : out_(out), registry_(registry) {}

  void known(const Burst& burst, std::size_t i, const FlowFacts& facts) override;
  void finished(const Burst& burst) override;

  const VerdictCounts& counts() const { return counts_; }
  // Lines that wait for an earlier packet's.
  std::size_t waiting() const { return waiting_.size(); }
  // Number of the packet whose line comes next.
  std::uint64_t next_packet() const { return next_packet_; }

 private:
  // What is known of the flows of a packet at its two ends, by Direction; of the burst under way.
  using FactsOfEnds = std::array<std::optional<FlowFacts>, 2>;
  std::string verdict_line(const Burst& burst, std::size_t i) const;
  void append_check(std::string& out, const EndResult& end, Direction direction,
                    const std::optional<FlowFacts>& facts) const;
  void tell(std::uint64_t number, std::string line);

  std::FILE* out_;
  const Registry& registry_;
  VerdictCounts counts_;
  std::array<FactsOfEnds, kBurstMax> facts_;
  std::uint64_t next_packet_ = 1;
  std::map<std::uint64_t, std::string> waiting_;
};

}  // namespace sluice
