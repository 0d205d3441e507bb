#include "control/policy/flow_log.h"

#include <algorithm>
#include <array>

namespace sluice {

namespace {

constexpr std::array kSupportedFields = std::to_array<std::string_view>({
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    // Of later versions: what an appliance can know.
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "flow-direction",
    // Our own.
    "rule-id",
    "group-id",
    "generation",
    "drop-reason",
    "app",
});

constexpr std::array kUnsupportedFields = std::to_array<std::string_view>({
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "traffic-path",
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    "reject-reason",
    "resource-id",
    "encryption-status",
    "instance-tag",
    "instance-tag-2",
    "interface-tag",
    "interface-tag-2",
    "asg-tag",
    "asg-tag-2",
    "interface-type",
    "next-hop-interface-id",
    "next-hop-subnet-id",
    "next-hop-az-id",
    "next-hop-vpc-id",
    "next-hop-interface-type",
});

}  // namespace

LogField classify_log_field(std::string_view name) {
  if (std::find(kSupportedFields.begin(), kSupportedFields.end(), name) != kSupportedFields.end()) {
    return LogField::Supported;
  }
  if (std::find(kUnsupportedFields.begin(), kUnsupportedFields.end(), name) !=
      kUnsupportedFields.end()) {
    return LogField::Unsupported;
  }
  return LogField::Unknown;
}

LogFormat parse_log_format(std::string_view format) {
  LogFormat result;
  std::size_t start = format.find_first_not_of(' ');
  while (start != std::string_view::npos) {
    const std::size_t end = std::min(format.find(' ', start), format.size());
    const std::string_view part = format.substr(start, end - start);
    if (part.size() < 4 || !part.starts_with("${") || part.find('}') != part.size() - 1) {
      result.bad_part = std::string(part);
      return result;
    }
    result.fields.emplace_back(part.substr(2, part.size() - 3));
    start = format.find_first_not_of(' ', end);
  }
  return result;
}

}  // namespace sluice
