// Identification over the captures of nDPI's test set, beside what nDPI found in them: the
// confusion table docs/l7-confusion.md, which this program writes (SLUICE_WRITE_TABLE=1) and
// checks. The captures are no part of the project: skipped where they do not lie ready.
//
// Agreement is by conversation. nDPI names what a conversation ends as and, beside it, what its
// first packet is: either counts, as Sluice judges first bytes (STUN that turns into DTLS).
// Conversations that nDPI names by their port alone are listed, not counted: ports never decide.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "tests/lookup/l7_fixture.h"
#include "tests/replay/l7_corpus.h"

namespace sluice {
namespace {

// nDPI's names of what we claim. Mail over TLS begins as TLS (IMAPS); "SMTPS" here is STARTTLS,
// which begins as SMTP, or TLS from the start.
const std::multimap<std::string, App> kMeanings = {
    {"HTTP", App::Http},
    {"HTTP2", App::Http},
    {"TLS", App::Tls},
    {"IMAPS", App::Tls},
    {"POPS", App::Tls},
    {"SMTPS", App::Tls},
    {"SMTPS", App::Smtp},
    {"SSH", App::Ssh},
    {"DNS", App::Dns},
    {"QUIC", App::Quic},
    {"NTP", App::Ntp},
    {"DHCP", App::Dhcp},
    {"DHCPV6", App::Dhcp},
    {"SMTP", App::Smtp},
    {"IMAP", App::Imap},
    {"POP3", App::Pop3},
    {"FTP_CONTROL", App::Ftp},
    {"MySQL", App::Mysql},
    {"PostgreSQL", App::Postgresql},
    {"Redis", App::Redis},
    {"MongoDB", App::Mongodb},
    {"Memcached", App::Memcached},
    {"RDP", App::Rdp},
    {"SMBv1", App::Smb},
    {"SMBv23", App::Smb},
    {"LDAP", App::Ldap},
    {"Kerberos", App::Kerberos},
    {"SIP", App::Sip},
    {"RTSP", App::Rtsp},
    {"MQTT", App::Mqtt},
    {"AMQP", App::Amqp},
    {"Kafka", App::Kafka},
    {"BitTorrent", App::Bittorrent},
    {"WireGuard", App::Wireguard},
    {"OpenVPN", App::Openvpn},
    {"STUN", App::Stun},
    {"SNMP", App::Snmp},
    {"Syslog", App::Syslog},
    {"TFTP", App::Tftp},
    {"Telnet", App::Telnet},
    {"VNC", App::Vnc},
    {"Git", App::Git},
};

AppSet meaning_of(const std::string& protocol) {
  AppSet apps;
  std::istringstream parts(protocol);
  for (std::string part; std::getline(parts, part, '.');) {
    const auto [first, last] = kMeanings.equal_range(part);
    for (auto at = first; at != last; ++at) apps.insert(at->second);
  }
  return apps;
}

std::filesystem::path data_folder() {
  const char* given = std::getenv("SLUICE_DATA");
  return given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(SLUICE_SOURCE) / ".." / "shared" / "data";
}

struct Row {
  std::size_t named = 0;   // by nDPI
  std::size_t agreed = 0;  // by both
  std::size_t called = 0;  // by us
};

struct Table {
  std::map<std::string, Row> rows;
  std::size_t strangers = 0;  // what we do not claim
  std::size_t guesses = 0;
  std::vector<std::string> disagreements;
  std::vector<std::string> name_differences;
  std::size_t names = 0;
  std::size_t fingerprints = 0;
};

void compare_names(const std::string& where, const NamedFlow& flow, const CorpusAnswer& answer,
                   Table& table) {
  if (!carries_name(answer.app) || answer.name.state == NameState::NeedMore) return;
  std::string host = flow.host;
  std::ranges::transform(host, host.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::string ours(answer.name.name.text());
  if (host == ours) {
    table.names += ours.empty() ? 0 : 1;
  } else {
    table.name_differences.push_back("| " + where + " | name | " + host + " | " + ours + " |\n");
  }
  const std::string ja4(answer.name.ja4.text());
  if (flow.ja4 == ja4) {
    table.fingerprints += ja4.empty() ? 0 : 1;
  } else {
    table.name_differences.push_back("| " + where + " | JA4 | " + flow.ja4 + " | " + ja4 + " |\n");
  }
}

void compare(const std::string& capture, const NamedFlow& flow, const CorpusAnswer& answer,
             Table& table) {
  if (flow.is_guess) {
    ++table.guesses;
    return;
  }
  const std::string where = capture + " | " + flow.key;
  const AppSet meaning = meaning_of(flow.protocol + "." + flow.first_packet);
  const bool has_agreed = answer.app != App::Unknown && meaning.contains(answer.app);
  const App expected = has_agreed ? answer.app : meaning.first();
  if (expected == App::Unknown) ++table.strangers;
  if (expected != App::Unknown) ++table.rows[std::string(name_of(expected))].named;
  if (answer.app != App::Unknown) ++table.rows[std::string(name_of(answer.app))].called;
  if (has_agreed) ++table.rows[std::string(name_of(answer.app))].agreed;
  if (expected != answer.app) {
    table.disagreements.push_back("| " + where + " | " + flow.protocol + " | " +
                                  std::string(name_of(answer.app)) + " |\n");
  }
  if (has_agreed) compare_names(where, flow, answer, table);
}

Table measure() {
  L7Fixture l7;
  Table table;
  for (std::size_t app = 1; app < kApps; ++app) table.rows[std::string(kAppNames[app])];
  const std::filesystem::path folder = data_folder() / "pcaps" / "ndpi";
  std::set<std::filesystem::path> captures;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "pcap")) {
    captures.insert(entry.path());
  }
  for (const std::filesystem::path& capture : captures) {
    const std::string name = capture.filename().string();
    const std::filesystem::path result = folder / "result" / (name + ".out");
    if (!std::filesystem::exists(result)) continue;
    const auto answers = judge_capture(capture, l7.patterns(), l7.scratch());
    for (const NamedFlow& flow : read_results(result)) {
      const auto found = answers.find(flow.key);
      // A conversation of fragments alone has no first bytes here.
      if (found != answers.end()) compare(name, flow, found->second, table);
    }
  }
  return table;
}

std::string percent(std::size_t part, std::size_t whole) {
  if (whole == 0) return "–";
  const std::size_t tenths = part * 1000 / whole;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

std::string page_of(const Table& table) {
  std::ostringstream page;
  page << R"(# Layer 7 identification beside nDPI

Each TCP and UDP conversation of nDPI's test set that its result files name, judged packet by packet
as a worker does: the first 512 bytes of a TCP side in order, the first eight datagrams of a UDP
side. Ports and names of captures are no hint. This page is written by
`SLUICE_WRITE_TABLE=1 replay_test --gtest_filter='L7Corpus.*'`; the test fails where it is not what
is measured. How agreement is counted is said in `tests/replay/l7_corpus_test.cc`.

*Named* are the conversations that nDPI calls so, *agreed* those of them that Sluice calls so too,
*called* all that Sluice calls so. Precision is agreed of called, recall agreed of named. Where the
set has no conversation of an application, its openings are tested by hand-made messages only
(`tests/lookup/l7_shapes_test.cc`, `l7_shapes_udp_test.cc`).

| application | named | agreed | called | precision | recall |
|---|---|---|---|---|---|
)";
  for (const auto& [name, row] : table.rows) {
    page << "| " << name << " | " << row.named << " | " << row.agreed << " | " << row.called
         << " | " << percent(row.agreed, row.called) << " | " << percent(row.agreed, row.named)
         << " |\n";
  }
  page << "\n"
       << table.strangers << " conversations of applications that Sluice does not claim; "
       << table.guesses << " that nDPI named by their port alone are not counted.\n\n"
       << "## Disagreements\n\n";
  if (table.disagreements.empty()) page << "None.\n";
  if (!table.disagreements.empty())
    page << "| capture | conversation | nDPI | Sluice |\n|---|---|---|---|\n";
  for (const std::string& line : table.disagreements) page << line;
  page << "\n## Names and fingerprints\n\n"
       << table.names << " host names and " << table.fingerprints
       << " JA4 fingerprints are the same as nDPI's. These differ:\n\n"
       << "| capture | conversation | what | nDPI | Sluice |\n|---|---|---|---|---|\n";
  for (const std::string& line : table.name_differences) page << line;
  return page.str();
}

TEST(L7Corpus, AgreesWithNdpiAsTheConfusionTableSays) {
  if (!std::filesystem::exists(data_folder() / "pcaps" / "ndpi" / "pcap")) {
    GTEST_SKIP() << "no captures in " << data_folder();
  }
  const Table table = measure();
  std::size_t agreed = 0;
  for (const auto& [name, row] : table.rows) {
    agreed += row.agreed;
    EXPECT_GE(row.agreed * 100, row.called * 99) << name << ": precision below 99 %";
    EXPECT_GE(row.agreed * 100, row.named * 95) << name << ": recall below 95 %";
  }
  EXPECT_GE(agreed, 80u);  // the set was read
  const std::filesystem::path path =
      std::filesystem::path(SLUICE_SOURCE) / "docs" / "l7-confusion.md";
  if (std::getenv("SLUICE_WRITE_TABLE") != nullptr) std::ofstream(path) << page_of(table);
  std::ostringstream kept;
  kept << std::ifstream(path).rdbuf();
  EXPECT_EQ(kept.str(), page_of(table)) << "write it again with SLUICE_WRITE_TABLE=1";
}

}  // namespace
}  // namespace sluice
