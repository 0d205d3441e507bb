// The records that AWS documents (semantics, section 4.3) and those that follow from its words,
// line by line, and which rule a record names.

#include "control/main/replay.h"
#include "tests/replay/capture_builder.h"
#include "tests/replay/replay_fixture.h"

namespace sluice {
namespace {

constexpr std::uint32_t kT = 1718000040;  // 0 s into a minute
constexpr std::uint8_t kSyn = TcpFlags::kSyn;
constexpr std::uint8_t kAck = TcpFlags::kAck;
constexpr std::uint8_t kFin = TcpFlags::kFin;
constexpr std::uint8_t kRst = TcpFlags::kRst;

class RecordsTest : public ReplayTest {
 protected:
  // The lines of the log that the capture leaves behind under the policy.
  Answers records(const CaptureFile& capture, std::string_view policy) {
    const ReplayOutcome outcome = run(capture, policy);
    EXPECT_FALSE(outcome.error.has_value());
    expect_law(outcome);
    return lines("log");
  }
};

// 172.31.16.139 of the documented ping.
std::string ping_policy(std::string_view group, std::string_view acl) {
  return R"(
account = "123456789010"
[[vpc]]
id = "vpc-1"
cidrs = ["172.31.0.0/16"]
[[subnet]]
id = "subnet-1"
vpc = "vpc-1"
cidrs = ["172.31.16.0/20"]
network_acl = "acl-1"
[[interface]]
id = "eni-1235b8ca123456789"
subnet = "subnet-1"
mac = "02:00:00:00:01:10"
addresses = ["172.31.16.139"]
security_groups = ["sg-1"]
[[flow_log]]
id = "fl-1"
resource = "vpc-1"
interval = 600
destination = "file:/nowhere/flow.log"
[[security_group]]
id = "sg-1"
name = "ping"
vpc = "vpc-1"
egress = []
)" + std::string(group) +
         "\n[[network_acl]]\nid = \"acl-1\"\nvpc = \"vpc-1\"\n" + std::string(acl);
}

// Four requests of 84 bytes, and as many answers; where the request is refused nobody answers.
CaptureFile ping(bool is_answered) {
  const std::string_view client = "203.0.113.12", host = "172.31.16.139";
  constexpr std::uint32_t kRequests[] = {1432917027, 1432917094, 1432917118, 1432917142};
  constexpr std::uint32_t kAnswers[] = {1432917094, 1432917110, 1432917126, 1432917142};
  const auto message = [](std::string_view from, std::string_view to, std::uint8_t type,
                          std::size_t number) {
    const auto sequence = static_cast<std::uint16_t>(number + 1);
    return ethernet(ipv4(from, to, Proto::Icmp, echo(type, 77, sequence)));
  };
  CaptureFile capture;
  const auto answer = [&](std::size_t number) {
    if (is_answered) capture.add(kAnswers[number], message(host, client, 0, number));
  };
  capture.add(kRequests[0], message(client, host, 8, 0));
  capture.add(kRequests[1], message(client, host, 8, 1));
  answer(0);
  answer(1);
  capture.add(kRequests[2], message(client, host, 8, 2));
  answer(2);
  capture.add(kRequests[3], message(client, host, 8, 3));
  answer(3);
  return capture;
}

TEST_F(RecordsTest, of_ping_are_those_of_the_four_rows_of_4_3) {  // FL-24, FL-25
  const std::string_view group_allows =
      "ingress = [{ protocol = \"icmp\", source = \"0.0.0.0/0\" }]";
  const std::string_view group_denies = "ingress = []";
  const auto direction = [](const std::string& name, const std::string& action) {
    return name + " = [{ rule = 100, action = \"" + action +
           "\", protocol = \"-1\", cidr = \"0.0.0.0/0\" }]\n";
  };
  const std::string in =
      "2 123456789010 eni-1235b8ca123456789 203.0.113.12 172.31.16.139 0 0 1 "
      "4 336 1432917027 1432917142 ";
  const std::string out =
      "2 123456789010 eni-1235b8ca123456789 172.31.16.139 203.0.113.12 0 0 1 "
      "4 336 1432917094 1432917142 ";
  struct Row {
    std::string_view name;
    std::string acl;
    std::string_view group;
    Answers expected;
  };
  const std::vector<Row> rows = {
      {"4.3: NACL in allow, NACL out deny, SG in allow",
       direction("ingress", "allow") + direction("egress", "deny"),
       group_allows,
       {in + "ACCEPT OK", out + "REJECT OK"}},
      {"4.3: NACL in allow, NACL out allow, SG in allow",
       direction("ingress", "allow") + direction("egress", "allow"),
       group_allows,
       {in + "ACCEPT OK", out + "ACCEPT OK"}},
      {"4.3: NACL in allow, NACL out allow, SG in deny",
       direction("ingress", "allow") + direction("egress", "allow"),
       group_denies,
       {in + "REJECT OK"}},
      {"4.3: NACL in deny, SG in allow",
       direction("ingress", "deny"),
       group_allows,
       {in + "REJECT OK"}},
  };
  for (const Row& row : rows) {
    const bool is_answered = row.expected.size() == 2;
    EXPECT_EQ(records(ping(is_answered), ping_policy(row.group, row.acl)), row.expected)
        << row.name;
  }
}

constexpr std::string_view kFlagsLog = R"(
[[flow_log]]
id = "fl-1"
resource = "vpc-1"
interval = 60
destination = "file:/nowhere/flow.log"
format = "${interface-id} ${flow-direction} ${srcaddr} ${dstaddr} ${srcport} ${dstport} )"
                                       R"(${packets} ${start} ${end} ${tcp-flags} ${action}"
)";

std::string with_flags_log(std::string_view policy) {
  return std::string(policy) + std::string(kFlagsLog);
}

Bytes to_a(std::uint16_t port, std::uint8_t flags, std::uint32_t sequence,
           std::uint32_t acknowledgment = 0, std::size_t payload = 0) {
  return ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp,
                       tcp(port, 80, flags, sequence, acknowledgment, payload)));
}
Bytes from_a(std::uint16_t port, std::uint8_t flags, std::uint32_t sequence,
             std::uint32_t acknowledgment, std::size_t payload = 0) {
  return ethernet(ipv4("10.0.1.10", "198.51.100.7", Proto::Tcp,
                       tcp(80, port, flags, sequence, acknowledgment, payload)));
}

TEST_F(RecordsTest, fl_vector_1_of_egress_refused_by_the_own_group_are_at_that_end_alone) {
  const Bytes packet = ethernet(ipv4("10.0.2.20", "10.0.1.10", Proto::Udp, udp(40000, 53)));
  EXPECT_EQ(
      records(CaptureFile().add(kT, packet).add(kT + 2, packet), with_flags_log(kTwoInterfaces)),
      Answers{"eni-b egress 10.0.2.20 10.0.1.10 40000 53 2 1718000040 1718000042 0 REJECT"});
}

TEST_F(RecordsTest, fl_vector_2_of_egress_refused_by_the_acl_behind_the_group_is_one_reject) {
  std::string policy = with_flags_log(kTwoInterfaces);
  const std::string subnet = "cidrs = [\"10.0.1.0/24\", \"fd00:0:0:1::/64\"]\n";
  policy.insert(policy.find(subnet), "network_acl = \"acl-1\"\n");
  policy += R"(
[[network_acl]]
id = "acl-1"
vpc = "vpc-1"
ingress = [{ rule = 100, action = "allow", protocol = "-1", cidr = "0.0.0.0/0" }]
egress = [{ rule = 100, action = "deny", protocol = "tcp", ports = 443, cidr = "0.0.0.0/0" },
          { rule = 110, action = "allow", protocol = "-1", cidr = "0.0.0.0/0" }]
)";
  const Bytes syn = ethernet(ipv4("10.0.1.10", "10.0.2.20", Proto::Tcp, tcp(40000, 443, kSyn)));
  EXPECT_EQ(records(CaptureFile().add(kT, syn), policy),
            Answers{"eni-a egress 10.0.1.10 10.0.2.20 40000 443 1 1718000040 1718000040 2 REJECT"});
  EXPECT_EQ(answers(), Answers{"drop acl-deny"});
}

TEST_F(RecordsTest, fl_vector_3_of_the_middle_of_a_download_show_no_tcp_flags) {
  CaptureFile capture;
  capture.add(kT + 50, to_a(40000, kSyn, 100))
      .add(kT + 50, from_a(40000, kSyn | kAck, 500, 101))
      .add(kT + 50, to_a(40000, kAck, 101, 501));
  std::uint32_t sent = 501;
  for (std::uint32_t second = 60; second < 120; second += 10, sent += 1000) {
    capture.add(kT + second, from_a(40000, kAck | TcpFlags::kPsh, sent, 101, 1000));
    capture.add(kT + second, to_a(40000, kAck, 101, sent + 1000));
  }
  capture.add(kT + 120, from_a(40000, kFin | kAck, sent, 101))
      .add(kT + 121, to_a(40000, kFin | kAck, 101, sent + 1));
  EXPECT_EQ(records(capture, with_flags_log(kTwoInterfaces)),
            (Answers{
                "eni-a egress 10.0.1.10 198.51.100.7 80 40000 1 1718000090 1718000090 18 ACCEPT",
                "eni-a ingress 198.51.100.7 10.0.1.10 40000 80 2 1718000090 1718000090 2 ACCEPT",
                "eni-a egress 10.0.1.10 198.51.100.7 80 40000 6 1718000100 1718000150 0 ACCEPT",
                "eni-a ingress 198.51.100.7 10.0.1.10 40000 80 6 1718000100 1718000150 0 ACCEPT",
                "eni-a egress 10.0.1.10 198.51.100.7 80 40000 1 1718000160 1718000160 1 ACCEPT",
                "eni-a ingress 198.51.100.7 10.0.1.10 40000 80 1 1718000161 1718000161 1 ACCEPT",
            }));
}

TEST_F(RecordsTest, fl_vector_4_of_a_syn_answered_by_a_reset_show_2_and_4) {
  EXPECT_EQ(records(CaptureFile()
                        .add(kT, to_a(40000, kSyn, 100))
                        .add(kT + 1, from_a(40000, kRst | kAck, 0, 101)),
                    with_flags_log(kTwoInterfaces)),
            (Answers{
                "eni-a ingress 198.51.100.7 10.0.1.10 40000 80 1 1718000040 1718000040 2 ACCEPT",
                "eni-a egress 10.0.1.10 198.51.100.7 80 40000 1 1718000041 1718000041 4 ACCEPT",
            }));
}

TEST_F(RecordsTest, fl_vector_5_of_a_refused_syn_flood_are_one_per_5_tuple_and_interval) {
  CaptureFile capture;
  for (std::uint32_t second = 0; second < 120; second += 5) {
    for (std::uint16_t port = 1000; port < 1002; ++port) {
      capture.add(kT + second, ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp,
                                             tcp(port, 22, kSyn, second * 1'000'003 + port))));
    }
  }
  EXPECT_EQ(records(capture, with_flags_log(kTwoInterfaces)),
            (Answers{
                "eni-a ingress 198.51.100.7 10.0.1.10 1000 22 12 1718000040 1718000095 2 REJECT",
                "eni-a ingress 198.51.100.7 10.0.1.10 1001 22 12 1718000040 1718000095 2 REJECT",
                "eni-a ingress 198.51.100.7 10.0.1.10 1000 22 12 1718000100 1718000155 2 REJECT",
                "eni-a ingress 198.51.100.7 10.0.1.10 1001 22 12 1718000100 1718000155 2 REJECT",
            }));
}

constexpr std::string_view kOpenWeb = R"(
[[vpc]]
id = "vpc-1"
cidrs = ["10.0.0.0/16"]
[[subnet]]
id = "subnet-1"
vpc = "vpc-1"
cidrs = ["10.0.1.0/24"]
[[security_group]]
id = "sg-web"
name = "web"
vpc = "vpc-1"
ingress = [{ protocol = "tcp", ports = 80, source = "0.0.0.0/0" }]
[[interface]]
id = "eni-a"
subnet = "subnet-1"
mac = "02:00:00:00:01:10"
addresses = ["10.0.1.10"]
security_groups = ["sg-web"]
[[flow_log]]
id = "fl-1"
resource = "vpc-1"
interval = 60
destination = "file:/nowhere/flow.log"
format = "${flow-direction} ${srcport} ${dstport} ${action} ${rule-id} ${group-id}"
)";

// CT-6: the answer passes by the default egress rule, not by that of port 80.
TEST_F(RecordsTest, of_an_untracked_flow_name_its_rule_only_where_it_began) {
  const Answers found = records(CaptureFile()
                                    .add(kT, to_a(40000, kSyn, 100))
                                    .add(kT + 1, from_a(40000, kSyn | kAck, 500, 101)),
                                kOpenWeb);
  const auto checks = verdicts();
  ASSERT_EQ(checks.size(), 2u);
  const std::string asked = checks[0]["checks"][0]["rule"];
  const std::string answered = checks[1]["checks"][0]["rule"];
  EXPECT_NE(asked, answered);
  EXPECT_EQ(found, (Answers{"ingress 40000 80 ACCEPT " + asked + " sg-web",
                            "egress 80 40000 ACCEPT - -"}));
}

}  // namespace
}  // namespace sluice
