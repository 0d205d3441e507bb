// What flows cost while nobody sends for them: their expiry, in a share of a core, and their
// memory.

#include "perf/flowtable/flow_upkeep_bench.h"

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "flowtable/flow_shard.h"
#include "flowtable/timeouts.h"
#include "perf/flowtable/flow_numbers.h"
#include "perf/flowtable/hash_side.h"
#include "perf/flowtable/pages.h"
#include "perf/flowtable/shard_side.h"

namespace sluice {
namespace {

double thread_cpu_s() {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A full table of silent flows that all expire after the default timeout of what is established,
// and begin anew: each is visited as often as the wheel's horizon asks, and ends once in a timeout.
class ExpiringFlows {
 public:
  static constexpr std::uint32_t kSecondMs = 1'000;
  static constexpr std::uint32_t kTurnsPerMs = 10;
  static constexpr std::size_t kBudget = 64;  // a turn's, as the worker has it

  explicit ExpiringFlows(std::uint32_t flows)
      : timeout_ms_(TimeoutTable{}.tcp_established_ms),
        flows_(flows),
        shard_({.capacity = flows, .key = {}, .touch_memory = true}) {
    // They have begun evenly over one timeout.
    const std::uint32_t seconds = timeout_ms_ / kSecondMs;
    for (std::uint32_t second = 0; second < seconds; ++second) {
      const auto wanted = static_cast<std::uint32_t>(std::uint64_t{flows} * (second + 1) / seconds);
      begin_until(wanted);
      pass_second();
    }
  }

  // One second of the appliance's time; the CPU time it took of the thread, in seconds.
  double pass_second() {
    const double before = thread_cpu_s();
    for (std::uint32_t turn = 0; turn < kSecondMs * kTurnsPerMs; ++turn) {
      now_ms_ += turn % kTurnsPerMs == 0 ? 1 : 0;
      visits_ += shard_.expire(
          now_ms_, kBudget, [&](const FlowTuple&, FlowState&) { return timeout_ms_; },
          [&](const FlowTuple&, FlowState&) { ++ended_; });
    }
    return thread_cpu_s() - before;
  }
  void begin_until(std::uint32_t wanted) {
    while (shard_.size() < wanted) {
      const FlowTuple tuple = numbered_tuple<Ipv4FlowKey>(next_++);
      FlowState* state = shard_.insert(tuple, owner_hash(HashKey{}, tuple), now_ms_, timeout_ms_,
                                       [](const FlowTuple&, FlowState&) {});
      if (state == nullptr) continue;  // no room near its place: the next one, then
      state->phase = static_cast<std::uint8_t>(FlowPhase::Established);
    }
  }
  std::uint32_t flows() const { return flows_; }
  std::uint64_t visits() const { return visits_; }
  std::uint64_t ended() const { return ended_; }

 private:
  const std::uint32_t timeout_ms_;
  const std::uint32_t flows_;
  FlowShard shard_;
  TickMs now_ms_ = 1;
  std::uint32_t next_ = 0;
  std::uint64_t visits_ = 0;
  std::uint64_t ended_ = 0;
};

void expire(benchmark::State& state, std::uint32_t flow_count) {
  constexpr int kSeconds = 60;
  ExpiringFlows flows(flow_count);
  for (auto _ : state) {
    const std::uint64_t visits_before = flows.visits();
    const std::uint64_t ended_before = flows.ended();
    double cpu_s = 0;
    for (int second = 0; second < kSeconds; ++second) {
      cpu_s += flows.pass_second();
      flows.begin_until(flow_count);
    }
    state.counters["core_%"] = 100 * cpu_s / kSeconds;
    state.counters["visits_per_s"] = static_cast<double>(flows.visits() - visits_before) / kSeconds;
    state.counters["ended_per_s"] = static_cast<double>(flows.ended() - ended_before) / kSeconds;
    if (flows.ended() == ended_before) state.SkipWithError("no flow has ended");
  }
  state.counters["flows"] = flow_count;
}

// Of a table that was offered as many flows as it has room for: bytes for each that it took.
void report_memory(benchmark::State& state, std::uint64_t bytes, std::uint32_t held) {
  state.counters["flow_B"] = static_cast<double>(bytes) / held;
  state.counters["all_GB"] = static_cast<double>(bytes) * 1e-9;
  state.counters["flows"] = held;
}

template <class Key>
void memory_of_flow_shard(benchmark::State& state, std::uint32_t flows) {
  for (auto _ : state) {
    const TakenMemory before;
    FlowShard shard({.capacity = flows, .key = {}, .touch_memory = false});
    std::uint32_t held = 0;
    for (std::uint32_t number = 0; number < flows; ++number) {
      const FlowTuple tuple = numbered_tuple<Key>(number);
      FlowState* flow = shard.insert(tuple, owner_hash(HashKey{}, tuple), 0, 350'000,
                                     [](const FlowTuple&, FlowState&) {});
      if (flow == nullptr) continue;
      flow->phase = static_cast<std::uint8_t>(FlowPhase::Established);
      ++held;
    }
    if (held < flows - flows / 10'000) state.SkipWithError("the table refused too many flows");
    const Family family = std::is_same_v<Key, Ipv4FlowKey> ? Family::Ipv4 : Family::Ipv6;
    // What the system gave for it, or what it has reserved if that is more.
    const std::uint64_t taken = TakenMemory().since(before).all;
    report_memory(state, std::max<std::uint64_t>(taken, shard.memory_size(family)), held);
  }
}

// The peer at its most economical: as many slots as it has places, offered as many keys (it refuses
// some), and beside it a state of ours for each flow, without its key.
template <class Key>
void memory_of_rte_hash(benchmark::State& state, std::uint32_t slots) {
  for (auto _ : state) {
    const PeerTable table(slots, sizeof(Key));
    std::uint32_t held = 0;
    for (std::uint32_t number = 0; number < slots; ++number) {
      const Key key = Key::from(numbered_tuple<Key>(number));
      held += rte_hash_add_key(table.get(), &key) >= 0 ? 1 : 0;
    }
    report_memory(state, table.memory_size() + std::uint64_t{held} * sizeof(FlowState), held);
  }
}

using Bench = void (*)(benchmark::State&, std::uint32_t);

void add(const std::string& name, Bench bench, std::uint32_t flows) {
  benchmark::RegisterBenchmark(name.c_str(), [bench, flows](benchmark::State& state) {
    bench(state, flows);
  })->Iterations(1);
}

// Filled with what the product promises to hold, where that leaves half of the free memory.
void add_hundred_million() {
  constexpr std::uint32_t kFlows = 100'000'000;
  constexpr std::uint64_t kBytes = 80;
  benchmark::RegisterBenchmark("memory/flow_shard/v4/100M", [](benchmark::State& state) {
    if (most_flows(kBytes) < kFlows) return state.SkipWithError("too little memory is free");
    memory_of_flow_shard<Ipv4FlowKey>(state, kFlows);
  })->Iterations(1);
}

}  // namespace

void add_upkeep_benches() {
  add("expire/flow_shard/tiny", expire, 1u << 13);
  add("expire/flow_shard/1M", expire, 1'000'000);
  add("expire/flow_shard/10M", expire, 10'000'000);
  for (const auto& [name, flows] : {std::pair("tiny", 1u << 16), std::pair("1M", 1u << 20)}) {
    add(std::string("memory/flow_shard/v4/") + name, memory_of_flow_shard<Ipv4FlowKey>, flows);
    add(std::string("memory/flow_shard/v6/") + name, memory_of_flow_shard<Ipv6FlowKey>, flows);
    add(std::string("memory/rte_hash/v4/") + name, memory_of_rte_hash<Ipv4FlowKey>, flows);
    add(std::string("memory/rte_hash/v6/") + name, memory_of_rte_hash<Ipv6FlowKey>, flows);
  }
  add_hundred_million();
}

}  // namespace sluice
