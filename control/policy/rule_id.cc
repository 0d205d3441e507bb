#include "control/policy/rule_id.h"

#include <openssl/evp.h>

#include <array>

#include "base/check.h"
#include "base/proto.h"

namespace sluice {

namespace {

bool is_proto(ProtoMatch proto, Proto number) { return proto.number == static_cast<int>(number); }

std::string ports_text(const SecurityRule& rule) {
  const std::string low = std::to_string(rule.ports.low);
  const std::string high = std::to_string(rule.ports.high);
  if (is_proto(rule.proto, Proto::Tcp) || is_proto(rule.proto, Proto::Udp)) return low + "-" + high;
  if (is_proto(rule.proto, Proto::Icmp) || is_proto(rule.proto, Proto::Icmpv6)) {
    return low + "/" + high;
  }
  return "-";
}

}  // namespace

std::string protocol_name(ProtoMatch proto) {
  if (is_proto(proto, Proto::Tcp)) return "tcp";
  if (is_proto(proto, Proto::Udp)) return "udp";
  if (is_proto(proto, Proto::Icmp)) return "icmp";
  if (is_proto(proto, Proto::Icmpv6)) return "icmpv6";
  return std::to_string(proto.number);
}

std::string peer_text(const RulePeer& peer) {
  if (const auto* cidr = std::get_if<Cidr>(&peer)) return cidr->to_string();
  if (const auto* list = std::get_if<PrefixListName>(&peer)) return list->id;
  return std::get<GroupName>(peer).id;
}

std::string canonical_rule_text(std::string_view group_id, const SecurityRule& rule) {
  std::string text(group_id);
  text += '|';
  text += name_of(rule.direction);
  text += '|';
  text += protocol_name(rule.proto);
  text += '|';
  text += ports_text(rule);
  text += '|';
  text += peer_text(rule.peer);
  if (rule.condition.app != App::Unknown)
    text += "|app=" + std::string(name_of(rule.condition.app));
  char before = '=';
  for (const std::string& domain : rule.condition.domains.domains()) {
    text += before == '=' ? "|domains=" : ",";
    text += domain;
    before = ',';
  }
  return text;
}

std::string rule_id_of(std::string_view canonical_text) {
  static constexpr std::size_t kDigits = 17;
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const int done = EVP_Digest(canonical_text.data(), canonical_text.size(), digest.data(), &size,
                              EVP_sha256(), nullptr);
  CHECK(done == 1);
  CHECK(size * 2 >= kDigits);
  std::string id = "sgr-";
  for (std::size_t i = 0; i < kDigits; ++i) {
    const unsigned byte = digest[i / 2];
    id += kHex[i % 2 == 0 ? byte >> 4 : byte & 0xf];
  }
  return id;
}

void name_rule(std::string_view group_id, SecurityRule& rule) {
  rule.canonical = canonical_rule_text(group_id, rule);
  rule.id = rule_id_of(rule.canonical);
}

}  // namespace sluice
