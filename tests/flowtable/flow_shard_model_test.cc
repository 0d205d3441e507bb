// FlowShard beside std::unordered_map under random commands. rapidcheck makes the commands and,
// where the two disagree, finds a short row of small ones that still do. What may be evicted is not
// for the map to foretell: each victim is judged by its class and by how long it was silent, and is
// taken out of the map then.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <cstdint>
#include <ostream>
#include <unordered_map>
#include <vector>

#include "flowtable/flow_shard.h"

namespace sluice {
namespace {

constexpr std::uint32_t kCapacity = 1'024;
constexpr std::uint32_t kNumbers = 1'600;  // flows that may be asked for; more than there is room

enum class Act : std::uint8_t { Insert, Find, Touch, Change, Rearm, Erase, Expire, Evict };
constexpr std::array kActNames = {"insert", "find",  "touch",  "change",
                                  "rearm",  "erase", "expire", "evict"};
constexpr std::array kPhases = {FlowPhase::SynSent,     FlowPhase::Single,  FlowPhase::Accounted,
                                FlowPhase::Established, FlowPhase::Closing, FlowPhase::Stream};

// One act upon `count` flows in a row, and how long is waited before it.
struct Command {
  Act act;
  std::uint32_t first;
  std::uint32_t count;
  std::uint32_t phase;  // of kPhases
  std::uint32_t timeout_ms;
  std::uint32_t wait_ms;
};

// rapidcheck finds it by its argument, to print what failed.
void showValue(const Command& command, std::ostream& out) {
  out << kActNames[static_cast<std::size_t>(command.act)] << " " << command.first << "+"
      << command.count << " phase " << command.phase << " timeout " << command.timeout_ms
      << " wait " << command.wait_ms;
}

rc::Gen<Command> commands() {
  // Insert stands twice: otherwise the table would seldom be full.
  const auto acts = rc::gen::element(Act::Insert, Act::Insert, Act::Find, Act::Touch, Act::Change,
                                     Act::Rearm, Act::Erase, Act::Expire, Act::Evict);
  return rc::gen::construct<Command>(
      acts, rc::gen::inRange(0u, kNumbers), rc::gen::inRange(1u, 400u),
      rc::gen::inRange(0u, static_cast<std::uint32_t>(kPhases.size())),
      rc::gen::inRange(1u, 300'000u), rc::gen::inRange(0u, 9'000u));
}

struct Known {
  TickMs last_seen_ms;
  std::uint32_t timeout_ms;
  std::uint32_t mark;  // what was written into the state
  FlowPhase phase;
};

class Pair {
 public:
  explicit Pair(Family family) : family_(family) {}

  void run(const Command& command) {
    now_ += command.wait_ms;
    if (command.act == Act::Expire) return expire();
    for (std::uint32_t i = 0; i < command.count; ++i) {
      run_one(command, (command.first + i) % kNumbers);
    }
    RC_ASSERT(shard_.size() == map_.size());
  }

  void compare_all() {
    for (std::uint32_t number = 0; number < kNumbers; ++number) find(number);
    std::size_t walked = 0;
    std::size_t cursor = 0;
    do {
      cursor = shard_.walk(cursor, 100, [&](const FlowTuple& tuple, FlowState& state) {
        ++walked;
        RC_ASSERT(map_.at(number_of(tuple)).mark == state.rule);
      });
    } while (cursor != 0);
    RC_ASSERT(walked == map_.size());
  }

 private:
  FlowTuple tuple(std::uint32_t number) const {
    FlowTuple tuple;
    tuple.eni = EniIndex(number % 3);
    tuple.proto = Proto::Udp;
    tuple.local_port = 53;
    tuple.remote_port = static_cast<std::uint16_t>(number);
    const bool is_v4 = family_ == Family::Ipv4;
    tuple.local = is_v4 ? IpAddr::v4(0x0a000001) : IpAddr::v6(0xfd00u << 16, 1);
    tuple.remote = is_v4 ? IpAddr::v4(0xc0000000u + number / 7) : IpAddr::v6(number / 7, number);
    return tuple;
  }
  static std::uint32_t number_of(const FlowTuple& tuple) { return tuple.remote_port; }
  static std::uint64_t hash(const FlowTuple& tuple) { return owner_hash(HashKey{}, tuple); }

  FlowState* find(std::uint32_t number) {
    FlowState* state = shard_.find(tuple(number), hash(tuple(number)));
    const auto known = map_.find(number);
    RC_ASSERT((state != nullptr) == (known != map_.end()));
    if (state == nullptr) return nullptr;
    RC_ASSERT(state->rule == known->second.mark);
    RC_ASSERT(state->last_seen_ms == known->second.last_seen_ms);
    RC_ASSERT(shard_.tuple_of(state) == tuple(number));
    return state;
  }

  void run_one(const Command& command, std::uint32_t number) {
    FlowState* state = find(number);
    if (command.act == Act::Insert || command.act == Act::Evict) {
      // Evict: time enough for whatever has not begun to lose its grace.
      if (command.act == Act::Evict) now_ += kEmbryonicGraceMs / 64;
      if (state == nullptr) insert(command, number);
      return;
    }
    if (state == nullptr) return;
    Known& known = map_.at(number);
    switch (command.act) {
      case Act::Touch:
        known.last_seen_ms = state->last_seen_ms = now_;
        break;
      case Act::Change:
        known.phase = kPhases[command.phase];
        state->phase = static_cast<std::uint8_t>(known.phase);
        break;
      case Act::Rearm:
        known.last_seen_ms = state->last_seen_ms = now_;
        known.timeout_ms = command.timeout_ms;
        shard_.rearm(state, now_, command.timeout_ms);
        break;
      case Act::Erase:
        shard_.remove(state);
        map_.erase(number);
        break;
      case Act::Insert:
      case Act::Evict:
      case Act::Find:
      case Act::Expire:
        break;
    }
  }

  void insert(const Command& command, std::uint32_t number) {
    const bool was_full = shard_.size() == kCapacity;
    unsigned victims = 0;
    const auto evicted = [&](const FlowTuple& gone, FlowState& state) {
      ++victims;
      const Known known = map_.at(number_of(gone));
      RC_ASSERT(known.mark == state.rule);
      const EvictionClass its_class = eviction_class(known.phase);
      RC_ASSERT(its_class != EvictionClass::Kept);
      const std::uint32_t idle_ms = now_ - known.last_seen_ms;
      RC_ASSERT(its_class != EvictionClass::Embryonic || idle_ms >= kEmbryonicGraceMs);
      map_.erase(number_of(gone));
    };
    FlowState* state =
        shard_.insert(tuple(number), hash(tuple(number)), now_, command.timeout_ms, evicted);
    // Below nine tenths no pair of buckets is full.
    const bool is_roomy = map_.size() < kCapacity - kCapacity / 10;
    RC_ASSERT(victims == (was_full && state != nullptr ? 1u : 0u) || (victims == 1 && !is_roomy));
    if (state == nullptr) {
      RC_ASSERT(!is_roomy);
      return;
    }
    state->rule = ++mark_;
    state->phase = static_cast<std::uint8_t>(kPhases[command.phase]);
    map_[number] = {now_, command.timeout_ms, mark_, kPhases[command.phase]};
  }

  void expire() {
    const auto timeout = [&](const FlowTuple& tuple, FlowState&) {
      return map_.at(number_of(tuple)).timeout_ms;
    };
    const auto ended = [&](const FlowTuple& tuple, FlowState&) {
      const Known& known = map_.at(number_of(tuple));
      RC_ASSERT(now_ - known.last_seen_ms >= known.timeout_ms);
      map_.erase(number_of(tuple));
    };
    shard_.expire(now_, 4 * kCapacity, timeout, ended);
    for (const auto& [number, known] : map_) {
      RC_ASSERT(now_ - known.last_seen_ms < known.timeout_ms + TimerWheel::kTickMs);
    }
  }

  const Family family_;
  FlowShard shard_{{.capacity = kCapacity, .key = {}}};
  std::unordered_map<std::uint32_t, Known> map_;
  TickMs now_ = 0xffff0000u;  // wraps soon
  std::uint32_t mark_ = 0;
};

class FlowShardModel : public testing::TestWithParam<Family> {};

TEST_P(FlowShardModel, agrees_with_an_unordered_map) {
  EXPECT_TRUE(rc::check([family = GetParam()] {
    Pair pair(family);
    for (const Command& command : *rc::gen::container<std::vector<Command>>(commands())) {
      pair.run(command);
    }
    pair.compare_all();
  }));
}

INSTANTIATE_TEST_SUITE_P(Families, FlowShardModel, testing::Values(Family::Ipv4, Family::Ipv6),
                         [](const auto& row) {
                           return row.param == Family::Ipv4 ? "ipv4" : "ipv6";
                         });

}  // namespace
}  // namespace sluice
