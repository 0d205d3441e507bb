// Where the short way of packets leaves off: full devices, log windows, counts that are full, and
// bursts with next to nothing to take.

#include <vector>

#include "dataplane/worker_context.h"
#include "tests/scenario/express_twins.h"

namespace sluice {
namespace {

// A bump in the wire with some open flows, and a burst of them.
struct OpenFlows {
  explicit OpenFlows(bool observe) : twins({.wiring = Wiring::Bump, .observe = observe}) {
    twins.both(allow_all);
    for (std::uint16_t i = 0; i < 8; ++i) {
      frames.push_back(Packet()
                           .ip(kClient, kWeb4)
                           .udp(static_cast<std::uint16_t>(5'000 + i), 53)
                           .payload(std::size_t{40})
                           .build());
    }
    twins.send(1, frames);
    twins.compare();
  }

  Twins twins;
  std::vector<Bytes> frames;
};

TEST(Express, counts_what_a_full_device_does_not_take) {
  for (const bool observe : {false, true}) {
    for (const bool has_others : {false, true}) {
      OpenFlows open(observe);
      // Others than these go the whole way, and are sent behind them.
      if (has_others) open.frames.push_back(Packet().ip(kClient, kWeb4).udp(6'000, 53).build());
      open.twins.both([](Scene& scene) {
        scene.watch(2);
        scene.io().limit_sends(3);
      });
      open.twins.send(1, open.frames);
      open.twins.compare();
      EXPECT_EQ(open.twins.express.drops(DropReason::TransmitFull), open.frames.size() - 3);
      EXPECT_EQ(express_count(open.twins.express), 8u);
    }
  }
}

TEST(Express, leaves_the_first_packet_of_a_log_window) {
  OpenFlows open(false);
  for (const double seconds : {29.5, 0.3, 0.5}) {  // the window ends half a minute from the begin
    open.twins.both([&](Scene& scene) { scene.jump_s(seconds); });
    open.twins.send(1, open.frames);
    open.twins.compare();
  }
  EXPECT_EQ(express_count(open.twins.express), 8u) << "those of the second burst";
}

TEST(Express, leaves_a_packet_that_its_entry_has_no_room_to_count) {
  OpenFlows open(false);
  open.twins.both([](Scene& scene) {
    auto& row = scene.worker().context().counters.interface(kWeb);
    for_each_flow(scene, [&](const FlowTuple& tuple, FlowState& state) {
      if (tuple.remote_port >= 5'004) return;
      const std::uint16_t most = 0xffff;
      for (auto* tally : {&row.live[0], &row.judged[0]}) tally->add(most - state.packets[0]);
      state.packets[0] = most;
    });
  });
  open.twins.send(1, open.frames);
  open.twins.compare();
  // Those that stay may hold back others whose hashes are like theirs.
  EXPECT_LE(express_count(open.twins.express), 4u);
  EXPECT_GT(express_count(open.twins.express), 0u);
}

TEST(Express, gives_up_for_a_while_where_there_is_next_to_nothing_to_take) {
  Scene scene({.wiring = Wiring::Bump, .observe = false});
  allow_all(scene);
  const auto send = [&](std::uint16_t port) {
    std::vector<Bytes> frames;
    for (std::uint16_t i = 0; i < 32; ++i) {
      frames.push_back(
          Packet().ip(kClient, kWeb4).udp(static_cast<std::uint16_t>(port + i), 53).build());
    }
    scene.send_together(1, frames);
    return express_count(scene);
  };
  EXPECT_EQ(send(5'000), 0u);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(send(5'000), 0u) << "not looked through";
  EXPECT_EQ(send(5'000), 32u);
  EXPECT_EQ(send(5'000), 64u);
}

}  // namespace
}  // namespace sluice
