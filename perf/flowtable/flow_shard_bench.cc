// FlowShard beside rte_hash: find a flow and touch its entry, and insert, both in bulks of 32.
// Flows are inserted as a pipeline does it: all of the bulk are looked for first, by rte_hash in
// bulk too, so that what is waited for is asked for side by side.
//
// The peer is rte_hash with a 16-byte key and lock-free readers, looked up in bulk; what it names
// is touched in an array of 64-byte entries, all prefetched before the first is touched. Ours
// includes the keyed hash. Flows are visited in an order that jumps through all of them, computed
// from a number, so that neither side reads a list of keys from memory.

#include <benchmark/benchmark.h>
#include <rte_hash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/cache_line.h"
#include "base/check.h"
#include "base/flow_hash_burst.h"
#include "flowtable/flow_shard.h"
#include "perf/lookup/dpdk_memory.h"

namespace sluice {
namespace {

constexpr std::uint32_t kBulk = 32;
constexpr std::uint32_t kStride = 0x9e3779b1u;  // odd: visits every one of a power of two

FlowTuple tuple_of(std::uint32_t number) {
  const std::uint32_t mixed = number * 0x85ebca6bu;
  FlowTuple tuple;
  tuple.eni = EniIndex(number & 15);
  tuple.proto = Proto::Udp;
  tuple.local_port = 443;
  tuple.remote_port = static_cast<std::uint16_t>(mixed >> 16);
  tuple.local = IpAddr::v4(0x0a000000u | (number & 0xff));
  tuple.remote = IpAddr::v4(0xc0000000u ^ number);
  return tuple;
}

struct Bulk {
  std::array<Ipv4FlowKey, kBulk> keys;
  std::array<std::uint64_t, kBulk> first;
  std::array<std::uint64_t, kBulk> second;
  std::array<std::uint64_t, kBulk> hashes;
  std::array<FlowName, kBulk> names;
  std::array<FlowState*, kBulk> guesses;
};

constexpr std::uint64_t end_of(std::uint32_t address, std::uint16_t port) {
  return std::uint64_t{address} << 16 | port;
}

// What the pipeline does with a burst whose addresses and ports it has read.
void name_bulk(const FlowShard& shard, Bulk& bulk, std::uint32_t& at, std::uint32_t flows) {
  for (std::uint32_t i = 0; i < kBulk; ++i) {
    at += kStride;
    const Ipv4FlowKey key = Ipv4FlowKey::from(tuple_of(at & (flows - 1)));
    const auto words = owner_words(end_of(key.local, key.local_port),
                                   end_of(key.remote, key.remote_port), Proto::Udp);
    bulk.keys[i] = key;
    bulk.first[i] = words[0];
    bulk.second[i] = words[1];
  }
  keyed_hash_burst(HashKey{}, bulk.first, bulk.second, bulk.hashes);
  for (std::uint32_t i = 0; i < kBulk; ++i) {
    shard.name(bulk.keys[i], bulk.hashes[i], bulk.names[i]);
    shard.seek(bulk.names[i]);
  }
}

FlowState* insert(FlowShard& shard, const FlowTuple& tuple, std::uint64_t hash) {
  FlowState* state = shard.insert(tuple, hash, 0, 350'000, [](const FlowTuple&, FlowState&) {});
  if (state != nullptr) state->phase = static_cast<std::uint8_t>(FlowPhase::Established);
  return state;
}

void find_in_flow_shard(benchmark::State& state) {
  const auto flows = static_cast<std::uint32_t>(state.range(0));
  FlowShard shard({.capacity = flows, .key = {}, .touch_memory = true});
  for (std::uint32_t i = 0; i < flows; ++i) {
    insert(shard, tuple_of(i), owner_hash(HashKey{}, tuple_of(i)));
  }
  Bulk bulk;
  std::uint32_t at = 0;
  std::uint32_t missed = 0;
  for (auto _ : state) {
    name_bulk(shard, bulk, at, flows);
    for (std::uint32_t i = 0; i < kBulk; ++i) bulk.guesses[i] = shard.guess(bulk.names[i]);
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      FlowState* found = shard.find(bulk.names[i], bulk.guesses[i]);
      if (found != nullptr) {
        found->last_seen_ms = at;
      } else {
        ++missed;
      }
    }
  }
  state.counters["missed"] = missed;
  state.SetItemsProcessed(state.iterations() * std::int64_t{kBulk});
}

void insert_into_flow_shard(benchmark::State& state) {
  const auto flows = static_cast<std::uint32_t>(state.range(0));
  std::unique_ptr<FlowShard> shard;
  std::uint32_t next = flows;
  Bulk bulk;
  for (auto _ : state) {
    if (next == flows) {
      state.PauseTiming();
      shard = std::make_unique<FlowShard>(
          FlowShardConfig{.capacity = flows, .key = {}, .touch_memory = true});
      next = 0;
      state.ResumeTiming();
    }
    std::uint32_t at = next * kStride;
    name_bulk(*shard, bulk, at, flows);
    // The pipeline has looked for each flow before it makes one.
    for (std::uint32_t i = 0; i < kBulk; ++i) bulk.guesses[i] = shard->guess(bulk.names[i]);
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      FlowState* found = shard->find(bulk.names[i], bulk.guesses[i]);
      if (found == nullptr) found = insert(*shard, bulk.keys[i].tuple(), bulk.hashes[i]);
      benchmark::DoNotOptimize(found);
    }
    next += kBulk;
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{kBulk});
}

struct alignas(kCacheLine) PeerEntry {
  Ipv4FlowKey key;
  std::uint32_t last_seen_ms;
};

rte_hash* peer_table(std::uint32_t flows) {
  start_dpdk_memory();
  static int number = 0;
  const std::string name = "peer" + std::to_string(number++);
  rte_hash_parameters parameters{};
  parameters.name = name.c_str();
  parameters.entries = flows + flows / 4;
  parameters.key_len = sizeof(Ipv4FlowKey);
  parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF;
  rte_hash* table = rte_hash_create(&parameters);
  CHECK(table != nullptr);
  return table;
}

void find_in_rte_hash(benchmark::State& state) {
  const auto flows = static_cast<std::uint32_t>(state.range(0));
  rte_hash* table = peer_table(flows);
  const ZeroedMemory memory(std::size_t{flows} * 2 * sizeof(PeerEntry), true);
  auto* entries = memory.as<PeerEntry>();
  for (std::uint32_t i = 0; i < flows; ++i) {
    const Ipv4FlowKey key = Ipv4FlowKey::from(tuple_of(i));
    CHECK(rte_hash_add_key(table, &key) >= 0);
  }
  std::array<Ipv4FlowKey, kBulk> keys;
  std::array<const void*, kBulk> pointers;
  std::array<std::int32_t, kBulk> positions;
  for (std::uint32_t i = 0; i < kBulk; ++i) pointers[i] = &keys[i];
  std::uint32_t at = 0;
  std::uint32_t missed = 0;
  for (auto _ : state) {
    for (Ipv4FlowKey& key : keys) {
      at += kStride;
      key = Ipv4FlowKey::from(tuple_of(at & (flows - 1)));
    }
    rte_hash_lookup_bulk(table, pointers.data(), kBulk, positions.data());
    for (const std::int32_t position : positions) {
      if (position >= 0) prefetch_write(&entries[position]);
    }
    for (const std::int32_t position : positions) {
      if (position >= 0) {
        entries[position].last_seen_ms = at;
      } else {
        ++missed;
      }
    }
  }
  state.counters["missed"] = missed;
  state.SetItemsProcessed(state.iterations() * std::int64_t{kBulk});
  rte_hash_free(table);
}

void insert_into_rte_hash(benchmark::State& state) {
  const auto flows = static_cast<std::uint32_t>(state.range(0));
  rte_hash* table = peer_table(flows);
  std::uint32_t next = 0;
  std::array<Ipv4FlowKey, kBulk> keys;
  std::array<const void*, kBulk> pointers;
  std::array<std::int32_t, kBulk> positions;
  for (std::uint32_t i = 0; i < kBulk; ++i) pointers[i] = &keys[i];
  for (auto _ : state) {
    if (next == flows) {
      state.PauseTiming();
      rte_hash_reset(table);
      next = 0;
      state.ResumeTiming();
    }
    std::uint32_t at = next * kStride;
    for (Ipv4FlowKey& key : keys) {
      at += kStride;
      key = Ipv4FlowKey::from(tuple_of(at & (flows - 1)));
    }
    rte_hash_lookup_bulk(table, pointers.data(), kBulk, positions.data());
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      if (positions[i] < 0) benchmark::DoNotOptimize(rte_hash_add_key(table, &keys[i]));
    }
    next += kBulk;
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{kBulk});
  rte_hash_free(table);
}

// Named "tiny" what also runs as a test, so that it cannot rot.
BENCHMARK(find_in_flow_shard)->Name("find_in_flow_shard/tiny")->Arg(1 << 12);
BENCHMARK(find_in_rte_hash)->Name("find_in_rte_hash/tiny")->Arg(1 << 12);
BENCHMARK(insert_into_flow_shard)->Name("insert_into_flow_shard/tiny")->Arg(1 << 12);
BENCHMARK(insert_into_rte_hash)->Name("insert_into_rte_hash/tiny")->Arg(1 << 12);

BENCHMARK(find_in_flow_shard)->Arg(1 << 16)->Arg(1 << 20)->Arg(1 << 23);
BENCHMARK(find_in_rte_hash)->Arg(1 << 16)->Arg(1 << 20)->Arg(1 << 23);
BENCHMARK(insert_into_flow_shard)->Arg(1 << 20);
BENCHMARK(insert_into_rte_hash)->Arg(1 << 20);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
