#pragma once

// THE table of settings of appliance.toml. A row is a key: where it stands, its type, unit,
// default, bounds, and its sentence. The reader takes bounds from it, the sample file is made of
// it. All settings take effect at a restart; what changes at run time is the policy.

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/limits.h"

namespace sluice {

enum class SettingTable : std::uint8_t { Engine, Control, Nic, State };

enum class SettingType : std::uint8_t { Integer, Cores, Word, Text, TextList, Flag };

struct Setting {
  SettingTable table;
  std::string_view key;
  SettingType type;
  std::string_view unit;
  std::string_view initial;  // the default as TOML; empty: none, or it depends
  std::string_view example;  // as TOML, for settings without a default
  std::int64_t low;          // bounds of an integer, or of each integer in a list
  std::int64_t high;
  std::string_view sentence;
};

inline constexpr std::int64_t kCoreMax = 1'023;
inline constexpr std::int64_t kIdleSleepMaxUs = 1'000;
inline constexpr std::int64_t kPolicyMemoryMaxMib = 1 << 20;

inline constexpr std::array kSettings = std::to_array<Setting>({
    {SettingTable::Engine, "workers", SettingType::Cores, "", "", "[1]", 0, kCoreMax,
     "Cores that poll, one worker each. Default: every core but the first."},
    {SettingTable::Engine, "flow_capacity", SettingType::Integer, "", "1_000_000", "",
     kFlowCapacityMin, kFlowCapacityMax,
     "Tracked connections, of all workers together. Memory for them is taken at start."},
    {SettingTable::Engine, "interface_capacity", SettingType::Integer, "", "65_536", "", kNicsMax,
     kInterfacesMax,
     "Network interfaces that policies may name while the appliance runs. Memory for their "
     "counters is taken at start."},
    {SettingTable::Engine, "policy_memory_mib", SettingType::Integer, "MiB", "", "1_024", 1,
     kPolicyMemoryMaxMib,
     "What a compiled policy may take; one that would take more is refused. While one comes after "
     "another both are in memory. Default: 1024, but no more than a quarter of the machine's "
     "memory."},
    {SettingTable::Engine, "huge_pages", SettingType::Word, "", "\"auto\"", "", 0, 0,
     "auto: huge pages if enough are free, else ordinary memory; require: no start without "
     "them; never."},
    {SettingTable::Engine, "idle_sleep_us", SettingType::Integer, "us", "0", "", 0, kIdleSleepMaxUs,
     "How long an idle worker rests before it polls again. 0: it never rests, and its core is "
     "always busy."},
    {SettingTable::Engine, "eal_arguments", SettingType::TextList, "", "[]", "", 0, 0,
     "Further words for DPDK's environment, for experts."},
    {SettingTable::Control, "socket", SettingType::Text, "", "\"/run/sluice/control.sock\"", "", 0,
     0, "Where sluicectl talks to the appliance: mode 0660, group sluice."},
    {SettingTable::Control, "readonly_socket", SettingType::Text, "",
     "\"/run/sluice/monitor.sock\"", "", 0, 0,
     "The same for those who may look and not change. \"\": none."},
    {SettingTable::Nic, "id", SettingType::Text, "", "", "\"web-1\"", 0, 0,
     "Your name for the port, unique."},
    {SettingTable::Nic, "device", SettingType::Text, "", "", "\"net_tap0,iface=sl-web1\"", 0, 0,
     "Any DPDK device: a PCI address, net_tap, net_null, net_pcap, net_af_packet, net_af_xdp, "
     "net_ring."},
    {SettingTable::Nic, "role", SettingType::Word, "", "", "\"interface\"", 0, 0,
     "interface: one network interface behind it; uplink: the way out of VPCs; inside, outside: "
     "the two ends of a bump in the wire."},
    {SettingTable::Nic, "interface", SettingType::Text, "", "", "\"eni-web1\"", 0, 0,
     "Role interface: which interface of the policy."},
    {SettingTable::Nic, "vpcs", SettingType::TextList, "", "", "[\"vpc-shop\"]", 0, 0,
     "Role uplink: the VPCs that leave by it. Addresses are unique among them."},
    {SettingTable::Nic, "addresses", SettingType::TextList, "", "", "[\"192.0.2.2/30\"]", 0, 0,
     "Role uplink: its own addresses, with the length of their network."},
    {SettingTable::Nic, "gateway", SettingType::TextList, "", "", "[\"192.0.2.1\"]", 0, 0,
     "Role uplink: where it sends to, one of each family, found by ARP or neighbour discovery."},
    {SettingTable::Nic, "peer", SettingType::Text, "", "", "\"wan\"", 0, 0,
     "Roles inside and outside: the id of the port at the other end."},
    {SettingTable::Nic, "unknown", SettingType::Word, "", "\"drop\"", "", 0, 0,
     "Roles inside and outside: what happens to packets of addresses that no interface owns, "
     "drop or forward."},
    {SettingTable::Nic, "source_check", SettingType::Flag, "", "true", "", 0, 0,
     "Drop packets whose source address cannot come from this side."},
    {SettingTable::State, "directory", SettingType::Text, "", "\"/var/lib/sluice\"", "", 0, 0,
     "The last good policy and the history: enforced again after a restart."},
});

// The words a Word setting may take, in the order of their enums.
inline constexpr std::array<std::string_view, 3> kHugePagesWords = {"auto", "require", "never"};
inline constexpr std::array<std::string_view, 4> kRoleWords = {"interface", "uplink", "inside",
                                                               "outside"};
inline constexpr std::array<std::string_view, 2> kUnknownWords = {"drop", "forward"};

// The row of a key. Requires that there is one.
const Setting& setting(SettingTable table, std::string_view key);

// configs/appliance.toml: every setting at its default, with its sentence.
std::string sample_configuration();

}  // namespace sluice
