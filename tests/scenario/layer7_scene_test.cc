// Connections on probation: let through their handshake, judged by their first bytes.

#include "dataplane/worker_context.h"
#include "tests/scenario/layer7_world.h"

namespace sluice {
namespace {

TEST(Layer7, lets_pass_what_the_rule_demands_and_knows_it_then) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(scene.flow().is_watched);
  EXPECT_TRUE(talk.client_says(kSshBanner).passed());
  EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Ssh));
  EXPECT_FALSE(scene.flow().is_watched);
  EXPECT_EQ(scene.flow().rule, scene.rule);
  EXPECT_EQ(scene.kept(), 0u);
  EXPECT_TRUE(talk.server_says(kSshBanner).passed());
  EXPECT_TRUE(talk.client_says("whatever comes then").passed());
  EXPECT_EQ(scene.counters(kWeb).app_identified, 1u);
  EXPECT_EQ(scene.worker().counters().layer7_looks, 1u) << "not looked at any more";
}

TEST(Layer7, hears_the_server_where_that_speaks_first) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.server_says(kSshBanner).passed());
  EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Ssh));
}

TEST(Layer7, closes_what_is_something_else_for_one_reason) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  const Outcome first = talk.client_says(kHttpRequest);
  EXPECT_EQ(first.reason, DropReason::AppMismatch);
  EXPECT_EQ(first.ingress.verdict, Verdict::Drop);
  EXPECT_EQ(talk.client_says("more").reason, DropReason::AppMismatch);
  EXPECT_EQ(talk.server_says("HTTP/1.1 200 OK\r\n\r\n").reason, DropReason::AppMismatch);
  EXPECT_EQ(talk.client_says_at(0, kHttpRequest).reason, DropReason::AppMismatch);
  EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Http));
  EXPECT_EQ(scene.counters(kWeb).app_refused, 1u);
  EXPECT_EQ(scene.drops(DropReason::AppMismatch), 4u);
  scene.wait_s(120);
  std::uint64_t rejected = 0;
  for (const FlowDelta& delta : scene.take_deltas()) {
    if (delta.kind != FlowDelta::Kind::Packets || delta.action != Verdict::Drop) continue;
    EXPECT_EQ(delta.reason, DropReason::AppMismatch);
    EXPECT_EQ(delta.app, static_cast<std::uint8_t>(App::Http));
    rejected += delta.packets;
  }
  EXPECT_EQ(rejected, 4u);
}

TEST(Layer7, stays_closed_when_flows_are_flushed) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_EQ(talk.client_says(kHttpRequest).reason, DropReason::AppMismatch);
  FlushFlowsRequest request(0, FlowFilter());
  scene.ask(request);
  EXPECT_EQ(request.count(), 0u);
  EXPECT_EQ(talk.client_says("more").reason, DropReason::AppMismatch) << "not picked up again";
}

// CT-6: an untracked flow follows the rules at once, and those that demand something too.
TEST(Layer7, looks_at_an_untracked_flow_that_only_a_demand_admits_from_now_on) {
  Layer7Scene scene(App::Ssh);
  scene.policy.groups[0].rules.clear();
  scene.allow_in(0, kTcp, 443, 443, "0.0.0.0/0");
  scene.allow_out(0, kTcp, 0, 65'535, "0.0.0.0/0");
  scene.publish();
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  ASSERT_FALSE(scene.flow().tracked);
  scene.policy.groups[0].rules.clear();
  scene.allow_out(0, kTcp, 0, 65'535, "0.0.0.0/0");
  scene.policy.groups[0].rules.back().condition = {App::Ssh, {}};
  scene.publish();
  EXPECT_EQ(talk.server_says(kHttpRequest).reason, DropReason::AppMismatch);
}

TEST(Layer7, judges_a_new_connection_on_the_same_ports_anew) {
  Layer7Scene scene(App::Ssh);
  Conversation refused(scene, 40'000, 443);
  ASSERT_TRUE(refused.open());
  EXPECT_EQ(refused.client_says(kHttpRequest).reason, DropReason::AppMismatch);
  Conversation again(scene, 40'000, 443);
  ASSERT_TRUE(again.open()) << "a clean SYN asks anew";
  EXPECT_TRUE(again.client_says(kSshBanner).passed());
}

TEST(Layer7, is_not_asked_where_a_plain_rule_admits) {
  Layer7Scene scene(App::Ssh);
  scene.allow_in(0, kTcp, 400, 500, "198.51.100.0/24");
  scene.publish();
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_FALSE(scene.flow().is_watched);
  EXPECT_TRUE(talk.client_says(kHttpRequest).passed());
  EXPECT_EQ(scene.worker().counters().layer7_looks, 0u);
}

TEST(Layer7, identifies_or_refuses_a_trickle_of_single_bytes) {
  for (const std::string_view said : {kSshBanner, kHttpRequest}) {
    Layer7Scene scene(App::Ssh);
    Conversation talk(scene, 40'000, 443);
    ASSERT_TRUE(talk.open());
    std::size_t passed = 0;
    for (const char c : said) passed += talk.client_says(std::string(1, c)).passed() ? 1 : 0;
    if (said == kSshBanner) {
      EXPECT_EQ(passed, said.size());
      EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Ssh));
    } else {
      EXPECT_LT(passed, said.size());
      EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Http));
    }
    EXPECT_EQ(scene.kept(), 0u);
  }
}

TEST(Layer7, says_the_same_wherever_segments_are_cut) {
  for (const std::string_view said : {kSshBanner, kHttpRequest}) {
    for (std::size_t cut = 1; cut < said.size(); ++cut) {
      Layer7Scene scene(App::Ssh);
      Conversation talk(scene, 40'000, 443);
      ASSERT_TRUE(talk.open());
      talk.client_says(said.substr(0, cut));
      const Outcome last = talk.client_says(said.substr(cut));
      EXPECT_EQ(last.passed(), said == kSshBanner) << cut;
    }
  }
}

TEST(Layer7, puts_segments_in_order) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.client_says_at(4, kSshBanner.substr(4)).passed());
  EXPECT_TRUE(scene.flow().is_watched);
  EXPECT_TRUE(talk.client_says_at(2, kSshBanner.substr(2, 4)).passed());
  EXPECT_TRUE(talk.client_says_at(0, kSshBanner.substr(0, 2)).passed());
  EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Ssh));
  Layer7Scene other(App::Ssh);
  Conversation refused(other, 40'000, 443);
  ASSERT_TRUE(refused.open());
  refused.client_says_at(4, kHttpRequest.substr(4));
  EXPECT_EQ(refused.client_says_at(0, kHttpRequest.substr(0, 4)).reason, DropReason::AppMismatch);
}

TEST(Layer7, looks_at_segments_of_one_burst_in_order) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  const std::vector<Outcome> outcomes = scene.send_together(
      0, {talk.client_frame(0, "GET /a"), talk.client_frame(6, " HTTP/1.1\r\nHost: a\r\n\r\n"),
          talk.client_frame(29, "later")});
  EXPECT_EQ(outcomes[1].reason, DropReason::AppMismatch);
  EXPECT_EQ(outcomes[2].reason, DropReason::AppMismatch) << "nothing slips through behind it";
}

TEST(Layer7, does_not_believe_bytes_that_come_twice_with_differences) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.client_says_at(0, "SS").passed());
  EXPECT_EQ(talk.client_says_at(0, "GET /").reason, DropReason::AppUninspected);
  EXPECT_EQ(scene.worker().counters().layer7_conflicts, 1u);
  EXPECT_EQ(talk.client_says_at(2, "H-2.0-x\r\n").reason, DropReason::AppUninspected);
}

TEST(Layer7, refuses_what_nobody_can_tell_and_lets_it_pass_where_the_policy_says_so) {
  for (const bool allow : {false, true}) {
    Layer7Scene scene(App::Ssh);
    scene.policy.layer7.allow_unknown = allow;
    scene.publish();
    Conversation talk(scene, 40'000, 443);
    ASSERT_TRUE(talk.open());
    const std::string noise(600, '\x01');
    talk.client_says(noise);
    talk.server_says(noise);
    const Outcome later = talk.client_says(noise);
    EXPECT_EQ(later.passed(), allow);
    if (!allow) {
      EXPECT_EQ(later.reason, DropReason::AppUnknown);
    }
    EXPECT_FALSE(scene.flow().is_watched);
    EXPECT_EQ(scene.counters(kWeb).app_unknown, 1u);
  }
}

TEST(Layer7, does_not_wait_long_for_a_server_that_says_nothing) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  int passed = 0;
  for (int i = 0; i < 20; ++i)
    passed += talk.client_says(std::string(600, '\x02')).passed() ? 1 : 0;
  EXPECT_LE(passed, 5);
}

TEST(Layer7, bounds_packets_and_seconds) {
  Layer7Scene scene(App::Ssh);
  scene.policy.layer7.packets_max = 5;
  scene.publish();
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  // A gap that is never filled: nothing can be told.
  for (std::uint32_t i = 1; i <= 5; ++i) EXPECT_TRUE(talk.client_says_at(2 * i, "x").passed());
  EXPECT_EQ(talk.client_says_at(20, "x").reason, DropReason::AppUnknown);
  EXPECT_EQ(scene.kept(), 0u);
  Conversation idle(scene, 40'001, 443);
  ASSERT_TRUE(idle.open());
  EXPECT_TRUE(idle.client_says("SSH").passed());
  EXPECT_EQ(scene.kept(), 1u);
  scene.wait_s(12);
  EXPECT_EQ(scene.kept(), 0u) << "without a packet of its own";
  EXPECT_EQ(idle.client_says("-2.0-x\r\n").reason, DropReason::AppUnknown);
}

TEST(Layer7, spends_its_budget_and_no_more) {
  Layer7Scene scene(App::Ssh);
  scene.allow_in(0, kTcp, 80, 80, "0.0.0.0/0");
  scene.policy.layer7.interface_budget = 10;  // a second: one at once
  scene.publish();
  Conversation plain(scene, 41'000, 80);
  ASSERT_TRUE(plain.open());
  Conversation first(scene, 40'000, 443);
  Conversation second(scene, 40'001, 443);
  ASSERT_TRUE(first.open());
  ASSERT_TRUE(second.open());
  EXPECT_TRUE(first.client_says(kSshBanner).passed());
  EXPECT_EQ(second.client_says(kSshBanner).reason, DropReason::AppUninspected);
  EXPECT_TRUE(plain.client_says(kHttpRequest).passed()) << "nobody else is held up";
  EXPECT_EQ(scene.counters(kWeb).app_uninspected, 1u);
  EXPECT_EQ(scene.flows().size(), 3u);
  scene.wait_s(1);
  Conversation third(scene, 40'002, 443);
  ASSERT_TRUE(third.open());
  EXPECT_TRUE(third.client_says(kSshBanner).passed());
}

TEST(Layer7, has_room_for_so_many_connections_under_way) {
  SceneOptions options;
  options.flow_capacity = 1u << 14;
  Layer7Scene scene(options, App::Ssh);
  std::size_t uninspected = 0;
  const std::size_t half = scene.worker().context().layer7.bytes().capacity() / 2;
  for (std::size_t i = 0; i < half + 3; ++i) {
    Conversation talk(scene, static_cast<std::uint16_t>(20'000 + i), 443);
    ASSERT_TRUE(talk.open());
    uninspected += talk.client_says("S").reason == DropReason::AppUninspected ? 1 : 0;
  }
  EXPECT_EQ(uninspected, 3u);
  EXPECT_EQ(scene.kept(), half);
}

TEST(Layer7, leaves_others_half_of_the_room_for_long_messages) {
  Layer7Scene scene(App::Ssh);
  scene.demand(1, kTcp, 443, App::Ssh);
  scene.publish();
  const std::size_t half = scene.worker().context().layer7.bytes().large_capacity() / 2;
  const auto says_far_behind = [&](std::uint16_t port, const char* server) {
    Conversation talk(scene, port, 443, kClient, server);
    EXPECT_TRUE(talk.open());
    return talk.client_says_at(3'000, "x").reason;
  };
  for (std::size_t i = 0; i < half; ++i) {
    ASSERT_EQ(says_far_behind(static_cast<std::uint16_t>(20'000 + i), kWeb4), DropReason::None);
  }
  EXPECT_EQ(says_far_behind(30'000, kWeb4), DropReason::AppUninspected);
  EXPECT_EQ(says_far_behind(30'001, kApp4), DropReason::None) << "another interface";
  scene.wait_s(12);
  EXPECT_EQ(scene.kept(), 0u);
  EXPECT_EQ(says_far_behind(30'002, kWeb4), DropReason::None) << "they have come back";
}

TEST(Layer7, forgets_what_it_kept_with_its_flow) {
  SceneOptions options;
  options.flow_capacity = 1'024;
  Layer7Scene scene(options, App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.client_says("SSH").passed());
  EXPECT_EQ(scene.kept(), 1u);
  scene.interface(kWeb).flush_before = scene.policy.generation.next();
  scene.publish();
  talk.client_says("-2.0-x\r\n");
  scene.wait_s(400);
  EXPECT_EQ(scene.flow_count(), 0u);
  EXPECT_EQ(scene.kept(), 0u);
}

TEST(Layer7, judges_each_end_of_a_local_conversation_by_itself) {
  Layer7Scene scene(App::Ssh);
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.demand(2, kTcp, 443, App::Http);
  scene.publish();
  Conversation wrong(scene, 40'000, 443, kWeb4, kDb4);
  ASSERT_TRUE(wrong.open());
  const Outcome refused = wrong.client_says(kSshBanner);
  EXPECT_EQ(refused.egress.verdict, Verdict::Accept) << "web's own rules demand nothing";
  EXPECT_EQ(refused.ingress.verdict, Verdict::Drop);
  EXPECT_EQ(refused.reason, DropReason::AppMismatch);
  Conversation right(scene, 40'001, 443, kWeb4, kDb4);
  ASSERT_TRUE(right.open());
  EXPECT_TRUE(right.client_says(kHttpRequest).passed());
}

TEST(Layer7, is_judged_again_by_what_it_is_when_rules_change) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  ASSERT_TRUE(talk.client_says(kSshBanner).passed());
  // Other demands beside it, and what is connected lives on.
  scene.demand(0, kTcp, 443, App::Http);
  scene.interface(kWeb).rejudge_before = scene.policy.generation.next();
  scene.publish();
  EXPECT_TRUE(talk.client_says("data").passed());
  scene.remove(scene.rule);
  scene.publish();
  EXPECT_TRUE(talk.client_says("data").passed()) << "keep";
  scene.interface(kWeb).rejudge_before = scene.policy.generation.next();
  scene.publish();
  EXPECT_EQ(talk.client_says("data").reason, DropReason::AppMismatch);
  EXPECT_EQ(talk.client_says("data").reason, DropReason::AppMismatch);
}

TEST(Layer7, on_probation_follows_the_rules_at_once) {
  Layer7Scene scene(App::Ssh);
  Conversation freed(scene, 40'000, 443);
  Conversation lost(scene, 40'001, 443);
  ASSERT_TRUE(freed.open());
  ASSERT_TRUE(lost.open());
  const RuleIndex plain = scene.allow_in(0, kTcp, 443, 443, "0.0.0.0/0");
  scene.publish();
  EXPECT_TRUE(freed.client_says(kHttpRequest).passed()) << "a plain rule admits it now";
  scene.remove(plain);
  scene.remove(scene.rule);
  scene.publish();
  EXPECT_FALSE(lost.client_says(kSshBanner).passed()) << "no rule is left that it waits for";
}

TEST(Layer7, resets_both_sides_where_the_interface_says_so) {
  SceneOptions options;
  options.wiring = Wiring::Bump;
  Layer7Scene scene(options, App::Ssh);
  scene.interface(kWeb).rejects = true;
  scene.publish();
  const auto from_client = [](std::uint8_t flags) {
    return Packet().ip(kClient, kWeb4).tcp(40'000, 443, flags);
  };
  EXPECT_TRUE(scene.send(1, from_client(kSyn).numbers(999, 0)).passed());
  EXPECT_TRUE(
      scene.send(0, Packet().ip(kWeb4, kClient).tcp(443, 40'000, kSynAck).numbers(4'999, 1'000))
          .passed());
  const Outcome first =
      scene.send(1, from_client(kAck).numbers(1'000, 5'000).payload(bytes_of_text(kHttpRequest)));
  EXPECT_EQ(first.reason, DropReason::AppMismatch);
  const std::vector<MemoryIo::Sent> resets = scene.take_sent();
  ASSERT_EQ(resets.size(), 2u);
  for (const MemoryIo::Sent& reset : resets) {
    const bool to_client = reset.nic == NicIndex(1);
    const std::span<const std::uint8_t> ip = std::span(reset.bytes).subspan(14);
    EXPECT_EQ(ip.size(), 40u);
    EXPECT_EQ(checksum_sum(ip.first(20)), 0xffff);
    EXPECT_EQ(get16(ip, 20), to_client ? 443 : 40'000);
    EXPECT_EQ(get16(ip, 22), to_client ? 40'000 : 443);
    EXPECT_EQ(std::uint32_t{get16(ip, 24)} << 16 | get16(ip, 26), to_client ? 5'000u : 1'000u);
    EXPECT_EQ(ip[33] & (TcpFlags::kRst | TcpFlags::kSyn), TcpFlags::kRst);
    EXPECT_EQ(checksum_sum(ip.subspan(12), 6 + 20), 0xffff) << "with the pseudo header";
  }
  EXPECT_EQ(scene.nic(0).generated + scene.nic(1).generated, 2u);
}

TEST(Layer7, names_applications_for_a_log_without_judging_them) {
  Layer7Scene scene(App::Ssh);
  scene.allow_in(0, kTcp, 80, 80, "0.0.0.0/0");
  scene.interface(kWeb).identified = true;
  scene.publish();
  Conversation talk(scene, 40'000, 80);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.client_says(kSshBanner).passed()) << "the rule demands nothing";
  EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Ssh));
  scene.wait_s(120);
  bool is_told = false;
  for (const FlowDelta& delta : scene.take_deltas()) {
    is_told = is_told || delta.app == static_cast<std::uint8_t>(App::Ssh);
  }
  EXPECT_TRUE(is_told);
}

TEST(Layer7, closes_or_tells_of_what_a_signature_matches) {
  Layer7Scene scene(App::Ssh);
  scene.policy.tools =
      make_tools({{"evil", "attack-[0-9]+", "", true}, {"odd", "curious", "i", false}});
  scene.allow_in(0, kTcp, 80, 80, "0.0.0.0/0");
  scene.publish();
  Conversation bad(scene, 40'000, 80);
  ASSERT_TRUE(bad.open());
  EXPECT_TRUE(bad.client_says("well-known att").passed());
  EXPECT_EQ(bad.client_says("ack-77 and more").reason, DropReason::Signature);
  EXPECT_EQ(bad.server_says("oh").reason, DropReason::Signature);
  EXPECT_EQ(scene.flow().facts.signature(), 100);
  Conversation odd(scene, 40'001, 80);
  ASSERT_TRUE(odd.open());
  EXPECT_TRUE(odd.client_says("a CURIOUS thing").passed());
  EXPECT_TRUE(odd.client_says(std::string(600, 'x')).passed());
  EXPECT_EQ(scene.worker().counters().signature_hits, 2u);
  EXPECT_EQ(scene.signature_hits(), (std::vector<std::uint16_t>{100, 101}));
}

// A scene with a signature, whose port 80 demands nothing.
class SignatureScene : public Layer7Scene {
 public:
  SignatureScene() : Layer7Scene(App::Ssh) {
    policy.tools = make_tools({{"evil", "attack-[0-9]+", "", true}});
    allow_in(0, kTcp, 80, 80, "0.0.0.0/0");
    allow_in(0, kUdp, 80, 80, "0.0.0.0/0");
    publish();
  }
};

TEST(Layer7, looks_for_signatures_where_the_sides_contradict_each_other) {
  SignatureScene scene;
  Conversation talk(scene, 40'000, 80);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.server_says("220 ready\r\n").passed());
  EXPECT_TRUE(talk.client_says("GET / HTTP/1.1\r\nHost: a\r\n\r\n").passed());
  EXPECT_TRUE(talk.server_says("221 well\r\n").passed());
  EXPECT_EQ(talk.client_says("attack-77").reason, DropReason::Signature);
}

TEST(Layer7, looks_for_signatures_at_the_other_side_of_a_long_unknown_one) {
  SignatureScene scene;
  Conversation talk(scene, 40'000, 80);
  ASSERT_TRUE(talk.open());
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(talk.client_says(std::string(600, 'x')).passed());
  EXPECT_EQ(scene.counters(EniIndex(kWeb)).app_unknown, 1u) << "told once, and judged by it";
  EXPECT_EQ(talk.server_says("attack-77").reason, DropReason::Signature);
  EXPECT_EQ(scene.counters(EniIndex(kWeb)).app_unknown, 1u);

  // Both have said as much as signatures see: nothing more is kept.
  Conversation done(scene, 40'001, 80);
  ASSERT_TRUE(done.open());
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(done.client_says(std::string(600, 'x')).passed());
  EXPECT_EQ(scene.kept(), 1u);
  EXPECT_TRUE(done.server_says(std::string(600, 'x')).passed());
  EXPECT_EQ(scene.kept(), 0u);
  EXPECT_TRUE(done.server_says("attack-77").passed()) << "behind the first 512 bytes";
}

TEST(Layer7, does_not_put_off_its_verdict_for_signatures) {
  SignatureScene scene;
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  DropReason last = DropReason::None;
  for (int i = 0; i < 8; ++i) last = talk.client_says(std::string(600, 'x')).reason;
  EXPECT_EQ(last, DropReason::AppUnknown);
}

TEST(Layer7, looks_for_signatures_in_the_first_datagrams_of_an_unknown_flow) {
  for (const int nth : {3, 4, 6}) {
    SignatureScene scene;
    DropReason last = DropReason::None;
    for (int i = 1; i <= nth; ++i) {
      const Bytes said = bytes_of_text(i == nth ? "xx attack-77" : "xxxx");
      last = scene.send(Packet().ip(kClient, kWeb4).udp(40'000, 80).payload(said)).reason;
    }
    EXPECT_EQ(last, nth <= 4 ? DropReason::Signature : DropReason::None) << nth;
  }
}

TEST(Layer7, of_fragments_is_not_inspected) {
  Layer7Scene scene(App::Ssh);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  const Packet whole = Packet()
                           .ip(kClient, kWeb4)
                           .tcp(40'000, 443, kAck)
                           .numbers(1'000, 5'000)
                           .payload(bytes_of_text(kSshBanner));
  Packet first = whole;
  EXPECT_EQ(scene.send(first.fragment(0, 32, true)).reason, DropReason::AppUninspected);
}

TEST(Layer7, without_tools_lets_nothing_through_that_has_to_be_looked_at) {
  Layer7Scene scene(App::Ssh);
  scene.policy.tools = nullptr;
  scene.publish();
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_EQ(talk.client_says(kSshBanner).reason, DropReason::AppUninspected);
}

TEST(Layer7, ends_for_a_stream_that_never_tells) {
  Layer7Scene scene(App::Ssh);
  scene.policy.layer7.allow_unknown = true;
  scene.publish();
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(talk.client_says(std::string(1'024, '\0')).passed());
  EXPECT_EQ(scene.kept(), 0u);
  EXPECT_FALSE(scene.flow().is_watched);
}

}  // namespace
}  // namespace sluice
