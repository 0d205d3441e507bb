// Two ends, network ACLs, and what a new policy does to connections that live.

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

const Packet kSshSyn = Packet().ip(kClient, kWeb4).tcp(40'000, 22, kSyn).numbers(100, 0);
const Packet kSshSynAck = Packet().ip(kWeb4, kClient).tcp(22, 40'000, kSynAck).numbers(500, 101);
const Packet kSshAck = Packet().ip(kClient, kWeb4).tcp(40'000, 22, kAck).numbers(101, 501);
const Packet kSshReply = Packet().ip(kWeb4, kClient).tcp(22, 40'000, kAck).numbers(501, 101);
const Packet kSecondSyn = Packet().ip(kClient, kWeb4).tcp(40'001, 22, kSyn).numbers(100, 0);

void connect(Scene& scene) {
  EXPECT_TRUE(scene.send(kSshSyn).passed());
  EXPECT_TRUE(scene.send(kSshSynAck).passed());
  EXPECT_TRUE(scene.send(kSshAck).passed());
}

TEST(TwoEnds, are_both_judged_in_order) {  // SG-2, NA-19
  Scene scene(Wiring::Replay);
  const RuleIndex out = scene.allow_out_to(0, kTcp, 5432, 2);
  const RuleIndex in = scene.allow_in_from(2, kTcp, 5432, 0);
  scene.publish();
  const Outcome syn = scene.send(Packet().ip(kWeb4, kDb4).tcp(40'000, 5432, kSyn));
  EXPECT_TRUE(syn.passed());
  EXPECT_EQ(syn.egress.eni, kWeb);
  EXPECT_EQ(syn.egress.rule, out);
  EXPECT_EQ(syn.ingress.eni, kDb);
  EXPECT_EQ(syn.ingress.rule, in);
  EXPECT_EQ(scene.flow_count(), 2u) << "each end is tracked by itself";
  const Outcome reply = scene.send(Packet().ip(kDb4, kWeb4).tcp(5432, 40'000, kSynAck));
  EXPECT_EQ(reply.egress.by, By::Flow);
  EXPECT_EQ(reply.egress.eni, kDb);
  EXPECT_EQ(reply.ingress.by, By::Flow);
  EXPECT_EQ(reply.ingress.eni, kWeb);
}

TEST(TwoEnds, refuse_at_the_first_without_asking_the_second) {
  Scene scene(Wiring::Replay);
  scene.allow_in_from(2, kTcp, 5432, 0);
  scene.publish();
  const Outcome syn = scene.send(Packet().ip(kWeb4, kDb4).tcp(40'000, 5432, kSyn));
  EXPECT_EQ(syn.reason, DropReason::NoRule);
  EXPECT_EQ(syn.egress.verdict, Verdict::Drop);
  EXPECT_EQ(syn.ingress.verdict, Verdict::None);
  EXPECT_EQ(scene.flow_count(), 0u);
}

TEST(TwoEnds, refuse_at_the_second_what_the_first_allowed) {
  Scene scene(Wiring::Replay);
  scene.allow_out_to(0, kTcp, 5432, 2);
  scene.publish();
  const Outcome syn = scene.send(Packet().ip(kWeb4, kDb4).tcp(40'000, 5432, kSyn));
  EXPECT_EQ(syn.reason, DropReason::NoRule);
  EXPECT_EQ(syn.egress.verdict, Verdict::Accept);
  EXPECT_EQ(syn.ingress.verdict, Verdict::Drop);
  EXPECT_EQ(scene.counters(kWeb).accepted_packets[1], 1u);
  EXPECT_EQ(scene.counters(kDb).dropped_packets[0], 1u);
}

TEST(TwoEnds, follow_the_membership_of_groups) {
  Scene scene(Wiring::Replay);
  scene.allow_out(1, kAll, 0, 0, "0.0.0.0/0");
  scene.allow_in_from(2, kTcp, 5432, 0);
  scene.publish();
  const Packet from_app = Packet().ip(kApp4, kDb4).tcp(40'000, 5432, kSyn);
  EXPECT_EQ(scene.send(from_app).reason, DropReason::NoRule);
  scene.interface(kApp).groups.push_back(GroupIndex(0));
  scene.publish();
  EXPECT_TRUE(scene.send(from_app).passed()) << "SG-27";
}

TEST(NetworkAcl, is_asked_at_the_edge_of_the_subnet_only) {  // NA-8
  Scene scene(Wiring::Replay);
  for (std::uint32_t group : {0u, 1u, 2u}) {
    scene.allow_out(group, kAll, 0, 0, "10.0.0.0/16");
    scene.allow_in(group, kAll, 0, 0, "10.0.0.0/16");
  }
  scene.add_acl(0);  // denies everything
  scene.publish();
  EXPECT_TRUE(scene.send(Packet().ip(kWeb4, kApp4).tcp(1'000, 80, kSyn)).passed()) << "NA-5";
  const Outcome out = scene.send(Packet().ip(kWeb4, kDb4).tcp(1'000, 80, kSyn));
  EXPECT_EQ(out.reason, DropReason::AclDeny);
  EXPECT_EQ(out.egress.by, By::Acl);
  const Outcome in = scene.send(Packet().ip(kDb4, kWeb4).tcp(1'000, 80, kSyn));
  EXPECT_EQ(in.reason, DropReason::AclDeny);
  EXPECT_EQ(in.egress.verdict, Verdict::Accept);
  EXPECT_EQ(in.ingress.by, By::Acl);
}

TEST(NetworkAcl, breaks_a_tracked_connection_at_once) {  // NA-13
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.0/24");
  AclInput& acl = scene.add_acl(0);
  acl.ingress.push_back(Scene::acl_entry(100, true, kAll, 0, 0, "0.0.0.0/0"));
  acl.egress.push_back(Scene::acl_entry(100, true, kAll, 0, 0, "0.0.0.0/0"));
  scene.publish();
  connect(scene);
  scene.policy.acls[0].egress.insert(scene.policy.acls[0].egress.begin(),
                                     Scene::acl_entry(50, false, kTcp, 0, 65'535, "0.0.0.0/0"));
  scene.publish();
  EXPECT_TRUE(scene.send(kSshAck).passed());
  const Outcome reply = scene.send(kSshReply);
  EXPECT_EQ(reply.reason, DropReason::AclDeny) << "CT-31";
  EXPECT_EQ(reply.egress.by, By::Acl);
}

TEST(NetworkAcl, needs_an_entry_for_replies) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.0/24");
  AclInput& acl = scene.add_acl(0);
  acl.ingress.push_back(Scene::acl_entry(100, true, kTcp, 22, 22, "0.0.0.0/0"));
  acl.egress.push_back(Scene::acl_entry(100, true, kTcp, 22, 22, "0.0.0.0/0"));
  scene.publish();
  EXPECT_TRUE(scene.send(kSshSyn).passed());
  EXPECT_EQ(scene.send(kSshSynAck).reason, DropReason::AclDeny) << "NA-17";
}

TEST(PolicyChange, lets_a_tracked_connection_live_on_and_refuses_new_ones) {  // CT-7
  Scene scene(Wiring::Replay);
  const RuleIndex rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  connect(scene);
  scene.remove(rule);
  scene.publish();
  EXPECT_EQ(scene.send(kSshAck).ingress.by, By::Flow) << "CT-10, vector 2";
  EXPECT_EQ(scene.send(kSshReply).egress.by, By::Flow);
  EXPECT_EQ(scene.send(kSecondSyn).reason, DropReason::NoRule);
}

TEST(PolicyChange, of_all_other_rules_does_not_matter_to_a_tracked_connection) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  const RuleIndex out = scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  connect(scene);
  scene.remove(out);
  scene.publish();
  EXPECT_TRUE(scene.send(kSshAck).passed()) << "CT-10, vector 3";
  EXPECT_TRUE(scene.send(kSshReply).passed());
}

TEST(PolicyChange, opens_a_port_at_once) {  // SG-9
  Scene scene(Wiring::Replay);
  EXPECT_EQ(scene.send(kSshSyn).reason, DropReason::NoRule);
  scene.allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
  scene.publish();
  EXPECT_TRUE(scene.send(kSshSyn).passed());
}

TEST(PolicyChange, judges_again_where_asked_to_whichever_side_speaks_first) {
  for (const Packet& next : {kSshAck, kSshReply}) {
    Scene scene(Wiring::Replay);
    const RuleIndex rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
    scene.publish();
    connect(scene);
    scene.remove(rule);
    scene.interface(kWeb).rejudge_before = scene.policy.generation.next();
    scene.publish();
    EXPECT_EQ(scene.send(next).reason, DropReason::NoRule);
    EXPECT_EQ(scene.send(kSshAck).reason, DropReason::Closed);
    EXPECT_EQ(scene.send(kSshReply).reason, DropReason::Closed);
    ASSERT_EQ(scene.flow_count(), 1u);
    EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Closed);
  }
}

// A live connection to ssh whose rule is about to go, while everything may leave the interface: the
// next segment of the server could be picked up as a connection of its own.
struct CutScene : Scene {
  explicit CutScene(const char* source) : Scene(Wiring::Replay) {
    rule = allow_in(0, kTcp, 22, 22, source);
    allow_out(0, kAll, 0, 0, "0.0.0.0/0");
    publish();
    connect(*this);
  }
  void cut(Generation InterfaceInput::*how) {
    remove(rule);
    interface(kWeb).*how = policy.generation.next();
    publish();
  }
  RuleIndex rule;
};

TEST(PolicyChange, cuts_a_connection_for_both_sides_though_one_may_begin_its_own) {
  for (const auto how : {&InterfaceInput::rejudge_before, &InterfaceInput::flush_before}) {
    for (const bool server_first : {false, true}) {
      CutScene scene("198.51.100.7/32");
      scene.cut(how);
      EXPECT_EQ(scene.send(server_first ? kSshReply : kSshAck).verdict, Verdict::Drop);
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(scene.send(kSshReply).reason, DropReason::Closed);
        EXPECT_EQ(scene.send(kSshAck).reason, DropReason::Closed);
      }
      EXPECT_EQ(scene.send(kSshSyn).reason, DropReason::NoRule);
    }
  }
}

TEST(PolicyChange, flushes_an_untracked_connection_for_both_sides) {
  CutScene scene("0.0.0.0/0");
  ASSERT_FALSE(scene.flows()[0].tracked);
  scene.cut(&InterfaceInput::flush_before);
  EXPECT_EQ(scene.send(kSshReply).reason, DropReason::Closed);
  EXPECT_EQ(scene.send(kSshAck).reason, DropReason::Closed) << "vector 1, whatever is flushed";
}

TEST(PolicyChange, keeps_a_connection_cut_while_its_sides_send_again_and_again) {
  CutScene scene("198.51.100.7/32");
  scene.cut(&InterfaceInput::rejudge_before);
  scene.send(kSshAck);
  for (int i = 0; i < 10; ++i) {
    scene.wait_s(120);  // as far apart as a sender's last attempts
    ASSERT_EQ(scene.send(kSshReply).reason, DropReason::Closed) << i;
  }
  scene.wait_s(352);
  EXPECT_EQ(scene.flow_count(), 0u);
}

// A flow that no packet comes for: its timer finds what the change made of it.
TEST(PolicyChange, judges_an_idle_connection_again_when_its_timer_comes) {
  for (const auto how : {&InterfaceInput::rejudge_before, &InterfaceInput::flush_before}) {
    CutScene scene("198.51.100.7/32");
    scene.cut(how);
    EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Established) << "before its timer";
    scene.wait_s(180);  // longer than a handshake may take, far from the timeout of a connection
    ASSERT_EQ(scene.flow_count(), 1u);
    EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Closed);
    EXPECT_EQ(scene.send(kSshReply).reason, DropReason::Closed);
    scene.wait_s(352);
    EXPECT_EQ(scene.flow_count(), 0u);
  }
}

TEST(PolicyChange, leaves_an_idle_connection_that_is_still_allowed) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  connect(scene);
  scene.interface(kWeb).rejudge_before = scene.policy.generation.next();
  scene.publish();
  scene.wait_s(180);
  ASSERT_EQ(scene.flow_count(), 1u);
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Established);
  EXPECT_EQ(scene.flows()[0].generation, scene.policy.generation);
}

TEST(PolicyChange, ends_an_idle_exchange_of_datagrams_when_its_timer_comes) {
  Scene scene(Wiring::Replay);
  const RuleIndex rule = scene.allow_in(0, kUdp, 53, 53, "198.51.100.7/32");
  scene.publish();
  const Packet query = Packet().ip(kClient, kWeb4).udp(40'000, 53);
  const Packet answer = Packet().ip(kWeb4, kClient).udp(53, 40'000);
  for (int i = 0; i < 3; ++i) {  // a stream, which lives for 180 s
    EXPECT_TRUE(scene.send(query).passed());
    EXPECT_TRUE(scene.send(answer).passed());
  }
  scene.remove(rule);
  scene.interface(kWeb).rejudge_before = scene.policy.generation.next();
  scene.publish();
  scene.wait_s(60);
  EXPECT_EQ(scene.flow_count(), 0u);
}

TEST(PolicyChange, takes_a_connection_up_again_when_its_rule_is_back) {
  CutScene scene("198.51.100.7/32");
  scene.cut(&InterfaceInput::rejudge_before);
  scene.send(kSshAck);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.7/32");
  scene.publish();
  EXPECT_EQ(scene.send(kSshReply).reason, DropReason::Closed) << "another rule";
  const RuleIndex again = scene.allow_in(0, kTcp, 22, 22, "198.51.100.0/24");
  scene.publish();
  const Outcome outcome = scene.send(kSshAck);
  EXPECT_TRUE(outcome.passed());
  EXPECT_EQ(outcome.ingress.rule, again);
  EXPECT_EQ(scene.send(kSshReply).egress.by, By::Flow);
}

TEST(PolicyChange, keeps_what_is_judged_again_and_still_allowed) {
  Scene scene(Wiring::Replay);
  const RuleIndex old_rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  connect(scene);
  scene.remove(old_rule);
  const RuleIndex new_rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.0/24");
  scene.interface(kWeb).rejudge_before = scene.policy.generation.next();
  scene.publish();
  EXPECT_TRUE(scene.send(kSshReply).passed());
  ASSERT_EQ(scene.flow_count(), 1u);
  EXPECT_EQ(scene.flows()[0].rule, new_rule);
  EXPECT_EQ(scene.flows()[0].generation, scene.policy.generation);
}

TEST(PolicyChange, flushes_where_asked_to) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  connect(scene);
  scene.interface(kWeb).flush_before = scene.policy.generation.next();
  scene.publish();
  EXPECT_EQ(scene.send(kSshReply).reason, DropReason::NoRule) << "its connection is forgotten";
  EXPECT_EQ(scene.send(kSshAck).ingress.by, By::Rule) << "and picked up anew";
}

TEST(PolicyChange, drops_everything_while_there_is_no_policy) {
  SceneOptions options;
  options.publish = false;
  Scene scene(options);
  EXPECT_EQ(scene.send(kSshSyn).reason, DropReason::NoPolicy);
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, kWeb4, kApp4)).reason, DropReason::NoPolicy);
  EXPECT_EQ(scene.send(0, Packet().ether_type(0x88cc).payload(40)).reason, DropReason::NoPolicy);
}

TEST(PolicyChange, a_thousand_times_leaves_a_connection_alone) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.publish();
  connect(scene);
  for (int i = 0; i < 1'000; ++i) {
    const RuleIndex rule = scene.allow_in(0, kTcp, 80, 80, "0.0.0.0/0");
    scene.publish();
    ASSERT_TRUE(scene.send(kSshAck).passed()) << i;
    ASSERT_TRUE(scene.send(kSshReply).passed()) << i;
    scene.remove(rule);
  }
  EXPECT_EQ(scene.worker().counters().generation, scene.policy.generation);
}

// CT-4 to CT-6: flows that no entry of the tracker remembers.
struct UntrackedScene : Scene {
  UntrackedScene() : Scene(Wiring::Replay) {
    in = allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
    out = allow_out(0, kAll, 0, 0, "0.0.0.0/0");
    publish();
    connect(*this);
  }
  RuleIndex in;
  RuleIndex out;
};

TEST(Untracked, passes_both_ways_by_rules) {  // CT-4
  UntrackedScene scene;
  EXPECT_EQ(scene.send(kSshAck).ingress.by, By::Rule);
  EXPECT_EQ(scene.send(kSshAck).ingress.rule, scene.in);
  EXPECT_EQ(scene.send(kSshReply).egress.by, By::Rule);
  EXPECT_EQ(scene.send(kSshReply).egress.rule, scene.out);
  ASSERT_EQ(scene.flow_count(), 1u);
  EXPECT_FALSE(scene.flows()[0].tracked);
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Accounted);
}

TEST(Untracked, is_remembered_for_a_minute_after_its_end) {
  UntrackedScene scene;
  scene.wait_s(100);
  EXPECT_EQ(scene.flow_count(), 1u);
  EXPECT_TRUE(scene.send(Packet(kSshAck).tcp(40'000, 22, kFinAck)).passed());
  scene.wait_s(59);
  EXPECT_EQ(scene.flow_count(), 1u);
  scene.wait_s(3);
  EXPECT_EQ(scene.flow_count(), 0u);
}

TEST(Untracked, dies_with_the_rule_that_admitted_it) {  // CT-6
  UntrackedScene scene;
  scene.remove(scene.in);
  scene.publish();
  EXPECT_EQ(scene.send(kSshAck).reason, DropReason::NoRule) << "CT-10, vector 1";
}

TEST(Untracked, loses_its_replies_with_the_rule_that_let_them_out) {
  UntrackedScene scene;
  scene.remove(scene.out);
  scene.publish();
  EXPECT_EQ(scene.send(kSshReply).reason, DropReason::NoRule) << "CT-6";
  EXPECT_EQ(scene.send(kSshAck).ingress.by, By::Rule) << "CT-10, vector 11: an entry begins";
  ASSERT_EQ(scene.flow_count(), 1u);
  EXPECT_TRUE(scene.flows()[0].tracked);
  EXPECT_EQ(scene.send(kSshReply).egress.by, By::Flow);
}

TEST(Untracked, is_judged_in_each_direction_without_an_observer_too) {  // CT-6
  SceneOptions options;
  options.observe = false;
  Scene scene(options);
  scene.allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
  const RuleIndex out = scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  EXPECT_EQ(scene.send(kSshSyn).sent.size(), 1u);
  EXPECT_EQ(scene.send(kSshSynAck).sent.size(), 1u);
  EXPECT_EQ(scene.send(kSshReply).sent.size(), 1u);
  scene.remove(out);
  scene.publish();
  EXPECT_EQ(scene.send(kSshReply).sent.size(), 0u);
  EXPECT_EQ(scene.send(kSshSynAck).sent.size(), 0u);
}

TEST(Untracked, needs_replies_allowed_on_every_port) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
  scene.allow_out(0, kTcp, 1'024, 65'535, "0.0.0.0/0");
  scene.publish();
  connect(scene);
  EXPECT_TRUE(scene.flows()[0].tracked) << "CT-10, vector 4";
}

}  // namespace
}  // namespace sluice
