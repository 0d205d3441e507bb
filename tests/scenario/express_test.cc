// The short way of packets in the middle of their conversations says the same as the whole way:
// two worlds that differ in nothing else get the same bursts of chance.

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>

#include "tests/reference/test_scale.h"
#include "tests/scenario/express_twins.h"
#include "tests/scenario/harness.h"

namespace sluice {
namespace {

using Draw = std::mt19937_64;

constexpr const char* kRouterMac[] = {"02:ee:00:00:00:00", "02:ee:00:00:00:01", "02:ee:00:00:00:02",
                                      "02:ee:00:00:00:03"};
constexpr std::uint16_t kUplinkNic = 3;

bool is_one_of(Draw& draw, unsigned many) { return draw() % many == 0; }

// One side of a conversation.
struct Side {
  std::string address;
  const char* mac;
  std::uint16_t port;
  std::uint32_t sequence;
};

struct Talk {
  bool is_tcp;
  bool is_open = false;
  std::array<Side, 2> sides;  // client, server
};

// Conversations of chance, and packets of theirs, most of them in their middle.
class Traffic {
 public:
  Traffic(Wiring wiring, Draw& draw) : wiring_(wiring), draw_(draw) {
    for (std::uint16_t i = 0; i < 24; ++i) talks_.push_back(make_talk(i));
  }

  std::uint16_t any_nic() {
    switch (wiring_) {
      case Wiring::Routed:
        return is_one_of(draw_, 2) ? kUplinkNic : static_cast<std::uint16_t>(draw_() % 2);
      case Wiring::Bump:
        return static_cast<std::uint16_t>(draw_() % 2);
      case Wiring::Replay:
        return 0;
    }
    return 0;
  }

  std::vector<Bytes> burst(std::uint16_t nic) {
    std::vector<Bytes> frames;
    const std::size_t count = 1 + draw_() % kBurstMax;
    constexpr std::array<unsigned, 4> kOdd = {1'000, 200, 50, 6};
    odd_ = kOdd[draw_() % kOdd.size()];
    while (frames.size() < count) {
      Talk& talk = talks_[draw_() % talks_.size()];
      const std::size_t from = draw_() % 2;
      if (!comes_by(talk.sides[from], nic) && !is_one_of(draw_, 8 * odd_)) continue;
      frames.push_back(frame(talk, from, nic));
    }
    return frames;
  }

  // Opens every conversation, so that bursts find most of them open.
  void open_all(Twins& twins) {
    for (Talk& talk : talks_) {
      const auto steps = talk.is_tcp ? std::vector<std::uint8_t>{kSyn, kSynAck, kAck}
                                     : std::vector<std::uint8_t>{0, 0, 0};
      for (std::size_t step = 0; step < steps.size(); ++step) {
        const std::size_t from = step % 2;
        Packet packet = plain(talk, from, nic_of(talk.sides[from]), steps[step]);
        if (steps[step] == kSyn) packet.numbers(talk.sides[0].sequence, 0);
        twins.send(nic_of(talk.sides[from]), {packet.build()});
        if (talk.is_tcp && steps[step] != kAck) ++talk.sides[from].sequence;
      }
    }
  }

 private:
  Talk make_talk(std::uint16_t i) {
    Talk talk;
    talk.is_tcp = i % 3 != 0;
    const bool is_v6 = i % 4 == 3, is_between = i % 8 == 6, is_from_web = i % 5 == 4;
    Side outside{is_v6 ? kClient6 : kClient, kGatewayMac, static_cast<std::uint16_t>(40'000 + i),
                 static_cast<std::uint32_t>(draw_())};
    Side web{is_v6 ? kWeb6 : kWeb4, kWebMac, 443, static_cast<std::uint32_t>(draw_())};
    if (is_between)
      outside = {kApp4, kAppMac, static_cast<std::uint16_t>(40'000 + i), outside.sequence};
    talk.sides = {outside, web};
    if (is_from_web) {
      std::swap(talk.sides[0], talk.sides[1]);
      std::swap(talk.sides[0].port, talk.sides[1].port);
    }
    return talk;
  }

  std::uint16_t nic_of(const Side& side) const {
    const bool is_outside = side.mac == kGatewayMac;
    switch (wiring_) {
      case Wiring::Routed:
        return is_outside ? kUplinkNic : side.mac == kWebMac ? 0 : 1;
      case Wiring::Bump:
        return is_outside ? 1 : 0;
      case Wiring::Replay:
        return 0;
    }
    return 0;
  }
  bool comes_by(const Side& side, std::uint16_t nic) const { return nic_of(side) == nic; }

  Packet plain(const Talk& talk, std::size_t from, std::uint16_t nic, std::uint8_t flags) const {
    const Side &own = talk.sides[from], &other = talk.sides[1 - from];
    Packet packet;
    packet.mac(own.mac, kRouterMac[nic]).ip(own.address, other.address);
    if (!talk.is_tcp) return packet.udp(own.port, other.port);
    return packet.tcp(own.port, other.port, flags)
        .numbers(own.sequence, other.sequence)
        .window(60'000);
  }

  Bytes frame(Talk& talk, std::size_t from, std::uint16_t nic) {
    Side& own = talk.sides[from];
    Packet packet = plain(talk, from, nic, kAck);
    const std::size_t size = draw_() % 4 == 0 ? draw_() % 1'600 : draw_() % 100;
    packet.payload(size);
    if (!is_one_of(draw_, odd_)) {
      own.sequence += talk.is_tcp ? static_cast<std::uint32_t>(size) : 0;
      return packet.build();
    }
    return odd(talk, from, nic, packet);
  }

  Packet& set_flags(Packet& packet, const Talk& talk, std::size_t from, std::uint8_t flags) {
    const Side &own = talk.sides[from], &other = talk.sides[1 - from];
    return packet.tcp(own.port, other.port, flags)
        .numbers(own.sequence, other.sequence)
        .window(60'000);
  }

  Bytes odd(const Talk& talk, std::size_t from, std::uint16_t nic, const Packet& packet) {
    switch (draw_() % 4) {
      case 0:
        return by_other_headers(talk, from, nic, packet);
      case 1:
        return of_others(talk, from, nic, packet);
      case 2:
        return spoiled(talk, packet);
      default:
        return talk.is_tcp ? out_of_order(talk, from, packet) : packet.build();
    }
  }

  Bytes by_other_headers(const Talk& talk, std::size_t from, std::uint16_t nic, Packet packet) {
    const bool is_v4 = is_ipv4(talk);
    switch (draw_() % 6) {
      case 0:
        return packet.ttl(static_cast<std::uint8_t>(draw_() % 3)).build();
      case 1:
        return packet.mac(is_one_of(draw_, 2) ? kDbMac : "01:00:5e:00:00:05", kRouterMac[nic])
            .build();
      case 2:
        return packet.mac(talk.sides[from].mac, is_one_of(draw_, 2) ? kDbMac : "ff:ff:ff:ff:ff:ff")
            .build();
      case 3:
        return packet.vlan(7).build();
      case 4:
        return is_v4 ? packet.options({1, 1, 1, 0}).build()
                     : packet.extension(60, Bytes(6)).build();
      default:
        return packet.payload(std::size_t{64})
            .fragment(is_one_of(draw_, 2) ? 0 : 32, 32, is_one_of(draw_, 2))
            .build();
    }
  }

  // ICMP, ARP, and addresses that nobody has.
  Bytes of_others(const Talk& talk, std::size_t from, std::uint16_t nic, Packet packet) {
    const Side &own = talk.sides[from], &other = talk.sides[1 - from];
    const bool is_v4 = is_ipv4(talk);
    constexpr std::array kOthers = {"10.0.1.99", "10.0.1.255",  "127.0.0.1",    "224.0.0.5",
                                    "192.0.2.2", "169.254.1.1", "198.51.100.9", "0.1.2.3"};
    Packet icmp;
    icmp.mac(own.mac, kRouterMac[nic]).ip(own.address, other.address);
    switch (draw_() % 4) {
      case 0:
        return icmp.icmp(is_v4 ? 8 : 128, 0, 7).build();
      case 1: {
        const Packet quoted = plain(talk, 1 - from, nic, kAck);
        return icmp.icmp(is_v4 ? 3 : 1, 3).quote(quoted).build();
      }
      case 2:
        return arp(1, own.mac, is_v4 ? own.address : kClient, "10.0.1.1");
      default: {
        if (!is_v4) return packet.ip(own.address, "fe80::1").build();
        const char* address = kOthers[draw_() % kOthers.size()];
        return is_one_of(draw_, 2) ? packet.ip(own.address, address).build()
                                   : packet.ip(address, other.address).build();
      }
    }
  }

  Bytes spoiled(const Talk& talk, const Packet& packet) {
    Bytes bytes = packet.build();
    const bool is_v4 = is_ipv4(talk);
    if (is_one_of(draw_, 3)) {
      bytes[draw_() % std::min<std::size_t>(bytes.size(), 66)] ^=
          static_cast<std::uint8_t>(1u << draw_() % 8);
    } else if (is_one_of(draw_, 2)) {
      bytes.resize(draw_() % bytes.size());
    } else {  // wrong lengths behind a right sum
      const std::size_t ip = is_v4 ? 16 : 18;
      const std::size_t at =
          is_one_of(draw_, 2) || talk.is_tcp ? ip : packet.transport_offset() + 4;
      set16(bytes, at, static_cast<std::uint16_t>(get16(bytes, at) + draw_() % 41 - 20));
      if (is_v4) mend_ipv4(bytes);
    }
    return bytes;
  }

  // Other flags, or other numbers.
  Bytes out_of_order(const Talk& talk, std::size_t from, Packet packet) {
    constexpr std::array<std::uint8_t, 8> kFlags = {
        kSyn, kSynAck, kFinAck, kRst, kRstAck, 0, kAck | kSyn | kRst, kAck | 8};
    const Side &own = talk.sides[from], &other = talk.sides[1 - from];
    if (is_one_of(draw_, 2)) {
      return set_flags(packet, talk, from, kFlags[draw_() % kFlags.size()]).build();
    }
    const auto far = static_cast<std::uint32_t>(draw_()) >> draw_() % 24;
    return packet.numbers(own.sequence + far, other.sequence - (is_one_of(draw_, 2) ? 0 : far))
        .window(static_cast<std::uint16_t>(draw_()))
        .build();
  }

  static bool is_ipv4(const Talk& talk) {
    return talk.sides[0].address.find(':') == std::string::npos;
  }

  Wiring wiring_;
  Draw& draw_;
  std::vector<Talk> talks_;
  unsigned odd_ = 1;  // one of so many packets of the burst
};

// Rules, flow log, network ACL, and what becomes of flows that are there.
void change_policy(Twins& twins, Draw& draw) {
  const auto drawn = draw() % 20;
  // Rules that refuse what they admitted close connections for long.
  const auto choice = is_one_of(draw, 4) ? drawn % 8 : (drawn % 5 + 5) % 8;
  const EniIndex eni(static_cast<std::uint32_t>(draw() % 2));
  const bool flips = is_one_of(draw, 2);
  twins.both([&](Scene& scene) {
    const Generation next = scene.policy.generation.next();
    InterfaceInput& interface = scene.interface(eni);
    switch (choice) {
      case 0:
        interface.rejudge_before = next;
        break;
      case 1:
        interface.flush_before = next;
        break;
      case 2:
        interface.logged = flips;
        interface.identified = !interface.identified;
        break;
      case 3: {  // refuses what its first rules allowed, and lets it come back later
        auto& rules = scene.policy.groups[eni.value()].rules;
        if (!rules.empty()) rules.erase(rules.begin());
        interface.rejudge_before = next;
        break;
      }
      case 4:
        scene.policy.groups[eni.value()].rules.clear();
        interface.rejudge_before = flips ? next : interface.rejudge_before;
        interface.flush_before = flips ? interface.flush_before : next;
        break;
      case 5:
        scene.policy.tracking.mode = flips ? TcpMode::Strict : TcpMode::Loose;
        break;
      case 6:
        if (scene.policy.acls.empty() && flips) {
          AclInput& acl = scene.add_acl(0);
          acl.ingress = acl.egress = {Scene::acl_entry(100, true, kAll, 0, 0, "0.0.0.0/0")};
        } else {
          scene.policy.subnets[0].acl = AclIndex::none();
        }
        break;
      default:
        scene.policy.groups[eni.value()].rules.clear();
        allow_all(scene);
        return;
    }
    scene.publish();
  });
}

void compare_worlds(SceneOptions options, std::uint64_t seed) {
  Draw draw(seed);
  Twins twins(options);
  twins.both([&](Scene& scene) {
    scene.policy.subnets[0].acl = AclIndex::none();
    scene.watch(3);
    allow_all(scene);
    // Without them what leaves goes nowhere.
    if (options.wiring == Wiring::Routed && seed % 3 != 0) scene.learn_gateways();
  });
  std::uint64_t express = 0, all = 0;
  const std::size_t rounds = scaled_count(6);
  for (std::size_t round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    Traffic traffic(options.wiring, draw);
    twins.both(allow_all);
    traffic.open_all(twins);
    for (std::size_t n = 0; n < 40 && !testing::Test::HasFailure(); ++n) {
      SCOPED_TRACE("burst " + std::to_string(n));
      const std::uint16_t nic = traffic.any_nic();
      const std::vector<Bytes> frames = traffic.burst(nic);
      all += frames.size();
      twins.send(nic, frames);
      if (is_one_of(draw, 6)) change_policy(twins, draw);
      const bool is_up = !is_one_of(draw, 12);
      twins.both([&](Scene& scene) { scene.link_up = is_up; });
      const double seconds = is_one_of(draw, 8) ? 1.5 : is_one_of(draw, 30) ? 70 : 0.01;
      twins.both([&](Scene& scene) { scene.jump_s(seconds); });
      twins.compare();
    }
    express = express_count(twins.express);
    twins.both([](Scene& scene) { scene.wait_s(130); });
    twins.compare();
  }
  EXPECT_GT(express, all / 16) << "of " << all << " packets";
}

TEST(Express, says_the_same_as_the_whole_way_where_sluice_routes) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare_worlds({.wiring = Wiring::Routed}, seed);
    compare_worlds({.wiring = Wiring::Routed, .observe = false, .source_check = false}, seed + 100);
  }
}

TEST(Express, says_the_same_as_the_whole_way_on_a_bump_in_the_wire) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare_worlds({.wiring = Wiring::Bump}, seed);
    compare_worlds({.wiring = Wiring::Bump, .observe = false, .source_check = false}, seed + 100);
    compare_worlds({.wiring = Wiring::Bump, .forward_unknown = true}, seed + 200);
  }
}

TEST(Express, says_the_same_as_the_whole_way_where_both_directions_come_by_one_device) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare_worlds({.wiring = Wiring::Replay}, seed);
  }
}

// Each thrice, so that there is a flow to find where the first one was judged.
TEST(Express, asks_what_routing_asks) {
  struct Sent {
    std::uint16_t nic;
    const char* source_mac;
    const char* destination_mac;
    const char* source;
    const char* destination;
    std::uint8_t ttl;
    std::size_t size;
  };
  const std::vector<Sent> all = {
      {0, kWebMac, kRouterMac[0], kWeb4, kClient, 64, 40},
      {0, kDbMac, kRouterMac[0], kWeb4, kClient, 64, 40},
      {0, kWebMac, kDbMac, kWeb4, kClient, 64, 40},
      {0, kWebMac, kRouterMac[0], kWeb4, kClient, 1, 40},
      {0, kWebMac, kRouterMac[0], kWeb4, kClient, 64, 1'600},
      {0, kWebMac, kRouterMac[0], kDb4, kClient, 64, 40},
      {0, kWebMac, kRouterMac[0], kWeb4, "10.0.1.99", 64, 40},
      {0, kWebMac, kRouterMac[0], kWeb4, "192.0.2.2", 64, 40},
      {0, kWebMac, kRouterMac[0], kWeb4, "169.254.1.1", 64, 40},
      {0, kWebMac, kRouterMac[0], kWeb6, kClient6, 64, 40},
      {0, kWebMac, kRouterMac[0], kWeb6, "2001:db8:f::2", 64, 40},
      {0, kWebMac, kRouterMac[0], kWeb6, "fe80::1", 64, 40},
      {kUplinkNic, kGatewayMac, kRouterMac[3], kClient, kWeb4, 64, 40},
      {kUplinkNic, kGatewayMac, kDbMac, kClient, kWeb4, 64, 40},
      {kUplinkNic, kGatewayMac, kRouterMac[3], kClient, kWeb4, 1, 40},
      {kUplinkNic, kGatewayMac, kRouterMac[3], kClient, kWeb4, 64, 1'600},
      {kUplinkNic, kGatewayMac, kRouterMac[3], "10.0.9.9", kWeb4, 64, 40},
      {kUplinkNic, kGatewayMac, kRouterMac[3], kClient, "192.0.2.2", 64, 40},
      {kUplinkNic, kGatewayMac, kRouterMac[3], kClient6, kWeb6, 64, 40},
  };
  for (const bool has_gateways : {true, false}) {
    Twins twins({.wiring = Wiring::Routed});
    twins.both(allow_all);
    if (has_gateways) twins.both([](Scene& scene) { scene.learn_gateways(); });
    for (std::size_t i = 0; i < 3 * all.size(); ++i) {
      SCOPED_TRACE("packet " + std::to_string(i / 3));
      const Sent& sent = all[i / 3];
      twins.send(sent.nic, {Packet()
                                .mac(sent.source_mac, sent.destination_mac)
                                .ip(sent.source, sent.destination)
                                .ttl(sent.ttl)
                                .udp(sent.nic == 0 ? 53 : 5'000, sent.nic == 0 ? 5'000 : 53)
                                .payload(sent.size)
                                .build()});
      twins.compare();
    }
    EXPECT_GE(express_count(twins.express), has_gateways ? 4u : 0u);
  }
}

TEST(Express, asks_whose_an_address_is_now) {
  Twins twins({.wiring = Wiring::Routed});
  twins.both(allow_all);
  twins.both([](Scene& scene) { scene.learn_gateways(); });
  const Packet packet = Packet().mac(kWebMac, kRouterMac[0]).ip(kWeb4, kClient).udp(53, 5'000);
  for (int i = 0; i < 3; ++i) twins.send(0, {packet.build()});
  EXPECT_EQ(express_count(twins.express), 2u);
  twins.both([](Scene& scene) {
    scene.interface(kWeb).addresses = {*IpAddr::parse("10.0.1.11")};
    scene.publish();
  });
  twins.send(0, {packet.build()});
  twins.compare();
  EXPECT_EQ(twins.express.drops(DropReason::SourceCheck), 1u);
}

TEST(Express, leaves_the_conversations_of_other_workers_alone) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare_worlds({.wiring = Wiring::Bump, .workers = 2}, seed);
    compare_worlds({.wiring = Wiring::Routed, .workers = 2, .observe = false}, seed);
  }
}

}  // namespace
}  // namespace sluice
