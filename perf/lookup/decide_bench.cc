// decide() beside rte_acl on the same rules and packets.
//
// One interface with 5 groups that share 100, 1,000 or 10,000 rules: TCP, a destination port or
// range, a source prefix of /16 to /32. Packets are aimed at a random rule nine times of ten.
// decide() also answers what rte_acl does not: owners, groups, ACL, tracked or not.

#include <benchmark/benchmark.h>
#include <rte_acl.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "perf/lookup/dpdk_memory.h"

namespace sluice {
namespace {

constexpr std::size_t kQuestions = 1u << 14;
constexpr std::size_t kBulk = 32;

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

struct Workload {
  SnapshotInput input;
  std::shared_ptr<const PolicySnapshot> snapshot;
  std::vector<Question> questions;
  std::vector<AclPacket> packets;

  explicit Workload(std::size_t rules);
};

Workload::Workload(std::size_t rules) {
  std::mt19937_64 random(rules);
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
  for (std::uint32_t i = 0; i < rules; ++i) {
    RuleInput rule;
    rule.index = RuleIndex(i);
    char text[32];
    std::snprintf(text, sizeof text, "sgr-%017u", i);
    rule.id = text;
    rule.proto = {6};
    const auto low = static_cast<std::int32_t>(random() % 60'000);
    rule.ports = {low, low + static_cast<std::int32_t>(random() % 2 * (random() % 1000))};
    rule.peer = Cidr(IpAddr::v4(static_cast<std::uint32_t>(random())),
                     static_cast<std::uint8_t>(16 + random() % 17));
    input.groups[i % 5].rules.push_back(rule);
  }
  Result<std::shared_ptr<const PolicySnapshot>> sealed = build_snapshot(input);
  CHECK(sealed.has_value());
  snapshot = *sealed;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    const GroupInput& group = input.groups[random() % 5];
    const RuleInput& rule = group.rules[random() % group.rules.size()];
    const Cidr& cidr = std::get<Cidr>(rule.peer);
    const auto noise = static_cast<std::uint32_t>(random());
    Question question;
    question.eni = EniIndex(0);
    question.port = static_cast<std::uint16_t>(rule.ports.low);
    question.source_port = 40'000;
    question.local = interface.addresses[0];
    const IpAddr kept = mask_address(IpAddr::v4(noise), cidr.length());
    question.remote =
        IpAddr::v4(i % 10 == 0 ? noise : cidr.address().v4_value() | (noise ^ kept.v4_value()));
    questions.push_back(question);
    packets.push_back({6,
                       {},
                       __builtin_bswap32(question.remote.v4_value()),
                       __builtin_bswap32(question.local.v4_value()),
                       __builtin_bswap16(question.source_port),
                       __builtin_bswap16(question.port)});
  }
}

const Workload& workload_of(std::size_t rules) {
  static std::unique_ptr<Workload> workload;
  static std::size_t count = 0;
  if (count != rules) workload = std::make_unique<Workload>(rules);
  count = rules;
  return *workload;
}

void bench_decide(benchmark::State& state) {
  const Workload& workload = workload_of(static_cast<std::size_t>(state.range(0)));
  std::size_t at = 0;
  std::size_t accepted = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBulk; ++i) {
      const Decision decision = decide(*workload.snapshot, workload.questions[at + i]);
      accepted += decision.verdict == Verdict::Accept ? 1 : 0;
    }
    at = (at + kBulk) % kQuestions;
  }
  benchmark::DoNotOptimize(accepted);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
}

rte_acl_ctx* acl_of(const Workload& workload, std::size_t count) {
  start_dpdk_memory();
  static int number = 0;
  const std::string name = "bench" + std::to_string(number++);
  const rte_acl_param param{name.c_str(), -1, RTE_ACL_RULE_SZ(kFields.size()),
                            static_cast<std::uint32_t>(count)};
  rte_acl_ctx* acl = rte_acl_create(&param);
  CHECK(acl != nullptr);
  for (const GroupInput& group : workload.input.groups) {
    for (const RuleInput& from : group.rules) {
      const Cidr& cidr = std::get<Cidr>(from.peer);
      AclRule rule{};
      rule.data.category_mask = 1;
      rule.data.priority = static_cast<std::int32_t>(count - from.index.value());
      rule.data.userdata = from.index.value() + 1;
      rule.field[0].value.u8 = 6;
      rule.field[0].mask_range.u8 = 0xff;
      rule.field[1].value.u32 = cidr.address().v4_value();
      rule.field[1].mask_range.u32 = cidr.length();
      rule.field[3].mask_range.u16 = 65535;
      rule.field[4].value.u16 = static_cast<std::uint16_t>(from.ports.low);
      rule.field[4].mask_range.u16 = static_cast<std::uint16_t>(from.ports.high);
      CHECK(rte_acl_add_rules(acl, reinterpret_cast<rte_acl_rule*>(&rule), 1) == 0);
    }
  }
  rte_acl_config config{};
  config.num_categories = 1;
  config.num_fields = kFields.size();
  std::copy(kFields.begin(), kFields.end(), config.defs);
  CHECK(rte_acl_build(acl, &config) == 0);
  return acl;
}

void bench_rte_acl(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Workload& workload = workload_of(count);
  rte_acl_ctx* acl = acl_of(workload, count);
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

BENCHMARK(bench_decide)->Name("decide/tiny")->Arg(100);
BENCHMARK(bench_rte_acl)->Name("rte_acl/tiny")->Arg(100);
BENCHMARK(bench_decide)->Name("decide")->Arg(100)->Arg(1'000)->Arg(10'000);
BENCHMARK(bench_rte_acl)->Name("rte_acl")->Arg(100)->Arg(1'000)->Arg(10'000);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
