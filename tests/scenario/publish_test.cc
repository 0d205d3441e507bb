// A thousand policies while two workers run on threads of their own: a connection that every one
// of them allows never loses a packet, and what a policy forbids is forbidden when publish is over.

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "dataplane/memory_io.h"
#include "dataplane/worker.h"
#include "lookup/snapshot_builder.h"
#include "tests/packets/packet.h"

namespace sluice {
namespace {

std::shared_ptr<const PolicySnapshot> policy_of(std::uint32_t generation, bool allows_80) {
  SnapshotInput input;
  input.generation = Generation(generation);
  VpcInput vpc;
  vpc.index = VpcIndex(0);
  vpc.cidrs = {*Cidr::parse("10.0.0.0/16")};
  input.vpcs = {vpc};
  SubnetInput subnet;
  subnet.index = SubnetIndex(0);
  subnet.vpc = VpcIndex(0);
  subnet.cidrs = vpc.cidrs;
  input.subnets = {subnet};
  GroupInput group;
  group.index = GroupIndex(0);
  group.vpc = VpcIndex(0);
  for (int port : {443, 80}) {
    if (port == 80 && !allows_80) continue;
    RuleInput rule;
    rule.index = RuleIndex(static_cast<std::uint32_t>(port));
    char id[32];
    std::snprintf(id, sizeof id, "sgr-%017u", port);
    rule.id = id;
    rule.proto.number = 17;
    rule.ports = {port, port};
    rule.peer = *Cidr::parse("198.51.100.0/24");
    group.rules.push_back(rule);
  }
  input.groups = {group};
  InterfaceInput interface;
  interface.index = EniIndex(0);
  interface.vpc = VpcIndex(0);
  interface.subnet = SubnetIndex(0);
  interface.addresses = {*IpAddr::parse("10.0.1.10")};
  interface.groups = {GroupIndex(0)};
  input.interfaces = {interface};
  auto sealed = build_snapshot(input);
  CHECK(sealed.has_value());
  return *sealed;
}

// A worker on a thread: sends one packet a turn on the connection, and one to port 80 of a new one.
struct Runner {
  Runner(unsigned number, EpochDomain& domain, const Published<PolicySnapshot>& policy)
      : index(number), epoch(domain), io(1) {
    WorkerConfig config;
    config.index = WorkerIndex(0);
    config.start_ns = kNanosPerSecond;
    config.nics = {replay_nic()};
    WorkerLinks links;
    links.policy = &policy;
    worker = std::make_unique<Worker>(config, links, io);
  }
  void run() {
    epoch.enter(index);
    const Bytes live = Packet().ip("198.51.100.7", "10.0.1.10").udp(5'000, 443).build();
    UnixNanos now = kNanosPerSecond;
    std::uint16_t port = 0;
    while (!is_over.load(std::memory_order_acquire)) {
      // The promise of publish(), read before the policy is.
      const bool was_forbidden = forbids_80.load(std::memory_order_acquire);
      io.push(NicIndex(0), live, 1);
      io.push(NicIndex(0), Packet().ip("198.51.100.7", "10.0.1.10").udp(++port, 80).build(), 2);
      worker->turn(now += kNanosPerMilli);
      epoch.quiescent(index);
      const bool is_forbidden = forbids_80.load(std::memory_order_acquire);
      bool has_live = false, has_80 = false;
      for (const auto& sent : io.take_sent()) {
        has_live = has_live || sent.tag == 1;
        has_80 = has_80 || sent.tag == 2;
      }
      if (!has_live) ++lost;
      if (has_80 && was_forbidden && is_forbidden) ++leaked;
      ++turns;
    }
    epoch.leave(index);
  }
  const unsigned index;
  EpochDomain& epoch;
  MemoryIo io;
  std::unique_ptr<Worker> worker;
  std::atomic<bool> is_over{false};
  std::atomic<bool> forbids_80{false};
  std::uint64_t turns = 0, lost = 0, leaked = 0;
};

TEST(Publish, a_thousand_times_under_traffic_loses_no_packet_and_leaks_none) {  // SG-9
  EpochDomain epoch(2);
  Published<PolicySnapshot> pointer;
  auto current = policy_of(1, true);
  pointer.swap(current.get());
  Runner one(0, epoch, pointer), two(1, epoch, pointer);
  std::thread first(&Runner::run, &one), second(&Runner::run, &two);
  for (std::uint32_t generation = 2; generation < 1'002; ++generation) {
    const bool allows_80 = generation % 2 == 0;
    auto next = policy_of(generation, allows_80);
    if (allows_80) {
      for (Runner* runner : {&one, &two}) runner->forbids_80.store(false);
    }
    pointer.swap(next.get());
    ASSERT_TRUE(epoch.wait(epoch.start(), std::chrono::milliseconds(20'000)));
    if (!allows_80) {
      for (Runner* runner : {&one, &two}) runner->forbids_80.store(true);
    }
    current = std::move(next);  // frees the former one, which nobody looks at any more
  }
  for (Runner* runner : {&one, &two}) runner->is_over.store(true, std::memory_order_release);
  first.join();
  second.join();
  for (const Runner* runner : {&one, &two}) {
    EXPECT_GT(runner->turns, 0u);
    EXPECT_EQ(runner->lost, 0u);
    EXPECT_EQ(runner->leaked, 0u);
  }
}

}  // namespace
}  // namespace sluice
