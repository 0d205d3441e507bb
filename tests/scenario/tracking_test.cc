// Which flows outlive their rules, and which do not: CT-5, CT-7, CT-30 and the vectors behind
// CT-10 that need a live connection and a change of policy.

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

constexpr const char* kSecondWeb4 = "10.0.1.11";

Packet to_ssh(std::uint8_t flags, std::uint16_t from = 40'000) {
  return Packet().ip(kClient, kWeb4).tcp(from, 22, flags);
}
Packet from_ssh(std::uint8_t flags, std::uint16_t to = 40'000) {
  return Packet().ip(kWeb4, kClient).tcp(22, to, flags);
}
const Packet kSyn1 = to_ssh(kSyn).numbers(100, 0);
const Packet kSynAck1 = from_ssh(kSynAck).numbers(500, 101);
const Packet kAck1 = to_ssh(kAck).numbers(101, 501);
const Packet kReply1 = from_ssh(kAck).numbers(501, 101);

void connect(Scene& scene) {
  EXPECT_TRUE(scene.send(kSyn1).passed());
  EXPECT_TRUE(scene.send(kSynAck1).passed());
  EXPECT_TRUE(scene.send(kAck1).passed());
}

bool is_tracked(Scene& scene) {
  EXPECT_EQ(scene.flow_count(), 1u);
  return scene.flows()[0].tracked;
}

// -- what a tracked flow outlives -----------------------------------------------------------------

TEST(TrackedFlow, outlives_its_rule_until_it_is_idle) {  // CT-7
  Scene scene(Wiring::Replay);
  const RuleIndex rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  connect(scene);
  scene.remove(rule);
  scene.publish();
  scene.wait_s(349);
  EXPECT_EQ(scene.send(kReply1).egress.by, By::Flow);
  scene.wait_s(349);
  EXPECT_EQ(scene.send(kAck1).ingress.by, By::Flow);
  scene.wait_s(351);
  EXPECT_EQ(scene.send(kAck1).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(kReply1).reason, DropReason::NoRule);
}

TEST(TrackedFlow, outlives_its_rule_until_it_is_closed) {  // CT-7
  Scene scene(Wiring::Replay);
  const RuleIndex rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  connect(scene);
  scene.remove(rule);
  scene.publish();
  EXPECT_TRUE(scene.send(to_ssh(kRst).numbers(101, 0)).passed());
  EXPECT_EQ(scene.send(kReply1).reason, DropReason::Closed);
  EXPECT_EQ(scene.send(kSyn1).reason, DropReason::NoRule);
}

TEST(TrackedFlow, of_udp_and_icmp_outlives_its_rule_too) {  // CT-7
  Scene scene(Wiring::Replay);
  const RuleIndex dns = scene.allow_in(0, kUdp, 53, 53, "198.51.100.7/32");
  const RuleIndex ping = scene.allow_in(0, kIcmp, 8, -1, "198.51.100.7/32");
  scene.publish();
  const Packet question = Packet().ip(kClient, kWeb4).udp(5'000, 53);
  const Packet request = Packet().ip(kClient, kWeb4).icmp(8, 0, 77);
  EXPECT_TRUE(scene.send(question).passed());
  EXPECT_TRUE(scene.send(request).passed());
  scene.remove(dns);
  scene.remove(ping);
  scene.publish();
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).udp(53, 5'000)).egress.by, By::Flow);
  EXPECT_EQ(scene.send(question).ingress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(0, 0, 77)).egress.by, By::Flow);
  EXPECT_EQ(scene.send(request).ingress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).udp(5'001, 53)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).icmp(8, 0, 78)).reason, DropReason::NoRule);
  scene.wait_s(31);
  EXPECT_EQ(scene.send(question).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(request).reason, DropReason::NoRule);
}

TEST(TrackedFlow, outlives_the_group_that_admitted_it) {  // CT-7
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  connect(scene);
  scene.interface(kWeb).groups.clear();
  scene.publish();
  EXPECT_EQ(scene.send(kAck1).ingress.by, By::Flow);
  EXPECT_EQ(scene.send(kReply1).egress.by, By::Flow);
  EXPECT_EQ(scene.send(to_ssh(kSyn, 40'001)).reason, DropReason::NoRule);
}

TEST(TrackedFlow, of_another_protocol_lives_for_ten_minutes) {  // CT-2, CT-14
  Scene scene(Wiring::Replay);
  scene.allow_in(0, 47, 0, 0, "198.51.100.7/32");
  scene.publish();
  const Packet reply = Packet().ip(kWeb4, kClient).proto(47).payload(40);
  EXPECT_TRUE(scene.send(Packet().ip(kClient, kWeb4).proto(47).payload(40)).passed());
  scene.wait_s(599);
  EXPECT_EQ(scene.send(reply).egress.by, By::Flow);
  scene.wait_s(601);
  EXPECT_EQ(scene.send(reply).reason, DropReason::NoRule);
}

// A host with two interfaces takes a connection in by the one and answers by the other.
TEST(TrackedFlow, is_known_at_its_own_interface_only) {  // CT-30
  SceneOptions options;
  options.wiring = Wiring::Routed;
  options.source_check = false;
  Scene scene(options);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  scene.turn();
  scene.learn_gateways();
  constexpr std::uint16_t kUplink = 3;
  const Packet syn = Packet(kSyn1).mac(kGatewayMac, "02:ee:00:00:00:03");
  const Packet ack = Packet(kAck1).mac(kGatewayMac, "02:ee:00:00:00:03");
  const Packet by_web = Packet(kReply1).mac(kWebMac, "02:ee:00:00:00:00");
  const Packet by_app = Packet(kReply1).mac(kAppMac, "02:ee:00:00:00:01");
  EXPECT_TRUE(scene.send(kUplink, syn).passed());
  EXPECT_TRUE(scene.send(0, Packet(kSynAck1).mac(kWebMac, "02:ee:00:00:00:00")).passed());
  EXPECT_TRUE(scene.send(kUplink, ack).passed());
  EXPECT_EQ(scene.send(1, by_app).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(0, by_web).egress.by, By::Flow);
  const RuleIndex rule = scene.allow_out(1, kTcp, 40'000, 40'000, "198.51.100.7/32");
  scene.publish();
  const Outcome answer = scene.send(1, by_app);
  EXPECT_EQ(answer.egress.by, By::Rule);
  EXPECT_EQ(answer.egress.eni, kApp);
  EXPECT_EQ(answer.egress.rule, rule);
}

// -- what an untracked flow does not --------------------------------------------------------------

TEST(UntrackedFlow, of_one_family_ends_with_its_own_rules_alone) {  // CT-5
  Scene scene(Wiring::Replay);
  for (const char* everyone : {"0.0.0.0/0", "::/0"}) scene.allow_in(0, kTcp, 22, 22, everyone);
  const RuleIndex out4 = scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.allow_out(0, kAll, 0, 0, "::/0");
  scene.publish();
  connect(scene);
  const Packet syn6 = Packet().ip(kClient6, kWeb6).tcp(40'000, 22, kSyn).numbers(100, 0);
  const Packet ack6 = Packet().ip(kClient6, kWeb6).tcp(40'000, 22, kAck).numbers(101, 501);
  const Packet reply6 = Packet().ip(kWeb6, kClient6).tcp(22, 40'000, kAck).numbers(501, 101);
  EXPECT_TRUE(scene.send(syn6).passed());
  scene.remove(out4);
  scene.publish();
  EXPECT_EQ(scene.send(kReply1).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(reply6).egress.by, By::Rule);
  EXPECT_EQ(scene.send(kAck1).ingress.by, By::Rule);
  EXPECT_EQ(scene.send(ack6).ingress.by, By::Rule);
  EXPECT_EQ(scene.send(kReply1).egress.by, By::Flow) << "IPv4 is tracked from here on";
  EXPECT_EQ(scene.send(reply6).egress.by, By::Rule) << "IPv6 is as it was";
}

TEST(UntrackedFlow, is_not_what_a_tracked_one_becomes_when_a_rule_is_added) {
  Scene scene(Wiring::Replay);
  const RuleIndex narrow = scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  connect(scene);
  const RuleIndex open = scene.allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
  scene.publish();
  EXPECT_EQ(scene.send(kAck1).ingress.by, By::Flow) << "CT-10, vector 10";
  EXPECT_TRUE(is_tracked(scene));
  EXPECT_TRUE(scene.send(to_ssh(kSyn, 40'001).numbers(100, 0)).passed());
  EXPECT_TRUE(scene.send(from_ssh(kSynAck, 40'001).numbers(500, 101)).passed());
  scene.remove(narrow);
  scene.remove(open);
  scene.publish();
  EXPECT_EQ(scene.send(kAck1).ingress.by, By::Flow) << "the first one lives on";
  EXPECT_EQ(scene.send(to_ssh(kAck, 40'001).numbers(101, 501)).reason, DropReason::NoRule)
      << "the second one was classed anew";
}

// An untracked connection whose replies may also leave by a rule of their own.
struct OwnReplyRule : Scene {
  explicit OwnReplyRule(TcpMode mode = TcpMode::Loose) : Scene(Wiring::Replay) {
    policy.tracking.mode = mode;
    in = allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
    all_out = allow_out(0, kAll, 0, 0, "0.0.0.0/0");
    replies_out = allow_out(0, kTcp, 1'024, 65'535, "198.51.100.0/24");
    publish();
    connect(*this);
    EXPECT_FALSE(is_tracked(*this));
  }
  RuleIndex in, all_out, replies_out;
};

TEST(UntrackedFlow, begins_an_entry_with_a_reply_that_a_rule_of_its_own_admits) {
  OwnReplyRule scene;
  scene.remove(scene.all_out);
  scene.publish();
  const Outcome reply = scene.send(kReply1);
  EXPECT_EQ(reply.egress.by, By::Rule) << "CT-10, vector 11, and CT-23";
  EXPECT_EQ(reply.egress.rule, scene.replies_out);
  EXPECT_TRUE(is_tracked(scene));
  scene.remove(scene.in);
  scene.remove(scene.replies_out);
  scene.publish();
  EXPECT_EQ(scene.send(kAck1).ingress.by, By::Flow);
  EXPECT_EQ(scene.send(kReply1).egress.by, By::Flow);
}

TEST(UntrackedFlow, begins_no_entry_by_its_replies_where_its_own_rule_is_gone) {
  OwnReplyRule scene;
  scene.remove(scene.in);
  scene.publish();
  EXPECT_EQ(scene.send(kReply1).egress.by, By::Rule);
  EXPECT_FALSE(is_tracked(scene));
  EXPECT_EQ(scene.send(kAck1).reason, DropReason::NoRule) << "CT-10, vector 1";
  scene.remove(scene.all_out);
  scene.publish();
  EXPECT_EQ(scene.send(kReply1).egress.by, By::Rule);
  EXPECT_FALSE(is_tracked(scene));
  EXPECT_EQ(scene.send(kAck1).reason, DropReason::NoRule);
}

TEST(UntrackedFlow, is_not_taken_up_in_its_middle_in_strict_mode) {  // CT-23
  OwnReplyRule scene(TcpMode::Strict);
  scene.remove(scene.all_out);
  scene.publish();
  EXPECT_EQ(scene.send(kReply1).egress.by, By::Rule);
  EXPECT_FALSE(is_tracked(scene));
  EXPECT_EQ(scene.send(kAck1).reason, DropReason::NotFirstPacket);
}

TEST(UntrackedFlow, of_udp_begins_an_entry_with_its_next_packet_of_either_side) {
  for (const bool is_answer_first : {false, true}) {
    Scene scene(Wiring::Replay);
    const RuleIndex in = scene.allow_in(0, kUdp, 53, 53, "0.0.0.0/0");
    const RuleIndex all_out = scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
    const RuleIndex answers_out = scene.allow_out(0, kUdp, 5'000, 5'000, "198.51.100.7/32");
    scene.publish();
    const Packet question = Packet().ip(kClient, kWeb4).udp(5'000, 53);
    const Packet answer = Packet().ip(kWeb4, kClient).udp(53, 5'000);
    EXPECT_TRUE(scene.send(question).passed());
    EXPECT_FALSE(is_tracked(scene));
    scene.remove(all_out);
    scene.publish();
    EXPECT_TRUE(scene.send(is_answer_first ? answer : question).passed()) << "CT-10, vector 11";
    EXPECT_TRUE(is_tracked(scene));
    scene.remove(in);
    scene.remove(answers_out);
    scene.publish();
    EXPECT_EQ(scene.send(question).ingress.by, By::Flow);
    EXPECT_EQ(scene.send(answer).egress.by, By::Flow);
  }
}

// -- members --------------------------------------------------------------------------------------

// Whoever holds group 1 may reach the database; app alone holds it.
struct MemberScene : Scene {
  MemberScene() : Scene(Wiring::Replay) {
    for (const std::uint32_t group : {0u, 1u}) allow_out(group, kAll, 0, 0, "10.0.0.0/16");
    allow_in_from(2, kTcp, 5432, 1);
    publish();
  }
  DropReason ask(const char* source) {
    return send(Packet().ip(source, kDb4).tcp(next_port_++, 5432, kSyn)).reason;
  }
  std::uint16_t next_port_ = 40'000;
};

TEST(Membership, comes_and_goes_with_the_group) {  // SG-27
  MemberScene scene;
  EXPECT_EQ(scene.ask(kApp4), DropReason::None);
  EXPECT_EQ(scene.ask(kWeb4), DropReason::NoRule);
  scene.interface(kWeb).groups.push_back(GroupIndex(1));
  scene.publish();
  EXPECT_EQ(scene.ask(kWeb4), DropReason::None);
  scene.interface(kWeb).groups = {GroupIndex(0)};
  scene.publish();
  EXPECT_EQ(scene.ask(kWeb4), DropReason::NoRule);
  EXPECT_EQ(scene.ask(kApp4), DropReason::None);
}

TEST(Membership, follows_the_addresses_of_an_interface) {  // SG-27, SG-28
  MemberScene scene;
  EXPECT_NE(scene.ask(kSecondWeb4), DropReason::None);
  scene.interface(kApp).addresses.push_back(*IpAddr::parse(kSecondWeb4));
  scene.publish();
  EXPECT_EQ(scene.ask(kSecondWeb4), DropReason::None);
  scene.interface(kApp).addresses.pop_back();
  scene.interface(kWeb).addresses.push_back(*IpAddr::parse(kSecondWeb4));
  scene.publish();
  EXPECT_EQ(scene.ask(kSecondWeb4), DropReason::NoRule) << "now it is another one's";
  EXPECT_EQ(scene.ask(kApp4), DropReason::None);
}

TEST(Membership, follows_the_prefixes_of_an_interface) {  // SG-27, SG-28
  MemberScene scene;
  constexpr const char* kInside = "10.0.1.35";
  const Cidr prefix = *Cidr::parse("10.0.1.32/28");
  scene.interface(kApp).prefixes = {prefix};
  scene.publish();
  EXPECT_EQ(scene.ask(kInside), DropReason::None);
  scene.interface(kApp).prefixes.clear();
  scene.interface(kWeb).prefixes = {prefix};
  scene.publish();
  EXPECT_EQ(scene.ask(kInside), DropReason::NoRule) << "now it is another one's";
}

}  // namespace
}  // namespace sluice
