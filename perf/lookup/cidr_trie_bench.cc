// CidrTrie beside rte_lpm and rte_fib (DIR-24-8) on the same prefixes and addresses.
//
// The prefixes are drawn with the lengths of today's Internet table (six in ten are /24). Two
// streams of addresses: uniform over the space, and biased (inside a random prefix of the table).
// "full" is 900,000 prefixes, "tiny" 2,000 for the test run.

#include <benchmark/benchmark.h>
#include <rte_fib.h>
#include <rte_lpm.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "lookup/cidr_trie.h"
#include "perf/lookup/dpdk_memory.h"

namespace sluice {
namespace {

constexpr std::size_t kTiny = 2'000;
constexpr std::size_t kFull = 900'000;
constexpr std::size_t kBulk = 32;
constexpr std::size_t kAddresses = 1u << 20;

std::vector<Cidr> internet_table(std::size_t count) {
  std::mt19937_64 random(2026);
  std::vector<Cidr> table;
  while (table.size() < count) {
    for (std::size_t i = table.size(); i < count + count / 50; ++i) {
      const std::uint64_t roll = random() % 100;
      const std::uint8_t length = roll < 60   ? 24
                                  : roll < 82 ? static_cast<std::uint8_t>(22 + random() % 2)
                                  : roll < 99 ? static_cast<std::uint8_t>(16 + random() % 6)
                                              : static_cast<std::uint8_t>(9 + random() % 7);
      const auto top = static_cast<std::uint32_t>(1 + random() % 222);
      const auto rest = static_cast<std::uint32_t>(random()) & 0xffffffu;
      table.emplace_back(IpAddr::v4(top << 24 | rest), length);
    }
    std::sort(table.begin(), table.end());
    table.erase(std::unique(table.begin(), table.end()), table.end());
  }
  while (table.size() > count) {
    table[random() % table.size()] = table.back();
    table.pop_back();
  }
  std::sort(table.begin(), table.end());
  return table;
}

struct Tables {
  std::vector<Cidr> prefixes;
  CidrTrie trie;
  std::vector<std::uint32_t> uniform;
  std::vector<std::uint32_t> biased;

  explicit Tables(std::size_t count)
      : prefixes(internet_table(count)), trie(Family::Ipv4, prefixes) {
    std::mt19937_64 random(7);
    for (std::size_t i = 0; i < kAddresses; ++i) {
      uniform.push_back(static_cast<std::uint32_t>(random()));
      const Cidr& cidr = prefixes[random() % prefixes.size()];
      const std::uint32_t host =
          static_cast<std::uint32_t>(random()) & (0xffffffffu >> cidr.length());
      biased.push_back(cidr.address().v4_value() | host);
    }
  }
};

const Tables& tables_of(std::size_t count) {
  static std::unique_ptr<Tables> tables;
  if (tables == nullptr || tables->prefixes.size() != count) {
    tables = std::make_unique<Tables>(count);
  }
  return *tables;
}

enum class Stream { Uniform, Biased };

const std::vector<std::uint32_t>& addresses_of(const Tables& tables, Stream stream) {
  return stream == Stream::Uniform ? tables.uniform : tables.biased;
}

void bench_trie(benchmark::State& state, std::size_t count, Stream stream) {
  const Tables& tables = tables_of(count);
  std::vector<IpAddr> addresses;
  for (const std::uint32_t address : addresses_of(tables, stream)) {
    addresses.push_back(IpAddr::v4(address));
  }
  std::array<PrefixId, kBulk> found;
  std::size_t at = 0;
  for (auto _ : state) {
    tables.trie.find_burst(std::span(addresses).subspan(at, kBulk), found);
    benchmark::DoNotOptimize(found);
    at = (at + kBulk) % kAddresses;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
  state.counters["MiB"] = static_cast<double>(tables.trie.size()) / (1 << 20);
}

rte_lpm* lpm_of(std::size_t count) {
  static rte_lpm* lpm = nullptr;
  static std::size_t lpm_count = 0;
  start_dpdk_memory();
  if (lpm_count == count) return lpm;
  rte_lpm_free(lpm);
  const rte_lpm_config config{static_cast<std::uint32_t>(count), 4096, 0};
  lpm = rte_lpm_create("bench", -1, &config);
  CHECK(lpm != nullptr);
  for (const Cidr& cidr : tables_of(count).prefixes) {
    CHECK(rte_lpm_add(lpm, cidr.address().v4_value(), cidr.length(), 1) == 0);
  }
  lpm_count = count;
  return lpm;
}

void bench_lpm(benchmark::State& state, std::size_t count, Stream stream) {
  const Tables& tables = tables_of(count);
  const rte_lpm* lpm = lpm_of(count);
  const std::vector<std::uint32_t>& addresses = addresses_of(tables, stream);
  std::array<std::uint32_t, kBulk> found;
  std::size_t at = 0;
  for (auto _ : state) {
    rte_lpm_lookup_bulk(lpm, addresses.data() + at, found.data(), kBulk);
    benchmark::DoNotOptimize(found);
    at = (at + kBulk) % kAddresses;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
  state.counters["MiB"] = 64;  // the first-level table alone: 2^24 entries of 4 bytes
}

rte_fib* fib_of(std::size_t count) {
  static rte_fib* fib = nullptr;
  static std::size_t fib_count = 0;
  start_dpdk_memory();
  if (fib_count == count) return fib;
  rte_fib_free(fib);
  rte_fib_conf config{};
  config.type = RTE_FIB_DIR24_8;
  config.default_nh = 0;
  config.max_routes = static_cast<int>(count);
  config.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
  config.dir24_8.num_tbl8 = 4096;
  fib = rte_fib_create("bench", -1, &config);
  CHECK(fib != nullptr);
  for (const Cidr& cidr : tables_of(count).prefixes) {
    CHECK(rte_fib_add(fib, cidr.address().v4_value(), cidr.length(), 1) == 0);
  }
  rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DEFAULT);
  fib_count = count;
  return fib;
}

void bench_fib(benchmark::State& state, std::size_t count, Stream stream) {
  const Tables& tables = tables_of(count);
  rte_fib* fib = fib_of(count);
  std::vector<std::uint32_t> addresses = addresses_of(tables, stream);
  std::array<std::uint64_t, kBulk> found;
  std::size_t at = 0;
  for (auto _ : state) {
    rte_fib_lookup_bulk(fib, addresses.data() + at, found.data(), kBulk);
    benchmark::DoNotOptimize(found);
    at = (at + kBulk) % kAddresses;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
  state.counters["MiB"] = 64;
}

void bench_build(benchmark::State& state, std::size_t count) {
  const std::vector<Cidr>& prefixes = tables_of(count).prefixes;
  for (auto _ : state) {
    const CidrTrie trie(Family::Ipv4, prefixes);
    benchmark::DoNotOptimize(trie.node_count());
  }
}

BENCHMARK_CAPTURE(bench_trie, tiny_uniform, kTiny, Stream::Uniform);
BENCHMARK_CAPTURE(bench_lpm, tiny_uniform, kTiny, Stream::Uniform);
BENCHMARK_CAPTURE(bench_fib, tiny_uniform, kTiny, Stream::Uniform);
BENCHMARK_CAPTURE(bench_build, tiny, kTiny);
BENCHMARK_CAPTURE(bench_trie, full_uniform, kFull, Stream::Uniform);
BENCHMARK_CAPTURE(bench_fib, full_uniform, kFull, Stream::Uniform);
BENCHMARK_CAPTURE(bench_lpm, full_uniform, kFull, Stream::Uniform);
BENCHMARK_CAPTURE(bench_trie, full_biased, kFull, Stream::Biased);
BENCHMARK_CAPTURE(bench_fib, full_biased, kFull, Stream::Biased);
BENCHMARK_CAPTURE(bench_lpm, full_biased, kFull, Stream::Biased);
BENCHMARK_CAPTURE(bench_build, full, kFull);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
