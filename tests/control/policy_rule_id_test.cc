#include "control/policy/rule_id.h"

#include <gtest/gtest.h>

#include "base/proto.h"

namespace sluice {
namespace {

ProtoMatch proto(Proto number) { return {static_cast<int>(number)}; }
Cidr cidr(std::string_view text) { return *Cidr::parse(text); }

SecurityRule rule(Direction direction, ProtoMatch proto, PortMatch ports, RulePeer peer) {
  SecurityRule result;
  result.direction = direction;
  result.proto = proto;
  result.ports = ports;
  result.peer = std::move(peer);
  return result;
}

TEST(RuleId, of_the_documented_example_is_the_documented_one) {  // SG-7
  EXPECT_EQ(rule_id_of("sg-web|ingress|tcp|443-443|0.0.0.0/0"), "sgr-04cb58c6a96c73fa3");
}

TEST(RuleId, of_the_empty_text_begins_as_the_known_digest_does) {
  EXPECT_EQ(rule_id_of(""), "sgr-e3b0c44298fc1c149");
}

TEST(CanonicalRule, names_ports_of_tcp_and_udp_as_a_range) {
  EXPECT_EQ(canonical_rule_text(
                "sg-a", rule(Direction::Ingress, proto(Proto::Tcp), {443, 443}, cidr("0.0.0.0/0"))),
            "sg-a|ingress|tcp|443-443|0.0.0.0/0");
  EXPECT_EQ(canonical_rule_text(
                "sg-a", rule(Direction::Egress, proto(Proto::Udp), {0, 65535}, GroupName{"sg-b"})),
            "sg-a|egress|udp|0-65535|sg-b");
}

TEST(CanonicalRule, names_types_and_codes_of_icmp) {
  EXPECT_EQ(canonical_rule_text("sg-a", rule(Direction::Ingress, proto(Proto::Icmp), {8, -1},
                                             PrefixListName{"pl-x"})),
            "sg-a|ingress|icmp|8/-1|pl-x");
  EXPECT_EQ(canonical_rule_text(
                "sg-a", rule(Direction::Ingress, proto(Proto::Icmpv6), {-1, -1}, cidr("::/0"))),
            "sg-a|ingress|icmpv6|-1/-1|::/0");
}

TEST(CanonicalRule, ignores_ports_of_every_other_protocol) {
  EXPECT_EQ(canonical_rule_text("sg-a", rule(Direction::Ingress, {47}, {1, 2}, cidr("10.0.0.0/8"))),
            "sg-a|ingress|47|-|10.0.0.0/8");
  EXPECT_EQ(canonical_rule_text(
                "sg-a", rule(Direction::Egress, {ProtoMatch::kAll}, {1, 2}, cidr("10.0.0.0/8"))),
            "sg-a|egress|-1|-|10.0.0.0/8");
}

TEST(CanonicalRule, writes_ipv6_as_rfc_5952_does) {
  EXPECT_EQ(peer_text(cidr("2001:0DB8:0:0:1:0:0:1/128")), "2001:db8::1:0:0:1/128");
}

TEST(CanonicalRule, does_not_depend_on_the_description_or_tags) {  // SG-17
  SecurityRule one = rule(Direction::Ingress, proto(Proto::Tcp), {80, 80}, cidr("10.0.0.0/8"));
  SecurityRule other = one;
  other.description = "something else";
  other.tags = {{"ticket", "NET-7"}};
  name_rule("sg-a", one);
  name_rule("sg-a", other);
  EXPECT_EQ(one.id, other.id);
  name_rule("sg-b", other);
  EXPECT_NE(one.id, other.id);
}

}  // namespace
}  // namespace sluice
