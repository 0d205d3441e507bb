// Replay over captures from the wild. They are no part of the project: the tests are skipped where
// they do not lie ready (SLUICE_DATA, else ../shared/data beside the checkout).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/drop_reason.h"
#include "control/main/replay_capture.h"
#include "tests/replay/replay_fixture.h"

namespace sluice {
namespace {

constexpr std::string_view kAllowAll = R"(
[[vpc]]
id = "vpc-1"
cidrs = ["0.0.0.0/0", "::/0"]
[[subnet]]
id = "subnet-1"
vpc = "vpc-1"
cidrs = ["0.0.0.0/0", "::/0"]
[[security_group]]
id = "sg-all"
name = "all"
vpc = "vpc-1"
ingress = [{ protocol = "-1", source = "0.0.0.0/0" }, { protocol = "-1", source = "::/0" }]
)";
constexpr std::size_t kInterfacesMax = 200;

std::filesystem::path data_folder() {
  const char* given = std::getenv("SLUICE_DATA");
  return given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(SLUICE_SOURCE) / ".." / "shared" / "data";
}

std::vector<std::filesystem::path> captures() {
  std::vector<std::filesystem::path> found;
  const std::filesystem::path folder = data_folder() / "pcaps";
  if (!std::filesystem::exists(folder)) return found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string kind = entry.path().extension();
    const std::set<std::string> kinds = {".pcap", ".pcapng", ".cap", ".trace"};
    if (entry.is_regular_file() && kinds.contains(kind)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Packets that libpcap reads, and the IPv4 sources that may be interfaces.
struct Scan {
  std::uint64_t packets = 0;
  std::set<IpAddr> addresses;
};

Scan scan(CaptureReader& reader) {
  Scan result;
  CapturedPacket packet;
  for (auto more = reader.next(packet); more && *more; more = reader.next(packet)) {
    ++result.packets;
    const Bytes& frame = packet.frame;
    const bool is_v4 = frame.size() >= 34 && frame[12] == 8 && frame[13] == 0;
    if (!is_v4 || result.addresses.size() >= kInterfacesMax) continue;
    std::uint32_t address = 0;
    for (std::size_t i = 26; i < 30; ++i) address = address << 8 | frame[i];
    if (address >> 24 == 0 || address >> 24 == 127 || address >> 28 >= 0xe) continue;
    result.addresses.insert(IpAddr::v4(address));
  }
  return result;
}

// Exactly one record per interface, 5-tuple, direction, action and interval of 600 s, by end.
void expect_one_record_per_flow(const std::vector<std::string>& lines,
                                const std::filesystem::path& file) {
  std::set<std::string> seen;
  std::uint64_t former_end = 0;
  for (const std::string& line : lines) {
    std::istringstream words(line);
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    ASSERT_EQ(fields.size(), 14u) << file << " " << line;
    const std::uint64_t end = std::stoull(fields[11]);
    EXPECT_GE(end, former_end) << file << " " << line;
    former_end = end;
    std::string key = std::to_string(end / 600);
    for (const std::size_t field : {2, 3, 4, 5, 6, 7, 12}) key += " " + fields[field];
    EXPECT_TRUE(seen.insert(key).second) << file << " " << line;
  }
}

// A dropped packet has a reason of the one table, and each interface that judged it but the last
// has let it pass; any other packet has none of them, and no interface refused it.
void expect_one_reason(const std::string& line, const std::filesystem::path& file) {
  static const std::set<std::string_view> kReasons = [] {
    std::set<std::string_view> names;
    for (const DropReasonRow& row : kDropReasons) names.insert(row.name);
    names.erase(name_of(DropReason::None));
    return names;
  }();
  static const std::set<std::string_view> kPasses = {
      "rule", "flow", "related", "none", "exempt", "unknown-address", "acl", "not-ip"};
  const nlohmann::json told = nlohmann::json::parse(line, nullptr, false);
  ASSERT_FALSE(told.is_discarded()) << file << " " << line;
  const std::string verdict = told["verdict"], reason = told["reason"];
  const bool is_dropped = verdict == "drop";
  EXPECT_TRUE((is_dropped ? kReasons : kPasses).contains(reason)) << file << " " << line;
  std::size_t refusals = 0;
  for (const nlohmann::json& check : told["checks"]) {
    if (refusals > 0) ADD_FAILURE() << "judged beyond its refusal: " << file << " " << line;
    refusals += check["verdict"] == "drop" ? 1 : 0;
  }
  EXPECT_LE(refusals, is_dropped ? 1u : 0u) << file << " " << line;
}

std::string policy_for(const std::set<IpAddr>& addresses) {
  std::string policy(kAllowAll);
  std::size_t number = 0;
  for (const IpAddr& address : addresses) {
    char mac[48];
    std::snprintf(mac, sizeof mac, "02:00:00:00:%02zx:%02zx", number / 256, number % 256);
    policy += "[[interface]]\nid = \"eni-" + std::to_string(number++) +
              "\"\nsubnet = \"subnet-1\"\nmac = \"" + mac + "\"\naddresses = [\"" +
              address.to_string() + "\"]\nsecurity_groups = [\"sg-all\"]\n";
  }
  return policy;
}

TEST_F(ReplayTest, gives_each_packet_of_every_capture_one_verdict_and_accounts_for_it) {
  const auto files = captures();
  if (files.empty()) GTEST_SKIP() << "no captures in " << data_folder();
  std::size_t opened = 0;
  std::uint64_t packets = 0;
  for (const std::filesystem::path& file : files) {
    auto reader = CaptureReader::open(file);
    if (!reader) continue;  // a link type or format that replay does not read
    ++opened;
    const Scan found = scan(**reader);
    packets += found.packets;
    write("policy.toml", policy_for(found.addresses));
    const auto outcome =
        replay({path("policy.toml"), file, path("verdicts"), path("log"), path("out.pcap")});
    EXPECT_EQ(outcome.counts.packets(), found.packets) << file;
    const auto told = lines("verdicts");
    ASSERT_EQ(told.size(), found.packets) << file;
    for (std::size_t i = 0; i < told.size(); ++i) {
      const std::string head = "{\"packet\":" + std::to_string(i + 1) + ",";
      ASSERT_TRUE(told[i].starts_with(head)) << file << " " << told[i];
      expect_one_reason(told[i], file);
    }
    expect_one_record_per_flow(lines("log"), file);
    for (const LogLawRow& row : outcome.law) {
      EXPECT_EQ(row.unaccounted, 0) << file;
      EXPECT_EQ(row.lost + row.live + row.pending + row.in_flight, 0u) << file;
    }
  }
  std::printf("%zu of %zu captures, %zu packets\n", opened, files.size(),
              static_cast<std::size_t>(packets));
  EXPECT_GT(opened, files.size() / 2);
}

TEST_F(ReplayTest, counts_the_packets_of_flows_as_ndpi_does_or_says_why_not) {
  const std::filesystem::path folder = data_folder();
  if (!std::filesystem::exists(folder / "pcaps" / "ndpi" / "result")) {
    GTEST_SKIP() << "no results of nDPI in " << folder;
  }
  const std::string command = std::string("python3 ") + SLUICE_SOURCE +
                              "/tests/replay/ndpi_compare.py --replay " + SLUICE_REPLAY +
                              " --data " + folder.string() + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string table;
  char part[4096];
  while (const std::size_t size = std::fread(part, 1, sizeof part, pipe)) table.append(part, size);
  const int status = ::pclose(pipe);
  std::printf("%s\n", table.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sluice
