#include "control/policy/flow_log.h"

#include <gtest/gtest.h>

#include "control/flowlog/fields.h"

namespace sluice {
namespace {

TEST(LogFormat, of_the_default_has_the_fourteen_fields_of_version_2_in_order) {  // FL-2
  const LogFormat format = parse_log_format(kDefaultLogFormat);
  EXPECT_EQ(format.bad_part, "");
  EXPECT_EQ(format.fields,
            (std::vector<std::string>{"version", "account-id", "interface-id", "srcaddr", "dstaddr",
                                      "srcport", "dstport", "protocol", "packets", "bytes", "start",
                                      "end", "action", "log-status"}));
  for (const std::string& name : format.fields) {
    EXPECT_EQ(classify_log_field(name), LogField::Supported) << name;
  }
}

TEST(LogFormat, may_have_fields_in_any_order_and_twice) {
  const LogFormat format = parse_log_format("  ${bytes}   ${action} ${bytes} ");
  EXPECT_EQ(format.fields, (std::vector<std::string>{"bytes", "action", "bytes"}));
}

TEST(LogFormat, names_the_part_that_is_not_of_the_form) {
  for (const std::string_view part :
       {"$bytes", "${bytes", "bytes", "${}", "${a}${b}", "{bytes}", "${a}b", "$", "\t"}) {
    const LogFormat format = parse_log_format("${start} " + std::string(part) + " ${end}");
    EXPECT_EQ(format.bad_part, part);
  }
}

TEST(LogField, knows_our_own) {
  for (const std::string_view name : {"rule-id", "group-id", "generation", "drop-reason", "app"}) {
    EXPECT_EQ(classify_log_field(name), LogField::Supported) << name;
  }
}

TEST(LogField, takes_every_field_that_a_record_can_be_written_with) {
  for (const RecordFieldRow& row : kRecordFields) {
    EXPECT_EQ(classify_log_field(row.name), LogField::Supported) << row.name;
  }
}

TEST(LogField, knows_those_of_later_versions_as_not_supported) {
  for (const std::string_view name :
       {"region", "traffic-path", "ecs-task-id", "reject-reason", "resource-id",
        "encryption-status", "instance-tag", "next-hop-vpc-id"}) {
    EXPECT_EQ(classify_log_field(name), LogField::Unsupported) << name;
  }
}

TEST(LogField, knows_no_others) {
  for (const std::string_view name : {"", "Version", "src", "log_status"}) {
    EXPECT_EQ(classify_log_field(name), LogField::Unknown) << name;
  }
}

}  // namespace
}  // namespace sluice
