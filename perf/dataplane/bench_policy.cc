#include "perf/dataplane/bench_policy.h"

#include <cstdio>
#include <string>
#include <utility>

#include "base/check.h"
#include "lookup/snapshot_builder.h"
#include "perf/dataplane/bench_frames.h"

namespace sluice {

namespace {

RuleInput rule(std::uint32_t number, Direction direction, int proto, int port, PeerInput peer) {
  RuleInput result;
  result.index = RuleIndex(number);
  char text[32];
  std::snprintf(text, sizeof text, "sgr-%017u", number);
  result.id = text;
  result.direction = direction;
  result.proto.number = proto;
  result.ports = {port, port};
  result.peer = std::move(peer);
  return result;
}

// What admits every conversation: one rule, or one for each protocol with what it demands.
std::vector<RuleInput> admitting_rules(const BenchPlan& plan, std::uint32_t& number,
                                       Direction direction, const Cidr& all) {
  if (!plan.has_demands()) return {rule(number++, direction, ProtoMatch::kAll, 0, all)};
  std::vector<RuleInput> rules;
  for (const auto& [proto, app] : {std::pair{6, plan.tcp_app}, std::pair{17, plan.udp_app}}) {
    if (app == App::Unknown) continue;
    RuleInput demand = rule(number++, direction, proto, 0, all);
    demand.ports = {0, 65'535};
    demand.condition.app = app;
    if (!plan.domain.empty() && carries_name(app))
      demand.condition.domains = DomainSet({std::string(plan.domain)});
    rules.push_back(demand);
  }
  return rules;
}

// plan.rules rules each way, of which one (for each protocol) admits every conversation.
GroupInput make_group(const BenchPlan& plan) {
  GroupInput group;
  group.index = GroupIndex(0);
  group.vpc = VpcIndex(0);
  std::uint32_t number = 0;
  const bool is_unique_local = plan.family == Family::Ipv6 && plan.way == BenchWay::Between;
  const Cidr all = *Cidr::parse(plan.family == Family::Ipv4 ? "0.0.0.0/1"
                                : is_unique_local           ? "fc00::/7"
                                                            : "::/1");
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    // Not everything from anywhere: such flows would not be tracked (CT-4). One way is enough.
    const bool opens = (direction == Direction::Egress) == (plan.way == BenchWay::Outbound);
    if (opens || plan.way == BenchWay::Between) {
      for (RuleInput& one : admitting_rules(plan, number, direction, all)) {
        group.rules.push_back(std::move(one));
      }
    }
    for (std::uint32_t i = 1; i < plan.rules; ++i) {
      const Cidr other = plan.has_wide_rules
                             ? *Cidr::parse("192.0.0.0/3")
                             : *Cidr::parse("172.16." + std::to_string(i % 256) + ".0/24");
      group.rules.push_back(rule(number++, direction, 6, static_cast<int>(1'000 + i), other));
    }
  }
  return group;
}

SnapshotInput make_input(const BenchPlan& plan, Generation generation) {
  SnapshotInput policy;
  policy.generation = generation;
  VpcInput vpc;
  vpc.index = VpcIndex(0);
  vpc.cidrs = {*Cidr::parse("10.77.0.0/16"), *Cidr::parse("fd00:77::/32")};
  policy.vpcs = {vpc};
  SubnetInput subnet;
  subnet.index = SubnetIndex(0);
  subnet.vpc = VpcIndex(0);
  const bool has_many = plan.interfaces > kBenchInterfaces;
  subnet.cidrs = {*Cidr::parse(has_many ? "10.77.0.0/16" : "10.77.1.0/24"),
                  *Cidr::parse("fd00:77:0:1::/64")};
  policy.subnets = {subnet};
  policy.groups = {make_group(plan)};
  policy.tools = plan.tools;
  // The clock of a bench stands almost still.
  policy.layer7.worker_budget = policy.layer7.interface_budget = 0xffff'ffff;
  for (std::uint32_t i = 0; i < plan.interfaces; ++i) {
    InterfaceInput interface;
    interface.index = EniIndex(i);
    interface.vpc = VpcIndex(0);
    interface.subnet = SubnetIndex(0);
    interface.mac = bench_mac(1, static_cast<std::uint16_t>(i));
    interface.addresses = {bench_address(Family::Ipv4, i), bench_address(Family::Ipv6, i)};
    interface.groups = {GroupIndex(0)};
    interface.logged = plan.is_logged;
    if (plan.is_judged_anew) interface.rejudge_before = generation;
    policy.interfaces.push_back(interface);
  }
  return policy;
}

NicInfo nic_of(NicRole role, std::uint8_t number) {
  NicInfo nic;
  nic.config.role = role;
  nic.mac = bench_mac(0xee, number);
  return nic;
}

}  // namespace

std::shared_ptr<const PolicySnapshot> make_bench_policy(const BenchPlan& plan,
                                                        Generation generation) {
  auto sealed = build_snapshot(make_input(plan, generation));
  CHECK(sealed.has_value());
  return *sealed;
}

std::vector<NicInfo> make_bench_nics(const BenchPlan& plan) {
  if (plan.way == BenchWay::Bump) {
    std::vector<NicInfo> nics = {nic_of(NicRole::Outside, 0), nic_of(NicRole::Inside, 1)};
    nics[0].config.peer = NicIndex(1);
    nics[1].config.peer = NicIndex(0);
    return nics;
  }
  NicInfo uplink = nic_of(NicRole::Uplink, 0);
  uplink.config.vpcs = {VpcIndex(0)};
  uplink.config.addresses = {{*IpAddr::parse("192.0.2.2"), 30},
                             {*IpAddr::parse("2001:db8:f::2"), 64}};
  uplink.config.gateways = {*IpAddr::parse("192.0.2.1"), *IpAddr::parse("2001:db8:f::1")};
  constexpr std::uint64_t kResolved = std::uint64_t{3} << 48 | 0x0299'0000'0001u;
  uplink.gateways->ipv4.store(kResolved);
  uplink.gateways->ipv6.store(kResolved);
  std::vector<NicInfo> nics;
  if (plan.way == BenchWay::Inbound) nics.push_back(uplink);
  for (std::uint32_t i = 0; i < kBenchInterfaces; ++i) {
    NicInfo nic = nic_of(NicRole::Interface, static_cast<std::uint8_t>(i + 1));
    nic.config.interface = EniIndex(i);
    nics.push_back(nic);
  }
  if (plan.way != BenchWay::Inbound) nics.push_back(uplink);
  return nics;
}

}  // namespace sluice
