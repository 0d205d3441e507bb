#include "control/main/replay.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/packets/packet.h"
#include "tests/replay/capture_builder.h"
#include "tests/replay/replay_fixture.h"

namespace sluice {
namespace {

constexpr std::uint32_t kT = 1718000040;  // 0 s into a minute
constexpr std::uint8_t kSyn = TcpFlags::kSyn;
constexpr std::uint8_t kAck = TcpFlags::kAck;

Bytes dns_query(std::uint16_t port = 40000) {
  return ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, udp(port, 53)));
}
Bytes dns_answer(std::uint16_t port = 40000) {
  return ethernet(ipv4("10.0.1.10", "198.51.100.7", Proto::Udp, udp(53, port)));
}

TEST(ReplayFiles, are_never_read_and_written_at_once) {
  const std::string folder = testing::TempDir() + "replay-files-" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  const std::string pcap = folder + "/in.pcap";
  std::ofstream(pcap) << "precious";
  std::filesystem::create_hard_link(pcap, folder + "/other.pcap");
  ReplayOptions options;
  options.policy = folder + "/policy.toml";
  options.pcap = pcap;
  for (const std::string& out : {pcap, folder + "/other.pcap", options.policy}) {
    options.out = out;
    const ReplayOutcome outcome = replay(options);
    ASSERT_TRUE(outcome.error.has_value());
    EXPECT_EQ(outcome.error->code, "same-file");
    EXPECT_EQ(outcome.error->kind, ErrorKind::Usage);
  }
  options.out = options.verdicts = folder + "/new";
  EXPECT_EQ(replay(options).error->code, "same-file") << "two outputs";
  EXPECT_EQ(std::filesystem::file_size(pcap), 8u);
  std::filesystem::remove_all(folder);
}

TEST_F(ReplayTest, writes_the_verdict_line_of_the_specification) {
  const auto outcome = run(CaptureFile().add(1718000000, 123456, dns_query()));
  EXPECT_FALSE(outcome.error.has_value());
  ASSERT_EQ(lines("verdicts").size(), 1u);
  const std::string line = lines("verdicts")[0];
  const std::string rule = verdicts()[0]["checks"][0]["rule"];
  EXPECT_TRUE(rule.starts_with("sgr-")) << rule;
  EXPECT_EQ(line, R"({"packet":1,"time":1718000000.123456,"verdict":"accept","reason":"rule",)"
                  R"("checks":[{"interface":"eni-a","direction":"ingress","verdict":"accept",)"
                  R"("by":"rule","rule":")" +
                      rule + R"("}]})");
}

TEST_F(ReplayTest, judges_a_packet_at_the_interface_it_leaves_and_at_the_one_it_reaches) {
  const Bytes packet = ethernet(ipv4("10.0.1.10", "10.0.2.20", Proto::Tcp, tcp(40000, 443, kSyn)));
  const auto outcome = run(CaptureFile().add(kT, packet));
  expect_law(outcome);
  ASSERT_EQ(verdicts().size(), 1u);
  const auto checks = verdicts()[0]["checks"];
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[0]["interface"], "eni-a");
  EXPECT_EQ(checks[0]["direction"], "egress");
  EXPECT_EQ(checks[1]["interface"], "eni-b");
  EXPECT_EQ(checks[1]["direction"], "ingress");
}

TEST_F(ReplayTest, refuses_what_no_rule_allows_and_remembers_what_one_does) {
  const auto outcome =
      run(CaptureFile()
              .add(kT, dns_query())
              .add(kT + 1, dns_answer())
              .add(kT + 2, ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, udp(1, 54))))
              .add(kT + 3, ethernet(ipv4("10.0.2.20", "198.51.100.7", Proto::Udp, udp(1, 2)))));
  EXPECT_EQ(answers(), (Answers{"accept rule", "accept flow", "drop no-rule", "drop no-rule"}));
  EXPECT_EQ(outcome.counts.drops[static_cast<std::size_t>(DropReason::NoRule)], 2u);
  expect_law(outcome);
}

#if SLUICE_HAS_HYPERSCAN
TEST_F(ReplayTest, says_what_a_connection_turned_out_to_be) {
  // A ClientHello for one cipher and one name (RFC 8446 4.1.2).
  const std::string hello = std::string("\x16\3\1\0\x44\1\0\0\x40\3\3", 11) + std::string(32, 'r') +
                            std::string("\0\0\2\x13\1\1\0\0\x15\0\0\0\x11\0\x0f\0\0\x0c", 18) +
                            "shop.example";
  Bytes said = tcp(40000, 80, kAck, 1, 1, hello.size());
  std::copy(hello.begin(), hello.end(), said.end() - static_cast<std::ptrdiff_t>(hello.size()));
  const auto end = static_cast<std::uint32_t>(1 + hello.size());
  const std::string policy =
      std::string(kTwoInterfaces) + "[[signature]]\nid='shop'\npattern='shop[.]'\naction='alert'\n";
  const auto outcome =
      run(CaptureFile()
              .add(kT, ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp, said)))
              .add(kT, ethernet(ipv4("10.0.1.10", "198.51.100.7", Proto::Tcp,
                                     tcp(80, 40000, kAck, 1, end))))
              .add(kT, ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp,
                                     tcp(40000, 80, kAck, end, 1))))
              .add(kT, ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp,
                                     tcp(40000, 80, kAck, end, 1))))
              .add(kT + 1,
                   ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp, tcp(40001, 80, kAck)))),
          policy);
  EXPECT_FALSE(outcome.error.has_value());
  ASSERT_EQ(verdicts().size(), 5u);
  for (const int i : {0, 1, 2, 3}) {  // the last of them take the short way
    const auto known = verdicts()[i]["checks"][0];
    EXPECT_EQ(known.value("app", ""), "tls") << known;
    EXPECT_EQ(known.value("domain", ""), "shop.example") << known;
    EXPECT_EQ(known.value("ja4", "").size(), 36u) << known;
    EXPECT_EQ(known.value("signature", ""), "shop") << known;
  }
  const auto other = verdicts()[4]["checks"][0];
  for (const char* key : {"domain", "ja4", "signature"}) EXPECT_FALSE(other.contains(key)) << other;
}
#endif

TEST_F(ReplayTest, has_no_verdict_on_what_belongs_to_no_interface) {
  run(CaptureFile()
          .add(kT, ethernet(ipv4("198.51.100.7", "203.0.113.9", Proto::Udp, udp(1, 2))))
          .add(kT, ethernet(Bytes(46, 0), 0x88cc))
          .add(kT, ethernet(Bytes(28, 0), 0x0806)));
  const auto found = verdicts();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0]["verdict"], "none");
  EXPECT_EQ(found[1]["verdict"], "none");
  EXPECT_EQ(found[1]["reason"], "not-ip");
  EXPECT_TRUE(found[0]["checks"].empty());
}

TEST_F(ReplayTest, has_no_verdict_on_neighbour_discovery_whoever_it_is_about) {  // SG-62
  run(CaptureFile()
          .add(kT, solicitation("02:00:00:00:02:20", "fd00:0:0:1::20", "fd00:0:0:1::10"))
          .add(kT, advertisement("02:00:00:00:01:10", "fd00:0:0:1::10", "fd00:0:0:1::20",
                                 "fd00:0:0:1::10")));
  EXPECT_EQ(answers(), (Answers{"none none", "none none"}));
}

TEST_F(ReplayTest, drops_broken_ip_also_where_nobody_owns_the_address) {
  Bytes bad_sum = ethernet(ipv4("198.51.100.7", "203.0.113.9", Proto::Udp, udp(1, 2)));
  bad_sum[24] ^= 1;
  Bytes cut = ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, udp(1, 53, 100)));
  const auto wire_length = static_cast<std::uint32_t>(cut.size());
  cut.resize(60);
  const auto outcome = run(CaptureFile().add(kT, bad_sum).add(kT, 0, cut, wire_length));
  EXPECT_EQ(answers(), (Answers{"drop malformed-ipv4-checksum", "drop malformed-truncated"}));
  expect_law(outcome);
}

TEST_F(ReplayTest, judges_the_same_packet_alike_under_every_link_type) {
  const Bytes ip = ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, udp(40000, 53));
  const Bytes ip6 = ipv6("fd00:0:0:1::10", "2001:db8::1", Proto::Udp, udp(40000, 53));
  const auto wrapped = [](Bytes head, std::uint16_t type, std::size_t size) {
    put16(head, type);
    head.resize(size);
    return head;
  };
  struct Row {
    std::uint32_t link_type;
    Bytes four, six;
  };
  const std::vector<Row> rows = {
      {1, ethernet({}), ethernet({}, 0x86dd)},
      {101, {}, {}},
      {12, {}, {}},
      {0, {2, 0, 0, 0}, {24, 0, 0, 0}},
      {108, {0, 0, 0, 2}, {0, 0, 0, 30}},
      {113, wrapped(Bytes(14, 0), 0x0800, 16), wrapped(Bytes(14, 0), 0x86dd, 16)},
      {276, wrapped({}, 0x0800, 20), wrapped({}, 0x86dd, 20)},
  };
  for (const Row& row : rows) {
    const auto outcome =
        run(CaptureFile(row.link_type).add(kT, joined(row.four, ip)).add(kT, joined(row.six, ip6)));
    EXPECT_FALSE(outcome.error.has_value());
    EXPECT_EQ(answers(), (Answers{"accept rule", "accept rule"})) << row.link_type;
  }
}

TEST_F(ReplayTest, ignores_mac_addresses) {
  Bytes packet = dns_query();
  for (std::size_t i = 0; i < 12; ++i) packet[i] = 0xff;
  run(CaptureFile().add(kT, packet));
  EXPECT_EQ(answers(), Answers{"accept rule"});
}

TEST_F(ReplayTest, reads_stamps_of_nanoseconds) {
  run(CaptureFile(1, CaptureFile::kNanoseconds).add(kT, 123456789, dns_query()));
  ASSERT_EQ(lines("verdicts").size(), 1u);
  EXPECT_NE(lines("verdicts")[0].find("\"time\":1718000040.123456789,"), std::string::npos);
}

TEST_F(ReplayTest, reads_pcapng) {
  const Bytes bytes = CaptureNgFile().add(kT, dns_query()).add(kT + 1, dns_answer()).bytes();
  write("in.pcapng", std::string(bytes.begin(), bytes.end()));
  write("policy.toml", kTwoInterfaces);
  const auto outcome = replay({path("policy.toml"), path("in.pcapng"), path("verdicts"), "", ""});
  EXPECT_FALSE(outcome.error.has_value());
  EXPECT_EQ(answers(), (Answers{"accept rule", "accept flow"}));
}

TEST_F(ReplayTest, forwards_the_bytes_as_captured_and_only_what_passes) {
  const Bytes passes = dns_query();
  const Bytes refused = ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, udp(1, 54)));
  const Bytes unknown = ethernet(Bytes(46, 7), 0x88cc);
  run(CaptureFile().add(kT, 5, passes).add(kT, 6, refused).add(kT, 7, unknown));
  CaptureFile expected;
  expected.add(kT, 5, passes).add(kT, 7, unknown);
  const std::string found = text("out.pcap");
  const Bytes bytes(found.begin(), found.end());
  EXPECT_EQ(bytes, expected.bytes());
}

TEST_F(ReplayTest, keeps_the_order_of_packets_while_a_fragment_waits_for_its_first) {
  const Bytes datagram = udp(40000, 53, 72);
  const Bytes first(datagram.begin(), datagram.begin() + 40);
  const Bytes second(datagram.begin() + 40, datagram.end());
  const auto piece = [](const Bytes& part, std::uint16_t fragment) {
    return ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, part, {77, fragment, 64}));
  };
  const auto outcome = run(CaptureFile()
                               .add(kT, piece(second, 5))
                               .add(kT, ethernet(Bytes(46, 0), 0x88cc))
                               .add(kT + 1, piece(first, 0x2000)));
  EXPECT_EQ(answers().size(), 3u);
  EXPECT_EQ(answers()[0].substr(0, 6), "accept");
  EXPECT_EQ(answers()[1], "none not-ip");
  EXPECT_EQ(answers()[2], "accept rule");
  EXPECT_EQ(verdicts()[0]["packet"], 1);
  expect_law(outcome);
}

TEST_F(ReplayTest, refuses_fragments_with_their_first_at_its_interface) {
  const Bytes datagram = udp(40000, 54, 112);
  const auto piece = [&](std::uint16_t unit, bool more) {
    const auto begin = datagram.begin() + unit * 8;
    const Bytes part(begin, more ? begin + 40 : datagram.end());
    const auto fragment = static_cast<std::uint16_t>(unit | (more ? 0x2000 : 0));
    return ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, part, {77, fragment, 64}));
  };
  const auto outcome = run(CaptureFile()
                               .add(kT, piece(10, false))
                               .add(kT + 1, piece(0, true))
                               .add(kT + 2, piece(5, true)));
  EXPECT_EQ(answers(), (Answers{"drop fragment-refused", "drop no-rule", "drop fragment-refused"}));
  for (const nlohmann::json& verdict : verdicts()) {
    const auto checks = verdict["checks"];
    ASSERT_EQ(checks.size(), 1u);
    EXPECT_EQ(checks[0]["interface"], "eni-a");
    EXPECT_EQ(checks[0]["direction"], "ingress");
    EXPECT_EQ(checks[0]["verdict"], "drop");
    EXPECT_EQ(checks[0]["by"], "none");
  }
  EXPECT_EQ(lines("log"),
            (Answers{"2 123456789012 eni-a 198.51.100.7 10.0.1.10 40000 54 17 3 180 1718000041 "
                     "1718000042 REJECT OK"}));
  expect_law(outcome);
}

TEST_F(ReplayTest, gives_up_a_fragment_whose_first_never_comes) {  // CT-22
  const Bytes lonely =
      ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Udp, Bytes(16, 1), {77, 5, 64}));
  const auto at_the_end = run(CaptureFile().add(kT, lonely));
  EXPECT_EQ(answers(), Answers{"drop fragment-timeout"});
  expect_law(at_the_end);
  const auto in_between = run(CaptureFile().add(kT, lonely).add(kT + 45, dns_query()));
  EXPECT_EQ(answers(), (Answers{"drop fragment-timeout", "accept rule"}));
  expect_law(in_between);
}

TEST_F(ReplayTest, cuts_the_flow_log_at_minutes_and_sorts_its_lines) {
  const std::string policy = std::string(kTwoInterfaces) + std::string(kMinuteLog);
  const auto outcome = run(CaptureFile()
                               .add(kT + 10, dns_query())
                               .add(kT + 59, 999'999, dns_query())
                               .add(kT + 60, dns_query())
                               .add(kT + 61, dns_answer()),
                           policy);
  EXPECT_EQ(lines("log"),
            (Answers{"2 123456789012 eni-a 198.51.100.7 10.0.1.10 40000 53 17 2 72 1718000050 "
                     "1718000099 ACCEPT OK",
                     "2 123456789012 eni-a 198.51.100.7 10.0.1.10 40000 53 17 1 36 1718000100 "
                     "1718000100 ACCEPT OK",
                     "2 123456789012 eni-a 10.0.1.10 198.51.100.7 53 40000 17 1 36 1718000101 "
                     "1718000101 ACCEPT OK"}));
  expect_law(outcome);
}

TEST_F(ReplayTest, logs_every_interface_in_the_default_format_where_no_log_is_asked_for) {  // FL-2
  const auto outcome =
      run(CaptureFile()
              .add(kT, dns_query())
              .add(kT + 90, dns_query())
              .add(kT + 91,
                   ethernet(ipv4("198.51.100.7", "10.0.2.20", Proto::Tcp, tcp(40000, 443, kSyn)))));
  EXPECT_EQ(lines("log"),
            (Answers{"2 123456789012 eni-a 198.51.100.7 10.0.1.10 40000 53 17 2 72 1718000040 "
                     "1718000130 ACCEPT OK",
                     "2 123456789012 eni-b 198.51.100.7 10.0.2.20 40000 443 6 1 40 1718000131 "
                     "1718000131 REJECT OK"}));
  expect_law(outcome);
}

TEST_F(ReplayTest, sums_refusals_of_one_flow_into_one_record) {
  const std::string policy = std::string(kTwoInterfaces) + std::string(kMinuteLog);
  CaptureFile capture;
  for (std::uint32_t i = 0; i < 30; ++i) {
    capture.add(kT + i, ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp,
                                      tcp(40000, 22, kSyn, 1000 + i))));
  }
  const auto outcome = run(capture, policy);
  EXPECT_EQ(lines("log"),
            (Answers{"2 123456789012 eni-a 198.51.100.7 10.0.1.10 40000 22 6 30 1200 1718000040 "
                     "1718000069 REJECT OK"}));
  expect_law(outcome);
}

TEST_F(ReplayTest, forgets_a_flow_that_was_idle_for_its_timeout) {
  run(CaptureFile()
          .add(kT, dns_query())
          .add(kT + 29, dns_answer())
          .add(kT + 29 + 31,
               ethernet(ipv4("198.51.100.7", "10.0.1.10", Proto::Tcp, tcp(1, 80, kAck))))
          .add(kT + 200, dns_query()));
  EXPECT_EQ(answers(), (Answers{"accept rule", "accept flow", "accept rule", "accept rule"}));
}

TEST_F(ReplayTest, follows_a_jump_of_many_years_in_time) {
  const std::string policy = std::string(kTwoInterfaces) + std::string(kMinuteLog);
  const auto outcome = run(CaptureFile()
                               .add(5, dns_query())
                               .add(6, dns_answer())
                               .add(kT, dns_query())
                               .add(kT + 1, dns_answer()),
                           policy);
  EXPECT_EQ(answers(), (Answers{"accept rule", "accept flow", "accept rule", "accept flow"}));
  EXPECT_EQ(lines("log").size(), 4u);
  expect_law(outcome);
}

TEST_F(ReplayTest, never_turns_its_clock_back) {
  const std::string policy = std::string(kTwoInterfaces) + std::string(kMinuteLog);
  const auto outcome = run(CaptureFile().add(kT + 30, dns_query()).add(kT, dns_query()), policy);
  EXPECT_EQ(lines("log"),
            (Answers{"2 123456789012 eni-a 198.51.100.7 10.0.1.10 40000 53 17 2 72 1718000070 "
                     "1718000070 ACCEPT OK"}));
  expect_law(outcome);
}

TEST_F(ReplayTest, gives_the_same_bytes_every_time) {
  CaptureFile capture;
  for (std::uint32_t i = 0; i < 500; ++i) {
    const auto port = static_cast<std::uint16_t>(1000 + i % 50);
    capture.add(kT + i, i * 1000, i % 3 ? dns_query(port) : dns_answer(port));
  }
  const std::string policy = std::string(kTwoInterfaces) + std::string(kMinuteLog);
  run(capture, policy);
  const std::string first = text("verdicts") + text("log") + text("out.pcap");
  run(capture, policy);
  EXPECT_EQ(text("verdicts") + text("log") + text("out.pcap"), first);
}

TEST_F(ReplayTest, refuses_a_policy_that_is_wrong_or_shares_an_address) {
  const auto broken = run(CaptureFile().add(kT, dns_query()), "[[vpc]]\nid = 7\n");
  ASSERT_TRUE(broken.error.has_value());
  EXPECT_EQ(broken.error->kind, ErrorKind::Invalid);
  EXPECT_FALSE(broken.findings.empty());
  const std::string shared = std::string(kTwoInterfaces) + R"(
[[vpc]]
id = "vpc-2"
cidrs = ["10.0.0.0/16"]
[[subnet]]
id = "subnet-3"
vpc = "vpc-2"
cidrs = ["10.0.1.0/24"]
[[interface]]
id = "eni-c"
subnet = "subnet-3"
mac = "02:00:00:00:03:10"
addresses = ["10.0.1.10"]
)";
  const auto outcome = run(CaptureFile().add(kT, dns_query()), shared);
  ASSERT_TRUE(outcome.error.has_value());
  EXPECT_EQ(outcome.error->kind, ErrorKind::Invalid);
  EXPECT_EQ(outcome.error->code, "shared-address");
  const std::string policy = path("policy.toml");
  for (const std::string& part : {"'eni-a' at " + policy + ":33:14",
                                  "'eni-c' at " + policy + ":53:14", std::string("10.0.1.10")}) {
    EXPECT_NE(outcome.error->sentence.find(part), std::string::npos) << outcome.error->sentence;
  }
}

TEST_F(ReplayTest, judges_a_capture_that_breaks_off_up_to_there_and_says_so) {
  CaptureFile capture;
  capture.add(kT, dns_query()).add(kT, dns_query());
  capture.bytes().resize(capture.bytes().size() - 10);
  const auto outcome = run(capture);
  EXPECT_EQ(answers(), Answers{"accept rule"});
  ASSERT_TRUE(outcome.error.has_value());
  EXPECT_EQ(outcome.error->kind, ErrorKind::Failed);
}

TEST_F(ReplayTest, judges_an_empty_capture) {
  const auto outcome = run(CaptureFile());
  EXPECT_FALSE(outcome.error.has_value());
  EXPECT_TRUE(lines("verdicts").empty());
}

// The program's exit status, with its words on the command line.
int exit_of(const std::string& words) {
  const std::string command = std::string(SLUICE_REPLAY) + " " + words + " >/dev/null 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  return pipe == nullptr ? -1 : WEXITSTATUS(::pclose(pipe));
}

TEST_F(ReplayTest, ends_with_the_exit_code_of_what_happened) {
  CaptureFile().add(kT, dns_query()).save(path("in.pcap"));
  write("policy.toml", kTwoInterfaces);
  write("broken.toml", "[[vpc]]\nid = 7\n");
  write("no.pcap", "this is no capture");
  const std::string policy = "--policy " + path("policy.toml");
  const std::string capture = " --pcap " + path("in.pcap");
  EXPECT_EQ(exit_of(policy + capture), 0);
  EXPECT_EQ(exit_of(policy + " --pcap " + path("absent.pcap")), 1);
  EXPECT_EQ(exit_of(policy + " --pcap " + path("no.pcap")), 1);
  EXPECT_EQ(exit_of(policy), 2);
  EXPECT_EQ(exit_of(policy + capture + " --loud"), 2);
  EXPECT_EQ(exit_of("--policy " + path("broken.toml") + capture), 4);
  EXPECT_EQ(exit_of("--policy " + path("absent.toml") + capture), 4);
  EXPECT_EQ(exit_of(policy + capture + " --verdicts /nowhere/at/all"), 1);
}

}  // namespace
}  // namespace sluice
