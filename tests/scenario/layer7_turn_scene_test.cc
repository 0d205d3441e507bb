// What a turn may spend on looking into connections: sealed packets, each of which takes
// microseconds to open, are opened so many a turn, and the others when their flows go on.

#include <span>
#include <vector>

#include "dataplane/worker_context.h"
#include "tests/lookup/quic_sealer.h"
#include "tests/scenario/layer7_world.h"

namespace sluice {
namespace {

constexpr std::uint32_t kOpenedPerInterface = kOpenedPerTurn / 2;

ByteList hello_for(std::string_view name) {
  return HelloBuilder().server_name(name).numbers(43, {0x0304}).handshake();
}

// A client's first datagram, that asks for the host; or, of a hello that never gets whole, one
// more.
Bytes initial_of(const ByteList& frames, std::uint32_t number = 2) {
  static const Result<std::unique_ptr<L7Scratch>> kScratch =
      L7Scratch::create(plain_tools()->patterns());
  InitialPacket packet;
  packet.number = number;
  return packet.seal(frames, (*kScratch)->crypto());
}
Bytes initial_for(std::string_view name) { return initial_of(crypto_frame(0, hello_for(name))); }

// What follows when the keys are agreed on: no more than noise.
Bytes short_packet() {
  Bytes bytes(60, 0x5a);
  bytes[0] = 0x41;
  return bytes;
}

class TurnOfInitials : public ::testing::Test {
 protected:
  TurnOfInitials() : scene(App::Ssh) {
    scene.demand(0, kUdp, 443, App::Quic, {"shop.example"});
    scene.demand(1, kUdp, 443, App::Quic, {"shop.example"});
    scene.publish();
    scene.take_most_work();
  }

  // Each burst is a turn's. Flow n has client port 40,000 + n.
  template <class PayloadOf>
  std::vector<Outcome> send(std::uint32_t begin, std::uint32_t end, PayloadOf&& payload_of) {
    std::vector<Bytes> frames;
    for (std::uint32_t n = begin; n < end; ++n) {
      const auto port = static_cast<std::uint16_t>(40'000 + n);
      const char* server = n < first_of_app ? kWeb4 : kApp4;
      frames.push_back(Packet().ip(kClient, server).udp(port, 443).payload(payload_of(n)).build());
    }
    return scene.send_together(0, frames);
  }
  std::uint64_t put_off() { return scene.worker().counters().layer7_put_off; }
  std::uint64_t told(EniIndex eni) { return scene.counters(eni).app_identified; }

  Layer7Scene scene;
  std::uint32_t first_of_app = kBurstMax;  // flows below are of web
};

TEST_F(TurnOfInitials, opens_so_many_and_the_others_with_their_next_packets) {
  const Bytes wanted = initial_for("shop.example");
  const Bytes unwanted = initial_for("other.example");
  const auto payload_of = [&](std::uint32_t n) { return n % 2 == 0 ? wanted : unwanted; };
  std::size_t passed = 0;
  for (const Outcome& outcome : send(0, kBurstMax, payload_of)) passed += outcome.passed() ? 1 : 0;
  EXPECT_EQ(scene.take_most_work().opened, kOpenedPerInterface);
  EXPECT_EQ(told(kWeb), kOpenedPerInterface);
  EXPECT_EQ(put_off(), kBurstMax - kOpenedPerInterface);
  EXPECT_EQ(passed, kBurstMax - kOpenedPerInterface / 2) << "on probation, as any unfinished hello";
  for (std::uint32_t turn = 1; turn < kBurstMax / kOpenedPerInterface; ++turn) {
    send(0, kBurstMax, [](std::uint32_t) { return short_packet(); });
    EXPECT_EQ(scene.take_most_work().opened, kOpenedPerInterface) << turn;
    EXPECT_EQ(told(kWeb), (turn + 1) * kOpenedPerInterface);
  }
  // All are told now, each by its own hello.
  const auto after = send(0, kBurstMax, [](std::uint32_t) { return short_packet(); });
  for (std::uint32_t n = 0; n < kBurstMax; ++n) {
    const DropReason expected = n % 2 == 0 ? DropReason::None : DropReason::DomainMismatch;
    EXPECT_EQ(after[n].reason, expected) << n;
  }
  EXPECT_EQ(scene.take_most_work().opened, 0u);
  EXPECT_EQ(scene.kept(), 0u);
}

TEST_F(TurnOfInitials, opens_no_more_for_two_interfaces_and_leaves_the_second_its_half) {
  first_of_app = kBurstMax - kOpenedPerInterface;
  const Bytes wanted = initial_for("shop.example");
  send(0, kBurstMax, [&](std::uint32_t) { return wanted; });
  EXPECT_EQ(scene.take_most_work().opened, kOpenedPerTurn);
  EXPECT_EQ(told(kWeb), kOpenedPerInterface);
  EXPECT_EQ(told(kApp), kOpenedPerInterface) << "last in the burst";
}

TEST_F(TurnOfInitials, opens_no_more_for_a_hello_that_never_gets_whole) {
  const ByteList piece = crypto_frame(0, std::span<const std::uint8_t>(hello_for("x")).first(20));
  std::vector<Bytes> frames;
  for (std::uint32_t n = 0; n < 4; ++n) {
    frames.push_back(
        Packet().ip(kClient, kWeb4).udp(40'000, 443).payload(initial_of(piece, n)).build());
  }
  scene.send_together(0, frames);
  // All that has come is opened anew with each datagram: one, then two, then three, then what is
  // left of the turn.
  EXPECT_EQ(scene.take_most_work().opened, kOpenedPerInterface);
  EXPECT_EQ(told(kWeb), 0u);
  scene.wait_s(12);
  EXPECT_EQ(scene.kept(), 0u) << "its seconds are over";
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).udp(40'000, 443).payload(short_packet())).reason,
            DropReason::DomainMismatch);
}

}  // namespace
}  // namespace sluice
