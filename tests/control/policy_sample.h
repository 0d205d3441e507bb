#pragma once

// Policies for tests: the whole example of the specification of the file, and short ones to which
// single mistakes are added.

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "control/policy/load.h"

namespace sluice {

// Every table of the file format, with the keys of the documentation.
inline constexpr std::string_view kShopPolicy = R"(# policy.toml
account = "123456789012"

[tracking]
mode = "strict"
icmp_errors = "documented"
syn = 15
half_closed = 45
time_wait = 20
icmp = 25

[exempt]
profile = "aws"

[[vpc]]
id = "vpc-shop"
cidrs = ["10.0.0.0/16", "fd00:10::/56"]

[[vpc]]
id = "vpc-office"
cidrs = ["10.9.0.0/16"]

[[peering]]
vpcs = ["vpc-shop", "vpc-office"]

[[subnet]]
id = "subnet-front"
vpc = "vpc-shop"
cidrs = ["10.0.1.0/24", "fd00:10:0:1::/64"]
network_acl = "acl-front"            # without it: the VPC's default ACL, which allows all

[[subnet]]
id = "subnet-back"
vpc = "vpc-shop"
cidrs = ["10.0.2.0/24"]

[[prefix_list]]
id = "pl-office"
name = "offices"
family = "ipv4"
max_entries = 10
entries = [{ cidr = "203.0.113.0/24", description = "head office" }]

[[security_group]]
id = "sg-web"
name = "web"
description = "public web servers"
vpc = "vpc-shop"
tags = { team = "shop" }
ingress = [
  { protocol = "tcp", ports = 443, source = "0.0.0.0/0", description = "HTTPS from anywhere" },
  { protocol = "tcp", ports = "8000-8080", source = "sg-lb", tags = { ticket = "NET-7" } },
  { protocol = "icmp", type = 8, source = "pl-office" },
]
# egress left out: allow all, IPv4 and IPv6 (SG-4). egress = []: nothing.

[[security_group]]
id = "sg-lb"
name = "load balancer"
vpc = "vpc-office"
egress = []

[[security_group]]
id = "sg-ssh"
vpc = "vpc-shop"
ingress = [{ protocol = 6, ports = "22", source = "2001:DB8::/32" }]
egress = [
  { protocol = "all", destination = "sg-ssh" },
  { protocol = 47, destination = "10.0.0.0/8" },
]

[[interface]]
id = "eni-web1"
subnet = "subnet-front"
mac = "02:00:00:00:01:10"
addresses = ["10.0.1.10", "fd00:10:0:1::10"]      # the first of each family is the primary one
security_groups = ["sg-web", "sg-ssh"]
instance = "i-web1"
tracking = { tcp_established = 400, udp = 35, udp_stream = 170 }

[[interface]]
id = "eni-db1"
subnet = "subnet-back"
mac = "02:00:00:00:02:10"
addresses = ["10.0.2.10"]

[[network_acl]]
id = "acl-front"
vpc = "vpc-shop"
ingress = [{ rule = 100, action = "allow", protocol = "tcp", ports = 443, cidr = "0.0.0.0/0" }]
egress  = [{ rule = 100, action = "deny", protocol = "-1", cidr = "0.0.0.0/0" }]

[[flow_log]]
id = "fl-shop"
resource = "vpc-shop"                 # a VPC, a subnet or an interface
traffic = "reject"                    # all | accept | reject
interval = 60                         # 60 or 600 s
format = "${version} ${rule-id} ${srcaddr}"
destination = "file:/var/log/sluice/flow.log"
header = true
)";

// Stands behind a snippet, so that the snippet's lines begin at 1. Correct by itself.
inline constexpr std::string_view kBasePolicy = R"(
[[vpc]]
id = "vpc-a"
cidrs = ["10.0.0.0/16", "fd00::/56"]
[[vpc]]
id = "vpc-b"
cidrs = ["10.0.0.0/16"]
[[subnet]]
id = "subnet-a"
vpc = "vpc-a"
cidrs = ["10.0.1.0/24", "fd00::/64"]
[[subnet]]
id = "subnet-b"
vpc = "vpc-b"
cidrs = ["10.0.1.0/24"]
[[security_group]]
id = "sg-a"
vpc = "vpc-a"
[[security_group]]
id = "sg-b"
vpc = "vpc-b"
[[prefix_list]]
id = "pl-a"
family = "ipv4"
max_entries = 5
[[network_acl]]
id = "acl-b"
vpc = "vpc-b"
[[interface]]
id = "eni-a"
subnet = "subnet-a"
mac = "02:00:00:00:00:0a"
addresses = ["10.0.1.10"]
security_groups = ["sg-a"]
)";

inline LoadedPolicy load_with_base(std::string_view snippet) {
  return load_policy_text(std::string(snippet) + std::string(kBasePolicy), "p.toml");
}

// `LINE:COLUMN severity code`, one for each finding.
inline std::vector<std::string> short_findings(const LoadedPolicy& loaded) {
  std::vector<std::string> rows;
  for (const Finding& finding : loaded.findings) {
    std::string row = std::to_string(finding.line) + ":" + std::to_string(finding.column);
    row += finding.severity == Severity::Error     ? " error "
           : finding.severity == Severity::Warning ? " warning "
                                                   : " note ";
    rows.push_back(row + finding.code);
  }
  return rows;
}

// All messages, a line each: what a failed expectation shows.
inline std::string messages_of(const LoadedPolicy& loaded) {
  std::string text;
  for (const Finding& finding : loaded.findings) text += to_string(finding) + "\n";
  return text;
}

// A snippet in front of the base policy, and exactly what is found: "line:column severity code".
struct FoundRow {
  const char* name;
  std::string snippet;
  std::vector<std::string> found;
};
// What a failing row is called.
inline void PrintTo(const FoundRow& row, std::ostream* out) { *out << row.name; }

}  // namespace sluice
