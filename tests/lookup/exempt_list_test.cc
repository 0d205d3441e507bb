#include "lookup/exempt_list.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/lookup/small_policy.h"

namespace sluice {
namespace {

struct ExemptCase {
  std::string name;
  Direction direction;
  Proto proto;
  std::uint16_t source_port;
  std::uint16_t port;
  const char* remote;
  bool is_exempt;
};

constexpr Direction kIn = Direction::Ingress;
constexpr Direction kOut = Direction::Egress;

const std::vector<ExemptCase> kCases{
    {"dns_request_to_the_vpc_resolver", kOut, Proto::Udp, 40'000, 53, "10.0.0.2", true},
    {"dns_answer_of_the_vpc_resolver", kIn, Proto::Udp, 53, 40'000, "10.0.0.2", true},
    {"dns_over_tcp", kOut, Proto::Tcp, 40'000, 53, "10.0.0.2", true},
    {"dns_to_the_link_local_resolver", kOut, Proto::Udp, 40'000, 53, "169.254.169.253", true},
    {"dns_to_the_ipv6_resolver", kOut, Proto::Udp, 40'000, 53, "fd00:ec2::253", true},
    {"dns_to_somebody_else", kOut, Proto::Udp, 40'000, 53, "10.0.0.3", false},
    {"other_port_of_the_resolver", kOut, Proto::Tcp, 40'000, 443, "169.254.169.253", false},
    {"ping_to_the_resolver", kOut, Proto::Icmp, 0, 8 << 8, "169.254.169.253", false},
    {"request_to_our_own_port_53", kIn, Proto::Udp, 40'000, 53, "10.0.0.2", false},
    {"dhcp_request", kOut, Proto::Udp, 68, 67, "255.255.255.255", true},
    {"dhcp_request_to_the_router", kOut, Proto::Udp, 68, 67, "10.0.1.1", true},
    {"dhcp_request_to_a_host", kOut, Proto::Udp, 68, 67, "10.0.1.77", false},
    {"dhcp_request_to_the_world", kOut, Proto::Udp, 68, 67, "198.51.100.7", false},
    {"dhcp_answer", kIn, Proto::Udp, 67, 68, "10.0.1.1", true},
    {"dhcp_answer_of_a_host", kIn, Proto::Udp, 67, 68, "10.0.1.77", false},
    {"dhcp_answer_of_the_world", kIn, Proto::Udp, 67, 68, "198.51.100.7", false},
    {"dhcp_server_at_the_interface", kOut, Proto::Udp, 67, 68, "10.0.1.77", false},
    {"dhcp_ports_over_tcp", kOut, Proto::Tcp, 68, 67, "10.0.1.77", false},
    {"dhcpv6_request", kOut, Proto::Udp, 546, 547, "ff02::1:2", true},
    {"dhcpv6_request_to_another_group", kOut, Proto::Udp, 546, 547, "ff02::1:3", false},
    {"dhcpv6_request_to_a_host", kOut, Proto::Udp, 546, 547, "fd00:10:0:1::77", false},
    {"dhcpv6_answer", kIn, Proto::Udp, 547, 546, "fe80::1", true},
    {"dhcpv6_answer_of_a_host", kIn, Proto::Udp, 547, 546, "fd00:10:0:1::77", false},
    {"dhcpv6_answer_of_the_world", kIn, Proto::Udp, 547, 546, "2001:db8:7::7", false},
    {"dhcpv6_ports_swapped", kIn, Proto::Udp, 546, 547, "fe80::1", false},
    {"dhcpv6_ports_over_ipv4", kOut, Proto::Udp, 546, 547, "10.0.1.77", false},
    {"instance_metadata", kOut, Proto::Tcp, 40'000, 80, "169.254.169.254", true},
    {"answer_of_instance_metadata", kIn, Proto::Tcp, 80, 40'000, "169.254.169.254", true},
    {"instance_metadata_ipv6", kOut, Proto::Tcp, 40'000, 80, "fd00:ec2::254", true},
    {"task_metadata", kOut, Proto::Tcp, 40'000, 80, "169.254.170.2", true},
    {"neighbour_of_task_metadata", kOut, Proto::Tcp, 40'000, 80, "169.254.170.3", false},
    {"licence_activation", kOut, Proto::Tcp, 40'000, 1688, "169.254.169.250", true},
    {"licence_activation_second", kOut, Proto::Tcp, 40'000, 1688, "169.254.169.251", true},
    {"licence_activation_ipv6", kOut, Proto::Tcp, 40'000, 1688, "fd00:ec2::250", true},
    {"licence_activation_over_udp", kOut, Proto::Udp, 40'000, 1688, "169.254.169.250", false},
    {"time_sync", kOut, Proto::Udp, 123, 123, "169.254.169.123", true},
    {"time_sync_ipv6", kOut, Proto::Udp, 123, 123, "fd00:ec2::123", true},
    {"time_sync_over_tcp", kOut, Proto::Tcp, 40'000, 123, "169.254.169.123", false},
    // SG-61: the router of the subnet.
    {"router_of_the_subnet", kOut, Proto::Icmp, 0, 8 << 8, "10.0.1.1", true},
    {"router_of_the_other_subnet", kOut, Proto::Icmp, 0, 8 << 8, "10.0.2.1", false},
    {"neighbour_by_link_local_address", kIn, Proto::Tcp, 40'000, 80, "fe80::77", false},
};

class ExemptVectors : public testing::TestWithParam<ExemptCase> {
 protected:
  // An interface whose groups and ACL refuse everything.
  Decision ask(ExemptProfile profile, bool is_established) {
    SmallPolicy policy;
    policy.add_own_group();
    policy.add_acl(0);
    policy.input().exempt = profile;
    Question question = SmallPolicy::packet(GetParam().direction, GetParam().proto, GetParam().port,
                                            GetParam().remote);
    question.source_port = GetParam().source_port;
    const auto snapshot = policy.seal();
    return is_established ? decide_established(*snapshot, question) : decide(*snapshot, question);
  }
};

TEST_P(ExemptVectors, pass_groups_and_acl_with_the_aws_profile) {  // SG-60, NA-16
  const Decision decision = ask(ExemptProfile::Aws, false);
  EXPECT_EQ(decision.verdict, GetParam().is_exempt ? Verdict::Accept : Verdict::Drop);
  EXPECT_EQ(decision.by == By::Exempt, GetParam().is_exempt);
  if (!GetParam().is_exempt) return;
  EXPECT_EQ(decision.reason, DropReason::None);
  EXPECT_FALSE(decision.tracked);
  EXPECT_FALSE(decision.acl.asked);
  EXPECT_EQ(ask(ExemptProfile::Aws, true).verdict, Verdict::Accept);
}

TEST_P(ExemptVectors, are_filtered_without_it) {  // SG-64
  EXPECT_EQ(ask(ExemptProfile::None, false).verdict, Verdict::Drop);
}
INSTANTIATE_TEST_SUITE_P(Exempt, ExemptVectors, testing::ValuesIn(kCases),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace sluice
