#pragma once

// A folder of its own for each test, with a policy and a capture in it, and what replay made.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/main/replay.h"
#include "tests/replay/capture_builder.h"

namespace sluice {

// eni-a 10.0.1.10 may be asked udp 53 and tcp 80 by 10.0.0.0/8 and ask everybody; eni-b 10.0.2.20
// may be asked tcp 443 by eni-a's group and ask nobody.
inline constexpr std::string_view kTwoInterfaces = R"(
account = "123456789012"
[[vpc]]
id = "vpc-1"
cidrs = ["10.0.0.0/16", "fd00::/56"]
[[subnet]]
id = "subnet-1"
vpc = "vpc-1"
cidrs = ["10.0.1.0/24", "fd00:0:0:1::/64"]
[[subnet]]
id = "subnet-2"
vpc = "vpc-1"
cidrs = ["10.0.2.0/24", "fd00:0:0:2::/64"]
[[security_group]]
id = "sg-a"
name = "a"
vpc = "vpc-1"
ingress = [
  { protocol = "udp", ports = 53, source = "10.0.0.0/8" },
  { protocol = "udp", ports = 53, source = "198.51.100.0/24" },
  { protocol = "tcp", ports = 80, source = "198.51.100.0/24" },
]
[[security_group]]
id = "sg-b"
name = "b"
vpc = "vpc-1"
ingress = [{ protocol = "tcp", ports = 443, source = "sg-a" }]
egress = []
[[interface]]
id = "eni-a"
subnet = "subnet-1"
mac = "02:00:00:00:01:10"
addresses = ["10.0.1.10", "fd00:0:0:1::10"]
security_groups = ["sg-a"]
[[interface]]
id = "eni-b"
subnet = "subnet-2"
mac = "02:00:00:00:02:20"
addresses = ["10.0.2.20"]
security_groups = ["sg-b"]
)";

inline constexpr std::string_view kMinuteLog = R"(
[[flow_log]]
id = "fl-1"
resource = "vpc-1"
interval = 60
destination = "file:/nowhere/flow.log"
)";

class ReplayTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sluice-replay-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ / name; }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name)) << text;
  }
  std::string text(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  std::vector<std::string> lines(const std::string& name) const {
    std::istringstream all(text(name));
    std::vector<std::string> result;
    for (std::string line; std::getline(all, line);) result.push_back(line);
    return result;
  }

  // Replays the capture under the policy; everything it writes lies in the folder.
  ReplayOutcome run(const CaptureFile& capture, std::string_view policy = kTwoInterfaces) {
    capture.save(path("in.pcap"));
    write("policy.toml", policy);
    return replay(
        {path("policy.toml"), path("in.pcap"), path("verdicts"), path("log"), path("out.pcap")});
  }
  std::vector<nlohmann::json> verdicts() const {
    std::vector<nlohmann::json> result;
    for (const std::string& line : lines("verdicts")) result.push_back(nlohmann::json::parse(line));
    return result;
  }
  // "accept rule", "drop no-rule", … of each packet.
  std::vector<std::string> answers() const {
    std::vector<std::string> result;
    for (const nlohmann::json& verdict : verdicts()) {
      result.push_back(verdict["verdict"].get<std::string>() + " " +
                       verdict["reason"].get<std::string>());
    }
    return result;
  }
  static void expect_law(const ReplayOutcome& outcome) {
    for (const LogLawRow& row : outcome.law) {
      EXPECT_EQ(row.unaccounted, 0);
      EXPECT_EQ(row.live, 0u);
      EXPECT_EQ(row.lost, 0u);
    }
  }

  std::filesystem::path directory_;
};

using Answers = std::vector<std::string>;

}  // namespace sluice
