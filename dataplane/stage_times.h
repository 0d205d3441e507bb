#pragma once

// Where a worker's time goes while somebody asks: processor cycles (of the time stamp counter) of
// each stage, and how long bursts take. Plain values, for whoever reads them.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

// In the order of the packet's journey. Upkeep is what a turn does between bursts: timers, the
// sweep of the flow log, mail. Idle are polls that brought nothing, and the rest of such turns.
enum class StageName : std::uint8_t {
  Receive,
  Express,
  Parse,
  Fragments,
  Neighbors,
  Locate,
  FindFlow,
  Admit,
  Track,
  Identify,
  Account,
  Emit,
  Upkeep,
  Idle,
};
inline constexpr std::size_t kStageCount = 14;

constexpr std::string_view name_of(StageName stage) {
  constexpr std::array<std::string_view, kStageCount> kNames{
      "receive", "express", "parse",    "fragments", "neighbors", "locate", "find-flow",
      "admit",   "track",   "identify", "account",   "emit",      "upkeep", "idle"};
  return kNames[static_cast<std::size_t>(stage)];
}

// How often something took so many cycles: a histogram whose buckets are a sixteenth of a power of
// two wide, so that a value is known to 6.25 %.
struct CycleBuckets {
  static constexpr unsigned kFineBits = 4;
  static constexpr std::size_t kCount = std::size_t{64 - kFineBits + 1} << kFineBits;

  static constexpr std::size_t of(std::uint64_t cycles) {
    const unsigned width = static_cast<unsigned>(std::bit_width(cycles));
    if (width <= kFineBits) return static_cast<std::size_t>(cycles);
    const unsigned shift = width - kFineBits - 1;
    return (std::size_t{shift} << kFineBits) + static_cast<std::size_t>(cycles >> shift);
  }
  // The greatest value of a bucket.
  static constexpr std::uint64_t last_of(std::size_t bucket) {
    if (bucket < (std::size_t{2} << kFineBits)) return bucket;
    const std::size_t shift = (bucket >> kFineBits) - 1;
    const std::uint64_t head = (bucket & ((std::size_t{1} << kFineBits) - 1)) | (1u << kFineBits);
    return ((head + 1) << shift) - 1;
  }
};

// Of one worker, since it started; grows only while it measures (Engine::watch).
struct StageTimes {
  std::uint64_t packets = 0;  // times worked on: one that was held or handed over counts twice
  std::uint64_t bursts = 0;   // that were not empty
  std::uint64_t idle_polls = 0;
  std::array<std::uint64_t, kStageCount> cycles{};
  std::array<std::uint64_t, CycleBuckets::kCount> burst_cycles{};  // from receive to emit
};

}  // namespace sluice
