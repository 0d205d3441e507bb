// Every kind of first packet through the whole pipeline (CT-22, CT-23, CT-26; product, section 11,
// "TCP first packets"): what is no legitimate beginning leaves nothing in the flow table, and is
// dropped for exactly one reason.

#include <set>
#include <string>
#include <tuple>

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

constexpr const char* kClients4 = "198.51.100.0/24";
constexpr const char* kClients6 = "2001:db8:7::/64";

enum class Rules {
  None,
  Tracked,    // one way, for known peers
  Untracked,  // for everybody, both ways (CT-4)
};

std::uint64_t all_drops(Scene& scene) { return scene.nic(0).dropped(); }

// Sends a packet that nothing holds, and says what became of it: None for one that passed. Every
// drop is counted exactly once, under the reason that is told.
DropReason fate_of(Scene& scene, const Bytes& frame) {
  const std::uint64_t drops_before = all_drops(scene);
  const Outcome outcome = scene.send(0, frame);
  EXPECT_TRUE(outcome.is_finished);
  EXPECT_EQ(outcome.passed(), outcome.reason == DropReason::None);
  EXPECT_EQ(outcome.sent.size(), outcome.passed() ? 1u : 0u);
  EXPECT_EQ(all_drops(scene) - drops_before, outcome.passed() ? 0u : 1u);
  return outcome.reason;
}

// -- TCP ------------------------------------------------------------------------------------------

struct TcpCase {
  Direction direction;
  Rules rules;
  TcpMode mode;
};

void add_rules(Scene& scene, int proto, const TcpCase& tcp) {
  const bool is_open = tcp.rules == Rules::Untracked;
  if (tcp.rules == Rules::None) return;
  for (const char* peer : {is_open ? "0.0.0.0/0" : kClients4, is_open ? "::/0" : kClients6}) {
    if (is_open || tcp.direction == Direction::Ingress) {
      scene.allow_in(0, proto, 0, 65'535, peer);
    }
    if (is_open || tcp.direction == Direction::Egress) scene.allow_out(0, proto, 0, 65'535, peer);
  }
}

// Product, section 11, in its own words. Flags: FIN 1, SYN 2, RST 4, ACK 16; NS is none of them.
DropReason by_the_book(unsigned flags, const TcpCase& tcp) {
  const bool fin = (flags & 1) != 0, syn = (flags & 2) != 0;
  const bool rst = (flags & 4) != 0, ack = (flags & 16) != 0;
  const bool is_impossible = (!syn && !ack && !rst) || (syn && (fin || rst));
  if (is_impossible) return DropReason::MalformedTcpFlags;
  const bool is_clean_syn = syn && !ack;
  const bool is_mid_stream = ack && !syn && !fin && !rst && tcp.mode == TcpMode::Loose;
  if (!is_clean_syn && !is_mid_stream) return DropReason::NotFirstPacket;
  return tcp.rules == Rules::None ? DropReason::NoRule : DropReason::None;
}

Bytes tcp_frame(unsigned flags, bool is_v6, Direction direction, std::uint16_t port) {
  const char* client = is_v6 ? kClient6 : kClient;
  const char* web = is_v6 ? kWeb6 : kWeb4;
  const bool is_ingress = direction == Direction::Ingress;
  Packet packet;
  packet.ip(is_ingress ? client : web, is_ingress ? web : client);
  packet.tcp(port, 443, static_cast<std::uint8_t>(flags)).payload(flags % 3 * 10);
  Bytes frame = packet.build();
  // The ninth flag, NS (later AE), lies beside the data offset.
  if (flags >= 256) frame[packet.transport_offset() + 12] |= 1;
  return frame;
}

class FirstTcpSegment : public testing::TestWithParam<std::tuple<Direction, Rules, TcpMode, bool>> {
};

TEST_P(FirstTcpSegment, of_all_512_flag_combinations_begins_what_the_book_says) {  // CT-23
  const auto [direction, rules, mode, is_v6] = GetParam();
  const TcpCase tcp{direction, rules, mode};
  Scene scene(Wiring::Replay);
  scene.policy.tracking.mode = mode;
  add_rules(scene, kTcp, tcp);
  scene.publish();
  std::set<std::uint16_t> admitted, remembered;
  for (unsigned flags = 0; flags < 512; ++flags) {
    const auto port = static_cast<std::uint16_t>(10'000 + flags);
    const DropReason expected = by_the_book(flags, tcp);
    const DropReason reason = fate_of(scene, tcp_frame(flags, is_v6, direction, port));
    EXPECT_EQ(name_of(reason), name_of(expected)) << "flags " << flags;
    if (reason == DropReason::None) admitted.insert(port);
  }
  for (const FlowView& flow : scene.flows()) {
    const bool is_ingress = direction == Direction::Ingress;
    remembered.insert(is_ingress ? flow.tuple.remote_port : flow.tuple.local_port);
    EXPECT_EQ(flow.initiator, direction);
    EXPECT_EQ(flow.tracked, rules == Rules::Tracked);
  }
  EXPECT_EQ(remembered, admitted);
  // Of 128 settings of the bits that decide nothing: clean SYN in 32, plain ACK in another 32.
  const std::size_t beginners = mode == TcpMode::Loose ? 64 : 32;
  EXPECT_EQ(admitted.size(), rules == Rules::None ? 0 : beginners);
}

INSTANTIATE_TEST_SUITE_P(
    All, FirstTcpSegment,
    testing::Combine(testing::Values(Direction::Ingress, Direction::Egress),
                     testing::Values(Rules::None, Rules::Tracked, Rules::Untracked),
                     testing::Values(TcpMode::Loose, TcpMode::Strict), testing::Bool()));

// What a refused first segment asked for nobody may bring: its answer has no flow to belong to.
TEST(FirstTcpSegments, that_are_refused_open_no_way_back) {
  Scene scene(Wiring::Replay);
  const TcpCase tcp{Direction::Ingress, Rules::Tracked, TcpMode::Loose};
  add_rules(scene, kTcp, tcp);
  scene.publish();
  for (unsigned flags = 0; flags < 512; ++flags) {
    const auto port = static_cast<std::uint16_t>(10'000 + flags);
    if (by_the_book(flags, tcp) == DropReason::None) continue;
    fate_of(scene, tcp_frame(flags, false, Direction::Ingress, port));
    const Packet plain = Packet().ip(kWeb4, kClient).tcp(443, port, kAck).numbers(1, 1'001);
    const Packet answer = Packet(plain).tcp(443, port, kSynAck).numbers(1, 1'001);
    EXPECT_EQ(fate_of(scene, plain.build()), DropReason::NoRule) << "flags " << flags;
    EXPECT_EQ(fate_of(scene, answer.build()), DropReason::NotFirstPacket) << "flags " << flags;
  }
  EXPECT_EQ(scene.flow_count(), 0u);
}

// -- ICMP -----------------------------------------------------------------------------------------

bool is_request(bool is_v6, unsigned type) {
  if (is_v6) return type == 128;
  return type == 8 || type == 13 || type == 15 || type == 17;
}

unsigned answer_to(unsigned type) { return type == 8 ? 0 : type + 1; }

bool is_discovery_type(bool is_v6, unsigned type) { return is_v6 && type >= 133 && type <= 137; }

Packet icmp_packet(bool is_v6, bool is_inbound, unsigned type, std::uint16_t identifier) {
  const char* client = is_v6 ? kClient6 : kClient;
  const char* web = is_v6 ? kWeb6 : kWeb4;
  return Packet()
      .ip(is_inbound ? client : web, is_inbound ? web : client)
      .icmp(static_cast<std::uint8_t>(type), 0, identifier)
      .payload(64);
}

class FirstIcmpMessage : public testing::TestWithParam<bool> {
 protected:
  bool is_v6_ = GetParam();
  const int proto_ = is_v6_ ? kIcmpv6 : kIcmp;
  const char* clients_ = is_v6_ ? kClients6 : kClients4;
  Scene scene_{Wiring::Replay};
};

TEST_P(FirstIcmpMessage, of_any_type_leaves_nothing_where_no_rule_names_it) {
  const unsigned echo = is_v6_ ? 128 : 8;
  scene_.allow_in(0, proto_, static_cast<int>(echo), -1, clients_);
  scene_.publish();
  for (unsigned type = 0; type < 256; ++type) {
    if (type == echo || is_discovery_type(is_v6_, type)) continue;
    EXPECT_EQ(fate_of(scene_, icmp_packet(is_v6_, true, type, 7).build()), DropReason::NoRule)
        << type;
  }
  EXPECT_EQ(scene_.flow_count(), 0u);
  EXPECT_EQ(fate_of(scene_, icmp_packet(is_v6_, true, echo, 7).build()), DropReason::None);
  EXPECT_EQ(scene_.flow_count(), 1u);
}

// Whatever a rule lets in, only the answer to a request finds its way out by it.
TEST_P(FirstIcmpMessage, lends_a_way_back_only_to_the_answer_to_a_request) {  // CT-26
  scene_.allow_in(0, proto_, -1, -1, clients_);
  scene_.publish();
  for (unsigned type = 0; type < 256; ++type) {
    if (is_discovery_type(is_v6_, type)) continue;
    const auto identifier = static_cast<std::uint16_t>(1'000 + type);
    EXPECT_EQ(fate_of(scene_, icmp_packet(is_v6_, true, type, identifier).build()),
              DropReason::None)
        << type;
    std::vector<Bytes> answers;
    std::vector<unsigned> types;
    for (unsigned back = 0; back < 256; ++back) {
      if (is_discovery_type(is_v6_, back)) continue;
      types.push_back(back);
      answers.push_back(icmp_packet(is_v6_, false, back, identifier).build());
    }
    const std::vector<Outcome> outcomes = scene_.send_together(0, answers);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      const bool is_asked = is_request(is_v6_, type) && types[i] == answer_to(type);
      EXPECT_EQ(outcomes[i].passed(), is_asked) << type << " answered by " << types[i];
      EXPECT_EQ(outcomes[i].reason, is_asked ? DropReason::None : DropReason::NoRule);
    }
  }
}

// SG-22: in the other family's packets it is an unknown protocol, which rules of ICMP do not name.
TEST_P(FirstIcmpMessage, in_a_packet_of_the_other_family_leaves_nothing) {
  scene_.allow_in(0, proto_, -1, -1, is_v6_ ? kClients4 : kClients6);
  scene_.allow_in(0, proto_, -1, -1, clients_);
  scene_.publish();
  const Bytes shape = icmp_packet(is_v6_, true, 8, 7).build();
  for (unsigned type = 0; type < 256; ++type) {
    Bytes body(shape.end() - 72, shape.end());
    body[0] = static_cast<std::uint8_t>(type);
    const Packet packet = Packet()
                              .ip(is_v6_ ? kClient : kClient6, is_v6_ ? kWeb4 : kWeb6)
                              .proto(static_cast<std::uint8_t>(proto_))
                              .payload(body);
    EXPECT_EQ(fate_of(scene_, packet.build()), DropReason::NoRule) << type;
  }
  EXPECT_EQ(scene_.flow_count(), 0u);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, FirstIcmpMessage, testing::Bool());

// They belong to the link: whoever they are sent to, no flow ever begins with one.
TEST(FirstNeighborMessages, leave_nothing) {
  for (const Wiring wiring : {Wiring::Replay, Wiring::Bump, Wiring::Routed}) {
    Scene scene(wiring);
    for (const char* peer : {kClients4, kClients6}) scene.allow_in(0, kAll, 0, 0, peer);
    scene.publish();
    const auto outside = static_cast<std::uint16_t>(wiring == Wiring::Routed ? 3 : 1);
    for (unsigned type = 133; type <= 137; ++type) {
      for (const std::uint8_t hop_limit : {64, 255}) {
        const Packet packet = icmp_packet(true, true, type, 0).ttl(hop_limit);
        scene.send(wiring == Wiring::Replay ? std::uint16_t{0} : outside, packet);
      }
    }
    EXPECT_EQ(scene.flow_count(), 0u);
  }
}

// -- fragments ------------------------------------------------------------------------------------

struct FragmentKind {
  const char* name;
  std::size_t offset;
  std::size_t size;
  bool more;
  DropReason expected;  // FragmentTimeout: held until then
};

// Of a datagram of 120 bytes behind the IP header.
constexpr FragmentKind kFragmentKinds[] = {
    {"whole", 0, 120, false, DropReason::None},
    {"first", 0, 80, true, DropReason::None},
    {"first_that_is_tiny", 0, 8, true, DropReason::FragmentTiny},
    {"first_of_odd_length", 0, 83, true, DropReason::FragmentMalformed},
    {"second_behind_the_ports", 8, 72, true, DropReason::FragmentTimeout},
    {"middle", 40, 40, true, DropReason::FragmentTimeout},
    {"middle_of_odd_length", 40, 43, true, DropReason::FragmentMalformed},
    {"middle_without_a_byte", 40, 0, true, DropReason::FragmentMalformed},
    {"last", 80, 40, false, DropReason::FragmentTimeout},
    {"last_without_a_byte", 80, 0, false, DropReason::FragmentMalformed},
};

struct Transport {
  const char* name;
  Packet packet;
  bool may_begin;
};

std::vector<Transport> transports(bool is_v6) {
  const auto base = Packet().ip(is_v6 ? kClient6 : kClient, is_v6 ? kWeb6 : kWeb4);
  return {
      {"syn", Packet(base).tcp(5'000, 443, kSyn).payload(100), true},
      {"ack", Packet(base).tcp(5'001, 443, kAck).payload(100), true},
      {"syn_ack", Packet(base).tcp(5'002, 443, kSynAck).payload(100), false},
      {"fin", Packet(base).tcp(5'003, 443, kFinAck).payload(100), false},
      {"rst", Packet(base).tcp(5'004, 443, kRst).payload(100), false},
      {"udp", Packet(base).udp(5'005, 53).payload(112), true},
      {"echo", Packet(base).icmp(is_v6 ? 128 : 8, 0, 5).payload(112), true},
      {"gre", Packet(base).proto(47).payload(120), true},
  };
}

// The reason that the kind has for this transport: UDP and ICMP are whole in eight bytes, other
// protocols in none.
DropReason reason_for(const FragmentKind& kind, const Transport& transport) {
  const std::string name = transport.name;
  const bool is_small = name == "udp" || name == "echo" || name == "gre";
  DropReason reason = kind.expected;
  if (reason == DropReason::FragmentTiny && is_small) reason = DropReason::None;
  if (reason == DropReason::None && !transport.may_begin) reason = DropReason::NotFirstPacket;
  return reason;
}

class FirstFragment : public testing::TestWithParam<std::tuple<FragmentKind, bool>> {};

TEST_P(FirstFragment, begins_a_flow_only_if_it_shows_a_first_packet) {  // CT-22
  const auto& [kind, is_v6] = GetParam();
  std::uint32_t id = 0;
  for (const Transport& transport : transports(is_v6)) {
    Scene scene(Wiring::Replay);
    for (const char* peer : {kClients4, kClients6}) scene.allow_in(0, kAll, 0, 0, peer);
    scene.publish();
    const Packet packet =
        Packet(transport.packet).id(++id).fragment(kind.offset, kind.size, kind.more);
    const DropReason expected = reason_for(kind, transport);
    const Outcome outcome = scene.send(packet);
    if (expected == DropReason::FragmentTimeout) {
      EXPECT_FALSE(outcome.is_finished) << transport.name;
      EXPECT_EQ(scene.flow_count(), 0u) << transport.name;
      scene.wait_s(61);
    }
    EXPECT_EQ(name_of(scene.outcome(1).reason), name_of(expected)) << transport.name;
    EXPECT_EQ(scene.flow_count(), expected == DropReason::None ? 1u : 0u) << transport.name;
    EXPECT_EQ(all_drops(scene), expected == DropReason::None ? 0u : 1u) << transport.name;
    EXPECT_EQ(scene.drops(expected), expected == DropReason::None ? 0u : 1u) << transport.name;
    EXPECT_EQ(scene.worker().counters().held, 0u) << transport.name;
  }
}

std::string fragment_case_name(const testing::TestParamInfo<FirstFragment::ParamType>& info) {
  return std::string(std::get<0>(info.param).name) + (std::get<1>(info.param) ? "_v6" : "_v4");
}

INSTANTIATE_TEST_SUITE_P(AllKinds, FirstFragment,
                         testing::Combine(testing::ValuesIn(kFragmentKinds), testing::Bool()),
                         fragment_case_name);

// Those behind a first fragment that is no first packet are refused with it, held ones too.
TEST(FirstFragments, that_begin_nothing_take_all_others_with_them) {
  for (const bool is_v6 : {false, true}) {
    for (const Transport& transport : transports(is_v6)) {
      Scene scene(Wiring::Replay);
      for (const char* peer : {kClients4, kClients6}) scene.allow_in(0, kAll, 0, 0, peer);
      scene.publish();
      const Packet whole = Packet(transport.packet).id(9);
      EXPECT_FALSE(scene.send(Packet(whole).fragment(80, 40, false)).is_finished);
      scene.send(Packet(whole).fragment(0, 40, true));
      scene.send(Packet(whole).fragment(40, 40, true));
      const DropReason others =
          transport.may_begin ? DropReason::None : DropReason::FragmentRefused;
      EXPECT_EQ(scene.outcome(1).reason, others) << transport.name;
      EXPECT_EQ(scene.outcome(2).reason,
                transport.may_begin ? DropReason::None : DropReason::NotFirstPacket)
          << transport.name;
      EXPECT_EQ(scene.outcome(3).reason, others) << transport.name;
      EXPECT_EQ(scene.flow_count(), transport.may_begin ? 1u : 0u) << transport.name;
    }
  }
}

// Every other length of a first fragment: no flow below the whole transport header.
TEST(FirstFragments, of_every_length_begin_a_flow_only_with_their_whole_header) {
  for (const bool is_v6 : {false, true}) {
    for (std::size_t size = 8; size <= 112; size += 8) {
      Scene scene(Wiring::Replay);
      for (const char* peer : {kClients4, kClients6}) scene.allow_in(0, kTcp, 0, 65'535, peer);
      scene.publish();
      Packet packet = Packet().ip(is_v6 ? kClient6 : kClient, is_v6 ? kWeb6 : kWeb4);
      packet.tcp(5'000, 443, kSyn).tcp_options(Bytes(20, 1)).payload(80);
      const Outcome outcome = scene.send(packet.fragment(0, size, true));
      const bool is_tiny = size < 40;
      EXPECT_EQ(outcome.reason, is_tiny ? DropReason::FragmentTiny : DropReason::None) << size;
      EXPECT_EQ(scene.flow_count(), is_tiny ? 0u : 1u) << size;
    }
  }
}

}  // namespace
}  // namespace sluice
