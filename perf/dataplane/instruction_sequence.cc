// A fixed sequence of packets through the pipeline, for counting instructions: instruction_guard.py
// runs it once for each case under callgrind, which counts what take_counted_turns() does. Vectors
// that not every processor has are not used.

#include <array>
#include <cstdio>
#include <string_view>

#include "base/flow_hash_burst.h"
#include "perf/dataplane/bench_world.h"

namespace sluice {

// The name that callgrind looks for; returns the packets.
[[gnu::noinline, gnu::noclone]] std::size_t take_counted_turns(BenchWorld& world, unsigned turns) {
  std::size_t packets = 0;
  for (unsigned turn = 0; turn < turns; ++turn) packets += world.turn();
  return packets;
}

namespace {

constexpr std::uint32_t kFlows = 2'048;
constexpr unsigned kRound = kFlows / kBurstMax;  // turns in which each flow has a packet

struct Case {
  std::string_view name;
  BenchPlan plan;
  unsigned uncounted;  // turns before those that count
  unsigned counted;
};

BenchPlan plan_of(BenchWay way, Family family = Family::Ipv4) {
  return {.way = way, .family = family, .flows = kFlows};
}

std::array<Case, 9> cases() {
  BenchPlan logged = plan_of(BenchWay::Bump);
  logged.is_logged = true;
  BenchPlan udp = plan_of(BenchWay::Bump);
  udp.has_tcp = false;
  BenchPlan demanding = plan_of(BenchWay::Bump);
  demanding.tcp_app = App::Ssh;
  demanding.udp_app = App::Dns;
  demanding.tools = L7Tools::create(L7Patterns::load({}, {}).value(), 1).value();
  return {{{"bump", plan_of(BenchWay::Bump), kRound, 4 * kRound},
           {"bump-app", demanding, kRound, 4 * kRound},
           {"bump-ipv6", plan_of(BenchWay::Bump, Family::Ipv6), kRound, 4 * kRound},
           {"bump-logged", logged, kRound, 4 * kRound},
           {"inbound", plan_of(BenchWay::Inbound), kRound, 4 * kRound},
           {"outbound", plan_of(BenchWay::Outbound), kRound, 4 * kRound},
           {"between", plan_of(BenchWay::Between), kRound, 4 * kRound},
           {"new", plan_of(BenchWay::Bump), 0, kRound},
           {"new-udp", udp, 0, kRound}}};
}

int run(const Case& chosen) {
  BenchWorld world(chosen.plan);
  if (chosen.plan.has_demands()) world.admit_all();
  for (unsigned turn = 0; turn < chosen.uncounted; ++turn) world.turn();
  const std::size_t packets = take_counted_turns(world, chosen.counted);
  if (!world.is_sound()) {
    std::fputs("packets or flows were lost\n", stderr);
    return 1;
  }
  std::printf("%zu\n", packets);
  return 0;
}

}  // namespace
}  // namespace sluice

// Without a name: prints the names of the cases. With one: runs it and prints how many packets
// were counted.
int main(int argc, char** argv) {
  sluice::limit_hash_vectors(sluice::HashVectors::None);
  for (const sluice::Case& known : sluice::cases()) {
    if (argc < 2) {
      std::printf("%.*s\n", static_cast<int>(known.name.size()), known.name.data());
    } else if (known.name == argv[1]) {
      return sluice::run(known);
    }
  }
  if (argc < 2) return 0;
  std::fprintf(stderr, "no case is called '%s'\n", argv[1]);
  return 2;
}
