#include "flowtable/refusal_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "flowtable/flow_key.h"

namespace sluice {
namespace {

FlowDelta refused(std::uint32_t source, std::uint32_t second, std::uint64_t bytes = 60) {
  FlowDelta packet;
  packet.action = Verdict::Drop;
  packet.reason = DropReason::NoRule;
  packet.tuple.eni = EniIndex(1);
  packet.tuple.local = IpAddr::v4(0x0a000001);
  packet.tuple.remote = IpAddr::v4(source);
  packet.tuple.local_port = 22;
  packet.tuple.remote_port = 1'000;
  packet.first_s = second;
  packet.last_s = second;
  packet.packets = 1;
  packet.bytes = bytes;
  return packet;
}

struct Sums {
  std::uint64_t records = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  void take(const FlowDelta& delta) {
    ++records;
    packets += delta.packets;
    bytes += delta.bytes;
  }
};

std::uint64_t hash_of(const FlowDelta& packet) { return owner_hash(HashKey{}, packet.tuple); }

void nothing_goes(const FlowDelta&) { FAIL() << "a record had to go"; }

std::vector<FlowDelta> flush_all(RefusalCache& cache) {
  std::vector<FlowDelta> result;
  std::size_t cursor = 0;
  do {
    cursor = cache.flush(cursor, 3, [&](const FlowDelta& record) { result.push_back(record); });
  } while (cursor != 0);
  return result;
}

TEST(RefusalCache, makes_one_record_of_a_flood_of_one_flow) {
  RefusalCache cache(64, HashKey{});
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    FlowDelta packet = refused(7, 600 + i % 60);
    packet.tcp_flags = i == 5 ? 2 : 4;
    packet.generation = Generation(i);
    cache.add(packet, hash_of(packet), nothing_goes);
  }
  EXPECT_EQ(cache.size(), 1u);
  const std::vector<FlowDelta> records = flush_all(cache);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].packets, 1'000u);
  EXPECT_EQ(records[0].bytes, 60'000u);
  EXPECT_EQ(records[0].first_s, 600u);
  EXPECT_EQ(records[0].last_s, 659u);
  EXPECT_EQ(records[0].tcp_flags, 6);
  EXPECT_EQ(records[0].generation, Generation(999));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(RefusalCache, keeps_directions_reasons_and_interfaces_apart) {
  RefusalCache cache(64, HashKey{});
  FlowDelta packet = refused(7, 600);
  cache.add(packet, hash_of(packet), nothing_goes);
  packet.direction = Direction::Egress;
  cache.add(packet, hash_of(packet), nothing_goes);
  packet.reason = DropReason::AclDeny;
  cache.add(packet, hash_of(packet), nothing_goes);
  packet.tuple.eni = EniIndex(2);
  cache.add(packet, hash_of(packet), nothing_goes);
  EXPECT_EQ(cache.size(), 4u);
}

TEST(RefusalCache, begins_a_new_record_in_a_new_log_window) {
  RefusalCache cache(64, HashKey{});
  const FlowDelta before = refused(7, 659);
  const FlowDelta after = refused(7, 660);
  cache.add(before, hash_of(before), nothing_goes);
  std::vector<FlowDelta> gone;
  cache.add(after, hash_of(after), [&](const FlowDelta& record) { gone.push_back(record); });
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].last_s, 659u);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(RefusalCache, gives_the_oldest_of_a_full_set_away) {
  RefusalCache cache(1, HashKey{});  // one set
  for (std::uint32_t i = 0; i < RefusalCache::kWays; ++i) {
    const FlowDelta packet = refused(i, i == 2 ? 600 : 610 + i);
    cache.add(packet, hash_of(packet), nothing_goes);
  }
  std::vector<FlowDelta> gone;
  const FlowDelta newcomer = refused(99, 620);
  cache.add(newcomer, hash_of(newcomer), [&](const FlowDelta& record) { gone.push_back(record); });
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].tuple.remote, IpAddr::v4(2));
  EXPECT_EQ(cache.size(), RefusalCache::kWays);
}

TEST(RefusalCache, loses_no_packet_whatever_comes) {
  RefusalCache cache(128, HashKey{});
  std::mt19937_64 draw(21);
  Sums added;
  Sums given;
  std::size_t cursor = 0;
  const auto take = [&](const FlowDelta& record) { given.take(record); };
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const FlowDelta packet =
        refused(static_cast<std::uint32_t>(draw() % 500), i / 500, draw() % 1'500);
    added.take(packet);
    cache.add(packet, hash_of(packet), take);
    if (i % 50 == 0) cursor = cache.flush(cursor, 5, take);
    if (i % 1'000 != 0) continue;
    Sums held;
    cache.for_each([&](const FlowDelta& record) { held.take(record); });
    ASSERT_EQ(held.records, cache.size());
    ASSERT_EQ(given.packets + held.packets, added.packets);
    ASSERT_EQ(given.bytes + held.bytes, added.bytes);
  }
  for (const FlowDelta& record : flush_all(cache)) given.take(record);
  EXPECT_EQ(given.packets, added.packets);
  EXPECT_EQ(given.bytes, added.bytes);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(RefusalCache, agrees_with_a_map_flow_by_flow) {
  RefusalCache cache(256, HashKey{});
  std::mt19937_64 draw(22);
  using Key = std::tuple<std::uint32_t, DropReason, std::uint32_t>;
  std::map<Key, std::uint64_t> twin;
  std::map<Key, std::uint64_t> given;
  const auto take = [&](const FlowDelta& record) {
    given[{record.tuple.remote.v4_value(), record.reason, record.first_s / kLogWindowS}] +=
        record.packets;
  };
  for (std::uint32_t i = 0; i < 50'000; ++i) {
    FlowDelta packet = refused(static_cast<std::uint32_t>(draw() % 300), 6'000 + i / 100);
    packet.reason = draw() % 2 == 0 ? DropReason::NoRule : DropReason::Closed;
    ++twin[{packet.tuple.remote.v4_value(), packet.reason, packet.first_s / kLogWindowS}];
    cache.add(packet, hash_of(packet), take);
  }
  for (const FlowDelta& record : flush_all(cache)) take(record);
  EXPECT_EQ(given, twin);
}

}  // namespace
}  // namespace sluice
