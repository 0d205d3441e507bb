// Threads that ask a shard for flows while its owner inserts, evicts and expires. Under TSan it
// shows that nothing is raced for, everywhere that no answer is wrong. tests/models/ proves the
// protocol state by state; this shows that the code follows it.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>

#include "flowtable/flow_shard.h"

namespace sluice {
namespace {

constexpr std::uint32_t kCapacity = 1'024;
constexpr std::uint32_t kStaying = 900;  // so many that some lie in their second bucket
constexpr std::uint32_t kTimeoutMs = 30'000;
constexpr auto kDuration = std::chrono::milliseconds(400);

FlowTuple flow(std::uint32_t number, Family family) {
  FlowTuple tuple;
  tuple.eni = EniIndex(1);
  tuple.proto = Proto::Udp;
  tuple.local_port = 53;
  tuple.remote_port = static_cast<std::uint16_t>(number);
  const bool is_v4 = family == Family::Ipv4;
  tuple.local = is_v4 ? IpAddr::v4(0x0a000001) : IpAddr::v6(0xfd00u << 16, 1);
  tuple.remote = is_v4 ? IpAddr::v4(0xc0000000u + number / 7) : IpAddr::v6(number / 7, number);
  return tuple;
}

std::uint64_t hash_of(const FlowTuple& tuple) { return owner_hash(HashKey{}, tuple); }

FlowState* insert(FlowShard& shard, const FlowTuple& tuple, TickMs now, FlowPhase phase) {
  FlowState* state =
      shard.insert(tuple, hash_of(tuple), now, kTimeoutMs, [](const FlowTuple&, FlowState&) {});
  if (state != nullptr) state->phase = static_cast<std::uint8_t>(phase);
  return state;
}

// What the readers were told.
struct Answers {
  std::atomic<std::uint64_t> asked{0};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> unsure{0};
};

// Asks for one flow after another until told to stop; right(number) is what must be answered.
template <class TupleOf>
void read(const FlowShard& shard, const std::atomic<bool>& stop, std::uint32_t flows,
          TupleOf&& tuple_of, Presence right, Answers& answers) {
  for (std::uint32_t i = 0; !stop.load(std::memory_order_relaxed); i = (i + 1) % flows) {
    const FlowTuple tuple = tuple_of(i);
    const Presence told = shard.presence(tuple, hash_of(tuple));
    answers.asked.fetch_add(1, std::memory_order_relaxed);
    if (told == Presence::Unsure) {
      answers.unsure.fetch_add(1, std::memory_order_relaxed);
    } else if (told != right) {
      answers.wrong.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

class FlowShardReaders : public testing::TestWithParam<Family> {};

TEST_P(FlowShardReaders, find_what_stays_and_nothing_that_never_was) {
  FlowShard shard({.capacity = kCapacity, .key = {}});
  for (std::uint32_t i = 0; i < kStaying; ++i) {
    ASSERT_NE(insert(shard, flow(i, GetParam()), 0, FlowPhase::Established), nullptr);
  }
  std::atomic<bool> stop{false};
  Answers staying;
  Answers never;
  std::thread first([&] {
    read(
        shard, stop, kStaying, [&](std::uint32_t i) { return flow(i, GetParam()); },
        Presence::Present, staying);
  });
  std::thread second([&] {
    read(
        shard, stop, 5'000, [&](std::uint32_t i) { return flow(10'000 + i, GetParam()); },
        Presence::Absent, never);
  });
  std::mt19937_64 draw(21);
  std::uint64_t inserted = 0;
  std::uint64_t evicted = 0;
  std::uint64_t expired = 0;
  TickMs now = 0;
  const auto end = std::chrono::steady_clock::now() + kDuration;
  do {
    for (int i = 0; i < 2'000; ++i) {
      const auto number = static_cast<std::uint32_t>(kStaying + draw() % 3'000);
      const FlowTuple tuple = flow(number, GetParam());
      if (FlowState* state = shard.find(tuple, hash_of(tuple))) {
        if (draw() % 4 == 0) shard.remove(state);
        continue;
      }
      FlowState* state = shard.insert(tuple, hash_of(tuple), now, kTimeoutMs,
                                      [&](const FlowTuple&, FlowState&) { ++evicted; });
      if (state == nullptr) continue;
      state->phase = static_cast<std::uint8_t>(FlowPhase::Accounted);
      ++inserted;
    }
    now += kTimeoutMs + 2 * TimerWheel::kTickMs;  // all that come and go have had their time
    for (std::uint32_t i = 0; i < kStaying; ++i) {
      const FlowTuple tuple = flow(i, GetParam());
      shard.find(tuple, hash_of(tuple))->last_seen_ms = now;
    }
    shard.expire(
        now, 4 * kCapacity, [](const FlowTuple&, FlowState&) { return kTimeoutMs; },
        [&](const FlowTuple&, FlowState&) { ++expired; });
  } while (std::chrono::steady_clock::now() < end);
  while (staying.asked < kStaying || never.asked < 5'000) std::this_thread::yield();
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(staying.wrong, 0u);
  EXPECT_EQ(never.wrong, 0u);
  EXPECT_GT(inserted, 500u);
  EXPECT_GT(evicted, 0u);
  EXPECT_GT(expired, 0u);
  // Unsure is an exception, not the rule.
  EXPECT_LE(staying.unsure, staying.asked / 10);
  EXPECT_LE(never.unsure, never.asked / 10);
}

INSTANTIATE_TEST_SUITE_P(Families, FlowShardReaders, testing::Values(Family::Ipv4, Family::Ipv6),
                         [](const auto& row) {
                           return row.param == Family::Ipv4 ? "ipv4" : "ipv6";
                         });

}  // namespace
}  // namespace sluice
