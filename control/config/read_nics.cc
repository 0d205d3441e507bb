#include "control/config/read_nics.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/cidr.h"
#include "control/config/settings.h"

namespace sluice {
namespace {

// A port under way: its values, and where they stood.
struct ReadNic {
  NicConfig config;
  std::string peer;
  Position at;
  Position peer_at;
};

// "192.0.2.2/30": an address and the length of its network.
std::optional<InterfaceAddress> parse_interface_address(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<IpAddr> address = IpAddr::parse(text.substr(0, slash));
  unsigned length = 0;
  const std::string_view digits = text.substr(slash + 1);
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (!address || problem != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  if (length > address_bits(address->family())) return std::nullopt;
  return InterfaceAddress{*address, static_cast<std::uint8_t>(length)};
}

bool is_host_address(const IpAddr& address) {
  return !address.is_multicast() && !address.is_limited_broadcast() && !address.is_unspecified() &&
         !address.is_loopback();
}

// One [[port]] table after the other.
class NicReader {
 public:
  NicReader(const Node& node, Registry& registry, Findings& findings)
      : table_(node, "port", findings), registry_(registry) {
    nic_.at = node.at();
  }

  ReadNic read() {
    NicConfig& config = nic_.config;
    if (auto id = table_.required_id("id")) {
      config.id = std::move(*id);
      table_.set_what("port " + quoted(config.id));
    }
    read_device();
    const bool has_role = table_.require("role") != nullptr;
    const std::optional<std::size_t> role =
        has_role ? table_.choice("role", kRoleWords) : std::nullopt;
    if (const auto check = table_.boolean("source_check")) config.source_check = *check;
    if (role) {
      config.role = static_cast<NicRole>(*role);
      read_role();
    } else {
      for (const char* key : {"interface", "vpcs", "addresses", "gateway", "peer", "unknown"}) {
        table_.find(key);
      }
    }
    table_.finish();
    return std::move(nic_);
  }

 private:
  void read_device() {
    auto device = table_.required_string("device");
    if (!device) return;
    if (device->empty()) table_.error(table_.place_of("device"), "bad-value", "device is empty");
    nic_.config.device = std::move(*device);
  }

  void read_role() {
    const NicRole role = nic_.config.role;
    const bool is_uplink = role == NicRole::Uplink;
    const bool is_bump = role == NicRole::Inside || role == NicRole::Outside;
    if (belongs("interface", role == NicRole::Interface)) {
      if (auto name = table_.required_id("interface")) {
        nic_.config.interface = registry_.interfaces.intern(*name);
      }
    }
    if (belongs("vpcs", is_uplink)) read_vpcs();
    if (belongs("addresses", is_uplink)) read_addresses();
    if (belongs("gateway", is_uplink)) read_gateways();
    if (belongs("peer", is_bump)) {
      if (auto name = table_.required_id("peer")) nic_.peer = std::move(*name);
      nic_.peer_at = table_.place_of("peer");
    }
    if (belongs("unknown", is_bump)) {
      const auto word = table_.choice("unknown", kUnknownWords);
      nic_.config.forward_unknown = word && *word == 1;
    }
  }

  // True if keys of that name are to be read; a key that stands at the wrong role is an error.
  bool belongs(std::string_view key, bool is_expected) {
    if (is_expected) return true;
    if (const Node* node = table_.find(key)) {
      table_.error(node->at(), "wrong-role",
                   quoted(key) + " has no meaning for role " + quoted(name_of(nic_.config.role)));
    }
    return false;
  }

  // The strings of a required, non-empty array.
  std::vector<std::pair<std::string, Position>> strings(std::string_view key) {
    std::vector<std::pair<std::string, Position>> texts;
    const Node::Array* array = table_.required_array(key);
    if (array == nullptr) return texts;
    if (array->empty()) {
      table_.error(table_.place_of(key), "bad-value", std::string(key) + " is empty");
    }
    for (const Node& element : *array) {
      if (element.string() == nullptr) {
        table_.wrong_type(element, key, "an array of strings");
      } else {
        texts.emplace_back(*element.string(), element.at());
      }
    }
    return texts;
  }

  void read_vpcs() {
    std::map<std::string, Position> seen;
    for (const auto& [name, at] : strings("vpcs")) {
      if (!is_valid_id(name)) {
        table_.error(at, "bad-id", "vpcs: " + quoted(name) + " is no name of a VPC");
      } else if (!seen.emplace(name, at).second) {
        table_.error(at, "duplicate-vpc", "vpcs: " + quoted(name) + " is named twice");
      } else {
        nic_.config.vpcs.push_back(registry_.vpcs.intern(name));
      }
    }
  }

  void read_addresses() {
    for (const auto& [text, at] : strings("addresses")) {
      const std::optional<InterfaceAddress> address = parse_interface_address(text);
      if (!address || !is_host_address(address->address)) {
        table_.error(at, "bad-address",
                     "addresses: " + quoted(text) +
                         " is no address with the length of its network, such as 192.0.2.2/30");
        continue;
      }
      const auto is_same = [&](const InterfaceAddress& other) {
        return other.address == address->address;
      };
      auto& list = nic_.config.addresses;
      if (std::any_of(list.begin(), list.end(), is_same)) {
        table_.error(at, "duplicate-address", "addresses: " + quoted(text) + " is there twice");
        continue;
      }
      list.push_back(*address);
    }
  }

  void read_gateways() {
    for (const auto& [text, at] : strings("gateway")) {
      const std::optional<IpAddr> address = IpAddr::parse(text);
      if (!address || !is_host_address(*address)) {
        table_.error(at, "bad-address", "gateway: " + quoted(text) + " is no address of a host");
      } else {
        add_gateway(*address, at);
      }
    }
  }

  void add_gateway(const IpAddr& gateway, Position at) {
    auto& list = nic_.config.gateways;
    const std::string shown = quoted(gateway.to_string());
    for (const IpAddr& other : list) {
      if (other.family() != gateway.family()) continue;
      table_.error(at, "duplicate-gateway",
                   "gateway: " + shown + " is the second of its family, beside " +
                       quoted(other.to_string()));
      return;
    }
    bool is_reachable = gateway.is_link_local();
    for (const InterfaceAddress& own : nic_.config.addresses) {
      if (own.address == gateway) {
        table_.error(at, "bad-address", "gateway: " + shown + " is the port's own address");
        return;
      }
      is_reachable = is_reachable || (own.address.family() == gateway.family() &&
                                      Cidr(own.address, own.length).contains(gateway));
    }
    if (!is_reachable) {
      table_.error(at, "unreachable-gateway",
                   "gateway: " + shown + " lies in no network of the port's addresses");
      return;
    }
    list.push_back(gateway);
  }

  TableReader table_;
  Registry& registry_;
  ReadNic nic_;
};

// What only all ports together can tell.
class NicChecks {
 public:
  NicChecks(std::vector<ReadNic>& nics, const Registry& registry, Findings& findings)
      : nics_(nics), registry_(registry), findings_(findings) {}

  void check() {
    if (nics_.size() > kNicsMax) {
      findings_.error(nics_[kNicsMax].at, "too-many-ports",
                      std::to_string(nics_.size()) + " ports are configured; at most " +
                          std::to_string(kNicsMax) + " can be");
    }
    for (std::size_t i = 0; i < nics_.size(); ++i) {
      const NicConfig& config = nics_[i].config;
      if (!config.id.empty()) once("port " + quoted(config.id), i);
      // "net_tap0,iface=a" and "net_tap0,iface=b" are the same device.
      if (!config.device.empty()) {
        once("device " + quoted(config.device.substr(0, config.device.find(','))), i);
      }
      if (!config.interface.is_none()) {
        once("interface " + quoted(registry_.interfaces.name_of(config.interface)), i);
      }
      for (const VpcIndex vpc : config.vpcs) once("VPC " + quoted(registry_.vpcs.name_of(vpc)), i);
      if (!nics_[i].peer.empty()) join_peer(i);
    }
  }

 private:
  void once(const std::string& thing, std::size_t nic) {
    const auto [place, is_new] = users_.emplace(thing, nic);
    if (is_new || place->second == nic) return;
    findings_.error(nics_[nic].at, "duplicate",
                    thing + " is used by two ports; the first is at " +
                        findings_.place(nics_[place->second].at));
  }

  void join_peer(std::size_t index) {
    ReadNic& nic = nics_[index];
    const auto other = std::find_if(nics_.begin(), nics_.end(), [&](const ReadNic& candidate) {
      return candidate.config.id == nic.peer;
    });
    const std::string what = "port " + quoted(nic.config.id) + ": peer " + quoted(nic.peer);
    if (other == nics_.end()) {
      findings_.error(nic.peer_at, "unknown-port", what + " does not exist");
      return;
    }
    const NicRole wanted = nic.config.role == NicRole::Inside ? NicRole::Outside : NicRole::Inside;
    if (other->config.role != wanted) {
      findings_.error(nic.peer_at, "wrong-role",
                      what + " has role " + quoted(name_of(other->config.role)) + ", not " +
                          quoted(name_of(wanted)));
    } else if (other->peer != nic.config.id) {
      findings_.error(nic.peer_at, "one-sided-peer",
                      what + " names " + quoted(other->peer) + " as its own peer");
    }
    nic.config.peer = NicIndex(static_cast<std::uint16_t>(other - nics_.begin()));
  }

  std::vector<ReadNic>& nics_;
  const Registry& registry_;
  Findings& findings_;
  std::map<std::string, std::size_t> users_;
};

}  // namespace

std::vector<NicConfig> read_nics(TableReader& root, Registry& registry, Findings& findings) {
  std::vector<ReadNic> nics;
  for_each_table(root, "port", [&](const Node& node) {
    nics.push_back(NicReader(node, registry, findings).read());
  });
  NicChecks(nics, registry, findings).check();
  std::vector<NicConfig> configs;
  for (ReadNic& nic : nics) configs.push_back(std::move(nic.config));
  return configs;
}

}  // namespace sluice
