// decide() beside rte_acl on the same rules and packets.
//
// One interface with 5 groups that share the rules: 100, 1,000 or 10,000 of TCP, a destination port
// or range, a source prefix of /16 to /32; or ("file") the filters of the ClassBench set that
// SLUICE_FILTERS names, as rules of a group: protocol, source prefix and destination ports; what is
// the same then counts once. Packets are aimed at a random rule nine times of ten. Ours also
// answers what rte_acl does not: owners, groups, ACL, tracked or not. Memory is what each holds, as
// its allocator counts it.

#include <benchmark/benchmark.h>
#include <rte_acl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "lookup/verdict_cache.h"
#include "perf/lookup/dpdk_memory.h"
#include "perf/lookup/routes.h"

namespace sluice {
namespace {

constexpr std::size_t kQuestions = 1u << 14;

// What rte_acl reads of a packet: protocol, source, destination, ports, in network order.
struct AclPacket {
  std::uint8_t proto;
  std::uint8_t padding[3];
  std::uint32_t source;
  std::uint32_t destination;
  std::uint16_t source_port;
  std::uint16_t destination_port;
};

constexpr std::array<rte_acl_field_def, 5> kFields{{
    {RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, offsetof(AclPacket, proto)},
    {RTE_ACL_FIELD_TYPE_MASK, 4, 1, 1, offsetof(AclPacket, source)},
    {RTE_ACL_FIELD_TYPE_MASK, 4, 2, 2, offsetof(AclPacket, destination)},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, 3, 3, offsetof(AclPacket, source_port)},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, 4, 3, offsetof(AclPacket, destination_port)},
}};
RTE_ACL_RULE_DEF(AclRule, 5);

std::vector<RuleInput> generate_rules(std::size_t count) {
  std::mt19937_64 random(count);
  std::vector<RuleInput> rules(count);
  for (RuleInput& rule : rules) {
    rule.proto = {6};
    const auto low = static_cast<std::int32_t>(random() % 60'000);
    rule.ports = {low, low + static_cast<std::int32_t>(random() % 2 * (random() % 1000))};
    rule.peer = Cidr(IpAddr::v4(static_cast<std::uint32_t>(random())),
                     static_cast<std::uint8_t>(16 + random() % 17));
  }
  return rules;
}

// "@SOURCE DESTINATION low : high low : high 0xPROTO/0xMASK ...". Empty where no file is named.
std::vector<RuleInput> read_filters() {
  std::vector<RuleInput> rules;
  const char* name = std::getenv("SLUICE_FILTERS");
  if (name == nullptr) return rules;
  std::ifstream file(name);
  std::set<std::tuple<int, int, int, Cidr>> known;
  for (std::string line; std::getline(file, line);) {
    char source[64];
    int low = 0;
    int high = 0;
    unsigned proto = 0;
    unsigned mask = 0;
    const int found = std::sscanf(line.c_str(), "@%63s %*s %*d : %*d %d : %d %x/%x", source, &low,
                                  &high, &proto, &mask);
    const std::optional<Cidr> cidr = found == 5 ? Cidr::parse(source) : std::nullopt;
    if (!cidr) continue;
    RuleInput rule;
    rule.proto = {mask == 0 ? ProtoMatch::kAll : static_cast<std::int16_t>(proto)};
    const bool has_ports = rule.proto.number == 6 || rule.proto.number == 17;
    rule.ports = has_ports ? PortMatch{low, high} : PortMatch{-1, -1};
    rule.peer = *cidr;
    if (known.emplace(rule.proto.number, low, high, *cidr).second) rules.push_back(rule);
  }
  return rules;
}

struct Workload {
  SnapshotInput input;
  std::shared_ptr<const PolicySnapshot> snapshot;
  std::vector<Question> questions;
  std::vector<AclPacket> packets;

  explicit Workload(std::vector<RuleInput> rules);
  bool is_empty() const { return questions.empty(); }
  std::size_t rule_count() const {
    std::size_t count = 0;
    for (const GroupInput& group : input.groups) count += group.rules.size();
    return count;
  }

 private:
  void add_interface();
  void ask(const RuleInput& rule, bool is_aimed, std::mt19937_64& random);
};

void Workload::add_interface() {
  input.generation = Generation(1);
  input.vpcs.push_back({VpcIndex(0), {*Cidr::parse("10.0.0.0/16")}, {}});
  input.subnets.push_back({SubnetIndex(0), VpcIndex(0), {*Cidr::parse("10.0.0.0/24")}, {}});
  InterfaceInput interface;
  interface.index = EniIndex(0);
  interface.vpc = VpcIndex(0);
  interface.subnet = SubnetIndex(0);
  interface.addresses = {*IpAddr::parse("10.0.0.10")};
  for (std::uint32_t group = 0; group < 5; ++group) {
    input.groups.push_back({GroupIndex(group), VpcIndex(0), {}});
    interface.groups.push_back(GroupIndex(group));
  }
  input.interfaces.push_back(interface);
}

void Workload::ask(const RuleInput& rule, bool is_aimed, std::mt19937_64& random) {
  const Cidr& cidr = std::get<Cidr>(rule.peer);
  Question question;
  question.eni = EniIndex(0);
  question.proto = rule.proto.number < 0 ? Proto::Tcp : static_cast<Proto>(rule.proto.number);
  question.port = static_cast<std::uint16_t>(std::max(rule.ports.low, 0));
  question.source_port = 40'000;
  question.local = *IpAddr::parse("10.0.0.10");
  question.remote = draw_inside(is_aimed ? cidr : Cidr(IpAddr::v4(0), 0), random);
  questions.push_back(question);
  packets.push_back({static_cast<std::uint8_t>(question.proto),
                     {},
                     __builtin_bswap32(question.remote.v4_value()),
                     __builtin_bswap32(question.local.v4_value()),
                     __builtin_bswap16(question.source_port),
                     __builtin_bswap16(question.port)});
}

Workload::Workload(std::vector<RuleInput> rules) {
  add_interface();
  std::mt19937_64 random(rules.size());
  for (std::uint32_t i = 0; i < rules.size(); ++i) {
    char text[32];
    std::snprintf(text, sizeof text, "sgr-%017u", i);
    rules[i].index = RuleIndex(i);
    rules[i].id = text;
    input.groups[i % 5].rules.push_back(rules[i]);
  }
  Result<std::shared_ptr<const PolicySnapshot>> sealed = build_snapshot(input);
  CHECK(sealed.has_value());
  snapshot = *sealed;
  for (std::size_t i = 0; i < kQuestions && !rules.empty(); ++i) {
    ask(rules[random() % rules.size()], i % 10 != 0, random);
  }
}

// Of so many rules; 0: those of the file.
const Workload& workload_of(std::size_t count) {
  static std::unique_ptr<Workload> workload;
  static std::size_t held = 0;
  if (workload == nullptr || held != count) {
    workload = std::make_unique<Workload>(count == 0 ? read_filters() : generate_rules(count));
  }
  held = count;
  return *workload;
}

bool is_missing(benchmark::State& state, const Workload& workload) {
  if (!workload.is_empty()) return false;
  state.SkipWithError("SLUICE_FILTERS names no file with filters");
  return true;
}

void report_build(benchmark::State& state, const Workload& workload, std::size_t size) {
  const auto rules = static_cast<std::int64_t>(workload.rule_count());
  state.SetItemsProcessed(state.iterations() * rules);
  state.counters["KiB"] = static_cast<double>(size) / 1024;
}

void bench_decide(benchmark::State& state, std::size_t rules) {
  const Workload& workload = workload_of(rules);
  if (is_missing(state, workload)) return;
  VerdictCache cache;
  std::array<Decision, kBulk> decisions;
  std::size_t at = 0;
  for (auto _ : state) {
    cache.decide_burst(*workload.snapshot, std::span(workload.questions).subspan(at, kBulk),
                       decisions);
    benchmark::DoNotOptimize(decisions);
    at = (at + kBulk) % kQuestions;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
}

// The same without a cache: each group's rules asked for each question.
void bench_decide_uncached(benchmark::State& state, std::size_t rules) {
  const Workload& workload = workload_of(rules);
  if (is_missing(state, workload)) return;
  std::size_t at = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBulk; ++i) {
      benchmark::DoNotOptimize(decide(*workload.snapshot, workload.questions[at + i]));
    }
    at = (at + kBulk) % kQuestions;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
}

AclRule acl_rule_of(const RuleInput& from, std::size_t count) {
  const Cidr& cidr = std::get<Cidr>(from.peer);
  AclRule rule{};
  rule.data.category_mask = 1;
  rule.data.priority = static_cast<std::int32_t>(count - from.index.value());
  rule.data.userdata = from.index.value() + 1;
  if (from.proto.number >= 0) {
    rule.field[0].value.u8 = static_cast<std::uint8_t>(from.proto.number);
    rule.field[0].mask_range.u8 = 0xff;
  }
  rule.field[1].value.u32 = cidr.address().v4_value();
  rule.field[1].mask_range.u32 = cidr.length();
  rule.field[3].mask_range.u16 = 65535;
  rule.field[4].value.u16 = static_cast<std::uint16_t>(std::max(from.ports.low, 0));
  rule.field[4].mask_range.u16 =
      static_cast<std::uint16_t>(from.ports.high < 0 ? 65535 : from.ports.high);
  return rule;
}

// How long the rules take to be sealed into what packets are judged by, and what that holds.
void build_decide(benchmark::State& state, std::size_t rules) {
  const Workload& workload = workload_of(rules);
  if (is_missing(state, workload)) return;
  std::size_t size = 0;
  for (auto _ : state) {
    const Result<std::shared_ptr<const PolicySnapshot>> sealed = build_snapshot(workload.input);
    CHECK(sealed.has_value());
    size = (*sealed)->size();
  }
  report_build(state, workload, size);
}

rte_acl_ctx* acl_of(const Workload& workload) {
  start_dpdk_memory();
  static int number = 0;
  const std::string name = "bench" + std::to_string(number++);
  const auto count = static_cast<std::uint32_t>(workload.rule_count());
  const rte_acl_param param{name.c_str(), -1, RTE_ACL_RULE_SZ(kFields.size()), count};
  rte_acl_ctx* acl = rte_acl_create(&param);
  CHECK(acl != nullptr);
  for (const GroupInput& group : workload.input.groups) {
    for (const RuleInput& from : group.rules) {
      const AclRule rule = acl_rule_of(from, count);
      CHECK(rte_acl_add_rules(acl, reinterpret_cast<const rte_acl_rule*>(&rule), 1) == 0);
    }
  }
  rte_acl_config config{};
  config.num_categories = 1;
  config.num_fields = kFields.size();
  std::copy(kFields.begin(), kFields.end(), config.defs);
  CHECK(rte_acl_build(acl, &config) == 0);
  return acl;
}

// One structure for every way of asking it.
void build_rte_acl(benchmark::State& state, std::size_t rules) {
  const Workload& workload = workload_of(rules);
  if (is_missing(state, workload)) return;
  start_dpdk_memory();
  const std::size_t before = dpdk_memory_in_use();
  std::size_t size = 0;
  for (auto _ : state) {
    rte_acl_ctx* acl = acl_of(workload);
    size = dpdk_memory_in_use() - before;
    rte_acl_free(acl);
  }
  report_build(state, workload, size);
}

void bench_rte_acl(benchmark::State& state, std::size_t rules, enum rte_acl_classify_alg way) {
  const Workload& workload = workload_of(rules);
  if (is_missing(state, workload)) return;
  rte_acl_ctx* acl = acl_of(workload);
  if (rte_acl_set_ctx_classify(acl, way) != 0) {
    rte_acl_free(acl);
    state.SkipWithError("this processor has not the vectors that this way needs");
    return;
  }
  std::array<const std::uint8_t*, kBulk> data;
  std::array<std::uint32_t, kBulk> results;
  std::size_t at = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBulk; ++i) {
      data[i] = reinterpret_cast<const std::uint8_t*>(&workload.packets[at + i]);
    }
    rte_acl_classify(acl, data.data(), results.data(), kBulk, 1);
    benchmark::DoNotOptimize(results);
    at = (at + kBulk) % kQuestions;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
  rte_acl_free(acl);
}

constexpr struct {
  const char* name;
  enum rte_acl_classify_alg way;
} kWays[] = {{"rte_acl_sse", RTE_ACL_CLASSIFY_SSE},
             {"rte_acl_avx2", RTE_ACL_CLASSIFY_AVX2},
             {"rte_acl_avx512x16", RTE_ACL_CLASSIFY_AVX512X16},
             {"rte_acl_avx512x32", RTE_ACL_CLASSIFY_AVX512X32}};

// WHO/RULES, as in decide/1000 or build_decide/1000; 100 rules are the tiny run, too.
void register_all() {
  for (const auto& [rules, name] : {std::pair<std::size_t, const char*>(100, "tiny"),
                                    {100, "100"},
                                    {1'000, "1000"},
                                    {10'000, "10000"},
                                    {0, "file"}}) {
    const std::string end = std::string("/") + name;
    benchmark::RegisterBenchmark(("decide" + end).c_str(), bench_decide, rules);
    benchmark::RegisterBenchmark(("build_decide" + end).c_str(), build_decide, rules);
    benchmark::RegisterBenchmark(("build_rte_acl" + end).c_str(), build_rte_acl, rules);
    benchmark::RegisterBenchmark(("decide_uncached" + end).c_str(), bench_decide_uncached, rules);
    for (const auto& each : kWays) {
      benchmark::RegisterBenchmark((each.name + end).c_str(), bench_rte_acl, rules, each.way);
    }
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
