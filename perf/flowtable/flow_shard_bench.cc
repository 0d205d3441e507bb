// FlowShard beside rte_hash, in bulks of 32: packets of known flows (hit: found, and the entry
// touched), of unknown ones (miss), flows that begin (insert) and end (erase), and a mixture
// (churn); of both families, in both kinds of pages, all flows alike or with favourites.
//
//      OPERATION / SIDE / FAMILY / PAGES / ORDER / FLOWS       hit/flow_shard/v4/huge/uniform/65536
//
// The peer is rte_hash with lock-free readers, looked up in bulk; what it names is touched in an
// array of 64-byte entries, all prefetched before the first is touched. Ours includes the keyed
// hash. Both are asked for flows as a pipeline does: all of the bulk are looked for first. Where
// the peer would be faster without (rte_hash_alone), it has that way too, and the better counts.
//
// Tables are full and have been in use: flows were inserted in an order of their own, the oldest
// leave first. "most": as many flows as half of the free memory holds on the peer's side.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <type_traits>

#include "perf/flowtable/flow_numbers.h"
#include "perf/flowtable/flow_upkeep_bench.h"
#include "perf/flowtable/hash_side.h"
#include "perf/flowtable/pages.h"
#include "perf/flowtable/shard_side.h"

namespace sluice {
namespace {

// A full table. Its flows are those numbered from `oldest` on.
template <class Side>
struct FullTable {
  FullTable(std::uint32_t flow_count, Pages pages_wanted) : flows(flow_count) {
    Side::prepare();
    const PagesWhile pages(pages_wanted);
    const TakenMemory before;
    side = std::make_unique<Side>(flows);
    visit_scattered(flows, [&](std::uint32_t number) { side->insert_number(number); });
    const TakenMemory taken = TakenMemory().since(before);
    huge_percent = 100.0 * static_cast<double>(taken.huge) / static_cast<double>(taken.all + 1);
  }

  const std::uint32_t flows;
  std::unique_ptr<Side> side;
  std::uint32_t oldest = 0;
  double huge_percent = 0;
};

// Tables that the next repetition may want again: making one takes longer than the measurement.
class Tables {
 public:
  static constexpr std::size_t kHeldMax = 3;             // ours, and the peer's two
  static constexpr std::uint32_t kSharedMax = 1u << 23;  // a larger one lies there alone

  template <class Side>
  static FullTable<Side>& get(std::uint32_t flows, Pages pages) {
    static Tables tables;
    const std::string name = std::to_string(flows) + (pages == Pages::Huge ? "h" : "s") +
                             std::to_string(reinterpret_cast<std::uintptr_t>(&kind<Side>));
    std::shared_ptr<void>& place = tables.held_[name];
    if (place == nullptr) {
      const bool has_room = tables.held_.size() < kHeldMax && flows <= kSharedMax;
      if (!has_room) tables.held_.clear();
      auto fresh = std::make_shared<FullTable<Side>>(flows, pages);
      tables.held_[name] = fresh;
      return *fresh;
    }
    return *static_cast<FullTable<Side>*>(place.get());
  }

 private:
  template <class Side>
  static inline char kind = 0;

  std::map<std::string, std::shared_ptr<void>> held_;
};

template <class Side>
void finish(benchmark::State& state, const FullTable<Side>& table) {
  state.counters["flows"] = table.flows;
  state.counters["huge_percent"] = table.huge_percent;
  state.counters["refused"] = static_cast<double>(table.side->refused());
  state.SetItemsProcessed(state.iterations() * std::int64_t{kBulk});
}

struct Setting {
  std::uint32_t flows;
  Pages pages;
  Order order;
};

template <class Side>
void hit(benchmark::State& state, const Setting& setting) {
  auto& table = Tables::get<Side>(setting.flows, setting.pages);
  Visits visits(setting.order, setting.flows);
  std::uint64_t missed = 0;
  Numbers numbers;
  for (auto _ : state) {
    for (std::uint32_t& number : numbers) number = table.oldest + visits.next();
    missed += table.side->find(numbers, 1);
  }
  // Of what a full table refused, 1 of 10,000, even a favourite is no eighth of the packets.
  const std::uint64_t asked = static_cast<std::uint64_t>(state.iterations()) * kBulk;
  const std::uint64_t missed_most = table.side->refused() == 0 ? 0 : asked / 8;
  if (missed > missed_most) state.SkipWithError("known flows were not found");
  finish(state, table);
}

template <class Side>
void miss(benchmark::State& state, const Setting& setting) {
  auto& table = Tables::get<Side>(setting.flows, setting.pages);
  Visits visits(setting.order, setting.flows);
  std::int64_t missed = 0;
  Numbers numbers;
  for (auto _ : state) {
    for (std::uint32_t& number : numbers) number = table.oldest + 0x80000000u + visits.next();
    missed += table.side->find(numbers, 1);
  }
  if (missed != state.iterations() * kBulk) state.SkipWithError("unknown flows were found");
  finish(state, table);
}

Numbers consecutive(std::uint32_t first) {
  Numbers numbers;
  for (std::uint32_t i = 0; i < kBulk; ++i) numbers[i] = first + i;
  return numbers;
}

// The oldest flows end, as many new ones begin, stretch by stretch; one of both is measured.
template <class Side, bool kErases>
void replace(benchmark::State& state, const Setting& setting) {
  auto& table = Tables::get<Side>(setting.flows, setting.pages);
  const std::uint32_t stretch = std::min<std::uint32_t>(setting.flows / 8, 1u << 16);
  std::uint32_t erased = 0;
  std::uint32_t inserted = 0;
  const auto erase_next = [&] {
    table.side->erase(consecutive(table.oldest + erased));
    erased += kBulk;
  };
  const auto insert_next = [&] {
    table.side->insert(consecutive(table.oldest + table.flows + inserted));
    inserted += kBulk;
  };
  const auto even_out = [&] {
    while (inserted < erased) insert_next();
    table.oldest += erased;
    erased = inserted = 0;
  };
  for (auto _ : state) {
    const bool is_over = kErases ? erased == stretch : inserted == erased;
    if (is_over) {
      state.PauseTiming();
      even_out();
      while (!kErases && erased < stretch) erase_next();
      state.ResumeTiming();
    }
    if (kErases) {
      erase_next();
    } else {
      insert_next();
    }
  }
  even_out();
  finish(state, table);
}

// Of 32 packets 24 belong to known flows, 4 begin one, 4 are the last of theirs.
template <class Side>
void churn(benchmark::State& state, const Setting& setting) {
  constexpr std::uint32_t kKnown = 24;
  constexpr std::uint32_t kNewEnd = 28;
  auto& table = Tables::get<Side>(setting.flows, setting.pages);
  // The last packets' flows are not asked for by others of their bulk.
  Visits visits(setting.order, setting.flows - kBulk);
  std::uint32_t wrong = 0;
  Numbers numbers;
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < kKnown; ++i) numbers[i] = table.oldest + kBulk + visits.next();
    for (std::uint32_t i = kKnown; i < kNewEnd; ++i) {
      numbers[i] = table.oldest + table.flows + (i - kKnown);
    }
    for (std::uint32_t i = kNewEnd; i < kBulk; ++i) numbers[i] = table.oldest + (i - kNewEnd);
    wrong += table.side->find(numbers, 1) != kNewEnd - kKnown ? 1 : 0;
    table.side->erase_found(kNewEnd, kBulk);
    table.side->insert_missed(kKnown, kNewEnd);
    table.oldest += kNewEnd - kKnown;
  }
  if (wrong > table.side->refused() * 64) state.SkipWithError("known flows were not found");
  finish(state, table);
}

// A new table from empty to full, again and again.
template <class Side>
void fill(benchmark::State& state, const Setting& setting) {
  const PagesWhile pages(setting.pages);
  std::unique_ptr<Side> side;
  std::uint32_t next = setting.flows;
  for (auto _ : state) {
    if (next == setting.flows) {
      state.PauseTiming();
      side.reset();
      side = std::make_unique<Side>(setting.flows);
      next = 0;
      state.ResumeTiming();
    }
    side->insert(consecutive(next));
    next += kBulk;
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{kBulk});
}

constexpr std::uint32_t kFilledMax = 1u << 20;  // more would take too long to fill time and again

// What a flow takes on the peer's side: slot, bucket, entry, and its place in the ring of free
// ones.
constexpr std::uint64_t kPeerBytes = 150;
// What the tables of a benchmark and its peers' take together at most, for each flow.
constexpr std::uint64_t kBytesOfAll = 600;

using Operation = void (*)(benchmark::State&, const Setting&);

void add(const std::string& name, Operation operation, const Setting& setting) {
  // As things are before any table is made.
  const bool has_room = setting.flows > Tables::kSharedMax ||
                        (setting.flows != 0 && setting.flows * kBytesOfAll <= free_memory() / 2);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    if (!has_room) return state.SkipWithError("too little memory is free");
    operation(state, setting);
  });
}

template <class Side, class Alone>
void add_side(const std::string& side, const std::string& where, const Setting& setting) {
  const std::string rest = "/" + side + where;
  add("hit" + rest, hit<Side>, setting);
  add("miss" + rest, miss<Side>, setting);
  add("insert" + rest, replace<Side, false>, setting);
  add("erase" + rest, replace<Side, true>, setting);
  add("churn" + rest, churn<Side>, setting);
  if (setting.flows <= kFilledMax) add("fill" + rest, fill<Side>, setting);
  if (std::is_same_v<Side, Alone>) return;
  add("insert/" + side + "_alone" + where, replace<Alone, false>, setting);
  add("erase/" + side + "_alone" + where, replace<Alone, true>, setting);
  if (setting.flows <= kFilledMax) add("fill/" + side + "_alone" + where, fill<Alone>, setting);
}

template <class Key>
void add_family(const std::string& family, const std::string& count, std::uint32_t flows) {
  for (const Pages pages : {Pages::Huge, Pages::Small}) {
    for (const Order order : {Order::Uniform, Order::Zipf}) {
      const std::string where = "/" + family + (pages == Pages::Huge ? "/huge" : "/small") +
                                (order == Order::Uniform ? "/uniform/" : "/zipf/") + count;
      const Setting setting{flows, pages, order};
      add_side<ShardSide<Key>, ShardSide<Key>>("flow_shard", where, setting);
      add_side<HashSide<Key>, HashSideAlone<Key>>("rte_hash", where, setting);
    }
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  // Named "tiny" what also runs as a test, so that it cannot rot.
  add_family<Ipv4FlowKey>("v4", "tiny", 1u << 12);
  add_family<Ipv6FlowKey>("v6", "tiny", 1u << 12);
  for (const std::uint32_t flows : {1u << 16, 1u << 20, 1u << 23}) {
    add_family<Ipv4FlowKey>("v4", std::to_string(flows), flows);
    add_family<Ipv6FlowKey>("v6", std::to_string(flows), flows);
  }
  add_family<Ipv4FlowKey>("v4", "most", most_flows(kPeerBytes));
  add_upkeep_benches();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
