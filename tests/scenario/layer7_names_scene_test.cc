// Rules that demand the name of a host: TLS, HTTP, DNS and QUIC, cut and padded in every way.

#include <algorithm>

#include "dataplane/worker_context.h"
#include "tests/lookup/hello_builder.h"
#include "tests/lookup/quic_sealer.h"
#include "tests/scenario/layer7_world.h"

namespace sluice {
namespace {

std::string text_of(const ByteList& bytes) { return {bytes.begin(), bytes.end()}; }
std::string hello_for(std::string_view host, std::size_t padding = 0) {
  HelloBuilder hello;
  if (padding != 0) hello.extension(21, ByteList(padding, 0));
  if (!host.empty()) hello.server_name(host);
  return text_of(hello.stream());
}
std::string request_for(std::string_view host) {
  return "GET / HTTP/1.1\r\nUser-Agent: x\r\nHost: " + std::string(host) + "\r\n\r\n";
}

// What became of the last packet, where all of it is said in pieces of that size.
Outcome say_in_pieces(Conversation& talk, const std::string& all, std::size_t size) {
  Outcome last;
  for (std::size_t at = 0; at < all.size(); at += size) {
    last = talk.client_says(std::string_view(all).substr(at, size));
  }
  return last;
}

DropReason reason_for(App app, const std::string& said, std::size_t piece = 1'400) {
  Layer7Scene scene(app, {"shop.example", "*.api.example"});
  Conversation talk(scene, 40'000, 443);
  EXPECT_TRUE(talk.open());
  const Outcome last = say_in_pieces(talk, said, piece);
  EXPECT_EQ(scene.kept(), 0u);
  EXPECT_EQ(last.passed(), last.reason == DropReason::None);
  return last.reason;
}

TEST(Layer7Names, of_tls_decide_where_the_rule_lists_some) {
  EXPECT_EQ(reason_for(App::Tls, hello_for("shop.example")), DropReason::None);
  EXPECT_EQ(reason_for(App::Tls, hello_for("SHOP.example")), DropReason::None);
  EXPECT_EQ(reason_for(App::Tls, hello_for("v1.api.example")), DropReason::None);
  EXPECT_EQ(reason_for(App::Tls, hello_for("other.example")), DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Tls, hello_for("api.example")), DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Tls, hello_for("")), DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Tls, request_for("shop.example")), DropReason::AppMismatch);
}

TEST(Layer7Names, are_found_wherever_segments_are_cut) {
  const std::string right = hello_for("shop.example");
  const std::string wrong = hello_for("shop.example.evil.test");
  for (std::size_t size = 1; size < 60; size += 3) {
    EXPECT_EQ(reason_for(App::Tls, right, size), DropReason::None) << size;
    EXPECT_EQ(reason_for(App::Tls, wrong, size), DropReason::DomainMismatch) << size;
  }
  const std::string request = request_for("shop.example");
  for (std::size_t size = 1; size < request.size(); size += 5) {
    EXPECT_EQ(reason_for(App::Http, request, size), DropReason::None) << size;
  }
}

TEST(Layer7Names, of_hellos_that_take_many_segments_are_found_behind_them) {
  const std::string large = hello_for("shop.example", 9'000);
  EXPECT_EQ(reason_for(App::Tls, large), DropReason::None);
  EXPECT_EQ(reason_for(App::Tls, hello_for("x.example", 9'000)), DropReason::DomainMismatch);
  // The other way about.
  Layer7Scene scene(App::Tls, {"shop.example"});
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  const std::size_t half = large.size() / 2;
  for (std::size_t at = half; at < large.size(); at += 1'200) {
    talk.client_says_at(static_cast<std::uint32_t>(at), large.substr(at, 1'200));
  }
  for (std::size_t at = 0; at < half; at += 1'200) {
    EXPECT_TRUE(talk.client_says_at(static_cast<std::uint32_t>(at),
                                    large.substr(at, std::min<std::size_t>(1'200, half - at)))
                    .passed());
  }
  EXPECT_EQ(scene.flow().facts.name(), "shop.example");
}

TEST(Layer7Names, that_are_no_names_match_nothing) {
  EXPECT_EQ(reason_for(App::Tls, hello_for(std::string(10'000, 'a'))), DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Tls, hello_for(std::string("shop.example\0", 13))),
            DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Tls, hello_for(std::string("\0shop.example", 13))),
            DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Tls, hello_for("x", 60'000)), DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Http, request_for(std::string(10'000, 'a'))),
            DropReason::DomainMismatch);
  EXPECT_EQ(reason_for(App::Http, request_for("shop.example\r\nHost: x.example")),
            DropReason::DomainMismatch);
}

TEST(Layer7Names, show_in_the_list_of_flows) {
  Layer7Scene scene(App::Http, {"shop.example"});
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.client_says(request_for("Shop.Example")).passed());
  EXPECT_EQ(scene.flow().facts.name(), "shop.example");
  EXPECT_EQ(scene.flow().app, static_cast<std::uint8_t>(App::Http));
}

TEST(Layer7Names, and_fingerprints_show_in_the_list_of_flows_and_when_they_end) {
  Layer7Scene scene(App::Tls);
  scene.watch(1);
  Conversation talk(scene, 40'000, 443);
  ASSERT_TRUE(talk.open());
  EXPECT_TRUE(talk.client_says(hello_for("shop.example")).passed());
  const std::string ja4(scene.flow().facts.ja4());
  EXPECT_EQ(ja4.size(), FlowFacts::kJa4Size) << ja4;
  EXPECT_EQ(ja4.substr(0, 4), "t12d") << ja4;
  Conversation nameless(scene, 40'001, 443);
  ASSERT_TRUE(nameless.open());
  EXPECT_TRUE(nameless.client_says(hello_for("")).passed());
  std::vector<std::string> shown;
  for (const FlowView& flow : scene.flows()) shown.emplace_back(flow.facts.ja4().substr(0, 4));
  std::ranges::sort(shown);
  EXPECT_EQ(shown, (std::vector<std::string>{"t12d", "t12i"})) << "there is one without a name too";
  scene.wait_s(400);
  int ends = 0;
  for (const WatchEvent& event : scene.take_watch()) {
    if (event.kind != WatchEvent::Kind::FlowEnd) continue;
    ++ends;
    const bool has_name = event.facts.name() == "shop.example";
    EXPECT_EQ(event.facts.ja4().substr(0, 4), has_name ? "t12d" : "t12i");
  }
  EXPECT_EQ(ends, 2);
}

Bytes question_for(std::string_view name) {
  Bytes bytes{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    bytes.push_back(static_cast<std::uint8_t>(dot));
    bytes.insert(bytes.end(), name.begin(), name.begin() + static_cast<std::ptrdiff_t>(dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  for (const std::uint8_t byte : {0, 0, 1, 0, 1}) bytes.push_back(byte);
  return bytes;
}

TEST(Layer7Names, of_dns_questions_decide_at_the_first_datagram) {
  Layer7Scene scene(App::Ssh);
  scene.demand(0, kUdp, 53, App::Unknown, {"*.corp.example"});
  scene.publish();
  const auto ask = [&](std::uint16_t port, Bytes payload) {
    return scene.send(Packet().ip(kClient, kWeb4).udp(port, 53).payload(std::move(payload)));
  };
  EXPECT_TRUE(ask(40'000, question_for("db.corp.example")).passed());
  EXPECT_EQ(ask(40'001, question_for("leak.evil.test")).reason, DropReason::DomainMismatch);
  EXPECT_EQ(ask(40'001, question_for("db.corp.example")).reason, DropReason::DomainMismatch);
  int passed = 0;
  for (int i = 0; i < 20; ++i) passed += ask(40'002, Bytes(50, 0xee)).passed() ? 1 : 0;
  EXPECT_LE(passed, 5) << "what is no DNS at all does not pass for long";
  EXPECT_EQ(scene.kept(), 0u);
}

TEST(Layer7Names, of_quic_are_put_together_from_several_datagrams) {
  HelloBuilder hello;
  hello.server_name("shop.example");
  hello.extension(21, ByteList(1'500, 0));
  const ByteList message = hello.handshake();
  const std::span<const std::uint8_t> all(message);
  Result<std::unique_ptr<L7Scratch>> scratch = L7Scratch::create(plain_tools()->patterns());
  InitialPacket first;
  InitialPacket second;
  second.number = 3;
  const ByteList datagrams[] = {
      first.seal(crypto_frame(0, all.first(1'000)), (*scratch)->crypto()),
      second.seal(crypto_frame(1'000, all.subspan(1'000)), (*scratch)->crypto())};
  for (const char* domain : {"shop.example", "other.example"}) {
    Layer7Scene scene(App::Ssh);
    scene.demand(0, kUdp, 443, App::Quic, {domain});
    scene.publish();
    Outcome last;
    for (const ByteList& datagram : datagrams) {
      last = scene.send(Packet().ip(kClient, kWeb4).udp(40'000, 443).payload(Bytes(datagram)));
    }
    EXPECT_EQ(last.reason, domain == std::string("shop.example") ? DropReason::None
                                                                 : DropReason::DomainMismatch);
    EXPECT_EQ(scene.flow().facts.name(), "shop.example");
  }
}

// Each datagram has all before it opened again.
TEST(Layer7Names, of_quic_take_eight_datagrams_at_most) {
  HelloBuilder hello;
  hello.server_name("shop.example");
  hello.extension(21, ByteList(1'500, 0));
  const ByteList message = hello.handshake();
  const std::span<const std::uint8_t> all(message);
  Result<std::unique_ptr<L7Scratch>> scratch = L7Scratch::create(plain_tools()->patterns());
  for (const bool ends_in_time : {true, false}) {
    Layer7Scene scene(App::Ssh);
    scene.demand(0, kUdp, 443, App::Quic, {"shop.example"});
    scene.publish();
    const auto send = [&](const ByteList& frames, std::size_t padded_to) {
      InitialPacket packet;
      packet.padded_to = padded_to;
      const ByteList datagram = packet.seal(frames, (*scratch)->crypto());
      return scene.send(Packet().ip(kClient, kWeb4).udp(40'000, 443).payload(Bytes(datagram)));
    };
    constexpr std::uint8_t kPing = 1;
    EXPECT_TRUE(send(crypto_frame(0, all.first(1'000)), 1'162).passed());
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(send({kPing}, 30).passed()) << i;
    EXPECT_EQ(scene.kept(), 1u);
    const Outcome last =
        ends_in_time ? send(crypto_frame(1'000, all.subspan(1'000)), 0) : send({kPing}, 30);
    EXPECT_EQ(last.reason, ends_in_time ? DropReason::None : DropReason::DomainMismatch);
    EXPECT_EQ(scene.kept(), 0u);
  }
}

TEST(Layer7Names, that_come_byte_by_byte_behind_much_else_cost_more_of_the_budget) {
  for (const std::size_t there : {std::size_t{1'024}, std::size_t{10 * 1'024}}) {
    Layer7Scene scene(App::Tls, {"shop.example"});
    scene.policy.layer7.packets_max = 10'000;
    scene.policy.layer7.interface_budget = 10'000;  // a second: a thousand at once
    scene.publish();
    Conversation talk(scene, 40'000, 443);
    ASSERT_TRUE(talk.open());
    ASSERT_TRUE(
        say_in_pieces(talk, hello_for("shop.example", 14'000).substr(0, there), 1'024).passed());
    std::size_t looks = 0;
    Outcome last;
    for (; looks < 2'000 && (last = talk.client_says("x")).passed();) ++looks;
    EXPECT_EQ(last.reason, DropReason::AppUninspected);
    if (there < 2'048) {
      EXPECT_GT(looks, 900u);
    } else {
      EXPECT_LT(looks, 200u);
    }
  }
}

}  // namespace
}  // namespace sluice
