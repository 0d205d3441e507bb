#include <gtest/gtest.h>

#include <string>

#include "control/flowlog/aggregate.h"
#include "control/flowlog/format_text.h"
#include "tests/control/flowlog_records.h"

namespace sluice {
namespace {

// The line that the deltas give in the format; the interface is "eni-1235b8ca123456789".
class FlowLogLine : public testing::Test {
 protected:
  std::string line_of(const FlowDelta& delta, std::string_view format = kDefaultLogFormat) {
    LogSpec log = log_of("fl-1", 60);
    log.format = parse_record_format(format).value();
    auto plan = plan_of({log}, 1);
    plan->interfaces[0].name = "eni-1235b8ca123456789";
    plan->interfaces[0].vpc = "vpc-abcdefab012345678";
    plan->interfaces[0].subnet = "subnet-aaaaaaaa012345678";
    plan->interfaces[0].instance = "i-01234567890123456";
    plan->interfaces[0].addresses = addresses_;
    registry_.rule_groups.note(RuleIndex(1), registry_.groups.intern("sg-web"));
    Aggregator aggregator(AggregatorConfig{});
    aggregator.set_plan(plan);
    aggregator.add(delta);
    std::string text;
    for (const ClosedWindow& window : aggregator.take_closed(true)) {
      for (const LogRecord& record : window.table.records()) {
        append_log_line(text, log.format, record, *plan, registry_);
      }
    }
    return text;
  }

  // A flow as the AWS documentation tells it, seen from the interface.
  static FlowDelta seen(Direction direction, std::string_view local, std::string_view remote,
                        Proto proto = Proto::Tcp) {
    FlowDelta delta;
    delta.direction = direction;
    delta.tuple.eni = EniIndex(0);
    delta.tuple.proto = proto;
    delta.tuple.local = address_of(local);
    delta.tuple.remote = address_of(remote);
    return delta;
  }
  static FlowDelta counted(FlowDelta delta, std::uint64_t packets, std::uint64_t bytes,
                           std::uint32_t first_s, std::uint32_t last_s) {
    delta.packets = packets;
    delta.bytes = bytes;
    delta.first_s = first_s;
    delta.last_s = last_s;
    return delta;
  }

  Registry registry_;
  std::vector<IpAddr> addresses_ = {address_of("172.31.16.139")};
};

TEST_F(FlowLogLine, is_the_documented_one_for_accepted_ssh) {  // FL-2
  addresses_ = {address_of("172.31.16.21")};
  FlowDelta delta = counted(seen(Direction::Ingress, "172.31.16.21", "172.31.16.139"), 20, 4249,
                            1418530010, 1418530070);
  delta.tuple.remote_port = 20641;
  delta.tuple.local_port = 22;
  EXPECT_EQ(line_of(delta),
            "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 "
            "1418530010 1418530070 ACCEPT OK\n");
}

TEST_F(FlowLogLine, shows_a_refusal_as_reject) {  // FL-12
  addresses_ = {address_of("172.31.9.12")};
  FlowDelta delta = counted(seen(Direction::Ingress, "172.31.9.12", "172.31.9.69"), 20, 4249,
                            1418530010, 1418530070);
  delta.action = Verdict::Drop;
  delta.tuple.remote_port = 49761;
  delta.tuple.local_port = 3389;
  EXPECT_EQ(line_of(delta),
            "2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 "
            "1418530010 1418530070 REJECT OK\n");
}

TEST_F(FlowLogLine, has_ports_zero_for_icmp_and_turns_addresses_with_the_direction) {  // FL-14
  FlowDelta delta = counted(seen(Direction::Egress, "172.31.16.139", "203.0.113.12", Proto::Icmp),
                            4, 336, 1432917094, 1432917142);
  delta.action = Verdict::Drop;
  delta.tuple.local_port = delta.tuple.remote_port = 4711;  // the echo's identifier
  EXPECT_EQ(line_of(delta),
            "2 123456789010 eni-1235b8ca123456789 172.31.16.139 203.0.113.12 0 0 1 4 336 "
            "1432917094 1432917142 REJECT OK\n");
}

TEST_F(FlowLogLine, shows_ipv6_in_its_canonical_form) {
  addresses_ = {address_of("2001:db8:1234:a102:3304:8879:34cf:4071")};
  FlowDelta delta = counted(seen(Direction::Ingress, "2001:db8:1234:a102:3304:8879:34cf:4071",
                                 "2001:db8:1234:a100:8d6e:3477:df66:f105"),
                            54, 8855, 1477913708, 1477913820);
  delta.tuple.remote_port = 34892;
  delta.tuple.local_port = 22;
  EXPECT_EQ(line_of(delta),
            "2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 "
            "2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 54 8855 1477913708 1477913820 "
            "ACCEPT OK\n");
}

TEST_F(FlowLogLine, writes_fields_in_the_order_asked_for_and_the_highest_version) {  // FL-1, FL-3
  addresses_ = {address_of("10.0.0.62")};
  FlowDelta delta = counted(seen(Direction::Ingress, "10.0.0.62", "52.213.180.42"), 8, 568,
                            1566848875, 1566848933);
  delta.tcp_flags = LogTcpFlags::kSyn;
  delta.tuple.remote_port = 43416;
  delta.tuple.local_port = 5001;
  EXPECT_EQ(line_of(delta,
                    "${version} ${vpc-id} ${subnet-id} ${instance-id} ${interface-id} "
                    "${account-id} ${type} ${srcaddr} ${dstaddr} ${srcport} ${dstport} "
                    "${pkt-srcaddr} ${pkt-dstaddr} ${protocol} ${bytes} ${packets} ${start} "
                    "${end} ${action} ${tcp-flags} ${log-status}"),
            "3 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 "
            "eni-1235b8ca123456789 123456789010 IPv4 52.213.180.42 10.0.0.62 43416 5001 "
            "52.213.180.42 10.0.0.62 6 568 8 1566848875 1566848933 ACCEPT 2 OK\n");
}

TEST_F(FlowLogLine, names_rule_group_generation_and_reason) {  // FL-27
  FlowDelta delta = counted(seen(Direction::Ingress, "172.31.16.139", "10.0.0.9"), 1, 40, 60, 60);
  registry_.rules.intern("sgr-00000000000000000");
  delta.rule = registry_.rules.intern("sgr-04cb58c6a96c73fa3");
  delta.generation = Generation(7);
  const std::string_view format =
      "${app} ${drop-reason} ${generation} ${group-id} ${rule-id} ${version}";
  EXPECT_EQ(line_of(delta, format), "- - 7 sg-web sgr-04cb58c6a96c73fa3 2\n");
  delta.rule = RuleIndex::none();
  delta.action = Verdict::Drop;
  delta.reason = DropReason::NoRule;
  EXPECT_EQ(line_of(delta, format), "- no-rule 7 - - 2\n");
}

TEST_F(FlowLogLine, shows_the_primary_address_for_a_secondary_one_on_the_way_in) {  // FL-20
  addresses_ = {address_of("10.0.0.220"), address_of("10.0.0.221"), address_of("fd00::1"),
                address_of("fd00::2")};
  const std::string_view format = "${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr}";
  const auto line = [&](Direction direction, std::string_view local) {
    const bool is_v4 = address_of(local).is_v4();
    return line_of(counted(seen(direction, local, is_v4 ? "10.0.1.5" : "fd00:9::9"), 1, 40, 60, 60),
                   format);
  };
  EXPECT_EQ(line(Direction::Ingress, "10.0.0.221"), "10.0.1.5 10.0.0.220 10.0.1.5 10.0.0.221\n");
  EXPECT_EQ(line(Direction::Egress, "10.0.0.221"), "10.0.0.221 10.0.1.5 10.0.0.221 10.0.1.5\n");
  EXPECT_EQ(line(Direction::Ingress, "203.0.113.5"), "10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5\n");
  EXPECT_EQ(line(Direction::Egress, "203.0.113.5"), "10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5\n");
  EXPECT_EQ(line(Direction::Ingress, "fd00::2"), "fd00:9::9 fd00::2 fd00:9::9 fd00::2\n");
}

TEST_F(FlowLogLine, leaves_tcp_flags_zero_for_what_is_not_tcp) {  // FL-17
  FlowDelta delta =
      counted(seen(Direction::Ingress, "172.31.16.139", "10.0.0.9", Proto::Udp), 1, 40, 60, 60);
  delta.tcp_flags = LogTcpFlags::kSyn;
  EXPECT_EQ(line_of(delta, "${tcp-flags}"), "0\n");
}

TEST(FlowLogFormat, has_dashes_where_a_gap_has_no_flow) {  // FL-13
  const auto plan = plan_of({log_of("fl-1", 60)}, 1);
  Registry registry;
  LogRecord record;
  record.status = LogStatus::NoData;
  record.eni = EniIndex(0);
  record.start_s = 1431280876;
  record.end_s = 1431280934;
  std::string text;
  append_log_line(text, default_record_format(), record, *plan, registry);
  EXPECT_EQ(text, "2 123456789010 eni-0 - - - - - - - 1431280876 1431280934 - NODATA\n");
  record.status = LogStatus::SkipData;
  text.clear();
  append_log_line(text, default_record_format(), record, *plan, registry);
  EXPECT_EQ(text, "2 123456789010 eni-0 - - - - - - - 1431280876 1431280934 - SKIPDATA\n");
}

TEST(FlowLogFormat, refuses_what_is_no_field_and_says_which) {
  EXPECT_EQ(parse_record_format("${version} ${srcadr}").error().code, "unknown-field");
  EXPECT_NE(parse_record_format("${version} ${srcadr}").error().sentence.find("srcadr"),
            std::string::npos);
  EXPECT_FALSE(parse_record_format("version").has_value());
  EXPECT_FALSE(parse_record_format("  ").has_value());
  EXPECT_FALSE(parse_record_format("${").has_value());
}

TEST(FlowLogFormat, knows_every_field_that_a_policy_may_name) {
  for (const RecordFieldRow& row : kRecordFields) {
    const std::string text = "${" + std::string(row.name) + "}";
    EXPECT_EQ(parse_record_format(text).value().fields.front(), row.field);
  }
  EXPECT_EQ(parse_record_format("${flow-direction}").value().version, 5);
  EXPECT_EQ(parse_record_format("${rule-id}").value().version, 2);
}

TEST(FlowLogFormat, makes_a_header_of_field_names) {  // FL-4
  std::string text;
  append_log_header(text, parse_record_format("${version} ${srcaddr} ${rule-id}").value());
  EXPECT_EQ(text, "version srcaddr rule-id\n");
}

}  // namespace
}  // namespace sluice
