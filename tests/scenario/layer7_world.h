#pragma once

// A scene whose policy demands applications, and conversations that say things in it.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/compile/build_patterns.h"
#include "lookup/l7_tools.h"
#include "tests/scenario/harness.h"

namespace sluice {

inline constexpr std::string_view kSshBanner = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
inline constexpr std::string_view kHttpRequest = "GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n";

inline std::shared_ptr<const L7Tools> make_tools(const std::vector<SignatureSource>& signatures) {
  std::vector<std::uint16_t> numbers;
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    numbers.push_back(static_cast<std::uint16_t>(100 + i));
  }
  return *L7Tools::create(*build_patterns(signatures, ""), 2, numbers);
}
inline std::shared_ptr<const L7Tools> plain_tools() {
  static const std::shared_ptr<const L7Tools> kTools = make_tools({});
  return kTools;
}

inline Bytes bytes_of_text(std::string_view text) { return {text.begin(), text.end()}; }

// One TCP connection from a client outside to web, as both sides number it.
class Conversation {
 public:
  Conversation(Scene& scene, std::uint16_t client_port, std::uint16_t port,
               const char* client = kClient, const char* server = kWeb4)
      : scene_(scene), client_(client), server_(server), client_port_(client_port), port_(port) {}

  bool open() {
    const bool is_asked = scene_.send(from_client(kSyn, 0).numbers(999, 0)).passed();
    const bool is_answered = scene_.send(from_server(kSynAck, 0).numbers(4'999, 1'000)).passed();
    return is_asked && is_answered && scene_.send(from_client(kAck, 0)).passed();
  }
  Outcome client_says(std::string_view text) {
    const Outcome outcome = client_says_at(client_sent_, text);
    client_sent_ += static_cast<std::uint32_t>(text.size());
    return outcome;
  }
  Outcome server_says(std::string_view text) {
    const Outcome outcome = scene_.send(from_server(kAck, server_sent_).payload(bytes(text)));
    server_sent_ += static_cast<std::uint32_t>(text.size());
    return outcome;
  }
  // At a place of its own: out of order, again, or something else than before.
  Outcome client_says_at(std::uint32_t offset, std::string_view text) {
    return scene_.send(from_client(kAck, offset).payload(bytes(text)));
  }
  Bytes client_frame(std::uint32_t offset, std::string_view text) const {
    return from_client(kAck, offset).payload(bytes(text)).build();
  }

 private:
  static Bytes bytes(std::string_view text) { return bytes_of_text(text); }
  Packet from_client(std::uint8_t flags, std::uint32_t offset) const {
    return Packet()
        .ip(client_, server_)
        .tcp(client_port_, port_, flags)
        .numbers(1'000 + offset, 5'000 + server_sent_);
  }
  Packet from_server(std::uint8_t flags, std::uint32_t offset) const {
    return Packet()
        .ip(server_, client_)
        .tcp(port_, client_port_, flags)
        .numbers(5'000 + offset, 1'000 + client_sent_);
  }

  Scene& scene_;
  const char* client_;
  const char* server_;
  std::uint16_t client_port_;
  std::uint16_t port_;
  std::uint32_t client_sent_ = 0;
  std::uint32_t server_sent_ = 0;
};

// web takes TCP port 443 (and UDP 53) only as what is demanded.
class Layer7Scene : public Scene {
 public:
  explicit Layer7Scene(App app, std::vector<std::string> domains = {})
      : Layer7Scene(SceneOptions{}, app, std::move(domains)) {}
  Layer7Scene(const SceneOptions& options, App app, std::vector<std::string> domains = {})
      : Scene(options) {
    policy.tools = plain_tools();
    rule = demand(0, kTcp, 443, app, std::move(domains));
    publish();
  }
  RuleIndex demand(std::uint32_t group, int proto, int port, App app,
                   std::vector<std::string> domains = {}) {
    const RuleIndex index = allow_in(group, proto, port, port, "0.0.0.0/0");
    policy.groups[group].rules.back().condition = {app, DomainSet(std::move(domains))};
    return index;
  }
  FlowView flow() {
    const std::vector<FlowView> all = flows();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? FlowView() : all[0];
  }
  // The numbers of the signatures that matched some flow, each as often as it did.
  std::vector<std::uint16_t> signature_hits() {
    std::vector<std::uint64_t> hits(FlowFacts::kNoSignature);
    worker().add_signature_hits(hits);
    std::vector<std::uint16_t> numbers;
    for (std::size_t i = 0; i < hits.size(); ++i) {
      numbers.insert(numbers.end(), hits[i], static_cast<std::uint16_t>(i));
    }
    return numbers;
  }
  std::size_t kept() { return worker().context().layer7.bytes().size(); }

  RuleIndex rule;
};

}  // namespace sluice
