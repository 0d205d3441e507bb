#include "dataplane/stage_locate.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/memory_io.h"
#include "dataplane/parse.h"
#include "lookup/snapshot_builder.h"
#include "tests/packets/packet.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

constexpr std::array kOwned = {"10.0.1.10", "10.0.1.20", "10.1.1.10"};  // by EniIndex
constexpr std::array kMacs = {"02:00:00:00:01:10", "02:00:00:00:01:20", "02:00:00:01:01:10"};
constexpr const char* kUplinkAddress = "192.0.2.2";

// Two VPCs that are peered, the first with two interfaces, the second with one.
std::shared_ptr<const PolicySnapshot> make_policy() {
  SnapshotInput policy;
  policy.generation = Generation(1);
  for (std::uint32_t i = 0; i < 2; ++i) {
    VpcInput vpc;
    vpc.index = VpcIndex(i);
    vpc.cidrs = {*Cidr::parse("10." + std::to_string(i) + ".0.0/16")};
    vpc.peers = {VpcIndex(1 - i)};
    policy.vpcs.push_back(vpc);
    SubnetInput subnet;
    subnet.index = SubnetIndex(i);
    subnet.vpc = VpcIndex(i);
    subnet.cidrs = {*Cidr::parse("10." + std::to_string(i) + ".1.0/24")};
    policy.subnets.push_back(subnet);
  }
  for (std::uint32_t i = 0; i < kOwned.size(); ++i) {
    InterfaceInput interface;
    interface.index = EniIndex(i);
    interface.vpc = VpcIndex(i / 2);
    interface.subnet = SubnetIndex(i / 2);
    interface.addresses = {*IpAddr::parse(kOwned[i])};
    interface.mac = *MacAddr::parse(kMacs[i]);
    interface.logged = i == 0;
    policy.interfaces.push_back(interface);
  }
  auto sealed = build_snapshot(policy);
  CHECK(sealed.has_value());
  return *sealed;
}

NicInfo nic_of(NicRole role, bool checks_source) {
  NicInfo nic;
  nic.config.role = role;
  nic.config.source_check = checks_source;
  nic.mac = *MacAddr::parse("02:ee:00:00:00:01");
  return nic;
}

// A bump in the wire, the ports of the first and the third interface, and an uplink of the first
// VPC, or of both.
std::vector<NicInfo> make_nics(std::mt19937_64& draw) {
  std::vector<NicInfo> nics;
  for (const NicRole role : {NicRole::Outside, NicRole::Inside, NicRole::Interface,
                             NicRole::Interface, NicRole::Uplink}) {
    nics.push_back(nic_of(role, draw() % 4 != 0));
    nics.back().config.forward_unknown = draw() % 2 == 0;
  }
  nics[0].config.peer = NicIndex(1);
  nics[1].config.peer = NicIndex(0);
  nics[2].config.interface = EniIndex(0);
  nics[3].config.interface = EniIndex(2);
  NicConfig& uplink = nics[4].config;
  uplink.vpcs = {VpcIndex(0)};
  if (draw() % 2 == 0) uplink.vpcs.push_back(VpcIndex(1));
  uplink.addresses = {{*IpAddr::parse(kUplinkAddress), 30}};
  uplink.gateways = {*IpAddr::parse("192.0.2.1")};
  if (draw() % 4 != 0) nics[4].gateways->ipv4.store(std::uint64_t{3} << 48 | 0x0299'0000'0001u);
  return nics;
}

template <std::size_t N>
const char* one_of(std::mt19937_64& draw, const std::array<const char*, N>& choices) {
  return choices[draw() % N];
}

std::string random_address(std::mt19937_64& draw) {
  constexpr std::array kOthers = {"10.0.1.99",       "10.0.1.255", "10.1.7.7",    "0.0.0.0",
                                  "127.0.0.1",       "224.0.0.5",  "240.0.0.1",   "255.255.255.255",
                                  "169.254.169.254", "0.1.2.3",    kUplinkAddress};
  switch (draw() % 4) {
    case 0:
      return one_of(draw, kOthers);
    case 1:
      return "198.51.100." + std::to_string(draw() % 256);
    default:
      return one_of(draw, kOwned);
  }
}

Bytes random_frame(std::mt19937_64& draw) {
  constexpr std::array kOtherMacs = {"02:ee:00:00:00:01", "01:00:5e:00:00:05", "ff:ff:ff:ff:ff:ff"};
  const auto mac = [&] { return draw() % 8 == 0 ? one_of(draw, kOtherMacs) : one_of(draw, kMacs); };
  Packet packet;
  const char* receiver = draw() % 4 == 0 ? mac() : "02:ee:00:00:00:01";  // that of every device
  packet.mac(mac(), receiver).ip(random_address(draw), random_address(draw));
  packet.ttl(static_cast<std::uint8_t>(draw() % 8 == 0 ? draw() % 3 : 64));
  const bool is_dhcp = draw() % 8 == 0;
  if (draw() % 2 == 0) {
    packet.udp(is_dhcp ? 68 : 5'000, is_dhcp ? 67 : 53);
  } else {
    packet.tcp(5'000, 443, kAck);
  }
  packet.payload(std::size_t{40});
  if (draw() % 16 == 0) packet.fragment(draw() % 2 * 24, 24, true);
  return packet.build();
}

// One worker's context and a burst in it, parsed.
struct World {
  World(const std::vector<NicInfo>& nics, const PolicySnapshot& policy, std::vector<Bytes>& frames,
        const std::vector<NicIndex>& in)
      : io(nics.size()) {
    WorkerConfig config;
    config.start_ns = kNanosPerSecond;
    config.nics = nics;
    context = std::make_unique<WorkerContext>(config, WorkerLinks(), io);
    context->policy = &policy;
    context->addresses.open(&policy);
    burst = std::make_unique<Burst>();
    burst->count = frames.size();
    for (std::size_t i = 0; i < frames.size(); ++i) {
      Frame& frame = burst->frames[i];
      frame.data = frames[i].data();
      frame.contiguous = frame.length = frame.capacity =
          static_cast<std::uint32_t>(frames[i].size());
      burst->packets[i].in = in[i];
      CHECK(parse_frame(frames[i], frame.length, burst->facts[i]) == DropReason::None);
      burst->bits |= burst->facts[i].bits;
    }
  }

  MemoryIo io;
  std::unique_ptr<WorkerContext> context;
  std::unique_ptr<Burst> burst;
};

void expect_same(const PacketState& one, const PacketState& other, const std::string& what) {
  EXPECT_EQ(one.fate, other.fate) << what;
  EXPECT_EQ(one.reason, other.reason) << what;
  EXPECT_EQ(one.undeliverable, other.undeliverable) << what;
  EXPECT_EQ(one.takes_ttl, other.takes_ttl) << what;
  EXPECT_EQ(one.is_rewritten, other.is_rewritten) << what;
  EXPECT_EQ(one.out, other.out) << what;
  EXPECT_EQ(one.destination_mac, other.destination_mac) << what;
  for (std::size_t at = 0; at < 2; ++at) {
    EXPECT_EQ(one.ends[at].present, other.ends[at].present) << what;
    EXPECT_EQ(one.ends[at].row, other.ends[at].row) << what;
    EXPECT_EQ(one.ends[at].eni, other.ends[at].eni) << what;
    EXPECT_EQ(one.ends[at].verdict, other.ends[at].verdict) << what;
    EXPECT_EQ(one.ends[at].reason, other.ends[at].reason) << what;
  }
}

TEST(StageLocate, says_the_same_by_the_short_way_and_the_long_one) {
  std::mt19937_64 draw(31);
  const auto policy = make_policy();
  std::array<std::size_t, 5> located{};  // by device: that have an end
  const std::size_t bursts = scaled_count(400);
  for (std::size_t round = 0; round < bursts && !HasFailure(); ++round) {
    const std::vector<NicInfo> nics = make_nics(draw);
    std::vector<Bytes> frames;
    std::vector<NicIndex> in;
    for (std::size_t i = 0; i < kBurstMax; ++i) {
      frames.push_back(random_frame(draw));
      in.push_back(NicIndex(static_cast<std::uint16_t>(draw() % nics.size())));
    }
    World shorter(nics, *policy, frames, in), longer(nics, *policy, frames, in);
    locate(*shorter.context, *shorter.burst);
    locate_the_long_way(*longer.context, *longer.burst);
    EXPECT_EQ(shorter.burst->has_ends, longer.burst->has_ends);
    for (std::size_t i = 0; i < kBurstMax; ++i) {
      const PacketFacts& facts = shorter.burst->facts[i];
      const std::string what = facts.source().to_string() + " to " +
                               facts.destination().to_string() + " by device " +
                               std::to_string(in[i].value());
      expect_same(shorter.burst->packets[i], longer.burst->packets[i], what);
      if (!shorter.burst->has_end(i)) continue;
      EXPECT_EQ(shorter.burst->hashes[i], longer.burst->hashes[i]) << what;
      ++located[in[i].value()];
    }
  }
  for (const std::size_t count : located) EXPECT_GT(count, bursts / 2);
}

}  // namespace
}  // namespace sluice
