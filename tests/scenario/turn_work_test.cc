// The work of a turn is bounded by count, in any flood: each unit of turn_work.h is held against
// its bound after every turn of every scene; here each kind of flood is pressed until the unit that
// it costs has reached what it comes to, so that the bound is seen to be what holds it.

#include <string>
#include <vector>

#include "dataplane/worker_context.h"
#include "tests/scenario/harness.h"

namespace sluice {
namespace {

constexpr std::uint32_t kCapacity = 1u << 12;

std::string stranger(std::uint32_t n) {
  return "203.0." + std::to_string(n >> 8 & 255) + "." + std::to_string(n & 255);
}

class TurnOfAFlood : public ::testing::Test {
 protected:
  TurnOfAFlood() : scene(SceneOptions{.flow_capacity = kCapacity}) {
    scene.serve_the_world();
    scene.connect_many(100);
    scene.take_most_work();
  }

  // Full bursts of packet_of(0), packet_of(1) …; what the heaviest of their turns did.
  template <class PacketOf>
  TurnWork flood(std::uint32_t count, PacketOf&& packet_of) {
    std::vector<Bytes> frames;
    for (std::uint32_t n = 0; n < count; ++n) frames.push_back(packet_of(n).build());
    scene.send_together(0, frames);
    const TurnWork most = scene.take_most_work();
    EXPECT_EQ(most.packets, kBurstMax) << "else the bursts were not full";
    return most;
  }

  Scene scene;
};

// Of one kind, and no allowance: each newcomer may ask its two buckets once for one that has got
// nowhere, and the table once for one that has ended.
constexpr std::uint64_t kLookedPerNewcomer = 2 * 16;

TEST_F(TurnOfAFlood, of_syns_looks_at_two_buckets_for_each) {
  const TurnWork most = flood(3 * kCapacity, [](std::uint32_t n) {
    return Packet().ip(stranger(n), kWeb4).tcp(2'000, 443, kSyn);
  });
  EXPECT_GT(most.looked, kBurstMax);
  EXPECT_LE(most.looked, kBurstMax * kLookedPerNewcomer);
  EXPECT_EQ(most.asked, kBurstMax);
}

TEST_F(TurnOfAFlood, of_datagrams_into_a_full_table_looks_at_no_more) {
  const TurnWork most = flood(3 * kCapacity, [](std::uint32_t n) {
    return Packet().ip(stranger(n), kWeb4).udp(2'000, 53);
  });
  EXPECT_GT(most.looked, kBurstMax);
  EXPECT_LE(most.looked, kBurstMax * kLookedPerNewcomer);
  scene.jump_s(5);  // all of them may go now
  const TurnWork later = flood(
      kCapacity, [](std::uint32_t n) { return Packet().ip(stranger(n), kWeb4).udp(3'000, 53); });
  EXPECT_LE(later.looked, kBurstMax * kLookedPerNewcomer);
  EXPECT_LE(later.reported, kBurstMax * 4 + 2 * kSweptPerTurn);
}

TEST_F(TurnOfAFlood, of_pings_and_of_errors_asks_a_bounded_number_of_questions) {
  const TurnWork pings = flood(3 * kCapacity, [](std::uint32_t n) {
    return Packet().ip(stranger(n), kWeb4).icmp(8, 0, static_cast<std::uint16_t>(n), 1);
  });
  EXPECT_LE(pings.looked, kBurstMax * kLookedPerNewcomer);
  EXPECT_EQ(pings.asked, kBurstMax);
  const TurnWork errors = flood(kCapacity, [](std::uint32_t n) {
    const auto port = static_cast<std::uint16_t>(10'000 + n % 200);  // of flows, and of none
    return Packet()
        .ip(stranger(n), kWeb4)
        .icmp(3, 1)
        .quote(Packet().ip(kWeb4, kClient).tcp(443, port, kAck), 28);
  });
  EXPECT_GE(errors.asked, kBurstMax / 2) << "a question for each that quotes no flow";
  EXPECT_LE(errors.asked, kBurstMax * 2);
}

// CT-29: they may be of untracked connections without an entry, so that both of their directions
// are asked about; as long as there is room none of them is.
TEST_F(TurnOfAFlood, of_segments_of_no_flow_asks_twice_where_the_table_is_full) {
  const auto segment = [](std::uint32_t n) {
    return Packet().ip(stranger(n), kWeb4).tcp(2'000, 22, kFinAck);
  };
  EXPECT_EQ(flood(kBurstMax, segment).asked, 0u);
  scene.connect_many(2 * kCapacity);
  ASSERT_EQ(scene.flow_count(), kCapacity);
  scene.take_most_work();
  EXPECT_EQ(flood(kBurstMax, segment).asked, 2 * kBurstMax);
  EXPECT_EQ(scene.drops(DropReason::NotFirstPacket), 2 * kBurstMax);
}

TEST_F(TurnOfAFlood, of_fragments_gives_back_one_burst_a_turn) {
  const auto piece = [](std::uint32_t n, std::uint16_t offset) {
    return Packet()
        .ip(stranger(n), kWeb4)
        .udp(5'000, 53)
        .payload(512)
        .id(static_cast<std::uint16_t>(n))
        .fragment(offset, offset == 0 ? 264 : 256, true);
  };
  flood(3'000, [&](std::uint32_t n) { return piece(n, 264); });
  EXPECT_EQ(scene.worker().counters().held, 256u);
  // Their firsts come: what was held comes with them, a burst of its own in a turn.
  std::vector<Bytes> firsts;
  for (std::uint32_t n = 0; n < 256; ++n) firsts.push_back(piece(n, 0).build());
  scene.send_together(0, firsts);
  EXPECT_EQ(scene.take_most_work().packets, 2 * kBurstMax);
  EXPECT_EQ(scene.worker().counters().held, 0u);
  // And none come: time gives them back, no faster.
  flood(3'000, [&](std::uint32_t n) { return piece(n + 9'000, 264); });
  scene.jump_s(31);
  scene.turn();
  EXPECT_LE(scene.take_most_work().packets, kBurstMax);
  EXPECT_GT(scene.worker().counters().held, 0u) << "else no bound was seen";
  scene.turn(16);
  EXPECT_EQ(scene.worker().counters().held, 0u);
}

TEST_F(TurnOfAFlood, whose_flows_all_end_in_one_tick_visits_so_many_a_turn) {
  flood(2'000, [](std::uint32_t n) { return Packet().ip(stranger(n), kWeb4).udp(2'000, 53); });
  scene.jump_s(31);
  const std::uint64_t before = scene.worker().counters().flows_ended;
  std::uint64_t turns = 0;
  while (scene.worker().counters().flows_ended - before < 2'000 && turns < 1'000) {
    scene.turn();
    ++turns;
    ASSERT_LE(scene.take_most_work().visited, kExpiredPerTurn);
  }
  EXPECT_GE(turns, 2'000 / kExpiredPerTurn);
  EXPECT_LE(turns, 2'000 / kExpiredPerTurn + 8);
  EXPECT_EQ(scene.flow_count(), 100u);
}

TEST_F(TurnOfAFlood, after_a_change_judges_no_more_flows_anew_than_packets_come_and_timers_ring) {
  flood(1'000, [](std::uint32_t n) { return Packet().ip(stranger(n), kWeb4).udp(2'000, 53); });
  scene.interface(kWeb).rejudge_before = Generation(scene.policy.generation.value() + 1);
  scene.publish();
  const TurnWork again =
      flood(1'000, [](std::uint32_t n) { return Packet().ip(stranger(n), kWeb4).udp(2'000, 53); });
  EXPECT_EQ(again.asked, kBurstMax) << "each flow, once";
  EXPECT_EQ(again.rejudged, kBurstMax);
  scene.interface(kWeb).rejudge_before = Generation(scene.policy.generation.value() + 1);
  scene.publish();
  scene.jump_s(25);  // the wheel finds them in time, still alive; nobody sends for them
  scene.take_most_work();
  scene.turn(64);
  const TurnWork by_timers = scene.take_most_work();
  EXPECT_LE(by_timers.asked, kExpiredPerTurn);
  EXPECT_GT(by_timers.rejudged, 0u);
}

// `--existing reevaluate` must not starve those who come just then.
TEST_F(TurnOfAFlood, after_a_change_admits_each_new_flow_in_the_turn_in_which_it_comes) {
  const auto datagram = [](std::uint32_t n, std::uint16_t port) {
    return Packet().ip(stranger(n), kWeb4).udp(port, 53);
  };
  constexpr std::uint32_t kOld = 10 * kBurstMax;
  flood(kOld, [&](std::uint32_t n) { return datagram(n, 2'000); });
  ASSERT_EQ(scene.flow_count(), 100 + kOld);
  for (std::uint16_t round = 0; round < 3; ++round) {
    scene.interface(kWeb).rejudge_before = Generation(scene.policy.generation.value() + 1);
    scene.publish();
    // By turns one that is to be judged again, and a stranger.
    const TurnWork most = flood(2 * kOld, [&](std::uint32_t n) {
      const bool is_old = n % 2 == 0;
      return datagram(n / 2, static_cast<std::uint16_t>(is_old ? 2'000 : 3'000 + round));
    });
    EXPECT_EQ(most.rejudged, kBurstMax / 2) << "so many of a burst were old, each judged once";
    EXPECT_EQ(most.asked, kBurstMax) << "and the others cost what a new flow always does";
    EXPECT_EQ(scene.flow_count(), 100 + kOld * (2u + round)) << "nobody had to wait";
  }
  EXPECT_EQ(scene.drops(DropReason::TableFull), 0u);
}

TEST(TurnOfAHashFlood, of_computed_collisions_costs_what_any_flood_does) {
  Scene scene(SceneOptions{.flow_capacity = kFlowCapacityMin});
  scene.allow_in(0, kUdp, 53, 53, "203.0.0.0/16");
  scene.publish();
  // As if the key had leaked: all begin in one bucket, and have one of eight as their second.
  const std::uint32_t buckets = kFlowCapacityMin / 5 + 2;
  std::vector<std::uint32_t> numbers;
  const auto tuple_of = [](std::uint32_t n) {
    FlowTuple tuple;
    tuple.eni = kWeb;
    tuple.proto = Proto::Udp;
    tuple.local = *IpAddr::parse(kWeb4);
    tuple.remote = IpAddr::v4(0xcb000000u + (n & 0xffff));
    tuple.local_port = 53;
    tuple.remote_port = static_cast<std::uint16_t>(1'024 + (n >> 16));
    return tuple;
  };
  for (std::uint32_t n = 0; numbers.size() < 2 * kBurstMax; ++n) {
    const FlowTuple tuple = tuple_of(n);
    const FlowPlace place = FlowPlace::of(place_hash(owner_hash(HashKey{}, tuple), kWeb), buckets);
    if (place.first == 7 && place.second(buckets) < 8) numbers.push_back(n);
  }
  std::vector<Bytes> frames;
  for (const std::uint32_t n : numbers) {
    const std::uint16_t port = tuple_of(n).remote_port;
    frames.push_back(Packet().ip(stranger(n & 0xffff), kWeb4).udp(port, 53).build());
  }
  scene.send_together(0, frames);
  const TurnWork most = scene.take_most_work();
  EXPECT_GT(most.looked, kBurstMax) << "else they did not collide";
  EXPECT_LE(most.looked, kBurstMax * kLookedPerNewcomer);
}

// -- the flow log ---------------------------------------------------------------------------------

TEST(TurnOfASweep, looks_at_a_bounded_number_of_flows) {
  Scene scene(SceneOptions{.flow_capacity = 1u << 14, .observe = false});
  scene.allow_in(0, kUdp, 53, 53, "203.0.0.0/16");
  scene.publish();
  std::vector<Bytes> frames;
  for (std::uint32_t n = 0; n < 10'000; ++n) {
    frames.push_back(Packet().ip(stranger(n), kWeb4).udp(2'000, 53).build());
  }
  scene.send_together(0, frames);
  scene.jump_s(61);
  scene.take_most_work();
  scene.turn();
  const TurnWork most = scene.take_most_work();
  EXPECT_LE(most.swept, kSweptPerTurn);
  EXPECT_GE(most.swept, kSweptPerTurn - kExpiredPerTurn) << "ten thousand are owed, but some ended";
  EXPECT_LE(most.reported, 2 * (kSweptPerTurn + kExpiredPerTurn));
}

TEST(TurnOfASweep, gives_away_what_two_windows_refused_in_steps) {
  // The ring is never emptied, so that no sweep comes to its end.
  Scene scene(SceneOptions{.flow_capacity = kCapacity, .delta_ring = 1u << 6, .observe = false});
  scene.publish();
  for (std::uint32_t window = 0; window < 4; ++window) {
    std::vector<Bytes> frames;
    for (std::uint32_t n = 0; n < 6'000; ++n) {
      frames.push_back(Packet().ip(stranger(n), kWeb4).tcp(2'000, 22, kSyn).build());
    }
    scene.send_together(0, frames);
    EXPECT_LE(scene.take_most_work().reported, kBurstMax * 2 + 2 * kSweptPerTurn) << window;
    scene.jump_s(61);
    scene.turn();
    EXPECT_LE(scene.take_most_work().reported, kSweptPerTurn) << window;
  }
  EXPECT_EQ(scene.drops(DropReason::NoRule), 24'000u);
}

TEST(TurnOfASweep, closes_a_window_only_when_all_that_it_refused_is_told) {
  Scene scene(SceneOptions{.flow_capacity = kCapacity, .delta_ring = 1u << 10, .observe = false});
  scene.publish();
  // Three windows pass with a turn in each, so that each begins while the sweep is behind.
  for (std::uint32_t window = 0; window < 3; ++window) {
    std::vector<Bytes> frames;
    for (std::uint32_t n = 0; n < 64; ++n) {
      frames.push_back(Packet().ip(stranger(n), kWeb4).tcp(2'000, 22, kSyn).build());
    }
    scene.send_together(0, frames);
    scene.jump_s(60);
  }
  scene.turn(200);
  std::uint64_t told = 0;
  std::uint32_t closed_s = 0;
  for (const FlowDelta& delta : scene.take_deltas()) {
    if (delta.kind == FlowDelta::Kind::WindowClosed) {
      EXPECT_GT(delta.last_s, closed_s);
      closed_s = delta.last_s;
      continue;
    }
    EXPECT_GE(delta.last_s, closed_s) << "its window was closed before";
    told += delta.packets;
  }
  EXPECT_EQ(told, 192u);
  EXPECT_GT(closed_s, 0u);
}

}  // namespace
}  // namespace sluice
