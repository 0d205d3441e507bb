// Floods of first packets and fragments, and allowances (CT-22, CT-27, CT-28): what is established
// goes on, other kinds of connections begin, memory keeps to its limits, and every refusal has its
// reason.

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/flow_hash.h"
#include "dataplane/worker_context.h"
#include "flowtable/embryo.h"
#include "tests/scenario/harness.h"

namespace sluice {
namespace {

constexpr std::uint32_t kCapacity = 1u << 12;
constexpr std::uint32_t kFlood = 3 * kCapacity;

// One of 64 Ki hosts that nobody has heard of.
std::string stranger(std::uint32_t n) {
  return "203.0." + std::to_string(n >> 8 & 255) + "." + std::to_string(n & 255);
}

Packet handshake(std::uint16_t port, std::uint8_t flags, bool from_web, std::uint32_t sequence,
                 std::uint32_t acknowledgment) {
  return (from_web ? Packet().ip(kWeb4, kClient).tcp(443, port, flags)
                   : Packet().ip(kClient, kWeb4).tcp(port, 443, flags))
      .numbers(sequence, acknowledgment);
}

// True if the whole handshake passes.
bool connects(Scene& scene, std::uint16_t port) {
  return scene.send(handshake(port, kSyn, false, 100, 0)).passed() &&
         scene.send(handshake(port, kSynAck, true, 500, 101)).passed() &&
         scene.send(handshake(port, kAck, false, 101, 501)).passed();
}

bool goes_on(Scene& scene, std::uint16_t port) {
  return scene.send(handshake(port, kAck, false, 101, 501).payload(10)).passed() &&
         scene.send(handshake(port, kAck, true, 501, 101)).passed();
}

bool asks(Scene& scene, std::uint16_t port) {
  return scene.send(Packet().ip(kClient, kWeb4).udp(port, 53)).passed() &&
         scene.send(Packet().ip(kWeb4, kClient).udp(53, port)).passed();
}

std::uint64_t level(Scene& scene, Embryo kind) {
  const InterfaceCounters counters = scene.counters(kWeb);
  return kind == Embryo::HalfOpen ? counters.half_open : counters.unanswered;
}

// A web server with a hundred connections, which anybody in the world may ask.
class Flood : public ::testing::Test {
 protected:
  Flood() : scene(SceneOptions{.flow_capacity = kCapacity}) {
    scene.serve_the_world();
    for (std::uint16_t port = 1'000; port < 1'100; ++port) EXPECT_TRUE(connects(scene, port));
  }

  // What every flood must leave as it is.
  void expect_unharmed(std::uint32_t passed, Embryo kind) {
    const std::uint32_t share = embryo_share(kind, kCapacity);
    EXPECT_EQ(passed, share);
    EXPECT_EQ(level(scene, kind), share);
    EXPECT_EQ(scene.drops(DropReason::EmbryonicFull), kFlood - passed);
    EXPECT_EQ(scene.worker().counters().flows_refused, kFlood - passed);
    EXPECT_LE(scene.flow_count(), kCapacity);
    for (std::uint16_t port = 1'000; port < 1'100; ++port) {
      ASSERT_TRUE(goes_on(scene, port)) << port;
    }
    EXPECT_EQ(scene.counters(kWeb).drops[static_cast<std::size_t>(DropReason::EmbryonicFull)],
              kFlood - passed);
  }

  Scene scene;
};

TEST_F(Flood, of_syns_takes_its_share_and_leaves_datagrams_alone) {
  std::uint32_t passed = 0;
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    const Packet syn = Packet().ip(stranger(n), kWeb4).tcp(2'000, 443, kSyn);
    passed += scene.send(syn).passed() ? 1 : 0;
  }
  expect_unharmed(passed, Embryo::HalfOpen);
  for (std::uint16_t port = 5'000; port < 6'000; ++port) ASSERT_TRUE(asks(scene, port)) << port;
}

TEST_F(Flood, of_syns_that_are_answered_takes_no_more) {
  std::uint32_t passed = 0;
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    const Packet syn = Packet().ip(stranger(n), kWeb4).tcp(2'000, 443, kSyn).numbers(7, 0);
    if (!scene.send(syn).passed()) continue;
    ++passed;
    const Packet answer = Packet().ip(kWeb4, stranger(n)).tcp(443, 2'000, kSynAck).numbers(9, 8);
    ASSERT_TRUE(scene.send(answer).passed());
  }
  expect_unharmed(passed, Embryo::HalfOpen);
}

TEST_F(Flood, of_acks_begins_no_more_than_one_of_syns) {  // CT-23
  std::uint32_t passed = 0;
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    const Packet ack = Packet().ip(stranger(n), kWeb4).tcp(2'000, 443, kAck).numbers(7, 9);
    passed += scene.send(ack).passed() ? 1 : 0;
  }
  expect_unharmed(passed, Embryo::HalfOpen);
}

TEST_F(Flood, of_datagrams_leaves_connections_alone) {
  std::uint32_t passed = 0;
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    passed += scene.send(Packet().ip(stranger(n), kWeb4).udp(2'000, 53)).passed() ? 1 : 0;
  }
  expect_unharmed(passed, Embryo::Unanswered);
  for (std::uint16_t port = 5'000; port < 5'800; ++port) ASSERT_TRUE(connects(scene, port)) << port;
}

TEST_F(Flood, of_pings_leaves_connections_alone) {
  std::uint32_t passed = 0;
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    const auto id = static_cast<std::uint16_t>(n);
    passed += scene.send(Packet().ip(stranger(n), kWeb4).icmp(8, 0, id, 1)).passed() ? 1 : 0;
  }
  expect_unharmed(passed, Embryo::Unanswered);
  for (std::uint16_t port = 5'000; port < 5'800; ++port) ASSERT_TRUE(connects(scene, port)) << port;
}

TEST_F(Flood, lets_a_new_connection_take_the_place_of_one_that_got_nowhere) {
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    scene.send(Packet().ip(stranger(n), kWeb4).tcp(2'000, 443, kSyn));
  }
  scene.jump_s(4);
  int connected = 0;
  for (std::uint16_t port = 5'000; port < 5'100; ++port) connected += connects(scene, port) ? 1 : 0;
  EXPECT_GT(connected, 80) << "a quarter of the places near each holds one of the flood";
  EXPECT_LE(level(scene, Embryo::HalfOpen), embryo_share(Embryo::HalfOpen, kCapacity));
  scene.wait_s(25);
  EXPECT_EQ(level(scene, Embryo::HalfOpen), 0u);
  for (std::uint16_t port = 6'000; port < 6'100; ++port) ASSERT_TRUE(connects(scene, port));
}

TEST_F(Flood, of_what_the_rules_refuse_makes_no_state) {
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    scene.send(Packet().ip(stranger(n), kWeb4).tcp(2'000, 22, kSyn));
  }
  EXPECT_EQ(scene.drops(DropReason::NoRule), kFlood);
  EXPECT_EQ(scene.flow_count(), 100u);
}

TEST(HashFlood, of_computed_collisions_does_nothing_to_who_keeps_his_key) {
  // Under a key that is known, these share a bucket, and eight others as their second one.
  const HashKey known{1, 2};
  const std::uint32_t buckets = kFlowCapacityMin / 5 + 2;
  std::vector<Packet> collisions;
  for (std::uint32_t n = 0; collisions.size() < 200; ++n) {
    const auto port = static_cast<std::uint16_t>(1'024 + (n >> 16));
    FlowTuple tuple;
    tuple.eni = kWeb;
    tuple.proto = Proto::Udp;
    tuple.local = *IpAddr::parse(kWeb4);
    tuple.remote = IpAddr::v4(0xcb000000u + (n & 0xffff));
    tuple.local_port = 53;
    tuple.remote_port = port;
    const FlowPlace place = FlowPlace::of(place_hash(owner_hash(known, tuple), kWeb), buckets);
    if (place.first != 7 || place.second(buckets) >= 8) continue;
    collisions.push_back(Packet().ip(stranger(n & 0xffff), kWeb4).udp(port, 53));
  }
  const auto passed_with = [&](const HashKey& key) {
    Scene scene(SceneOptions{.flow_capacity = kFlowCapacityMin, .key = key});
    scene.allow_in(0, kUdp, 53, 53, "203.0.0.0/16");
    scene.publish();
    return std::count_if(collisions.begin(), collisions.end(),
                         [&](const Packet& packet) { return scene.send(packet).passed(); });
  };
  EXPECT_LE(passed_with(known), 72) << "else the attack would be none";
  EXPECT_EQ(passed_with(HashKey{0x243f6a8885a308d3, 0x13198a2e03707344}), 200);
}

TEST(HashFlood, of_twins_by_tag_finds_the_one_whose_twin_ends_in_the_same_burst) {
  // Two flows of one bucket and one tag, so that a first look takes the one for the other.
  const std::uint32_t buckets = kFlowCapacityMin / 5 + 2;
  const auto place_of = [&](std::uint32_t n) {
    FlowTuple tuple;
    tuple.eni = kWeb;
    tuple.proto = Proto::Udp;
    tuple.local = *IpAddr::parse(kWeb4);
    tuple.remote = *IpAddr::parse(stranger(n));
    tuple.local_port = 53;
    tuple.remote_port = 2'000;
    return FlowPlace::of(place_hash(owner_hash(HashKey{}, tuple), kWeb), buckets);
  };
  std::map<std::pair<std::uint32_t, std::uint16_t>, std::uint32_t> known;
  std::uint32_t older = 0;
  std::uint32_t younger = 0;
  while (true) {
    const FlowPlace place = place_of(younger);
    const auto [twin, is_first] = known.try_emplace({place.first, place.tag}, younger);
    older = twin->second;
    if (!is_first) break;
    ASSERT_LT(++younger, 1u << 16) << "no two of them are twins";
  }
  Scene scene(SceneOptions{.flow_capacity = kFlowCapacityMin});
  scene.allow_in(0, kUdp, 53, 53, "203.0.0.0/16");
  scene.publish();
  const auto answer = [](std::uint32_t n) {
    return Packet().ip(kWeb4, stranger(n)).udp(53, 2'000).build();
  };
  ASSERT_TRUE(scene.send(Packet().ip(stranger(older), kWeb4).udp(2'000, 53)).passed());
  scene.jump_s(10);
  ASSERT_TRUE(scene.send(Packet().ip(stranger(younger), kWeb4).udp(2'000, 53)).passed());
  scene.jump_s(25);
  const auto outcomes = scene.send_together(0, {answer(older), answer(younger)});
  EXPECT_FALSE(outcomes[0].passed()) << "it is over";
  EXPECT_TRUE(outcomes[1].passed());
}

// -- allowances -----------------------------------------------------------------------------------

Scene& with_allowance(Scene& scene, std::uint32_t allowance) {
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.allow_in(1, kTcp, 443, 443, "198.51.100.0/24");
  scene.allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
  scene.interface(kWeb).tracking.allowance = allowance;
  scene.publish();
  return scene;
}

TEST(Allowance, refuses_what_goes_beyond_it_and_counts_and_logs_that) {  // CT-27, CT-28
  Scene scene(Wiring::Replay);
  with_allowance(scene, 50);
  for (std::uint16_t port = 1'000; port < 1'050; ++port) ASSERT_TRUE(connects(scene, port)) << port;
  scene.take_deltas();
  for (std::uint16_t port = 2'000; port < 2'020; ++port) {
    const Outcome outcome = scene.send(handshake(port, kSyn, false, 100, 0));
    ASSERT_EQ(outcome.reason, DropReason::AllowanceExceeded);
    EXPECT_EQ(outcome.ingress.verdict, Verdict::Drop);
  }
  EXPECT_FALSE(asks(scene, 2'000)) << "whatever the protocol";
  EXPECT_EQ(scene.counters(kWeb).tracked, 50u);
  EXPECT_EQ(scene.counters(kWeb).allowance_exceeded(), 21u);
  EXPECT_EQ(scene.worker().counters().flows_refused, 21u);
  for (std::uint16_t port = 1'000; port < 1'050; ++port) ASSERT_TRUE(goes_on(scene, port)) << port;
  scene.wait_s(61);
  std::uint64_t logged = 0;
  for (const FlowDelta& delta : scene.take_deltas()) {
    if (delta.reason == DropReason::AllowanceExceeded) logged += delta.packets;
  }
  EXPECT_EQ(logged, 21u);
}

TEST(Allowance, is_of_one_interface) {
  Scene scene(Wiring::Replay);
  with_allowance(scene, 20);
  for (std::uint16_t port = 1'000; port < 1'020; ++port) ASSERT_TRUE(connects(scene, port));
  EXPECT_FALSE(connects(scene, 3'000));
  for (std::uint16_t port = 1'000; port < 1'100; ++port) {
    ASSERT_TRUE(scene.send(Packet().ip(kClient, kApp4).tcp(port, 443, kSyn)).passed());
  }
}

TEST(Allowance, is_not_used_by_untracked_flows) {  // CT-29
  Scene scene(Wiring::Replay);
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  with_allowance(scene, 20);
  for (std::uint16_t port = 1'000; port < 1'100; ++port) {
    ASSERT_TRUE(scene.send(Packet().ip(kClient, kWeb4).tcp(port, 22, kSyn)).passed());
  }
  EXPECT_EQ(scene.counters(kWeb).tracked, 0u);
  for (std::uint16_t port = 1'000; port < 1'020; ++port) ASSERT_TRUE(connects(scene, port));
  EXPECT_FALSE(connects(scene, 3'000));
}

TEST(Allowance, has_room_again_when_a_flow_has_ended) {
  Scene scene(Wiring::Replay);
  with_allowance(scene, 20);
  for (std::uint16_t port = 1'000; port < 1'020; ++port) ASSERT_TRUE(connects(scene, port));
  ASSERT_FALSE(connects(scene, 3'000));
  scene.send(handshake(1'000, kRst, false, 101, 0));
  scene.wait_s(11);
  EXPECT_TRUE(connects(scene, 3'000));
  EXPECT_FALSE(connects(scene, 3'001));
}

TEST(Allowance, leaves_room_for_other_kinds_in_a_flood) {
  Scene scene(Wiring::Replay);
  with_allowance(scene, 400);
  int passed = 0;
  for (std::uint16_t port = 10'000; port < 11'000; ++port) {
    passed += scene.send(handshake(port, kSyn, false, 100, 0)).passed() ? 1 : 0;
  }
  EXPECT_EQ(passed, 100);
  EXPECT_EQ(scene.drops(DropReason::EmbryonicFull), 900u);
  for (std::uint16_t port = 1'000; port < 1'200; ++port) ASSERT_TRUE(asks(scene, port));
}

TEST(Allowance, may_be_set_for_every_interface_at_once) {
  Scene scene(Wiring::Replay);
  scene.policy.tracking.allowance = 20;
  with_allowance(scene, 0);
  for (std::uint16_t port = 1'000; port < 1'020; ++port) ASSERT_TRUE(connects(scene, port));
  EXPECT_FALSE(connects(scene, 3'000));
  scene.interface(kWeb).tracking.allowance = 30;
  scene.publish();
  EXPECT_TRUE(connects(scene, 3'001)) << "its own counts";
}

TEST(Allowance, is_shared_out_among_the_workers) {
  Scene scene(SceneOptions{.workers = 2});
  with_allowance(scene, 200);
  for (std::uint16_t port = 1'000; port < 2'000; ++port) connects(scene, port);
  EXPECT_GE(scene.counters(kWeb).tracked, 198u);
  EXPECT_LE(scene.counters(kWeb).tracked, 200u);
}

TEST(Allowance, that_shrinks_ends_nothing) {
  Scene scene(Wiring::Replay);
  with_allowance(scene, 100);
  for (std::uint16_t port = 1'000; port < 1'050; ++port) ASSERT_TRUE(connects(scene, port));
  scene.interface(kWeb).tracking.allowance = 10;
  scene.publish();
  for (std::uint16_t port = 1'000; port < 1'050; ++port) ASSERT_TRUE(goes_on(scene, port));
  EXPECT_FALSE(connects(scene, 3'000));
}

// -- fragments ------------------------------------------------------------------------------------

Packet piece(const std::string& source, const char* destination, std::uint16_t id,
             std::uint16_t offset, bool more) {
  const std::size_t size = offset == 0 ? 264 : 256;
  return Packet()
      .ip(source, destination)
      .udp(5'000, 53)
      .payload(512)
      .id(id)
      .fragment(offset, size, more);
}

TEST(FragmentFlood, of_one_source_leaves_the_trains_of_others_alone) {  // CT-22
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kUdp, 53, 53, "0.0.0.0/1");
  scene.allow_in(0, kUdp, 53, 53, "128.0.0.0/1");
  scene.publish();
  ASSERT_TRUE(scene.send(piece(kClient, kWeb4, 7, 0, true)).passed());
  for (std::uint32_t id = 0; id < 20'000; ++id) {
    scene.send(piece("203.0.113.9", kWeb4, static_cast<std::uint16_t>(id), 0, true));
  }
  EXPECT_TRUE(scene.send(piece(kClient, kWeb4, 7, 264, false)).passed());
  EXPECT_LE(scene.worker().context().fragments.trains(), 512u);
}

TEST(FragmentFlood, of_pieces_without_a_first_holds_no_more_than_its_share) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  for (std::uint32_t n = 0; n < 3'000; ++n) {
    scene.send(piece(stranger(n), kWeb4, 1, 264, true));
  }
  EXPECT_EQ(scene.worker().counters().held, 256u) << "of one destination";
  EXPECT_EQ(scene.drops(DropReason::FragmentTooMany), 3'000u - 256u);
  // Who comes in order needs no room, and who goes elsewhere has his own.
  EXPECT_TRUE(scene.send(piece(kClient, kWeb4, 7, 0, true)).passed());
  EXPECT_TRUE(scene.send(piece(kClient, kWeb4, 7, 264, false)).passed());
  scene.send(piece(kClient, kApp4, 7, 264, true));
  EXPECT_EQ(scene.worker().counters().held, 257u);
  scene.wait_s(61);
  EXPECT_EQ(scene.worker().counters().held, 0u);
}

TEST(FragmentFlood, leaves_established_connections_alone) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  ASSERT_TRUE(connects(scene, 1'000));
  for (std::uint32_t n = 0; n < 10'000; ++n) {
    scene.send(piece(stranger(n), kWeb4, 1, n % 3 == 0 ? 0 : 264, n % 2 == 0));
    if (n % 100 != 0) continue;
    ASSERT_TRUE(goes_on(scene, 1'000));
  }
}

}  // namespace
}  // namespace sluice
