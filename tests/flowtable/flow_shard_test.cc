#include "flowtable/flow_shard.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "flowtable/conntrack.h"
#include "tests/reference/slow_flow_map.h"

namespace sluice {
namespace {

constexpr std::uint32_t kCapacity = 1'024;
constexpr std::uint32_t kTimeoutMs = 30'000;

FlowTuple flow(std::uint32_t number, Family family = Family::Ipv4) {
  FlowTuple tuple;
  tuple.eni = EniIndex(number % 3);
  tuple.proto = Proto::Udp;
  tuple.local_port = 53;
  tuple.remote_port = static_cast<std::uint16_t>(number);
  const bool v4 = family == Family::Ipv4;
  tuple.local = v4 ? IpAddr::v4(0x0a000001) : IpAddr::v6(0xfd00u << 16, 1);
  tuple.remote = v4 ? IpAddr::v4(0xc0000000u + number / 7) : IpAddr::v6(number / 7, number);
  return tuple;
}

std::uint64_t hash_of(const FlowTuple& tuple) { return owner_hash(HashKey{}, tuple); }

void nobody_ends(const FlowTuple&, FlowState&) { FAIL() << "no flow had to go"; }

FlowState* insert(FlowShard& shard, const FlowTuple& tuple, TickMs now,
                  FlowPhase phase = FlowPhase::Single) {
  FlowState* state =
      shard.insert(tuple, hash_of(tuple), now, kTimeoutMs, [](const FlowTuple&, FlowState&) {});
  if (state != nullptr) state->phase = static_cast<std::uint8_t>(phase);
  return state;
}

// Inserts flows until one is refused; returns how many were taken.
std::uint32_t fill(FlowShard& shard, TickMs now, FlowPhase phase, Family family = Family::Ipv4) {
  std::uint32_t count = 0;
  while (insert(shard, flow(count, family), now, phase) != nullptr) ++count;
  return count;
}

class FlowShardOfFamily : public testing::TestWithParam<Family> {};

TEST_P(FlowShardOfFamily, finds_what_was_inserted_and_nothing_else) {
  FlowShard shard({.capacity = kCapacity});
  const FlowTuple tuple = flow(1, GetParam());
  FlowState* state = shard.insert(tuple, hash_of(tuple), 5, kTimeoutMs, nobody_ends);
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(shard.find(tuple, hash_of(tuple)), state);
  EXPECT_EQ(shard.tuple_of(state), tuple);
  EXPECT_EQ(shard.size(), 1u);
  const FlowTuple other = flow(2, GetParam());
  EXPECT_EQ(shard.find(other, hash_of(other)), nullptr);
}

TEST_P(FlowShardOfFamily, takes_back_a_flow_of_no_interface) {  // a key keeps 24 bits of its number
  FlowShard shard({.capacity = kCapacity});
  FlowTuple tuple = flow(1, GetParam());
  tuple.eni = EniIndex::none();
  FlowState* state = insert(shard, tuple, 5);
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(shard.find(tuple, hash_of(tuple)), state);
  shard.remove(state);
  EXPECT_EQ(shard.find(tuple, hash_of(tuple)), nullptr);
  EXPECT_EQ(shard.size(), 0u);
}

TEST_P(FlowShardOfFamily, hands_out_a_zeroed_state_also_the_second_time) {
  FlowShard shard({.capacity = kCapacity});
  const FlowTuple tuple = flow(1, GetParam());
  FlowState* state = insert(shard, tuple, 5);
  state->bytes[1] = 77;
  state->rule = 3;
  state->bits = 0xff;
  shard.remove(state);
  const FlowState* again = shard.insert(tuple, hash_of(tuple), 9, kTimeoutMs, nobody_ends);
  EXPECT_EQ(again->bytes[1], 0u);
  EXPECT_EQ(again->rule, 0u);
  EXPECT_EQ(again->generation, 0u);
  EXPECT_EQ(again->bits, 0);
  EXPECT_EQ(again->phase, 0);
  EXPECT_EQ(again->last_seen_ms, 9u);
}

TEST_P(FlowShardOfFamily, forgets_what_was_removed) {
  FlowShard shard({.capacity = kCapacity});
  const FlowTuple tuple = flow(1, GetParam());
  shard.remove(insert(shard, tuple, 5));
  EXPECT_EQ(shard.find(tuple, hash_of(tuple)), nullptr);
  EXPECT_EQ(shard.size(), 0u);
}

TEST_P(FlowShardOfFamily, keeps_the_flows_of_two_interfaces_apart) {  // CT-30
  FlowShard shard({.capacity = kCapacity});
  FlowTuple here = flow(1, GetParam());
  FlowTuple there = here;
  there.eni = EniIndex(5);
  ASSERT_EQ(hash_of(here), hash_of(there));
  FlowState* first = insert(shard, here, 5);
  FlowState* second = insert(shard, there, 5);
  EXPECT_NE(first, second);
  EXPECT_EQ(shard.find(here, hash_of(here)), first);
  EXPECT_EQ(shard.find(there, hash_of(there)), second);
}

TEST_P(FlowShardOfFamily, expires_a_silent_flow_and_names_it) {
  FlowShard shard({.capacity = kCapacity});
  const FlowTuple tuple = flow(1, GetParam());
  insert(shard, tuple, 1'000);
  const auto timeout = [](const FlowTuple&, FlowState&) { return kTimeoutMs; };
  shard.expire(30'900, 64, timeout, nobody_ends);
  ASSERT_EQ(shard.size(), 1u);
  std::vector<FlowTuple> ended;
  shard.expire(31'000 + TimerWheel::kTickMs, 64, timeout,
               [&](const FlowTuple& gone, FlowState&) { ended.push_back(gone); });
  EXPECT_EQ(ended, std::vector<FlowTuple>{tuple});
  EXPECT_EQ(shard.find(tuple, hash_of(tuple)), nullptr);
}

TEST_P(FlowShardOfFamily, keeps_a_flow_that_was_touched_in_time) {
  FlowShard shard({.capacity = kCapacity});
  FlowState* state = insert(shard, flow(1, GetParam()), 0);
  const auto timeout = [](const FlowTuple&, FlowState&) { return kTimeoutMs; };
  for (TickMs now = 0; now < 1'000'000; now += 10'000) {
    state->last_seen_ms = now;
    shard.expire(now + 9'000, 64, timeout, nobody_ends);
  }
  EXPECT_EQ(shard.size(), 1u);
}

TEST_P(FlowShardOfFamily, is_full_at_its_capacity_and_old_flows_go_on) {
  FlowShard shard({.capacity = kCapacity});
  EXPECT_EQ(fill(shard, 0, FlowPhase::Established, GetParam()), kCapacity);
  EXPECT_EQ(shard.size(), kCapacity);
  for (std::uint32_t i = 0; i < kCapacity; ++i) {
    const FlowTuple tuple = flow(i, GetParam());
    ASSERT_NE(shard.find(tuple, hash_of(tuple)), nullptr) << i;
  }
}

TEST_P(FlowShardOfFamily, agrees_with_its_twin_under_random_load) {
  std::mt19937_64 draw(11);
  FlowShard shard({.capacity = kCapacity});
  SlowFlowMap twin;
  TickMs now = 0xffff0000u;
  const auto gone = [&](const FlowTuple& tuple, FlowState& state) {
    SlowFlowMap::Flow* known = twin.find(tuple);
    ASSERT_NE(known, nullptr);
    ASSERT_EQ(known->mark, state.rule);
    twin.remove(tuple);
  };
  const auto timeout = [&](const FlowTuple& tuple, FlowState&) {
    return twin.find(tuple)->timeout_ms;
  };
  for (int step = 0; step < 200'000; ++step) {
    const FlowTuple tuple = flow(static_cast<std::uint32_t>(draw() % 1'400), GetParam());
    FlowState* state = shard.find(tuple, hash_of(tuple));
    SlowFlowMap::Flow* known = twin.find(tuple);
    ASSERT_EQ(state != nullptr, known != nullptr) << step;
    if (known != nullptr) {
      ASSERT_EQ(known->mark, state->rule) << step;
    }
    if (known == nullptr) {
      const auto timeout_ms = static_cast<std::uint32_t>(1'000 + draw() % 60'000);
      state = shard.insert(tuple, hash_of(tuple), now, timeout_ms, gone);
      if (state != nullptr) {
        state->phase =
            static_cast<std::uint8_t>(draw() % 2 == 0 ? FlowPhase::Single : FlowPhase::Established);
        state->rule = static_cast<std::uint32_t>(step);
        twin.insert(tuple) = {now, timeout_ms, state->rule};
      }
    } else if (draw() % 8 == 0) {
      shard.remove(state);
      twin.remove(tuple);
    } else if (draw() % 8 == 0) {
      known->timeout_ms = 500;
      known->last_seen_ms = state->last_seen_ms = now;
      shard.rearm(state, now, 500);
    } else {
      known->last_seen_ms = state->last_seen_ms = now;
    }
    ASSERT_EQ(shard.size(), twin.size());
    if (step % 10 != 0) continue;
    now += static_cast<TickMs>(draw() % 200);
    shard.expire(now, 4'096, timeout, gone);
    ASSERT_EQ(twin.overdue(now, TimerWheel::kTickMs), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FlowShardOfFamily, testing::Values(Family::Ipv4, Family::Ipv6),
                         [](const auto& row) {
                           return row.param == Family::Ipv4 ? "ipv4" : "ipv6";
                         });

TEST(FlowShard, counts_both_families_against_one_capacity) {
  FlowShard shard({.capacity = kCapacity});
  for (std::uint32_t i = 0; i < kCapacity; ++i) {
    const Family family = i % 2 == 0 ? Family::Ipv4 : Family::Ipv6;
    ASSERT_NE(insert(shard, flow(i, family), 0), nullptr) << i;
  }
  EXPECT_EQ(insert(shard, flow(5'000, Family::Ipv4), 0), nullptr);
  EXPECT_EQ(insert(shard, flow(5'000, Family::Ipv6), 0), nullptr);
}

TEST(FlowShard, refuses_a_newcomer_while_embryonic_flows_are_fresh) {
  FlowShard shard({.capacity = kCapacity});
  ASSERT_EQ(fill(shard, 0, FlowPhase::SynSent), kCapacity);
  EXPECT_EQ(insert(shard, flow(9'999), kEmbryonicGraceMs - 1), nullptr);
}

TEST(FlowShard, gives_the_place_of_a_stale_embryonic_flow_to_a_newcomer) {
  FlowShard shard({.capacity = kCapacity});
  ASSERT_EQ(fill(shard, 0, FlowPhase::SynSent), kCapacity);
  std::vector<FlowTuple> gone;
  const FlowTuple newcomer = flow(9'999);
  EXPECT_NE(shard.insert(newcomer, hash_of(newcomer), kEmbryonicGraceMs, kTimeoutMs,
                         [&](const FlowTuple& tuple, FlowState& state) {
                           EXPECT_EQ(state.flow_phase(), FlowPhase::SynSent);
                           gone.push_back(tuple);
                         }),
            nullptr);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(shard.find(gone[0], hash_of(gone[0])), nullptr);
  EXPECT_NE(shard.find(newcomer, hash_of(newcomer)), nullptr);
  EXPECT_EQ(shard.size(), kCapacity);
}

TEST(FlowShard, gives_the_place_of_an_accounted_flow_to_a_newcomer_at_once) {
  FlowShard shard({.capacity = kCapacity});
  for (std::uint32_t i = 0; i < kCapacity; ++i) {
    ASSERT_NE(insert(shard, flow(i), 0, i % 2 == 0 ? FlowPhase::Accounted : FlowPhase::SynSent),
              nullptr);
  }
  unsigned accounted = 0;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const FlowTuple newcomer = flow(9'000 + i);
    FlowState* state = shard.insert(newcomer, hash_of(newcomer), 10'000, kTimeoutMs,
                                    [&](const FlowTuple&, FlowState& gone) {
                                      if (gone.flow_phase() == FlowPhase::Accounted) ++accounted;
                                    });
    ASSERT_NE(state, nullptr);
    state->phase = static_cast<std::uint8_t>(FlowPhase::SynSent);
  }
  EXPECT_GE(accounted, 98u);
  EXPECT_NE(insert(shard, flow(8'000), 1), nullptr) << "they have no time of grace";
}

TEST(FlowShard, never_gives_up_an_established_flow_however_old) {
  for (const FlowPhase phase :
       {FlowPhase::Established, FlowPhase::FinWait, FlowPhase::Replied, FlowPhase::Stream}) {
    FlowShard shard({.capacity = kCapacity});
    ASSERT_EQ(fill(shard, 0, phase), kCapacity);
    EXPECT_EQ(insert(shard, flow(9'999), 340'000), nullptr);
  }
}

TEST(FlowShard, gives_up_what_has_ended_before_what_has_not_begun) {
  FlowShard shard({.capacity = kCapacity});
  ASSERT_EQ(fill(shard, 0, FlowPhase::SynSent), kCapacity);
  for (std::uint32_t i = 0; i < kCapacity; i += 2) {
    shard.find(flow(i), hash_of(flow(i)))->phase = static_cast<std::uint8_t>(FlowPhase::Closed);
  }
  unsigned closed = 0;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const FlowTuple newcomer = flow(9'000 + i);
    shard.insert(newcomer, hash_of(newcomer), 10'000, kTimeoutMs,
                 [&](const FlowTuple&, FlowState& state) {
                   if (state.flow_phase() == FlowPhase::Closed) ++closed;
                 });
  }
  EXPECT_GE(closed, 98u);
}

TEST(FlowShard, takes_very_nearly_its_whole_capacity_of_random_flows) {
  constexpr std::uint32_t kMany = 200'000;
  FlowShard shard({.capacity = kMany});
  std::mt19937_64 draw(12);
  unsigned refused = 0;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    FlowTuple tuple = flow(0);
    tuple.remote = IpAddr::v4(static_cast<std::uint32_t>(draw()));
    tuple.remote_port = static_cast<std::uint16_t>(draw());
    if (insert(shard, tuple, 0, FlowPhase::Established) == nullptr) ++refused;
  }
  EXPECT_LE(refused, 2u);
}

TEST(FlowShard, takes_at_most_80_bytes_for_an_ipv4_connection) {
  constexpr std::uint32_t kMany = 1'000'000;
  const FlowShard shard({.capacity = kMany});
  EXPECT_LE(shard.memory_size(Family::Ipv4), std::size_t{80} * kMany);
  EXPECT_GE(shard.memory_size(Family::Ipv4), std::size_t{64} * kMany);
}

TEST(FlowShard, walks_over_every_live_flow_once) {
  FlowShard shard({.capacity = kCapacity});
  for (std::uint32_t i = 0; i < 500; ++i) {
    insert(shard, flow(i, i % 2 == 0 ? Family::Ipv4 : Family::Ipv6), 0);
  }
  for (std::uint32_t i = 0; i < 500; i += 5) {
    const FlowTuple tuple = flow(i, i % 2 == 0 ? Family::Ipv4 : Family::Ipv6);
    shard.remove(shard.find(tuple, hash_of(tuple)));
  }
  for (const std::size_t budget : {1, 7, 250, 251, 100'000}) {
    std::vector<FlowTuple> seen;
    std::size_t cursor = 0;
    std::size_t calls = 0;
    do {
      std::size_t visits = 0;
      cursor = shard.walk(cursor, budget, [&](const FlowTuple& tuple, FlowState&) {
        seen.push_back(tuple);
        ++visits;
      });
      ASSERT_LE(visits, budget);
      ASSERT_LT(++calls, 2'000u);
    } while (cursor != 0);
    EXPECT_EQ(seen.size(), 400u) << budget;
    std::set<std::pair<std::uint32_t, std::uint16_t>> different;
    for (const FlowTuple& tuple : seen) different.emplace(tuple.eni.value(), tuple.remote_port);
    EXPECT_EQ(different.size(), 400u) << budget;
  }
}

TEST(FlowShard, walks_over_nothing_when_it_is_empty) {
  FlowShard shard({.capacity = kCapacity});
  EXPECT_EQ(shard.slots(), 0u);
  EXPECT_EQ(shard.walk(0, 64, [](const FlowTuple&, FlowState&) { FAIL(); }), 0u);
}

TEST(FlowShard, finds_step_by_step_what_it_finds_at_once) {
  FlowShard shard({.capacity = kCapacity});
  ASSERT_EQ(fill(shard, 0, FlowPhase::Established), kCapacity);
  std::uint32_t in_first = 0;
  std::uint32_t in_either = 0;
  for (std::uint32_t i = 0; i < 2 * kCapacity; ++i) {
    const Family family = i % 2 == 0 ? Family::Ipv4 : Family::Ipv6;
    const FlowTuple tuple = flow(i, family);
    FlowName name;
    shard.name(tuple, hash_of(tuple), name);
    shard.seek(name);
    FlowState* guess = shard.guess(name);
    in_first += guess != nullptr ? 1 : 0;
    if (guess == nullptr) guess = shard.guess_second(name);
    in_either += guess != nullptr ? 1 : 0;
    ASSERT_EQ(shard.find(name, guess), shard.find(tuple, hash_of(tuple))) << i;
    ASSERT_EQ(shard.find(name), shard.find(tuple, hash_of(tuple))) << i;
  }
  EXPECT_GT(in_first, kCapacity / 3);
  EXPECT_GT(in_either - in_first, kCapacity / 50) << "else no second bucket was seen";
  EXPECT_EQ(shard.size(), kCapacity);
}

TEST(FlowShard, keeps_its_budget_of_visits) {
  FlowShard shard({.capacity = kCapacity});
  fill(shard, 0, FlowPhase::Single);
  std::size_t ended = 0;
  const auto timeout = [](const FlowTuple&, FlowState&) { return kTimeoutMs; };
  const std::size_t visited =
      shard.expire(100'000, 10, timeout, [&](const FlowTuple&, FlowState&) { ++ended; });
  EXPECT_EQ(visited, 10u);
  EXPECT_EQ(ended, 10u);
  EXPECT_EQ(shard.size(), kCapacity - 10);
}

TEST(FlowShard, expires_a_connection_of_five_days_only_then) {
  FlowShard shard({.capacity = kCapacity});
  const FlowTuple tuple = flow(1);
  constexpr std::uint32_t kFiveDaysMs = 432'000'000;
  shard.insert(tuple, hash_of(tuple), 0, kFiveDaysMs, nobody_ends);
  const auto timeout = [](const FlowTuple&, FlowState&) { return kFiveDaysMs; };
  for (TickMs now = 0; now < kFiveDaysMs; now += 997'001) {
    shard.expire(now, 64, timeout, nobody_ends);
  }
  ASSERT_EQ(shard.size(), 1u);
  shard.expire(kFiveDaysMs, 64, timeout, [](const FlowTuple&, FlowState&) {});
  EXPECT_EQ(shard.size(), 0u);
}

TEST(FlowShard, touches_its_memory_when_asked) {
  FlowShard shard({.capacity = kCapacity, .touch_memory = true});
  EXPECT_NE(insert(shard, flow(1), 0), nullptr);
}

TEST(FlowShardDeathTest, refuses_a_state_that_is_not_its_own) {
  FlowShard shard({.capacity = kCapacity});
  FlowState stranger{};
  EXPECT_DEATH(shard.remove(&stranger), "CHECK failed");
}

TEST(FlowShardDeathTest, refuses_a_capacity_below_the_limit) {
  EXPECT_DEATH(FlowShard({.capacity = 1'023}), "CHECK failed");
}

}  // namespace
}  // namespace sluice
