#pragma once

// Who has most of the flows: sums flows up by one of their ends and ranks the sums, for `flow top`.
//
// Not thread-safe. Memory and time grow with the number of different talkers, so whoever feeds it
// stops at kTopTalkersMax.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "control/policy/registry.h"
#include "flowtable/flow_event.h"

namespace sluice {

inline constexpr std::size_t kTopTalkersMax = 1'000'000;

// What makes two flows those of one talker, and what its rank is by.
enum class TalkerKind : std::uint8_t { Remote, Local, Interface, Service };
enum class TalkerRank : std::uint8_t { Flows, Packets, Bytes };

// The words of the parameters; Service is the interface's protocol and port that is asked for.
TalkerKind talker_kind(std::string_view word);
TalkerRank talker_rank(std::string_view word);

class FlowTop {
 public:
  FlowTop(TalkerKind kind, const Registry& registry) : kind_(kind), registry_(registry) {}

  void add(const FlowView& flow);
  std::uint64_t flow_count() const { return flow_count_; }
  bool is_full() const { return talkers_.size() >= kTopTalkersMax; }
  // The first `limit` by rank; equals by name.
  nlohmann::ordered_json to_json(TalkerRank rank, std::size_t limit) const;

 private:
  struct Sums {
    std::uint64_t flows = 0;
    std::uint64_t half_open = 0;  // TCP that is not established yet
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
  };
  std::string name_of_talker(const FlowView& flow) const;

  const TalkerKind kind_;
  const Registry& registry_;
  std::unordered_map<std::string, Sums> talkers_;
  std::uint64_t flow_count_ = 0;
};

}  // namespace sluice
