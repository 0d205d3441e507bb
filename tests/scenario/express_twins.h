#pragma once

// Two worlds that differ in nothing but whether packets in the middle of their conversations take
// the short way, and what must be the same in both.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dataplane/worker_context.h"
#include "tests/scenario/harness.h"

namespace sluice {

template <class Visit>
void for_each_flow(Scene& scene, Visit&& visit) {
  for (std::uint32_t i = 0; i < scene.worker_count(); ++i) {
    FlowShard& flows = scene.worker(i).context().flows;
    std::size_t cursor = 0;
    do {
      cursor = flows.walk(cursor, 1'024, visit);
    } while (cursor != 0);
  }
}

// Packets that took the short way.
std::uint64_t express_count(Scene& scene);

// A policy that lets everything pass.
void allow_all(Scene& scene);

// Packets and bytes that the flow log has heard of each conversation, or will: those reported and
// those that wait in entries and records. In which of the two a packet waits that came in one burst
// with the end of its flow depends on the way, and on where a burst ends.
using FlowLogTotals = std::map<std::string, std::array<std::uint64_t, 2>>;

// Two scenes of the same packets: one with the short way, one without.
class Twins {
 public:
  explicit Twins(const SceneOptions& options) : express(options), whole(options) {
    for (std::uint32_t i = 0; i < options.workers; ++i) {
      express.worker(i).context().express.use = ExpressUse::Always;
      whole.worker(i).context().express.use = ExpressUse::Never;
    }
  }

  template <class Act>
  void both(Act&& act) {
    act(express);
    act(whole);
  }
  // Sends the burst in both and expects the same of each packet.
  void send(std::uint16_t nic, const std::vector<Bytes>& frames);
  // Expects the same counters, entries, log and events.
  void compare();

  Scene express;
  Scene whole;

 private:
  FlowLogTotals express_reported_;
  FlowLogTotals whole_reported_;
};

}  // namespace sluice
